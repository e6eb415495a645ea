//! Everything unsafe: CPU intrinsics always, DPDK 22.11 behind the `link` feature.
//!
//! ```text
//!  eal::start -> Eal (token, once a process)
//!    |-> pool::Pool        frame buffers, one a NUMA node and size; never freed, so that no frame outlives it
//!    |-> port::Device      control's end: plug, capabilities, start, statistics, close, plug again
//!    |     `-> queue::QueuePair   a worker's end: bursts of frame::Frame; Send, not Sync
//!    |-> fib, hash         lookup tables
//!    `-> thread::Registration     a worker thread known to DPDK
//! ```
//!
//! `c/shim.c` is the only file that includes a DPDK header; `c/shim.h` is what bindgen reads. All calls on the road
//! take arrays, because nothing is inlined across the two languages.

pub mod cpu;
#[cfg(feature = "link")]
pub mod eal;
#[cfg(feature = "link")]
mod failure;
#[cfg(feature = "link")]
pub mod fib;
#[cfg(feature = "link")]
pub mod frame;
#[cfg(feature = "link")]
pub mod hash;
#[cfg(feature = "link")]
pub mod interface;
#[cfg(feature = "link")]
pub mod log;
#[cfg(feature = "link")]
pub mod pool;
#[cfg(feature = "link")]
pub mod port;
#[cfg(feature = "link")]
pub mod queue;
#[cfg(feature = "link")]
pub mod thread;

#[cfg(feature = "link")]
pub use failure::Failure;

/// What bindgen made of `c/shim.h`.
#[cfg(feature = "link")]
#[allow(non_camel_case_types, non_upper_case_globals, missing_docs, dead_code, clippy::all)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::multiple_unsafe_ops_per_block)]
mod sys {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

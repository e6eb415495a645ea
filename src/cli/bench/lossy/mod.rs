//! `byway bench lossy`: how the sender of managed sessions does over a path that loses, on a virtual clock.
//!
//! ```text
//!  origin ──at once──> edge: one worker, sessions managed ──queue, 100 Mbit/s, 10 ms, loss──> client
//!  origin <──at once── edge                               <────────────10 ms──────────────── client
//! ```
//! The client receives as Linux does: its window grows while it acknowledges what is out of order, and SACK blocks go
//! with such an acknowledgement. Nothing is timed: two runs give the same figures.

mod client;
mod origin;
mod path;
mod run;
mod scene;
mod segment;

pub use run::{LossyArgs, bench_lossy};

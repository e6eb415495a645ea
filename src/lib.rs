//! byway: a Spectrum-like edge for an operator's own IP prefixes, on DPDK.
//!
//! ```text
//!  cli --> control --> snapshot --> table, firewall --> wire --> base
//!   |         `------> telemetry ----------------------------> base
//!   |-> api --> estate, vault, control, analytics
//!   |           control --> analytics --> vault
//!   `---> worker ---> session --> flow, table, tls;  smoltcp, rustls
//!           |`------> snapshot, table, firewall, flow, wire, telemetry
//!           `-------> port <-- mem, fault, pcap, dpdk --> [dpdk-sys crate]
//! ```
//!
//! An arrow reads "imports". Worker and control never import each other: they meet in `snapshot`, in bounded
//! queues and in telemetry pages. Nothing below `worker` knows that frames come in bursts. `tests/tidy.rs` keeps
//! this map true.
#![forbid(unsafe_code)]

pub mod analytics;
pub mod api;
pub mod base;
pub mod cli;
pub mod control;
pub mod estate;
pub mod firewall;
pub mod flow;
pub mod port;
pub mod session;
pub mod snapshot;
pub mod table;
pub mod telemetry;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod tls;
pub mod vault;
pub mod wire;
pub mod worker;

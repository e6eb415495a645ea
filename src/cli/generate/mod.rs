//! `byway gen`: a traffic generator for laboratories. Stateless floods of SYNs or datagrams, and clients and origins that
//! follow TCP, over any port that byway opens.
//!
//! It sends to the addresses that its command line names, and to hosts that speak to it first; to nobody else.

mod conn;
#[cfg(feature = "dpdk")]
mod device;
mod fleet;
mod flood;
mod link;
mod pace;
mod pool;
mod report;
mod verb;

pub use verb::{GenCommand, run};

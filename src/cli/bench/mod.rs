//! `byway bench`: instructions and bytes, counted under callgrind on in-memory ports.

mod callgrind;
mod datagrams;
mod make;
mod peer;
mod report;
mod session;
mod world;

pub use datagrams::{UdpProbe, bench_udp, run_udp_probe};
pub use report::Telling;
pub use session::{Probe, bench_session, run_probe};

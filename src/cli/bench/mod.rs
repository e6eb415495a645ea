//! `byway bench`: instructions and bytes, counted under callgrind on in-memory ports.

mod callgrind;
mod make;
mod peer;
mod report;
mod session;
mod world;

pub use report::Telling;
pub use session::{Probe, bench_session, run_probe};

//! `byway bench forward`: the shipping worker on one core behind a capture that repeats for ever, beside testpmd's `macswap`.

mod capture;
mod crowd;
mod finite;
mod probe;
mod scenario;
mod staged;
mod testpmd;
mod verb;

pub use probe::{ForwardProbe, run_forward_probe};
pub use verb::{ForwardArgs, bench_forward};

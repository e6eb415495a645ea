//! The loop that never waits: takes frames in bursts, asks the rooms below in order, sends what comes out.

mod filtered;
mod handover;
mod launch;
mod ledger;
mod locals;
mod neighbor;
mod rate;
mod routes;
mod settings;

pub use filtered::{FILTERED_INTERVAL, Filtered, Telling};
pub use handover::{Arrival, Handover, HandoverEnds, NeighborUpdate, Notice, handover_rings};
pub use launch::{
    Cpu, LaunchError, Layout, Registrar, Wanted, allowed_cpus, confine, numa_mismatches, spawn,
};
pub use ledger::Ledger;
pub use locals::{DenyList, Local, Locals};
pub use neighbor::{Asked, Hearing, HopState, Neighbors, Path, View};
pub use rate::RateLimit;
pub use routes::{NextHop, Routes};
pub use settings::{PortSettings, Rates, Refusal, RouteSettings, Settings};

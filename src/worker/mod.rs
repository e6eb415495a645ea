//! The loop that never waits: takes frames in bursts, asks the rooms below in order, sends what comes out.

mod admit;
mod announce;
mod commands;
mod cookie;
mod core;
mod crypto_thread;
mod datagram;
mod exit;
mod face;
mod filtered;
mod follow;
mod greet;
mod handover;
mod icmp;
mod intake;
mod launch;
mod ledger;
mod limits;
mod link;
mod locals;
mod neighbor;
mod origins;
mod outbox;
mod quick;
mod rate;
mod refuse;
mod rest;
mod routes;
mod run;
mod serve;
mod settings;
mod splice;
mod stranger;
mod waiting;

pub use core::{Equipment, Turn, Worker};
pub use crypto_thread::spawn_crypto;
pub use handover::{Arrival, Handover, HandoverEnds, NeighborUpdate, Notice, handover_rings};
pub use launch::{
    Cpu, LaunchError, Layout, Registrar, Wanted, allowed_cpus, confine, cpu_list, isolated_cpus,
    numa_mismatches, spawn,
};
use ledger::Drops;
pub use ledger::Ledger;
pub use neighbor::{HopState, View as NeighborView};
pub use rest::{Idle, RestTerms};
pub use run::{Ended, run};
pub use settings::{PortSettings, Rates, Refusal, RouteSettings, Settings};

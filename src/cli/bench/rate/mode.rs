//! What both benches share: how sessions are carried, and a worker for so many of them.

use super::super::make::{self, MAC, Shape};
use super::super::world::World;
use crate::base::Span;
use crate::worker::Settings;
use clap::ValueEnum;

/// Runs of each row.
pub const RUNS: usize = 7;

/// How sessions are carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// By smoltcp.
    Managed,
    /// Spliced.
    Splice,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Splice, Self::Managed];

    /// As rows and arguments name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Managed => "managed",
            Self::Splice => "splice",
        }
    }
}

/// A worker for so many sessions at once.
pub fn world(mode: Mode, sessions: usize, buffer_bytes: usize) -> World {
    world_cutting(mode, (sessions, buffer_bytes), 0)
}

/// The same with a port that cuts packets of up to `tso_bytes`.
pub fn world_cutting(mode: Mode, (sessions, buffer_bytes): (usize, usize), tso_bytes: u16) -> World {
    let (tcp_sessions, spliced_sessions) = match mode {
        Mode::Managed => (sessions, 0),
        Mode::Splice => (0, sessions + 64),
    };
    let shape = Shape {
        tcp_sessions,
        spliced_sessions,
        udp_sessions: 0,
        offload: true,
        buffer_bytes,
        snapshot: make::snapshot(make::TABLES, None),
        rules: make::RULES,
        tune: |settings: &mut Settings| {
            // Room for the tuples of all connections that a run opens and closes.
            settings.session.time_wait_max = 65_536;
            settings.session.egress.quarantine_max = 65_536;
        },
    };
    let (worker, wire, held) = make::equip_cutting(shape, tso_bytes);
    World::new(worker, wire, MAC, true, held)
}

/// So many of something a second.
pub fn a_second(count: f64, took: Span) -> f64 {
    count * 1e9 / took.nanos() as f64
}

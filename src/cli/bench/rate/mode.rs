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
    world_with(mode, (sessions, buffer_bytes), Offload { gro: true, tso_bytes: 0 })
}

/// What a run does for many segments at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offload {
    /// Segments that follow each other are judged once.
    pub gro: bool,
    /// The longest packet that the port cuts; zero: none.
    pub tso_bytes: u16,
}

/// The same with those.
pub fn world_with(mode: Mode, (sessions, buffer_bytes): (usize, usize), offload: Offload) -> World {
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
        tune: if offload.gro { make_room } else { make_room_alone },
    };
    let (worker, wire, held) = make::equip_cutting(shape, offload.tso_bytes);
    World::new(worker, wire, MAC, true, held)
}

/// Room for the tuples of all connections that a run opens and closes.
const fn make_room(settings: &mut Settings) {
    settings.session.time_wait_max = 65_536;
    settings.session.egress.quarantine_max = 65_536;
}

const fn make_room_alone(settings: &mut Settings) {
    make_room(settings);
    settings.gro = false;
}

/// So many of something a second.
pub fn a_second(count: f64, took: Span) -> f64 {
    count * 1e9 / took.nanos() as f64
}

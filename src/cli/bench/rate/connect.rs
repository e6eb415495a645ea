//! Whole connections: open, a request of 64 bytes, an answer of 64, close. Nine frames come in, and as many go out.

use super::super::callgrind::{self, CallgrindError};
use super::super::report::{self, Row, Telling};
use super::super::world::{Counting, World};
use super::mode::{Mode, RUNS, a_second, world};
use crate::base::Span;
use std::process::ExitCode;

/// Payload of request and answer.
const PAYLOAD: u16 = 64;
/// Connections that live at once, and how often so many are opened and closed in a run.
const AT_ONCE: usize = 640;
const TIMES: usize = 40;
/// Bytes of each of a session's buffers.
const BUFFER_BYTES: usize = 8_192;
/// The design's bound on spliced connections a second.
const RATE_MIN: f64 = 250_000.0;

impl Mode {
    /// The design's bound on the instructions of a connection.
    const fn instructions_max(self) -> f64 {
        match self {
            Self::Splice => 20_000.0,
            Self::Managed => 26_000.0,
        }
    }

    /// The design's bound on connections a second.
    const fn rate_min(self) -> Option<f64> {
        match self {
            Self::Splice => Some(RATE_MIN),
            Self::Managed => None,
        }
    }
}

/// One run under callgrind, as the child process is told to make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ConnectProbe {
    /// How sessions are carried.
    #[arg(long, value_enum)]
    pub mode: Mode,
}

/// Takes the rows and prints them; fails when one is out of its bound.
pub fn bench_connect(telling: Telling) -> ExitCode {
    match rows() {
        Ok(rows) if report::print("connect", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows() -> Result<Vec<Row>, CallgrindError> {
    let mut rows = Vec::new();
    for mode in Mode::ALL {
        let rates: Vec<f64> = (0..RUNS).map(|_| rate(mode)).collect();
        let name = format!("connect_{}", mode.name());
        rows.push(Row::rate(name, "a second", &rates, (AT_ONCE, 0), mode.rate_min()));
    }
    for mode in Mode::ALL {
        let args = ["bench", "connect-probe", "--mode", mode.name()].map(String::from);
        let counted = callgrind::count(&args)?;
        let name = format!("connect_{}_instructions", mode.name());
        let value = counted.instructions as f64 / AT_ONCE as f64;
        rows.push(Row::new(name, value, "instructions", Some(mode.instructions_max())));
    }
    Ok(rows)
}

/// Connections a second of the worker's turns, by CPU time.
fn rate(mode: Mode) -> f64 {
    let mut world = world(mode, AT_ONCE, BUFFER_BYTES);
    let connect = |world: &mut World| {
        let first = world.open(AT_ONCE);
        world.ask(first, AT_ONCE, PAYLOAD);
        world.close(first, AT_ONCE);
    };
    connect(&mut world);
    world.counting = Counting::Time;
    world.turned = Span::ZERO;
    (0..TIMES).for_each(|_| connect(&mut world));
    a_second((AT_ONCE * TIMES) as f64, world.turned)
}

/// The child's side.
pub fn run_connect_probe(probe: &ConnectProbe) -> ExitCode {
    let mut world = world(probe.mode, AT_ONCE, BUFFER_BYTES);
    world.counting = Counting::Instructions;
    let first = world.open(AT_ONCE);
    world.ask(first, AT_ONCE, PAYLOAD);
    world.close(first, AT_ONCE);
    ExitCode::SUCCESS
}

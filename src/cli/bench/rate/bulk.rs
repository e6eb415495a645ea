//! Bytes from clients to origins: 64 flows, full segments, eight of a flow together.

use super::super::report::{self, Row, Telling};
use super::super::world::{Counting, World};
use super::mode::{Mode, Offload, RUNS, a_second, world_with};
use crate::base::Span;
use crate::base::limits::TSO_BYTES_MAX;
use std::process::ExitCode;

pub const FLOWS: usize = 64;
/// Segments of a flow in a burst.
const TOGETHER: usize = 8;
/// Payload of a segment with timestamps on Ethernet, and bytes of its frame.
pub const PAYLOAD: u16 = 1_448;
const FRAME_BYTES: u16 = 1_514;
/// Payload of the first request and its answer.
const ASKED: u16 = 64;
/// Rounds before the clock runs, for senders to find their stride, and in a run.
const WARM_ROUNDS: usize = 200;
const ROUNDS: usize = 4_000;
/// Rounds whose instructions are counted.
const ROUNDS_COUNTED: usize = 200;
/// Bytes of each of a session's buffers, as the boot config has them.
const BUFFER_BYTES: usize = 65_536;

impl Mode {
    /// The design's bound in Gbit/s of frames.
    const fn gbit_min(self) -> f64 {
        match self {
            Self::Managed => 20.0,
            Self::Splice => 100.0,
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct BulkArgs {
    /// How sessions are carried; both where it is not given.
    #[arg(long, value_enum)]
    pub mode: Option<Mode>,
}

/// Takes the rows and prints them; fails when one falls short.
pub fn bench_bulk(args: BulkArgs, telling: Telling) -> ExitCode {
    let modes = Mode::ALL.into_iter().filter(|mode| args.mode.is_none_or(|only| only == *mode));
    // What is spliced is never cut.
    let tso = |mode: Mode| if mode == Mode::Managed { &[0, TSO_BYTES_MAX][..] } else { &[0][..] };
    let rows: Vec<Row> =
        modes.flat_map(|mode| tso(mode).iter().map(move |&bytes| row(mode, bytes))).collect();
    match report::print("bulk", &rows, telling) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Counts the instructions of managed sessions; segments that passed meanwhile.
pub fn count_bulk(gro: bool, tso: bool) -> usize {
    let tso_bytes = if tso { TSO_BYTES_MAX } else { 0 };
    let (mut world, active) = warm(Mode::Managed, Offload { gro, tso_bytes });
    world.counting = Counting::Instructions;
    for _ in 0..ROUNDS_COUNTED {
        world.stream(&active, PAYLOAD, TOGETHER);
    }
    world.counting = Counting::Nothing;
    FLOWS * TOGETHER * ROUNDS_COUNTED
}

/// Flows in their stride.
fn warm(mode: Mode, offload: Offload) -> (World, Vec<usize>) {
    let mut world = world_with(mode, (FLOWS, BUFFER_BYTES), offload);
    let first = world.open(FLOWS);
    // An answer is when a session is spliced.
    world.ask(first, FLOWS, ASKED);
    let active: Vec<usize> = (first..first + FLOWS).collect();
    for _ in 0..WARM_ROUNDS {
        world.stream(&active, PAYLOAD, TOGETHER);
    }
    (world, active)
}

fn row(mode: Mode, tso_bytes: u16) -> Row {
    let (mut world, active) = warm(mode, Offload { gro: true, tso_bytes });
    world.counting = Counting::Time;
    let mut run = || {
        world.turned = Span::ZERO;
        let complete = (0..ROUNDS).all(|_| world.stream(&active, PAYLOAD, TOGETHER));
        assert!(complete, "bytes came late to an origin of the bench");
        let bits = (FLOWS * TOGETHER * ROUNDS) as f64 * f64::from(FRAME_BYTES) * 8.0;
        a_second(bits, world.turned) / 1e9
    };
    let rates: Vec<f64> = (0..RUNS).map(|_| run()).collect();
    let how = if tso_bytes == 0 { "" } else { "_tso" };
    let name = format!("bulk_{}{how}", mode.name());
    Row::rate(name, "Gbit/s", &rates, (FLOWS, FRAME_BYTES), Some(mode.gbit_min()))
}

//! `byway bench session`: what a relayed segment, a connection and an idle session cost.
//!
//! The bench runs itself under callgrind once a row (`Probe`), in a child process that drives the shipping worker on
//! an in-memory port and counts only the worker's turns.

use super::report::{self, Row, Telling};
use super::world::{Counting, World};
use super::{callgrind, make, rate, syns};
use crate::base::Span;
use std::process::ExitCode;

/// Numbers of live sessions that every row is taken at.
const SESSIONS: [usize; 3] = [32, 10_000, 100_000];
/// A round (every measured session sends one segment) lasts this long in virtual time, however many take part.
const ROUND: Span = Span::from_millis(1);
/// Segments counted in one run.
const SEGMENTS: usize = 64_000;
/// Sessions that send in one run, at most.
const ACTIVE_MAX: usize = 640;
/// Rounds before the count begins.
const WARM_ROUNDS: usize = 50;
/// Connections counted in one run.
const CONNECTIONS: usize = 640;
/// The design's bound: a 64-byte segment with its ACK.
const SEGMENT_64_MAX: f64 = 4_500.0;
/// The design's bound: a whole connection.
const CONNECTION_MAX: f64 = 25_000.0;
/// The design's bound: growth from 32 to 100,000 sessions.
const GROWTH_PERCENT_MAX: f64 = 3.0;
/// The design's bound: bytes of an idle session beside its buffers.
const IDLE_BYTES_MAX: f64 = 2_560.0;

/// One run of the worker, as the child process is told to make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Probe {
    /// Live sessions.
    #[arg(long)]
    pub sessions: usize,
    /// Payload of a segment in bytes; 0 measures whole connections.
    #[arg(long)]
    pub payload: u16,
    /// The port claims to fill in and verify checksums.
    #[arg(long)]
    pub offload: bool,
    /// The peers use timestamps, as Linux does.
    #[arg(long)]
    pub timestamps: bool,
    /// Sessions are spliced.
    #[arg(long)]
    pub splice: bool,
    /// Bytes in bulk, eight segments of a flow together, as `bench bulk` has them.
    #[arg(long)]
    pub bulk: bool,
    /// Segments that follow each other are judged once.
    #[arg(long)]
    pub gro: bool,
    /// The port cuts long segments.
    #[arg(long)]
    pub tso: bool,
}

impl Probe {
    /// Of 32 sessions, with nothing.
    const PLAIN: Self = Self {
        sessions: 32,
        payload: 0,
        offload: false,
        timestamps: false,
        splice: false,
        bulk: false,
        gro: false,
        tso: false,
    };

    /// The arguments that make a child run this probe.
    fn args(&self) -> Vec<String> {
        let mut args: Vec<String> = ["bench", "session-probe", "--sessions"].map(String::from).to_vec();
        args.extend([self.sessions.to_string(), "--payload".into(), self.payload.to_string()]);
        args.extend(self.offload.then(|| "--offload".to_owned()));
        args.extend(self.timestamps.then(|| "--timestamps".to_owned()));
        args.extend(self.splice.then(|| "--splice".to_owned()));
        args.extend(self.bulk.then(|| "--bulk".to_owned()));
        args.extend(self.gro.then(|| "--gro".to_owned()));
        args.extend(self.tso.then(|| "--tso".to_owned()));
        args
    }

    /// The row's name: what, how many sessions, how.
    fn name(&self) -> String {
        let what = match self.payload {
            0 => "connection".to_owned(),
            bytes => format!("segment_{bytes}"),
        };
        let what = if self.splice { format!("spliced_{what}") } else { what };
        let what = if self.bulk { format!("bulk_{what}") } else { what };
        let what = if self.gro { format!("{what}_gro") } else { what };
        let what = if self.tso { format!("{what}_tso") } else { what };
        let how = if self.offload { "" } else { "_softsum" };
        let options = if self.timestamps { "_timestamps" } else { "" };
        format!("{what}{how}{options}_{}", self.sessions)
    }

    /// The design's bound on it.
    fn limit(&self) -> Option<f64> {
        match (self.payload, self.offload, self.timestamps) {
            _ if self.splice || self.bulk => None,
            (0, true, false) => Some(CONNECTION_MAX),
            (64, true, false) => Some(SEGMENT_64_MAX),
            _ => None,
        }
    }
}

/// Takes every row, prints them, and fails when one is over its bound.
pub fn bench_session(quick: bool, telling: Telling) -> ExitCode {
    match rows(quick) {
        Ok(rows) if report::print("session", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All rows of the bench; `quick` leaves out the 100,000 sessions.
fn rows(quick: bool) -> Result<Vec<Row>, callgrind::CallgrindError> {
    let counts = if quick { &SESSIONS[..2] } else { &SESSIONS[..] };
    let mut rows = Vec::new();
    for payload in [64, 1460, 0] {
        let mut values = Vec::new();
        for &sessions in counts {
            let probe = Probe { sessions, payload, offload: true, ..Probe::PLAIN };
            let value = take(probe)?;
            values.push(value);
            rows.push(Row::new(probe.name(), value, "instructions", probe.limit()));
        }
        rows.push(growth(payload, &values));
    }
    for (payload, offload, timestamps) in
        [(64, false, false), (1460, false, false), (64, true, true), (1448, true, true)]
    {
        let probe = Probe { payload, offload, timestamps, ..Probe::PLAIN };
        rows.push(Row::new(probe.name(), take(probe)?, "instructions", probe.limit()));
    }
    // A segment and its ACK, as above: two frames translated.
    for (sessions, payload, timestamps) in
        [(32, 64, false), (10_000, 64, false), (32, 1460, false), (32, 1448, true), (32, 0, false)]
    {
        let probe = Probe { sessions, payload, offload: true, timestamps, splice: true, ..Probe::PLAIN };
        rows.push(Row::new(probe.name(), take(probe)?, "instructions", probe.limit()));
    }
    for (gro, tso) in [(false, false), (true, false), (true, true)] {
        let (sessions, payload) = (rate::FLOWS, rate::PAYLOAD);
        let plain = Probe { sessions, payload, offload: true, timestamps: true, ..Probe::PLAIN };
        let probe = Probe { bulk: true, gro, tso, ..plain };
        rows.push(Row::new(probe.name(), take(probe)?, "instructions", probe.limit()));
    }
    rows.extend(syns::rows()?);
    rows.push(Row::new("idle_session_memory".into(), idle_bytes(), "bytes", Some(IDLE_BYTES_MAX)));
    Ok(rows)
}

/// Instructions per unit of one probe.
fn take(probe: Probe) -> Result<f64, callgrind::CallgrindError> {
    let counted = callgrind::count(&probe.args())?;
    let units = counted.stdout.lines().find_map(|line| line.strip_prefix("units ")?.parse::<f64>().ok());
    let units = units.ok_or(callgrind::CallgrindError::NoTotal)?;
    Ok(counted.instructions as f64 / units)
}

/// How much more the last count of sessions costs than the first, in per cent.
fn growth(payload: u16, values: &[f64]) -> Row {
    let (first, last) = (values[0], values[values.len() - 1]);
    let what = if payload == 0 { "connection".to_owned() } else { format!("segment_{payload}") };
    Row::new(format!("{what}_growth"), (last / first - 1.0) * 100.0, "percent", Some(GROWTH_PERCENT_MAX))
}

/// Bytes that a session takes beside its buffers: what a large worker's data segment has over a small one's, a session.
pub(super) fn idle_bytes() -> f64 {
    const MANY: usize = 100_000;
    let before = data_bytes();
    let _small = make::world(0, true, false);
    let one = data_bytes() - before;
    let before = data_bytes();
    let _large = make::world(MANY, true, false);
    let many = data_bytes() - before;
    (many - one) / MANY as f64 - 4.0 * make::BUFFER_BYTES as f64
}

/// Bytes of this process's data mappings (`VmData`, proc(5)).
pub(super) fn data_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()
    });
    kib.unwrap_or(0.0) * 1024.0
}

/// The child's side: drives the worker, then prints how many units were counted.
pub fn run_probe(probe: &Probe) -> ExitCode {
    if probe.bulk {
        println!("units {}", rate::count_bulk(probe.gro, probe.tso));
        return ExitCode::SUCCESS;
    }
    let connections = if probe.payload == 0 { CONNECTIONS } else { 0 };
    let make = if probe.splice { make::spliced_world } else { make::world };
    let mut world = make(probe.sessions + connections, probe.offload, probe.timestamps);
    world.open(probe.sessions);
    world.settle();
    let units = if probe.payload == 0 { connect(&mut world) } else { relay(&mut world, probe) };
    println!("units {units}");
    ExitCode::SUCCESS
}

/// Measures segments of sessions spread evenly over all that live, after enough rounds for timers and senders to be in
/// their stride: a session's pattern is the same at any number of sessions.
fn relay(world: &mut World, probe: &Probe) -> usize {
    let count = probe.sessions.min(ACTIVE_MAX);
    let active: Vec<usize> = (0..count).map(|at| at * (probe.sessions / count)).collect();
    for _ in 0..WARM_ROUNDS {
        world.relay(&active, probe.payload, ROUND);
    }
    let rounds = SEGMENTS / count;
    world.counting = Counting::Instructions;
    for _ in 0..rounds {
        world.relay(&active, probe.payload, ROUND);
    }
    world.counting = Counting::Nothing;
    rounds * count
}

/// Measures whole connections beside the live sessions.
fn connect(world: &mut World) -> usize {
    world.counting = Counting::Instructions;
    let first = world.open(CONNECTIONS);
    world.close(first, CONNECTIONS);
    world.counting = Counting::Nothing;
    CONNECTIONS
}

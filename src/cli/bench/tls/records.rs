//! `byway bench session --tls`: what a relayed record costs a worker, in all and outside the cipher, and what an idle
//! session holds. As `session`: the bench runs itself under callgrind once a row and counts only the worker's turns.
//!
//! Records are of TLS 1.3 with TLS_AES_128_GCM_SHA256. Valgrind offers AES-NI, PCLMULQDQ and AVX2, which is what
//! aws-lc takes on CPUs without VAES; so the cipher's instructions are those of the road.

use super::super::callgrind::{self, CallgrindError};
use super::super::report::{Row, Telling};
use super::super::session::{data_bytes, idle_bytes};
use super::super::world::Counting;
use super::edge::{BUFFER_BYTES, Edge, Key, Mode};
use super::lines::Lines;
use super::timed::{Failed, tell, timed_rows};
use crate::base::Span;
use crate::flow::Side;
use std::process::{Command, ExitCode};

/// Plaintext bytes of a record: little, a segment, the most (RFC 8446 5.1).
const PAYLOADS: [usize; 3] = [64, 1_460, 16_384];
/// Numbers of live sessions.
const SESSIONS: [usize; 2] = [32, 1_000];
/// A round (every session sends one record) lasts this long in virtual time.
const ROUND: Span = Span::from_millis(1);
/// Plaintext that is counted in one run, and its records at most and at least.
const BYTES: usize = 8 << 20;
const RECORDS: std::ops::RangeInclusive<usize> = 512..=6_400;
/// Rounds before the count begins.
const WARM_ROUNDS: usize = 30;
/// Connections counted in one run, after as many to warm up.
const CONNECTIONS: usize = 128;
/// Sessions whose memory is measured, after as many to warm up.
const IDLE_SESSIONS: usize = 1_000;

/// Which way records go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Way {
    /// From clients.
    Up,
    /// From origins.
    Down,
}

/// One run of the worker, as the child process is told to make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct TlsProbe {
    /// How far TLS reaches.
    #[arg(long)]
    pub mode: Mode,
    /// Which way records go.
    #[arg(long)]
    pub way: Way,
    /// Live sessions.
    #[arg(long)]
    pub sessions: usize,
    /// Plaintext bytes of a record; 0 measures the memory of idle sessions.
    #[arg(long)]
    pub payload: usize,
    /// Measures whole connections instead: TCP and TLS handshakes, tickets, a reset.
    #[arg(long)]
    pub connections: bool,
}

impl TlsProbe {
    fn args(self) -> Vec<String> {
        let way = if self.way == Way::Up { "up" } else { "down" };
        let words = ["bench", "tls-probe", "--mode", self.mode.name(), "--way", way, "--sessions"];
        let mut args = words.map(String::from).to_vec();
        args.extend([self.sessions.to_string(), "--payload".into(), self.payload.to_string()]);
        args.extend(self.connections.then(|| "--connections".to_owned()));
        args
    }

    /// The row's name. In `flexible` a record from the client is opened, one to it sealed; in `full` both are done.
    fn name(self) -> String {
        if self.connections {
            return format!("tls_connection_{}", self.mode.name());
        }
        let what = match (self.mode, self.way) {
            (Mode::Off, _) => "off",
            (Mode::Flexible, Way::Up) => "open",
            (Mode::Flexible, Way::Down) => "seal",
            (Mode::Full, _) => "full",
        };
        format!("tls_{what}_{}_{}", self.payload, self.sessions)
    }
}

/// Takes every row, prints them, and fails when one is over its bound.
pub fn bench_tls(quick: bool, telling: Telling) -> ExitCode {
    tell("session --tls", rows(quick), telling)
}

fn rows(quick: bool) -> Result<Vec<Row>, Failed> {
    // Once: a second look would find the memory that the first one gave back.
    let slot = idle_bytes();
    let mut rows = vec![idle_row(Mode::Flexible, slot)?, idle_row(Mode::Full, slot)?];
    let counts = if quick { &SESSIONS[..1] } else { &SESSIONS[..] };
    for (mode, way) in [(Mode::Flexible, Way::Up), (Mode::Flexible, Way::Down), (Mode::Full, Way::Up)] {
        for (&sessions, payload) in counts.iter().flat_map(|count| PAYLOADS.map(|payload| (count, payload))) {
            rows.extend(take(TlsProbe { mode, way, sessions, payload, connections: false })?);
        }
    }
    for mode in [Mode::Flexible, Mode::Full] {
        let (way, sessions, payload) = (Way::Up, CONNECTIONS, 0);
        let [all, _] = take(TlsProbe { mode, way, sessions, payload, connections: true })?;
        rows.push(all);
    }
    if !quick {
        rows.extend(timed_rows()?);
    }
    Ok(rows)
}

/// Instructions of one probe: all, and all but the cipher's.
fn take(probe: TlsProbe) -> Result<[Row; 2], CallgrindError> {
    let counted = callgrind::count(&probe.args())?;
    let units = units(&counted.stdout)?;
    let all = counted.instructions as f64 / units;
    let cipher = counted.cipher as f64 / units;
    Ok([
        Row::new(probe.name(), all, "instructions", None),
        Row::new(format!("{}_but_cipher", probe.name()), all - cipher, "instructions", None),
    ])
}

fn units(stdout: &str) -> Result<f64, CallgrindError> {
    let units = stdout.lines().find_map(|line| line.strip_prefix("units ")?.parse().ok());
    units.ok_or(CallgrindError::NoTotal)
}

/// Bytes that an idle session holds beside its buffers: its slot, and what rustls keeps for it. By a child, whose heap
/// holds nothing else.
fn idle_row(mode: Mode, slot: f64) -> Result<Row, CallgrindError> {
    let probe = TlsProbe { mode, way: Way::Up, sessions: IDLE_SESSIONS, payload: 0, connections: false };
    let exe = std::env::current_exe().map_err(CallgrindError::NotThere)?;
    let out = Command::new(exe).args(probe.args()).output().map_err(CallgrindError::NotThere)?;
    let bytes = units(&String::from_utf8_lossy(&out.stdout))?;
    Ok(Row::new(format!("idle_tls_{}_memory", mode.name()), slot + bytes, "bytes", None))
}

/// What a session's TLS holds. Hosts are forgotten at once, so that their memory serves the next ones and what grows is
/// the edge's.
fn held_bytes(probe: &TlsProbe) -> f64 {
    let mut lines = Lines::new(Edge::new(2 * probe.sessions, 4_096, Key::P256), false);
    let mut open_and_forget = || {
        for _ in 0..probe.sessions {
            lines.open(1, probe.mode);
            lines.forget();
        }
        data_bytes()
    };
    let before = open_and_forget();
    (open_and_forget() - before) / probe.sessions as f64
}

/// Measures what the worker does for connections that come and go; the crypto thread's part is not counted.
fn connect(probe: &TlsProbe) -> usize {
    let mut lines = Lines::new(Edge::new(probe.sessions, 4_096, Key::P256), false);
    for counting in [Counting::Nothing, Counting::Instructions] {
        lines.counting = counting;
        lines.open(probe.sessions, probe.mode);
        lines.reset();
    }
    probe.sessions
}

/// The child's side: drives the worker, then prints how many records were counted.
pub fn run_tls_probe(probe: &TlsProbe) -> ExitCode {
    if probe.connections {
        println!("units {}", connect(probe));
        return ExitCode::SUCCESS;
    }
    if probe.payload == 0 {
        println!("units {}", held_bytes(probe));
        return ExitCode::SUCCESS;
    }
    let mut lines = Lines::new(Edge::new(probe.sessions, BUFFER_BYTES, Key::P256), false);
    lines.open(probe.sessions, probe.mode);
    lines.settle();
    let from = if probe.way == Way::Up { Side::Client } else { Side::Origin };
    let bytes: Vec<u8> = (0..probe.payload).map(|at| at as u8).collect();
    for _ in 0..WARM_ROUNDS.min(1 + RECORDS.end() / probe.sessions) {
        lines.relay(from, &bytes, ROUND);
    }
    let records = (BYTES / probe.payload).clamp(*RECORDS.start(), *RECORDS.end());
    let rounds = records.div_ceil(probe.sessions);
    lines.counting = Counting::Instructions;
    for _ in 0..rounds {
        lines.relay(from, &bytes, ROUND);
    }
    println!("units {}", rounds * probe.sessions);
    ExitCode::SUCCESS
}

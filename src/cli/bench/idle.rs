//! Memory of idle sessions: a worker's process with a full table, less one with a thousand.
//!
//! Both are this very binary again, with as many sockets, buffers and frames; what the bench's own peers took is given back
//! before the kernel is asked.

use super::make::{self, MAC, Shape};
use super::report::{self, Row, Telling};
use super::world::World;
use crate::base::{Addr, Span};
use crate::worker::Settings;
use clap::ValueEnum;
use std::process::{Command, ExitCode};

/// Lets glibc give back at once what the bench's peers free; by default it keeps up to 32 MiB of what was freed before.
const RETURNED: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
/// Sessions of the process that is taken off.
const FEW: usize = 1_000;
/// Sessions that are opened together, and have sockets meanwhile.
const AT_ONCE: usize = 512;
/// Bytes of each of a session's buffers.
const BUFFER_BYTES: usize = 8_192;
/// Egress addresses: one bears 64,512 sessions to one origin.
const EGRESS_ADDRS: u8 = 40;

/// How idle sessions are held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum IdleMode {
    /// As translations of headers.
    Spliced,
    /// Without their sockets.
    Parked,
}

impl IdleMode {
    const ALL: [Self; 2] = [Self::Spliced, Self::Parked];

    const fn name(self) -> &'static str {
        match self {
            Self::Spliced => "spliced",
            Self::Parked => "parked",
        }
    }

    /// The design's bound on the bytes of one, flow table included.
    const fn bytes_max(self) -> f64 {
        match self {
            Self::Spliced => 320.0,
            Self::Parked => 700.0,
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct IdleArgs {
    /// How sessions are held; both ways when not given.
    #[arg(long, value_enum)]
    pub mode: Option<IdleMode>,
    /// Sessions of the full table.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=2_000_000))]
    pub sessions: u32,
}

/// One process with so many idle sessions.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct IdleProbe {
    /// How they are held.
    #[arg(long, value_enum)]
    pub mode: IdleMode,
    /// How many.
    #[arg(long)]
    pub sessions: usize,
}

/// Takes the rows and prints them; fails when one is out of its bound.
pub fn bench_idle(args: IdleArgs, telling: Telling) -> ExitCode {
    let modes = IdleMode::ALL.into_iter().filter(|mode| args.mode.is_none_or(|only| only == *mode));
    let rows: Result<Vec<Row>, String> = modes.map(|mode| row(mode, args.sessions as usize)).collect();
    match rows {
        Ok(rows) if report::print("idle", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn row(mode: IdleMode, sessions: usize) -> Result<Row, String> {
    let (full, few) = (taken(mode, sessions)?, taken(mode, FEW)?);
    let each = (full - few) / (sessions - FEW) as f64;
    Ok(Row::new(format!("idle_{}", mode.name()), each, "bytes", Some(mode.bytes_max())))
}

/// The bytes that a process with so many sessions has.
fn taken(mode: IdleMode, sessions: usize) -> Result<f64, String> {
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let sessions = sessions.to_string();
    let words = ["bench", "idle-probe", "--mode", mode.name(), "--sessions", &sessions];
    let out = Command::new(exe).args(words).envs(RETURNED).output().map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&out.stdout);
    match told.trim().parse() {
        Ok(bytes) if out.status.success() => Ok(bytes),
        Ok(_) | Err(_) => {
            Err(format!("{sessions} sessions: {}", String::from_utf8_lossy(&out.stderr).trim()))
        }
    }
}

/// The child's side.
pub fn run_idle_probe(probe: &IdleProbe) -> ExitCode {
    let shape = Shape {
        tcp_sessions: AT_ONCE,
        spliced_sessions: probe.sessions,
        udp_sessions: 0,
        offload: true,
        buffer_bytes: BUFFER_BYTES,
        snapshot: make::snapshot(make::TABLES, None),
        rules: make::RULES,
        tune: match probe.mode {
            IdleMode::Spliced => stay,
            IdleMode::Parked => park,
        },
    };
    let (worker, wire, held) = make::equip(shape);
    let mut world = World::new(worker, wire, MAC, true, held);
    let mut left = probe.sessions;
    while left != 0 {
        let count = left.min(AT_ONCE);
        world.open(count);
        world.settle();
        left -= count;
    }
    let (worker, held, _) = world.into_parts();
    assert_eq!(worker.sessions(), probe.sessions, "every session lives");
    println!("{}", memory());
    drop((worker, held));
    ExitCode::SUCCESS
}

/// Nobody answers probes here, and one address has too few ports.
fn stay(settings: &mut Settings) {
    let session = &mut settings.session;
    session.egress.ipv4 = (10..10 + EGRESS_ADDRS).map(|host| Addr::v4([198, 18, 0, host])).collect();
    (session.keepalive, session.idle_timeout) = (Span::ZERO, Span::from_secs(1 << 31));
}

/// The same with sessions that are parked instead of spliced.
fn park(settings: &mut Settings) {
    stay(settings);
    let session = &mut settings.session;
    session.parked_max = std::mem::take(&mut session.spliced_max);
    session.park_after = Span::from_millis(500);
}

/// What this process has of ordinary memory and of hugepages, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok())
    };
    (of("VmRSS:").unwrap_or(0) + of("HugetlbPages:").unwrap_or(0)) << 10
}

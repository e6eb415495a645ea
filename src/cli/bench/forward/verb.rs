//! The parent's side of `byway bench forward`: writes the capture, has both contenders measured in turn, and tells.

use super::super::machine;
use super::super::report::{self, Row, Telling, Timed};
use super::capture::Capture;
use super::finite::{self, FLOWS_COMPARED_MAX};
use super::probe::{ForwardProbe, Measured, buffers};
use super::scenario::{Scenario, mbuf_bytes};
use super::testpmd::{self, PeerError, Testpmd};
use crate::port::dpdk::free_pages;
use crate::port::pcap::PcapError;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

/// Runs of each contender, in turn.
const RUNS: usize = 5;
/// What a DPDK process takes beside its frame buffers, in MiB, as byway reckons.
const BASE_MIB: u64 = 48;

/// What is asked for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ForwardArgs {
    /// What the frames meet.
    #[arg(long, value_enum)]
    pub scenario: Scenario,
    /// Flows, one frame of each in the capture; else the scenario's own number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub flows: Option<u32>,
    /// What is printed, and what fails.
    #[command(flatten)]
    pub telling: Telling,
}

/// Why there is no row.
#[derive(Debug)]
enum Failed {
    Capture(PcapError),
    Peer(PeerError),
    /// The child could not be started or ended early.
    Probe(String),
    /// Frames went astray.
    Astray(Measured),
    /// What is sent is not what the plain road sends.
    Differs(String),
}

/// Takes the row and prints it; fails when it is short of its bound.
pub fn bench_forward(args: &ForwardArgs) -> ExitCode {
    match row(args) {
        Ok(row) if report::print("forward", std::slice::from_ref(&row), args.telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn row(args: &ForwardArgs) -> Result<Row, Failed> {
    let scenario = args.scenario;
    let flows = args.flows.map_or(scenario.flows(), |flows| flows as usize);
    compare(scenario, flows)?;
    let capture = Capture::named(scenario.name());
    capture.write(&finite::frames(scenario, flows))?;
    let probe = probe(scenario, flows, &capture);
    let arguments =
        testpmd::arguments(capture.path(), flows, &memory(&probe), (probe.cpu, probe.control_cpu));
    eprintln!("peer: {}", testpmd::command_line(&arguments));
    let mut own = Running::start(&probe)?;
    let mut peer = Testpmd::start(&arguments)?;
    let (mut runs, mut sum) = (Vec::new(), Measured::default());
    for _ in 0..RUNS {
        let theirs = peer.measure()?;
        let measured = own.measure()?;
        if !measured.is_whole(scenario) {
            return Err(Failed::Astray(measured));
        }
        sum.received += measured.received;
        sum.sent += measured.sent;
        sum.dropped += measured.dropped;
        runs.push((measured.rate(), theirs));
    }
    eprintln!("frames: {} in = {} out + {} dropped as expected", sum.received, sum.sent, sum.dropped);
    let name = format!("forward_{}_{flows}", scenario.name());
    let (peer, least) = ("testpmd macswap", Some(scenario.least(flows)));
    let timed =
        Timed { name, unit: "Mframes/s", flows, frame_bytes: scenario.frame_bytes() + 4, runs, peer, least };
    Ok(Row::timed(&timed))
}

/// The worker on a finite capture against the plain road, over as many flows as fit there.
fn compare(scenario: Scenario, flows: usize) -> Result<(), Failed> {
    let flows = flows.min(FLOWS_COMPARED_MAX);
    let (capture, out) = (Capture::named("finite"), Capture::named("out"));
    capture.write(&finite::frames(scenario, flows))?;
    let mut probe = probe(scenario, flows, &capture);
    probe.out = Some(out.path().to_path_buf());
    let done = command(&probe).output().map_err(|error| Failed::Probe(error.to_string()))?;
    if !done.status.success() {
        return Err(Failed::Probe(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
    }
    let (quick, plain) = (finite::of_capture(scenario, out.read()?), finite::plain_output(scenario, flows));
    if let Some(difference) = finite::difference(&quick, &plain) {
        return Err(Failed::Differs(difference));
    }
    eprintln!("one pass over {flows} flows: {} frames, byte for byte those of the plain road", quick.len());
    Ok(())
}

fn probe(scenario: Scenario, flows: usize, capture: &Capture) -> ForwardProbe {
    let cpus = machine::cpus();
    let (first, last) = (cpus.first().copied().unwrap_or(0), cpus.last().copied().unwrap_or(0));
    ForwardProbe {
        scenario,
        flows,
        capture: capture.path().to_path_buf(),
        out: None,
        huge: free_mib() >= 2 * wanted_mib(flows),
        cpu: last,
        control_cpu: first,
    }
}

/// DPDK's memory for a contender, as byway's port room reckons it.
fn wanted_mib(flows: usize) -> u64 {
    let bytes = dpdk_sys::pool::memory_of(buffers(flows), mbuf_bytes(flows).into());
    bytes.div_ceil(1 << 20) + BASE_MIB
}

fn free_mib() -> u64 {
    free_pages().iter().map(|size| size.count * size.kib / 1024).sum()
}

/// The peer's EAL options for the memory that the probe takes.
fn memory(probe: &ForwardProbe) -> Vec<String> {
    if probe.huge {
        return vec!["--in-memory".into()];
    }
    let mib = 2 * wanted_mib(probe.flows);
    vec!["--no-huge".into(), "--no-shconf".into(), "-m".into(), mib.to_string()]
}

fn command(probe: &ForwardProbe) -> Command {
    let exe = std::env::current_exe().unwrap_or_else(|_| "byway".into());
    let mut command = Command::new(exe);
    command.args(probe.args());
    command
}

/// A child that is set up and waits for the word.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    fn start(probe: &ForwardProbe) -> Result<Self, Failed> {
        let mut child = command(probe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failed::Probe(error.to_string()))?;
        let output = child.stdout.take().ok_or_else(|| Failed::Probe("no standard output".into()))?;
        let mut running = Self { child, output: BufReader::new(output) };
        match running.line()?.trim() {
            "ready" => Ok(running),
            other => Err(Failed::Probe(format!("it said {other:?}"))),
        }
    }

    fn measure(&mut self) -> Result<Measured, Failed> {
        let input = self.child.stdin.as_mut().ok_or_else(|| Failed::Probe("no standard input".into()))?;
        writeln!(input, "measure").map_err(|error| Failed::Probe(error.to_string()))?;
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|_| Failed::Probe(format!("it said {line:?}")))
    }

    fn line(&mut self) -> Result<String, Failed> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(len) if len > 0 => Ok(line),
            Ok(_) => Err(Failed::Probe("the worker's process ended early".into())),
            Err(error) => Err(Failed::Probe(error.to_string())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends at the end of its input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl From<PcapError> for Failed {
    fn from(error: PcapError) -> Self {
        Self::Capture(error)
    }
}

impl From<PeerError> for Failed {
    fn from(error: PeerError) -> Self {
        Self::Peer(error)
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(f),
            Self::Peer(error) => error.fmt(f),
            Self::Probe(why) => write!(f, "the worker's process failed: {why}"),
            Self::Astray(measured) => write!(f, "frames went astray: {measured:?}"),
            Self::Differs(how) => write!(f, "the output is not that of the plain road: {how}"),
        }
    }
}

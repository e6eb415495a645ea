//! The child's side of `byway bench forward`: DPDK starts once in a process, and the worker wants a core of its own.
//!
//! ```text
//!  child: sets up, says "ready"   <-- a line: measure once -- parent      end of input: ends
//!                                 --- a line of JSON ------->
//! ```
//! With `--out` it goes through the capture once, writes what the worker sent, and ends.

use super::crowd::{Crowd, Road};
use super::scenario::{MTU, Scenario, mbuf_bytes};
use super::staged::Staged;
use crate::base::{Clock, Instant, OsClock, PortId, Span, WorkerId};
use crate::port::dpdk::{DeviceSpec, Dpdk, DpdkPort, Hugepages, Opened, Plan, PortControl, PortSpec};
use crate::worker::{Registrar, Worker, spawn};
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;

/// Buffers beside those that hold the capture.
const SPARE_BUFFERS: u32 = 8_192;
/// How long a measure lasts, and the worker's stride before it.
const MEASURE: Span = Span::from_secs(1);
const WARM_UP: Span = Span::from_millis(200);
/// Turns without a frame after which a finite capture is over.
const IDLE_TURNS: u32 = 1_000;

/// One child, as the parent makes it.
#[derive(Clone, Debug, clap::Args)]
pub struct ForwardProbe {
    /// What the frames meet.
    #[arg(long, value_enum)]
    pub scenario: Scenario,
    /// Flows.
    #[arg(long)]
    pub flows: usize,
    /// The capture.
    #[arg(long)]
    pub capture: PathBuf,
    /// Go through the capture once and write here what is sent.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Take hugepages.
    #[arg(long)]
    pub huge: bool,
    /// The worker's CPU.
    #[arg(long)]
    pub cpu: u16,
    /// The CPU of DPDK's own threads.
    #[arg(long)]
    pub control_cpu: u16,
}

/// What one measure gave.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Nanoseconds that it took.
    pub nanos: u64,
    /// Frames received.
    pub received: u64,
    /// Frames that the port took.
    pub sent: u64,
    /// Frames dropped for the scenario's reason.
    pub dropped: u64,
    /// Frames that had any other fate.
    pub other: u64,
}

impl Measured {
    /// Frames a second, in millions.
    pub fn rate(&self) -> f64 {
        self.received as f64 * 1e3 / self.nanos as f64
    }

    /// Whether every frame had the fate that `scenario` says.
    pub const fn is_whole(&self, scenario: Scenario) -> bool {
        let gone = if scenario.drops().is_some() { self.dropped } else { self.sent };
        self.received > 0 && gone == self.received && self.other == 0
    }
}

impl ForwardProbe {
    /// The arguments that make a child run this.
    pub fn args(&self) -> Vec<String> {
        let mut args: Vec<String> = ["bench", "forward-probe", "--scenario"].map(String::from).to_vec();
        args.extend([self.scenario.name().into(), "--flows".into(), self.flows.to_string()]);
        args.extend(["--capture".into(), self.capture.display().to_string()]);
        args.extend(["--cpu".into(), self.cpu.to_string()]);
        args.extend(["--control-cpu".into(), self.control_cpu.to_string()]);
        args.extend(self.huge.then(|| "--huge".to_owned()));
        let out = self.out.as_ref().map(|out| ["--out".to_owned(), out.display().to_string()]);
        args.extend(out.into_iter().flatten());
        args
    }

    /// DPDK's device: the capture in, nothing or another capture out.
    fn device(&self) -> String {
        let capture = self.capture.display();
        match &self.out {
            // Without a transmit side the driver frees what it is given.
            None => format!("net_pcap,rx_pcap={capture},infinite_rx=1"),
            Some(out) => format!("net_pcap,rx_pcap={capture},tx_pcap={}", out.display()),
        }
    }
}

/// The child's side.
pub fn run_forward_probe(probe: &ForwardProbe) -> ExitCode {
    match run(probe) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(probe: &ForwardProbe) -> Result<(), String> {
    let (dpdk, port, control) = open(probe)?;
    let own = probe.clone();
    let body = move || serve(&own, port);
    let thread = spawn(WorkerId(0), probe.cpu, Registrar::dpdk(dpdk.eal()), body);
    let thread = thread.map_err(|error| error.to_string())?;
    let outcome = thread.join().map_err(|_| "the worker panicked".to_owned())?;
    // Closing the port writes the rest of its capture.
    drop(control);
    outcome.ok_or_else(|| "the worker's thread did not start".to_owned())
}

fn open(probe: &ForwardProbe) -> Result<(Dpdk, DpdkPort, Vec<PortControl>), String> {
    let device = DeviceSpec::parse(&probe.device()).map_err(|error| error.to_string())?;
    let (id, name) = (PortId(0), "pcap".to_owned());
    let ports = [PortSpec { id, name, device, mtu: MTU, queues: Some(1), tso: false }];
    let plan = Plan {
        ports: &ports,
        workers: 1,
        frames: buffers(probe.flows),
        buffer_bytes: Some(mbuf_bytes(probe.flows)),
        hugepages: if probe.huge { Hugepages::Require } else { Hugepages::Off },
        memory_mib: None,
        rx_interrupts: false,
        control_cpus: &[probe.control_cpu],
        rss_key: &[],
        rss_table: &[],
    };
    let dpdk = Dpdk::start(&plan).map_err(|error| error.to_string())?;
    let Opened { mut workers, controls, .. } = dpdk.open(&plan).map_err(|error| error.to_string())?;
    Ok((dpdk, workers.remove(0).remove(0), controls))
}

/// Frame buffers of a contender.
pub const fn buffers(flows: usize) -> u32 {
    flows as u32 + SPARE_BUFFERS
}

/// The worker's thread: flows first, then as the parent asks.
fn serve(probe: &ForwardProbe, port: DpdkPort) {
    let Crowd { mut worker, frames, now, held } =
        Crowd::gather(probe.scenario, probe.flows, Road::Quick, port);
    drop(frames);
    worker.ports_mut()[0].lift();
    let clock = Later { clock: OsClock::new(), by: now.since(Instant::ZERO) };
    if probe.out.is_some() {
        let mut idle = 0;
        while idle < IDLE_TURNS {
            idle = if worker.turn(clock.now()).received == 0 { idle + 1 } else { 0 };
        }
        println!("{}", told(&count(&worker, probe.scenario)));
    } else {
        println!("ready");
        for line in std::io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
            println!("{}", told(&measure(&mut worker, &clock, probe.scenario)));
        }
    }
    drop(held);
}

fn told(measured: &Measured) -> String {
    serde_json::to_string(measured).expect("numbers are JSON")
}

fn measure(worker: &mut Worker<Staged<DpdkPort>>, clock: &Later, scenario: Scenario) -> Measured {
    turn_until(worker, clock, clock.now() + WARM_UP);
    let (before, start) = (count(worker, scenario), clock.now());
    let end = turn_until(worker, clock, start + MEASURE);
    let after = count(worker, scenario);
    Measured {
        nanos: end.since(start).nanos(),
        received: after.received - before.received,
        sent: after.sent - before.sent,
        dropped: after.dropped - before.dropped,
        other: after.other - before.other,
    }
}

/// The shipping loop: a look at the clock a turn.
fn turn_until(worker: &mut Worker<Staged<DpdkPort>>, clock: &Later, end: Instant) -> Instant {
    loop {
        let now = clock.now();
        if now >= end {
            return now;
        }
        worker.turn(now);
    }
}

/// What the worker has counted so far.
fn count(worker: &Worker<Staged<DpdkPort>>, scenario: Scenario) -> Measured {
    let (ledger, page) = (worker.ledger(), worker.page());
    let dropped = scenario.drops().map_or(0, |reason| page.dropped(reason));
    let other = ledger.dropped - dropped + ledger.absorbed + ledger.lost + worker.frames_waiting();
    Measured { nanos: 0, received: ledger.received, sent: ledger.sent, dropped, other }
}

/// A clock that goes on from where setting up had come.
struct Later {
    clock: OsClock,
    by: Span,
}

impl Clock for Later {
    fn now(&self) -> Instant {
        self.clock.now() + self.by
    }
}

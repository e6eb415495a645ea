//! `byway bench session --udp`: what a relayed datagram and an idle UDP session cost. As `session`: the bench runs itself
//! under callgrind once a row and counts only the worker's turns.

use super::report::{self, Row, Telling};
use super::session::data_bytes;
use super::wire::Wire;
use super::world::measured_turn;
use super::{callgrind, make, peer};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Instant, Span};
use crate::flow::Side;
use crate::port::mem::{MemPort, MemWire};
use crate::port::{Frame, Port};
use crate::worker::Worker;
use std::any::Any;
use std::process::ExitCode;

/// Numbers of live sessions that every row is taken at.
const SESSIONS: [usize; 3] = [32, 10_000, 100_000];
/// Datagrams counted in one run.
const DATAGRAMS: usize = 64_000;
/// The design's bound: a relayed datagram in the whole turn of a worker at a burst of 32.
const DATAGRAM_MAX: f64 = 900.0;
/// The design's bound: bytes of an idle session.
const IDLE_BYTES_MAX: f64 = 512.0;
const EDGE_PORT: u16 = 53;
/// Clients of one address.
const PORTS: usize = 50_000;
/// Ethernet, IPv4 and UDP.
const HEADERS_LEN: usize = 42;

/// One run of the worker, as the child process is told to make it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct UdpProbe {
    /// Live sessions.
    #[arg(long)]
    pub sessions: usize,
    /// Payload of a datagram in bytes.
    #[arg(long)]
    pub payload: u16,
}

/// Takes every row, prints them, and fails when one is over its bound.
pub fn bench_udp(quick: bool, telling: Telling) -> ExitCode {
    match rows(quick) {
        Ok(rows) if report::print("session --udp", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows(quick: bool) -> Result<Vec<Row>, callgrind::CallgrindError> {
    let counts = if quick { &SESSIONS[..2] } else { &SESSIONS[..] };
    let mut rows = Vec::new();
    for payload in [64, 1400] {
        for &sessions in counts {
            let words = ["bench", "udp-probe", "--sessions"].map(String::from).to_vec();
            let args = [words, vec![sessions.to_string(), "--payload".into(), payload.to_string()]].concat();
            let counted = callgrind::count(&args)?;
            let value = counted.instructions as f64 / units(&counted.stdout)?;
            rows.push(Row::new(
                format!("udp_{payload}_{sessions}"),
                value,
                "instructions",
                Some(DATAGRAM_MAX),
            ));
        }
    }
    rows.push(Row::new("idle_udp_session_memory".into(), idle_bytes(), "bytes", Some(IDLE_BYTES_MAX)));
    Ok(rows)
}

fn units(stdout: &str) -> Result<f64, callgrind::CallgrindError> {
    let units = stdout.lines().find_map(|line| line.strip_prefix("units ")?.parse::<f64>().ok());
    units.ok_or(callgrind::CallgrindError::NoTotal)
}

/// Bytes that a session takes: what a large worker's data segment has over a small one's, a session.
fn idle_bytes() -> f64 {
    const MANY: usize = 100_000;
    let before = data_bytes();
    let _small = make::equipped(0, 0, true);
    let one = data_bytes() - before;
    let before = data_bytes();
    let _large = make::equipped(0, MANY, true);
    let many = data_bytes() - before;
    (many - one) / MANY as f64
}

/// The child's side: drives the worker, then prints how many units were counted.
pub fn run_udp_probe(probe: &UdpProbe) -> ExitCode {
    let (worker, wire, held) = make::equipped(0, probe.sessions, true);
    let now = Instant::ZERO + Span::from_secs(1);
    let mut world = Datagrams::new(worker, wire, make::MAC, now, held);
    world.open(probe.sessions, probe.payload);
    let count = probe.sessions.min(640);
    let active: Vec<usize> = (0..count).map(|at| at * (probe.sessions / count)).collect();
    world.rounds(&active, probe.payload, 10);
    let rounds = DATAGRAMS / count / 2;
    world.measuring = true;
    world.rounds(&active, probe.payload, rounds);
    println!("units {}", rounds * count * 2);
    ExitCode::SUCCESS
}

/// One worker with UDP clients and an origin around it.
pub struct Datagrams<P: Port = MemPort, W = MemWire> {
    worker: Worker<P>,
    wire: W,
    mac: [u8; 6],
    now: Instant,
    /// The edge's end of each session's origin leg.
    egress: Vec<(u32, u16)>,
    measuring: bool,
    _held: Box<dyn Any>,
}

impl<P: Port, W: Wire<P>> Datagrams<P, W> {
    /// A world around `worker`, whose only port is the other end of `wire`.
    pub fn new(worker: Worker<P>, wire: W, mac: [u8; 6], now: Instant, held: Box<dyn Any>) -> Self {
        Self { worker, wire, mac, now, egress: Vec::new(), measuring: false, _held: held }
    }

    /// Opens so many sessions, whose clients are proven.
    pub fn open(&mut self, sessions: usize, payload: u16) {
        for first in (0..sessions).step_by(BURST_FRAMES_MAX) {
            let burst: Vec<usize> = (first..sessions.min(first + BURST_FRAMES_MAX)).collect();
            self.prove(&burst, payload);
        }
    }

    /// The same of clients that nothing proves, for each sends but one datagram and hears nothing.
    pub fn open_unproven(&mut self, sessions: usize, payload: u16) {
        for first in (0..sessions).step_by(BURST_FRAMES_MAX) {
            let burst: Vec<usize> = (first..sessions.min(first + BURST_FRAMES_MAX)).collect();
            let sent = self.clients_send(&burst, payload);
            self.egress.extend(sent);
        }
    }

    /// Writes a datagram of session `at`'s client or origin; its length.
    pub fn write(&self, at: usize, side: Side, payload: u16, buffer: &mut [u8]) -> usize {
        let (src, dst) = match side {
            Side::Client => (client(at), (peer::EDGE, EDGE_PORT)),
            Side::Origin => ((peer::ORIGIN, EDGE_PORT), self.egress[at]),
        };
        write(&mut buffer[..HEADERS_LEN + usize::from(payload)], self.mac, src, dst)
    }

    /// The worker, what it must not outlive, and its time.
    pub fn into_parts(self) -> (Worker<P>, Box<dyn Any>, Instant) {
        (self.worker, self._held, self.now)
    }

    /// Opens these sessions and proves their clients.
    fn prove(&mut self, burst: &[usize], payload: u16) {
        let sent = self.clients_send(burst, payload);
        self.egress.extend(sent);
        assert_eq!(self.egress.len(), burst[0] + burst.len(), "a session did not reach its origin");
        self.origin_sends(burst, payload);
        self.clients_send(burst, payload);
        self.clients_send(burst, payload);
    }

    /// Every client sends a datagram, and the origin answers each.
    fn rounds(&mut self, active: &[usize], payload: u16, rounds: usize) {
        for _ in 0..rounds {
            self.now += Span::from_millis(1);
            for burst in active.chunks(BURST_FRAMES_MAX) {
                assert_eq!(
                    self.clients_send(burst, payload).len(),
                    burst.len(),
                    "the origin lacks datagrams"
                );
                assert_eq!(self.origin_sends(burst, payload), burst.len(), "a client lacks datagrams");
            }
        }
    }

    fn clients_send(&mut self, burst: &[usize], payload: u16) -> Vec<(u32, u16)> {
        for &at in burst {
            self.inject(client(at), (peer::EDGE, EDGE_PORT), payload);
        }
        self.turn();
        std::iter::from_fn(|| self.wire.take(&mut self.worker))
            .filter_map(|frame| source(frame.bytes()))
            .collect()
    }

    fn origin_sends(&mut self, burst: &[usize], payload: u16) -> usize {
        for &at in burst {
            self.inject((peer::ORIGIN, EDGE_PORT), self.egress[at], payload);
        }
        self.turn();
        std::iter::from_fn(|| self.wire.take(&mut self.worker))
            .filter_map(|frame| source(frame.bytes()))
            .count()
    }

    fn turn(&mut self) {
        if self.measuring {
            measured_turn(&mut self.worker, self.now);
        } else {
            self.worker.turn(self.now);
        }
    }

    fn inject(&mut self, src: (u32, u16), dst: (u32, u16), payload: u16) {
        let (mac, len) = (self.mac, HEADERS_LEN + usize::from(payload));
        self.wire.send(&mut self.worker, |bytes| write(&mut bytes[..len], mac, src, dst));
    }
}

/// The address and port of client `at`.
const fn client(at: usize) -> (u32, u16) {
    (u32::from_be_bytes([10, 1, 0, 0]) + (at / PORTS) as u32, 1_024 + (at % PORTS) as u16)
}

/// Writes the headers of a datagram that fills `frame`; its length. Its checksum is any: it is verified by nobody, or written
/// over.
fn write(frame: &mut [u8], mac: [u8; 6], src: (u32, u16), dst: (u32, u16)) -> usize {
    let (ip_len, udp_len) = ((frame.len() - 14) as u16, (frame.len() - 34) as u16);
    frame[..6].copy_from_slice(&mac);
    frame[6..12].copy_from_slice(&peer::PEER_MAC);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..34].fill(0);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&ip_len.to_be_bytes());
    (frame[20], frame[22], frame[23]) = (0x40, 64, 17);
    frame[26..30].copy_from_slice(&src.0.to_be_bytes());
    frame[30..34].copy_from_slice(&dst.0.to_be_bytes());
    frame[34..36].copy_from_slice(&src.1.to_be_bytes());
    frame[36..38].copy_from_slice(&dst.1.to_be_bytes());
    frame[38..40].copy_from_slice(&udp_len.to_be_bytes());
    frame[40..42].copy_from_slice(&[0x12, 0x34]);
    frame.len()
}

/// Who sent a datagram of the edge's; `None` for what is not UDP over IPv4.
fn source(frame: &[u8]) -> Option<(u32, u16)> {
    let udp = frame.len() >= 42 && frame[12..14] == [8, 0] && frame[23] == 17;
    let addr = u32::from_be_bytes(frame.get(26..30)?.try_into().ok()?);
    udp.then(|| (addr, u16::from_be_bytes([frame[34], frame[35]])))
}

//! One worker, its hosts and a path, moved from event to event on a virtual clock.

use super::super::make::{self, MAC, Shape};
use super::super::peer::EDGE;
use super::client::{Client, before};
use super::origin::Origin;
use super::path::{Path, Terms};
use super::segment::{Heard, write};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Addr, Instant, Span};
use crate::port::Frame;
use crate::port::mem::{MemPort, MemWire};
use crate::wire::{TcpEmit, TcpFlags};
use crate::worker::Worker;
use std::any::Any;
use std::collections::VecDeque;

/// Bytes of each buffer of a session: more than the path holds, as an operator would set it.
const BUFFER_BYTES: usize = 1 << 20;
/// Between a turn that left something to do and the next one.
const TURN: Span = Span::from_micros(10);
/// A worker looks at least so often.
const LOOK: Span = Span::from_millis(10);

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The path to the clients.
    pub terms: Terms,
    /// Connections, each of which takes all it can get.
    pub flows: u16,
    /// How long, in virtual time.
    pub span: Span,
    /// Of the losses.
    pub seed: u64,
}

/// What one client got.
#[derive(Clone, Copy, Debug)]
pub struct Got {
    /// Bytes that arrived, each once.
    pub taken: u64,
    /// Bytes that the edge sent it.
    pub sent: u64,
    /// Of them, those that it had sent before.
    pub again: u64,
}

impl Got {
    /// Mbit/s over so long.
    pub fn mbit_per_s(&self, span: Span) -> f64 {
        self.taken as f64 * 8_000.0 / span.nanos() as f64
    }
}

/// What the edge has sent to one client.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    bytes: u64,
    again: u64,
    /// Where the next new byte is.
    next: Option<u32>,
}

impl Sent {
    fn note(&mut self, heard: &Heard) {
        let segment = &heard.segment;
        let len = u32::from(segment.payload_len());
        let (next, end) = (self.next.unwrap_or(segment.seq), segment.seq.wrapping_add(segment.seq_len()));
        let new = if before(next, end) { end.wrapping_sub(next).min(len) } else { 0 };
        self.bytes += u64::from(len);
        self.again += u64::from(len - new);
        self.next = Some(if before(next, end) { end } else { next });
    }
}

/// All that takes part.
struct Scene {
    worker: Worker<MemPort>,
    wire: MemWire,
    _held: Box<dyn Any>,
    now: Instant,
    delay: Span,
    path: Path,
    /// Clients' segments on their way to the edge.
    back: VecDeque<(Instant, TcpEmit)>,
    clients: Vec<Client>,
    sent: Vec<Sent>,
    origins: Vec<Origin>,
}

/// Runs it to its end.
pub fn run(run: &Run) -> Vec<Got> {
    let mut scene = Scene::new(run);
    let end = scene.now + run.span;
    for at in 0..scene.clients.len() {
        let syn = scene.clients[at].syn(scene.now);
        scene.answer(syn);
    }
    while scene.now < end {
        scene.step();
    }
    let got =
        |(client, sent): (&Client, &Sent)| Got { taken: client.taken, sent: sent.bytes, again: sent.again };
    scene.clients.iter().zip(&scene.sent).map(got).collect()
}

impl Scene {
    fn new(run: &Run) -> Self {
        let (worker, wire, held) = make::equip(Shape {
            tcp_sessions: 16,
            spliced_sessions: 0,
            udp_sessions: 0,
            offload: true,
            buffer_bytes: BUFFER_BYTES,
            snapshot: make::snapshot(make::TABLES, None),
            rules: make::RULES,
            tune: |_| {},
        });
        Self {
            worker,
            wire,
            _held: held,
            now: make::START,
            delay: run.terms.delay,
            path: Path::new(run.terms, run.seed),
            back: VecDeque::new(),
            clients: (0..run.flows).map(Client::new).collect(),
            sent: vec![Sent::default(); run.flows.into()],
            origins: Vec::new(),
        }
    }

    /// All that happens now, then on to when something happens next.
    fn step(&mut self) {
        while let Some(heard) = self.path.arrived(self.now) {
            let (_, end) = heard.ends();
            let client = self.clients.iter_mut().find(|client| client.end() == end);
            if let Some(answer) = client.and_then(|client| client.hear(&heard, self.now)) {
                self.answer(answer);
            }
        }
        for at in 0..self.clients.len() {
            if let Some(answer) = self.clients[at].wake(self.now) {
                self.answer(answer);
            }
        }
        let mut sent = 0;
        while sent < BURST_FRAMES_MAX && self.back.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, said)) = self.back.pop_front() else { break };
            self.inject(&said);
            sent += 1;
        }
        for at in 0..self.origins.len() {
            while sent < BURST_FRAMES_MAX
                && let Some(said) = self.origins[at].data(self.now)
            {
                self.inject(&said);
                sent += 1;
            }
        }
        let turn = self.worker.turn(self.now);
        let heard = self.take_in();
        let is_quiet = sent == 0 && !heard && turn.is_idle();
        self.now = if is_quiet { self.next() } else { self.now + TURN };
    }

    /// A client's segment sets out.
    fn answer(&mut self, said: TcpEmit) {
        self.back.push_back((self.now + self.delay, said));
    }

    /// Puts a segment in front of the worker.
    fn inject(&mut self, said: &TcpEmit) {
        let mut frame = self.wire.allocate().expect("the bench's pool holds two bursts");
        write(said, MAC, &mut frame);
        assert!(self.wire.inject(0, frame).is_ok(), "the bench's ring holds a burst");
    }

    /// Brings what the worker sent to the path or to an origin; whether there was anything.
    fn take_in(&mut self) -> bool {
        let mut any = false;
        while let Some(frame) = self.wire.take() {
            let Some(heard) = Heard::read(frame.bytes()) else { continue };
            any = true;
            assert!(
                !heard.segment.flags.has(TcpFlags::RST),
                "the edge reset a session of the bench: {heard:?}"
            );
            let (edge, end) = heard.ends();
            if edge.addr == Addr::v4(EDGE.to_be_bytes()) {
                if let Some(at) = self.clients.iter().position(|client| client.end() == end) {
                    self.sent[at].note(&heard);
                }
                self.path.carry(heard, self.now);
            } else if heard.segment.flags.has(TcpFlags::SYN) {
                let mut origin = Origin::new(&heard);
                let said = origin.syn_ack(self.now);
                self.origins.push(origin);
                self.inject(&said);
            } else if let Some(origin) = self.origins.iter_mut().find(|origin| origin.edge() == edge) {
                origin.hear(&heard);
            }
        }
        any
    }

    /// When something happens next.
    fn next(&self) -> Instant {
        let clients = self.clients.iter().filter_map(Client::due).min();
        let back = self.back.front().map(|(at, _)| *at);
        let events = [self.path.next(), back, clients, self.worker.next_deadline()];
        let first = events.into_iter().flatten().min().unwrap_or(self.now + LOOK);
        first.clamp(self.now + TURN, self.now + LOOK)
    }
}

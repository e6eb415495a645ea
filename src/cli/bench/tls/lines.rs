//! Clients and origins around one edge, each pair with its TCP and TLS connections, and a clock that the bench turns.

use super::super::peer::{self, Segment, flag};
use super::super::world::{Counting, measured_turn};
use super::edge::{Edge, Mode, Peers, client_end, client_index, edge_end};
use super::host::{Host, payload};
use super::line::Line;
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Clock, Instant, Span, ThreadClock};
use crate::flow::Side;
use crate::port::Frame;
use crate::port::mem::MemFrame;
use std::collections::HashMap;

/// Exchanges that the handshakes of a burst may take at most.
const EXCHANGES_MAX: usize = 64;
/// Exchanges after the handshakes: tickets arrive, and the last acknowledgements.
const EXCHANGES_AFTER: usize = 3;

/// What a bench drives.
pub struct Lines {
    edge: Edge,
    peers: Peers,
    now: Instant,
    /// Whether time passes as the worker works, as for one on a CPU of its own.
    paced: bool,
    /// The worker's turns so far.
    worked: Span,
    lines: Vec<Line>,
    by_egress: HashMap<(u32, u16), usize>,
    /// What is counted of turns.
    pub counting: Counting,
    /// What turns took, with `Counting::Time`.
    pub turned: Spent,
    /// What the crypto thread's part of `open` took.
    pub crypto: Span,
    /// Frames of the edge to hosts of no line.
    pub strangers: Vec<MemFrame>,
}

/// CPU time of turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Of all.
    pub all: Span,
    /// Of the longest one.
    pub longest: Span,
}

impl Lines {
    /// Around this edge; `paced`: time passes as the worker works, as for one on a CPU of its own.
    pub fn new(edge: Edge, paced: bool) -> Self {
        Self {
            edge,
            peers: Peers::new(),
            now: Instant::ZERO + START,
            paced,
            worked: Span::ZERO,
            lines: Vec::new(),
            by_egress: HashMap::new(),
            counting: Counting::Nothing,
            turned: Spent::default(),
            crypto: Span::ZERO,
            strangers: Vec::new(),
        }
    }

    /// Opens `count` further sessions, a burst at a time, with all their handshakes.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn open(&mut self, count: usize, mode: Mode) {
        let end = self.lines.len() + count;
        while self.lines.len() < end {
            let burst = BURST_FRAMES_MAX.min(end - self.lines.len());
            let burst: Vec<usize> = (0..burst).map(|_| self.begin(mode)).collect();
            let up = (0..EXCHANGES_MAX).any(|_| self.shake(&burst));
            assert!(up, "the sessions {burst:?} did not come up");
            for _ in 0..EXCHANGES_AFTER {
                self.shake(&burst);
            }
        }
    }

    /// A new line, whose client is about to send its SYN.
    fn begin(&mut self, mode: Mode) -> usize {
        let at = self.lines.len();
        let client = Host::new(client_end(at), edge_end(mode), (at as u32).wrapping_mul(2_654_435_761));
        let near = (mode != Mode::Off).then(|| self.peers.client().into());
        let far = (mode == Mode::Full).then(|| self.peers.origin().into());
        self.lines.push(Line::new(client, [near, far]));
        at
    }

    /// One exchange of frames and one turn of a crypto thread; whether all handshakes are done.
    fn shake(&mut self, burst: &[usize]) -> bool {
        self.now += Span::from_micros(100);
        burst.iter().for_each(|&at| self.lines[at].talk());
        self.exchange(burst);
        let began = ThreadClock.now();
        self.edge.crypto.turn(self.now, usize::MAX);
        self.crypto = Span::from_nanos(self.crypto.nanos() + ThreadClock.now().since(began).nanos());
        self.turn();
        burst.iter().for_each(|&at| self.lines[at].talk());
        burst.iter().all(|&at| self.lines[at].is_up())
    }

    /// Lets the timers that opening left behind fire: an idle session has none before its keep-alive.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            self.now += Span::from_secs(1);
            while self.edge.worker.next_deadline().is_some_and(|due| due <= self.now) {
                self.turn();
            }
        }
    }

    /// Ends all sessions by resets from their clients.
    pub fn reset(&mut self) {
        for at in 0..self.lines.len() {
            let mut frame = self.frame();
            if let Some(client) = self.lines[at].host(Side::Client) {
                client.fill_reset(&mut frame);
            }
            self.inject(frame);
            self.turn_blind();
        }
        self.lines.clear();
        self.by_egress.clear();
        self.strangers.clear();
        // Their tuples have rested then.
        self.now += Span::from_secs(2);
    }

    /// Forgets the hosts' TLS, and their memory; the edge keeps its sessions.
    pub fn forget(&mut self) {
        self.lines.iter_mut().for_each(Line::forget);
    }

    /// Every line's host on `from` sends `bytes`, as one record where it speaks TLS, to the host on the other side,
    /// burst by burst; virtual time moves on by `round` in all.
    ///
    /// # Panics
    /// When a host lacks a byte of it.
    pub fn relay(&mut self, from: Side, bytes: &[u8], round: Span) {
        let all: Vec<usize> = (0..self.lines.len()).collect();
        let steps = all.len().div_ceil(BURST_FRAMES_MAX) as u64;
        for burst in all.chunks(BURST_FRAMES_MAX) {
            self.now += Span::from_nanos(round.nanos() / steps);
            burst.iter().for_each(|&at| self.lines[at].say(from, bytes));
            self.exchange(burst);
            for &at in burst {
                let heard = self.lines[at].hear(from.other());
                assert_eq!(heard, bytes.len() as u64, "session {at} did not pass its bytes on");
            }
        }
    }

    /// All that hosts have to send goes out, at most a burst a turn, and so do their answers, until all are silent.
    fn exchange(&mut self, lines: &[usize]) {
        loop {
            let mut sent = 0;
            for (&at, side) in lines.iter().flat_map(|at| [(at, Side::Client), (at, Side::Origin)]) {
                while let Some(payload) = self.lines[at].due(side) {
                    self.send(at, side, payload);
                    sent += 1;
                    if sent % BURST_FRAMES_MAX == 0 {
                        self.turn();
                    }
                }
            }
            if sent == 0 {
                return;
            }
            if sent % BURST_FRAMES_MAX != 0 {
                self.turn();
            }
        }
    }

    /// Puts what a line's host has to send in front of the worker.
    fn send(&mut self, at: usize, side: Side, payload: usize) {
        let mut frame = self.frame();
        let Some(host) = self.lines[at].host(side) else { return };
        host.fill(&mut frame, payload);
        self.inject(frame);
    }

    /// An empty frame.
    pub fn frame(&self) -> MemFrame {
        self.edge.wire.allocate().expect("the bench's pool holds a burst and more")
    }

    /// Puts a frame in front of the worker.
    pub fn inject(&mut self, frame: MemFrame) {
        assert!(self.edge.wire.inject(0, frame).is_ok(), "the bench's ring holds a burst and more");
    }

    /// One turn of the worker, counted or not; what it sent is taken in.
    pub fn turn(&mut self) {
        self.run();
        while let Some(frame) = self.edge.wire.take() {
            let Some(segment) = peer::read(frame.bytes()) else { continue };
            match self.whose(&segment).and_then(|(at, side)| self.lines[at].host(side)) {
                Some(host) => host.read(&segment, payload(frame.bytes(), &segment)),
                None => self.strangers.push(frame),
            }
        }
    }

    /// The same when hosts are not to hear of it.
    fn turn_blind(&mut self) {
        self.run();
        while self.edge.wire.take().is_some() {}
    }

    fn run(&mut self) {
        if self.paced {
            self.now = Instant::ZERO + START + self.worked;
        }
        let began = ThreadClock.now();
        match self.counting {
            Counting::Nothing | Counting::Time => {
                self.edge.worker.turn(self.now);
            }
            Counting::Instructions => measured_turn(&mut self.edge.worker, self.now),
        }
        let took = ThreadClock.now().since(began);
        self.worked = Span::from_nanos(self.worked.nanos() + took.nanos());
        if self.counting == Counting::Time {
            self.turned.add(took);
        }
    }

    /// Whom the edge wrote to: a SYN is for the first line without an origin.
    fn whose(&mut self, segment: &Segment) -> Option<(usize, Side)> {
        if segment.src == peer::EDGE {
            let at = client_index((segment.dst, segment.dst_port));
            return (at < self.lines.len()).then_some((at, Side::Client));
        }
        let egress = (segment.src, segment.src_port);
        if segment.flags & flag::SYN == 0 {
            return self.by_egress.get(&egress).map(|&at| (at, Side::Origin));
        }
        let at = self.by_egress.len();
        self.lines.get_mut(at)?.call(egress, (at as u32).wrapping_mul(40_503));
        self.by_egress.insert(egress, at);
        Some((at, Side::Origin))
    }

    /// What a client says first.
    pub fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        let mut client = self.peers.client();
        while client.wants_write() {
            client.write_tls(&mut hello).expect("memory is written without errors");
        }
        hello
    }
}

/// When the worker's time begins.
const START: Span = Span::from_secs(1);

impl Spent {
    fn add(&mut self, turn: Span) {
        self.all = Span::from_nanos(self.all.nanos() + turn.nanos());
        self.longest = self.longest.max(turn);
    }
}

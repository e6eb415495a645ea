//! Plain flows beside a flood of TLS handshakes.
//!
//! One worker relays 64-byte segments of plain sessions, a burst a turn, while clients open connections to a TLS app,
//! say hello, take the edge's flight (and so its signature) and leave. A crypto thread on another CPU, as the edge runs
//! it, makes the handshakes: as many in a second of the worker as the thread can make in a second, so that the flood
//! is what a worker on a CPU of its own would see with that thread busy throughout; those above `handshakes_per_s` are
//! dropped by name. The flood's frames have turns of their own. Time is the worker thread's CPU time in its turns; quiet and flooded slices take turns.

use super::super::peer::{self, flag};
use super::super::report::{Peer, Row, median};
use super::super::world::Counting;
use super::edge::{Edge, Key, Mode, edge_end};
use super::handshakes::rate;
use super::host::{Host, payload};
use super::lines::{Lines, Spent};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{OsClock, Span};
use crate::flow::Side;
use crate::port::Frame;
use crate::port::mem::MemFrame;
use crate::worker::{Cpu, LaunchError, allowed_cpus, confine, spawn_crypto};
use std::collections::{HashMap, VecDeque};

/// Plain sessions.
const PLAIN: usize = BURST_FRAMES_MAX;
/// Plain bytes of a segment.
const BYTES: [u8; 64] = [0x5a; 64];
/// Rounds of a slice: each relays a segment of every plain session and its acknowledgement. A fifth of a second in all.
const ROUNDS: usize = 12_000;
/// Rounds before them that do not count: a flood first uses up what the edge's limit lets in at once after a rest.
const ROUNDS_BEFORE: usize = 6_000;
/// Pairs of slices, one quiet, one flooded.
const PAIRS: usize = 21;
/// Sessions that the worker holds at most: plain ones and those of the flood.
const SESSIONS: usize = 2_048;
/// Clients of the flood under way at once, at most: the pool of frames bears them.
const UNDER_WAY_MAX: usize = 128;
/// The design's bound: plain frames a second in the flood over those in quiet.
const LEAST: f64 = 0.95;
/// Clients of the flood: from this address on.
const FLOOD_NET: u32 = u32::from_be_bytes([10, 9, 0, 0]);

/// Rows for both keys; none, with a word on why, where there is but one CPU.
///
/// # Errors
/// `ThreadRefused`, `PinRefused`.
pub fn rows() -> Result<Vec<Row>, LaunchError> {
    let cpus = allowed_cpus();
    let [first, .., last] = cpus[..] else {
        eprintln!("byway bench: one CPU: no crypto thread beside a worker, no rows of the flood");
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for key in Key::ALL {
        rows.extend(Flood::new(key, last)?.rows(first)?);
    }
    Ok(rows)
}

/// Worker, plain sessions, and the clients that come and go.
struct Flood {
    key: Key,
    /// Handshakes a second of the worker's.
    pace: f64,
    lines: Lines,
    hello: Vec<u8>,
    clients: HashMap<(u32, u16), Host>,
    /// What clients and origins of the flood have to send.
    waiting: VecDeque<MemFrame>,
    begun: usize,
    /// Flights of the edge that arrived: so many signatures were made.
    signed: usize,
}

/// What one slice showed.
#[derive(Clone, Copy)]
struct Slice {
    plain: Spent,
    flood: Spent,
    signed: usize,
}

impl Flood {
    fn new(key: Key, crypto_cpu: Cpu) -> Result<Self, LaunchError> {
        let pace = rate(key);
        let edge = Edge::limited(SESSIONS, 4_096, key);
        let (clock, crypto) = (OsClock::new(), edge.crypto.clone());
        let mut lines = Lines::new(edge, true);
        lines.open(PLAIN, Mode::Off);
        lines.counting = Counting::Time;
        let hello = lines.hello();
        spawn_crypto(0, vec![crypto_cpu], crypto, clock)?;
        let (clients, waiting) = (HashMap::new(), VecDeque::new());
        Ok(Self { key, pace, lines, hello, clients, waiting, begun: 0, signed: 0 })
    }

    fn rows(mut self, cpu: Cpu) -> Result<Vec<Row>, LaunchError> {
        confine(&[cpu])?;
        self.slice(true);
        let (mut quiets, mut floods) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            quiets.push(self.slice(false));
            floods.push(self.slice(true));
        }
        Ok(self.tell(&quiets, &floods))
    }

    /// Relays a number of plain frames, and the flood's beside them.
    fn slice(&mut self, flooded: bool) -> Slice {
        self.rounds(ROUNDS_BEFORE, flooded);
        let slice = self.rounds(ROUNDS, flooded);
        // Those under way are seen to their end, out of the account.
        while !self.clients.is_empty() || !self.waiting.is_empty() {
            self.timed(Spent::default(), Self::send_waiting);
            self.timed(Spent::default(), |flood| flood.lines.turn());
            self.give_up_refused();
        }
        slice
    }

    fn rounds(&mut self, rounds: usize, flooded: bool) -> Slice {
        let (mut plain, mut flood) = (Spent::default(), Spent::default());
        let (signed, begun) = (self.signed, self.begun);
        for _ in 0..rounds {
            plain = self.timed(plain, |flood| flood.lines.relay(Side::Client, &BYTES, Span::ZERO));
            let worked = (plain.all.nanos() + flood.all.nanos()) as f64 / 1e9;
            let due = if flooded { begun + (worked * self.pace) as usize } else { 0 };
            self.begin_until(due);
            flood = self.timed(flood, Self::send_waiting);
            self.give_up_refused();
        }
        Slice { plain, flood, signed: self.signed - signed }
    }

    /// Does something and adds what the worker's turns took meanwhile; the flood's hosts look at what came for them.
    fn timed(&mut self, mut before: Spent, act: impl FnOnce(&mut Self)) -> Spent {
        self.lines.turned = Spent::default();
        act(self);
        before.all = Span::from_nanos(before.all.nanos() + self.lines.turned.all.nanos());
        before.longest = before.longest.max(self.lines.turned.longest);
        for frame in std::mem::take(&mut self.lines.strangers) {
            self.hear(&frame);
        }
        before
    }

    fn begin_until(&mut self, due: usize) {
        while self.begun < due && self.clients.len() < UNDER_WAY_MAX {
            let at = self.begun as u32;
            let end = (FLOOD_NET + at / 50_000, 1_024 + (at % 50_000) as u16);
            let mut host = Host::new(end, edge_end(Mode::Flexible), at.wrapping_mul(2_654_435_761));
            host.out().extend_from_slice(&self.hello);
            self.send(&mut host, 0);
            self.clients.insert(end, host);
            self.begun += 1;
        }
    }

    /// Clients whose SYN the edge dropped, for want of room within its rate of handshakes, come no more.
    fn give_up_refused(&mut self) {
        if self.waiting.is_empty() {
            self.clients.retain(|_, host| !host.is_unheard());
        }
    }

    fn send(&mut self, host: &mut Host, payload: usize) {
        let mut frame = self.lines.frame();
        host.fill(&mut frame, payload);
        self.waiting.push_back(frame);
    }

    /// At most a burst of the flood's frames, in one turn; none, no turn.
    fn send_waiting(&mut self) {
        let count = self.waiting.len().min(BURST_FRAMES_MAX);
        for frame in self.waiting.drain(..count) {
            self.lines.inject(frame);
        }
        if count != 0 {
            self.lines.turn();
        }
    }

    /// Clients say hello when they are let in and leave when the flight is there; origins let the edge in.
    fn hear(&mut self, frame: &MemFrame) {
        let Some(segment) = peer::read(frame.bytes()) else { return };
        if segment.src != peer::EDGE {
            if segment.flags & flag::SYN != 0 {
                let egress = (segment.src, segment.src_port);
                let mut origin = Host::new((peer::ORIGIN, peer::ORIGIN_PORT), egress, segment.seq);
                origin.read(&segment, &[]);
                self.send(&mut origin, 0);
            }
            return;
        }
        let end = (segment.dst, segment.dst_port);
        let Some(mut host) = self.clients.remove(&end) else { return };
        let bytes = payload(frame.bytes(), &segment);
        host.read(&segment, bytes);
        if bytes.is_empty() {
            if let Some(payload) = host.due().filter(|payload| *payload != 0) {
                self.send(&mut host, payload);
            }
            self.clients.insert(end, host);
            return;
        }
        self.signed += 1;
        let mut frame = self.lines.frame();
        host.fill_reset(&mut frame);
        self.waiting.push_back(frame);
    }

    fn tell(&self, quiets: &[Slice], floods: &[Slice]) -> Vec<Row> {
        let key = self.key.names().0;
        let frames = (2 * PLAIN * ROUNDS) as f64;
        let per_s = |span: Span| frames / (span.nanos() as f64 / 1e9);
        let all = |slice: &Slice| per_s(Span::from_nanos(slice.plain.all.nanos() + slice.flood.all.nanos()));
        let own = |slice: &Slice| per_s(slice.plain.all);
        let quiet: Vec<f64> = quiets.iter().map(own).collect();
        let beside = |what: &str, rate: &dyn Fn(&Slice) -> f64, least| {
            let rates: Vec<f64> = floods.iter().map(rate).collect();
            let ratio = median(rates.iter().zip(&quiet).map(|(flood, quiet)| flood / quiet).collect());
            let peer = Peer { peer: "the quiet ones", peer_value: median(quiet.clone()), ratio };
            Row::beside(format!("{what}_{key}"), median(rates), "frames/s", peer, least)
        };
        let spent = |slice: &Slice| (slice.plain.all.nanos() + slice.flood.all.nanos()) as f64 / 1e9;
        let signed = median(floods.iter().map(|slice| slice.signed as f64 / spent(slice)).collect());
        let longest = |slices: &[Slice]| {
            let longest = |slice: &Slice| slice.plain.longest.max(slice.flood.longest).nanos() as f64 / 1e3;
            median(slices.iter().map(longest).collect())
        };
        vec![
            Row::new(format!("flood_{key}"), signed, "handshakes/s", None),
            beside("plain_in_flood", &all, Some(LEAST)),
            beside("plain_turns_in_flood", &own, None),
            Row::new(format!("longest_turn_quiet_{key}"), longest(quiets), "microseconds", None),
            Row::new(format!("longest_turn_in_flood_{key}"), longest(floods), "microseconds", None),
        ]
    }
}

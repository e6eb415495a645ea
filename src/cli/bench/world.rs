//! One worker on one port, a burst of hand-made peers around it, and a clock that the bench turns.

use super::peer::{self, Segment, flag};
use super::wire::Wire;
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{Clock, Instant, Span, ThreadClock};
use crate::flow::Side;
use crate::port::mem::{MemPort, MemWire};
use crate::port::{Frame, Port};
use crate::worker::Worker;
use std::any::Any;
use std::collections::HashMap;

/// The state of one connection as its client and its origin see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conn {
    /// The client's address.
    client: u32,
    /// The client's port.
    client_port: u16,
    /// The client's next sequence number.
    client_next: u32,
    /// The next byte that the client expects of the edge.
    client_wants: u32,
    /// The edge's end of the origin leg.
    egress: Option<(u32, u16)>,
    /// The origin's next sequence number.
    origin_next: u32,
    /// The next byte that the origin expects of the edge.
    origin_wants: u32,
    /// The edge's last timestamps towards client and origin.
    timestamps: (u32, u32),
    /// FINs seen from the edge, towards client and origin.
    finished: (bool, bool),
}

/// What is counted of a worker's turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counting {
    /// Nothing.
    Nothing,
    /// Instructions, by callgrind.
    Instructions,
    /// CPU time.
    Time,
}

/// What a bench drives.
pub struct World<P: Port = MemPort, W = MemWire> {
    worker: Worker<P>,
    wire: W,
    mac: [u8; 6],
    now: Instant,
    conns: Vec<Conn>,
    by_egress: HashMap<(u32, u16), usize>,
    timestamps: bool,
    /// What is counted of turns.
    pub counting: Counting,
    /// What they took, with `Counting::Time`.
    pub turned: Span,
    /// Frames that `relay` put in front of the worker.
    relayed: u64,
    /// The control side's ends of queues, kept alive.
    _held: Box<dyn Any>,
}

/// The one function whose instructions are counted; never inlined, so that callgrind finds it by name.
#[inline(never)]
pub fn measured_turn<P: Port>(worker: &mut Worker<P>, now: Instant) {
    // The black box keeps the call from being the function's last jump, which callgrind would not see as inside.
    std::hint::black_box(worker.turn(now));
}

impl<P: Port, W: Wire<P>> World<P, W> {
    /// A world around `worker`, whose only port is the other end of `wire`.
    pub fn new(worker: Worker<P>, wire: W, mac: [u8; 6], timestamps: bool, held: Box<dyn Any>) -> Self {
        let (conns, by_egress) = (Vec::new(), HashMap::new());
        let now = Instant::ZERO + Span::from_secs(1);
        Self {
            worker,
            wire,
            mac,
            now,
            conns,
            by_egress,
            timestamps,
            counting: Counting::Nothing,
            turned: Span::ZERO,
            relayed: 0,
            _held: held,
        }
    }

    /// Opens `count` further sessions, in bursts; returns the index of the first.
    ///
    /// # Panics
    /// When the edge does not bring each one up: a bench of what does not work is worth nothing.
    pub fn open(&mut self, count: usize) -> usize {
        let first = self.conns.len();
        for index in first..first + count {
            let client = u32::from_be_bytes([10, 1, 0, 0]) + (index / 50_000) as u32;
            let client_port = 1_024 + (index % 50_000) as u16;
            let client_next = (index as u32).wrapping_mul(2_654_435_761);
            self.conns.push(Conn { client, client_port, client_next, ..Conn::default() });
        }
        for burst in bursts(first, count) {
            self.now += Span::from_millis(1);
            self.burst(&burst, |world, at| world.client_segment(at, flag::SYN, 0));
            self.burst(&burst, |world, at| world.client_segment(at, flag::ACK, 0));
            self.burst(&burst, |world, at| world.origin_segment(at, flag::SYN | flag::ACK, 0));
            for at in burst {
                assert!(self.conns[at].egress.is_some(), "session {at} did not reach its origin");
            }
        }
        first
    }

    /// A segment with the next bytes of session `at`'s client or origin, of which neither takes note: it may be sent again
    /// and again.
    pub fn next_segment(&mut self, at: usize, side: Side, payload_len: u16) -> Segment {
        let before = self.conns[at];
        let segment = match side {
            Side::Client => self.client_segment(at, flag::ACK | flag::PSH, payload_len),
            Side::Origin => self.origin_segment(at, flag::ACK | flag::PSH, payload_len),
        };
        self.conns[at] = before;
        segment
    }

    /// The worker, what it must not outlive, and its time.
    pub fn into_parts(self) -> (Worker<P>, Box<dyn Any>, Instant) {
        (self.worker, self._held, self.now)
    }

    /// Frames that `relay` has put in front of the worker so far.
    pub const fn relayed(&self) -> u64 {
        self.relayed
    }

    /// Lets the timers that opening left behind fire, so that what is measured next is not charged for them: an idle
    /// session has none before its keep-alive.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            self.now += Span::from_secs(1);
            while self.worker.next_deadline().is_some_and(|due| due <= self.now) {
                self.worker.turn(self.now);
                self.take_in();
            }
        }
    }

    /// Every session of `active` sends one segment of `payload` bytes to its origin, which acknowledges it, burst by
    /// burst; virtual time moves on by `round` in all.
    ///
    /// # Panics
    /// When an origin lacks a byte of it.
    pub fn relay(&mut self, active: &[usize], payload: u16, round: Span) {
        let steps = active.len().div_ceil(BURST_FRAMES_MAX) as u64;
        self.relayed += 2 * active.len() as u64;
        for burst in active.chunks(BURST_FRAMES_MAX) {
            self.now += Span::from_nanos(round.nanos() / steps);
            let wants = |world: &Self, at: usize| world.conns[at].origin_wants;
            let wanted: Vec<u32> =
                burst.iter().map(|&at| wants(self, at).wrapping_add(payload.into())).collect();
            self.burst(burst, |world, at| world.client_segment(at, flag::ACK | flag::PSH, payload));
            for (&at, wanted) in burst.iter().zip(wanted) {
                assert_eq!(wants(self, at), wanted, "session {at}: the origin lacks bytes");
            }
            self.burst(burst, |world, at| world.origin_segment(at, flag::ACK, 0));
        }
    }

    /// Every session of `active` sends `count` segments of `payload` bytes at once to its origin, which acknowledges what came
    /// with one segment, as a host does that puts a burst together; so many sessions a turn as fill a burst. Whether all
    /// bytes came in the same turn: a managed session's sender begins with less.
    pub fn stream(&mut self, active: &[usize], payload: u16, count: usize) -> bool {
        let mut complete = true;
        for flows in active.chunks((BURST_FRAMES_MAX / count).max(1)) {
            self.now += Span::from_micros(10);
            let segments: Vec<usize> = flows.iter().flat_map(|&at| std::iter::repeat_n(at, count)).collect();
            let all = u32::from(payload) * count as u32;
            let wanted: Vec<u32> =
                flows.iter().map(|&at| self.conns[at].origin_wants.wrapping_add(all)).collect();
            self.burst(&segments, |world, at| world.client_segment(at, flag::ACK | flag::PSH, payload));
            let came = flows.iter().zip(wanted).all(|(&at, wanted)| self.conns[at].origin_wants == wanted);
            complete &= came;
            self.burst(flows, |world, at| world.origin_segment(at, flag::ACK, 0));
        }
        complete
    }

    /// Each of `first..first + count` sends a request of `payload` bytes and gets as much for an answer, which acknowledges
    /// it.
    ///
    /// # Panics
    /// When an end lacks a byte of it.
    pub fn ask(&mut self, first: usize, count: usize, payload: u16) {
        for burst in bursts(first, count) {
            let wants =
                |world: &Self, at: usize| (world.conns[at].origin_wants, world.conns[at].client_wants);
            let before: Vec<(u32, u32)> = burst.iter().map(|&at| wants(self, at)).collect();
            self.burst(&burst, |world, at| world.client_segment(at, flag::ACK | flag::PSH, payload));
            self.burst(&burst, |world, at| world.origin_segment(at, flag::ACK | flag::PSH, payload));
            let more = u32::from(payload);
            for (&at, (origin, client)) in burst.iter().zip(before) {
                let both = (origin.wrapping_add(more), client.wrapping_add(more));
                assert_eq!(wants(self, at), both, "session {at} did not pass a request or its answer on");
            }
        }
    }

    /// Closes `first..first + count` in order: client first, then origin.
    ///
    /// # Panics
    /// When the edge does not pass both FINs on.
    pub fn close(&mut self, first: usize, count: usize) {
        for burst in bursts(first, count) {
            self.burst(&burst, |world, at| world.client_segment(at, flag::FIN | flag::ACK, 0));
            self.burst(&burst, |world, at| world.origin_segment(at, flag::FIN | flag::ACK, 0));
            self.burst(&burst, |world, at| world.client_segment(at, flag::ACK, 0));
            for at in burst {
                assert_eq!(self.conns[at].finished, (true, true), "session {at} did not close");
            }
        }
    }

    /// Sends what `make` gives for each session of the burst, runs a turn, and takes in what came out.
    fn burst(&mut self, burst: &[usize], make: impl Fn(&mut Self, usize) -> Segment) {
        for &at in burst {
            let segment = make(self, at);
            self.inject(&segment);
        }
        self.turn();
        self.take_in();
    }

    /// One turn of the worker, counted or not.
    fn turn(&mut self) {
        match self.counting {
            Counting::Nothing => {
                self.worker.turn(self.now);
            }
            Counting::Instructions => measured_turn(&mut self.worker, self.now),
            Counting::Time => {
                let began = ThreadClock.now();
                self.worker.turn(self.now);
                self.turned = Span::from_nanos(self.turned.nanos() + ThreadClock.now().since(began).nanos());
            }
        }
    }

    /// Puts a frame in front of the worker.
    fn inject(&mut self, segment: &Segment) {
        let mac = self.mac;
        self.wire.send(&mut self.worker, |bytes| peer::write(bytes, mac, segment));
    }

    /// Reads everything that the worker sent; what is not TCP (its own announcements) is of no interest.
    fn take_in(&mut self) {
        while let Some(frame) = self.wire.take(&mut self.worker) {
            if let Some(segment) = peer::read(frame.bytes()) {
                self.learn(&segment);
            }
        }
    }

    /// Moves the connection that `segment` of the edge belongs to.
    fn learn(&mut self, segment: &Segment) {
        assert_eq!(segment.flags & flag::RST, 0, "the edge reset a session of the bench: {segment:?}");
        let end = segment
            .seq
            .wrapping_add(segment.payload_len.into())
            .wrapping_add(u32::from(segment.flags & (flag::SYN | flag::FIN) != 0));
        let fin = segment.flags & flag::FIN != 0;
        let stamp = segment.timestamp.map_or(0, |(value, _)| value);
        if segment.src == peer::EDGE {
            let host = (segment.dst - u32::from_be_bytes([10, 1, 0, 0])) as usize;
            let conn = &mut self.conns[host * 50_000 + usize::from(segment.dst_port) - 1_024];
            conn.client_wants = end;
            conn.timestamps.0 = stamp;
            conn.finished.0 |= fin;
            return;
        }
        let egress = (segment.src, segment.src_port);
        let at = if segment.flags & flag::SYN != 0 { self.adopt(egress) } else { self.by_egress[&egress] };
        let conn = &mut self.conns[at];
        conn.origin_wants = end;
        conn.timestamps.1 = stamp;
        conn.finished.1 |= fin;
    }

    /// Gives a new origin leg to the oldest session that waits for one: the edge connects in the order of the ACKs.
    fn adopt(&mut self, egress: (u32, u16)) -> usize {
        let at = self.by_egress.len();
        self.conns[at].egress = Some(egress);
        self.conns[at].origin_next = (at as u32).wrapping_mul(40_503);
        let taken = self.by_egress.insert(egress, at);
        assert!(taken.is_none(), "the bench never uses an egress tuple twice");
        at
    }

    /// A segment of session `at`'s client, and the client's state after it.
    fn client_segment(&mut self, at: usize, flags: u8, payload_len: u16) -> Segment {
        let stamp = self.now.millis() as u32;
        let conn = &mut self.conns[at];
        let segment = Segment {
            src: conn.client,
            dst: peer::EDGE,
            src_port: conn.client_port,
            dst_port: peer::EDGE_PORT,
            seq: conn.client_next,
            ack: if flags & flag::ACK == 0 { 0 } else { conn.client_wants },
            flags,
            payload_len,
            timestamp: self.timestamps.then_some((stamp, conn.timestamps.0)),
        };
        conn.client_next = conn.client_next.wrapping_add(taken(flags, payload_len));
        segment
    }

    /// A segment of session `at`'s origin, and the origin's state after it.
    fn origin_segment(&mut self, at: usize, flags: u8, payload_len: u16) -> Segment {
        let stamp = self.now.millis() as u32;
        let conn = &mut self.conns[at];
        let (egress, egress_port) = conn.egress.expect("only sessions with an origin leg are driven");
        let segment = Segment {
            src: peer::ORIGIN,
            dst: egress,
            src_port: peer::ORIGIN_PORT,
            dst_port: egress_port,
            seq: conn.origin_next,
            ack: conn.origin_wants,
            flags,
            payload_len,
            timestamp: self.timestamps.then_some((stamp, conn.timestamps.1)),
        };
        conn.origin_next = conn.origin_next.wrapping_add(taken(flags, payload_len));
        segment
    }
}

/// Sequence space of a segment.
fn taken(flags: u8, payload_len: u16) -> u32 {
    u32::from(payload_len) + u32::from(flags & (flag::SYN | flag::FIN) != 0)
}

/// `first..first + count` cut into bursts.
fn bursts(first: usize, count: usize) -> impl Iterator<Item = Vec<usize>> {
    let end = first + count;
    (first..end).step_by(BURST_FRAMES_MAX).map(move |at| (at..end.min(at + BURST_FRAMES_MAX)).collect())
}

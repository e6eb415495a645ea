//! A client that takes all that comes, as a Linux host does.
//!
//! Two segments in order earn an acknowledgement, one alone after 40 ms; out of order each earns one at once, with the
//! newest range first among its SACK blocks (RFC 2018 4). The receive window grows with what arrives, in order or not, so
//! that about half of the acknowledgements of what is out of order show another window.

use super::super::peer::{EDGE, EDGE_PORT};
use super::segment::Heard;
use crate::base::{Addr, Endpoint, Instant, Span};
use crate::wire::{SackBlocks, TcpEmit, TcpFlags, TcpOptions};

const SHIFT: u8 = 7;
/// Bytes of the window at first (Linux' default of `tcp_rmem`, halved), and at most.
const WINDOW_FIRST: u32 = 65_536;
const WINDOW_MAX: u32 = 3 << 20;
/// Delay of an acknowledgement of one segment alone.
const DELAYED: Span = Span::from_millis(40);
const MSS: u16 = 1_460;

/// One connection's client.
pub struct Client {
    own: Endpoint,
    iss: u32,
    is_up: bool,
    /// The next byte in order.
    next: u32,
    /// Ranges behind it, the one touched last first.
    ranges: Vec<(u32, u32)>,
    window: u32,
    /// The right edge told last; it never goes back.
    right: u32,
    ts_recent: u32,
    /// Segments in order that are not acknowledged, and when they have to be.
    owed: u32,
    due: Option<Instant>,
    /// Bytes that came, each once.
    pub taken: u64,
}

impl Client {
    /// The `index`th one.
    pub fn new(index: u16) -> Self {
        Self {
            own: Endpoint { addr: Addr::v4([10, 1, 0, 1]), port: 1_024 + index },
            iss: 77,
            is_up: false,
            next: 0,
            ranges: Vec::new(),
            window: WINDOW_FIRST,
            right: 0,
            ts_recent: 0,
            owed: 0,
            due: None,
            taken: 0,
        }
    }

    /// Where it is.
    pub const fn end(&self) -> Endpoint {
        self.own
    }

    /// Its SYN.
    pub fn syn(&self, now: Instant) -> TcpEmit {
        let mut syn = TcpEmit::bare(self.own, edge(), TcpFlags(TcpFlags::SYN), (self.iss, 0));
        syn.window = 64_240;
        syn.options = TcpOptions {
            mss: Some(MSS),
            window_shift: Some(SHIFT),
            sack_permitted: true,
            timestamp: Some((clock(now), 0)),
            ..TcpOptions::NONE
        };
        syn
    }

    /// What it says to a segment, if anything.
    pub fn hear(&mut self, heard: &Heard, now: Instant) -> Option<TcpEmit> {
        let segment = &heard.segment;
        if segment.flags.has(TcpFlags::SYN) {
            (self.is_up, self.next) = (true, segment.seq.wrapping_add(1));
            self.right = self.next;
            self.note_time(heard);
            return Some(self.ack(now));
        }
        let len = u32::from(segment.payload_len());
        if !self.is_up || len == 0 {
            return None;
        }
        let (start, end) = (segment.seq, segment.seq.wrapping_add(len));
        if !before(self.next, end) {
            return Some(self.ack(now));
        }
        self.note_time(heard);
        self.window = (self.window + u32::from(MSS) / 2).min(WINDOW_MAX);
        self.take(start, end);
        if self.ranges.is_empty() && self.owed < 1 {
            self.owed += 1;
            self.due = Some(now + DELAYED);
            return None;
        }
        Some(self.ack(now))
    }

    /// The acknowledgement that time makes it send.
    pub fn wake(&mut self, now: Instant) -> Option<TcpEmit> {
        self.due.is_some_and(|due| due <= now).then(|| self.ack(now))
    }

    /// When that will be.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Joins a range with those that are there.
    fn take(&mut self, start: u32, end: u32) {
        let (mut start, mut end) = (if before(start, self.next) { self.next } else { start }, end);
        let held =
            |ranges: &[(u32, u32)]| ranges.iter().map(|(a, b)| u64::from(b.wrapping_sub(*a))).sum::<u64>();
        let had = held(&self.ranges);
        self.ranges.retain(|&(a, b)| {
            let touches = !before(b, start) && !before(end, a);
            if touches {
                start = if before(a, start) { a } else { start };
                end = if before(end, b) { b } else { end };
            }
            !touches
        });
        self.ranges.insert(0, (start, end));
        self.taken += held(&self.ranges) - had;
        if start == self.next {
            self.next = end;
            self.ranges.remove(0);
        }
    }

    fn ack(&mut self, now: Instant) -> TcpEmit {
        (self.owed, self.due) = (0, None);
        let wanted = self.next.wrapping_add(self.window);
        self.right = if before(self.right, wanted) { wanted } else { self.right };
        let numbers = (self.iss.wrapping_add(1), self.next);
        let mut ack = TcpEmit::bare(self.own, edge(), TcpFlags(TcpFlags::ACK), numbers);
        ack.window = (self.right.wrapping_sub(self.next) >> SHIFT).min(65_535) as u16;
        let blocks = &self.ranges[..self.ranges.len().min(3)];
        ack.options = TcpOptions {
            timestamp: Some((clock(now), self.ts_recent)),
            sack: SackBlocks::new(blocks),
            ..TcpOptions::NONE
        };
        ack
    }

    /// RFC 7323 4.3: of a segment that begins at the last acknowledgement or before.
    fn note_time(&mut self, heard: &Heard) {
        if let Some((value, _)) = heard.options.timestamp.filter(|_| !before(self.next, heard.segment.seq)) {
            self.ts_recent = value;
        }
    }
}

/// Where the edge is.
fn edge() -> Endpoint {
    Endpoint { addr: Addr::v4(EDGE.to_be_bytes()), port: EDGE_PORT }
}

/// A host's timestamp clock: milliseconds.
pub fn clock(now: Instant) -> u32 {
    now.millis() as u32
}

/// Whether `a` comes before `b` in sequence space.
pub const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

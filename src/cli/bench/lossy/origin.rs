//! An origin with more bytes than anybody takes, next to the edge.

use super::client::{before, clock};
use super::segment::Heard;
use crate::base::{Endpoint, Instant};
use crate::wire::{TcpEmit, TcpFlags, TcpOptions};

const SHIFT: u8 = 7;
/// Payload of a segment with timestamps.
const PAYLOAD: u16 = 1_448;
const ISS: u32 = 4_000_000_000;

/// One connection's origin.
pub struct Origin {
    own: Endpoint,
    edge: Endpoint,
    /// The next byte to send, and the first that the edge has no room for.
    next: u32,
    right: u32,
    /// The edge's next byte, and its window shift.
    wants: u32,
    shift: u8,
    ts_recent: u32,
}

impl Origin {
    /// The one that the edge's SYN came to.
    pub fn new(syn: &Heard) -> Self {
        let (edge, own) = syn.ends();
        let shift = syn.options.window_shift.unwrap_or(0);
        let mut origin = Self {
            own,
            edge,
            next: ISS,
            right: ISS,
            wants: syn.segment.seq.wrapping_add(1),
            shift,
            ts_recent: 0,
        };
        origin.note_time(syn);
        origin
    }

    /// The edge's end of it.
    pub const fn edge(&self) -> Endpoint {
        self.edge
    }

    /// Its SYN-ACK.
    pub fn syn_ack(&mut self, now: Instant) -> TcpEmit {
        let mut said = self.say(TcpFlags(TcpFlags::SYN | TcpFlags::ACK), now);
        said.options =
            TcpOptions { mss: Some(1_460), window_shift: Some(SHIFT), sack_permitted: true, ..said.options };
        self.next = self.next.wrapping_add(1);
        said
    }

    /// Takes note of how much the edge has room for.
    pub fn hear(&mut self, heard: &Heard) {
        let right = heard.segment.ack.wrapping_add(u32::from(heard.segment.window) << self.shift);
        self.right = if before(self.right, right) { right } else { self.right };
        self.note_time(heard);
    }

    /// Its next segment, if there is room for a whole one.
    pub fn data(&mut self, now: Instant) -> Option<TcpEmit> {
        let end = self.next.wrapping_add(u32::from(PAYLOAD));
        if before(self.right, end) {
            return None;
        }
        let said = TcpEmit { payload_len: PAYLOAD, ..self.say(TcpFlags(TcpFlags::ACK), now) };
        self.next = end;
        Some(said)
    }

    fn say(&self, flags: TcpFlags, now: Instant) -> TcpEmit {
        let mut said = TcpEmit::bare(self.own, self.edge, flags, (self.next, self.wants));
        said.window = 4_096;
        said.options = TcpOptions { timestamp: Some((clock(now), self.ts_recent)), ..TcpOptions::NONE };
        said
    }

    fn note_time(&mut self, heard: &Heard) {
        if let Some((value, _)) = heard.options.timestamp {
            self.ts_recent = value;
        }
    }
}

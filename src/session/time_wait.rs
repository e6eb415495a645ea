//! Flows whose session is gone but whose peer may still speak: TIME-WAIT, and resets that may have been lost.
//!
//! A socket is freed the moment its leg reaches TIME-WAIT; what a late segment needs fits in 80 bytes.

use super::allowance::Allowance;
use super::leg::{Leg, before, flag};
use super::{Net, packet};
use crate::base::{DropReason, Fate, Hop, Instant, Span};
use crate::flow::{FlowHasher, Resting};
use crate::telemetry::Counter;
use crate::wire::{FlowKey, TcpFlags, TcpOptions, TcpSegment};

/// Flows forgotten by one look.
const WAKES_PER_LOOK: usize = 4;

/// What is left of a leg.
#[derive(Clone, Copy, Debug)]
pub enum Remains {
    /// Both FINs are through (RFC 9293 3.3.2, TIME-WAIT).
    TimeWait {
        /// The way to the peer.
        hop: Hop,
        /// Our next number, FIN counted.
        snd_nxt: u32,
        /// The peer's next number, FIN counted.
        rcv_nxt: u32,
        /// TS.Recent and our offset, where timestamps were in use.
        timestamps: Option<(u32, u32)>,
    },
    /// We reset it; the RST may be lost or out of place, and is repeated to whoever asks.
    Reset {
        /// The way to the peer.
        hop: Hop,
    },
}

/// The flows of one worker that are over.
pub struct Graveyard {
    resting: Resting<Remains>,
    /// The first number that a new incarnation may use, for the SYN that was just let through.
    reuse: Option<(FlowKey, u32)>,
}

impl Graveyard {
    /// Room for `capacity` flows that rest for `span`.
    pub fn new(capacity: usize, span: Span, hasher: FlowHasher) -> Self {
        Self { resting: Resting::new(capacity, span, hasher), reuse: None }
    }

    /// Flows remembered.
    pub fn len(&self) -> usize {
        self.resting.len()
    }

    /// Buries a leg that ended in order.
    pub fn bury(&mut self, leg: &Leg, now: Instant) {
        let timestamps = leg.is(flag::TIMESTAMPS).then_some((leg.ts_recent, leg.ts_offset));
        let (hop, snd_nxt, rcv_nxt) = (leg.hop, leg.snd_max, leg.rcv_nxt);
        self.insert(leg.key, Remains::TimeWait { hop, snd_nxt, rcv_nxt, timestamps }, now);
    }

    /// Notes that a leg was reset by us.
    pub fn note_reset(&mut self, leg: &Leg, now: Instant) {
        self.insert(leg.key, Remains::Reset { hop: leg.hop }, now);
    }

    /// Forgets a flow whose tuple is used anew.
    pub fn forget(&mut self, key: &FlowKey) {
        if let Some(rest) = self.resting.find(key) {
            self.resting.remove(rest);
        }
    }

    /// Whether this flow, whose hash is at hand, is remembered.
    #[inline]
    pub fn holds(&self, key: &FlowKey, hash: u64) -> bool {
        self.resting.find_hashed(key, hash).is_some()
    }

    /// Whether `meet` has just let a SYN through that opens `key` anew out of TIME-WAIT.
    #[inline]
    pub fn reuses(&self, key: &FlowKey) -> bool {
        self.reuse.as_ref().is_some_and(|(reused, _)| reused == key)
    }

    /// The number above which a new incarnation of `key` must start, once, right after `meet` let its SYN through.
    pub fn take_reuse(&mut self, key: &FlowKey) -> Option<u32> {
        self.reuse.take().filter(|(reused, _)| reused == key).map(|(_, number)| number)
    }

    /// Answers a segment that belongs to no session; `None` when it belongs to none of the dead either, or when it
    /// is a SYN that may open the flow anew.
    pub fn meet<N: Net>(
        &mut self,
        segment: &TcpSegment,
        frame: &[u8],
        allowance: &mut Allowance,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        self.resting.expire(now, WAKES_PER_LOOK);
        let rest = self.resting.find(&segment.key)?;
        if self.resting.is_over(rest, now) {
            self.resting.remove(rest);
            return None;
        }
        let remains = *self.resting.value_mut(rest);
        match remains {
            Remains::Reset { .. } if segment.flags.is_first_syn() => {
                self.resting.remove(rest);
                None
            }
            Remains::Reset { hop } => {
                if segment.flags.has(TcpFlags::ACK)
                    && !segment.flags.has(TcpFlags::RST)
                    && allowance.take(now)
                {
                    packet::send_reset(&segment.key, segment.ack, hop, net);
                }
                Some(Fate::Dropped(DropReason::OutOfState))
            }
            Remains::TimeWait { hop, snd_nxt, rcv_nxt, timestamps } => {
                if segment.flags.is_first_syn() && is_newer(segment, frame, rcv_nxt, timestamps) {
                    self.resting.remove(rest);
                    self.reuse = Some((segment.key, snd_nxt));
                    net.page().count(Counter::TimeWaitReuses);
                    return None;
                }
                if segment.flags.has(TcpFlags::SYN) && segment.flags.has(TcpFlags::ACK) {
                    // A SYN of ours was late, or came twice, and opened a connection at the peer that nobody wants.
                    if allowance.take(now) {
                        packet::send_reset(&segment.key, segment.ack, hop, net);
                    }
                    return Some(Fate::Dropped(DropReason::TimeWait));
                }
                // RFC 1337: a reset does not cut TIME-WAIT short. What says nothing new is not answered: at the other end, too,
                // such an answer may meet nothing but TIME-WAIT.
                let ends = TcpFlags::SYN | TcpFlags::FIN;
                let is_bare = segment.flags.0 & ends == 0 && segment.payload_len() == 0;
                let is_echo = is_bare && (segment.seq, segment.ack) == (rcv_nxt, snd_nxt);
                if !segment.flags.has(TcpFlags::RST) && !is_echo && allowance.take(now) {
                    let mut ack = packet::to_peer(&segment.key, TcpFlags::ACK, (snd_nxt, rcv_nxt));
                    ack.options.timestamp = timestamps
                        .map(|(recent, offset)| ((now.millis() as u32).wrapping_add(offset), recent));
                    if packet::send(&ack, hop, net) {
                        net.page().count(Counter::TimeWaitAcks);
                    }
                }
                if segment.flags.has(TcpFlags::FIN) {
                    self.resting.restart(rest, now);
                }
                Some(Fate::Dropped(DropReason::TimeWait))
            }
        }
    }

    fn insert(&mut self, key: FlowKey, remains: Remains, now: Instant) {
        self.resting.expire(now, WAKES_PER_LOOK);
        if self.resting.is_full() {
            self.resting.evict_oldest();
        }
        // A refusal (two full buckets) only means that a late segment finds nobody.
        let _ = self.resting.insert(key, remains, now);
    }
}

/// Whether a SYN may reuse a flow in TIME-WAIT: RFC 6191 by timestamp, else RFC 1122 4.2.2.13 by sequence number.
fn is_newer(segment: &TcpSegment, frame: &[u8], rcv_nxt: u32, timestamps: Option<(u32, u32)>) -> bool {
    let (start, end) = segment.options();
    let options = frame.get(start..end).and_then(|bytes| TcpOptions::parse(bytes).ok()).unwrap_or_default();
    match (timestamps, options.timestamp) {
        (Some((recent, _)), Some((value, _))) if value != recent => before(recent, value),
        _ => before(rcv_nxt, segment.seq),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_in_time_wait_takes_at_most_96_bytes() {
        assert!(Resting::<Remains>::bytes_each() <= 96, "{}", Resting::<Remains>::bytes_each());
    }
}

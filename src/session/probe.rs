//! Active probes: one handshake with an origin, closed at once. No client, no smoltcp, no buffers.
//!
//! ```text
//!  order -> SYN --SYN-ACK--> connected; ACK + FIN (and PROXY's LOCAL header) --FIN, data, RST, a second--> gone
//!            |-- RST -------> refused                 ICMP error --> unreachable
//!            `-- nothing: again each second, at last timed out
//! ```
//! A probe takes an egress tuple as any origin leg does and lays it to rest afterwards; frames find it where no session
//! takes them, so that the road of a session pays nothing for it.

use super::leg::before;
use super::{Net, Sessions, packet};
use crate::base::limits::PROBES_MAX;
use crate::base::{DropReason, Fate, Hop, Instant, ProbeOrder, ProbeOutcome, Span};
use crate::flow::{Call, UsedTuple};
use crate::wire::proxy::V2_LOCAL;
use crate::wire::{FlowKey, TcpEmit, TcpFlags, TcpSegment};
use arrayvec::ArrayVec;

/// The pause between two SYNs.
const RESEND: Span = Span::from_secs(1);
/// How long the origin may take to close its side.
const LINGER: Span = Span::from_secs(1);
/// What both families carry without a question.
const MSS: u16 = 536;
const WINDOW: u16 = 8_192;

#[derive(Clone, Copy, Debug)]
struct Probe {
    order: ProbeOrder,
    /// As its replies arrive.
    key: FlowKey,
    hop: Hop,
    iss: u32,
    /// What we expect next; `None` before the SYN-ACK.
    rcv_nxt: Option<u32>,
    called_at: Instant,
    /// Whether its SYN went out more than once.
    resent: bool,
    resend_at: Instant,
    until: Instant,
}

/// The probes of one worker.
#[derive(Default)]
pub struct Probes {
    live: ArrayVec<Probe, PROBES_MAX>,
    /// Outcomes that the worker has not taken yet. Each had a place in `live`, and the worker empties this each turn.
    done: ArrayVec<(u32, ProbeOutcome), PROBES_MAX>,
}

impl Probes {
    /// Whether a tuple is in use by a probe.
    pub fn hold(&self, key: &FlowKey) -> bool {
        self.live.iter().any(|probe| probe.key == *key)
    }

    /// When one of them has to act.
    pub fn deadline(&self) -> Option<Instant> {
        self.live.iter().map(|probe| probe.until.min(probe.resend_at)).min()
    }

    fn place(&self, key: &FlowKey) -> Option<usize> {
        self.live.iter().position(|probe| probe.key == *key)
    }
}

impl Sessions {
    /// Calls an origin; `false` when nothing went out, for a reason of ours.
    pub fn send_probe<N: Net>(&mut self, order: ProbeOrder, now: Instant, net: &mut N) -> bool {
        let origin = order.origin;
        if self.probes.live.is_full() || self.probes.done.is_full() {
            return false;
        }
        let Some(hop) = net.route(origin.addr) else { return false };
        let call = Call { origin, timestamps: false };
        let Some(key) = self.choose_egress(call, now, net) else { return false };
        let (iss, _) = self.isns.numbers(self.hasher.hash(&key), now);
        let (resend_at, until) = (now + RESEND, now + order.timeout);
        let probe =
            Probe { order, key, hop, iss, rcv_nxt: None, called_at: now, resent: false, resend_at, until };
        probe.call(net);
        self.probes.live.push(probe);
        true
    }

    /// What came of a probe; each is told once.
    pub fn probed(&mut self) -> Option<(u32, ProbeOutcome)> {
        self.probes.done.pop()
    }

    /// A segment that no session takes; `None` when it is no probe's either.
    #[cold]
    pub(super) fn meet_probe<N: Net>(
        &mut self,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let at = self.probes.place(&segment.key)?;
        Some(match self.probes.live[at].rcv_nxt {
            None => self.meet_called(at, segment, now, net),
            Some(expected) => self.meet_closing(at, expected, segment, now, net),
        })
    }

    /// RFC 9293 3.10.7.3, SYN-SENT.
    fn meet_called<N: Net>(&mut self, at: usize, segment: &TcpSegment, now: Instant, net: &mut N) -> Fate {
        let probe = &mut self.probes.live[at];
        let flags = segment.flags;
        let for_us = flags.has(TcpFlags::ACK) && segment.ack == probe.iss.wrapping_add(1);
        if flags.has(TcpFlags::RST) {
            if !for_us {
                return Fate::Dropped(DropReason::RstUnacceptable);
            }
            self.end_probe(at, Some(ProbeOutcome::Refused), now);
            return Fate::Absorbed;
        }
        if for_us && flags.has(TcpFlags::SYN) {
            probe.rcv_nxt = Some(segment.seq.wrapping_add(1));
            (probe.resend_at, probe.until) = (now + LINGER, now + LINGER);
            probe.close(net);
            let outcome = (probe.order.id, ProbeOutcome::Connected(now.since(probe.called_at)));
            self.note_probe(outcome);
            return Fate::Absorbed;
        }
        if flags.has(TcpFlags::ACK) && !for_us && (!probe.resent || self.allowance.take(now)) {
            // The origin holds an old connection on this tuple: the reset makes it let go, and the SYN goes again at once.
            packet::send_reset(&probe.key, segment.ack, probe.hop, net);
            if !probe.resent {
                probe.resend(now, net);
            }
        }
        Fate::Dropped(DropReason::OutOfState)
    }

    /// The origin has the connection, and our end of it: what it says now matters no more.
    fn meet_closing<N: Net>(
        &mut self,
        at: usize,
        expected: u32,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let probe = &self.probes.live[at];
        let flags = segment.flags;
        if flags.has(TcpFlags::RST) {
            if segment.seq != expected {
                return Fate::Dropped(DropReason::RstUnacceptable);
            }
        } else if flags.has(TcpFlags::SYN) {
            // Our ACK was lost: once more.
            probe.close(net);
            return Fate::Absorbed;
        } else if segment.seq_len() == 0 {
            return Fate::Absorbed;
        } else if before(segment.seq, expected) {
            return Fate::Dropped(DropReason::SequenceUnacceptable);
        } else if segment.payload_len() == 0 {
            let ack = expected.wrapping_add(1);
            packet::send(&packet::to_peer(&probe.key, TcpFlags::ACK, (probe.end(), ack)), probe.hop, net);
        } else {
            // It greets somebody who has left.
            packet::send_reset(&probe.key, probe.end(), probe.hop, net);
        }
        self.end_probe(at, None, now);
        Fate::Absorbed
    }

    /// An ICMP error about a packet that no session sent.
    pub(super) fn probe_error(&mut self, key: &FlowKey, seq: u32, now: Instant) -> Fate {
        let called = |probe: &Probe| probe.key == *key && probe.rcv_nxt.is_none() && probe.iss == seq;
        let Some(at) = self.probes.live.iter().position(called) else {
            return Fate::Dropped(DropReason::IcmpUnsolicited);
        };
        self.end_probe(at, Some(ProbeOutcome::Unreachable), now);
        Fate::Absorbed
    }

    /// Calls again, or gives up.
    pub(super) fn tend_probes<N: Net>(&mut self, now: Instant, net: &mut N) {
        if self.probes.live.is_empty() {
            return;
        }
        for at in (0..self.probes.live.len()).rev() {
            let probe = &mut self.probes.live[at];
            if now >= probe.until {
                let outcome = probe.rcv_nxt.is_none().then_some(ProbeOutcome::TimedOut);
                if outcome.is_none() {
                    packet::send_reset(&probe.key, probe.end(), probe.hop, net);
                }
                self.end_probe(at, outcome, now);
            } else if now >= probe.resend_at {
                probe.resend(now, net);
            }
        }
    }

    fn end_probe(&mut self, at: usize, outcome: Option<ProbeOutcome>, now: Instant) {
        let probe = self.probes.live.swap_remove(at);
        let (origin, egress) = (probe.key.src_endpoint(), probe.key.dst_endpoint());
        self.ports.release(UsedTuple { tenant: None, origin, egress, early: None }, now);
        if let Some(outcome) = outcome {
            self.note_probe((probe.order.id, outcome));
        }
    }

    fn note_probe(&mut self, told: (u32, ProbeOutcome)) {
        // With no room control hears nothing and takes the probe for timed out.
        let _ = self.probes.done.try_push(told);
    }
}

impl Probe {
    fn call<N: Net>(&self, net: &mut N) {
        let mut syn = packet::to_peer(&self.key, TcpFlags::SYN, (self.iss, 0));
        (syn.options.mss, syn.window) = (Some(MSS), WINDOW);
        packet::send(&syn, self.hop, net);
    }

    /// The SYN once more.
    fn resend<N: Net>(&mut self, now: Instant, net: &mut N) {
        (self.resent, self.resend_at) = (true, now + RESEND);
        self.call(net);
    }

    /// ACK of the SYN-ACK and our FIN in one, behind the LOCAL header where there is one.
    fn close<N: Net>(&self, net: &mut N) {
        let flags = TcpFlags::ACK | TcpFlags::FIN;
        let numbers = (self.iss.wrapping_add(1), self.rcv_nxt.unwrap_or(0));
        let mut fin: TcpEmit = packet::to_peer(&self.key, flags, numbers);
        (fin.window, fin.payload_len) = (WINDOW, self.header().len() as u16);
        if net.room() == 0 {
            return;
        }
        net.emit(self.hop, fin.packet_len(), |bytes| {
            if let Some(payload) = fin.emit(bytes) {
                payload.copy_from_slice(self.header());
            }
        });
    }

    fn header(&self) -> &'static [u8] {
        if self.order.proxy_v2 { &V2_LOCAL } else { &[] }
    }

    /// The number behind our FIN.
    fn end(&self) -> u32 {
        self.iss.wrapping_add(2 + self.header().len() as u32)
    }
}

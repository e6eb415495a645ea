//! Timers: one a session, armed lazily.
//!
//! On the packet road smoltcp is never asked when it wants to be polled (268 instructions a leg). A session that
//! something happened to is armed at the earliest time at which anything of smoltcp's could be due: 10 ms when an
//! acknowledgement is owed, else 1 s when something is in flight. Only when that timer fires is the true deadline
//! asked for.

use super::end::End;
use super::leg::flag;
use super::packet;
use super::pair::Due;
use super::receive::{RTO_MIN, set_index};
use super::stack::{self, ACK_DELAY_MS};
use super::{Net, Sessions};
use crate::base::limits::TIMERS_PER_TURN_MAX;
use crate::base::{Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Counter;
use crate::wire::TcpFlags;
use smoltcp::socket::tcp::State;

impl Sessions {
    /// Fires the timers that are due, a bounded number of them; the rest come with the next call.
    pub fn expire<N: Net>(&mut self, now: Instant, net: &mut N) {
        let mut visits = TIMERS_PER_TURN_MAX;
        while let Some(id) = self.wheel.pop(now, &mut visits) {
            self.sessions[id as usize].timer_at = None;
            self.tick(id, now, net);
        }
        self.expire_splices(now, net);
        self.tend_probes(now, net);
    }

    fn tick<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        if let Some((at, due)) = self.sessions[id as usize].deadline(&self.settings)
            && at <= now
            && !self.act_on(id, due, now, net)
        {
            return;
        }
        if let Some(until) = self.sessions[id as usize].held_until {
            self.mark(id);
            return self.arm_by(id, until);
        }
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            if self.leg(at).fed_una != self.leg(at).snd_una && self.leg(at).is(flag::PLAIN) {
                self.catch_up(at, now, net);
            }
            let acknowledged = self.owes_only_an_ack(at) && self.acknowledge(at, now, net);
            if !acknowledged && self.smoltcp_has_timers(at) {
                self.leg_mut(at).set(flag::POLL);
            }
        }
        if !self.tend(id, now, net) {
            self.mark(id);
        }
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            let leg = self.leg(at);
            if leg.is(flag::LIVE) && leg.is(flag::PLAIN) && leg.unacked() != 0 {
                // Bytes that smoltcp never saw, beside something else that it was polled for.
                self.acknowledge(at, now, net);
            }
        }
        self.rearm(id, now, net);
    }

    /// Does what a deadline asks for; `false` when the session is gone.
    fn act_on<N: Net>(&mut self, id: u32, due: Due, now: Instant, net: &mut N) -> bool {
        match due {
            Due::HalfOpen => {
                net.page().count(Counter::ClosedByHalfOpenTimeout);
                self.forget(id, now);
            }
            Due::Probe(side) => {
                self.probe(LegRef::new(id, side), now, net);
                return true;
            }
            Due::Resend(side) => {
                let at = LegRef::new(id, side);
                if self.leg(at).is_shaking_hands() {
                    self.resend_syn(at, now, net);
                } else {
                    self.hand_over_fin(at, now, net);
                }
                return true;
            }
            Due::Held => {
                self.release(id, net);
                return true;
            }
            Due::Handshake => self.end_late_handshake(id, now, net),
            Due::Connect => {
                self.connect_failed(id, End::ConnectTimeout, now, net);
                return self.sessions[id as usize].phase.is_some();
            }
            // Whoever's turn it was to speak.
            Due::Idle => {
                self.end(id, End::Idle(self.sessions[id as usize].last_from.other()), None, now, net)
            }
            Due::Fin => self.end(id, End::FinTimeout(self.sessions[id as usize].owes_fin()), None, now, net),
            Due::Silent(side) => self.end(id, End::Silent(side), None, now, net),
            Due::Unanswered(side) => self.end(id, End::Unanswered(side), None, now, net),
            Due::Doom => self.end(id, End::AppRemoved, None, now, net),
        }
        false
    }

    /// Leaves an unacknowledged FIN of our own writing to smoltcp, which sends it as if for the first time.
    fn hand_over_fin<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        if self.leg(at).fed_una != self.leg(at).snd_una {
            self.catch_up(at, now, net);
        }
        let leg = self.leg_mut(at);
        leg.clear(flag::FIN_OURS);
        leg.set(flag::POLL);
    }

    /// A keep-alive probe: an old number, which the peer must answer (RFC 9293 3.8.4).
    fn probe<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg_mut(at);
        leg.probes = leg.probes.saturating_add(1);
        let probe = packet::of_leg(leg, TcpFlags::ACK, leg.snd_max.wrapping_sub(1), now);
        let hop = leg.hop;
        if packet::send(&probe, hop, net) {
            net.page().count(Counter::KeepalivesSent);
        }
    }

    /// Arms the session at the earliest of its own deadline and smoltcp's two.
    fn rearm<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let Some((mut next, _)) = self.sessions[id as usize].deadline(&self.settings) else { return };
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            if self.smoltcp_has_timers(at) {
                next = next.min(self.smoltcp_deadline(at, now, net));
            }
        }
        let next = next.max(now + Span::from_millis(1));
        self.sessions[id as usize].timer_at = Some(next);
        self.wheel.arm(id, next);
    }

    fn smoltcp_has_timers(&self, at: LegRef) -> bool {
        let leg = self.leg(at);
        leg.is(flag::LIVE)
            && leg.is_synchronised()
            && leg.state != State::TimeWait
            && (leg.inner_flight() != 0 || leg.unsent() != 0 || leg.unacked() != 0)
    }

    /// Whether a delayed acknowledgement is all that a leg owes, and its window needs no opening: then the ACK is written
    /// here, for a tenth of what a poll of smoltcp and the question for its next deadline cost.
    fn owes_only_an_ack(&self, at: LegRef) -> bool {
        let leg = self.leg(at);
        leg.is(flag::LIVE)
            && leg.is(flag::PLAIN)
            && !leg.is(flag::POLL | flag::RESENDING)
            && leg.unacked() != 0
            && leg.unsent() == 0
            && leg.inner_flight() == 0
            && leg.window_left() >= self.settings.rx_buffer_bytes as u32 / 2
    }

    fn smoltcp_deadline<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> Instant {
        if self.leg(at).is(flag::ASLEEP) {
            // Asked before it has announced a window, smoltcp would take one from the other and panic.
            self.wake(at, now);
        }
        let class = self.leg(at).class;
        let set = &self.sets[set_index(at)];
        let wanted = self.stack.interface(class).poll_at(stack::smol(now), set);
        match wanted {
            Some(due) => {
                let due = Instant::from_nanos((due.total_micros().max(0) as u64).saturating_mul(1_000));
                // "Now", after a poll that sent nothing: it waits for a frame or for the peer.
                if due > now { due } else { now + Span::from_millis(ACK_DELAY_MS) }
            }
            None => {
                let leg = self.leg(at);
                if leg.in_flight() != 0 || leg.unsent() != 0 {
                    self.rescue(at, now, net);
                }
                now + RTO_MIN
            }
        }
    }

    /// smoltcp owes the peer something and has no timer for it. That happens after a fast retransmit with nothing
    /// but a FIN in flight, and when a closed window opens over lost segments.
    fn rescue<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let only_fin = leg.is(flag::FIN_OUT) && leg.snd_una == leg.write_seq && leg.in_flight() != 0;
        if !only_fin {
            self.nudge(at, now, net);
            self.mark(at.session());
            return;
        }
        let fin = packet::of_leg(leg, TcpFlags::FIN | TcpFlags::ACK, leg.snd_una, now);
        if packet::send(&fin, leg.hop, net) {
            net.page().count(Counter::RetransmitsSent);
        }
    }
}

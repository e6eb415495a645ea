//! Timers: one a session, armed lazily.
//!
//! On the packet road true deadlines are not asked for. A session that something happened to is armed at the earliest time
//! at which anything could be due: 10 ms when an acknowledgement is owed, else two round trips when something is in
//! flight. Only when that timer fires is the true deadline looked at.

use super::end::End;
use super::leg::flag;
use super::packet;
use super::pair::Due;
use super::stack::ACK_DELAY_MS;
use super::{Net, Sessions};
use crate::base::limits::TIMERS_PER_TURN_MAX;
use crate::base::{Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Counter;
use crate::wire::TcpFlags;

impl Sessions {
    /// Fires the timers that are due, a bounded number of them; the rest come with the next call.
    pub fn expire<N: Net>(&mut self, now: Instant, net: &mut N) {
        let reclaimed = self.boards.take_reclaimed();
        if reclaimed != 0 {
            net.page().add(Counter::ScoreboardsReclaimed, reclaimed);
        }
        let mut visits = TIMERS_PER_TURN_MAX;
        while let Some(id) = self.wheel.pop(now, &mut visits) {
            self.sessions[id as usize].timer_at = None;
            self.tick(id, now, net);
        }
        self.expire_splices(now, net);
        self.ports.wake(now);
        self.tend_probes(now, net);
    }

    fn tick<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        if let Some((at, due)) = self.sessions[id as usize].deadline(&self.settings)
            && at <= now
            && !self.act_on(id, due, now, net)
        {
            return;
        }
        if !self.seats.has(id) {
            return self.rearm(id, now);
        }
        if let Some(until) = self.sessions[id as usize].held_until {
            self.mark(id);
            return self.arm_by(id, until);
        }
        for side in [Side::Client, Side::Origin] {
            self.tend_sender(LegRef::new(id, side), now, net);
        }
        if !self.tend(id, now, net) {
            self.mark(id);
        }
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            let leg = self.leg(at);
            let owes = leg.is(flag::LIVE) && leg.is_synchronised() && leg.unacked() != 0;
            if owes && !self.acknowledge(at, now, net) {
                self.leg_mut(at).set(flag::ACK_NOW);
                self.mark(id);
            }
        }
        self.rearm(id, now);
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
                self.resend_syn(LegRef::new(id, side), now, net);
                return true;
            }
            Due::Park => {
                self.park(id, now, net);
                return true;
            }
            Due::Held => {
                self.release(id, net);
                return true;
            }
            Due::Thaw => {
                self.thaw(id, now, net);
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

    /// Arms the session at the earliest of its own deadline, its senders', and its acknowledgements', unless what happened in
    /// this tick armed it for earlier.
    fn rearm(&mut self, id: u32, now: Instant) {
        let Some((mut next, _)) = self.sessions[id as usize].deadline(&self.settings) else { return };
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            let leg = self.leg(at);
            if leg.is(flag::LIVE) && leg.is_synchronised() && leg.unacked() != 0 {
                next = next.min(now + Span::from_millis(ACK_DELAY_MS));
            }
            if let Some((due, _)) = self.sender_deadline(at, now) {
                next = next.min(due);
            }
        }
        let next = next.max(now + Span::from_micros(100));
        self.arm_by(id, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WorkerId;
    use crate::session::Phase;
    use crate::testkit::edge;

    #[test]
    fn an_earlier_arm_of_the_same_tick_stands() {
        let settings = edge::session_settings();
        let mut sessions = Sessions::new(settings, WorkerId(0), 1, &[7; 32], Instant::ZERO);
        let (now, soon) = (Instant::from_nanos(1_000_000_000), Instant::from_nanos(1_005_000_000));
        sessions.sessions[3].phase = Some(Phase::Open);
        sessions.arm_by(3, soon);
        sessions.rearm(3, now);
        assert_eq!(sessions.sessions[3].timer_at, Some(soon));
        let mut visits = TIMERS_PER_TURN_MAX;
        assert_eq!(sessions.wheel.pop(soon + Span::from_millis(2), &mut visits), Some(3));
    }
}

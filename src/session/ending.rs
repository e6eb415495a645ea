//! The turns of a session's life: the client arrived, the origin is called, both are up, one is done, it is over.

use super::balance::OriginNews;
use super::end::End;
use super::leg::flag;
use super::packet;
use super::pair::{Session, SpliceWish};
use super::sessions::holds;
use super::{Net, Phase, Sessions};
use crate::base::{DropReason, Instant};
use crate::flow::{Call, Choice, EarlyReuse, LegRef, Side, UsedTuple};
use crate::telemetry::{AppCounter, Counter, EventKind, Status};
use crate::wire::{FlowKey, Protocol, TcpFlags};
use smoltcp::socket::tcp::State;

impl Sessions {
    /// The client's handshake is complete: now, and not before, the origin is called.
    pub(super) fn client_arrived<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        self.half_open -= 1;
        self.gate.prove(session.tenant());
        if !session.legs[0].is(flag::RESENT_SYN) {
            session.rtts[0] = Some(now.since(session.called_at));
        }
        session.phase = Some(Phase::Connecting);
        if session.plan.is_some() {
            self.await_hello(id, now);
        } else {
            self.reach_origin(id, now, net);
        }
    }

    /// Calls the origin, or ends the session where that cannot be.
    pub(super) fn reach_origin<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        session.phase = Some(Phase::Connecting);
        session.called_at = now;
        if let Err((reason, end)) = self.call(id, now, net) {
            net.refused(reason);
            self.end(id, end, None, now, net);
            return;
        }
        self.arm_by(id, now + self.settings.connect_timeout);
        self.mark(id);
    }

    /// Chooses our end of the leg to the session's origin; the SYN goes out with the next service.
    pub(super) fn call_origin<N: Net>(
        &mut self,
        id: u32,
        now: Instant,
        net: &mut N,
    ) -> Result<(), (DropReason, End)> {
        let origin = self.sessions[id as usize].origin;
        if origin.port == 0 {
            return Err((DropReason::OriginForbidden, End::OriginForbidden));
        }
        let hop = net.route(origin.addr).ok_or((DropReason::NoRoute, End::LackOfRoom))?;
        let session = &self.sessions[id as usize];
        let client = session.leg(Side::Client);
        let passed_on = session.splice == SpliceWish::Wanted && client.key.src.is_v4() == origin.addr.is_v4();
        let full = self.full_offer();
        let offer = if passed_on { client.pass_on_offer(full, self.shift_max()) } else { full };
        let key = self
            .choose_egress(Call { origin, timestamps: offer.timestamps }, now, net)
            .ok_or((DropReason::EgressExhausted, End::EgressExhausted))?;
        let at = LegRef::new(id, Side::Origin);
        let mut leg = self.new_leg(key, net.mtu(hop), now);
        leg.hop = hop;
        leg.set(flag::CALLED);
        leg.offer(offer);
        leg.state = State::SynSent;
        if !self.flows.insert(self.hasher.hash(&key), at) {
            return Err((DropReason::FlowsFull, End::LackOfRoom));
        }
        *self.leg_mut(at) = leg;
        Ok(())
    }

    /// Our end of a leg to an origin: the key of the frames that come to it.
    pub(super) fn choose_egress<N: Net>(&mut self, call: Call, now: Instant, net: &mut N) -> Option<FlowKey> {
        let Self { ports, flows, hasher, sessions, splices, settings, probes, .. } = self;
        let in_use = |key: &FlowKey| {
            let held = |leg: LegRef| holds(sessions, splices, leg, key);
            flows.find(hasher.hash(key), held).is_some() || probes.hold(key)
        };
        let comes_home =
            |key: &FlowKey| settings.comes_home.as_ref().is_none_or(|comes_home| comes_home(key));
        let Choice { egress, woken } = ports.choose(call, now, in_use, comes_home)?;
        let key = FlowKey {
            src: call.origin.addr,
            dst: egress.addr,
            src_port: call.origin.port,
            dst_port: egress.port,
            protocol: Protocol::Tcp,
        };
        if woken {
            self.graveyard.forget(&key);
            net.page().count(Counter::EgressWoken);
        }
        Some(key)
    }

    /// The origin has answered.
    pub(super) fn origin_arrived<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        if !session.legs[1].is(flag::RESENT_SYN) {
            session.rtts[1] = Some(now.since(session.called_at));
        }
        self.tell_of_origin(id, OriginNews::Connected, net);
        self.introduce(id, net);
        if self.sessions[id as usize].tls.is_some() {
            self.secure(id, now);
        } else {
            self.connected(id, now, net);
        }
    }

    /// Bytes may flow.
    pub(super) fn connected<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let parks = self.parks();
        let session = &mut self.sessions[id as usize];
        session.phase = Some(Phase::Open);
        session.connected_at = Some(now);
        session.moved_at = now;
        if parks {
            session.park_at = now;
        }
        net.event(session.event(EventKind::Connect, Status::Opened, self.worker, now));
        net.page().count(Counter::EstablishedSessions);
        net.page().add_app(session.app, AppCounter::Connections, 1);
        net.page().session_setup(now.since(session.opened_at));
        self.delay_handshake(id, now);
        let deadline = self.sessions[id as usize].deadline(&self.settings);
        if let Some((at, _)) = deadline {
            self.arm_by(id, at);
        }
    }

    /// Lets go of legs that have closed in order, and of the session with the second of them.
    pub(super) fn settle<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        for side in [Side::Client, Side::Origin] {
            self.settle_leg(LegRef::new(id, side), now, net);
        }
        let session = &self.sessions[id as usize];
        if session.legs.iter().any(|leg| leg.is(flag::LIVE)) {
            return;
        }
        net.event(session.event(EventKind::Disconnect, Status::NormalClose, self.worker, now));
        net.page().count(End::InOrder.counter());
        self.note_unspliced(id, net);
        self.leave_origin(id, net);
        self.vacate(id);
    }

    fn settle_leg<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let closed = matches!(leg.state, State::TimeWait | State::Closed);
        let told = self.leg(at.other()).is(flag::FIN_OUT);
        if !leg.is(flag::LIVE) || !closed || leg.queued() != 0 || !told {
            return;
        }
        if leg.state == State::TimeWait {
            self.acknowledge_fin(at, now, net);
            let leg = &self.sessions[at.session() as usize].legs[at.side().index()];
            self.graveyard.bury(leg, now);
        }
        let leg = self.leg(at);
        let in_order = leg.is(flag::FIN_IN) && leg.is(flag::FIN_OUT) && leg.in_flight() == 0;
        let first = leg.state == State::Closed;
        let early =
            (in_order && at.side() == Side::Origin).then(|| self.early_reuse(leg, first, now)).flatten();
        self.retire(at, early, now);
    }

    /// Ends a session now. Both peers get RST, but for the one on `spare`, who sent one or refused us.
    pub(super) fn end<N: Net>(&mut self, id: u32, end: End, spare: Option<Side>, now: Instant, net: &mut N) {
        if spare != Some(Side::Client) {
            self.turn_away(id, now, net);
        }
        for side in [Side::Client, Side::Origin] {
            let leg = &self.sessions[id as usize].legs[side.index()];
            if !leg.is(flag::LIVE) {
                continue;
            }
            if spare != Some(side) {
                self.graveyard.note_reset(leg, now);
                if leg.state != State::SynSent {
                    // When no frame is to be had, the graveyard repeats it to whoever still speaks.
                    let reset = packet::of_leg(leg, TcpFlags::RST | TcpFlags::ACK, leg.snd_max, now);
                    if packet::send(&reset, leg.hop, net) {
                        net.page().count(Counter::ResetsSent);
                    }
                }
            }
            self.retire(LegRef::new(id, side), None, now);
        }
        let session = &self.sessions[id as usize];
        if let Some(kind) = kind_of_end(session, end) {
            net.event(session.event(kind, end.status(), self.worker, now));
        }
        net.page().count(end.counter());
        self.note_unspliced(id, net);
        self.leave_origin(id, net);
        self.vacate(id);
    }

    /// Counts a session that was to be spliced and ended before it could be.
    fn note_unspliced<N: Net>(&self, id: u32, net: &mut N) {
        let session = &self.sessions[id as usize];
        if session.splice == SpliceWish::Wanted && session.connected_at.is_some() {
            net.page().count(Counter::UnsplicedForBusy);
        }
    }

    /// Drops a half-open session without a word: its client never proved that it is there.
    pub(super) fn forget(&mut self, id: u32, now: Instant) {
        for side in [Side::Client, Side::Origin] {
            self.retire(LegRef::new(id, side), None, now);
        }
        self.vacate(id);
    }

    /// Takes a leg out of the flow table and frees its socket; `early` says when an origin leg's tuple serves again before
    /// it has rested to the end.
    pub(super) fn retire(&mut self, at: LegRef, early: Option<EarlyReuse>, now: Instant) {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        if !leg.is(flag::LIVE) {
            return;
        }
        leg.clear(flag::LIVE);
        leg.state = State::Closed;
        let key = leg.key;
        self.flows.remove(self.hasher.hash(&key), at);
        self.seats.clear(at, &mut self.boards);
        if at.side() == Side::Origin {
            let tenant = Some(self.sessions[at.session() as usize].tenant());
            let (origin, egress) = (key.src_endpoint(), key.dst_endpoint());
            self.ports.release(UsedTuple { tenant, origin, egress, early }, now);
        }
    }

    fn vacate(&mut self, id: u32) {
        let session = &mut self.sessions[id as usize];
        if session.phase == Some(Phase::HalfOpen) {
            self.half_open -= 1;
            self.gate.prove(session.tenant());
        }
        self.gate.leave(session.tenant(), session.client);
        session.phase = None;
        (session.plan, session.tls) = (None, None);
        session.timer_at = None;
        self.wheel.disarm(id);
        self.leave_seat(id);
        self.free.push(id);
    }

    /// A session goes: its seat, where it has one, is for whoever comes next.
    pub(super) fn leave_seat(&mut self, id: u32) {
        if self.seats.leave(id) {
            self.gate.get_up(self.sessions[id as usize].tenant());
        } else {
            self.parked -= 1;
        }
    }
}

/// Which event tells of an end: none before the client has arrived.
fn kind_of_end(session: &Session, end: End) -> Option<EventKind> {
    match session.phase? {
        Phase::HalfOpen => None,
        Phase::Connecting | Phase::Securing | Phase::Open | Phase::Closing if end == End::Firewall => {
            Some(EventKind::ClientFiltered)
        }
        Phase::Securing if end.is_tls_error() => Some(EventKind::TlsError),
        Phase::Connecting | Phase::Securing => Some(end.origin_event()),
        Phase::Open | Phase::Closing => Some(EventKind::Disconnect),
    }
}

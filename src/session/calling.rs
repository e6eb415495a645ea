//! Which origin is called, a second one where the first cannot be had, and what the origin hears first.
//!
//! The choice is made when the client's handshake is complete, by what the newest snapshot says then. A connect that
//! fails (refused, unreachable, silent, no way there) goes once to another origin of the app; only when that fails too,
//! or there is none, is the client told.

use super::balance::{NoChoice, OriginNews, OriginPlace};
use super::end::End;
use super::leg::flag;
use super::{Net, Phase, Sessions};
use crate::base::{DropReason, Endpoint, Instant};
use crate::flow::{LegRef, Side};
use crate::table::ProxyProtocol;
use crate::telemetry::Counter;
use crate::wire::{Protocol, ProxyHeader};

impl Sessions {
    /// Calls the best origin, and another one where that cannot even be called.
    pub(super) fn call<N: Net>(
        &mut self,
        id: u32,
        now: Instant,
        net: &mut N,
    ) -> Result<(), (DropReason, End)> {
        match self.call_one(id, None, now, net) {
            Err(Failed::Choice(none)) => Err(end_of(none)),
            Err(Failed::Call(first)) => {
                let origin = self.sessions[id as usize].origin;
                self.call_one(id, Some(origin), now, net).map_err(|failed| match failed {
                    Failed::Choice(_) => first,
                    Failed::Call(second) => second,
                })
            }
            Ok(()) => Ok(()),
        }
    }

    /// The origin that was called cannot be had: another one is called, or the session ends.
    pub(super) fn connect_failed<N: Net>(&mut self, id: u32, end: End, now: Instant, net: &mut N) {
        let spare = (end == End::OriginRefused).then_some(Side::Origin);
        let news = if spare.is_some() { OriginNews::Refused } else { OriginNews::Failed };
        self.tell_of_origin(id, news, net);
        let session = &self.sessions[id as usize];
        let tried = (session.calls == 1).then_some(session.origin);
        let Some(tried) = tried else { return self.end(id, end, spare, now, net) };
        match self.call_one(id, Some(tried), now, net) {
            Ok(()) => {
                self.sessions[id as usize].called_at = now;
                self.arm_by(id, now + self.settings.connect_timeout);
                self.mark(id);
            }
            Err(Failed::Choice(_)) => self.end(id, end, spare, now, net),
            Err(Failed::Call((reason, end))) => {
                net.refused(reason);
                self.end(id, end, None, now, net);
            }
        }
    }

    /// Chooses an origin other than `tried` and calls it. What is left of a call before is cleared away once there is
    /// another one.
    fn call_one<N: Net>(
        &mut self,
        id: u32,
        tried: Option<Endpoint>,
        now: Instant,
        net: &mut N,
    ) -> Result<(), Failed> {
        let session = &self.sessions[id as usize];
        let port = session.leg(Side::Client).key.dst_port;
        let choice = net.choose_origin(session.app, port, tried).map_err(Failed::Choice)?;
        if tried.is_some() {
            self.give_up_origin(id, now, net);
            net.page().count(Counter::SecondOrigins);
        }
        if choice.untracked {
            net.page().count(Counter::UntrackedOrigins);
        }
        let session = &mut self.sessions[id as usize];
        (session.origin, session.place) = (choice.origin, choice.place);
        session.calls += 1;
        self.call_origin(id, now, net).map_err(|failed| {
            self.tell_of_origin(id, OriginNews::Failed, net);
            Failed::Call(failed)
        })
    }

    /// Lets go of an origin that did not answer. What it may still say is answered by a reset.
    fn give_up_origin<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let leg = &self.sessions[id as usize].legs[Side::Origin.index()];
        if leg.is(flag::LIVE) {
            self.graveyard.note_reset(leg, now);
        }
        self.retire(LegRef::new(id, Side::Origin), None, now);
        self.leave_origin(id, net);
    }

    /// The session, or its attempt to connect, is over: the origin has one connection less.
    #[inline]
    pub(super) fn leave_origin<N: Net>(&mut self, id: u32, net: &mut N) {
        let session = &self.sessions[id as usize];
        if session.place == OriginPlace::NONE {
            return;
        }
        let connecting = session.phase == Some(Phase::Connecting);
        self.tell_of_origin(id, if connecting { OriginNews::GaveUp } else { OriginNews::Left }, net);
        self.sessions[id as usize].place = OriginPlace::NONE;
    }

    #[inline]
    pub(super) fn tell_of_origin<N: Net>(&self, id: u32, news: OriginNews, net: &mut N) {
        let place = self.sessions[id as usize].place;
        if place != OriginPlace::NONE && net.origin_news(place, news) {
            net.page().count(Counter::BackedOffOrigins);
        }
    }

    /// Queues what the origin hears ahead of everything else, also of TLS: who the client is. The leg has just come up,
    /// so that its transmit buffer (2 KiB at least) is empty.
    pub(super) fn introduce<N: Net>(&mut self, id: u32, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        let client = session.leg(Side::Client).key;
        let (src, dst) = (client.src_endpoint(), client.dst_endpoint());
        let header = ProxyHeader { protocol: Protocol::Tcp, src, dst };
        let bytes = match session.proxy_protocol {
            // Simple Proxy Protocol is UDP's; an app of TCP that asks for it is refused.
            ProxyProtocol::Off | ProxyProtocol::Simple => return,
            ProxyProtocol::V1 => header.emit_v1().unwrap_or_default(),
            ProxyProtocol::V2 => header.emit_v2(),
        };
        let at = LegRef::new(id, Side::Origin);
        let Some(seat) = self.seats.get_mut(id) else { return };
        let queued = seat.rings[Side::Origin.index()].push(&bytes);
        let leg = self.leg_mut(at);
        leg.write_seq = leg.write_seq.wrapping_add(queued as u32);
        net.page().count(Counter::ProxyHeadersSent);
    }
}

/// Why no origin was called.
enum Failed {
    /// There is none to call.
    Choice(NoChoice),
    /// The call could not be made.
    Call((DropReason, End)),
}

const fn end_of(none: NoChoice) -> (DropReason, End) {
    match none {
        NoChoice::AppGone => (DropReason::NoApp, End::AppRemoved),
        NoChoice::NoOrigin(none) => (DropReason::OriginUnresolved, End::NoOrigin(none)),
        NoChoice::Forbidden | NoChoice::NoOther => (DropReason::OriginForbidden, End::OriginForbidden),
    }
}

//! The end of UDP sessions: by time, or because someone says so.

use super::Settings;
use super::elders::Trust;
use super::end::End;
use super::open::tell;
use super::record::Session;
use super::sessions::Sessions;
use crate::base::Instant;
use crate::base::limits::TIMERS_PER_TURN_MAX;
use crate::flow::{LegRef, Side, UsedTuple};
use crate::session::Net;

impl Sessions {
    /// Fires the timers that are due, a bounded number of them; the rest come with the next call.
    pub fn expire<N: Net>(&mut self, now: Instant, net: &mut N) {
        self.ports.wake(now);
        let mut visits = TIMERS_PER_TURN_MAX;
        while let Some(id) = self.wheel.pop(now, &mut visits) {
            let (at, end) = deadline(&self.sessions[id as usize], &self.settings);
            if at <= now {
                self.end(id, end, now, net);
            } else {
                self.wheel.arm(id, at);
            }
        }
    }

    /// Ends a session now.
    pub(super) fn end<N: Net>(&mut self, id: u32, end: End, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        if !session.live {
            return;
        }
        if let Some((kind, status)) = end.told(session) {
            net.event(session.event(kind, status, self.worker, now));
        }
        tell(session.place, end.news(session), net);
        net.page().count(end.counter());
        (session.live, session.plain4) = (false, [false; 2]);
        let tenant = session.tenant();
        self.share.give_back(tenant);
        let (keys, was) = (
            [Side::Client, Side::Origin].map(|side| session.key(side)),
            std::mem::replace(&mut session.trust, Trust::Proven),
        );
        for side in [Side::Client, Side::Origin] {
            self.flows.remove(self.hasher.hash(&keys[side.index()]), LegRef::new(id, side));
        }
        // A tuple that nobody ever answered needs no rest: the walk through the ports brings it back late enough.
        if was != Trust::Unanswered {
            let (origin, egress) = (keys[1].src_endpoint(), keys[1].dst_endpoint());
            self.ports.release(UsedTuple { tenant: Some(tenant), origin, egress, early: None }, now);
        }
        self.elders.shift(id, was, Trust::Proven);
        self.wheel.disarm(id);
        self.free.push(id);
    }
}

/// When the session ends if nothing passes any more, and why.
fn deadline(session: &Session, settings: &Settings) -> (Instant, End) {
    let quiet = match session.trust {
        Trust::Unanswered => (session.moved_at + settings.unanswered_timeout, End::Unanswered),
        Trust::Unproven | Trust::Proven => (session.moved_at + settings.idle_timeout, End::Idle),
    };
    match session.doom {
        Some(doom) if doom < quiet.0 => (doom, End::AppRemoved),
        Some(_) | None => quiet,
    }
}

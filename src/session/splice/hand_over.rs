//! From a managed session to a spliced one.
//!
//! A session may be spliced at a moment at which nothing is under way: no byte waits in byway or is unacknowledged on
//! either leg, but for a client's first ones that byway has not acknowledged (`hold.rs`). Both legs speak one family, use timestamps or both do not, and neither side sends larger segments than the
//! other takes. That moment is looked for when the session was tended, and in front of each segment that acknowledges the
//! last bytes of the one side and bears the first new ones of the other: an answer to a request.

use super::record::{Fin, Lane, NEVER, Record, heard};
use crate::base::Instant;
use crate::flow::{LegRef, Side};
use crate::session::leg::{Leg, flag};
use crate::session::pair::{Session, SpliceWish};
use crate::session::{Net, Phase, Sessions};
use crate::telemetry::Counter;
use crate::wire::TcpSegment;
use crate::wire::checksum::Change;
use smoltcp::socket::tcp::State;

/// A window that is at least this is worth having even where byway has promised more before.
const WINDOW_MIN: u32 = 16_384;
/// What a leg waits for, beside bytes.
const UNDER_WAY: u32 = flag::HOLES | flag::FIN_EARLY;

impl Sessions {
    /// Whether a leg's session is nothing but a translation.
    #[inline]
    pub fn is_spliced(&self, at: LegRef) -> bool {
        at.session() >= self.sessions.len() as u32
    }

    /// Whether a managed leg's session would be spliced as soon as nothing is under way.
    #[inline]
    pub fn wants_splice(&self, at: LegRef) -> bool {
        self.sessions[at.session() as usize].splice == SpliceWish::Wanted
    }

    /// Splices the session of a leg in front of a segment of it, if all that was under way is acknowledged by it; the leg
    /// to give the segment to.
    #[inline(never)]
    pub fn splice_before<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Option<LegRef> {
        let session = &self.sessions[at.session() as usize];
        let (leg, other) = (session.leg(at.side()), session.leg(at.side().other()));
        let in_order = segment.seq == leg.rcv_nxt && segment.ack == leg.snd_max;
        let held = at.side() == Side::Origin && session.held_until.is_some();
        let ready = is_quiet(other) || held && is_quiet_but_for_bytes(other);
        let drained = in_order && leg.unsent() == 0 && has_nothing_in(leg);
        (drained && ready && is_plain(session))
            .then(|| self.splice(at.session(), now, net))
            .flatten()
            .map(|id| LegRef::new(self.sessions.len() as u32 + id, at.side()))
    }

    /// Splices a session that was just tended, if nothing is under way.
    #[inline]
    pub(in crate::session) fn splice_if_quiet<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &self.sessions[id as usize];
        let wanted = session.splice == SpliceWish::Wanted && session.phase == Some(Phase::Open);
        if !wanted && !session.is_frozen() {
            return;
        }
        let ready = wanted && session.legs.iter().all(is_quiet) && is_plain(session);
        if !ready {
            self.quiesce(id, now, net);
        } else if self.splice(id, now, net).is_none() && self.sessions[id as usize].is_frozen() {
            // Nothing that it waits for would change that.
            self.thaw(id, now, net);
        }
    }

    /// Whether nothing that lasts keeps a session managed.
    pub(super) fn could_be_spliced(&self, session: &Session) -> bool {
        let mtus = session.legs.each_ref().map(|leg| self.stack.mtu(leg.class));
        fits(session, mtus).is_ok() && !self.splices.free.is_empty()
    }

    /// Makes a managed session a spliced one; its record. `None`, and the session stays as it is, where it cannot be.
    pub(super) fn splice<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) -> Option<u32> {
        let session = &self.sessions[id as usize];
        let mtus = session.legs.each_ref().map(|leg| self.stack.mtu(leg.class));
        if let Err(reason) = fits(session, mtus) {
            self.keep_managed(id, reason, net);
            return None;
        }
        if self.handshake_waits(session, now).is_some() {
            return None;
        }
        let held = self.held(id);
        let frames = held.div_ceil(u32::from(session.leg(Side::Origin).mss.max(1)));
        let frozen = session.is_frozen();
        if !windows_fit(session, held) || net.room() < frames as usize + if frozen { 2 } else { 0 } {
            return None;
        }
        let Some(&free) = self.splices.free.last() else {
            self.keep_managed(id, Counter::UnsplicedForRoom, net);
            return None;
        };
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            // What is held is not ours to acknowledge, and goes out with what the origin is owed; who is frozen is told of his
            // window below.
            if held == 0 && !frozen && self.leg(at).unacked() != 0 && !self.acknowledge(at, now, net) {
                return None;
            }
        }
        self.splices.free.pop();
        let mut record = record(&self.sessions[id as usize], held, mtus, now);
        if held != 0 {
            self.send_held(id, &mut record, now, net);
        } else if frozen {
            self.tell_windows(id, now, net);
        }
        self.splices.records[free as usize] = record;
        self.arm_splice(free, now);
        self.move_flows(id, free);
        self.free_slot(id);
        net.page().count(Counter::SessionsSpliced);
        Some(free)
    }

    /// A session that cannot be spliced for this reason stays what it is.
    #[cold]
    fn keep_managed<N: Net>(&mut self, id: u32, reason: Counter, net: &mut N) {
        self.sessions[id as usize].splice = SpliceWish::Unwanted;
        net.page().count(reason);
        // Its windows may be frozen.
        self.mark(id);
    }

    /// Lets both flow entries lead to the record.
    fn move_flows(&mut self, id: u32, to: u32) {
        let base = self.sessions.len() as u32;
        for side in [Side::Client, Side::Origin] {
            let hash = self.hasher.hash(&self.sessions[id as usize].leg(side).key);
            let moved = self.flows.replace(hash, LegRef::new(id, side), LegRef::new(base + to, side));
            debug_assert!(moved, "a live leg has its flow entry");
        }
    }

    /// Gives the managed slot back; what the session counts for stays counted.
    fn free_slot(&mut self, id: u32) {
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            self.seats.clear(at, &mut self.boards);
            let leg = self.leg_mut(at);
            leg.clear(flag::LIVE);
            leg.state = State::Closed;
        }
        let session = &mut self.sessions[id as usize];
        (session.phase, session.held_until) = (None, None);
        session.timer_at = None;
        self.wheel.disarm(id);
        self.leave_seat(id);
        self.free.push(id);
    }
}

/// Whether a leg waits for nothing: all that was sent is acknowledged, all that came was passed on.
#[inline]
pub(in crate::session) fn is_quiet(leg: &Leg) -> bool {
    leg.queued() == 0 && is_quiet_but_for_bytes(leg)
}

/// The same of a leg whose bytes are held.
#[inline]
fn is_quiet_but_for_bytes(leg: &Leg) -> bool {
    leg.in_flight() == 0 && leg.unsent() == 0 && !leg.is(UNDER_WAY)
}

#[inline]
fn has_nothing_in(leg: &Leg) -> bool {
    leg.queued() == 0 && !leg.is(UNDER_WAY)
}

/// Whether both legs are open and neither end has closed.
#[inline]
pub(super) fn is_plain(session: &Session) -> bool {
    let open = |leg: &Leg| {
        leg.state == State::Established && leg.is(flag::PLAIN) && !leg.is(flag::FIN_OUT | flag::FIN_IN)
    };
    session.phase == Some(Phase::Open) && session.tls.is_none() && session.legs.iter().all(open)
}

/// Whether the two legs speak the same TCP.
fn fits(session: &Session, mtus: [u16; 2]) -> Result<(), Counter> {
    let [client, origin] = &session.legs;
    if client.key.src.is_v4() != origin.key.src.is_v4() {
        return Err(Counter::UnsplicedForFamily);
    }
    if client.is(flag::TIMESTAMPS) != origin.is(flag::TIMESTAMPS) {
        return Err(Counter::UnsplicedForTimestamps);
    }
    // RFC 2018 2: edges go only to who said that it knows them.
    if client.is(flag::SACK) != origin.is(flag::SACK) {
        return Err(Counter::UnsplicedForSack);
    }
    // What either side was told that it may send has to fit the other one, and the way there.
    let told = [client.told_mss(mtus[0]), origin.told_mss(mtus[1])];
    let fits = [client.peer_mss.min(client.path_mss(mtus[0])), origin.peer_mss.min(origin.path_mss(mtus[1]))];
    if told[0] > fits[1] || told[1] > fits[0] {
        return Err(Counter::UnsplicedForMss);
    }
    Ok(())
}

/// Whether each side's window is about as large as what the other was promised by byway, so that nobody has sent more than
/// fits.
fn windows_fit(session: &Session, held: u32) -> bool {
    let [client, origin] = &session.legs;
    let fit = |from: &Leg, to: &Leg, held: u32| to.window() >= held + from.window_left().min(WINDOW_MIN);
    fit(client, origin, held) && fit(origin, client, 0)
}

/// Whether they may come to be so once all is acknowledged: neither side's window was always too small for what the other was
/// promised.
pub(super) fn windows_may_fit(session: &Session) -> bool {
    let [client, origin] = &session.legs;
    let may = |from: &Leg, to: &Leg| to.peer_window_max >= from.window_left().min(WINDOW_MIN);
    may(client, origin) && may(origin, client)
}

fn record(session: &Session, held: u32, mtus: [u16; 2], now: Instant) -> Record {
    let [client, origin] = &session.legs;
    let mut record = Record::vacant();
    record.lanes = [lane(client, origin, (held, mtus[1]), now), lane(origin, client, (0, mtus[0]), now)];
    for side in [Side::Client, Side::Origin] {
        record.lanes[side.index()].bytes = session.bytes[side.index()];
    }
    record.epoch = session.epoch;
    (record.opened_at, record.moved_at) = (session.opened_at, session.moved_at);
    record.connected_at = session.connected_at.unwrap_or(now);
    record.doom = session.doom.unwrap_or(NEVER);
    (record.app, record.account) = (session.app, session.account);
    (record.client, record.place, record.whence) = (session.client, session.place, session.whence);
    (record.firewall, record.ip_firewall) = (session.firewall, session.ip_firewall);
    record.rtts_us = session.rtts.map(|rtt| rtt.map_or(u32::MAX, |rtt| rtt.micros().min(1 << 31) as u32));
    record.last_from = session.last_from;
    record.settle(&client.key, &origin.key, client.is(flag::TIMESTAMPS));
    record
}

/// What the peer of `from` sends, on its way to the peer of `to`: from the first of the `held` bytes on that it sent last. The clocks are set so that the next timestamp of the
/// one is at least the last that the other saw.
fn lane(from: &Leg, to: &Leg, (held, mtu): (u32, u16), now: Instant) -> Lane {
    let first = from.rcv_nxt.wrapping_sub(held);
    let seq_add = to.snd_max.wrapping_sub(first);
    let window = to.snd_una.wrapping_add(to.window()).wrapping_sub(seq_add);
    let promised = from.rcv_nxt.wrapping_add(from.window_left());
    let further = (promised.wrapping_sub(window) as i32) > 0;
    Lane {
        una: first,
        nxt: first,
        right: if further { promised } else { window },
        seq_add,
        stamp: from.ts_recent,
        stamp_add: to.timestamp_value(now).wrapping_sub(from.ts_recent),
        change: Change::tuple(&from.key, &to.key.reversed()).fold(),
        hop: to.hop,
        shift: from.peer_shift,
        told_shift: to.shift,
        probes: 0,
        fin: Fin::NotYet,
        heard: heard(from.heard),
        mtu,
        usual_at: 0,
        bytes: 0,
    }
}

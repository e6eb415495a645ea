//! The end of a spliced session: closed in order, reset by a side, by time, or because someone says so.

use super::record::{Due, Fin};
use crate::base::limits::TIMERS_PER_TURN_MAX;
use crate::base::{Instant, Span};
use crate::flow::{EarlyReuse, LegRef, Side, UsedTuple};
use crate::session::balance::{OriginNews, OriginPlace};
use crate::session::end::End;
use crate::session::{Net, Sessions, packet};
use crate::telemetry::{Counter, EventKind};
use crate::wire::TcpFlags;

impl Sessions {
    /// Fires the timers of spliced sessions that are due, a bounded number of them.
    pub(in crate::session) fn expire_splices<N: Net>(&mut self, now: Instant, net: &mut N) {
        let mut visits = TIMERS_PER_TURN_MAX;
        while let Some(id) = self.splices.wheel.pop(now, &mut visits) {
            self.forget_path(id, net);
            let (at, due) = self.splices.records[id as usize].deadline(&self.settings);
            if at > now {
                self.arm_splice(id, now);
            } else {
                self.act_on_splice(id, due, now, net);
            }
        }
    }

    /// What a router said of the path is believed until a session's next look (RFC 1191 6.3): if it still holds, the next long
    /// segment is told so by the router.
    fn forget_path<N: Net>(&mut self, id: u32, net: &N) {
        for lane in &mut self.splices.records[id as usize].lanes {
            lane.mtu = net.mtu(lane.hop).min(usize::from(u16::MAX)) as u16;
        }
    }

    /// Arms a session's timer for its next deadline. No frame arms one, so that it is looked at now and then for what became
    /// due sooner: bytes that nobody acknowledges.
    pub(super) fn arm_splice(&mut self, id: u32, now: Instant) {
        let due = self.splices.records[id as usize].deadline(&self.settings).0;
        let look = now + self.settings.user_timeout;
        self.splices.wheel.arm(id, due.min(look).max(now + Span::from_millis(1)));
    }

    fn act_on_splice<N: Net>(&mut self, id: u32, due: Due, now: Instant, net: &mut N) {
        let record = &self.splices.records[id as usize];
        let end = match due {
            Due::Probe(side) => return self.probe_splice(id, side, now, net),
            // Whoever's turn it was to speak.
            Due::Idle => End::Idle(record.last_from.other()),
            Due::Fin => End::FinTimeout(record.owes_fin()),
            Due::Silent(side) => End::Silent(side),
            Due::Unanswered(side) => End::Unanswered(side),
            Due::Doom => End::AppRemoved,
        };
        self.end_splice(id, end, true, now, net);
    }

    /// A keep-alive probe of a silent side (RFC 9293 3.8.4). Its answer goes on to the other side, who makes nothing of it.
    fn probe_splice<N: Net>(&mut self, id: u32, side: Side, now: Instant, net: &mut N) {
        let record = &mut self.splices.records[id as usize];
        let lane = &mut record.lanes[side.index()];
        lane.probes = lane.probes.saturating_add(1);
        let leg = record.leg(side, now);
        let probe = packet::of_leg(&leg, TcpFlags::ACK, leg.snd_max.wrapping_sub(1), now);
        if packet::send(&probe, leg.hop, net) {
            net.page().count(Counter::KeepalivesSent);
        }
        self.arm_splice(id, now);
    }

    /// The last segment of a session that closed in order has passed: the flows rest in TIME-WAIT for what comes late.
    pub fn splice_over<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let id = self.own(at).session();
        for side in [Side::Client, Side::Origin] {
            let leg = self.splices.records[id as usize].leg(side, now);
            self.graveyard.bury(&leg, now);
        }
        let record = &self.splices.records[id as usize];
        let leg = record.leg(Side::Origin, now);
        let early = self.early_reuse(&leg, record.lanes[Side::Origin.index()].fin == Fin::First, now);
        self.leave_splice(id, (End::InOrder, early), now, net);
    }

    /// Ends a session now. `tell`: both sides get a reset; else one side's own reset has passed to the other.
    pub(in crate::session) fn end_splice<N: Net>(
        &mut self,
        id: u32,
        end: End,
        tell: bool,
        now: Instant,
        net: &mut N,
    ) {
        for side in [Side::Client, Side::Origin] {
            let leg = self.splices.records[id as usize].leg(side, now);
            self.graveyard.note_reset(&leg, now);
            if tell {
                let reset = packet::of_leg(&leg, TcpFlags::RST | TcpFlags::ACK, leg.snd_max, now);
                if packet::send(&reset, leg.hop, net) {
                    net.page().count(Counter::ResetsSent);
                }
            }
        }
        self.leave_splice(id, (end, None), now, net);
    }

    /// Tells of the end, and gives back all that the session held; the source port under the terms that are given.
    fn leave_splice<N: Net>(
        &mut self,
        id: u32,
        (end, early): (End, Option<EarlyReuse>),
        now: Instant,
        net: &mut N,
    ) {
        let record = &mut self.splices.records[id as usize];
        let kind = if end == End::Firewall { EventKind::ClientFiltered } else { EventKind::Disconnect };
        net.event(record.event(kind, end.status(), self.worker, now));
        net.page().count(end.counter());
        if record.place != OriginPlace::NONE && net.origin_news(record.place, OriginNews::Left) {
            net.page().count(Counter::BackedOffOrigins);
        }
        record.vacate();
        let base = self.sessions.len() as u32;
        for side in [Side::Client, Side::Origin] {
            let hash = self.hasher.hash(&record.key(side));
            self.flows.remove(hash, LegRef::new(base + id, side));
        }
        let (tenant, (origin, egress)) = (Some(record.tenant()), record.origin_ends());
        self.ports.release(UsedTuple { tenant, origin, egress, early }, now);
        self.gate.leave(record.tenant(), record.client);
        self.splices.wheel.disarm(id);
        self.splices.free.push(id);
    }
}

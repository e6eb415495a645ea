//! The quick road of a frame without a session: what tables alone decide is decided over the whole burst, and what they refuse
//! is dropped at once, in some hundred instructions. Whatever else it may be is left to the road of `serve`, which finds it
//! as it came and asks everything itself.
//!
//! ```text
//!  find burst    the app of each, looked up once for all that stand together; the cache is asked for its access rules;
//!                nobody known, source sound, no app, nothing to be answered --> refused
//!  judge burst   the rules of each; the cache is asked for their counters
//!  serve         nobody known, source sound, blocked, nothing to be answered --> dropped
//!                a first SYN that a cookie answers --> `greet`
//! ```
//! Nothing that a frame of the same burst does changes the answers: they come from the snapshot.

use super::Refusal;
use super::admit::filtered_event;
use super::core::Worker;
use super::exit::Exit;
use super::intake::{Found, Seen};
use crate::base::{Addr, AppSlot, DropReason, ZoneSlot};
use crate::firewall::Judgement;
use crate::port::{Frame, FrameBatch, Port};
use crate::snapshot::Snapshot;
use crate::table::special_purpose;
use crate::telemetry::{AppCounter, EventKind, FirewallMatch, Status};
use crate::wire::{Fixed4, FlowKey, Protocol, Tuple4};

/// What the tables say of a frame that has no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stranger {
    /// It is for an address of the box's own.
    Ours,
    /// There is no such app.
    NoApp(DropReason),
    /// It is this app's, and the access rules of this zone are still to be asked.
    Unjudged(AppSlot, ZoneSlot),
    /// It is this app's, and its rules say this.
    Judged(AppSlot, Judgement),
}

/// What the tables say of one destination: the next frame of a burst is often for the same.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    /// Address, port and protocol in a word; zero: none.
    place: u64,
    said: Stranger,
}

impl Destination {
    /// None yet.
    pub const NONE: Self = Self { place: 0, said: Stranger::Ours };

    #[inline(always)]
    fn place(tuple: Tuple4, protocol: Protocol) -> u64 {
        u64::from(tuple.dst_bits()) << 32 | u64::from(tuple.dst_port()) << 8 | protocol as u64
    }
}

/// What is to become of a frame that has no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meeting {
    /// It is dropped, and nobody is answered.
    TurnedAway(DropReason),
    /// A segment of this flow that may come in to this app, by what the access rules say.
    Passes(FlowKey, AppSlot, FirewallMatch),
    /// The long road has to ask.
    Unclear,
}

impl<P: Port> Worker<P> {
    /// The app of a frame without a session; `last` is the destination that was looked up last under this snapshot.
    #[inline(always)]
    pub(super) fn look_up(&self, bytes: &[u8], fixed: Fixed4, last: &mut Destination) -> Stranger {
        let Some(tuple) = fixed.tuple(bytes) else { return Stranger::NoApp(DropReason::FrameTruncated) };
        let place = Destination::place(tuple, fixed.protocol);
        if last.place != place {
            let said = self.look_up_destination(tuple.dst(), tuple.dst_port(), fixed.protocol);
            *last = Destination { place, said };
        }
        if let Stranger::Unjudged(_, zone) = last.said {
            self.snapshot().rules.prefetch(zone, tuple.src_bits());
        }
        last.said
    }

    #[inline]
    fn look_up_destination(&self, dst: Addr, port: u16, protocol: Protocol) -> Stranger {
        let table = &self.snapshot().table;
        if self.exit.locals.find(dst).is_some() {
            return Stranger::Ours;
        }
        let found = table.find(dst, protocol, port);
        match found.and_then(|slot| table.app(slot).ok_or(DropReason::NoApp)) {
            Ok(app) if app.ip_firewall => Stranger::Unjudged(app.slot, app.zone),
            Ok(app) => Stranger::Judged(app.slot, Judgement::Pass(FirewallMatch::Unknown)),
            Err(reason) => Stranger::NoApp(reason),
        }
    }

    /// Judges the frames of a burst whose apps have access rules.
    #[inline(never)]
    pub(super) fn judge_burst(&self, batch: &FrameBatch<P::Frame>, found: &mut [Found]) {
        let snapshot = self.snapshot();
        for (frame, found) in batch.iter().zip(found) {
            if let Some((slot, zone, src)) = unjudged(frame.bytes(), found) {
                let src = Addr::v4(src.to_be_bytes());
                let judgement = snapshot.rules.judge(zone, src, &snapshot.whences);
                let (Judgement::Pass(said) | Judgement::Block(said)) = judgement;
                said.rule().into_iter().for_each(|rule| self.exit.page.prefetch_rule(rule));
                found.stranger = Stranger::Judged(slot, judgement);
            }
        }
    }

    /// What is to become of a frame without a session. One that is turned away is counted as the long road counts it, but for
    /// the drop itself; else nothing changes.
    #[inline]
    pub(super) fn meet(&mut self, bytes: &[u8], fixed: Fixed4, found: &Found) -> Meeting {
        let Some(key) = fixed.key(bytes) else { return Meeting::Unclear };
        let knows = match key.protocol {
            Protocol::Tcp => self.sessions.remembers(&key, found.hash),
            Protocol::Udp => false,
        };
        if knows || !self.is_plain_source(&key) {
            return Meeting::Unclear;
        }
        match found.stranger {
            Stranger::Judged(slot, Judgement::Block(said))
                if self.is_silent(key.protocol, self.blocked_tcp) =>
            {
                turn_away_blocked(self.reader.current(), &mut self.exit, (slot, &key), said);
                Meeting::TurnedAway(DropReason::FirewallBlocked)
            }
            Stranger::Judged(slot, Judgement::Pass(said)) if key.protocol == Protocol::Tcp => {
                Meeting::Passes(key, slot, said)
            }
            Stranger::Ours | Stranger::NoApp(_) | Stranger::Judged(..) | Stranger::Unjudged(..) => {
                Meeting::Unclear
            }
        }
    }

    /// Whether nobody is answered to a frame for which there is no app, and nothing else is known of its flow or of its source.
    #[inline]
    pub(super) fn ignores(&self, bytes: &[u8], fixed: Fixed4, hash: u64) -> bool {
        if !self.is_silent(fixed.protocol, self.unused_tcp) {
            return false;
        }
        let Some(key) = fixed.key(bytes) else { return false };
        let knows = key.protocol == Protocol::Tcp && self.sessions.remembers(&key, hash);
        !knows && self.is_plain_source(&key)
    }

    /// Whether no configuration rules the source out.
    #[inline]
    fn is_plain_source(&self, key: &FlowKey) -> bool {
        let checked = match key.protocol {
            Protocol::Tcp => true,
            Protocol::Udp => self.udp.special_sources() || special_purpose(key.src.to_ip().into()).is_none(),
        };
        checked && self.check_source(key.src).is_ok()
    }

    /// Whether a frame that is refused under this policy gets no answer. Datagrams never do.
    #[inline]
    fn is_silent(&self, protocol: Protocol, policy: Refusal) -> bool {
        protocol == Protocol::Udp || policy == Refusal::Drop
    }
}

/// Counts a frame that an access rule blocks, and tells of it.
#[inline]
pub(super) fn turn_away_blocked<P: Port>(
    snapshot: &Snapshot,
    exit: &mut Exit<P>,
    (slot, key): (AppSlot, &FlowKey),
    said: FirewallMatch,
) {
    said.rule().into_iter().for_each(|rule| exit.page.rule_hit(rule));
    exit.page.add_app(slot, AppCounter::Refused, 1);
    let what = (EventKind::ClientFiltered, Status::FirewallDeny, slot);
    if !exit.filtered.count(what, key.src) {
        exit.gather(&filtered_event(snapshot, exit, (slot, key), said));
    }
}

/// Whose rules a frame that is still to be judged has to pass, and the address that it comes from.
#[inline]
fn unjudged(bytes: &[u8], found: &Found) -> Option<(AppSlot, ZoneSlot, u32)> {
    match (&found.seen, found.leg, found.stranger) {
        (Seen::Fixed(fixed), None, Stranger::Unjudged(slot, zone)) => {
            Some((slot, zone, fixed.tuple(bytes)?.src_bits()))
        }
        (Seen::Fixed(_) | Seen::Parsed(_) | Seen::Refused(_), ..) => None,
    }
}

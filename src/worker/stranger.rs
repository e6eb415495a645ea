//! The quick road of a frame without a session: what tables alone decide is decided over the whole burst, and what they refuse
//! is dropped at once, in some hundred instructions. Whatever else it may be is left to the road of `serve`, which finds it
//! as it came and asks everything itself.
//!
//! ```text
//!  find burst    the app of each; where access rules are asked, the cache is asked for their starts
//!  judge burst   the cache is asked for the rules, then for their counters
//!  serve         nobody known, source sound, no app or blocked, nothing to be answered --> dropped
//!                a first SYN that a cookie answers --> `greet`
//! ```
//! Nothing that a frame of the same burst does changes the answers: they come from the snapshot.

use super::Refusal;
use super::admit::filtered_event;
use super::core::Worker;
use super::exit::Exit;
use super::intake::{Found, Seen};
use crate::base::{AppSlot, DropReason};
use crate::firewall::Judgement;
use crate::port::{Frame, FrameBatch, Port};
use crate::snapshot::Snapshot;
use crate::table::{App, special_purpose};
use crate::telemetry::{AppCounter, EventKind, FirewallMatch, Status};
use crate::wire::{Fixed4, FlowKey, Protocol};

/// What the tables say of a frame that has no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stranger {
    /// There is no such app.
    NoApp(DropReason),
    /// It is this app's, whose access rules are still to be asked.
    Unjudged(AppSlot),
    /// It is this app's, and its rules say this.
    Judged(AppSlot, Judgement),
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
    /// The app of a frame without a session.
    #[inline]
    pub(super) fn look_up(&self, bytes: &[u8], fixed: Fixed4) -> Stranger {
        let Some(key) = fixed.key(bytes) else { return Stranger::NoApp(DropReason::FrameTruncated) };
        let snapshot = self.snapshot();
        let found = snapshot.table.find(key.dst, key.protocol, key.dst_port);
        match found.and_then(|slot| snapshot.table.app(slot).ok_or(DropReason::NoApp)) {
            Ok(app) if app.ip_firewall => {
                snapshot.rules.prefetch(app.zone, key.src);
                Stranger::Unjudged(app.slot)
            }
            Ok(app) => Stranger::Judged(app.slot, Judgement::Pass(FirewallMatch::Unknown)),
            Err(reason) => Stranger::NoApp(reason),
        }
    }

    /// Judges the frames of a burst whose apps have access rules.
    #[inline(never)]
    pub(super) fn judge_burst(&self, batch: &FrameBatch<P::Frame>, found: &mut [Found]) {
        let snapshot = self.snapshot();
        for (frame, found) in batch.iter().zip(found.iter()) {
            if let Some((app, key)) = unjudged(snapshot, frame.bytes(), found) {
                snapshot.rules.prefetch_entries(app.zone, key.src);
            }
        }
        for (frame, found) in batch.iter().zip(found) {
            if let Some((app, key)) = unjudged(snapshot, frame.bytes(), found) {
                let judgement = snapshot.judge(app, key.src);
                let (Judgement::Pass(said) | Judgement::Block(said)) = judgement;
                said.rule().into_iter().for_each(|rule| self.exit.page.prefetch_rule(rule));
                found.stranger = Stranger::Judged(app.slot, judgement);
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
        if knows || !self.is_plain_source(&key) || self.exit.locals.find(key.dst).is_some() {
            return Meeting::Unclear;
        }
        match found.stranger {
            Stranger::NoApp(reason) if self.is_silent(key.protocol, self.unused_tcp) => {
                Meeting::TurnedAway(reason)
            }
            Stranger::Judged(slot, Judgement::Block(said))
                if self.is_silent(key.protocol, self.blocked_tcp) =>
            {
                let (snapshot, exit) = (&**self.reader.current(), &mut self.exit);
                let Some(app) = snapshot.table.app(slot) else { return Meeting::Unclear };
                turn_away_blocked(snapshot, exit, (app, &key), said);
                Meeting::TurnedAway(DropReason::FirewallBlocked)
            }
            Stranger::Judged(slot, Judgement::Pass(said)) if key.protocol == Protocol::Tcp => {
                Meeting::Passes(key, slot, said)
            }
            Stranger::NoApp(_) | Stranger::Judged(..) | Stranger::Unjudged(_) => Meeting::Unclear,
        }
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
    (app, key): (&App, &FlowKey),
    said: FirewallMatch,
) {
    said.rule().into_iter().for_each(|rule| exit.page.rule_hit(rule));
    exit.page.add_app(app.slot, AppCounter::Refused, 1);
    let what = (EventKind::ClientFiltered, Status::FirewallDeny, app.slot);
    if !exit.filtered.count(what, key.src) {
        exit.gather(&filtered_event(snapshot, exit, (app, key), said));
    }
}

/// The app and flow of a frame that is still to be judged.
#[inline]
fn unjudged<'a>(snapshot: &'a Snapshot, bytes: &[u8], found: &Found) -> Option<(&'a App, FlowKey)> {
    match (&found.seen, found.leg, found.stranger) {
        (Seen::Fixed(fixed), None, Stranger::Unjudged(slot)) => {
            Some((snapshot.table.app(slot)?, fixed.key(bytes)?))
        }
        (Seen::Fixed(_) | Seen::Parsed(_) | Seen::Refused(_), ..) => None,
    }
}

//! `clientFiltered` events, one per app and interval, so that a blocked flood cannot flood the log.
//!
//! The first refusal of an app is told at once. What follows within the interval is counted and told as one event
//! when the interval ends. The table is small and fixed; an app that finds no place is told of only in the
//! counters, until a quiet app gives its place up.

use crate::base::limits::FILTERED_APPS_MAX;
use crate::base::{AppSlot, Instant, Span};
use crate::telemetry::Event;

/// How long refusals of one app are gathered into one event.
pub const FILTERED_INTERVAL: Span = Span::from_secs(10);
/// How many places an app may lie away from its own.
const PROBES: usize = 8;

/// The refusals gathered, by app.
#[derive(Debug)]
pub struct Filtered {
    places: Box<[Option<Gathered>]>,
    /// No interval ends before this.
    due: Instant,
    live: usize,
}

/// What to do with a refusal that was just gathered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// Tell of it: it is the app's first in a while.
    Now,
    /// It is counted, and told of with others.
    Later,
    /// The table has no place for the app: count it.
    NoRoom,
}

#[derive(Clone, Copy, Debug)]
struct Gathered {
    app: AppSlot,
    ends: Instant,
    /// The last refusal of the interval, its count that of all; `None` when there was none since the last event.
    pending: Option<Event>,
}

impl Default for Filtered {
    fn default() -> Self {
        Self { places: vec![None; FILTERED_APPS_MAX].into_boxed_slice(), due: Instant::ZERO, live: 0 }
    }
}

impl Filtered {
    /// Takes one refusal (`event.count` 1).
    pub fn gather(&mut self, event: &Event) -> Telling {
        let Some(at) = self.place(event.app) else { return Telling::NoRoom };
        match &mut self.places[at] {
            Some(gathered) => {
                let before = gathered.pending.map_or(0, |pending| pending.count);
                gathered.pending = Some(Event { count: before.saturating_add(event.count), ..*event });
                Telling::Later
            }
            empty @ None => {
                let ends = event.at + FILTERED_INTERVAL;
                *empty = Some(Gathered { app: event.app, ends, pending: None });
                self.due = if self.live == 0 { ends } else { self.due.min(ends) };
                self.live += 1;
                Telling::Now
            }
        }
    }

    /// When `tell` has something to do; `None` when nothing is gathered.
    pub fn deadline(&self) -> Option<Instant> {
        (self.live > 0).then_some(self.due)
    }

    /// Tells of every app whose interval has ended and forgets those that were quiet.
    pub fn tell(&mut self, now: Instant, mut told: impl FnMut(Event)) {
        if self.live == 0 || now < self.due {
            return;
        }
        let mut due = None::<Instant>;
        for place in &mut self.places {
            let Some(gathered) = place else { continue };
            if now >= gathered.ends {
                let Some(event) = gathered.pending.take() else {
                    *place = None;
                    self.live -= 1;
                    continue;
                };
                gathered.ends = now + FILTERED_INTERVAL;
                told(event);
            }
            due = Some(due.map_or(gathered.ends, |due| due.min(gathered.ends)));
        }
        self.due = due.unwrap_or(Instant::ZERO);
    }

    /// Where the app lies, or a free place near its own.
    fn place(&self, app: AppSlot) -> Option<usize> {
        let first = app.index().wrapping_mul(0x9e37_79b1) % self.places.len();
        let near = (0..PROBES).map(|step| (first + step) % self.places.len());
        let known = near.clone().find(|at| self.places[*at].is_some_and(|held| held.app == app));
        known.or_else(|| near.clone().find(|at| self.places[*at].is_none()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, RuleSlot, Whence, WorkerId};
    use crate::telemetry::{EventKind, FirewallMatch, Status};

    fn refusal(app: u32, at_s: u64) -> Event {
        let client = Endpoint { addr: Addr::v4([203, 0, 113, 66]), port: 1 };
        Event {
            kind: EventKind::ClientFiltered,
            status: Status::FirewallDeny,
            worker: WorkerId(0),
            at: Instant::ZERO + Span::from_secs(at_s),
            transport: crate::telemetry::Transport::Udp,
            app: AppSlot(app),
            client,
            whence: Whence::UNKNOWN,
            edge: client,
            origin: None,
            egress: None,
            client_bytes: 0,
            origin_bytes: 0,
            connected_at: None,
            client_rtt: None,
            origin_rtt: None,
            firewall: FirewallMatch::BlockIp(RuleSlot(0)),
            ip_firewall: true,
            count: 1,
            reason: None,
        }
    }

    #[test]
    fn the_first_refusal_is_told_at_once_and_a_flood_as_one_event_an_interval() {
        let mut filtered = Filtered::default();
        assert_eq!(filtered.gather(&refusal(3, 1)), Telling::Now);
        for _ in 0..1_000 {
            assert_eq!(filtered.gather(&refusal(3, 2)), Telling::Later);
        }
        let mut told = Vec::new();
        let at = |s| Instant::ZERO + Span::from_secs(s);
        filtered.tell(at(10), |event| told.push(event.count));
        assert!(told.is_empty());
        filtered.tell(at(11), |event| told.push(event.count));
        assert_eq!(told, [1_000]);
        filtered.tell(at(21), |event| told.push(event.count));
        assert_eq!(told.len(), 1);
        assert_eq!(filtered.deadline(), None, "a quiet app gave its place up");
        assert_eq!(filtered.gather(&refusal(3, 22)), Telling::Now, "told at once again");
    }

    #[test]
    fn more_apps_than_places_are_refused_by_name_and_none_is_lost_silently() {
        let mut filtered = Filtered::default();
        let apps = 0..4 * FILTERED_APPS_MAX as u32;
        let refused = apps.filter(|app| filtered.gather(&refusal(*app, 1)) == Telling::NoRoom);
        assert!(refused.count() >= 3 * FILTERED_APPS_MAX);
    }
}

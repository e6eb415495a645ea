//! Events that a client with a forged address could bring about: refused packets, UDP sessions that the origin never
//! answered, and those of unproven UDP clients beyond a rate. One per kind, app, source net (/24, /48) and interval, so
//! that a blocked flood cannot flood the log and a spoofed one cannot fill a disk.
//!
//! ```text
//!  event --> (kind, app, net of its source)  --no place--> (kind, app, any source) --no place--> counted as lost
//!                 first: told at once                         first: told at once
//!                 then: counted, told as one event when the interval ends
//! ```
//! Both tables are small and fixed. A place comes free after an interval without an event.

use crate::base::limits::{FILTERED_APPS_MAX, FILTERED_NETS_MAX, FILTERED_TOLD_PER_TURN_MAX};
use crate::base::{Addr, AppSlot, Instant, Span};
use crate::telemetry::{Event, EventKind, Status};

/// How long what happens to one app and net is gathered into one event.
pub const FILTERED_INTERVAL: Span = Span::from_secs(10);
/// The intervals end together, so that the tables are walked about once in this span.
const TICK: Span = Span::from_secs(1);
/// How many places a key may lie away from its own.
const PROBES: usize = 8;

/// The events gathered.
#[derive(Debug)]
pub struct Filtered {
    nets: Gatherer,
    apps: Gatherer,
}

/// What to do with an event that was just gathered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// Tell of it: it is the first in a while.
    Now,
    /// It is counted, and told of with others.
    Later,
    /// The tables have no place for it: count it.
    NoRoom,
}

/// What happened, to which app, and the net of the source; no net stands for all sources that found no place of their
/// own.
type Key = (EventKind, Status, AppSlot, Option<u64>);

#[derive(Debug)]
struct Gatherer {
    places: Box<[Option<Gathered>]>,
    /// No interval ends before this.
    due: Instant,
    live: usize,
}

#[derive(Clone, Debug)]
struct Gathered {
    key: Key,
    ends: Instant,
    /// The last one of the interval, its count and bytes those of all; `None` when there was none since the last event.
    pending: Option<Event>,
}

impl Default for Filtered {
    fn default() -> Self {
        Self { nets: Gatherer::new(FILTERED_NETS_MAX), apps: Gatherer::new(FILTERED_APPS_MAX) }
    }
}

impl Filtered {
    /// Takes one event (`count` 1).
    pub fn gather(&mut self, event: &Event) -> Telling {
        let key = |net| (event.kind, event.status, event.app, net);
        match self.nets.gather(key(Some(net_of(event.client.addr))), event) {
            Telling::NoRoom => self.apps.gather(key(None), event),
            told @ (Telling::Now | Telling::Later) => told,
        }
    }

    /// When `tell` has something to do; `None` when nothing is gathered.
    pub fn deadline(&self) -> Option<Instant> {
        [self.nets.deadline(), self.apps.deadline()].into_iter().flatten().min()
    }

    /// Tells of what was gathered in intervals that have ended, and forgets those that were quiet.
    pub fn tell(&mut self, now: Instant, mut told: impl FnMut(Event)) {
        self.nets.tell(now, &mut told);
        self.apps.tell(now, &mut told);
    }
}

impl Gatherer {
    fn new(places: usize) -> Self {
        Self { places: vec![None; places].into_boxed_slice(), due: Instant::ZERO, live: 0 }
    }

    fn gather(&mut self, key: Key, event: &Event) -> Telling {
        let Some(at) = self.place(key) else { return Telling::NoRoom };
        match &mut self.places[at] {
            Some(gathered) => {
                let before = gathered.pending.as_ref();
                let before = before.map_or((0, 0, 0), |all| (all.count, all.client_bytes, all.origin_bytes));
                gathered.pending = Some(Event {
                    count: before.0.saturating_add(event.count),
                    client_bytes: before.1.saturating_add(event.client_bytes),
                    origin_bytes: before.2.saturating_add(event.origin_bytes),
                    ..event.clone()
                });
                Telling::Later
            }
            empty @ None => {
                let ends = end_of_interval(event.at);
                *empty = Some(Gathered { key, ends, pending: None });
                self.due = if self.live == 0 { ends } else { self.due.min(ends) };
                self.live += 1;
                Telling::Now
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        (self.live > 0).then_some(self.due)
    }

    fn tell(&mut self, now: Instant, told: &mut impl FnMut(Event)) {
        if self.live == 0 || now < self.due {
            return;
        }
        let mut due = None::<Instant>;
        let mut left = FILTERED_TOLD_PER_TURN_MAX;
        for place in &mut self.places {
            let Some(gathered) = place else { continue };
            if now >= gathered.ends && (left > 0 || gathered.pending.is_none()) {
                let Some(event) = gathered.pending.take() else {
                    *place = None;
                    self.live -= 1;
                    continue;
                };
                gathered.ends = end_of_interval(now);
                left -= 1;
                told(event);
            }
            due = Some(due.map_or(gathered.ends, |due| due.min(gathered.ends)));
        }
        self.due = due.unwrap_or(Instant::ZERO);
    }

    /// Where the key lies, or a free place near its own.
    fn place(&self, key: Key) -> Option<usize> {
        let (kind, status, app, net) = key;
        let what = (kind as u64) << 56 ^ (status as u64) << 40;
        let mixed = (what ^ u64::from(app.0) << 32 ^ net.unwrap_or(0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = (mixed >> 32) as usize % self.places.len();
        let near = (0..PROBES).map(|step| (first + step) % self.places.len());
        let holds = |at: &usize| self.places[*at].as_ref().is_some_and(|held| held.key == key);
        near.clone().find(holds).or_else(|| near.clone().find(|at| self.places[*at].is_none()))
    }
}

/// The net that a source is told under: its first 24 bits (IPv4) or 48 (IPv6), marked by family.
fn net_of(addr: Addr) -> u64 {
    match addr.is_v4() {
        true => 1 << 63 | addr.bits() as u64 >> 8 & 0xff_ffff,
        false => (addr.bits() >> 80) as u64,
    }
}

fn end_of_interval(now: Instant) -> Instant {
    let past = Span::from_nanos(now.nanos() % TICK.nanos());
    let tick = if past == Span::ZERO { now } else { now + Span::from_nanos(TICK.nanos() - past.nanos()) };
    tick + FILTERED_INTERVAL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Endpoint, RuleSlot, Whence, WorkerId};
    use crate::telemetry::FirewallMatch;

    fn refusal(app: u32, source: u32, at_s: u64) -> Event {
        let client = Endpoint { addr: Addr::v4(source.to_be_bytes()), port: 1 };
        Event {
            kind: EventKind::ClientFiltered,
            status: Status::FirewallDeny,
            worker: WorkerId(0),
            at: at(at_s),
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
            proven: false,
            count: 1,
            reason: None,
            tls: None,
        }
    }

    fn at(s: u64) -> Instant {
        Instant::ZERO + Span::from_secs(s)
    }

    const NET: u32 = 0xcb00_7100;

    #[test]
    fn the_first_refusal_of_a_net_is_told_at_once_and_a_flood_as_one_event_an_interval() {
        let mut filtered = Filtered::default();
        assert_eq!(filtered.gather(&refusal(3, NET, 1)), Telling::Now);
        for host in 0..1_000 {
            assert_eq!(filtered.gather(&refusal(3, NET | (host % 256), 2)), Telling::Later);
        }
        assert_eq!(filtered.gather(&refusal(3, NET + 256, 2)), Telling::Now, "another net");
        assert_eq!(filtered.gather(&refusal(4, NET, 2)), Telling::Now, "another app");
        let mut told = Vec::new();
        filtered.tell(at(10), |event| told.push(event.count));
        assert!(told.is_empty());
        filtered.tell(at(11), |event| told.push(event.count));
        assert_eq!(told, [1_000]);
        filtered.tell(at(21), |event| told.push(event.count));
        assert_eq!(told.len(), 1);
        assert_eq!(filtered.deadline(), None, "quiet ones gave their places up");
        assert_eq!(filtered.gather(&refusal(3, NET, 22)), Telling::Now, "told at once again");
    }

    #[test]
    fn a_spoofed_flood_becomes_a_bounded_number_of_events_that_count_every_packet() {
        let mut filtered = Filtered::default();
        let (mut told, mut packets, mut now) = (0, 0, 0);
        let flood = 300_000_u32;
        for n in 0..flood {
            let event = refusal(n % 4, n.wrapping_mul(2_654_435_761), now);
            match filtered.gather(&event) {
                Telling::Now => (told, packets) = (told + 1, packets + 1),
                Telling::Later => {}
                Telling::NoRoom => panic!("four apps find a place"),
            }
            now = u64::from(n) / 10_000;
            filtered.tell(at(now), |event| (told, packets) = (told + 1, packets + event.count));
        }
        for turn in 0..1_000 {
            filtered.tell(at(now + 20 + turn), |event| (told, packets) = (told + 1, packets + event.count));
        }
        assert_eq!((packets, filtered.deadline()), (flood, None), "no packet is forgotten");
        let most = 5 * (FILTERED_NETS_MAX + FILTERED_APPS_MAX);
        assert!(told <= most, "{told} events in 30 s, at most {most}");
    }

    #[test]
    fn other_kinds_are_gathered_apart_and_bytes_add_up() {
        let mut filtered = Filtered::default();
        let unanswered = |bytes| Event {
            kind: EventKind::OriginError,
            status: Status::OriginConnectTimeout,
            client_bytes: bytes,
            ..refusal(3, NET, 1)
        };
        assert_eq!(filtered.gather(&refusal(3, NET, 1)), Telling::Now);
        assert_eq!(filtered.gather(&unanswered(10)), Telling::Now);
        for bytes in [5, 6, 7] {
            assert_eq!(filtered.gather(&unanswered(bytes)), Telling::Later);
        }
        let mut told = Vec::new();
        filtered.tell(at(11), |event| told.push((event.kind, event.count, event.client_bytes)));
        assert_eq!(told, [(EventKind::OriginError, 3, 18)]);
    }

    #[test]
    fn one_turn_tells_a_bounded_number_and_the_next_one_the_rest() {
        let mut filtered = Filtered::default();
        let gathered = (0..200).filter(|net| {
            filtered.gather(&refusal(1, NET + net * 256, 1)) == Telling::Now
                && filtered.gather(&refusal(1, NET + net * 256, 1)) == Telling::Later
        });
        let gathered = gathered.count();
        let mut told = 0;
        filtered.tell(at(20), |_| told += 1);
        assert_eq!(told, FILTERED_TOLD_PER_TURN_MAX);
        assert!(filtered.deadline() <= Some(at(20)), "there is more at once");
        for _ in 0..10 {
            filtered.tell(at(20), |_| told += 1);
        }
        assert!(told >= gathered && told <= gathered + 1, "{told} of {gathered}");
    }

    #[test]
    fn more_apps_than_places_are_refused_by_name_and_none_is_lost_silently() {
        let mut filtered = Filtered::default();
        let places = (FILTERED_APPS_MAX + FILTERED_NETS_MAX) as u32;
        let refused =
            (0..4 * places).filter(|app| filtered.gather(&refusal(*app, NET, 1)) == Telling::NoRoom);
        assert!(refused.count() >= 3 * places as usize);
    }
}

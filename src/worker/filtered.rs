//! Events that a client with a forged address could bring about: refused packets, UDP sessions that the origin never
//! answered, and those of unproven UDP clients beyond a rate. One per kind, app, source net (/24, /48) and interval, so
//! that a blocked flood cannot flood the log and a spoofed one cannot fill a disk.
//!
//! ```text
//!  event --> (kind, app, net of its source)  --no place--> (kind, app, any source) --no place--> counted as lost
//!                 first: told at once                         first: told at once
//!                 then: counted, told as one event when the interval ends
//! ```
//! Both tables are small and fixed. A place comes free after an interval without an event. Of a flood each packet costs a look-up
//! and an add (`count`); the event is made once an interval, of the first packet.

use crate::base::limits::{FILTERED_APPS_MAX, FILTERED_NETS_MAX, FILTERED_TOLD_PER_TURN_MAX};
use crate::base::{Addr, AppSlot, Instant, Span};
use crate::flow::{FlowMap, Slot};
use crate::telemetry::{Event, EventKind, Status};

/// How long what happens to one app and net is gathered into one event.
pub const FILTERED_INTERVAL: Span = Span::from_secs(10);
/// The intervals end together, so that the tables are walked about once in this span.
const TICK: Span = Span::from_secs(1);

/// The events gathered.
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

/// What happened, to which app.
pub type What = (EventKind, Status, AppSlot);

/// The same in one word, and the net of the source.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    what: u64,
    net: u64,
}

/// All sources that found no place of their own; no net is this one (`net_of`).
const ANY_NET: u64 = 0;

impl Key {
    #[inline]
    const fn new((kind, status, app): What, net: u64) -> Self {
        Self { what: (kind as u64) << 56 | (status as u64) << 40 | app.0 as u64, net }
    }
}

struct Gatherer {
    /// By the hash of its key: where an event is gathered.
    map: FlowMap<Place>,
    /// Of each place what a packet of a flood touches, in half a cache line; and the rest.
    heads: Box<[Head]>,
    places: Box<[Option<Gathered>]>,
    free: Vec<Place>,
    /// No interval ends before this.
    due: Instant,
}

/// An index into `places`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u32);

impl Slot for Place {
    fn to_bits(self) -> u32 {
        self.0
    }

    fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

#[derive(Clone, Copy)]
struct Head {
    /// What is gathered here; an old one where nothing is.
    key: Key,
    /// Whether an event waits to be told.
    pending: bool,
    /// Packets that are not in that event's count yet.
    more: u32,
}

struct Gathered {
    ends: Instant,
    /// The first one since the last event, its count and bytes those of all; `None` when there was none.
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
        let key = |net| Key::new((event.kind, event.status, event.app), net);
        match self.nets.gather(key(net_of(event.client.addr)), event) {
            Telling::NoRoom => self.apps.gather(key(ANY_NET), event),
            told @ (Telling::Now | Telling::Later) => told,
        }
    }

    /// Counts one more packet of `client` where `gather` would only count it; `false`, and nothing changed, where the event
    /// has to be made.
    #[inline]
    pub fn count(&mut self, what: What, client: Addr) -> bool {
        match self.nets.count(Key::new(what, net_of(client))) {
            Counting::Done => true,
            Counting::NotYet => false,
            Counting::NoRoom => match self.apps.count(Key::new(what, ANY_NET)) {
                Counting::Done => true,
                Counting::NotYet | Counting::NoRoom => false,
            },
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

/// What came of counting one more packet.
enum Counting {
    /// It is in the count of an event that waits to be told.
    Done,
    /// No such event waits, but there is a place for it.
    NotYet,
    /// No such event waits, and there is no place.
    NoRoom,
}

impl Head {
    const EMPTY: Self = Self { key: Key { what: 0, net: ANY_NET }, pending: false, more: 0 };
}

impl Gatherer {
    fn new(places: usize) -> Self {
        Self {
            map: FlowMap::new(places),
            heads: vec![Head::EMPTY; places].into(),
            places: (0..places).map(|_| None).collect(),
            free: (0..places as u32).rev().map(Place).collect(),
            due: Instant::ZERO,
        }
    }

    #[inline]
    fn count(&mut self, key: Key) -> Counting {
        match self.find(key).map(|place| &mut self.heads[place.0 as usize]) {
            Some(head) if head.pending => {
                head.more = head.more.saturating_add(1);
                Counting::Done
            }
            Some(_) => Counting::NotYet,
            None if self.free.is_empty() => Counting::NoRoom,
            None => Counting::NotYet,
        }
    }

    fn gather(&mut self, key: Key, event: &Event) -> Telling {
        if let Some(place) = self.find(key).map(|place| place.0 as usize)
            && let Some(gathered) = self.places[place].as_mut()
        {
            self.heads[place].pending = true;
            match &mut gathered.pending {
                Some(all) => {
                    all.count = all.count.saturating_add(event.count);
                    all.client_bytes = all.client_bytes.saturating_add(event.client_bytes);
                    all.origin_bytes = all.origin_bytes.saturating_add(event.origin_bytes);
                }
                none @ None => *none = Some(event.clone()),
            }
            return Telling::Later;
        }
        let Some(&place) = self.free.last() else { return Telling::NoRoom };
        if !self.map.insert(hash(key), place) {
            return Telling::NoRoom;
        }
        let ends = end_of_interval(event.at);
        self.due = if self.live() == 0 { ends } else { self.due.min(ends) };
        self.free.pop();
        self.heads[place.0 as usize] = Head { key, pending: false, more: 0 };
        self.places[place.0 as usize] = Some(Gathered { ends, pending: None });
        Telling::Now
    }

    fn live(&self) -> usize {
        self.places.len() - self.free.len()
    }

    fn deadline(&self) -> Option<Instant> {
        (self.live() > 0).then_some(self.due)
    }

    fn tell(&mut self, now: Instant, told: &mut impl FnMut(Event)) {
        if self.live() == 0 || now < self.due {
            return;
        }
        let mut due = None::<Instant>;
        let mut left = FILTERED_TOLD_PER_TURN_MAX;
        for (at, place) in (0..).map(Place).zip(&mut self.places) {
            let Some(gathered) = place else { continue };
            if now >= gathered.ends && (left > 0 || gathered.pending.is_none()) {
                let head = &mut self.heads[at.0 as usize];
                let Some(mut event) = gathered.pending.take() else {
                    self.map.remove(hash(head.key), at);
                    self.free.push(at);
                    *place = None;
                    continue;
                };
                event.count = event.count.saturating_add(std::mem::take(&mut head.more));
                head.pending = false;
                gathered.ends = end_of_interval(now);
                left -= 1;
                told(event);
            }
            due = Some(due.map_or(gathered.ends, |due| due.min(gathered.ends)));
        }
        self.due = due.unwrap_or(Instant::ZERO);
    }

    /// Where the key is gathered. The map leads to places in use alone.
    #[inline]
    fn find(&self, key: Key) -> Option<Place> {
        self.map.find(hash(key), |place: Place| self.heads[place.0 as usize].key == key)
    }
}

/// Mixed well enough for a table in which a key without a place is told under its app: strangers choose their nets, and win
/// nothing by crowding a bucket.
#[inline]
fn hash(Key { what, net }: Key) -> u64 {
    let product = u128::from(what ^ 0x9e37_79b9_7f4a_7c15)
        * u128::from(net.wrapping_mul(0xff51_afd7_ed55_8ccd) ^ 0xc4ce_b9fe_1a85_ec53);
    (product as u64 ^ (product >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The net that a source is told under: its first 24 bits (IPv4) or 48 (IPv6), marked by family.
#[inline]
const fn net_of(addr: Addr) -> u64 {
    match addr.is_v4() {
        true => 1 << 63 | addr.bits() as u64 >> 8 & 0xff_ffff,
        false => 1 << 62 | (addr.bits() >> 80) as u64,
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
            if !filtered.count((event.kind, event.status, event.app), event.client.addr) {
                match filtered.gather(&event) {
                    Telling::Now => (told, packets) = (told + 1, packets + 1),
                    Telling::Later => {}
                    Telling::NoRoom => panic!("four apps find a place"),
                }
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

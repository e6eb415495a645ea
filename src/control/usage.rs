//! What connections did, told to analytics: their events, and every 20 s the bytes of those that go on. An event tells the
//! bytes that no sample has told before, so that all of a connection's add up to what it moved.

use super::timestamp::WallClock;
use crate::analytics::{Counts, EventName, Fact, IpVersion, Owner, Recorder};
use crate::base::limits::PROGRESS_SESSIONS_MAX;
use crate::base::{Addr, AppSlot, Endpoint, Instant, Span, WorkerId};
use crate::snapshot::SessionRow;
use crate::telemetry::{Event, EventKind, Transport};
use crate::wire::Protocol;
use std::collections::HashMap;

/// How often all sessions are walked over.
const WALK: Span = Span::from_secs(20);
/// How old a connection is when its bytes are told for the first time.
const AGE_MIN: Span = Span::from_secs(10);

/// Which connection; the worker tells it the same in rows and in events.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Connection {
    worker: WorkerId,
    is_udp: bool,
    client: Endpoint,
    edge: Endpoint,
    connected_at: Instant,
}

/// What was told of it.
#[derive(Clone, Copy, Default)]
struct Told {
    client_bytes: u64,
    origin_bytes: u64,
    /// The last walk that met it.
    walk: u64,
}

/// Connections that are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Followed {
    /// At present.
    pub now: u64,
    /// Looks at connections that could not be.
    pub refused: u64,
}

/// Between control's look and analytics.
pub(super) struct Usage {
    recorder: Recorder,
    heard: Vec<Event>,
    told: HashMap<Connection, Told>,
    refused: u64,
    /// Walks that met all sessions.
    whole_walks: u64,
    /// The number of the walk that goes on, as if those before it that broke off had not been.
    walk: u64,
    walked_at: Instant,
}

impl Usage {
    pub(super) fn new(recorder: Recorder, now: Instant) -> Self {
        Self {
            recorder,
            heard: Vec::new(),
            told: HashMap::new(),
            refused: 0,
            whole_walks: 0,
            walk: 0,
            walked_at: now,
        }
    }

    /// Takes an event in; `settle` tells it.
    pub(super) fn hear(&mut self, event: Event) {
        self.heard.push(event);
    }

    /// Tells what a session that goes on has moved since it was met last.
    pub(super) fn meet(
        &mut self,
        worker: WorkerId,
        row: &SessionRow,
        owner: Option<Owner>,
        wall: &WallClock,
        now: Instant,
    ) {
        let (Some(connected_at), Some(owner)) = (row.connected_at, owner) else { return };
        if now.since(connected_at) < AGE_MIN {
            return;
        }
        let is_udp = row.protocol == Protocol::Udp;
        let connection = Connection { worker, is_udp, client: row.client, edge: row.edge, connected_at };
        if !self.told.contains_key(&connection) && self.told.len() >= PROGRESS_SESSIONS_MAX {
            self.refused += 1;
            return;
        }
        let told = self.told.entry(connection).or_default();
        let ingress = row.client_bytes.saturating_sub(told.client_bytes);
        let egress = row.origin_bytes.saturating_sub(told.origin_bytes);
        *told = Told { client_bytes: row.client_bytes, origin_bytes: row.origin_bytes, walk: self.walk };
        if ingress + egress > 0 {
            self.recorder.record(&Fact {
                at_s: wall.unix_micros(now) / 1_000_000,
                owner,
                event: EventName::Progress,
                ip: ip_version(row.client.addr),
                count: 1,
                ingress,
                egress,
                duration_ms: None,
            });
        }
    }

    /// Tells all events that were heard.
    pub(super) fn settle(&mut self, owner: impl Fn(AppSlot) -> Option<Owner>, wall: &WallClock) {
        for event in std::mem::take(&mut self.heard) {
            let told = self.forget(&event);
            if let Some(owner) = owner(event.app) {
                self.recorder.record(&fact(&event, owner, told, wall));
            }
        }
    }

    /// Whether a walk should begin; `walking`: whether one goes on, `whole_walks`: how many have met all sessions. What the
    /// last two of those did not meet has ended unheard; one that broke off proves nothing.
    pub(super) fn wants_walk(&mut self, walking: bool, whole_walks: u64, now: Instant) -> bool {
        if self.whole_walks != whole_walks {
            self.whole_walks = whole_walks;
            self.told.retain(|_, told| told.walk + 1 >= whole_walks);
        }
        let begins = !walking && now.since(self.walked_at) >= WALK;
        if begins {
            (self.walked_at, self.walk) = (now, whole_walks + 1);
        }
        begins
    }

    /// Passes on what was told; to be called at every look.
    pub(super) fn turn(&mut self, now: Instant) {
        self.recorder.turn(now);
    }

    /// How much analytics hold.
    pub(super) fn counts(&self) -> Counts {
        self.recorder.counts()
    }

    /// How many connections are followed.
    pub(super) fn followed(&self) -> Followed {
        Followed { now: self.told.len() as u64, refused: self.refused }
    }

    /// What was told of the connection whose end this event is.
    fn forget(&mut self, event: &Event) -> Told {
        if event.kind == EventKind::Connect {
            return Told::default();
        }
        let connection = |connected_at| Connection {
            worker: event.worker,
            is_udp: event.transport == Transport::Udp,
            client: event.client,
            edge: event.edge,
            connected_at,
        };
        let told = event.connected_at.and_then(|at| self.told.remove(&connection(at)));
        told.unwrap_or_default()
    }
}

fn fact(event: &Event, owner: Owner, told: Told, wall: &WallClock) -> Fact {
    let begins = event.kind == EventKind::Connect;
    let rest = |bytes: u64, told: u64| if begins { 0 } else { bytes.saturating_sub(told) };
    let lasted = |connected_at| event.at.since(connected_at).millis();
    Fact {
        at_s: wall.unix_micros(event.at) / 1_000_000,
        owner,
        event: event_name(event.kind),
        ip: ip_version(event.client.addr),
        count: event.count.into(),
        ingress: rest(event.client_bytes, told.client_bytes),
        egress: rest(event.origin_bytes, told.origin_bytes),
        duration_ms: event.connected_at.filter(|_| !begins).map(lasted),
    }
}

const fn event_name(kind: EventKind) -> EventName {
    match kind {
        EventKind::Connect => EventName::Connect,
        EventKind::Disconnect => EventName::Disconnect,
        EventKind::ClientFiltered => EventName::ClientFiltered,
        EventKind::TlsError => EventName::TlsError,
        EventKind::OriginError => EventName::OriginError,
        EventKind::ResolveOrigin => EventName::ResolveOrigin,
    }
}

fn ip_version(addr: Addr) -> IpVersion {
    if addr.is_v4() { IpVersion::V4 } else { IpVersion::V6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::{Clerk, Metric, Minute, Moments, Query, Reader, Tag, open};
    use crate::base::{Epoch, Whence};
    use crate::telemetry::{FirewallMatch, Status};

    const OWNER: Owner = Owner { zone: Tag::from_bits(1), app: Tag::from_bits(2) };

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn end(port: u16) -> Endpoint {
        Endpoint { addr: Addr::v4([192, 0, 2, 1]), port }
    }

    fn row(port: u16, bytes: u64) -> SessionRow {
        SessionRow {
            protocol: Protocol::Tcp,
            slot: 0,
            phase: "open",
            app: AppSlot(0),
            client: end(port),
            edge: end(80),
            origin: None,
            egress: None,
            epoch: Epoch(1),
            firewall: FirewallMatch::Unknown,
            opened_at: at(1),
            connected_at: Some(at(1)),
            client_bytes: bytes,
            origin_bytes: 2 * bytes,
        }
    }

    fn event(kind: EventKind, port: u16, bytes: u64, seconds: u64) -> Event {
        Event {
            kind,
            status: Status::NormalClose,
            worker: WorkerId(0),
            at: at(seconds),
            transport: Transport::Tcp,
            app: AppSlot(0),
            client: end(port),
            whence: Whence::UNKNOWN,
            edge: end(80),
            origin: None,
            egress: Some(end(1)),
            client_bytes: bytes,
            origin_bytes: 2 * bytes,
            connected_at: Some(at(1)),
            client_rtt: None,
            origin_rtt: None,
            firewall: FirewallMatch::Unknown,
            ip_firewall: false,
            proven: true,
            count: 1,
            reason: None,
            tls: None,
        }
    }

    struct Bench {
        usage: Usage,
        reader: Reader,
        clerk: Clerk,
        wall: WallClock,
        folder: std::path::PathBuf,
    }

    impl Bench {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("byway-usage-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a temporary folder");
            let (recorder, reader, clerk) = open(&folder.join("analytics"), "1", "FRA").expect("opened");
            let wall = WallClock::at(Instant::ZERO);
            Self { usage: Usage::new(recorder, Instant::ZERO), reader, clerk, wall, folder }
        }

        fn meet(&mut self, row: &SessionRow, seconds: u64) {
            self.usage.meet(WorkerId(0), row, Some(OWNER), &self.wall, at(seconds));
        }

        fn hear(&mut self, event: Event) {
            self.usage.hear(event);
            self.usage.settle(|_| Some(OWNER), &self.wall);
        }

        /// Count, bytes from and to clients and the average duration, of one event or all.
        fn totals(self, event: Option<&str>) -> Vec<f64> {
            let Self { mut usage, reader, clerk, wall, folder } = self;
            usage.recorder.send();
            let thread = std::thread::spawn(move || clerk.run(|text| panic!("{text}")));
            let from_s = wall.unix_micros(at(0)) / 1_000_000;
            let [from, until] = [from_s, from_s + 3_600].map(Minute::of_unix_s);
            let filter = event.map(|event| format!("event=={event}"));
            let query = Query {
                zone: OWNER.zone,
                metrics: Metric::ALL[..4].to_vec(),
                dimensions: Vec::new(),
                filter: filter.map(|text| crate::analytics::Filter::parse(&text).expect("read")),
                sort: Vec::new(),
                limit: 10,
                moments: Moments { from, until },
                delta: None,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let table = runtime.block_on(reader.ask(query)).expect("answered");
            drop(usage);
            thread.join().expect("it ends when nobody writes any more");
            std::fs::remove_dir_all(folder).expect("removed");
            table.totals.iter().map(|number| number.real()).collect()
        }
    }

    fn long_connection(name: &str) -> Bench {
        let mut bench = Bench::new(name);
        bench.hear(event(EventKind::Connect, 7, 3, 1));
        bench.meet(&row(7, 5), 5);
        bench.meet(&row(7, 100), 20);
        bench.meet(&row(7, 100), 40);
        bench.meet(&row(7, 130), 60);
        bench.hear(event(EventKind::Disconnect, 7, 150, 61));
        bench
    }

    #[test]
    fn the_bytes_of_a_connection_add_up_over_samples_and_its_end() {
        assert_eq!(long_connection("all").totals(None), [4.0, 150.0, 300.0, 60_000.0]);
        assert_eq!(long_connection("some").totals(Some("progress")), [2.0, 130.0, 260.0, 0.0]);
        assert_eq!(long_connection("end").totals(Some("disconnect")), [1.0, 20.0, 40.0, 60_000.0]);
        assert_eq!(long_connection("begin").totals(Some("connect")), [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn connections_that_ended_unheard_are_forgotten_after_two_walks() {
        let mut bench = Bench::new("unheard");
        bench.meet(&row(7, 5), 20);
        let mut follows = |seconds, walking, whole| {
            let begins = bench.usage.wants_walk(walking, whole, at(seconds));
            (begins, bench.usage.followed().now)
        };
        assert_eq!(follows(19, false, 0), (false, 1));
        assert_eq!(follows(20, false, 0), (true, 1));
        assert_eq!(follows(21, true, 0), (false, 1));
        assert_eq!(follows(22, false, 1), (false, 1));
        assert_eq!(follows(41, false, 1), (true, 1));
        assert_eq!(follows(42, false, 2), (false, 0));
        let _ = bench.totals(None);
    }

    #[test]
    fn walks_that_broke_off_forget_nothing() {
        let mut bench = Bench::new("broken");
        assert!(bench.usage.wants_walk(false, 0, at(20)));
        bench.meet(&row(7, 5), 20);
        for second in [21, 41, 61, 81, 101] {
            bench.usage.wants_walk(second == 21, u64::from(second > 21), at(second));
            assert_eq!(bench.usage.followed().now, 1, "after {second} s");
        }
        bench.usage.wants_walk(false, 2, at(102));
        assert_eq!(bench.usage.followed().now, 1, "one whole walk may have missed it");
        bench.usage.wants_walk(false, 3, at(103));
        assert_eq!(bench.usage.followed().now, 0, "two have not met it");
        let _ = bench.totals(None);
    }

    #[test]
    fn only_so_many_are_followed_and_the_rest_tell_at_their_ends() {
        let mut bench = Bench::new("many");
        for number in 0..PROGRESS_SESSIONS_MAX as u64 + 3 {
            let connected_at = Some(Instant::from_nanos(number));
            bench.meet(&SessionRow { connected_at, ..row(7, 1) }, 20);
        }
        let followed = bench.usage.followed();
        assert_eq!((followed.now, followed.refused), (PROGRESS_SESSIONS_MAX as u64, 3));
        let connected_at = Some(Instant::from_nanos(PROGRESS_SESSIONS_MAX as u64 + 1));
        bench.hear(Event { connected_at, ..event(EventKind::Disconnect, 7, 9, 30) });
        assert_eq!(bench.totals(None)[1], PROGRESS_SESSIONS_MAX as f64 + 9.0);
    }
}

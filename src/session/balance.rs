//! Which of an app's origins a connection goes to: the one with the fewest connections of those that can be had, as
//! this worker sees them; where the targets of an SRV answer differ in weight, each in proportion to its weight. No
//! worker asks another: each spreads its own connections.
//!
//! ```text
//!             FAILURES_MAX connects in a row fail          its time is over: one connection tries
//!  healthy ------------------------------------> backed off ------------------------------------> on trial
//!     ^ '------- any connect succeeds <----------------'  ^------- fails: twice as long -----------' |
//!     `------------------------------------------------------- succeeds -----------------------------'
//! ```
//!
//! An app with one origin is not looked after: there is nothing to choose, and nothing is gained by refusing. Where no
//! origin is healthy the one that is due first is tried all the same. A refused port of a range says nothing of the
//! others, so there only silence and unreachability count. By weight the choice walks round a circle in golden steps,
//! so that any run of choices is close to the weights, whether connections last or not (RFC 2782 draws lots). What is kept is kept by address and first port, in a fixed
//! number of places; an origin that finds none is used and counted as not looked after.

use crate::base::limits::ORIGINS_TRACKED_MAX;
use crate::base::{Addr, Endpoint, Instant, Span};
use crate::table::{App, NoOrigin};

/// Connects in a row that must fail before an origin is left alone.
const FAILURES_MAX: u8 = 3;
/// How long it is left alone first, and at most; each failed trial doubles it.
const BACK_OFF_FIRST: Span = Span::from_secs(2);
const BACK_OFF_MAX: Span = Span::from_secs(64);
/// What a weight of 1 has of the circle; all targets of weight 0 together have 1 (RFC 2782: a very small chance).
const WEIGHT_UNITS: u64 = 100;
/// The golden ratio's part of a circle of 2^32: steps of it are spread evenly, however many.
const GOLDEN_STEP: u32 = 0x9e37_79b9;
/// How many places an origin may lie away from its own.
const PROBES: usize = 8;

/// The place of an origin that a session holds on to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OriginPlace(u32);

impl OriginPlace {
    /// The origin is not looked after.
    pub const NONE: Self = Self(u32::MAX);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An origin chosen for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Where to connect to.
    pub origin: Endpoint,
    /// To be given back with what became of it.
    pub place: OriginPlace,
    /// Whether it is one that is looked after but found no place.
    pub untracked: bool,
}

/// Why there is no origin to connect to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoChoice {
    /// The app is not in the table any more.
    AppGone,
    /// None is known, for this reason.
    NoOrigin(NoOrigin),
    /// None of them may be connected to.
    Forbidden,
    /// The one that was tried is all there is.
    NoOther,
}

/// What became of a chosen origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OriginNews {
    /// It answered.
    Connected,
    /// It said no.
    Refused,
    /// It was silent, or cannot be reached.
    Failed,
    /// The attempt is over, and nothing was found out, or was told before.
    GaveUp,
    /// The connection is over.
    Left,
}

/// What one worker knows of origins.
pub struct Balance {
    places: Box<[Place]>,
    /// Where the next search for the least begins, so that equals take turns.
    turn: usize,
}

#[derive(Clone, Copy)]
struct Place {
    origin: Endpoint,
    active: u32,
    failures: u8,
    /// Failed trials in a row.
    rounds: u8,
    trial: bool,
    /// Whether it is a range of ports.
    range: bool,
    /// Left alone until then, once `failures` has reached its bound.
    until: Instant,
}

const VACANT: Place = Place {
    origin: Endpoint { addr: Addr::v4([0; 4]), port: 0 },
    active: 0,
    failures: 0,
    rounds: 0,
    trial: false,
    range: false,
    until: Instant::ZERO,
};

/// How good an origin is, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its time alone is over: one connection finds out.
    Due,
    /// With so many connections.
    Healthy(u32),
    /// Left alone until then, or on trial.
    BackedOff(Instant),
}

impl Default for Balance {
    fn default() -> Self {
        Self { places: vec![VACANT; ORIGINS_TRACKED_MAX].into_boxed_slice(), turn: 0 }
    }
}

impl Balance {
    /// An origin of `app` for a client of edge port `port`: an app of many ports has origins of as many, and a port
    /// keeps its place within the range. Never `tried`, and none that `forbidden` names.
    ///
    /// # Errors
    /// See `NoChoice`.
    pub fn choose(
        &mut self,
        (app, port): (&App, u16),
        tried: Option<Endpoint>,
        forbidden: impl Fn(Addr) -> bool,
        now: Instant,
    ) -> Result<Choice, NoChoice> {
        let offset = port.wrapping_sub(app.ports.first());
        let at = |origin: &Endpoint| Endpoint { port: origin.port.wrapping_add(offset), ..*origin };
        if let [only] = &*app.origins {
            let origin = at(only);
            return match (tried, forbidden(origin.addr)) {
                (Some(_), _) => Err(NoChoice::NoOther),
                (None, true) => Err(NoChoice::Forbidden),
                (None, false) => Ok(Choice { origin, place: OriginPlace::NONE, untracked: false }),
            };
        }
        let count = app.origins.len();
        self.turn = self.turn.wrapping_add(1);
        let usable = |origin: &Endpoint| tried != Some(at(origin)) && !forbidden(origin.addr);
        let mut best = None;
        for step in 0..count {
            let origin = app.origins[(self.turn + step) % count];
            if !usable(&origin) {
                continue;
            }
            let rank = self.rank(origin, now);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, origin));
            }
        }
        if let Some((Rank::Healthy(_), fewest)) = &mut best {
            *fewest = self.by_weight(app, usable, now).unwrap_or(*fewest);
        }
        match best {
            Some((rank, listed)) => {
                let choice = self.take(listed, rank, !app.ports.is_single());
                Ok(Choice { origin: at(&listed), ..choice })
            }
            None if count == 0 => Err(NoChoice::NoOrigin(app.no_origin)),
            None if tried.is_some() => Err(NoChoice::NoOther),
            None => Err(NoChoice::Forbidden),
        }
    }

    /// Takes note of what became of a choice. `GaveUp` or `Left` comes last and once; `true` when the origin is left
    /// alone from now on.
    pub fn hear(&mut self, place: OriginPlace, news: OriginNews, now: Instant) -> bool {
        let Some(place) = self.places.get_mut(place.index()) else { return false };
        match news {
            OriginNews::Connected => {
                (place.failures, place.rounds, place.trial) = (0, 0, false);
                false
            }
            OriginNews::Refused if place.range => false,
            OriginNews::Refused | OriginNews::Failed => place.fail(now),
            OriginNews::GaveUp => {
                place.active = place.active.saturating_sub(1);
                place.trial = false;
                false
            }
            OriginNews::Left => {
                place.active = place.active.saturating_sub(1);
                false
            }
        }
    }

    /// The healthy origin on whose part of the circle this turn falls; `None` where weights decide nothing.
    fn by_weight(&self, app: &App, usable: impl Fn(&Endpoint) -> bool, now: Instant) -> Option<Endpoint> {
        let healthy = |(origin, _): &(&Endpoint, &u16)| {
            usable(origin) && matches!(self.rank(**origin, now), Rank::Healthy(_))
        };
        let weighed = || app.origins.iter().zip(&app.weights).filter(healthy);
        let sum: u64 = weighed().map(|(_, weight)| u64::from(*weight)).sum::<u64>() * WEIGHT_UNITS;
        if sum == 0 {
            return None;
        }
        let idle = weighed().filter(|(_, weight)| **weight == 0).count();
        let circle = sum + u64::from(idle > 0);
        let point = u64::from((self.turn as u32).wrapping_mul(GOLDEN_STEP));
        let mut left = (point * circle) >> 32;
        for (origin, weight) in weighed() {
            let part = u64::from(*weight) * WEIGHT_UNITS;
            if left < part {
                return Some(*origin);
            }
            left -= part;
        }
        weighed().filter(|(_, weight)| **weight == 0).nth(self.turn % idle.max(1)).map(|(origin, _)| *origin)
    }

    fn rank(&self, origin: Endpoint, now: Instant) -> Rank {
        let Some(place) = self.find(origin).map(|at| &self.places[at]) else { return Rank::Healthy(0) };
        if place.failures < FAILURES_MAX {
            Rank::Healthy(place.active)
        } else if place.trial || now < place.until {
            Rank::BackedOff(place.until)
        } else {
            Rank::Due
        }
    }

    fn take(&mut self, origin: Endpoint, rank: Rank, range: bool) -> Choice {
        let Some(at) = self.find(origin).or_else(|| self.vacancy(origin)) else {
            return Choice { origin, place: OriginPlace::NONE, untracked: true };
        };
        let place = &mut self.places[at];
        if place.origin != origin {
            *place = Place { origin, range, ..VACANT };
        }
        place.active += 1;
        place.trial |= rank == Rank::Due;
        Choice { origin, place: OriginPlace(at as u32), untracked: false }
    }

    fn find(&self, origin: Endpoint) -> Option<usize> {
        self.near(origin).find(|at| self.places[*at].origin == origin)
    }

    /// A place that nobody holds: one of which nothing is known, else the one whose failures are the oldest.
    fn vacancy(&self, origin: Endpoint) -> Option<usize> {
        let idle = self.near(origin).filter(|at| self.places[*at].active == 0);
        idle.min_by_key(|at| {
            let place = &self.places[*at];
            if place.failures == 0 { Instant::ZERO } else { place.until }
        })
    }

    fn near(&self, origin: Endpoint) -> impl Iterator<Item = usize> + use<> {
        let bits = origin.addr.bits();
        let mixed = (bits as u64 ^ (bits >> 64) as u64 ^ u64::from(origin.port) << 48)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (first, mask) = ((mixed >> 40) as usize, self.places.len() - 1);
        (0..PROBES).map(move |step| (first + step) & mask)
    }
}

impl Place {
    /// One more failure; `true` when the origin is left alone from now on.
    fn fail(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_MAX || now < self.until && !self.trial {
            return false;
        }
        let alone = Span::from_nanos(BACK_OFF_FIRST.nanos() << self.rounds.min(16)).min(BACK_OFF_MAX);
        self.until = now + alone;
        self.rounds = self.rounds.saturating_add(1);
        self.trial = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountSlot, AppSlot, ZoneSlot};
    use crate::table::{AppId, PortRange, ProxyProtocol, TlsMode};
    use crate::wire::Protocol;

    fn origin(n: u8) -> Endpoint {
        Endpoint { addr: Addr::v4([192, 0, 2, n]), port: 3000 }
    }

    fn app(origins: &[u8]) -> App {
        App {
            slot: AppSlot(0),
            id: AppId::from_bits(1),
            name: "a.example.com".into(),
            account: AccountSlot(0),
            zone: ZoneSlot(0),
            protocol: Protocol::Tcp,
            ports: PortRange::new(1000, 1999).expect("a range"),
            limits: None,
            ip_firewall: false,
            proxy_protocol: ProxyProtocol::Off,
            udp: crate::table::UdpOptions::default(),
            tls: TlsMode::Off,
            origins: origins.iter().map(|n| origin(*n)).collect(),
            weights: Box::default(),
            no_origin: NoOrigin::Unresolved,
        }
    }

    /// What each of a thousand choices for origins 1 and on, of these weights, came to; every `held`th one stays.
    fn shares(weights: &[u16], held: usize) -> Vec<usize> {
        let numbers: Vec<u8> = (1..=weights.len() as u8).collect();
        let app = App { weights: weights.into(), ..app(&numbers) };
        let (mut balance, mut shares) = (Balance::default(), vec![0; weights.len()]);
        for n in 0..1_000 {
            let choice = choose(&mut balance, &app, 0);
            shares[usize::from(last(Ok(choice))) - 1] += 1;
            if n % held != 0 {
                balance.hear(choice.place, OriginNews::Left, at(0));
            }
        }
        shares
    }

    #[test]
    fn where_weights_differ_choices_follow_them_whether_connections_last_or_not() {
        for held in [1, 7, 1_001] {
            let close = |weights: &[u16], expected: &[usize]| {
                let shares = shares(weights, held);
                let near =
                    shares.iter().zip(expected).all(|(share, expected)| share.abs_diff(*expected) <= 5);
                assert!(near, "{weights:?}, every {held}th held: {shares:?}");
            };
            close(&[10, 20, 70], &[100, 200, 700]);
            close(&[1, 65_535], &[0, 1_000]);
            close(&[3, 1, 0], &[748, 249, 2]);
            close(&[0, 1, 0, 1], &[2, 495, 2, 495]);
        }
        assert!(shares(&[0, 1], 1)[0] > 0, "a very small chance is one");
        assert_eq!(shares(&[0, 0, 0, 0], 1), [250; 4], "weights that say nothing: the fewest connections");
    }

    #[test]
    fn weights_count_among_those_alone_that_can_be_had() {
        let app = App { weights: [90, 9, 1, 0].into(), ..app(&[1, 2, 3, 4]) };
        let mut balance = Balance::default();
        knock_out(&mut balance, 1, 0);
        let seen: Vec<u8> = (0..1_000).map(|_| last(Ok(choose(&mut balance, &app, 1)))).collect();
        let count = |n| seen.iter().filter(|seen| **seen == n).count();
        assert!(count(1) == 0 && count(2).abs_diff(900) <= 5 && count(3).abs_diff(100) <= 5, "{}", count(2));
        let bad = |addr: Addr| addr == origin(2).addr;
        let second = balance.choose((&app, 1000), Some(origin(3)), bad, at(1));
        assert_eq!(last(second), 4, "the only one left");
        assert_eq!(choose(&mut balance, &app, 3).origin, origin(1), "a trial comes before weights");
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Span::from_secs(100 + secs)
    }

    fn last(choice: Result<Choice, NoChoice>) -> u8 {
        choice.expect("an origin").origin.addr.bits() as u8
    }

    fn choose(balance: &mut Balance, app: &App, secs: u64) -> Choice {
        balance.choose((app, 1000), None, |_| false, at(secs)).expect("an origin")
    }

    /// Fails origin `n` as often as it takes.
    fn knock_out(balance: &mut Balance, n: u8, secs: u64) {
        let lone = app(&[n, n]);
        for round in 1..=FAILURES_MAX {
            let choice = choose(balance, &lone, secs);
            assert!(!balance.hear(choice.place, OriginNews::Refused, at(secs)), "a port of a range");
            assert_eq!(balance.hear(choice.place, OriginNews::Failed, at(secs)), round == FAILURES_MAX);
            balance.hear(choice.place, OriginNews::GaveUp, at(secs));
        }
    }

    #[test]
    fn connections_go_where_the_fewest_are() {
        let (mut balance, app) = (Balance::default(), app(&[1, 2, 3]));
        let mut held: Vec<Choice> = (0..30).map(|_| choose(&mut balance, &app, 0)).collect();
        let count =
            |held: &[Choice], n| held.iter().filter(|choice| choice.origin.addr.bits() as u8 == n).count();
        assert_eq!([1, 2, 3].map(|n| count(&held, n)), [10, 10, 10]);
        held.retain(|choice| {
            let gone = choice.origin == origin(2);
            if gone {
                balance.hear(choice.place, OriginNews::Left, at(1));
            }
            !gone
        });
        held.extend((0..10).map(|_| choose(&mut balance, &app, 2)));
        assert_eq!([1, 2, 3].map(|n| count(&held, n)), [10, 10, 10]);
    }

    #[test]
    fn a_port_keeps_its_place_within_the_range() {
        let (mut balance, one, two) = (Balance::default(), app(&[1]), app(&[1, 2]));
        for (app, tried) in [(&one, None), (&two, Some(Endpoint { port: 3005, ..origin(2) }))] {
            let choice = balance.choose((app, 1005), tried, |_| false, at(0)).expect("an origin");
            assert_eq!(choice.origin, Endpoint { port: 3005, ..origin(1) });
        }
    }

    #[test]
    fn what_is_forbidden_or_was_tried_is_not_chosen() {
        let (mut balance, one, two) = (Balance::default(), app(&[1]), app(&[1, 2]));
        let bad = |n: u8| move |addr: Addr| addr == origin(n).addr;
        assert_eq!(balance.choose((&one, 1000), None, bad(1), at(0)), Err(NoChoice::Forbidden));
        assert_eq!(balance.choose((&one, 1000), Some(origin(1)), |_| false, at(0)), Err(NoChoice::NoOther));
        assert_eq!(last(balance.choose((&two, 1000), None, bad(1), at(0))), 2);
        assert_eq!(balance.choose((&two, 1000), Some(origin(2)), bad(1), at(0)), Err(NoChoice::NoOther));
        assert_eq!(balance.choose((&two, 1000), None, |_| true, at(0)), Err(NoChoice::Forbidden));
        assert_eq!(
            balance.choose((&app(&[]), 1000), None, |_| false, at(0)),
            Err(NoChoice::NoOrigin(NoOrigin::Unresolved))
        );
    }

    #[test]
    fn an_origin_that_fails_is_left_alone_and_tried_by_one_connection_when_its_time_is_over() {
        let (mut balance, app) = (Balance::default(), app(&[1, 2]));
        knock_out(&mut balance, 1, 0);
        assert!((0..20).all(|_| choose(&mut balance, &app, 1).origin == origin(2)), "left alone");
        let trial = choose(&mut balance, &app, 2);
        assert_eq!(trial.origin, origin(1), "the trial");
        assert!((0..5).all(|_| choose(&mut balance, &app, 3).origin == origin(2)), "one trial at a time");
        assert!(balance.hear(trial.place, OriginNews::Failed, at(4)));
        balance.hear(trial.place, OriginNews::GaveUp, at(4));
        assert!((0..5).all(|_| choose(&mut balance, &app, 7).origin == origin(2)), "twice as long");
        let trial = choose(&mut balance, &app, 8);
        assert_eq!(trial.origin, origin(1));
        balance.hear(trial.place, OriginNews::Connected, at(8));
        assert!(
            (0..25).all(|_| choose(&mut balance, &app, 9).origin == origin(1)),
            "it has fewer connections"
        );
    }

    #[test]
    fn a_trial_that_its_client_left_is_made_again() {
        let (mut balance, app) = (Balance::default(), app(&[1, 2]));
        let old = [choose(&mut balance, &app, 0), choose(&mut balance, &app, 0)];
        assert_ne!(old[0].origin, old[1].origin);
        knock_out(&mut balance, 1, 0);
        let trial = choose(&mut balance, &app, 5);
        balance.hear(trial.place, OriginNews::GaveUp, at(5));
        assert_eq!((trial.origin, choose(&mut balance, &app, 5).origin), (origin(1), origin(1)));
    }

    #[test]
    fn where_none_is_healthy_one_is_tried_all_the_same() {
        let (mut balance, app) = (Balance::default(), app(&[1, 2]));
        knock_out(&mut balance, 2, 0);
        knock_out(&mut balance, 1, 1);
        assert_eq!(choose(&mut balance, &app, 1).origin, origin(2), "the one that is due first");
    }

    #[test]
    fn more_origins_than_places_are_used_and_said_to_be_untracked() {
        let mut balance = Balance::default();
        let mut untracked = 0;
        for n in 0..2 * ORIGINS_TRACKED_MAX as u32 {
            let end = |low: u32| Endpoint { addr: Addr::v4((0x0a00_0000 | low).to_be_bytes()), port: 1 };
            let app = App { origins: [end(2 * n), end(2 * n + 1)].into(), ..app(&[]) };
            untracked += usize::from(choose(&mut balance, &app, 0).untracked);
        }
        assert!((ORIGINS_TRACKED_MAX..2 * ORIGINS_TRACKED_MAX).contains(&untracked), "{untracked}");
        let held: u32 = balance.places.iter().map(|place| place.active).sum();
        assert_eq!(held as usize + untracked, 2 * ORIGINS_TRACKED_MAX);
    }
}

//! Who is let in: shares of apps and accounts, and the limits that an operator sets for apps and their clients.
//!
//! ```text
//!  first SYN --> shares (sessions, half-open slots, seats, source ports) --> limits of the app (mostly off) --> session
//! ```
//! A seat is what a session has while it is smoltcp's and not parked: one that wakes asks for its share of them again.
//!
//! A client is its address (IPv6: its /64) towards one app. Clients are counted in a table of fixed size under a secret
//! of the boot, with bounded probes; it is only looked at where an app limits its clients. A client that finds no place
//! goes uncounted, which is counted.

use crate::base::limits::{APPS_MAX, CLIENTS_COUNTED_MAX};
use crate::base::{Addr, DropReason, Instant, Span};
use crate::flow::{FlowHasher, Share, SharePercents, Tenant};
use crate::table::ConnectionLimits;
use crate::wire::{FlowKey, Protocol};

/// How many places a client may lie away from its own.
const PROBES: usize = 8;
/// A second's worth may come at once.
const BURST: Span = Span::from_secs(1);

/// Where a client is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientPlace(u32);

impl ClientPlace {
    /// It is not counted: nobody limits it, or there was no place.
    pub const NONE: Self = Self(u32::MAX);
}

/// What was found for a client that may come in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where it is counted.
    pub client: ClientPlace,
    /// Whether it should be counted and finds no place.
    pub uncounted: bool,
}

/// What a worker's sessions are held by.
pub struct Gate {
    sessions: Share,
    half_open: Share,
    seats: Share,
    defaults: ConnectionLimits,
    /// By app slot: until when its new connections are paid for, in nanoseconds.
    paid: Box<[u64]>,
    clients: Box<[Client]>,
    hasher: FlowHasher,
}

#[derive(Clone, Copy)]
struct Client {
    net: Addr,
    app: u32,
    sessions: u32,
    paid: u64,
}

impl Gate {
    /// Nobody is in.
    pub fn new(
        (sessions, half_open, seats): (u32, u32, u32),
        percents: SharePercents,
        defaults: ConnectionLimits,
        hasher: FlowHasher,
    ) -> Self {
        let nobody = Client { net: Addr::v4([0; 4]), app: 0, sessions: 0, paid: 0 };
        Self {
            sessions: Share::new(sessions, percents),
            half_open: Share::new(half_open, percents),
            seats: Share::new(seats, percents),
            defaults,
            paid: vec![0; APPS_MAX].into_boxed_slice(),
            clients: vec![nobody; CLIENTS_COUNTED_MAX].into_boxed_slice(),
            hasher,
        }
    }

    /// What is in the way of one more half-open session of `tenant`: its share.
    #[inline]
    pub fn half_open_refusal(&self, tenant: Tenant) -> Option<DropReason> {
        self.half_open.refusal(tenant)
    }

    /// What is in the way of one more session of `tenant` with a seat: its shares.
    #[inline]
    fn share_refusal(&self, tenant: Tenant) -> Option<DropReason> {
        self.sessions.refusal(tenant).or_else(|| self.seats.refusal(tenant))
    }

    /// Whether `client` may open a session of `tenant`, whose app has `limits` of its own.
    ///
    /// # Errors
    /// The limit that is in the way.
    #[inline]
    pub fn ask(
        &mut self,
        tenant: Tenant,
        limits: Option<ConnectionLimits>,
        client: Addr,
        now: Instant,
    ) -> Result<Entry, DropReason> {
        if let Some(reason) = self.share_refusal(tenant) {
            return Err(reason);
        }
        let limits = limits.unwrap_or(self.defaults);
        if limits == ConnectionLimits::OFF {
            return Ok(Entry { client: ClientPlace::NONE, uncounted: false });
        }
        self.ask_limits(tenant, limits, client, now)
    }

    /// What would be in the way of `client`, were it to come now: nothing is taken, and nobody is entered.
    #[inline]
    pub fn foresee(
        &self,
        tenant: Tenant,
        limits: Option<ConnectionLimits>,
        client: Addr,
        now: Instant,
    ) -> Option<DropReason> {
        let limits = limits.unwrap_or(self.defaults);
        match self.share_refusal(tenant) {
            None if limits != ConnectionLimits::OFF => self.foresee_limits(tenant, limits, client, now),
            refusal => refusal,
        }
    }

    #[cold]
    fn foresee_limits(
        &self,
        tenant: Tenant,
        limits: ConnectionLimits,
        client: Addr,
        now: Instant,
    ) -> Option<DropReason> {
        if over(self.sessions.held_by(tenant.app), limits.connections) {
            return Some(DropReason::AppConnections);
        }
        if let Some(entry) = self.known(tenant, client, now).map(|at| self.clients[at]) {
            if over(entry.sessions, limits.client_connections) {
                return Some(DropReason::ClientConnections);
            }
            if after_one(entry.paid, limits.client_new_per_s, now).is_none() {
                return Some(DropReason::ClientRateLimited);
            }
        }
        let paid = self.paid.get(tenant.app.index()).copied().unwrap_or_default();
        after_one(paid, limits.new_per_s, now).is_none().then_some(DropReason::AppRateLimited)
    }

    #[cold]
    fn ask_limits(
        &mut self,
        tenant: Tenant,
        limits: ConnectionLimits,
        client: Addr,
        now: Instant,
    ) -> Result<Entry, DropReason> {
        if over(self.sessions.held_by(tenant.app), limits.connections) {
            return Err(DropReason::AppConnections);
        }
        let wanted = limits.client_connections != 0 || limits.client_new_per_s != 0;
        let place = wanted.then(|| self.place(tenant, client, now)).flatten();
        if let Some(at) = place {
            let entry = &mut self.clients[at];
            if over(entry.sessions, limits.client_connections) {
                return Err(DropReason::ClientConnections);
            }
            if !pay(&mut entry.paid, limits.client_new_per_s, now) {
                return Err(DropReason::ClientRateLimited);
            }
        }
        let paid = self.paid.get_mut(tenant.app.index());
        if paid.is_some_and(|paid| !pay(paid, limits.new_per_s, now)) {
            return Err(DropReason::AppRateLimited);
        }
        let client = place.map_or(ClientPlace::NONE, |at| ClientPlace(at as u32));
        Ok(Entry { client, uncounted: wanted && place.is_none() })
    }

    /// A session was opened; it is half-open and has a seat.
    #[inline]
    pub fn enter(&mut self, tenant: Tenant, client: ClientPlace) {
        self.sessions.take(tenant);
        self.seats.take(tenant);
        self.half_open.take(tenant);
        if let Some(entry) = self.clients.get_mut(client.0 as usize) {
            entry.sessions += 1;
        }
    }

    /// A session that gave its seat up takes one again.
    ///
    /// # Errors
    /// The share of seats that is in the way.
    pub fn sit_down(&mut self, tenant: Tenant) -> Result<(), DropReason> {
        match self.seats.refusal(tenant) {
            Some(reason) => Err(reason),
            None => {
                self.seats.take(tenant);
                Ok(())
            }
        }
    }

    /// A session gives its seat up.
    #[inline]
    pub fn get_up(&mut self, tenant: Tenant) {
        self.seats.give_back(tenant);
    }

    /// A session is no longer half-open.
    #[inline]
    pub fn prove(&mut self, tenant: Tenant) {
        self.half_open.give_back(tenant);
    }

    /// A session is gone.
    #[inline]
    pub fn leave(&mut self, tenant: Tenant, client: ClientPlace) {
        self.sessions.give_back(tenant);
        if let Some(entry) = self.clients.get_mut(client.0 as usize) {
            entry.sessions = entry.sessions.saturating_sub(1);
        }
    }

    /// Where the client is counted, made where it was not: near its own place, never far.
    fn place(&mut self, tenant: Tenant, client: Addr, now: Instant) -> Option<usize> {
        if let Some(known) = self.known(tenant, client, now) {
            return Some(known);
        }
        let free = self.near(tenant, client).find(|place| !self.clients[*place].is_held(now))?;
        self.clients[free] = Client { net: net_of(client), app: tenant.app.0, sessions: 0, paid: 0 };
        Some(free)
    }

    /// Where the client is counted, if it is.
    fn known(&self, tenant: Tenant, client: Addr, now: Instant) -> Option<usize> {
        let (net, app) = (net_of(client), tenant.app.0);
        let holds = |client: &Client| client.net == net && client.app == app && client.is_held(now);
        self.near(tenant, client).find(|place| holds(&self.clients[*place]))
    }

    /// The places at which it may be counted.
    fn near(&self, tenant: Tenant, client: Addr) -> impl Iterator<Item = usize> + use<> {
        let marker = Addr::v6(u128::from(tenant.app.0).to_be_bytes());
        let (src, dst) = (net_of(client), marker);
        let key = FlowKey { src, dst, src_port: 0, dst_port: 0, protocol: Protocol::Tcp };
        let count = self.clients.len();
        let first = self.hasher.hash(&key) as usize % count;
        (0..PROBES).map(move |step| (first + step) % count)
    }
}

impl Client {
    const fn is_held(&self, now: Instant) -> bool {
        self.sessions != 0 || self.paid > now.nanos()
    }
}

/// The source as limits see it: an IPv6 host has a whole /64 to speak from.
fn net_of(client: Addr) -> Addr {
    if client.is_v4() { client } else { Addr::v6((client.bits() >> 64 << 64).to_be_bytes()) }
}

const fn over(held: u32, max: u32) -> bool {
    max != 0 && held >= max
}

/// The generic cell rate algorithm (ITU-T I.371): whether one more may pass, `per_s` a second; 0 is no limit.
fn pay(paid: &mut u64, per_s: u32, now: Instant) -> bool {
    match after_one(*paid, per_s, now) {
        Some(after) => {
            *paid = after;
            true
        }
        None => false,
    }
}

/// Until when it is paid for after one more; `None` when none may pass.
fn after_one(paid: u64, per_s: u32, now: Instant) -> Option<u64> {
    if per_s == 0 {
        return Some(paid);
    }
    let (cost, now) = (BURST.nanos() / u64::from(per_s), now.nanos());
    (paid.saturating_sub(now) + cost <= BURST.nanos()).then(|| now.max(paid) + cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountSlot, AppSlot};

    const OFF: ConnectionLimits = ConnectionLimits::OFF;

    fn tenant(app: u32) -> Tenant {
        Tenant { app: AppSlot(app), account: AccountSlot(0) }
    }

    fn gate(defaults: ConnectionLimits) -> Gate {
        Gate::new((1_000, 1_000, 1_000), SharePercents::ALL, defaults, FlowHasher::new(&[7; 32]))
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Span::from_millis(ms)
    }

    fn client(text: &str) -> Addr {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    /// How many of `tries` come in, and what keeps the first one out that does not.
    fn opened(gate: &mut Gate, app: u32, from: &str, tries: usize) -> (usize, Option<DropReason>) {
        for count in 0..tries {
            match gate.ask(tenant(app), None, client(from), at(5_000)) {
                Ok(entry) => gate.enter(tenant(app), entry.client),
                Err(reason) => return (count, Some(reason)),
            }
        }
        (tries, None)
    }

    #[test]
    fn connections_of_an_app_and_of_a_client_are_bounded() {
        let mut gate = gate(ConnectionLimits { connections: 10, client_connections: 4, ..OFF });
        assert_eq!(opened(&mut gate, 1, "192.0.2.1", 9), (4, Some(DropReason::ClientConnections)));
        assert_eq!(opened(&mut gate, 1, "2001:db8::1", 9), (4, Some(DropReason::ClientConnections)));
        assert_eq!(
            opened(&mut gate, 1, "2001:db8::2", 1),
            (0, Some(DropReason::ClientConnections)),
            "one /64"
        );
        assert_eq!(opened(&mut gate, 1, "192.0.2.2", 9), (2, Some(DropReason::AppConnections)));
        assert_eq!(opened(&mut gate, 2, "192.0.2.1", 1), (1, None), "another app");
        let entry = gate.place(tenant(1), client("192.0.2.1"), at(5_000)).expect("counted");
        gate.leave(tenant(1), ClientPlace(entry as u32));
        assert_eq!(opened(&mut gate, 1, "192.0.2.1", 2), (1, Some(DropReason::AppConnections)));
    }

    #[test]
    fn a_tenant_whose_share_of_seats_is_used_up_neither_comes_in_nor_wakes() {
        let percents = SharePercents { app: 25, account: 100 };
        let mut gate = Gate::new((1_000, 1_000, 10), percents, OFF, FlowHasher::new(&[7; 32]));
        assert_eq!(opened(&mut gate, 1, "192.0.2.1", 99), (8, Some(DropReason::AppShare)));
        assert_eq!(gate.foresee(tenant(1), None, client("192.0.2.1"), at(0)), Some(DropReason::AppShare));
        assert_eq!(opened(&mut gate, 2, "192.0.2.1", 1), (1, None), "what is kept is for others");
        gate.get_up(tenant(1));
        assert_eq!(gate.sit_down(tenant(1)), Err(DropReason::AppShare), "it still has seven of eight");
        assert_eq!(gate.sit_down(tenant(3)), Ok(()));
        (0..7).for_each(|_| gate.get_up(tenant(1)));
        assert_eq!(gate.sit_down(tenant(1)), Ok(()));
    }

    #[test]
    fn new_connections_come_at_their_rate() {
        let mut gate = gate(ConnectionLimits { new_per_s: 20, client_new_per_s: 5, ..OFF });
        assert_eq!(opened(&mut gate, 1, "192.0.2.1", 99), (5, Some(DropReason::ClientRateLimited)));
        assert_eq!(opened(&mut gate, 1, "192.0.2.2", 99), (5, Some(DropReason::ClientRateLimited)));
        assert_eq!(opened(&mut gate, 1, "192.0.2.3", 5), (5, None));
        assert_eq!(opened(&mut gate, 1, "192.0.2.4", 5), (5, None));
        assert_eq!(opened(&mut gate, 1, "192.0.2.5", 1), (0, Some(DropReason::AppRateLimited)));
        assert!(gate.ask(tenant(1), None, client("192.0.2.1"), at(5_200)).is_ok(), "one more after a fifth");
        assert!(gate.ask(tenant(1), None, client("192.0.2.1"), at(5_200)).is_err());
        assert!(
            gate.ask(tenant(1), Some(OFF), client("192.0.2.1"), at(5_200)).is_ok(),
            "its own limits hold"
        );
    }

    #[test]
    fn what_would_be_in_the_way_is_what_then_is_and_asking_for_it_takes_nothing() {
        let mut gate = gate(ConnectionLimits {
            connections: 10,
            new_per_s: 9,
            client_connections: 4,
            client_new_per_s: 5,
        });
        for (number, from) in (0..40).map(|number| (number, client(&format!("192.0.2.{}", number / 5)))) {
            let now = at(5_000 + number * 20);
            let foreseen = gate.foresee(tenant(1), None, from, now);
            (0..50).for_each(|_| assert_eq!(gate.foresee(tenant(1), None, from, now), foreseen));
            let asked = gate.ask(tenant(1), None, from, now);
            assert_eq!(asked.err(), foreseen, "{from} is number {number}");
            asked.into_iter().for_each(|entry| gate.enter(tenant(1), entry.client));
        }
    }

    #[test]
    fn a_flood_of_sources_finds_a_bounded_table_and_lets_go_of_it() {
        let mut gate = gate(ConnectionLimits { client_new_per_s: 1, ..OFF });
        let source = |n: u32| Addr::v4(n.to_be_bytes());
        let uncounted = (0..300_000)
            .filter(|n| gate.ask(tenant(0), None, source(*n), at(1)).is_ok_and(|entry| entry.uncounted));
        assert!(uncounted.count() > 100_000, "more sources than places");
        let late = gate.ask(tenant(0), None, source(9_999_999), at(60_000));
        assert!(late.is_ok_and(|entry| !entry.uncounted), "a second later the places are free");
    }
}

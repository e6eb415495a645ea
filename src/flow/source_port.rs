//! Our own end of an origin leg: which egress address and port, and how long a tuple rests after use.
//!
//! Ports are split among the workers (`port % workers`), so that a reply finds its worker by its destination port
//! alone; where the device spreads by a hash of ours, ports whose replies hash home are preferred. The choice is RFC
//! 6056 algorithm 4 (double-hash port selection): an offset keyed by the origin and a counter that walks on. Where the walk
//! finds no free tuple within a few steps, one is woken that rests lightly (`EarlyReuse`): the walk comes round, so that
//! it is one of those towards this origin that have rested longest.

use super::hash::expand;
use super::reuse::{Call, Choice, EarlyReuse, UsedTuple};
use super::{FlowHasher, Rest, Resting, Share, SharePercents, Sleep, Tenant};
use crate::base::{Addr, DropReason, Endpoint, Instant, Span, WorkerId};
use crate::wire::{FlowKey, Protocol};
use std::ops::RangeInclusive;

/// Candidates looked at for one choice: with 97 % of the tuples taken one choice in 2,000 fails.
const PROBES_MAX: usize = 256;
/// Candidates per worker after which one that is not quite as good is taken: a tuple that rests lightly, or one whose
/// replies come in elsewhere.
const STEPS_CONTENT: usize = 8;
/// Counters of RFC 6056 algorithm 4.
const COUNTERS: usize = 256;
/// Tuples woken from quarantine by one choice.
const WAKES_PER_CHOICE: usize = 8;

/// The worker that owns an egress port.
#[inline]
pub const fn owner_of_port(port: u16, workers: u8) -> WorkerId {
    WorkerId((port % workers as u16) as u8)
}

/// What source tuples are made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EgressPool {
    /// Egress addresses, IPv4.
    pub ipv4: Vec<Addr>,
    /// Egress addresses, IPv6.
    pub ipv6: Vec<Addr>,
    /// Ports of all workers together.
    pub ports: RangeInclusive<u16>,
    /// How long a tuple rests after use.
    pub quarantine: Span,
    /// Tuples of one worker that can rest at once; more means exhaustion.
    pub quarantine_max: usize,
}

/// What is kept of a tuple at rest: who used it last, and who may have it sooner.
#[derive(Clone, Copy)]
struct Rested {
    tenant: Option<Tenant>,
    early: Option<EarlyReuse>,
}

/// A tuple that may be woken.
#[derive(Clone, Copy)]
struct Light {
    egress: Endpoint,
    rest: Rest,
    /// Whether its replies come home.
    home: bool,
    step: usize,
}

/// One worker's share of the egress tuples.
pub struct SourcePorts {
    pool: EgressPool,
    /// TCP's and UDP's ports are two spaces.
    protocol: Protocol,
    /// The first port of this worker, and how many it has.
    first: u16,
    ports: u32,
    workers: u8,
    offset: FlowHasher,
    index: FlowHasher,
    counters: [u32; COUNTERS],
    resting: Resting<Rested>,
    /// Of what rests to the end; what can be woken is in nobody's way.
    share: Share,
}

impl SourcePorts {
    /// The share of `worker`, one of `workers`.
    pub fn new(pool: EgressPool, worker: WorkerId, workers: u8, secret: &[u8; 32]) -> Self {
        let workers = workers.max(1);
        let (lo, hi) = (u32::from(*pool.ports.start()).max(1), u32::from(*pool.ports.end()));
        let skip = (u32::from(worker.0) + u32::from(workers) - lo % u32::from(workers)) % u32::from(workers);
        let first = lo + skip;
        let ports = if first > hi { 0 } else { (hi - first) / u32::from(workers) + 1 };
        let [offset, index, resting] =
            [0x10, 0x11, 0x12].map(|label| FlowHasher::new(&relabel(secret, label)));
        let resting = Resting::new(pool.quarantine_max, pool.quarantine, resting);
        let (counters, share) = (
            [0; COUNTERS],
            Share::new(pool.quarantine_max.min(u32::MAX as usize) as u32, SharePercents::ALL),
        );
        Self {
            pool,
            protocol: Protocol::Tcp,
            first: first as u16,
            ports,
            workers,
            offset,
            index,
            counters,
            resting,
            share,
        }
    }

    /// The same for UDP's ports.
    pub fn for_udp(self) -> Self {
        Self { protocol: Protocol::Udp, ..self }
    }

    /// Sets how much of the quarantine one app and one account may fill. Before the first use.
    pub fn set_shares(&mut self, percents: SharePercents) {
        self.share = Share::new(self.pool.quarantine_max.min(u32::MAX as usize) as u32, percents);
    }

    /// Why `tenant` may not have one more tuple: it fills too much of the quarantine, which everybody needs. What has rested is
    /// let go of first: who is refused gets no further, to where a choice would do it.
    #[inline]
    pub fn refusal(&mut self, tenant: Tenant, now: Instant) -> Option<DropReason> {
        self.share.refusal(tenant)?;
        self.wake(now);
        self.share.refusal(tenant)
    }

    /// A tuple for `call`; `None` when none was found, which the caller counts as exhaustion. `in_use` tells whether a
    /// flow is alive, `comes_home` whether its replies reach this worker without a hand-over.
    pub fn choose(
        &mut self,
        call: Call,
        now: Instant,
        in_use: impl Fn(&FlowKey) -> bool,
        comes_home: impl Fn(&FlowKey) -> bool,
    ) -> Option<Choice> {
        self.wake(now);
        let origin = call.origin;
        let addrs = if origin.addr.is_v4() { self.pool.ipv4.len() } else { self.pool.ipv6.len() };
        let tuples = self.ports as usize * addrs;
        if tuples == 0 || !self.has_room(now) {
            return None;
        }
        let probe = self.reply_key(origin, Endpoint { addr: origin.addr, port: 0 });
        let offset = self.offset.hash(&probe) as usize % tuples;
        let counter = self.index.hash(&probe) as usize % COUNTERS;
        let (mut away, mut light): (_, Option<Light>) = (None, None);
        for step in 0..tuples.min(PROBES_MAX) {
            let place = (offset + self.counters[counter] as usize + step) % tuples;
            let egress = self.tuple_at(place, origin.addr.is_v4());
            let key = self.reply_key(origin, egress);
            if in_use(&key) {
                continue;
            }
            match self.resting.find(&key) {
                None if comes_home(&key) => {
                    self.walk_on(counter, step + 1);
                    return Some(Choice { egress, woken: false });
                }
                None => away = away.or(Some(egress)),
                Some(rest) if light.is_none_or(|light| !light.home) && self.serves(rest, call, now) => {
                    let home = comes_home(&key);
                    if home || light.is_none() {
                        light = Some(Light { egress, rest, home, step });
                    }
                }
                Some(_) => {}
            }
            let content = away.is_some() || light.is_some();
            if content && step >= STEPS_CONTENT * usize::from(self.workers) {
                break;
            }
        }
        match (away, light) {
            (None, Some(Light { egress, rest, home: _, step })) => {
                self.walk_on(counter, step + 1);
                self.resting.remove(rest);
                Some(Choice { egress, woken: true })
            }
            (away, _) => {
                self.walk_on(counter, 1);
                away.map(|egress| Choice { egress, woken: false })
            }
        }
    }

    /// Whether one more tuple can rest after use. One that rests lightly gives its place up, and is forgotten: that its
    /// connection may have wanted timestamps of the next one is forgotten with it.
    fn has_room(&mut self, now: Instant) -> bool {
        if !self.resting.is_full() {
            return true;
        }
        let ready = |rested: &Rested| rested.early.is_some_and(|early| early.from <= now);
        self.resting.wake_light(ready).is_some()
    }

    fn serves(&mut self, rest: Rest, call: Call, now: Instant) -> bool {
        self.resting.value_mut(rest).early.is_some_and(|early| early.serves(call.timestamps, now))
    }

    fn walk_on(&mut self, counter: usize, steps: usize) {
        self.counters[counter] = self.counters[counter].wrapping_add(steps as u32);
    }

    /// Lays a tuple to rest after its flow is gone.
    pub fn release(&mut self, used: UsedTuple, now: Instant) {
        self.wake(now);
        if self.resting.is_full() {
            // Before its time: the lightest sleeper, or else whatever rests the longest.
            let woken = self.resting.evict_oldest();
            self.give_back(woken);
        }
        let UsedTuple { tenant, origin, egress, early } = used;
        let sleep = if early.is_some() { Sleep::Light } else { Sleep::Sound };
        let rested = Rested { tenant, early };
        // A refusal means that sixteen resting tuples share two buckets; one more early reuse does no harm.
        let rests = self.resting.insert_as(sleep, self.reply_key(origin, egress), rested, now).is_some();
        if let (Some(tenant), None, true) = (tenant, early, rests) {
            self.share.take(tenant);
        }
    }

    /// Lets go of tuples that have rested, a few at a time.
    pub fn wake(&mut self, now: Instant) {
        for _ in 0..WAKES_PER_CHOICE {
            let Some(woken) = self.resting.wake(now) else { return };
            self.give_back(Some(woken));
        }
    }

    fn give_back(&mut self, woken: Option<Rested>) {
        if let Some(Rested { tenant: Some(tenant), early: None }) = woken {
            self.share.give_back(tenant);
        }
    }

    /// Tuples in quarantine.
    pub fn resting(&self) -> usize {
        self.resting.len()
    }

    /// The key of a frame from `origin` to our end of the leg.
    fn reply_key(&self, origin: Endpoint, egress: Endpoint) -> FlowKey {
        FlowKey {
            src: origin.addr,
            dst: egress.addr,
            src_port: origin.port,
            dst_port: egress.port,
            protocol: self.protocol,
        }
    }

    /// The tuples run through the ports first, so that one counter step moves to another port.
    fn tuple_at(&self, place: usize, v4: bool) -> Endpoint {
        let addrs = if v4 { &self.pool.ipv4 } else { &self.pool.ipv6 };
        let port = self.first + (place % self.ports as usize) as u16 * u16::from(self.workers);
        Endpoint { addr: addrs[place / self.ports as usize], port }
    }
}

/// A secret of its own for each use of the boot secret.
fn relabel(secret: &[u8; 32], label: u64) -> [u8; 32] {
    let mut own = [0; 32];
    for (index, chunk) in own.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&expand(secret, label << 8 | index as u64).to_be_bytes());
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountSlot, AppSlot};
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::collections::{HashMap, HashSet};

    fn pool(ports: RangeInclusive<u16>) -> EgressPool {
        EgressPool {
            ipv4: vec![Addr::v4([198, 18, 0, 10]), Addr::v4([198, 18, 0, 11])],
            ipv6: vec![],
            ports,
            quarantine: Span::from_secs(60),
            quarantine_max: 1024,
        }
    }

    fn origin(n: u8) -> Endpoint {
        Endpoint { addr: Addr::v4([192, 0, 2, n]), port: 22 }
    }

    fn call(n: u8) -> Call {
        Call { origin: origin(n), timestamps: true }
    }

    fn used(n: u8, egress: Endpoint, early: Option<EarlyReuse>) -> UsedTuple {
        let tenant = Some(Tenant { app: AppSlot(0), account: AccountSlot(0) });
        UsedTuple { tenant, origin: origin(n), egress, early }
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Span::from_secs(secs)
    }

    proptest! {
        /// The model: sets of live tuples and of released ones with their second.
        #[test]
        fn choices_agree_with_a_naive_model(
            workers in 1u8..5,
            worker in 0u8..5,
            steps in prop::collection::vec((0u8..3, any::<bool>()), 1..120),
        ) {
            let worker = worker % workers;
            let mut ports = SourcePorts::new(pool(1024..=1039), WorkerId(worker), workers, &[9; 32]);
            let share = (1024..=1039).filter(|&port| owner_of_port(port, workers) == WorkerId(worker)).count() * 2;
            let mut live: HashSet<(u8, Endpoint)> = HashSet::new();
            let mut rested: HashMap<(u8, Endpoint), u64> = HashMap::new();
            for (second, (n, open)) in steps.into_iter().enumerate() {
                let now = second as u64;
                rested.retain(|_, &mut since| since + 60 > now);
                if open {
                    let taken = live.iter().chain(rested.keys()).filter(|(m, _)| *m == n).count();
                    let choice = ports.choose(call(n), at(now), |key| {
                        live.contains(&(n, key.dst_endpoint()))
                    }, |_| true).map(|choice| choice.egress);
                    prop_assert_eq!(choice.is_some(), taken < share);
                    if let Some(egress) = choice {
                        prop_assert_eq!(owner_of_port(egress.port, workers), WorkerId(worker));
                        prop_assert!((1024..=1039).contains(&egress.port));
                        prop_assert!(!rested.contains_key(&(n, egress)));
                        prop_assert!(live.insert((n, egress)));
                    }
                } else if let Some(&gone) = live.iter().find(|(m, _)| *m == n) {
                    live.remove(&gone);
                    ports.release(used(n, gone.1, None), at(now));
                    rested.insert(gone, now);
                }
            }
        }
    }

    #[test]
    fn one_origin_out_of_tuples_leaves_another_alone() {
        let mut ports = SourcePorts::new(pool(5000..=5001), WorkerId(0), 1, &[9; 32]);
        let live = RefCell::new(HashSet::new());
        for _ in 0..4 {
            let choice = ports.choose(call(1), at(0), |key| live.borrow().contains(key), |_| true);
            let key = ports.reply_key(origin(1), choice.expect("a tuple is free").egress);
            assert!(live.borrow_mut().insert(key));
        }
        assert_eq!(ports.choose(call(1), at(0), |key| live.borrow().contains(key), |_| true), None);
        assert!(ports.choose(call(2), at(0), |key| live.borrow().contains(key), |_| true).is_some());
    }

    #[test]
    fn ports_that_come_home_are_preferred_and_others_serve_when_none_does() {
        let mut ports = SourcePorts::new(pool(1024..=65535), WorkerId(1), 4, &[9; 32]);
        let home = |key: &FlowKey| key.dst_port % 64 == 1;
        let egress = ports.choose(call(1), at(0), |_| false, home).expect("a tuple is free").egress;
        assert_eq!((egress.port % 64, egress.port % 4), (1, 1));
        assert!(ports.choose(call(1), at(0), |_| false, |_| false).is_some());
    }

    #[test]
    fn consecutive_choices_for_one_origin_differ_and_start_at_a_secret_place() {
        let mut first_ports = HashSet::new();
        for seed in 0..16 {
            let mut ports = SourcePorts::new(pool(1024..=65535), WorkerId(0), 1, &[seed; 32]);
            let a = ports.choose(call(1), at(0), |_| false, |_| true);
            assert_ne!(a, ports.choose(call(1), at(0), |_| false, |_| true));
            first_ports.insert(a.map(|choice| choice.egress.port));
        }
        assert!(first_ports.len() > 12);
    }

    #[test]
    fn a_tuple_is_woken_early_only_when_none_is_free_and_only_on_its_terms() {
        let choose = |ports: &mut SourcePorts, timestamps, secs| {
            ports.choose(Call { origin: origin(1), timestamps }, at(secs), |_| false, |_| true)
        };
        let mut ports = SourcePorts::new(pool(5000..=5001), WorkerId(0), 1, &[9; 32]);
        let all: Vec<Endpoint> = (0..4).map(|place| ports.tuple_at(place, true)).collect();
        let early = EarlyReuse::new(at(0), Span::ZERO, true);
        all[..3].iter().for_each(|egress| ports.release(used(1, *egress, None), at(0)));
        assert_eq!(choose(&mut ports, true, 30), Some(Choice { egress: all[3], woken: false }));
        ports.release(used(1, all[3], Some(early)), at(0));
        assert_eq!(choose(&mut ports, true, 0), None, "a second is the least");
        assert_eq!(choose(&mut ports, false, 30), None, "whoever has no timestamps waits");
        assert_eq!(choose(&mut ports, true, 1), Some(Choice { egress: all[3], woken: true }));
        assert_eq!(ports.resting(), 3);
        assert_eq!(choose(&mut ports, true, 59), Some(Choice { egress: all[3], woken: false }));
    }

    #[test]
    fn tuples_that_can_be_woken_fill_nobodys_share_and_give_up_their_places() {
        let mut small = pool(1024..=65535);
        small.quarantine_max = 10;
        let mut ports = SourcePorts::new(small, WorkerId(0), 1, &[9; 32]);
        ports.set_shares(SharePercents { app: 25, account: 50 });
        let tenant = Tenant { app: AppSlot(0), account: AccountSlot(0) };
        let early = Some(EarlyReuse::new(at(0), Span::ZERO, false));
        let live = |ports: &mut SourcePorts, early, secs| {
            let choice = ports.choose(call(1), at(secs), |_| false, |_| true).expect("a tuple");
            ports.release(used(1, choice.egress, early), at(secs));
        };
        (0..10).for_each(|_| live(&mut ports, early, 0));
        assert_eq!(
            ports.choose(call(1), at(0), |_| false, |_| true),
            None,
            "all rest for less than a second"
        );
        assert_eq!(ports.refusal(tenant, at(0)), None);
        (0..8).for_each(|_| live(&mut ports, None, 2));
        assert_eq!((ports.resting(), ports.refusal(tenant, at(2))), (10, Some(DropReason::AppShare)));
        (0..2).for_each(|_| live(&mut ports, None, 2));
        assert_eq!(ports.choose(call(1), at(3), |_| false, |_| true), None, "all rest to the end");
        // Nobody else's flows come to let go of what has rested.
        assert_eq!(ports.refusal(tenant, at(3_600)), None);
    }

    #[test]
    fn a_source_port_at_rest_takes_at_most_112_bytes() {
        assert!(Resting::<Rested>::bytes_each() <= 112, "{}", Resting::<Rested>::bytes_each());
    }

    #[test]
    fn replies_of_chosen_tuples_come_home_by_the_hash_that_devices_spread_by() {
        use crate::wire::rss::Steering;
        for workers in [2, 4, 8] {
            let steering = Steering::new(workers);
            for worker in (0..workers).map(WorkerId) {
                let mut ports = SourcePorts::new(pool(1024..=65535), worker, workers, &[9; 32]);
                let live = RefCell::new(HashSet::new());
                let home = |key: &FlowKey| steering.owner(key) == worker;
                let chosen = (0..1_000).map(|n| {
                    let call = call(n as u8 % 4);
                    let choice = ports.choose(call, at(0), |key| live.borrow().contains(key), home);
                    let key = ports.reply_key(call.origin, choice.expect("a tuple is free").egress);
                    assert!(live.borrow_mut().insert(key));
                    home(&key)
                });
                let at_home = chosen.filter(|home| *home).count();
                assert!(at_home >= 995, "{at_home} of 1,000 at {worker:?} of {workers}");
            }
        }
    }
}

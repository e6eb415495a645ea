//! Our own end of an origin leg: which egress address and port, and how long a tuple rests after use.
//!
//! Ports are split among the workers (`port % workers`), so that a reply finds its worker by its destination port
//! alone; where the device spreads by a hash of ours, ports whose replies hash home are preferred. The choice is RFC
//! 6056 algorithm 4 (double-hash port selection): an offset keyed by the origin and a counter that walks on.

use super::hash::expand;
use super::{FlowHasher, Resting, Share, SharePercents, Tenant};
use crate::base::{Addr, DropReason, Endpoint, Instant, Span, WorkerId};
use crate::wire::{FlowKey, Protocol};
use std::ops::RangeInclusive;

/// Candidates looked at for one choice: with 97 % of the tuples taken one choice in 2,000 fails.
const PROBES_MAX: usize = 256;
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
    /// Who used them last.
    resting: Resting<Option<Tenant>>,
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

    /// Why `tenant` may not have one more tuple: it fills too much of the quarantine, which everybody needs.
    #[inline]
    pub fn refusal(&self, tenant: Tenant) -> Option<DropReason> {
        self.share.refusal(tenant)
    }

    /// A free tuple towards `origin`; `None` when none was found, which the caller counts as exhaustion. `in_use`
    /// tells whether a flow is alive, `comes_home` whether its replies reach this worker without a hand-over.
    pub fn choose(
        &mut self,
        origin: Endpoint,
        now: Instant,
        in_use: impl Fn(&FlowKey) -> bool,
        comes_home: impl Fn(&FlowKey) -> bool,
    ) -> Option<Endpoint> {
        self.wake(now);
        let addrs = if origin.addr.is_v4() { self.pool.ipv4.len() } else { self.pool.ipv6.len() };
        let tuples = self.ports as usize * addrs;
        if tuples == 0 || self.resting.is_full() {
            return None;
        }
        let probe = self.reply_key(origin, Endpoint { addr: origin.addr, port: 0 });
        let offset = self.offset.hash(&probe) as usize % tuples;
        let counter = self.index.hash(&probe) as usize % COUNTERS;
        let mut away = None;
        for step in 0..tuples.min(PROBES_MAX) {
            let place = (offset + self.counters[counter] as usize + step) % tuples;
            let egress = self.tuple_at(place, origin.addr.is_v4());
            let key = self.reply_key(origin, egress);
            if in_use(&key) || self.resting.find(&key).is_some() {
                continue;
            }
            if comes_home(&key) {
                self.counters[counter] = self.counters[counter].wrapping_add(step as u32 + 1);
                return Some(egress);
            }
            away = away.or(Some(egress));
            if step >= 8 * usize::from(self.workers) {
                break;
            }
        }
        self.counters[counter] = self.counters[counter].wrapping_add(1);
        away
    }

    /// Lays a tuple to rest after its flow is gone.
    pub fn release(&mut self, origin: Endpoint, egress: Endpoint, now: Instant) {
        self.release_of(None, (origin, egress), now);
    }

    /// The same, on the account of whoever used it.
    pub fn release_of(
        &mut self,
        tenant: Option<Tenant>,
        (origin, egress): (Endpoint, Endpoint),
        now: Instant,
    ) {
        self.wake(now);
        if self.resting.is_full() {
            // Whatever rests the longest, before its time.
            let woken = self.resting.wake(Instant::from_nanos(u64::MAX));
            self.give_back(woken);
        }
        // A refusal means that sixteen resting tuples share two buckets; one more early reuse does no harm.
        if self.resting.insert(self.reply_key(origin, egress), tenant, now).is_some()
            && let Some(tenant) = tenant
        {
            self.share.take(tenant);
        }
    }

    /// Lets go of tuples that have rested, a few at a time.
    fn wake(&mut self, now: Instant) {
        for _ in 0..WAKES_PER_CHOICE {
            let Some(woken) = self.resting.wake(now) else { return };
            self.give_back(Some(woken));
        }
    }

    fn give_back(&mut self, woken: Option<Option<Tenant>>) {
        if let Some(tenant) = woken.flatten() {
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
                    let choice = ports.choose(origin(n), at(now), |key| {
                        live.contains(&(n, key.dst_endpoint()))
                    }, |_| true);
                    prop_assert_eq!(choice.is_some(), taken < share);
                    if let Some(egress) = choice {
                        prop_assert_eq!(owner_of_port(egress.port, workers), WorkerId(worker));
                        prop_assert!((1024..=1039).contains(&egress.port));
                        prop_assert!(!rested.contains_key(&(n, egress)));
                        prop_assert!(live.insert((n, egress)));
                    }
                } else if let Some(&gone) = live.iter().find(|(m, _)| *m == n) {
                    live.remove(&gone);
                    ports.release(origin(n), gone.1, at(now));
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
            let egress = ports.choose(origin(1), at(0), |key| live.borrow().contains(key), |_| true);
            let key = ports.reply_key(origin(1), egress.expect("a tuple is free"));
            assert!(live.borrow_mut().insert(key));
        }
        assert_eq!(ports.choose(origin(1), at(0), |key| live.borrow().contains(key), |_| true), None);
        assert!(ports.choose(origin(2), at(0), |key| live.borrow().contains(key), |_| true).is_some());
    }

    #[test]
    fn ports_that_come_home_are_preferred_and_others_serve_when_none_does() {
        let mut ports = SourcePorts::new(pool(1024..=65535), WorkerId(1), 4, &[9; 32]);
        let home = |key: &FlowKey| key.dst_port % 64 == 1;
        let egress = ports.choose(origin(1), at(0), |_| false, home).expect("a tuple is free");
        assert_eq!((egress.port % 64, egress.port % 4), (1, 1));
        assert!(ports.choose(origin(1), at(0), |_| false, |_| false).is_some());
    }

    #[test]
    fn consecutive_choices_for_one_origin_differ_and_start_at_a_secret_place() {
        let mut first_ports = HashSet::new();
        for seed in 0..16 {
            let mut ports = SourcePorts::new(pool(1024..=65535), WorkerId(0), 1, &[seed; 32]);
            let a = ports.choose(origin(1), at(0), |_| false, |_| true);
            assert_ne!(a, ports.choose(origin(1), at(0), |_| false, |_| true));
            first_ports.insert(a.map(|egress| egress.port));
        }
        assert!(first_ports.len() > 12);
    }
}

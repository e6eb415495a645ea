//! Who is probed when, and by which worker. Bounded: so many at once, and each gets an answer or is given up.

use super::watched::{HealthTerms, Verdict, Watched};
use crate::base::limits::{PROBES_IN_FLIGHT_MAX, PROBES_PER_TICK_MAX};
use crate::base::{Endpoint, Instant, ProbeOrder, ProbeOutcome, Rng, Span};
use crate::control::config::boot::HealthSpec;
use crate::snapshot::{AppReport, LiveSpec, Reports};
use crate::table::{AppProbe, AppSpec, OriginBook, PrefixMap, ProxyProtocol};
use crate::wire::Protocol;
use std::collections::{BTreeSet, HashMap, HashSet};

/// How much longer than its timeout a worker may be silent about a probe.
const PATIENCE: Span = Span::from_secs(2);

/// What is probed: an origin, and whether it expects PROXY version 2.
type Target = (Endpoint, bool);

/// All that is to be probed.
pub type Targets = HashSet<Target>;

/// The origins under watch.
pub struct Prober {
    terms: HealthTerms,
    spec: HealthSpec,
    rng: Rng,
    watched: HashMap<Target, Watched>,
    order: BTreeSet<(Instant, Target)>,
    flying: HashMap<u32, (Target, Instant)>,
    number: u32,
}

impl Prober {
    /// Nothing under watch; `seed` spreads the first probes.
    pub fn new(spec: HealthSpec, seed: u64) -> Self {
        let (watched, order, flying) = (HashMap::new(), BTreeSet::new(), HashMap::new());
        let terms = HealthTerms::of(&spec);
        Self { terms, spec, rng: Rng::new(seed), watched, order, flying, number: 0 }
    }

    /// The targets of the apps in force. Forbidden origins are none, nor are those of UDP apps; of a range of ports the
    /// first one stands for all.
    pub fn targets(&self, spec: &LiveSpec, reports: &Reports, around: (&OriginBook, &PrefixMap)) -> Targets {
        let apps = spec.zones().flat_map(|(_, zone)| &zone.apps).zip(reports.iter());
        let probed = |(app, report): &(&AppSpec, &AppReport)| {
            report.slot.is_some() && app.edge.protocol == Protocol::Tcp
        };
        let mut targets = Targets::new();
        for (app, _) in apps.filter(probed) {
            let Ok(candidates) = around.0.candidates(app, around.1) else { continue };
            let allowed: Vec<Endpoint> =
                candidates.iter().filter(|one| !one.forbidden).map(|one| one.origin).collect();
            let wanted = match app.probe {
                Some(AppProbe::On) => true,
                Some(AppProbe::Off) => false,
                None => self.spec.probes(allowed.len()),
            };
            if wanted {
                let proxy_v2 = app.proxy_protocol == ProxyProtocol::V2;
                targets.extend(allowed.into_iter().map(|origin| (origin, proxy_v2)));
            }
        }
        targets
    }

    /// What is to be probed from now on; what is known of the rest is forgotten.
    pub fn watch(&mut self, targets: &Targets, now: Instant) {
        self.watched.retain(|target, _| targets.contains(target));
        self.order.retain(|(_, target)| targets.contains(target));
        for target in targets {
            if !self.watched.contains_key(target) {
                // Not all at once.
                let first = now + Span::from_nanos(self.rng.below(self.terms.interval.nanos().max(1)));
                self.watched.insert(*target, Watched::new(first));
                self.order.insert((first, *target));
            }
        }
    }

    /// The next probes, as many as may be put at one look.
    pub fn orders(&mut self, now: Instant) -> Vec<ProbeOrder> {
        let mut orders = Vec::new();
        while orders.len() < PROBES_PER_TICK_MAX
            && self.flying.len() < PROBES_IN_FLIGHT_MAX
            && self.order.first().is_some_and(|(at, _)| *at <= now)
        {
            let Some((_, target)) = self.order.pop_first() else { break };
            self.number = self.number.wrapping_add(1);
            self.flying.insert(self.number, (target, now + self.terms.timeout + PATIENCE));
            let (origin, proxy_v2) = target;
            orders.push(ProbeOrder { id: self.number, origin, proxy_v2, timeout: self.terms.timeout });
        }
        orders
    }

    /// Takes what came of a probe; whether an origin came up or went down, and which.
    pub fn hear(&mut self, id: u32, outcome: ProbeOutcome, now: Instant) -> Option<(Endpoint, Verdict)> {
        let (target, _) = self.flying.remove(&id)?;
        let watched = self.watched.get_mut(&target)?;
        let turned = watched.hear(outcome, &self.terms, now);
        self.order.insert((watched.next, target));
        turned.then_some((target.0, watched.verdict()))
    }

    /// Probes that no worker told of in time.
    pub fn overdue(&self, now: Instant) -> Vec<u32> {
        self.flying.iter().filter(|(_, (_, until))| now >= *until).map(|(id, _)| *id).collect()
    }

    /// The origins to be left out.
    pub fn down(&self) -> HashSet<Endpoint> {
        self.watched.iter().filter(|(_, watched)| !watched.is_up()).map(|((origin, _), _)| *origin).collect()
    }

    /// How an origin stands: the worst, where it is probed in two ways. `None`: it is not probed.
    pub fn state(&self, origin: Endpoint) -> Option<&Watched> {
        let both = [false, true].into_iter().filter_map(|v2| self.watched.get(&(origin, v2)));
        both.min_by_key(|watched| watched.is_up())
    }

    /// Whether lone origins are probed, too, where their app does not say.
    pub const fn probes_lone(&self) -> bool {
        self.spec.probes(1)
    }

    /// Origins under watch.
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    /// Whether none is under watch.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::control::config::boot::Probing;

    fn prober() -> Prober {
        let spec = HealthSpec {
            probe: Probing::All,
            interval: Span::from_secs(10),
            timeout: Span::from_secs(2),
            fall: 1,
            rise: 1,
        };
        Prober::new(spec, 7)
    }

    fn origin(n: u16) -> Endpoint {
        Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: n }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn probes_are_spread_bounded_and_each_is_heard_once() {
        let mut prober = prober();
        let targets: Targets = (1..=500).map(|n| (origin(n), false)).collect();
        prober.watch(&targets, at(0));
        assert!(prober.orders(at(0)).len() < 20, "the first probes are spread over the interval");
        let mut flying = Vec::new();
        for _ in 0..100 {
            let orders = prober.orders(at(10));
            assert!(orders.len() <= PROBES_PER_TICK_MAX);
            flying.extend(orders);
        }
        assert!(flying.len() <= PROBES_IN_FLIGHT_MAX && prober.flying.len() == PROBES_IN_FLIGHT_MAX);
        let one = flying[0];
        assert_eq!(prober.hear(one.id, ProbeOutcome::Refused, at(10)), Some((one.origin, Verdict::Down)));
        assert_eq!(prober.hear(one.id, ProbeOutcome::Refused, at(10)), None);
        assert_eq!(prober.down(), [one.origin].into());
        assert_eq!(prober.overdue(at(14)).len(), PROBES_IN_FLIGHT_MAX - 1);
    }

    #[test]
    fn an_app_has_its_own_word_on_probes() {
        use crate::snapshot::Compiler;
        use crate::table::AppProbe::{Off, On};
        use crate::testkit::edge::{LAB_APPS, live_spec};
        let counts = [(Probing::Off, None, 0), (Probing::Off, Some(On), 1), (Probing::All, Some(Off), 0)];
        for (probing, word, expected) in counts.into_iter().chain([(Probing::All, None, 1)]) {
            let mut spec = live_spec(&LAB_APPS[..1], &[]);
            spec.accounts[0].zones[0].apps[0].probe = word;
            let compiled = Compiler::new([7, 9], 16, 16).compile(&spec).expect("compiles");
            let prober = Prober { spec: HealthSpec { probe: probing, ..prober().spec }, ..prober() };
            let around = (&OriginBook::default(), &**compiled.snapshot.table.prefixes());
            let targets = prober.targets(&spec, &compiled.apps, around);
            assert_eq!(targets.len(), expected, "{probing:?} {word:?}");
        }
    }

    #[test]
    fn what_is_not_watched_any_more_is_forgotten_and_its_late_answer_too() {
        let mut prober = prober();
        prober.watch(&[(origin(1), true)].into(), at(0));
        let order = prober.orders(at(10)).remove(0);
        assert!(order.proxy_v2 && prober.state(origin(1)).is_some());
        prober.watch(&Targets::new(), at(10));
        assert_eq!(prober.hear(order.id, ProbeOutcome::TimedOut, at(11)), None);
        assert!(prober.is_empty() && prober.orders(at(99)).is_empty());
    }
}

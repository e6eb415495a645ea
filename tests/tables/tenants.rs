//! Many tenants behind one edge: what the rules say of a client of an app is the naive model's answer for that app's own
//! zone, account and user, from a seed, over loads and single changes; and no rule of one tenant is ever felt by another.

use crate::live::{addr, country};
use byway::base::{Addr, Rng};
use byway::control::config::tables::read;
use byway::firewall::{AsNumber, Judgement, Layers, Mode, NetOf, RuleNet, RuleSpec, Target, WhenceMap};
use byway::snapshot::{Compiled, Compiler, LiveSpec, RuleChange, RuleScope};
use byway::table::ScopeName;
use byway::testkit::model::{self, Verdict};
use byway::testkit::tables::{hold_judge, lab_reserved};
use byway::wire::Protocol;
use std::net::IpAddr;
use std::sync::Arc;

const ACCOUNTS: usize = 4;
const ZONES_EACH: usize = 3;
const SEEDS: u64 = 60;
const COUNTRIES: [&str; 4] = ["DE", "FR", "XX", "T1"];

/// One app with access rules a zone, each on a port of its own.
fn spec() -> LiveSpec {
    let app = |port: usize| {
        format!(
            r#"{{"protocol":"tcp/{port}","dns":{{"type":"ADDRESS","name":"a.example.com"}},"ip_firewall":true,
            "origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{{"type":"static","ips":["198.51.100.10"]}}}}"#
        )
    };
    let zone = |account: usize, zone: usize| {
        let port = 1 + account * ZONES_EACH + zone;
        format!(r#"{{"id":"zone-{account}-{zone}","apps":[{}]}}"#, app(port))
    };
    let zones = |account: usize| (0..ZONES_EACH).map(|at| zone(account, at)).collect::<Vec<_>>().join(",");
    let account = |at: usize| format!(r#"{{"id":"account-{at}","zones":[{}]}}"#, zones(at));
    let accounts = (0..ACCOUNTS).map(account).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"version":1,"prefixes":["198.51.100.0/24"],"accounts":[{accounts}]}}"#);
    read(text.as_bytes(), &lab_reserved()).unwrap_or_else(|errors| panic!("{errors}")).spec
}

/// Clients live close to each other, so that ranges of many lengths hold several.
fn client(rng: &mut Rng) -> Addr {
    let low = u128::from(rng.below(1 << 12));
    match rng.below(2) {
        0 => Addr::from_bits(addr("192.0.0.0").bits() | low),
        _ => Addr::from_bits(addr("2001:db8:5::").bits() | low << 60 | low),
    }
}

fn net(rng: &mut Rng) -> RuleNet {
    let ip: IpAddr = client(rng).to_ip();
    let length = match ip {
        IpAddr::V4(_) => 18 + rng.below(15) as u8,
        IpAddr::V6(_) => 48 + rng.below(81) as u8,
    };
    RuleNet::new(ipnet::IpNet::new(ip, length).expect("a length").trunc()).expect("a rule's range")
}

fn target(rng: &mut Rng) -> Target {
    match rng.below(10) {
        0 => Target::Asn(AsNumber(1 + rng.below(6) as u32)),
        1 => Target::Country(country(COUNTRIES[rng.below(4) as usize])),
        2 | 3 => Target::Net(RuleNet::one(client(rng))),
        _ => Target::Net(net(rng)),
    }
}

fn change(rng: &mut Rng, scope: RuleScope) -> RuleChange {
    let target = target(rng);
    let mode = [Mode::Block, Mode::Block, Mode::Whitelist, Mode::Challenge][rng.below(4) as usize];
    let rule = RuleSpec { target, mode, id: None, notes: None };
    RuleChange { scope, target, rule: (rng.below(5) > 0).then_some(rule) }
}

fn id(text: &str) -> ScopeName {
    ScopeName::new(text).expect("an id")
}

fn scope(rng: &mut Rng) -> RuleScope {
    let (account, zone) = (rng.below(ACCOUNTS as u64), rng.below(ZONES_EACH as u64));
    match rng.below(8) {
        0 => RuleScope::User,
        1 | 2 => RuleScope::Account(id(&format!("account-{account}"))),
        _ => RuleScope::Zone(id(&format!("zone-{account}-{zone}"))),
    }
}

fn whences(rng: &mut Rng) -> WhenceMap {
    let mut nets = |count: u64| (0..count).map(|_| net(rng)).collect::<Vec<_>>();
    let (asn, countries, tor) = (nets(40), nets(40), nets(6));
    fn of<T>(net: &RuleNet, value: T) -> NetOf<T> {
        NetOf { first: net.first(), length: net.length(), value }
    }
    let asn = asn.iter().enumerate().map(|(at, net)| of(net, AsNumber(1 + at as u32 % 5)));
    let countries = countries.iter().enumerate().map(|(at, net)| of(net, country(["DE", "FR"][at % 2])));
    WhenceMap::build(&Layers {
        asn: Some(asn.collect()),
        country: Some(countries.collect()),
        tor: Some(tor.iter().map(|net| of(net, ())).collect()),
    })
}

struct Edge {
    spec: LiveSpec,
    compiler: Compiler,
    compiled: Compiled,
    clients: Vec<Addr>,
}

impl Edge {
    fn new(rng: &mut Rng) -> Self {
        let mut spec = spec();
        let changes: Vec<_> = (0..150)
            .map(|_| {
                let scope = scope(rng);
                change(rng, scope)
            })
            .collect();
        spec.change_rules(&changes);
        let mut compiler = Compiler::new([rng.next_u64(), rng.next_u64()], 64, 1_024);
        compiler.set_whences(Arc::new(whences(rng)));
        let compiled = compiler.compile(&spec).unwrap_or_else(|error| panic!("{error}"));
        compiler.commit(&compiled);
        let clients = (0..150).map(|_| client(rng)).collect();
        Self { spec, compiler, compiled, clients }
    }

    /// Carries one change out; as an edit where that can be.
    fn change(&mut self, change: RuleChange) -> bool {
        let changed = self.spec.change_rules(&[change]);
        let edited = self.compiler.edit(&self.compiled, &changed).unwrap_or_else(|error| panic!("{error}"));
        let Some(edited) = edited else {
            self.compiled = self.compiler.compile(&self.spec).unwrap_or_else(|error| panic!("{error}"));
            self.compiler.commit(&self.compiled);
            return false;
        };
        self.compiler.commit_epoch(&edited.snapshot);
        (self.compiled.snapshot, self.compiled.rules) = (edited.snapshot, edited.rules);
        true
    }

    /// What the road is told of a client of the app of the zone at `zone`.
    fn judge(&self, zone: usize, src: Addr) -> Judgement {
        let snapshot = &self.compiled.snapshot;
        let slot = snapshot.table.find(addr("198.51.100.10"), Protocol::Tcp, 1 + zone as u16);
        let app = snapshot.table.app(slot.expect("an app a zone")).expect("there");
        snapshot.judge(app, src)
    }

    /// Every client to every app: whether it passes is the model's word, by the app; which rule decided, by the zone.
    fn hold(&self) -> usize {
        let snapshot = &self.compiled.snapshot;
        let mut blocked = 0;
        for zone in 0..ACCOUNTS * ZONES_EACH {
            for src in &self.clients {
                hold_judge(&self.spec, snapshot, &self.compiler, (zone, *src));
                let known = (snapshot.whences.find(*src), snapshot.whences.sources());
                let expected = match model::judge(&self.spec, zone, *src, known) {
                    Verdict::None | Verdict::LetIn(_) => true,
                    Verdict::Blocked(_) => false,
                };
                let passes = matches!(self.judge(zone, *src), Judgement::Pass(_));
                assert_eq!(passes, expected, "zone {zone}, {src}");
                blocked += usize::from(!passes);
            }
        }
        blocked
    }
}

#[test]
fn every_tenant_gets_the_answers_of_its_own_scopes_over_loads_and_single_changes() {
    let (mut blocked, mut edits) = (0, 0);
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut edge = Edge::new(&mut rng);
        blocked += edge.hold();
        for _ in 0..12 {
            let scope = scope(&mut rng);
            edits += usize::from(edge.change(change(&mut rng, scope)));
        }
        blocked += edge.hold();
    }
    assert!(blocked > 1_000 && edits > 100, "{blocked} blocked, {edits} edits: the seeds hold nothing");
}

#[test]
fn no_change_of_one_tenants_rules_is_felt_by_another() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut rng = Rng::new(!seed);
        let mut edge = Edge::new(&mut rng);
        let of_others = |edge: &Edge, account: usize| -> Vec<bool> {
            let zones = (0..ACCOUNTS * ZONES_EACH).filter(|zone| zone / ZONES_EACH != account);
            let pairs = zones.flat_map(|zone| edge.clients.iter().map(move |src| (zone, *src)));
            pairs.map(|(zone, src)| matches!(edge.judge(zone, src), Judgement::Pass(_))).collect()
        };
        for account in 0..ACCOUNTS {
            let before = of_others(&edge, account);
            for round in 0..8 {
                let scope = match round % 2 {
                    0 => RuleScope::Account(id(&format!("account-{account}"))),
                    _ => RuleScope::Zone(id(&format!("zone-{account}-{}", round % ZONES_EACH))),
                };
                edge.change(change(&mut rng, scope));
            }
            assert!(of_others(&edge, account) == before, "account {account} is felt by others");
        }
    }
}

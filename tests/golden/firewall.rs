//! What access rules say of a client, verdict by verdict, and what a new rule does to sessions that live.

use crate::bench::Bench;
use byway::base::limits::SWEEP_PER_TURN_MAX;
use byway::base::{AppSlot, AsNumber, Country, DropReason, Span, Whence};
use byway::firewall::{Layers, Mode, NetOf, RuleNet, RuleSpec, Target, WhenceMap};
use byway::port::RxMeta;
use byway::snapshot::{AppChange, Command, LiveSpec, Reply};
use byway::table::{AppId, AppSpec, EdgePorts, PortRange};
use byway::telemetry::{AppCounter, Counter, Event, EventKind, Gauge, Status};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, addr, live_spec};
use byway::testkit::frames::eth;
use std::sync::Arc;

/// Port 22 alone: behind the firewall, as app 0.
const SSH: &[byway::testkit::edge::LabApp] = &[LAB_APPS[2]];

fn de() -> Country {
    Country::new("DE").expect("a country")
}

/// 10.0.0.0/24 is AS64496 in Germany, 10.0.0.9 an exit of Tor.
fn whences() -> WhenceMap {
    fn net<T>(text: &str, length: u8, value: T) -> Vec<NetOf<T>> {
        vec![NetOf { first: addr(text), length, value }]
    }
    WhenceMap::build(&Layers {
        asn: Some(net("10.0.0.0", 24, AsNumber(64_496))),
        country: Some(net("10.0.0.0", 24, de())),
        tor: Some(net("10.0.0.9", 32, ())),
    })
}

fn rule(mode: Mode, target: Target) -> RuleSpec {
    RuleSpec { target, mode, id: None, notes: None }
}

fn ip(text: &str) -> Target {
    Target::Net(RuleNet::new(text.parse().expect("a net")).expect("a range"))
}

fn spec(rules: &[RuleSpec]) -> LiveSpec {
    let mut spec = live_spec(SSH, &[]);
    spec.accounts[0].zones[0].access_rules = rules.to_vec();
    spec
}

/// A bench whose app is behind these rules and databases.
fn bench(rules: &[RuleSpec]) -> Bench {
    let mut bench = Bench::new(|_| {}, SSH, &[]);
    bench.control.compiler.set_whences(Arc::new(whences()));
    bench.control.publish(&spec(rules));
    bench.turns();
    bench
}

fn syn(bench: &mut Bench, client: &str) -> Vec<Event> {
    bench.inject(&eth().ip4(client, EDGE_IPS[0]).tcp(4_000, 22).seq(7).syn().bytes(), RxMeta::default());
    bench.turns().1
}

/// What it shows, the client, the rules, Spectrum's word.
type VerdictRow<'a> = (&'a str, &'a str, &'a [(Mode, Target)], &'a str);

#[test]
fn each_verdict_names_the_kind_that_decided() {
    use Mode::{Block, Challenge, Whitelist};
    let (asn, country) = (Target::Asn(AsNumber(64_496)), Target::Country(de()));
    let (here, tor, unknown) =
        (ip("10.0.0.7/32"), Target::Country(Country::TOR), Target::Country(Country::UNKNOWN));
    let rows: &[VerdictRow<'_>] = &[
        ("no rule matches", "10.0.0.7", &[(Block, ip("10.0.1.0/24"))], "UNKNOWN"),
        ("a challenge does not act", "10.0.0.7", &[(Challenge, here)], "UNKNOWN"),
        ("an address blocks", "10.0.0.7", &[(Block, here)], "BLOCK_IP"),
        ("an ASN blocks", "10.0.0.7", &[(Block, asn)], "BLOCK_ASN"),
        ("a country blocks", "10.0.0.7", &[(Block, country)], "BLOCK_COUNTRY"),
        (
            "an exit of Tor is of no other country",
            "10.0.0.9",
            &[(Block, tor), (Whitelist, country)],
            "BLOCK_COUNTRY",
        ),
        ("nobody knows where this one is", "10.0.1.7", &[(Block, unknown)], "BLOCK_COUNTRY"),
        (
            "an address before ASN before country",
            "10.0.0.7",
            &[(Block, country), (Block, asn), (Block, here)],
            "BLOCK_IP",
        ),
        ("an ASN before its country", "10.0.0.7", &[(Block, country), (Block, asn)], "BLOCK_ASN"),
        (
            "an address lets in",
            "10.0.0.7",
            &[(Whitelist, here), (Block, asn), (Block, country)],
            "WHITELIST_IP",
        ),
        ("an ASN lets in", "10.0.0.7", &[(Block, here), (Whitelist, asn), (Block, country)], "WHITELIST_ASN"),
        (
            "a country lets in",
            "10.0.0.7",
            &[(Block, here), (Block, asn), (Whitelist, country)],
            "WHITELIST_COUNTRY",
        ),
        (
            "of two that let in the address is named",
            "10.0.0.7",
            &[(Whitelist, country), (Whitelist, here)],
            "WHITELIST_IP",
        ),
    ];
    for (says, client, rules, verdict) in rows {
        let rules: Vec<_> = rules.iter().map(|(mode, target)| rule(*mode, *target)).collect();
        let mut bench = bench(&rules);
        let events = syn(&mut bench, client);
        let page = &bench.control.pages[0];
        if !verdict.starts_with("BLOCK") {
            assert_eq!((events.len(), page.gauge(Gauge::Sessions)), (0, 1), "{says}");
            let list = Command::ListSessions { request: 1, cursor: 0, rows_max: 1 };
            bench.control.mails[0].send(list).expect("room");
            bench.turns();
            let Some(Reply::Session(_, row)) = bench.control.mails[0].reply() else { panic!("{says}") };
            assert_eq!(row.firewall.name(), *verdict, "{says}");
            continue;
        }
        assert_eq!(page.dropped(DropReason::FirewallBlocked), 1, "{says}");
        assert_eq!(page.app(AppSlot(0), AppCounter::Refused), 1, "{says}");
        let [event] = events.as_slice() else { panic!("{says}: {events:?}") };
        assert_eq!((event.kind, event.status), (EventKind::ClientFiltered, Status::FirewallDeny), "{says}");
        assert_eq!(event.firewall.name(), *verdict, "{says}");
        assert_eq!(event.whence, whences().find(addr(client)), "{says}");
        let hits: u64 = (0..8).map(|slot| page.rule_hits(byway::base::RuleSlot(slot))).sum();
        assert_eq!(hits, 1, "{says}");
    }
}

#[test]
fn a_rule_of_another_tenant_never_acts() {
    let mut both = spec(&[]);
    let mut other = both.accounts[0].clone();
    other.id = byway::table::ScopeName::new("other").expect("an id");
    other.zones[0].id = byway::table::ScopeName::new("other.example").expect("an id");
    other.zones[0].apps.clear();
    other.access_rules = vec![rule(Mode::Block, Target::Country(de())), rule(Mode::Block, ip("10.0.0.0/8"))];
    other.zones[0].access_rules = other.access_rules.clone();
    both.accounts.push(other);
    let mut bench = bench(&[]);
    bench.control.publish(&both);
    assert!(syn(&mut bench, "10.0.0.7").is_empty());
    assert_eq!(bench.control.pages[0].gauge(Gauge::Sessions), 1);
}

#[test]
fn a_new_block_ends_the_sessions_it_matches_as_client_filtered() {
    let mut bench = bench(&[]);
    bench.inject(&eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(4_000, 22).seq(7).syn().bytes(), RxMeta::default());
    let (out, _) = bench.turns();
    let number = out[0].split("seq ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a SYN-ACK");
    let ack = number.parse::<u32>().expect("a number").wrapping_add(1);
    bench.inject(
        &eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(4_000, 22).seq(8).ack(ack).bytes(),
        RxMeta::default(),
    );
    bench.turns();
    bench.control.publish(&spec(&[rule(Mode::Block, Target::Country(de()))]));
    let (out, events) = bench.turns();
    assert!(out.iter().any(|line| line.contains("10.0.0.7:4000 [R")), "{out:?}");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.kind, event.status), (EventKind::ClientFiltered, Status::FirewallDeny));
    assert_eq!(event.firewall.name(), "BLOCK_COUNTRY");
    assert_eq!(event.whence, Whence { asn: AsNumber(64_496), country: de() });
    let page = &bench.control.pages[0];
    assert_eq!((page.counter(Counter::ClosedByFirewall), page.gauge(Gauge::Sessions)), (1, 0));
}

/// Blocked clients of a net are told at once, and then as one event an interval with their count, on the road of strangers
/// over IPv4 and on that of all others.
#[test]
fn blocked_syns_are_told_at_once_and_then_gathered_with_their_count() {
    const PER_SECOND: u64 = 3;
    for (net, family) in [("10.0.0.", 0), ("2001:2:1::", 1)] {
        let mut bench =
            bench(&[rule(Mode::Block, ip("10.0.0.0/24")), rule(Mode::Block, ip("2001:2:1::/48"))]);
        let (mut told, mut hosts) = (Vec::new(), (1_u16..).map(|host| format!("{net}{}", host % 200 + 1)));
        for second in 0..35 {
            let syns = if second == 0 { 1 } else { PER_SECOND * u64::from(second <= 20) };
            for host in hosts.by_ref().take(syns as usize) {
                let syn = eth().ip(host.as_str(), EDGE_IPS[family]).tcp(4_000, 22).seq(7).syn();
                bench.inject(&syn.bytes(), RxMeta::default());
            }
            let (out, events) = bench.turns();
            assert_eq!(out, Vec::<String>::new());
            for event in events {
                assert_eq!((event.kind, event.status), (EventKind::ClientFiltered, Status::FirewallDeny));
                assert_eq!((event.firewall.name(), event.client.port), ("BLOCK_IP", 4_000));
                told.push((second, u64::from(event.count)));
            }
        }
        assert_eq!(told, [(0, 1), (10, 10 * PER_SECOND), (20, 10 * PER_SECOND)], "{net}");
        assert_eq!(bench.control.pages[0].dropped(DropReason::FirewallBlocked), 1 + 20 * PER_SECOND);
    }
}

/// A worker with so many half-open sessions.
fn full_of(sessions: u32, config: fn(&mut byway::worker::Settings)) -> Bench {
    let mut bench = Bench::new(config, SSH, &[]);
    let now = bench.now;
    for number in 0..sessions {
        let client = format!("10.0.{}.7", number / 250);
        let port = 2_000 + (number % 250) as u16;
        bench.inject(
            &eth().ip4(client.as_str(), EDGE_IPS[0]).tcp(port, 22).seq(7).syn().bytes(),
            RxMeta::default(),
        );
        if number % 32 == 31 {
            bench.worker.turn(now);
            while bench.wire.receive().is_some() {}
        }
    }
    bench.worker.turn(now);
    assert_eq!(bench.worker.sessions(), sessions as usize);
    bench
}

/// The sweep looks at a bounded number of sessions a turn: 100,000 are judged within 1,563 turns, and a busy worker
/// makes more than ten thousand a second.
#[test]
fn a_new_block_has_met_every_session_after_a_bounded_number_of_turns() {
    const SESSIONS: u32 = 20_000;
    let mut bench = full_of(SESSIONS, |settings| {
        (settings.session.sessions_max, settings.session.half_open_max) = (SESSIONS, SESSIONS);
        (settings.session.rx_buffer_bytes, settings.session.tx_buffer_bytes) = (2_048, 2_048);
        settings.rates.syn_per_s = 1 << 30;
    });
    let now = bench.now;
    bench.control.publish(&spec(&[rule(Mode::Block, ip("10.0.0.0/9"))]));
    let (start, mut turns) = (std::time::Instant::now(), 0);
    while bench.worker.sessions() > 0 {
        bench.worker.turn(now);
        while bench.wire.receive().is_some() {}
        turns += 1;
        assert!(turns <= SESSIONS as usize / SWEEP_PER_TURN_MAX + 2, "the sweep is slower than it says");
    }
    println!("{SESSIONS} sessions judged and ended in {turns} turns, {} ms", start.elapsed().as_millis());
    assert_eq!(bench.control.pages[0].counter(Counter::ClosedByFirewall), u64::from(SESSIONS));
}

#[test]
fn snapshots_that_come_faster_than_a_sweep_takes_do_not_hold_it_up() {
    const SESSIONS: u32 = 1_000;
    let mut bench = full_of(SESSIONS, |settings| {
        (settings.session.sessions_max, settings.session.half_open_max) = (SESSIONS, SESSIONS);
        (settings.session.rx_buffer_bytes, settings.session.tx_buffer_bytes) = (2_048, 2_048);
        settings.rates.syn_per_s = 1 << 30;
    });
    let (now, mut turns) = (bench.now, 0);
    while bench.worker.sessions() > 0 {
        bench.control.publish(&spec(&[rule(Mode::Block, ip("10.0.0.0/9"))]));
        bench.worker.turn(now);
        while bench.wire.receive().is_some() {}
        turns += 1;
        assert!(turns <= SESSIONS as usize / SWEEP_PER_TURN_MAX + 2, "the sweep begins anew each time");
    }
}

#[test]
fn an_edit_judges_the_sessions_of_its_app_and_no_others() {
    const SESSIONS: u32 = 200;
    let mut bench = full_of(SESSIONS, |settings| {
        (settings.session.sessions_max, settings.session.half_open_max) = (SESSIONS, SESSIONS);
        settings.rates.syn_per_s = 1 << 30;
    });
    let mut spec = spec(&[rule(Mode::Block, ip("10.0.0.0/9"))]);
    let app = |spec: &LiveSpec| spec.accounts[0].zones[0].apps[0].clone();
    spec.accounts[0].zones[0].apps[0].ip_firewall = false;
    let mut compiled = bench.control.compiler.compile(&spec).expect("compiles");
    bench.control.publisher.publish(compiled.snapshot.clone());
    bench.control.compiler.commit(&compiled);
    let rejudged = |bench: &Bench| bench.control.pages[0].counter(Counter::RejudgedSessions);
    let mut turn = |bench: &mut Bench, edit: Option<AppSpec>| {
        if let Some(app) = edit {
            let zone = spec.accounts[0].zones[0].id.clone();
            let change = AppChange { zone, id: app.id, app: Some(app) };
            let compiler = &mut bench.control.compiler;
            let edited =
                compiler.edit_apps(&compiled, &spec, &[change]).unwrap_or_else(|why| panic!("{why:?}"));
            compiler.commit_apps(&edited);
            edited.apply(&mut spec, &mut compiled);
            bench.control.publisher.publish(compiled.snapshot.clone());
        }
        // Sweeps for edits rest in between.
        bench.now += Span::from_secs(1);
        for _ in 0..40 {
            bench.now += Span::from_micros(10);
            bench.worker.turn(bench.now);
            while bench.wire.receive().is_some() {}
        }
    };
    turn(&mut bench, None);
    assert_eq!((bench.worker.sessions(), rejudged(&bench)), (SESSIONS as usize, SESSIONS.into()));
    let own = app(&live_spec(SSH, &[]));
    let edge = EdgePorts { ports: PortRange::one(2_222).expect("a port"), ..own.edge };
    let other = AppSpec { id: AppId::from_bits(7), edge, ..own.clone() };
    turn(&mut bench, Some(other));
    assert_eq!((bench.worker.sessions(), rejudged(&bench)), (SESSIONS as usize, SESSIONS.into()));
    turn(&mut bench, Some(own));
    assert_eq!((bench.worker.sessions(), rejudged(&bench)), (0, u64::from(2 * SESSIONS)));
    assert_eq!(bench.control.pages[0].counter(Counter::ClosedByFirewall), u64::from(SESSIONS));
}

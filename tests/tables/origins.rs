//! Which origins an app gets out of what is known: forbidden ones never, the best priority that is up, all where all
//! are down.

use byway::base::{Addr, Endpoint};
use byway::table::{
    AppProbe, AppSpec, DnsName, NoOrigin, OriginBook, OriginDirect, OriginDnsKind, OriginName, OriginRecord,
    OriginSpec, PortRange, PrefixMap, Reserved, Resolved,
};
use byway::testkit::edge::{LAB_APPS, addr, live_spec, settings};
use byway::wire::Protocol;

fn question(kind: OriginDnsKind) -> OriginName {
    OriginName { name: DnsName::new("o.example.com").expect("a name"), kind }
}

fn app(kind: OriginDnsKind, port: Option<u16>) -> AppSpec {
    let mut app = live_spec(&LAB_APPS, &[]).accounts.remove(0).zones.remove(0).apps.remove(0);
    app.origin = OriginSpec::Dns { name: question(kind).name, ttl_s: None, kind };
    app.origin_port = port.and_then(PortRange::one);
    app
}

fn prefixes() -> PrefixMap {
    PrefixMap::build(&live_spec(&LAB_APPS, &[]).prefixes, [1, 2]).expect("no prefix repeats")
}

fn record(priority: u16, text: &str, port: Option<u16>) -> OriginRecord {
    OriginRecord { priority, addr: addr(text), port, weight: 1 }
}

fn book(kind: OriginDnsKind, resolved: Resolved) -> OriginBook {
    let origin_allow = settings(1).origin_allow;
    let reserved = Reserved { egress: vec![addr("192.0.2.200")], origin_allow, ..Reserved::default() };
    let answers = [(question(kind), resolved)].into();
    OriginBook { resolves: true, reserved, answers, ..OriginBook::default() }
}

fn end(text: &str, port: u16) -> Endpoint {
    Endpoint { addr: addr(text), port }
}

#[test]
fn forbidden_addresses_are_left_out_and_an_answer_of_them_alone_says_so() {
    let (kind, prefixes) = (OriginDnsKind::Both, prefixes());
    let bad = ["127.0.0.1", "198.51.100.7", "192.0.2.200", "64:ff9b::127.0.0.1", "fe80::1"];
    let records = |good: Option<&str>| {
        Resolved::Good(bad.iter().copied().chain(good).map(|text| record(0, text, None)).collect())
    };
    let app = app(kind, Some(22));
    let origins = book(kind, records(Some("192.0.2.1"))).origins(&app, &prefixes);
    assert_eq!(*origins.list, [end("192.0.2.1", 22)]);
    let origins = book(kind, records(None)).origins(&app, &prefixes);
    assert_eq!((origins.list.len(), origins.none), (0, NoOrigin::Forbidden));
}

#[test]
fn a_name_nobody_answered_for_has_no_origin() {
    let (kind, prefixes) = (OriginDnsKind::A, prefixes());
    let app = app(kind, Some(22));
    assert_eq!(OriginBook::default().origins(&app, &prefixes).none, NoOrigin::Unresolved);
    let failed = book(kind, Resolved::Nothing(NoOrigin::Failed));
    assert_eq!(failed.origins(&app, &prefixes).none, NoOrigin::Failed);
}

#[test]
fn services_bring_their_ports_and_the_next_priority_serves_when_the_first_is_down() {
    let (kind, prefixes) = (OriginDnsKind::Srv, prefixes());
    let first = [record(10, "192.0.2.1", Some(5001)), record(10, "192.0.2.2", Some(5002))];
    let last = [record(20, "2001:2:2::1", Some(5003))];
    let mut book = book(kind, Resolved::Good(first.into_iter().chain(last).collect()));
    let app = app(kind, None);
    let (a, b, c) = (end("192.0.2.1", 5001), end("192.0.2.2", 5002), end("2001:2:2::1", 5003));
    assert_eq!(*book.origins(&app, &prefixes).list, [a, b]);
    book.down.insert(a);
    assert_eq!(*book.origins(&app, &prefixes).list, [b]);
    book.down.insert(b);
    assert_eq!(*book.origins(&app, &prefixes).list, [c]);
    book.down.insert(c);
    assert_eq!(*book.origins(&app, &prefixes).list, [a, b, c], "where all are down, all are tried");
}

#[test]
fn weights_go_along_where_targets_differ_in_them() {
    let (kind, prefixes) = (OriginDnsKind::Srv, prefixes());
    let weighed = |weights: [u16; 3]| {
        let target = |(n, weight): (usize, &u16)| OriginRecord {
            weight: *weight,
            ..record(if n == 2 { 20 } else { 10 }, &format!("192.0.2.{}", n + 1), Some(5000))
        };
        Resolved::Good(weights.iter().enumerate().map(target).collect())
    };
    let app = app(kind, None);
    for (weights, expected) in
        [([3, 1, 9], &[3, 1][..]), ([0, 5, 1], &[0, 5]), ([4, 4, 1], &[]), ([0, 0, 1], &[])]
    {
        assert_eq!(*book(kind, weighed(weights)).origins(&app, &prefixes).weights, *expected, "{weights:?}");
    }
    let mut book = book(kind, weighed([3, 1, 9]));
    book.down.extend([1, 2, 3].map(|n| end(&format!("192.0.2.{n}"), 5000)));
    assert!(
        book.origins(&app, &prefixes).weights.is_empty(),
        "of other priorities, weights say nothing together"
    );
}

#[test]
fn of_several_direct_origins_the_ones_that_are_down_are_left_out() {
    let prefixes = prefixes();
    let entry = |addr: Addr| OriginDirect {
        protocol: Protocol::Tcp,
        addr,
        ports: PortRange::one(80).expect("a port"),
    };
    let mut app = app(OriginDnsKind::A, None);
    app.origin = OriginSpec::Direct([entry(addr("192.0.2.1")), entry(addr("192.0.2.2"))].into());
    let down = [end("192.0.2.1", 80)].into();
    let book = OriginBook { down, ..OriginBook::default() };
    assert_eq!(*book.origins(&app, &prefixes).list, [end("192.0.2.2", 80)]);
    assert!(OriginBook::moves(&app));
    app.probe = Some(AppProbe::Off);
    assert_eq!(book.origins(&app, &prefixes).list.len(), 2, "an app without probes heeds those of no other");
}

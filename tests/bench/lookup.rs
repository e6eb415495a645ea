//! The cost of a look-up, for callgrind: `lookup WHAT SIZE N` asks N questions of a table of SIZE entries.
//!
//! WHAT: `find` (an app that is there), `range` (one of many ports), `miss` (a port without an app), `covers` (an onboarded prefix), `judge4` and `judge6` (a source that no rule
//! names, SIZE lone addresses and three lengths of ranges), `hit4` (a source that a rule names), `whence4`
//! and `whence6` (where an address comes from), `edited4` (as `judge4`, with 2,000 edits over the rules). The number that counts
//! is the difference of two runs: `scripts/icount.sh -- lookup find 100000 {n}`.

use byway::base::{Addr, RuleSlot, ZoneSlot};
use byway::firewall::{self, Mode, RuleNet, RuleSpec, Rules, ScopeRules, Target, ZoneScopes};
use byway::firewall::{AsNumber, Country, Layers, NetOf, RuleEdit, WhenceMap};
use byway::table::{self, AppId, OriginBook, Placed, PrefixMap, PrefixSpec, Table};
use byway::table::{
    AppSpec, Dns, DnsKind, DnsName, EdgeIps, EdgePorts, OriginDirect, OriginSpec, PortRange, Prefix,
};
use byway::table::{OriginTlsName, ProxyProtocol, TlsMode, TrafficType, UdpOptions};
use byway::wire::Protocol;
use ipnet::IpNet;
use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const SECRET: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let what = words.next().unwrap_or_else(|| "find".into());
    let mut number = |right: u32| words.next().map_or(right, |word| word.parse().expect("a number"));
    let (size, questions) = (number(1000), number(1000));
    let answered = match what.as_str() {
        "find" => find(&make_table(size), size, 443, questions),
        "range" => find(&make_table(size), size, 7_777, questions),
        "miss" => find(&make_table(size), size, 444, questions),
        "covers" => covers(&make_table(size), size, questions),
        "judge4" => judge(&make_rules(size), questions, |n| Ipv4Addr::from_bits(0x0100_0000 | n).into()),
        "judge6" => {
            judge(&make_rules(size), questions, |n| Ipv6Addr::from_bits(0x2a01 << 112 | u128::from(n)).into())
        }
        "edited4" => {
            judge(&edit(&make_rules(size)), questions, |n| Ipv4Addr::from_bits(0x0100_0000 | n).into())
        }
        "whence4" => whence(&make_whences(size), questions, |n| {
            Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b1)).into()
        }),
        "whence6" => whence(&make_whences(size), questions, |n| {
            Ipv6Addr::from_bits(0x2a00 << 112 | u128::from(n.wrapping_mul(0x9e37_79b1)) << 80).into()
        }),
        "hit4" => judge(&make_rules(size), questions, move |n| lone(n % size)),
        other => panic!("what is {other}?"),
    };
    println!("{answered} of {questions}");
}

/// An edge address of app `number`: apps lie in as many /24s as they fill.
fn edge(number: u32) -> Addr {
    Ipv4Addr::from_bits(0x0500_0000 | number).into()
}

fn find(table: &Table, size: u32, port: u16, questions: u32) -> u32 {
    let ask = |n: u32| table.find(black_box(edge(n % size)), Protocol::Tcp, port).is_ok();
    (0..questions).map(|n| u32::from(black_box(ask(n)))).sum()
}

fn covers(table: &Table, size: u32, questions: u32) -> u32 {
    (0..questions).map(|n| u32::from(black_box(table.covers(black_box(edge(n % size)))))).sum()
}

fn judge(rules: &Rules, questions: u32, src: impl Fn(u32) -> Addr) -> u32 {
    let whences = WhenceMap::default();
    let ask = |n: u32| {
        matches!(rules.judge(ZoneSlot(0), black_box(src(n)), &whences), firewall::Judgement::Block(_))
    };
    (0..questions).map(|n| u32::from(black_box(ask(n)))).sum()
}

fn make_table(size: u32) -> Table {
    let net = |number: u32| IpNet::new(edge(number << 8).to_ip(), 24).expect("a length");
    let prefixes: Vec<_> = (0..=size >> 8)
        .map(|number| PrefixSpec::plain(Prefix::new(net(number), false).expect("valid")))
        .collect();
    let map = Arc::new(PrefixMap::build(&prefixes, SECRET).expect("no prefix repeats"));
    let ranges = [(1_000, 4_999), (5_000, 9_999), (20_000, 29_999), (30_000, 65_535)];
    let single = (0..size).map(|number| make_app(number, (443, 443)));
    let ranges = (0..size).flat_map(|number| ranges.map(|ports| make_app(number, ports)));
    let apps: Vec<AppSpec> = single.chain(ranges).collect();
    let places = apps.iter().zip(0_u32..);
    let placed: Vec<_> = places
        .map(|(spec, slot)| Placed {
            spec,
            addrs: spec.edge_addrs(),
            slot: byway::base::AppSlot(slot),
            account: byway::base::AccountSlot(0),
            zone: ZoneSlot(0),
        })
        .collect();
    table::compile(map, &placed, &OriginBook::default(), SECRET).expect("no edge repeats")
}

/// An app on the edge address `number` with these ports.
fn make_app(number: u32, (first, last): (u16, u16)) -> AppSpec {
    let ports = PortRange::new(first, last).expect("ports");
    let origin = OriginDirect { protocol: Protocol::Tcp, addr: Addr::v4([192, 0, 2, 1]), ports };
    AppSpec {
        id: AppId::from_bits(u128::from(number)),
        edge: EdgePorts { protocol: Protocol::Tcp, ports, word: None },
        dns: Dns { kind: DnsKind::Address, name: DnsName::new("app.example.com").expect("a name") },
        origin: OriginSpec::Direct([origin].into()),
        origin_port: None,
        ip_firewall: true,
        proxy_protocol: ProxyProtocol::Off,
        udp: UdpOptions::default(),
        tls: TlsMode::Off,
        min_tls: None,
        probe: None,
        origin_tls_name: OriginTlsName::App,
        traffic_type: TrafficType::Direct,
        edge_ips: EdgeIps::Static([edge(number)].into()),
        edge_spelled: None,
        leased: Box::default(),
        nameless: Box::default(),
        argo_smart_routing: false,
        allow_partial: false,
        limits: None,
        created_on: None,
        modified_on: None,
    }
}

fn whence(map: &WhenceMap, questions: u32, src: impl Fn(u32) -> Addr) -> u32 {
    let ask = |n: u32| map.find(black_box(src(n))).asn.0 != 0;
    (0..questions).map(|n| u32::from(black_box(ask(n)))).sum()
}

/// SIZE networks of each family and source: IPv4 all over, IPv6 within 2a00::/16, where half of the world's lie.
fn make_whences(size: u32) -> WhenceMap {
    let (step4, step6) = (u32::MAX / size, u128::from(u32::MAX / size));
    let v4 = |n: u32| Addr::v4((n * step4).to_be_bytes());
    let v6 = |n: u32| Addr::from_bits(0x2a00 << 112 | (u128::from(n) * step6) << 80);
    fn both<T>(
        size: u32,
        first: impl Fn(u32) -> Addr,
        length: u8,
        value: impl Fn(u32) -> T,
    ) -> Vec<NetOf<T>> {
        (0..size).map(|n| NetOf { first: first(n), length, value: value(n) }).collect()
    }
    let asn = |n: u32| AsNumber(1 + n % 70_000);
    let country = |n: u32| Country::new(["DE", "FR", "US", "JP"][n as usize % 4]).expect("a country");
    let asns = both(size, v4, 24, asn).into_iter().chain(both(size, v6, 48, asn)).collect();
    let countries = both(size, v4, 23, country).into_iter().chain(both(size, v6, 47, country)).collect();
    let map = WhenceMap::build(&Layers { asn: Some(asns), country: Some(countries), tor: None });
    println!("{:?} spans, {} bytes", map.len(), map.heap_bytes());
    map
}

/// Lone addresses, scattered over 64.0.0.0/2.
fn lone(number: u32) -> Addr {
    Ipv4Addr::from_bits(0x4000_0000 | number.wrapping_mul(0x9e37_79b1) >> 2).into()
}

/// The same rules with 2,000 more as edits.
fn edit(rules: &Rules) -> Rules {
    let target = |n: u32| Target::Net(RuleNet::one(lone(0x1000_0000 | n)));
    let edit = |n: u32| RuleEdit { scope: 0, target: target(n), verdict: Some((RuleSlot(n), false)) };
    rules.edited(&(0..2_000).map(edit).collect::<Vec<_>>(), SECRET).expect("no hash is crowded")
}

fn make_rules(size: u32) -> Rules {
    let one = |addr| RuleNet::one(addr);
    let range = |text: &str| RuleNet::new(text.parse().expect("a net")).expect("a range");
    let ranges = ["203.0.113.0/24", "198.18.0.0/16", "2001:db8::/32", "2001:db9:1::/48", "2001:db9:2:3::/64"];
    let six = |n: u32| one(Ipv6Addr::from_bits(0x2a00 << 112 | u128::from(n) << 40).into());
    let nets = (0..size).map(|n| if n % 4 == 3 { six(n) } else { one(lone(n)) }).chain(ranges.map(range));
    let rule = |net| RuleSpec { target: Target::Net(net), mode: Mode::Block, id: None, notes: None };
    let rules: Vec<RuleSpec> = nets.map(rule).collect();
    let slots = (0..).map(RuleSlot).map(Some).take(rules.len()).collect();
    let scopes = [ScopeRules { rules: &rules, slots }, ScopeRules { rules: &[], slots: Vec::new() }];
    firewall::compile(&[ZoneScopes { zone: 0, account: 1, user: 1 }], &scopes, SECRET)
        .expect("no rule repeats")
}

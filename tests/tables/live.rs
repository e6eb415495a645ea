//! Live specs made at random: few prefixes, addresses and ports, so that things meet.

use byway::base::Addr;
use byway::firewall::{AsNumber, Country, Layers, Mode, NetOf, RuleNet, RuleSpec, Target, WhenceMap, Words};
use byway::snapshot::{AccountSpec, CertificateSpec, LiveSpec, ZoneSpec};
use byway::table::{
    AppId, AppProbe, AppSpec, ConnectionLimits, Connectivity, Dns, DnsKind, DnsName, EdgeIps, EdgePorts,
    OriginDirect, OriginDnsKind, OriginSpec, OriginTlsName, PortRange, Prefix, PrefixSpec, ProxyProtocol,
    ScopeName, TlsMode, TrafficType, UdpOptions,
};
use byway::tls::MinTls;
use byway::wire::Protocol;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;

pub const PREFIXES: [&str; 6] =
    ["198.51.100.0/24", "203.0.113.0/24", "5.6.0.0/16", "5.6.7.0/24", "2001:db8::/48", "2001:db8:1::/48"];
/// Edge addresses; the last one lies in no prefix.
pub const EDGES: [&str; 7] =
    ["198.51.100.1", "198.51.100.2", "203.0.113.0", "5.6.1.1", "5.6.7.1", "2001:db8::1", "2001:db8:1::1"];
/// Clients, close to each other so that ranges of many lengths hold several.
pub const CLIENTS: [&str; 10] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.129",
    "192.0.3.1",
    "192.128.0.1",
    "2001:db8:5::1",
    "2001:db8:5::2",
    "2001:db8:5:1::1",
    "2001:db8:6::1",
    "2001:dead::1",
];
/// Countries of rules: known ones, unknown, Tor's exits.
pub const COUNTRIES: [&str; 4] = ["DE", "FR", "XX", "T1"];
/// Zones by account: the second account has two.
pub const ZONES: [usize; 2] = [1, 2];

pub fn addr(text: &str) -> Addr {
    text.parse::<IpAddr>().expect("an address").into()
}

pub fn spec() -> impl Strategy<Value = LiveSpec> {
    let zones = ZONES.iter().sum::<usize>();
    let prefixes = proptest::sample::subsequence(PREFIXES.to_vec(), 1..=PREFIXES.len());
    let parts = (vec(vec(app(), 0..5), zones), vec(rules(), zones + ZONES.len() + 1), any::<bool>());
    (prefixes, parts)
        .prop_map(|(prefixes, (apps, rules, allow_partial))| build(&prefixes, apps, rules, allow_partial))
}

fn build(
    prefixes: &[&str],
    apps: Vec<Vec<AppSpec>>,
    rules: Vec<Vec<RuleSpec>>,
    allow_partial: bool,
) -> LiveSpec {
    let prefixes: Vec<Prefix> =
        prefixes.iter().map(|text| Prefix::new(text.parse().expect("a net"), true).expect("valid")).collect();
    let (mut apps, mut rules) = (thin_out(&prefixes, apps).into_iter(), rules.into_iter());
    let mut accounts = Vec::new();
    for (number, zones) in ZONES.iter().enumerate() {
        let zone = |zone| ZoneSpec {
            id: ScopeName::new(&format!("zone-{number}-{zone}")).expect("an id"),
            certificates: vec![CertificateSpec::Files {
                cert: "a/chain.pem".into(),
                key: "a/key.pem".into(),
            }],
            apps: apps.next().expect("apps for each zone"),
            access_rules: rules.next().expect("rules for each zone"),
        };
        let zones = (0..*zones).map(zone).collect();
        let id = ScopeName::new(&format!("account-{number}")).expect("an id");
        accounts.push(AccountSpec { id, zones, access_rules: rules.next().expect("rules for each account") });
    }
    let described = |(number, prefix)| PrefixSpec {
        description: (number == 1).then(|| "\"words\"\n".into()),
        ..PrefixSpec::plain(prefix)
    };
    let prefixes = prefixes.into_iter().enumerate().map(described).collect();
    LiveSpec { prefixes, accounts, access_rules: rules.next().expect("rules of the user"), allow_partial }
}

/// Takes away what a file would be refused for: addresses outside the prefixes, and edges that another app has.
fn thin_out(prefixes: &[Prefix], zones: Vec<Vec<AppSpec>>) -> Vec<Vec<AppSpec>> {
    let mut taken: Vec<(Addr, EdgePorts)> = Vec::new();
    let mut number = 0;
    let mut keep = |mut app: AppSpec| {
        if let EdgeIps::Static(addrs) = &app.edge_ips {
            let free = |addr: &Addr| {
                let clash = |(other, ports): &(Addr, EdgePorts)| {
                    other == addr
                        && ports.protocol == app.edge.protocol
                        && ports.ports.overlaps(app.edge.ports)
                };
                prefixes.iter().any(|prefix| prefix.contains(*addr)) && !taken.iter().any(clash)
            };
            let addrs: Vec<Addr> = addrs.iter().copied().filter(free).collect();
            if addrs.is_empty() {
                return None;
            }
            taken.extend(addrs.iter().map(|addr| (*addr, app.edge)));
            app.edge_ips = EdgeIps::Static(addrs.into());
        }
        number += 1;
        app.id = AppId::from_bits(number);
        if let EdgeIps::Dynamic(_) = app.edge_ips {
            // Dynamic apps of one name must not share a port.
            app.dns.name = DnsName::new(&format!("app{number}.example.com")).expect("a name");
        }
        Some(app)
    };
    zones.into_iter().map(|apps| apps.into_iter().filter_map(&mut keep).collect()).collect()
}

pub fn app() -> impl Strategy<Value = AppSpec> {
    let edge = (
        prop_oneof![3 => Just(Protocol::Tcp), 1 => Just(Protocol::Udp)],
        1..5_u16,
        prop_oneof![4 => Just(0), 1 => 0..3_u16],
    );
    let addrs = proptest::sample::subsequence(EDGES.to_vec(), 0..3);
    let flags = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), 0..24_u8);
    let origin = (
        prop_oneof![4 => Just(false), 1 => Just(true)],
        1..4_u8,
        option::of(600..=86_400_u32),
        any::<bool>(),
    );
    (edge, addrs, flags, origin).prop_map(|((protocol, first, more), addrs, flags, origin)| {
        let ports = PortRange::new(first, first + more).expect("in order");
        make_app(EdgePorts { protocol, ports, word: None }, &addrs, flags, origin)
    })
}

fn make_app(
    edge: EdgePorts,
    addrs: &[&str],
    (ip_firewall, http, rare, dice): (bool, bool, bool, u8),
    (by_name, count, ttl_s, port): (bool, u8, Option<u32>, bool),
) -> AppSpec {
    let tcp = edge.protocol == Protocol::Tcp;
    let word = (tcp && edge.ports.is_single() && edge.ports.first() == 4).then_some("ssh");
    let edge = match word {
        Some(_) => EdgePorts { protocol: Protocol::Tcp, ports: PortRange::one(22).expect("a port"), word },
        None => edge,
    };
    let proxy_protocol = match (dice % 6, tcp) {
        (0, true) => ProxyProtocol::V1,
        (0, false) => ProxyProtocol::Simple,
        (1, _) => ProxyProtocol::V2,
        _ => ProxyProtocol::Off,
    };
    let tls = if tcp && dice % 8 == 2 { TlsMode::ALL[1 + usize::from(count) % 3] } else { TlsMode::Off };
    let (kind, edge_ips) = match addrs {
        [] => (DnsKind::Cname, EdgeIps::Dynamic(Connectivity::ALL[usize::from(count) % 3])),
        addrs => (DnsKind::Address, EdgeIps::Static(addrs.iter().map(|text| addr(text)).collect())),
    };
    AppSpec {
        id: AppId::from_bits(0),
        edge,
        dns: Dns { kind, name: DnsName::new("app.example.com").expect("a name") },
        origin: origin(edge, by_name, count, ttl_s),
        origin_port: (by_name || port).then_some(edge.ports),
        ip_firewall,
        proxy_protocol,
        udp: if tcp { UdpOptions::default() } else { udp_options(dice, proxy_protocol) },
        tls,
        min_tls: (rare && tls != TlsMode::Off).then_some(MinTls::Tls13),
        origin_tls_name: if rare && by_name { OriginTlsName::Origin } else { OriginTlsName::App },
        traffic_type: if http && tcp { TrafficType::Http } else { TrafficType::Direct },
        edge_ips,
        edge_spelled: None,
        leased: Box::default(),
        nameless: Box::default(),
        probe: if tcp {
            [None, Some(AppProbe::On), Some(AppProbe::Off)][usize::from(dice) % 3]
        } else {
            None
        },
        argo_smart_routing: rare,
        allow_partial: rare && http,
        limits: rare.then_some(ConnectionLimits {
            connections: u32::from(dice),
            new_per_s: 7,
            client_connections: 0,
            client_new_per_s: ConnectionLimits::MAX,
        }),
        created_on: rare.then(|| "2026-01-31T12:00:00.000001Z".into()),
        modified_on: None,
    }
}

fn udp_options(dice: u8, proxy_protocol: ProxyProtocol) -> UdpOptions {
    let limit = [UdpOptions::AMPLIFICATION_LIMIT, 0, 17][usize::from(dice) % 3];
    let proxy_every_datagram = proxy_protocol == ProxyProtocol::V2 && dice.is_multiple_of(2);
    UdpOptions { amplification_limit: limit, proxy_every_datagram }
}

fn origin(edge: EdgePorts, by_name: bool, count: u8, ttl_s: Option<u32>) -> OriginSpec {
    if by_name {
        let kind = OriginDnsKind::ALL[usize::from(count) % 3];
        return OriginSpec::Dns { name: DnsName::new("_o.example.org").expect("a name"), ttl_s, kind };
    }
    let entry = |number: u8| OriginDirect {
        protocol: edge.protocol,
        addr: addr(if number.is_multiple_of(2) { "192.0.2.200" } else { "2001:db8:ffff::1" }),
        ports: edge.ports,
    };
    OriginSpec::Direct((0..count).map(entry).collect())
}

fn rules() -> impl Strategy<Value = Vec<RuleSpec>> {
    vec(rule(), 0..6).prop_map(|mut rules| {
        rules.sort_by_key(|rule| rule.target);
        rules.dedup_by_key(|rule| rule.target);
        rules
    })
}

pub fn rule() -> impl Strategy<Value = RuleSpec> {
    let net = (proptest::sample::select(CLIENTS.to_vec()), 0..=120_u8)
        .prop_map(|(text, shorter)| Target::Net(net(text, shorter)));
    let asn = (1..3_u32).prop_map(|number| Target::Asn(AsNumber(number)));
    let country = proptest::sample::select(COUNTRIES.to_vec()).prop_map(country).prop_map(Target::Country);
    let target = prop_oneof![10 => net, 2 => asn, 2 => country];
    let mode = prop_oneof![
        8 => Just(Mode::Block),
        4 => Just(Mode::Whitelist),
        1 => proptest::sample::select(Mode::ALL.to_vec()),
    ];
    let words = (option::of("[a-z]{1,4}"), option::of("[ -~]{1,8}"));
    (target, mode, words).prop_map(|(target, mode, (id, notes))| RuleSpec {
        target,
        mode,
        id: id.map(|text| Words::new(&text)),
        notes: notes.map(|text| Words::new(&text)),
    })
}

/// Databases of where the clients come from; each source may be missing.
pub fn whences() -> impl Strategy<Value = WhenceMap> {
    let net = (proptest::sample::select(CLIENTS.to_vec()), 0..=120_u8);
    let asn = vec((net.clone(), 1..3_u32), 0..6);
    let countries = vec((net.clone(), proptest::sample::select(vec!["DE", "FR", "XX"])), 0..6);
    let layers = (option::of(asn), option::of(countries), option::of(vec(net, 0..3)));
    layers.prop_map(|(asn, countries, tor)| WhenceMap::build(&build_layers(asn, countries, tor)))
}

type NetAnd<T> = ((&'static str, u8), T);

pub fn build_layers(
    asn: Option<Vec<NetAnd<u32>>>,
    countries: Option<Vec<NetAnd<&'static str>>>,
    tor: Option<Vec<(&'static str, u8)>>,
) -> Layers {
    fn of<T>((text, shorter): (&str, u8), value: T) -> NetOf<T> {
        let net = net(text, shorter);
        NetOf { first: net.first(), length: net.length(), value }
    }
    let asn = asn.map(|nets| nets.into_iter().map(|(net, number)| of(net, AsNumber(number))).collect());
    let countries =
        countries.map(|nets| nets.into_iter().map(|(net, code)| of(net, country(code))).collect());
    Layers { asn, country: countries, tor: tor.map(|nets| nets.into_iter().map(|net| of(net, ())).collect()) }
}

pub fn country(code: &str) -> Country {
    Country::new(code).expect("a country")
}

/// The range around a client, `shorter` than a single address (and no shorter than a rule may be).
fn net(text: &str, shorter: u8) -> RuleNet {
    let ip: IpAddr = text.parse().expect("an address");
    let length =
        if ip.is_ipv4() { 32_u8.saturating_sub(shorter / 5) } else { 128_u8.saturating_sub(shorter) };
    let length = length.max(if ip.is_ipv4() { 8 } else { 16 });
    RuleNet::new(ipnet::IpNet::new(ip, length).expect("a length").trunc()).expect("a rule's range")
}

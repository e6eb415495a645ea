//! TOML text -> `BootSpec`. Reads every key, then asks `check` for what keys must be to each other.

use super::api;
use super::budget::{self, Given};
use super::check::{self, Draft, PortPlaces, RoutePlaces};
use super::read::{Notes, Place, Read, Section, choice, flag, parsed, shown, text, whole};
use super::spec::{
    BootSpec, CongestionControlSpec, DeviceSpec, DnsSpec, EgressSpec, EventsTarget, GeoSpec, HealthSpec,
    Hugepages, IcmpSpec, Idle, LimitsSpec, MemorySpec, NeighborSpec, OnBadConfig, Placement, PortSpec,
    Probing, RouteSpec, SpliceHandshakeSpec, StaticNeighbor, SynCookiesSpec, TcpSpec, TlsSpec, UdpSpec,
    Unanswered, WorkersSpec,
};
use super::values::{
    canonical, device, events, filled, mac, name, net_or_address, of_family, or_off, port_range, push_url,
    site, user,
};
use crate::base::limits::{
    CRYPTO_JOBS_MAX, CRYPTO_THREADS_MAX, EGRESS_ADDRS_MAX, NAME_SERVERS_MAX, NAP_US_MAX, NEIGHBORS_MAX,
    PORT_ADDRS_MAX, PORTS_MAX, ROUTES_MAX, SESSIONS_MAX, SESSIONS_MIN, WORKERS_MAX,
};
use crate::base::{PortId, Span};
use crate::control::config::Problem;
use crate::control::{PushSettings, Rotation};
use crate::table::ConnectionLimits;
use crate::tls::MinTls;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The commented boot config that `byway config init` writes: every key with its unit and default.
pub const TEMPLATE: &str = include_str!("../../../../config/edge.toml");

/// Nets of one list.
const NETS_MAX: usize = 1024;
/// A day, the longest span that most timeouts may have.
const DAY_S: u64 = 86_400;

/// Parses a boot config. Relative paths in it start at `folder`, the folder of the file.
///
/// # Errors
/// All that is wrong with the text, in the order of its lines.
pub fn parse(text: &str, folder: &Path) -> Result<BootSpec, Vec<Problem>> {
    let mut notes = Notes::new(text);
    let (document, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        notes.push("", fault.span().map_or(0, |span| span.start), format!("not TOML: {}", fault.message()));
    }
    if !faults.is_empty() {
        return Err(notes.problems.into_sorted());
    }
    let draft = root(Section::root(document.get_ref()), &mut notes, folder);
    check::draft(&draft, &mut notes);
    if notes.problems.is_empty() { Ok(draft.spec) } else { Err(notes.problems.into_sorted()) }
}

fn root(mut top: Section, notes: &mut Notes, folder: &Path) -> Draft {
    let (ports, port_places) = ports(&mut top, notes);
    let (routes, route_places) = routes(&mut top, notes, &ports);
    let (egress, egress_places) = egress(&mut top, notes);
    let (neighbors, neighbor_places) = neighbors(&mut top, notes, &ports);
    let tcp_section = top.place_of("tcp");
    let (tcp, tcp_given) = tcp(&mut top, notes);
    let (udp, udp_given) = udp(&mut top, notes);
    let top_budget = Place { path: "memory.budget_mib".into(), at: top.place_of("memory").at };
    let api = api::api(&mut top, notes, folder);
    let tables = tables(&mut top, notes, api.is_some());
    let state_dir = top.value(notes, "state_dir", "/var/lib/byway".to_owned(), filled);
    let socket = top.value(notes, "socket", "/run/byway/byway.sock".to_owned(), text);
    let mut spec = BootSpec {
        tables: tables.map(|tables| folder.join(tables)).unwrap_or_default(),
        api,
        state_dir: folder.join(state_dir),
        on_bad_config: top.value(notes, "on_bad_config", OnBadConfig::LastGood, choice(ON_BAD_CONFIG)),
        lab: top.value(notes, "lab", false, flag),
        origin_allow: nets(&mut top, notes, "origin_allow", canonical),
        http_as_tcp: top.value(notes, "http_as_tcp", true, flag),
        edge_pool: edge_pool(&mut top, notes),
        site: top.value(notes, "site", String::new(), site),
        socket: Some(socket).filter(|path| !path.is_empty()).map(|path| folder.join(path)),
        metrics: top.value(
            notes,
            "metrics",
            Some(([127, 0, 0, 1], 9180).into()),
            or_off(parsed(SOCKET_ADDR)),
        ),
        events: top.value(notes, "events", EventsTarget::Off, |value| events(value, folder)),
        events_rotation: events_rotation(&mut top, notes),
        events_push: events_push(&mut top, notes),
        user: top.value(notes, "user", Some("byway".to_owned()), or_off(user)),
        drain: seconds(&mut top, notes, "drain_s", 300, 0..=DAY_S),
        workers: workers(&mut top, notes),
        memory: memory(&mut top, notes),
        ports,
        routes,
        egress,
        tcp,
        udp,
        limits: limits(&mut top, notes),
        tls: tls(&mut top, notes, folder),
        icmp: icmp(&mut top, notes),
        neighbors,
        deny: sources(&mut top, notes),
        geo: geo(&mut top, notes, folder),
        dns: dns(&mut top, notes),
        health: health(&mut top, notes),
    };
    top.finish(notes);
    if let Err(why) = budget::share(&mut spec, Given { udp_sessions: udp_given, ..tcp_given }) {
        notes.push_at(&top_budget, why);
    }
    Draft {
        spec,
        ports: port_places,
        routes: route_places,
        egress: egress_places,
        neighbors: neighbor_places,
        tcp: tcp_section,
    }
}

/// The table file, which must be given, and must not where the API rules.
fn tables(top: &mut Section, notes: &mut Notes, of_api: bool) -> Option<String> {
    if !of_api {
        return top.required(notes, "tables", filled);
    }
    let place = top.place_of("tables");
    let tables = top.optional(notes, "tables", filled)?;
    let text =
        format!("{tables:?} and the store of [api] are two sources of one table: leave one of them out");
    notes.push_at(&place, text);
    None
}

const ON_BAD_CONFIG: &[(&str, OnBadConfig)] =
    &[("last_good", OnBadConfig::LastGood), ("refuse", OnBadConfig::Refuse)];
const HUGEPAGES: &[(&str, Hugepages)] =
    &[("auto", Hugepages::Auto), ("off", Hugepages::Off), ("require", Hugepages::Require)];
const IDLE: &[(&str, Idle)] = &[("poll", Idle::Poll), ("interrupt", Idle::Interrupt), ("nap", Idle::Nap)];
const PROBING: &[(&str, Probing)] =
    &[("off", Probing::Off), ("several", Probing::Several), ("all", Probing::All)];
const SPLICE_HANDSHAKE: &[(&str, SpliceHandshakeSpec)] =
    &[("immediate", SpliceHandshakeSpec::Immediate), ("client_rtt", SpliceHandshakeSpec::ClientRtt)];
const SYN_COOKIES: &[(&str, SynCookiesSpec)] =
    &[("auto", SynCookiesSpec::Auto), ("always", SynCookiesSpec::Always), ("off", SynCookiesSpec::Off)];
const AUTO_OFF: &[(&str, bool)] = &[("auto", true), ("off", false)];

const CONGESTION_CONTROL: &[(&str, CongestionControlSpec)] = &[
    ("bbr", CongestionControlSpec::Bbr),
    ("cubic", CongestionControlSpec::Cubic),
    ("none", CongestionControlSpec::None),
];
const SPLICE: &[(&str, bool)] = &[("auto", true), ("off", false)];
const UNANSWERED: &[(&str, Unanswered)] = &[("drop", Unanswered::Drop), ("rst", Unanswered::Rst)];
const MIN_TLS: &[(&str, MinTls)] = &[("1.2", MinTls::Tls12), ("1.3", MinTls::Tls13)];
const SOCKET_ADDR: &str = "an address and port like \"127.0.0.1:9180\" or \"[::1]:9180\"";
const NAME_SERVER: &str = "a name server's address and port like \"192.0.2.53:53\" or \"[2001:db8::53]:53\"";
const NET: &str = "a net like \"192.0.2.0/24\" or \"2001:db8::/32\"";
const IP: &str = "an IP address like \"192.0.2.1\" or \"2001:db8::1\"";

fn workers(top: &mut Section, notes: &mut Notes) -> WorkersSpec {
    let mut section = top.section(notes, "workers");
    let lcores = section.list(notes, "lcores", WORKERS_MAX, whole("CPU", 0..=1023u16));
    let count = section.value(notes, "count", 1, whole("workers", 1..=WORKERS_MAX));
    for (index, (place, cpu)) in lcores.iter().enumerate() {
        if lcores[..index].iter().any(|(_, earlier)| earlier == cpu) {
            notes.push_at(place, format!("CPU {cpu} is named twice; one worker a CPU"));
        }
    }
    let lcores: Vec<u16> = lcores.into_iter().map(|(_, cpu)| cpu).collect();
    let idle = section.value(notes, "idle", Idle::Nap, choice(IDLE));
    let gro = section.value(notes, "gro", true, choice(AUTO_OFF));
    let idle_polls = section.value(notes, "idle_polls", 64, whole("turns", 1..=1 << 20));
    let idle_sleep = section.value(notes, "idle_sleep_us", 50, whole("µs", 1..=NAP_US_MAX));
    let hang = Span::from_millis(section.value(notes, "hang_ms", 1_000, whole("ms", 100..=600_000)));
    section.finish(notes);
    let placement = if lcores.is_empty() { Placement::Count(count) } else { Placement::Lcores(lcores) };
    WorkersSpec { placement, idle, idle_polls, gro, idle_sleep: Span::from_micros(idle_sleep), hang }
}

fn memory(top: &mut Section, notes: &mut Notes) -> MemorySpec {
    let mut section = top.section(notes, "memory");
    let spec = MemorySpec {
        hugepages: section.value(notes, "hugepages", Hugepages::Auto, choice(HUGEPAGES)),
        budget_mib: Some(section.value(notes, "budget_mib", 0, whole("MiB", 0..=1 << 24)))
            .filter(|mib| *mib > 0),
        frames: section.value(notes, "frames", 16_384, whole("frames", 1_024..=1 << 22)),
        dpdk_mib: Some(section.value(notes, "dpdk_mib", 0, whole("MiB", 0..=1 << 20))).filter(|mib| *mib > 0),
        app_counters: section.value(notes, "app_counters", 4_096, whole("apps", 1..=1 << 20)),
        rule_counters: section.value(notes, "rule_counters", 4_096, whole("rules", 1..=1 << 22)),
    };
    section.finish(notes);
    spec
}

fn ports(top: &mut Section, notes: &mut Notes) -> (Vec<PortSpec>, Vec<PortPlaces>) {
    let whole_text = top.place_of("ports");
    let sections = top.sections(notes, "ports", PORTS_MAX);
    if sections.is_empty() {
        notes.push_at(&whole_text, "no port; at least one [[ports]] table must be there");
    }
    sections.into_iter().map(|section| port(section, notes)).unzip()
}

fn port(mut section: Section, notes: &mut Notes) -> (PortSpec, PortPlaces) {
    let name = section.required(notes, "name", name).unwrap_or_default();
    let device = section.required(notes, "device", device);
    let before = notes.problems.len();
    let addresses = section.list(
        notes,
        "addresses",
        PORT_ADDRS_MAX,
        parsed::<IpNet>("an address with its subnet's length like \"192.0.2.1/24\""),
    );
    let places = PortPlaces {
        section: section.place.clone(),
        name: section.place_of("name"),
        device: section.place_of("device"),
        mtu: section.place_of("mtu"),
        addresses: addresses.iter().map(|(place, _)| place.clone()).collect(),
        addresses_sure: notes.problems.len() == before,
    };
    let spec = PortSpec {
        name,
        device: device.unwrap_or(DeviceSpec::Pci(String::new())),
        mtu: section.value(notes, "mtu", 1_500, whole("bytes", 576..=9_600)),
        addresses: addresses.into_iter().map(|(_, address)| address).collect(),
        answer_neighbors_for_prefixes: section.value(notes, "answer_neighbors_for_prefixes", false, flag),
        queues: Some(section.value(notes, "queues", 0, whole("queues", 0..=64))).filter(|queues| *queues > 0),
        tso: section.value(notes, "tso", true, choice(AUTO_OFF)),
    };
    section.finish(notes);
    (spec, places)
}

fn routes(top: &mut Section, notes: &mut Notes, ports: &[PortSpec]) -> (Vec<RouteSpec>, Vec<RoutePlaces>) {
    let sections = top.sections(notes, "routes", ROUTES_MAX);
    sections.into_iter().filter_map(|section| route(section, notes, ports)).unzip()
}

fn route(mut section: Section, notes: &mut Notes, ports: &[PortSpec]) -> Option<(RouteSpec, RoutePlaces)> {
    let to = section.required(notes, "to", parsed::<IpNet>(NET));
    let via = section.required(notes, "via", parsed::<IpAddr>(IP));
    let port = port_named(&mut section, notes, ports);
    let places = RoutePlaces { to: section.place_of("to"), via: section.place_of("via") };
    section.finish(notes);
    Some((RouteSpec { to: to?, via: via?, port: port? }, places))
}

/// The port that a route or neighbour names; a lone port need not be named.
fn port_named(section: &mut Section, notes: &mut Notes, ports: &[PortSpec]) -> Option<PortId> {
    let find = |value: &DeValue| {
        let name = text(value)?;
        let index = ports.iter().position(|port| port.name == name);
        let known = || ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
        index.ok_or_else(|| format!("no port is named {}; there are: {}", shown(value), known()))
    };
    let index = match ports {
        [_] => section.value(notes, "port", 0, find),
        _ => section.required(notes, "port", find)?,
    };
    u8::try_from(index).ok().map(PortId)
}

fn egress(top: &mut Section, notes: &mut Notes) -> (EgressSpec, Vec<Place>) {
    let mut section = top.section(notes, "egress");
    let ipv4 = section.list(notes, "ipv4", EGRESS_ADDRS_MAX, parsed("an IPv4 address like \"192.0.2.10\""));
    let ipv6 = section.list(notes, "ipv6", EGRESS_ADDRS_MAX, parsed("an IPv6 address like \"2001:db8::10\""));
    let ports = section.value(notes, "ports", 1024..=65_535, port_range);
    let quarantine = seconds(&mut section, notes, "quarantine_s", 60, 1..=600);
    if ipv4.is_empty() && ipv6.is_empty() {
        notes.push_at(
            &section.place,
            "[egress] names no address that origin legs could use; give `ipv4`, `ipv6` or both",
        );
    }
    section.finish(notes);
    let places =
        ipv4.iter().map(|(place, _)| place).chain(ipv6.iter().map(|(place, _)| place)).cloned().collect();
    let ipv4 = ipv4.into_iter().map(|(_, address)| address).collect();
    let ipv6 = ipv6.into_iter().map(|(_, address)| address).collect();
    (EgressSpec { ipv4, ipv6, ports, quarantine }, places)
}

/// `[tcp]`, and which numbers of sessions it names.
fn tcp(top: &mut Section, notes: &mut Notes) -> (TcpSpec, Given) {
    let mut section = top.section(notes, "tcp");
    let s = &mut section;
    let given = given_by(s);
    let spec = TcpSpec {
        unused_tcp: s.value(notes, "unused_tcp", Unanswered::Drop, choice(UNANSWERED)),
        blocked_tcp: s.value(notes, "blocked_tcp", Unanswered::Drop, choice(UNANSWERED)),
        sessions: s.value(notes, "sessions", 16_384, whole("sessions", SESSIONS_MIN..=SESSIONS_MAX)),
        half_open: s.value(notes, "half_open", 4_096, whole("sessions", 1..=SESSIONS_MAX)),
        syn_cookies: s.value(notes, "syn_cookies", SynCookiesSpec::Auto, choice(SYN_COOKIES)),
        syn_cookies_percent: s.value(notes, "syn_cookies_percent", 50, whole("percent", 0..=100)),
        syn_cookie_checks_per_s: s.value(
            notes,
            "syn_cookie_checks_per_s",
            200_000,
            whole("ACKs a second", 1..=1 << 30),
        ),
        splice: s.value(notes, "splice", true, choice(SPLICE)),
        splice_handshake: s.value(
            notes,
            "splice_handshake",
            SpliceHandshakeSpec::Immediate,
            choice(SPLICE_HANDSHAKE),
        ),
        splice_quiesce_after: seconds(s, notes, "splice_quiesce_s", 1, 0..=DAY_S),
        spliced_sessions: s.value(
            notes,
            "spliced_sessions",
            65_536,
            whole("sessions", SESSIONS_MIN..=SESSIONS_MAX),
        ),
        parked_sessions: s.value(
            notes,
            "parked_sessions",
            16_384,
            whole("sessions", SESSIONS_MIN..=SESSIONS_MAX),
        ),
        park_after: seconds(s, notes, "park_after_s", 60, 0..=DAY_S),
        rx_buffer_bytes: s.value(notes, "rx_buffer", 65_536, whole("bytes", 2_048..=1 << 24)),
        tx_buffer_bytes: s.value(notes, "tx_buffer", 65_536, whole("bytes", 2_048..=1 << 24)),
        window_shift: s.value(notes, "window_shift", 7, whole("bits", 0..=14)),
        timestamps: s.value(notes, "timestamps", true, flag),
        congestion_control: s.value(
            notes,
            "congestion_control",
            CongestionControlSpec::Bbr,
            choice(CONGESTION_CONTROL),
        ),
        mss_max: Some(s.value(notes, "mss_max", 0, whole("bytes", 0..=9_560))).filter(|mss| *mss > 0),
        connect_timeout: seconds(s, notes, "connect_timeout_s", 10, 1..=600),
        half_open_timeout: seconds(s, notes, "half_open_timeout_s", 10, 1..=600),
        idle_timeout: seconds(s, notes, "idle_timeout_s", DAY_S, 1..=30 * DAY_S),
        fin_timeout: seconds(s, notes, "fin_timeout_s", 60, 1..=DAY_S),
        keepalive: seconds(s, notes, "keepalive_s", 300, 0..=DAY_S),
        user_timeout: seconds(s, notes, "user_timeout_s", 120, 1..=DAY_S),
        time_wait: seconds(s, notes, "time_wait_s", 60, 1..=600),
        removed_app_drain: seconds(s, notes, "removed_app_drain_s", 300, 0..=DAY_S),
        syn_per_s: s.value(notes, "syn_per_s", 50_000, whole("SYNs a second", 1..=1 << 30)),
        rst_per_s: s.value(notes, "rst_per_s", 1_000, whole("RSTs a second", 0..=1 << 30)),
        challenge_ack_per_s: s.value(
            notes,
            "challenge_ack_per_s",
            1_000,
            whole("ACKs a second", 1..=1 << 30),
        ),
    };
    section.finish(notes);
    (spec, given)
}

/// Which numbers of sessions `[tcp]` names.
fn given_by(tcp: &Section) -> Given {
    Given {
        sessions: tcp.has("sessions"),
        half_open: tcp.has("half_open"),
        spliced_sessions: tcp.has("spliced_sessions"),
        parked_sessions: tcp.has("parked_sessions"),
        udp_sessions: false,
    }
}

/// `[udp]`, and whether it names its number of sessions.
fn udp(top: &mut Section, notes: &mut Notes) -> (UdpSpec, bool) {
    let mut section = top.section(notes, "udp");
    let given = section.has("sessions");
    let spec = UdpSpec {
        sessions: section.value(notes, "sessions", 65_536, whole("sessions", SESSIONS_MIN..=SESSIONS_MAX)),
        idle_timeout: seconds(&mut section, notes, "idle_timeout_s", 60, 1..=DAY_S),
        unanswered_timeout: seconds(&mut section, notes, "unanswered_timeout_s", 5, 1..=600),
    };
    section.finish(notes);
    (spec, given)
}

fn events_rotation(top: &mut Section, notes: &mut Notes) -> Rotation {
    let mib: u64 = top.value(notes, "events_file_mib", 64, whole("MiB", 0..=1 << 20));
    let kept = top.value(notes, "events_files", 8, whole("files", 0..=1_000));
    Rotation { bytes_max: mib << 20, kept }
}

fn events_push(top: &mut Section, notes: &mut Notes) -> Option<PushSettings> {
    let url = top.value(notes, "events_push", None, or_off(push_url));
    let batch_lines = top.value(notes, "events_batch", 1_000, whole("events", 1..=100_000));
    let batch_ms = top.value(notes, "events_batch_ms", 1_000, whole("milliseconds", 1..=600_000));
    let mib: u64 = top.value(notes, "events_spool_mib", 64, whole("MiB", 1..=1 << 20));
    let gzip = top.value(notes, "events_gzip", false, flag);
    Some(PushSettings { url: url?, gzip, batch_lines, batch_ms, spool_bytes: mib << 20 })
}

fn limits(top: &mut Section, notes: &mut Notes) -> LimitsSpec {
    let mut section = top.section(notes, "limits");
    let s = &mut section;
    let mut limit = |key| s.value(notes, key, 0, whole("connections", 0..=ConnectionLimits::MAX));
    let connections = ConnectionLimits {
        connections: limit("app_connections"),
        new_per_s: limit("app_new_per_s"),
        client_connections: limit("client_connections"),
        client_new_per_s: limit("client_new_per_s"),
    };
    let spec = LimitsSpec {
        app_share_percent: s.value(notes, "app_share_percent", 25, whole("percent", 1..=100)),
        account_share_percent: s.value(notes, "account_share_percent", 50, whole("percent", 1..=100)),
        connections,
    };
    section.finish(notes);
    spec
}

fn tls(top: &mut Section, notes: &mut Notes, folder: &Path) -> TlsSpec {
    let mut section = top.section(notes, "tls");
    let certificates = section.value(notes, "certificates", "certificates".to_owned(), filled);
    let ca_bundle = section.value(notes, "ca_bundle", String::new(), text);
    let spec = TlsSpec {
        crypto_threads: section.value(notes, "crypto_threads", 1, whole("threads", 1..=CRYPTO_THREADS_MAX)),
        crypto_jobs: section.value(notes, "crypto_jobs", 1_024, whole("handshakes", 16..=CRYPTO_JOBS_MAX)),
        handshakes_per_s: section.value(
            notes,
            "handshakes_per_s",
            1_500,
            whole("handshakes a second", 1..=1 << 30),
        ),
        handshake_timeout: seconds(&mut section, notes, "handshake_timeout_s", 10, 1..=600),
        min_tls: section.value(notes, "min_tls", MinTls::Tls12, choice(MIN_TLS)),
        certificates: folder.join(certificates),
        ca_bundle: Some(ca_bundle).filter(|path| !path.is_empty()).map(|path| folder.join(path)),
    };
    section.finish(notes);
    spec
}

fn icmp(top: &mut Section, notes: &mut Notes) -> IcmpSpec {
    let mut section = top.section(notes, "icmp");
    let spec = IcmpSpec {
        echo_per_s: section.value(notes, "echo_per_s", 1_000, whole("replies a second", 0..=1 << 30)),
        errors_per_s: section.value(notes, "errors_per_s", 100, whole("errors a second", 0..=1 << 30)),
        errors_in_per_s: section.value(
            notes,
            "errors_in_per_s",
            10_000,
            whole("errors a second", 0..=1 << 30),
        ),
    };
    section.finish(notes);
    spec
}

fn neighbors(top: &mut Section, notes: &mut Notes, ports: &[PortSpec]) -> (NeighborSpec, Vec<Place>) {
    let mut section = top.section(notes, "neighbors");
    let per_s = section.value(notes, "per_s", 10_000, whole("messages a second", 1..=1 << 30));
    let sections = section.sections(notes, "static", NEIGHBORS_MAX);
    let (fixed, places) = sections.into_iter().filter_map(|one| static_neighbor(one, notes, ports)).unzip();
    section.finish(notes);
    (NeighborSpec { per_s, fixed }, places)
}

fn static_neighbor(
    mut section: Section,
    notes: &mut Notes,
    ports: &[PortSpec],
) -> Option<(StaticNeighbor, Place)> {
    let address = section.required(notes, "address", parsed::<IpAddr>(IP));
    let mac = section.required(notes, "mac", mac);
    let port = port_named(&mut section, notes, ports);
    let place = section.place_of("address");
    section.finish(notes);
    Some((StaticNeighbor { address: address?, mac: mac?, port: port? }, place))
}

fn sources(top: &mut Section, notes: &mut Notes) -> Vec<IpNet> {
    let mut section = top.section(notes, "sources");
    let deny = nets(&mut section, notes, "deny", canonical);
    section.finish(notes);
    deny
}

fn edge_pool(top: &mut Section, notes: &mut Notes) -> Vec<IpNet> {
    let mut section = top.section(notes, "edge_pool");
    let mut pool = nets(&mut section, notes, "ipv4", |net| of_family(net, true));
    pool.extend(nets(&mut section, notes, "ipv6", |net| of_family(net, false)));
    section.finish(notes);
    pool
}

fn nets(
    section: &mut Section,
    notes: &mut Notes,
    key: &'static str,
    rule: impl Fn(IpNet) -> Read<IpNet>,
) -> Vec<IpNet> {
    let list = section.list(notes, key, NETS_MAX, |value| net_or_address(value).and_then(&rule));
    list.into_iter().map(|(_, net)| net).collect()
}

fn geo(top: &mut Section, notes: &mut Notes, folder: &Path) -> GeoSpec {
    let mut section = top.section(notes, "geo");
    let mut path = |key| {
        let path = section.value(notes, key, String::new(), text);
        Some(path).filter(|path| !path.is_empty()).map(|path| folder.join(path))
    };
    let spec = GeoSpec { asn: path("asn"), country: path("country"), tor: path("tor") };
    section.finish(notes);
    spec
}

fn health(top: &mut Section, notes: &mut Notes) -> HealthSpec {
    let mut section = top.section(notes, "health");
    let timeout_ms = section.value(notes, "timeout_ms", 2_000, whole("ms", 100..=60_000));
    let spec = HealthSpec {
        probe: section.value(notes, "probe", Probing::Several, choice(PROBING)),
        interval: seconds(&mut section, notes, "interval_s", 10, 1..=3_600),
        timeout: Span::from_millis(timeout_ms),
        fall: section.value(notes, "fall", 3, whole("failures", 1..=100)),
        rise: section.value(notes, "rise", 2, whole("successes", 1..=100)),
    };
    section.finish(notes);
    spec
}

fn dns(top: &mut Section, notes: &mut Notes) -> DnsSpec {
    let mut section = top.section(notes, "dns");
    let resolvers = section.list(notes, "resolvers", NAME_SERVERS_MAX, parsed::<SocketAddr>(NAME_SERVER));
    for (index, (place, server)) in resolvers.iter().enumerate() {
        if server.port() == 0 || server.ip().is_unspecified() || server.ip().is_multicast() {
            notes.push_at(place, format!("{server} can be no name server"));
        } else if resolvers[..index].iter().any(|(_, earlier)| earlier == server) {
            notes.push_at(place, format!("{server} is named twice"));
        }
    }
    let timeout_ms = section.value(notes, "timeout_ms", 2_000, whole("ms", 100..=30_000));
    let spec = DnsSpec {
        resolvers: resolvers.into_iter().map(|(_, server)| server).collect(),
        timeout: Span::from_millis(timeout_ms),
        attempts: section.value(notes, "attempts", 2, whole("tries", 1..=10)),
        ttl_min: seconds(&mut section, notes, "ttl_min_s", 60, 1..=3_600),
        stale_max: seconds(&mut section, notes, "stale_max_s", DAY_S, 0..=30 * DAY_S),
    };
    section.finish(notes);
    spec
}

fn seconds(
    section: &mut Section,
    notes: &mut Notes,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Span {
    Span::from_secs(section.value(notes, key, default, whole("seconds", range)))
}

//! Boot configs, right and wrong.

use super::*;
use crate::base::{PortId, Span};
use crate::telemetry::Event;
use std::path::{Path, PathBuf};

const SMALL: &str = r#"
tables = "t.json"
[[ports]]
name = "p"
device = "net_af_packet,iface=eth1"
addresses = ["10.0.0.1/24"]
[egress]
ipv4 = ["10.0.0.10"]
"#;

fn read(text: &str) -> Result<BootSpec, Vec<String>> {
    parse(text, Path::new("/etc/byway")).map_err(|list| list.iter().map(ToString::to_string).collect())
}

fn complaints(text: &str) -> Vec<String> {
    read(text).expect_err("the text is wrong")
}

#[test]
fn the_template_is_right_and_says_the_defaults() {
    let template = read(TEMPLATE).expect("the shipped file is right");
    let small = read(SMALL).expect("a small file is right");
    assert_eq!(template.tcp, small.tcp);
    assert_eq!(template.workers, small.workers);
    assert_eq!(template.memory, small.memory);
    assert_eq!(template.icmp, small.icmp);
    assert_eq!(template.neighbors, small.neighbors);
    assert_eq!((&template.state_dir, &template.socket), (&small.state_dir, &small.socket));
    assert_eq!((&template.dns, template.health), (&small.dns, small.health));
    assert_eq!((template.metrics, &template.user), (small.metrics, &small.user));
    assert_eq!((template.drain, template.on_bad_config), (small.drain, small.on_bad_config));
    assert_eq!((template.lab, &template.site), (false, &small.site));
    assert_eq!(template.ports[0].mtu, small.ports[0].mtu);
    assert_eq!(template.egress.ports, small.egress.ports);
    assert_eq!(template.routes.len(), 2);
}

#[test]
fn the_api_wants_tls_beyond_loopback_unless_plain_is_said_and_is_the_only_source_of_tables() {
    let small = SMALL.replace("tables = \"t.json\"", "");
    let of = |lines: &str| format!("{small}\n[api]\nstore = \"s\"\n{lines}\n");
    for right in [
        "",
        "listen = \"\"",
        "listen = \"[::1]:8080\"",
        "listen = \"192.0.2.7:8080\"\nplain = true",
        "listen = \"0.0.0.0:8443\"\ncertificate = \"c.pem\"\nkey = \"k.pem\"",
    ] {
        assert!(read(&of(right)).is_ok_and(|spec| spec.api.is_some()), "{right}");
    }
    for (wrong, why) in [
        ("listen = \"192.0.2.7:8080\"", "is not loopback, and there is no TLS"),
        ("listen = \"[::]:8080\"", "is not loopback, and there is no TLS"),
        ("listen = \"127.0.0.1:8080\"\ncertificate = \"c.pem\"", "a certificate needs its key"),
        ("listen = \"127.0.0.1:8080\"\nkey = \"k.pem\"", "a key needs its certificate"),
    ] {
        let found = complaints(&of(wrong));
        assert!(found.len() == 1 && found[0].contains(why), "{wrong}: {found:?}");
    }
    let both = complaints(&format!("{SMALL}\n[api]\nstore = \"s\"\n"));
    assert!(both.len() == 1 && both[0].contains("are two sources of one table"), "{both:?}");
}

#[test]
fn relative_paths_start_at_the_files_folder() {
    assert_eq!(read(SMALL).expect("right").tables, PathBuf::from("/etc/byway/t.json"));
}

#[test]
fn name_servers_are_read_and_those_that_can_be_none_are_named() {
    let spec = read(&format!("{SMALL}\n[dns]\nresolvers = [\"192.0.2.53:53\", \"[2001:db8::53]:5353\"]\n"));
    let resolvers: Vec<String> = spec.expect("right").dns.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(resolvers, ["192.0.2.53:53", "[2001:db8::53]:5353"]);
    for (text, why) in [
        ("\"192.0.2.53\"", "is not a name server's address and port like \"192.0.2.53:53\""),
        ("\"ns.example.com:53\"", "is not a name server's address and port"),
        ("\"192.0.2.53:0\"", "192.0.2.53:0 can be no name server"),
        ("\"0.0.0.0:53\"", "can be no name server"),
        ("\"192.0.2.53:53\", \"192.0.2.53:53\"", "192.0.2.53:53 is named twice"),
    ] {
        let found = complaints(&format!("{SMALL}\n[dns]\nresolvers = [{text}]\n"));
        assert!(found[0].contains("dns.resolvers[") && found[0].contains(why), "{found:?}");
    }
    let found = complaints(&format!("{SMALL}\n[dns]\ntimeout_ms = 1\nresolver = []\n"));
    assert!(found[0].contains("dns.timeout_ms: 1 is out of range"), "{found:?}");
    assert!(found[1].contains("dns.resolver: no such key; did you mean `resolvers`?"), "{found:?}");
}

#[test]
fn a_lone_port_need_not_be_named_by_a_route() {
    let spec =
        read(&format!("{SMALL}\n[[routes]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.0.2\"\n")).expect("right");
    assert_eq!(spec.routes[0].port, PortId(0));
}

#[test]
fn all_errors_come_at_once_each_with_its_line_and_key() {
    let text = r#"tables = 7
lab = "yes"
drain_s = 86401
on_bad_config = "shrug"
[[ports]]
name = "p q"
device = "eth1"
mtu = 100
addresses = ["10.0.0.300/24"]
[egress]
ports = "9-1"
"#;
    let found = complaints(text);
    let wanted = [
        "line 1: tables: should be a string, not an integer",
        "line 2: lab: should be true or false, not a string",
        "line 3: drain_s: 86401 is out of range; should be a whole number of seconds from 0 to 86400",
        "line 4: on_bad_config: \"shrug\" is not one of \"last_good\", \"refuse\"",
        "line 6: ports[0].name: should be 1 to 32 letters, digits, '-', '_' or '.'",
        "line 7: ports[0].device: \"eth1\" is neither a PCI address",
        "line 8: ports[0].mtu: 100 is out of range",
        "line 9: ports[0].addresses[0]: \"10.0.0.300/24\" is not an address",
        "line 11: egress.ports: \"9-1\" is not a range of ports",
    ];
    for want in wanted {
        assert!(found.iter().any(|line| line.starts_with(want)), "{want} in {found:#?}");
    }
    assert_eq!(found.len(), wanted.len() + 1, "and the empty egress pool: {found:#?}");
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_name() {
    let found = complaints(&format!("drain = 3\n{SMALL}[tcp]\nseesions = 5\nfrobnicate = 1\n"));
    assert_eq!(found[0], "line 1: drain: no such key; did you mean `drain_s`?");
    assert_eq!(found[1], "line 11: tcp.seesions: no such key; did you mean `sessions`?");
    assert!(
        found[2].starts_with("line 12: tcp.frobnicate: no such key; known here: unused_tcp, "),
        "{}",
        found[2]
    );
}

#[test]
fn text_that_is_not_toml_is_told_with_its_line() {
    let found = complaints("tables = \"t\"\n[[ports]\n");
    assert!(found[0].starts_with("line 2: not TOML: "), "{found:?}");
}

#[test]
fn a_gateway_must_lie_on_link_on_its_port() {
    let found = complaints(&format!("{SMALL}\n[[routes]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.1.2\"\n"));
    assert!(
        found[0].contains("10.0.1.2 is not on-link on port \"p\", whose subnets are: 10.0.0.0/24"),
        "{found:?}"
    );
}

#[test]
fn a_gateway_is_not_blamed_for_an_address_that_could_not_be_read() {
    let text = SMALL.replace("10.0.0.1/24", "10.0.0.1/33");
    let found = complaints(&format!("{text}\n[[routes]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.0.2\"\n"));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn families_and_host_bits_of_routes_are_checked() {
    let found = complaints(&format!(
        "{SMALL}\n[[routes]]\nto = \"::/0\"\nvia = \"10.0.0.2\"\n[[routes]]\nto = \"10.9.0.1/16\"\nvia = \"10.0.0.2\"\n"
    ));
    assert!(found[0].contains("10.0.0.2 is not of the family of ::/0"), "{found:?}");
    assert!(found[1].contains("did you mean 10.9.0.0/16?"), "{found:?}");
}

#[test]
fn egress_addresses_are_nobody_elses() {
    for (address, why) in [
        ("10.0.0.1", "port \"p\"'s own address"),
        ("10.0.0.2", "is a gateway"),
        ("10.0.0.255", "number or broadcast address"),
        ("127.0.0.1", "loopback"),
        ("224.0.0.1", "multicast"),
    ] {
        let text = SMALL.replace("10.0.0.10", address);
        let found = complaints(&format!("{text}\n[[routes]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.0.2\"\n"));
        assert!(found.len() == 1 && found[0].contains(why), "{address}: {found:?}");
    }
}

#[test]
fn two_ports_share_neither_name_nor_device_nor_subnet() {
    let second =
        "[[ports]]\nname = \"p\"\ndevice = \"net_af_packet,iface=eth1\"\naddresses = [\"10.0.0.7/25\"]\n";
    let found = complaints(&format!("{SMALL}{second}"));
    assert!(found[0].contains("\"p\" is the name of ports[0] already"), "{found:?}");
    assert!(found[1].contains("is the device of ports[0] already"), "{found:?}");
    assert!(found[2].contains("10.0.0.0/25 overlaps one of port \"p\""), "{found:?}");
}

#[test]
fn buffers_that_cannot_be_announced_are_refused() {
    let found =
        complaints(&format!("{SMALL}[tcp]\nrx_buffer = 1048576\nwindow_shift = 3\nhalf_open = 20000\n"));
    assert!(found.iter().any(|line| line.contains("1048576 bytes can never be announced")), "{found:?}");
    assert!(
        found.iter().any(|line| line.contains("tcp.half_open: 20000 half-open sessions are more than")),
        "{found:?}"
    );
}

#[test]
fn ipv6_needs_its_smallest_mtu() {
    let text = SMALL.replace("\"10.0.0.1/24\"]", "\"10.0.0.1/24\", \"2001:db8::1/64\"]\nmtu = 1000");
    assert!(complaints(&text)[0].contains("ports[0].mtu: 1000 is too small for IPv6"));
}

#[test]
fn empty_strings_turn_things_off() {
    let spec =
        read(&format!("socket = \"\"\nmetrics = \"\"\nevents = \"\"\nuser = \"\"\n{SMALL}")).expect("right");
    assert_eq!((spec.socket, spec.metrics, spec.user), (None, None, None));
    assert_eq!(spec.events, EventsTarget::Off);
}

#[test]
fn devices_are_read_in_both_forms() {
    let device = |text: &str| {
        read(&SMALL.replace("net_af_packet,iface=eth1", text)).map(|spec| spec.ports[0].device.clone())
    };
    assert_eq!(device("01:00.0").expect("right"), DeviceSpec::Pci("0000:01:00.0".into()));
    let packet = device("net_af_packet3,iface=eth1,framecnt=512").expect("right");
    assert_eq!(packet.arg("iface"), Some("eth1"));
    assert_eq!(packet.to_string(), "net_af_packet3,iface=eth1,framecnt=512");
    assert!(device("net_bogus0").is_err());
}

#[test]
fn static_neighbours_are_stations_on_link() {
    let add = |text: &str| read(&format!("{SMALL}{text}"));
    let spec =
        add("[[neighbors.static]]\naddress = \"10.0.0.2\"\nmac = \"02:00:00:00:00:02\"\n").expect("right");
    assert_eq!(spec.neighbors.fixed[0].mac, [2, 0, 0, 0, 0, 2]);
    assert!(add("[[neighbors.static]]\naddress = \"10.0.0.2\"\nmac = \"03:00:00:00:00:02\"\n").is_err());
    assert!(add("[[neighbors.static]]\naddress = \"10.1.0.2\"\nmac = \"02:00:00:00:00:02\"\n").is_err());
}

#[test]
fn the_memory_estimate_counts_both_legs() {
    let spec = read(&format!("{SMALL}[tcp]\nsessions = 100\nhalf_open = 50\n")).expect("right");
    let estimate = MemoryEstimate::of(&spec);
    assert_eq!(estimate.buffers_bytes, 100 * 2 * 2 * 65_536);
    assert_eq!(spec.drain, Span::from_secs(300));
    // 262,144 of each: TIME-WAIT, source ports of TCP and of UDP; and their tables.
    assert_eq!(estimate.resting_bytes, (1 << 18) * (96 + 2 * 112) + 3 * (1 << 22));
    let more = read(&format!("{SMALL}[memory]\napp_counters = 104096\n")).expect("right");
    assert_eq!(MemoryEstimate::of(&more).counters_bytes - estimate.counters_bytes, 100_000 * 32);
    assert!(size_of::<Event>() <= 320, "{}", size_of::<Event>());
}

#[test]
fn an_idle_worker_naps_unless_told_otherwise_and_never_long() {
    let spec = read(SMALL).expect("right");
    assert_eq!((spec.workers.idle, spec.workers.idle_sleep), (Idle::Nap, Span::from_micros(50)));
    let found = complaints(&format!("{SMALL}[workers]\nidle = \"sleep\"\nidle_sleep_us = 0\n"));
    assert!(found[0].contains("\"sleep\" is not one of \"poll\", \"interrupt\", \"nap\""), "{found:?}");
    assert!(
        found[1].contains("0 is out of range; should be a whole number of µs from 1 to 100"),
        "{found:?}"
    );
    let spec = read(&format!("{SMALL}[workers]\nidle = \"interrupt\"\ncount = 2\n")).expect("right");
    assert!(spec.warnings().iter().any(|warning| warning.contains("several workers nap")));
}

#[test]
fn a_budget_is_shared_among_the_sessions_that_are_not_numbered() {
    let spec = |more: &str| read(&format!("{SMALL}[memory]\nbudget_mib = 1024\n{more}")).expect("right");
    let total = |spec: &BootSpec| MemoryEstimate::of(spec).total_bytes();
    let free = spec("");
    assert!((1_020 << 20..=1024 << 20).contains(&total(&free)), "{}", total(&free));
    let managed = (free.tcp.sessions, free.tcp.half_open, free.tcp.parked_sessions);
    assert_eq!(
        (managed, free.tcp.spliced_sessions, free.udp.sessions),
        ((1_593, 1_593, 137_865), 904_028, 188_350)
    );
    let given = spec("[tcp]\nsessions = 1000\nspliced_sessions = 1950000\n");
    assert_eq!((given.tcp.sessions, given.tcp.spliced_sessions), (1_000, 1_950_000));
    assert!((1_020 << 20..=1024 << 20).contains(&total(&given)), "UDP has the rest");
    let unspliced = spec("[tcp]\nsplice = \"off\"\n");
    assert!(total(&unspliced) <= 1024 << 20 && unspliced.tcp.sessions > free.tcp.sessions);
    let text = MemoryEstimate::of(&free).to_string();
    let end = "UDP sessions of 512 bytes; the budget is 1024 MiB; not in it: up to 23552 bytes of a session with TLS";
    assert!(text.ends_with(end) && text.contains("tuples at rest 92, counters "), "{text}");
}

#[test]
fn what_a_small_kind_may_not_take_goes_to_the_others() {
    let spec = read(&format!("{SMALL}[memory]\nbudget_mib = 65536\n")).expect("right");
    assert_eq!((spec.tcp.spliced_sessions, spec.udp.sessions), (1 << 22, 1 << 22));
    let total = MemoryEstimate::of(&spec).total_bytes();
    assert!((65_530 << 20..=65_536 << 20).contains(&total), "{total}");
}

#[test]
fn a_budget_too_small_for_what_is_given_names_the_one_that_would_do() {
    let found = complaints(&format!("{SMALL}[memory]\nbudget_mib = 1024\n[tcp]\nsessions = 16384\n"));
    assert!(found[0].contains("memory.budget_mib: 1024 MiB do not hold what is given; "), "{found:?}");
    let needed = found[0].split("given; ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    assert!(read(&format!("{SMALL}[memory]\nbudget_mib = {needed}\n[tcp]\nsessions = 16384\n")).is_ok());
}

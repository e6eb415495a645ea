//! Origins by name, from the name server to the worker: an answer, another one, none, and a restart without any.

use crate::dns::{NameServer, Says};
use crate::house::{House, TABLE};
use byway::control::Outcome;
use byway::testkit::frames::eth;
use byway::wire::{Parsed, RxHints, TcpFlags, parse};
use nix::sys::signal::{Signal, raise};
use std::net::Ipv4Addr;

const PORT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];
const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 2];

fn table() -> String {
    let dns = r#""origin_dns":{"name":"o.example.com","type":"A"},"origin_port":"80""#;
    TABLE.replace(r#""origin_direct":["tcp://192.0.2.1:80"]"#, dns)
}

fn dns(server: &NameServer) -> String {
    format!("[dns]\nresolvers = [\"{}\"]\ntimeout_ms = 200\nattempts = 1\nttl_min_s = 1\n", server.address)
}

fn says(last: &[u8]) -> Says {
    Says { addrs: last.iter().map(|last| Ipv4Addr::new(192, 0, 2, *last)).collect(), cut: false }
}

/// A client shakes hands; whom byway calls for it, or that it resets it.
fn visit(house: &mut House, port: u16) -> String {
    let from =
        |seq| eth().dst(PORT_MAC).src(GATEWAY_MAC).ip4("203.0.113.9", "198.51.100.10").tcp(port, 80).seq(seq);
    assert!(house.wire.send(&from(7).syn().bytes()));
    let mut said = None;
    house.hear(|frame| {
        let Ok(Parsed::Tcp(segment)) = parse(frame, &RxHints::default()) else { return false };
        if segment.flags.has(TcpFlags::SYN) && segment.flags.has(TcpFlags::ACK) {
            said = Some(segment.seq);
        }
        said.is_some()
    });
    let ack = said.expect("a SYN-ACK").wrapping_add(1);
    assert!(house.wire.send(&from(8).ack(ack).bytes()));
    let mut called = String::new();
    house.hear(|frame| {
        let Ok(Parsed::Tcp(segment)) = parse(frame, &RxHints::default()) else { return false };
        if segment.flags.has(TcpFlags::RST) {
            called = "reset".into();
        } else if segment.flags.is_first_syn() {
            called = segment.key.dst_endpoint().to_string();
        }
        !called.is_empty()
    });
    called
}

fn terminate(house: House, keep: bool) {
    raise(Signal::SIGTERM).expect("sent");
    house.wait("it ends", House::is_over);
    let outcome = if keep { house.leave() } else { house.close() };
    assert_eq!(outcome, Outcome::Ended);
}

/// The snapshot that the worker has taken; what is stored is published a moment later.
fn epoch(house: &House) -> u64 {
    let metrics = house.get("/metrics");
    let line = metrics.lines().find(|line| line.starts_with("byway_epoch{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn an_origin_by_name_is_found_followed_and_remembered_over_a_restart_without_name_servers() {
    let server = NameServer::open(says(&[1]));
    let config = dns(&server);
    let mut house = House::open_with("names", &table(), None, &config);
    house.wait("it is resolved", |house| house.file("state/origins.json").contains("192.0.2.1"));
    house.wait("the worker has it", |house| epoch(house) > 1);
    assert_eq!(visit(&mut house, 4_000), "192.0.2.1:80");
    let before = epoch(&house);
    server.say(Says { cut: true, ..says(&[2]) });
    house.wait("the new answer comes, over TCP", |house| {
        house.file("state/origins.json").contains("192.0.2.2")
    });
    house.wait("the worker has it, too", |house| epoch(house) > before);
    assert_eq!(visit(&mut house, 4_001), "192.0.2.2:80");
    assert!(house.get("/metrics").contains("byway_origin_names_stale 0"));
    server.close();
    terminate(house, true);
    let mut house = House::open_with("names", &table(), None, &config);
    assert_eq!(visit(&mut house, 4_002), "192.0.2.2:80", "what was stored serves at once");
    house.wait("it says so", |house| house.get("/metrics").contains("byway_origin_names_stale 1"));
    assert_eq!(visit(&mut house, 4_003), "192.0.2.2:80");
    terminate(house, false);
}

#[test]
fn a_name_that_does_not_exist_resets_its_clients_with_531() {
    let server = NameServer::open(says(&[]));
    let mut house = House::open_with("nothing", &table(), None, &dns(&server));
    assert_eq!(visit(&mut house, 4_000), "reset");
    house.wait("it is told", |house| house.file("e.jsonl").contains("resolveOrigin"));
    assert!(house.file("e.jsonl").contains("\"Status\":531"), "{}", house.file("e.jsonl"));
    assert!(house.get("/metrics").contains("byway_origin_names_unresolved 1"));
    server.say(says(&[3]));
    house.wait("it comes to be", |house| house.get("/metrics").contains("byway_origin_names_unresolved 0"));
    assert_eq!(visit(&mut house, 4_001), "192.0.2.3:80");
    server.close();
    terminate(house, false);
}

#[test]
fn without_name_servers_an_app_by_name_is_not_in_force_and_says_why() {
    let house = House::open("unnamed", &table(), None);
    let app = &house.ask(r#"{"ask":"apps"}"#)["apps"][0];
    assert_eq!(app["state"], "not_in_force");
    assert!(app["reasons"][0].as_str().expect("a reason").contains("[dns] resolvers"), "{app}");
    terminate(house, false);
}

#[test]
fn an_origin_that_refuses_its_probes_is_left_out_and_comes_back_when_it_answers() {
    let two = r#""origin_direct":["tcp://192.0.2.1:80","tcp://192.0.2.2:80"]"#;
    let table = TABLE.replace(r#""origin_direct":["tcp://192.0.2.1:80"]"#, two);
    let config = "[health]\ninterval_s = 1\nfall = 2\nrise = 1\ntimeout_ms = 500\n";
    let mut house = House::open_with("health", &table, None, config);
    let states = |house: &House| {
        let origins = house.ask(r#"{"ask":"origins"}"#)["origins"].clone();
        [0, 1].map(|at| origins[at]["state"].as_str().unwrap_or("none").to_owned())
    };
    for (first, expected) in [(TcpFlags::RST, ["down", "up"]), (TcpFlags::SYN, ["up", "up"])] {
        for _ in 0..60 {
            answer_probe(&mut house, first);
            if states(&house) == expected {
                break;
            }
        }
        assert_eq!(states(&house), expected, "{}", house.ask(r#"{"ask":"origins"}"#));
        if first == TcpFlags::RST {
            assert!(house.get("/metrics").contains("byway_down_origins 1"));
            let visits: Vec<String> = (5_000..5_004).map(|port| visit(&mut house, port)).collect();
            assert_eq!(visits, ["192.0.2.2:80"; 4], "all go to the one that is up");
        }
    }
    terminate(house, false);
}

/// Answers the next SYN of a probe: the first origin with `first`, the other one with a SYN-ACK.
fn answer_probe(house: &mut House, first: u8) {
    let mut called = None;
    house.hear(|frame| {
        if let Ok(Parsed::Tcp(segment)) = parse(frame, &RxHints::default()) {
            called = segment.flags.is_first_syn().then_some(segment);
        }
        called.is_some()
    });
    let Some(syn) = called else { return };
    let flags = if syn.key.dst.to_string() == "192.0.2.1" { first } else { TcpFlags::SYN };
    let (ours, origin) = (syn.key.src_endpoint(), syn.key.dst_endpoint());
    let answer = eth().dst(PORT_MAC).src(GATEWAY_MAC).ip(origin.addr, ours.addr).tcp(origin.port, ours.port);
    let answer = answer.seq(100).ack(syn.seq.wrapping_add(1)).flags(TcpFlags(flags | TcpFlags::ACK));
    assert!(house.wire.send(&answer.bytes()));
}

//! Rows that take more than one moment: start, link-up, learning, a moving gateway, full tables and rings, draining.

use crate::bench::Bench;
use crate::link::ANNOUNCED;
use crate::pair::{CLIENT, ORIGIN, Pair, USUAL, app, segment_of};
use byway::base::{AppSlot, DropReason, Instant, PortId, WorkerId};
use byway::port::RxMeta;
use byway::port::mem::{MemOptions, link};
use byway::snapshot::Command;
use byway::table::{Prefix, PrefixSpec};
use byway::telemetry::{AppCounter, Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, EDGE_MAC, LAB_APPS, LabApp, addr, edge, live_spec, settings};
use byway::testkit::frames::{PEER_MAC, eth};
use byway::testkit::laws;
use byway::wire::{ArpPacket, Parsed, RxHints, Steering, parse};

fn syn(port: u16) -> Vec<u8> {
    eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(port, 80).seq(7).syn().bytes()
}

fn bench() -> Bench {
    Bench::new(|_| {}, &LAB_APPS, &[])
}

#[test]
fn a_link_that_comes_up_is_told_twice_who_we_are() {
    let mut bench = bench();
    bench.control.mails[0].send(Command::LinkUp(PortId(0))).expect("room");
    assert_eq!(bench.turns().0, ANNOUNCED);
    assert_eq!(bench.turns().0, ANNOUNCED);
    assert!(bench.turns().0.is_empty());
}

#[test]
fn an_unknown_gateway_is_asked_for_and_what_waits_goes_out_when_it_answers() {
    let mut bench = Bench::new(|settings| settings.ports[0].static_neighbors.clear(), &LAB_APPS, &[]);
    let ping = eth().ip4("10.0.0.7", EDGE_IPS[0]).echo(1, 1, b"hi").bytes();
    for _ in 0..6 {
        bench.inject(&ping, RxMeta::default());
    }
    let (out, _) = bench.turns();
    assert!(out.iter().all(|line| line.contains("who has")), "{out:?}");
    let page = bench.control.pages[0].clone();
    assert_eq!(page.refused(DropReason::NeighborUnresolved), 2, "four wait, the two oldest made room");
    let question = ArpPacket::request([2, 0, 0, 0, 0, 1], addr("198.18.0.1"), addr("198.18.0.2"));
    bench.inject(&eth().arp(&question.reply(PEER_MAC)), RxMeta::default());
    let (out, _) = bench.turns();
    let replies = out.iter().filter(|line| line.contains("> 02:00:00:00:00:aa ICMP")).count();
    assert_eq!((replies, page.counter(Counter::NeighborsLearned)), (4, 1), "{out:?}");
}

#[test]
fn an_app_with_tls_and_no_certificate_is_never_carried_in_clear() {
    let mut bench = bench();
    let mut spec = live_spec(&LAB_APPS, &[]);
    spec.accounts[0].zones[0].apps[0].tls = byway::table::TlsMode::Full;
    bench.control.publish(&spec);
    bench.inject(&syn(4_000), RxMeta::default());
    let (out, events) = bench.turns();
    assert!(out.is_empty() && events.is_empty(), "{out:?}");
    assert_eq!(bench.control.pages[0].dropped(DropReason::NoCertificate), 1);
}

#[test]
fn frames_for_a_silent_gateway_are_lost_by_name() {
    let mut bench = Bench::new(|settings| settings.ports[0].static_neighbors.clear(), &LAB_APPS, &[]);
    bench.inject(&eth().ip4("10.0.0.7", EDGE_IPS[0]).echo(1, 1, b"hi").bytes(), RxMeta::default());
    for _ in 0..5 {
        bench.turns();
    }
    let page = &bench.control.pages[0];
    assert_eq!(page.refused(DropReason::NeighborUnresolved), 1);
    assert!(page.counter(Counter::NeighborsFailed) >= 1);
}

#[test]
fn sessions_beyond_the_table_are_refused_by_name() {
    let mut bench = Bench::new(|settings| settings.session.sessions_max = 2, &LAB_APPS, &[]);
    (1..=3).for_each(|port| bench.inject(&syn(port), RxMeta::default()));
    bench.turns();
    let page = &bench.control.pages[0];
    assert_eq!((page.dropped(DropReason::SessionsFull), page.gauge(Gauge::Sessions)), (1, 2));
}

#[test]
fn an_origin_that_may_be_none_is_found_out_when_it_is_to_be_called() {
    let gateway = LabApp { origin: "198.18.0.2", ..LAB_APPS[0] };
    let mut bench = Bench::new(|_| {}, &[gateway], &[]);
    bench.inject(&syn(4_000), RxMeta::default());
    let (out, _) = bench.turns();
    let number = out[0].split_whitespace().skip_while(|word| *word != "seq").nth(1).expect("a number");
    let isn: u32 = number.parse().expect("a number");
    let ack = eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(4_000, 80).seq(8).ack(isn.wrapping_add(1)).bytes();
    bench.inject(&ack, RxMeta::default());
    let (out, events) = bench.turns();
    assert!(out.len() == 1 && out[0].contains("[R"), "{out:?}");
    let page = &bench.control.pages[0];
    let counted = (page.refused(DropReason::OriginForbidden), page.counter(Counter::ClosedByOriginForbidden));
    assert_eq!(counted, (1, 1));
    let told: Vec<_> = events.iter().map(|event| (event.kind.name(), event.status as u16)).collect();
    assert_eq!(told, [("originError", 532)]);
}

#[test]
fn no_session_is_opened_while_draining() {
    let mut bench = bench();
    let last = bench.control.publish(&live_spec(&LAB_APPS, &[]));
    let draining = bench.control.compiler.drain(&last);
    bench.control.publisher.publish(draining);
    bench.inject(&syn(1), RxMeta::default());
    assert!(bench.turns().0.is_empty());
    let page = &bench.control.pages[0];
    assert_eq!((page.dropped(DropReason::Draining), page.gauge(Gauge::Sessions)), (1, 0));
    assert_eq!(page.app(AppSlot(0), AppCounter::Refused), 1);
}

/// Whoever was there before the prefix came is no stranger with a forged address, spliced or not.
#[test]
fn a_prefix_onboarded_later_turns_its_addresses_away_as_sources_but_for_sessions_that_live() {
    for (family, client, net) in
        [(0, "203.0.113.7", "203.0.113.0/24"), (1, "2001:db8:7::7", "2001:db8:7::/48")]
    {
        let new = |port: u16| eth().ip(client, EDGE_IPS[family]).tcp(port, 80).seq(7).syn().bytes();
        let datagram = eth().ip(client, EDGE_IPS[family]).udp(4_000, 53).payload(b"?").bytes();
        let ping = eth().ip(client, EDGE_IPS[family]).echo(1, 1, b"hi").bytes();
        for spliced_max in [8, 0] {
            let bench = Bench::new(|settings| settings.session.spliced_max = spliced_max, &LAB_APPS, &[]);
            let mut pair = Pair::call(bench, (family, client, 4_000), app(family).port, false);
            pair.accept(&USUAL);
            assert_eq!(pair.gauge(Gauge::SplicedSessions), u64::from(spliced_max > 0));
            for frame in [&new(5_000), &datagram, &ping] {
                assert!(!pair.turn(Some(frame)).is_empty(), "nobody minds");
            }
            let mut spec = live_spec(&LAB_APPS, &[]);
            let prefix = Prefix::new(net.parse().expect("a net"), true).expect("a prefix");
            spec.prefixes.push(PrefixSpec::plain(prefix));
            pair.bench.control.publish(&spec);
            let later = eth().ip(client, EDGE_IPS[family]).udp(4_001, 53).payload(b"?").bytes();
            for (dropped, frame) in (1..).zip([&new(5_001), &later, &ping]) {
                assert!(pair.turn(Some(frame)).is_empty(), "{client}");
                assert_eq!(pair.drops(DropReason::SpoofedSource), dropped, "{client}");
            }
            let said = pair.segment(CLIENT).payload(b"hello").bytes();
            let to_origin = pair.ends[ORIGIN].key.reversed();
            let relayed = |frame: &Vec<u8>| segment_of(frame).key == to_origin && frame.ends_with(b"hello");
            assert!(pair.turn(Some(&said)).iter().any(relayed), "{client}, {spliced_max}");
            assert!(!pair.turn(Some(&datagram)).is_empty(), "{client}");
            assert_eq!(pair.drops(DropReason::SpoofedSource), 3);
            // When the prefix goes they are clients again.
            pair.bench.control.publish(&live_spec(&LAB_APPS, &[]));
            assert!(!pair.turn(Some(&new(5_002))).is_empty(), "{client}");
        }
    }
}

#[test]
fn frames_beyond_a_full_ring_to_the_owner_are_dropped_by_name() {
    let (mut wire, ports) =
        link(MemOptions { mac: EDGE_MAC, workers: 2, frames: 4_096, ..MemOptions::default() });
    let ports = ports.into_iter().map(|port| vec![port]).collect();
    let (mut workers, control) = edge(&settings(2), ports, &live_spec(&LAB_APPS, &[]));
    let segment = |port| eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(port, 80).seq(7).ack(9).bytes();
    let frames: Vec<_> =
        (1..5_000).map(segment).filter(|frame| owner(frame) == WorkerId(1)).take(1_030).collect();
    for frame in &frames {
        assert!(wire.send(frame));
        workers[0].turn(Instant::ZERO);
    }
    let page = &control.pages[0];
    assert_eq!((page.counter(Counter::HandedOverFrames), page.dropped(DropReason::HandoverFull)), (1_024, 6));
    for _ in 0..40 {
        workers[1].turn(Instant::ZERO);
    }
    let page = &control.pages[1];
    assert_eq!(
        (page.counter(Counter::TakenOverFrames), page.dropped(DropReason::OutOfState)),
        (1_024, 1_024)
    );
    assert!(workers.iter().all(|worker| laws::check(worker, usize::MAX) == Ok(())));
}

fn owner(frame: &[u8]) -> WorkerId {
    let Ok(Parsed::Tcp(segment)) = parse(frame, &RxHints::default()) else { panic!("a segment") };
    Steering::new(2).owner(&segment.key)
}

#[test]
fn a_stuck_port_keeps_what_it_can_and_loses_the_rest_by_name() {
    let mut bench = Bench::new(|settings| settings.rates.echo_per_s = 1_000_000, &LAB_APPS, &[]);
    let ping = eth().ip4("10.0.0.7", EDGE_IPS[0]).echo(1, 1, b"hi").bytes();
    let now = bench.now;
    for _ in 0..800 {
        bench.inject(&ping, RxMeta::default());
        bench.worker.turn(now);
    }
    let page = bench.control.pages[0].clone();
    assert_eq!(page.counter(Counter::EchoReplies), 800);
    // 512 lie in the transmit ring, 256 in the batch that is carried over.
    assert_eq!((page.refused(DropReason::TxFull), bench.worker.frames_waiting()), (32, 256));
    assert_eq!(bench.turns().0.len(), 512);
    assert_eq!(bench.turns().0.len(), 256, "what was carried over goes out when the port moves again");
}

//! What happens when there is no room: chosen collisions, no source port, no frame. Each is a bounded, counted refusal,
//! after which others are served as before.

use crate::bench::Bench;
use byway::base::{Addr, AppSlot, DropReason, Endpoint};
use byway::flow::{FlowHasher, FlowMap, LegRef, Side};
use byway::port::RxMeta;
use byway::table::ProxyProtocol;
use byway::telemetry::{AppCounter, Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, LabApp, SECRET, addr};
use byway::testkit::frames::{Tcp, Udp, eth};
use byway::testkit::laws;
use byway::wire::{FlowKey, Protocol};

/// Sessions of the workers below: 2 * 256 flows, in 128 buckets of eight.
const SESSIONS: u32 = 256;
const BUCKETS: u64 = 128;
const WAYS: usize = 8;
const APP: AppSlot = AppSlot(0);

/// Clients whose flows all belong into the same two buckets under `secret`.
fn colliding(secret: &[u8; 32], protocol: Protocol, port: u16, count: usize) -> Vec<Endpoint> {
    let (hasher, mask) = (FlowHasher::new(secret), BUCKETS - 1);
    let all = (1..60_000_u32).flat_map(|host| (1_024..1_088_u16).map(move |port| (host, port)));
    let clients = all.map(|(host, port)| Endpoint { addr: client(host), port });
    let meets = |client: &Endpoint| {
        let (src, dst) = (client.addr, addr(EDGE_IPS[0]));
        let key = FlowKey { src, dst, src_port: client.port, dst_port: port, protocol };
        let hash = hasher.hash(&key);
        [hash & mask, hash >> 24 & mask].iter().all(|place| *place < 2)
    };
    let chosen: Vec<_> = clients.filter(meets).take(count).collect();
    assert_eq!(chosen.len(), count, "too few collide");
    chosen
}

fn client(host: u32) -> Addr {
    Addr::v4((0x0a00_0000 | host).to_be_bytes())
}

fn datagram(from: Endpoint) -> Udp {
    eth().ip4(from.addr, EDGE_IPS[0]).udp(from.port, 53).payload(b"?")
}

fn syn(from: Endpoint) -> Tcp {
    eth().ip4(from.addr, EDGE_IPS[0]).tcp(from.port, 80).seq(7).syn()
}

fn bench(apps: &[LabApp]) -> Bench {
    let config = |settings: &mut byway::worker::Settings| {
        (settings.session.sessions_max, settings.udp.sessions_max) = (SESSIONS, SESSIONS);
        settings.session.half_open_max = SESSIONS;
    };
    Bench::new(config, apps, &[])
}

/// Somebody who knew the secret could fill two buckets, and no more: sixteen flows get in, the rest are refused by name,
/// a client elsewhere is served, and nothing is held for those refused.
#[test]
fn clients_that_collide_by_choice_are_refused_by_name_and_keep_nobody_else_out() {
    let bystander = Endpoint { addr: client(0xff_0000), port: 7 };
    let chosen = colliding(&SECRET, Protocol::Tcp, 80, 40);
    let mut tcp = bench(&[LabApp::WEB]);
    for (number, from) in chosen.iter().enumerate() {
        tcp.inject(&syn(*from).bytes(), RxMeta::default());
        if number % 16 == 15 {
            tcp.turns();
        }
    }
    tcp.inject(&syn(bystander).bytes(), RxMeta::default());
    tcp.turns();
    let page = &tcp.control.pages[0];
    let held = page.gauge(Gauge::Sessions);
    assert_eq!((held, page.dropped(DropReason::FlowsFull)), (1 + 2 * WAYS as u64, 40 - 2 * WAYS as u64));
    assert_eq!(page.counter(Counter::OpenedSessions), held);

    let mut udp = bench(&[LabApp::DNS]);
    for from in colliding(&SECRET, Protocol::Udp, 53, 40).into_iter().chain([bystander]) {
        udp.inject(&datagram(from).bytes(), RxMeta::default());
        udp.worker.turn(udp.now);
        laws::check(&udp.worker, usize::MAX).expect("the laws hold");
    }
    let page = &udp.control.pages[0];
    let (held, refused) = (page.gauge(Gauge::UdpSessions), page.dropped(DropReason::FlowsFull));
    // Our own ends of the other flows may lie in these buckets, too.
    assert!((2 * WAYS as u64 - 2..=1 + 2 * WAYS as u64).contains(&held), "{held} are held");
    assert_eq!((held + refused, page.counter(Counter::UdpOpened)), (41, held));
    assert_eq!(page.app(APP, AppCounter::Refused), refused);
    // All of it is forgotten, and the same ones find as much room as before.
    (0..8).for_each(|_| drop(udp.turns()));
    assert_eq!(udp.control.pages[0].gauge(Gauge::UdpSessions), 0);
}

/// The same tuples under any other secret, and tuples that collide under a constant one: they spread, nobody is refused.
#[test]
fn collisions_chosen_without_the_secret_spread() {
    let chosen = colliding(&[0; 32], Protocol::Udp, 53, 100);
    for secret in 1..=64_u8 {
        let hasher = FlowHasher::new(&[secret; 32]);
        let mut table = FlowMap::new(SESSIONS as usize * 2);
        for (number, from) in chosen.iter().enumerate() {
            let (src, dst) = (from.addr, addr(EDGE_IPS[0]));
            let key = FlowKey { src, dst, src_port: from.port, dst_port: 53, protocol: Protocol::Udp };
            let leg = LegRef::new(number as u32, Side::Client);
            assert!(table.insert(hasher.hash(&key), leg), "tuple {number} is refused under secret {secret}");
        }
    }
}

#[test]
fn a_client_for_whom_no_source_port_is_left_is_refused_by_name() {
    let narrow = |settings: &mut byway::worker::Settings| {
        (settings.session.egress.ports, settings.udp.egress.ports) = (2_000..=2_001, 2_000..=2_001);
    };
    let mut udp = Bench::new(narrow, &[LabApp::DNS], &[]);
    for port in 1..=5 {
        udp.inject(&datagram(Endpoint { addr: client(7), port }).bytes(), RxMeta::default());
    }
    let (out, events) = udp.turns();
    let page = &udp.control.pages[0];
    assert_eq!((out.len(), page.gauge(Gauge::UdpSessions), events.len()), (2, 2, 0));
    assert_eq!(page.dropped(DropReason::EgressExhausted), 3);
    assert_eq!(page.app(APP, AppCounter::Refused), 3);
    let mut tcp = Bench::new(narrow, &[LabApp::WEB], &[]);
    let told: Vec<_> = (1..=3).flat_map(|port| arrive(&mut tcp, port)).collect();
    assert_eq!(told, [("originError", 524)]);
    let page = &tcp.control.pages[0];
    let counted = (page.refused(DropReason::EgressExhausted), page.counter(Counter::ClosedByEgressExhausted));
    assert_eq!((counted, page.gauge(Gauge::Sessions)), ((1, 1), 2));
}

/// A client that shakes hands; what is told of it at once.
fn arrive(bench: &mut Bench, port: u16) -> Vec<(&'static str, u16)> {
    let from = Endpoint { addr: client(7), port };
    bench.inject(&syn(from).bytes(), RxMeta::default());
    bench.worker.turn(bench.now);
    let answer = std::iter::from_fn(|| bench.wire.receive()).last().expect("a SYN-ACK");
    let number = u32::from_be_bytes([answer[38], answer[39], answer[40], answer[41]]);
    let ack = eth().ip4(from.addr, EDGE_IPS[0]).tcp(port, 80).seq(8).ack(number.wrapping_add(1));
    bench.inject(&ack.bytes(), RxMeta::default());
    bench.worker.turn(bench.now);
    while bench.wire.receive().is_some() {}
    let events = std::iter::from_fn(|| bench.control.mails[0].event());
    events.map(|event| (event.kind.name(), event.status as u16)).collect()
}

/// A stuck port holds all that it can; what would have to leave in several frames is dropped by name.
#[test]
fn a_datagram_in_fragments_that_finds_no_frames_is_dropped_by_name() {
    let simple = LabApp { proxy_protocol: ProxyProtocol::Simple, ..LabApp::DNS };
    let mut bench = Bench::new(|settings| settings.rates.echo_per_s = 1_000_000, &[simple], &[]);
    let now = bench.now;
    let ping = eth().ip4("10.0.0.7", EDGE_IPS[0]).echo(1, 1, b"hi").bytes();
    for _ in 0..800 {
        bench.inject(&ping, RxMeta::default());
        bench.worker.turn(now);
    }
    let long = eth().ip4("10.0.0.7", EDGE_IPS[0]).fragment_field(0).udp(9, 53).payload(&[7; 1_472]);
    bench.inject(&long.clone().bytes(), RxMeta::default());
    bench.worker.turn(now);
    let page = bench.control.pages[0].clone();
    assert_eq!((page.dropped(DropReason::NoFrame), page.counter(Counter::UdpFragmented)), (1, 0));
    laws::check(&bench.worker, usize::MAX).expect("the laws hold");
    (0..3).for_each(|_| drop(bench.turns()));
    bench.inject(&long.bytes(), RxMeta::default());
    assert_eq!(bench.turns().0.len(), 2, "once the port moves again it goes out");
}

//! No allocation on the road: a counting allocator around every turn of a worker, from the first turn on. Sessions of TCP
//! and UDP open and close, in every form, to ranges and several origins; clients are looked up and blocked, limited,
//! refused; neighbours are asked for, tables reloaded: nothing is allocated and nothing freed. TLS alone allocates: so
//! many times a record as record 15 of the architecture says, and nothing for sessions beside it.

use byway::base::{Addr, AppSlot, AsNumber, DropReason, Endpoint, Instant, PortId, Span};
use byway::firewall::{Layers, Mode, NetOf, RuleNet, RuleSpec, Target, WhenceMap};
use byway::port::fault::{FaultPort, FaultRates};
use byway::port::mem::{MemOptions, link};
use byway::session::tls::{CryptoSettings, crypto};
use byway::session::{SpliceHandshake, SynCookies};
use byway::snapshot::LiveSpec;
use byway::table::ConnectionLimits;
use byway::telemetry::{AppCounter, Counter};
use byway::testkit::apps::{
    FLEXIBLE, FLOODED, FULL, RANGE, RULED, SEALED_ORIGIN_PORTS, SEVERAL, UNSTEADY_ORIGIN, services, spec,
};
use byway::testkit::edge::{Control, EDGE_IPS, EDGE_MAC, GATEWAY_MAC, addr, edge, is_outside, settings};
use byway::testkit::frames::eth;
use byway::testkit::net::{
    Absence, Answer, Chat, Datagrams, Ending, Host, Peer, Seal, SimPort, Talk, Towards, World,
};
use byway::testkit::tls::{EDGE_RSA, client, material, server};
use byway::wire::{Parsed, RxHints, parse};
use byway::worker::Settings;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TALKS: u32 = 400;
/// What a handshake's end allocates on the worker, once a session, beside what its records do.
const ALLOCATIONS_PER_SESSION_MAX: u64 = 40;

fn operations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.deallocations + stats.reallocations
}

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// One test, since whatever another one allocated beside it would count. Its parts follow one another.
#[test]
fn a_worker_neither_allocates_nor_frees_after_launch_and_tls_as_much_as_is_said() {
    let before = operations();
    drop(std::hint::black_box(Box::new(before)));
    assert_eq!(operations(), before + 2, "the meter counts");
    everything_in_clear(SynCookies::Off);
    everything_in_clear(SynCookies::Always);
    everything_spliced(SynCookies::Off, SpliceHandshake::Immediate);
    everything_spliced(SynCookies::Always, SpliceHandshake::ClientRtt);
    records_of_tls();
}

/// Two workers with these tables on a clean link.
fn world(settings: &Settings, spec: &LiveSpec) -> (World, Control) {
    let (wire, ports) =
        link(MemOptions { mac: EDGE_MAC, workers: 2, frames: 4_096, ..MemOptions::default() });
    let clean = FaultRates::default();
    let ports: Vec<Vec<SimPort>> =
        ports.into_iter().map(|port| vec![FaultPort::new(port, clean, clean, 1)]).collect();
    let (workers, control) = edge(settings, ports, spec);
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, 1)));
    (world, control)
}

fn silent(control: &Control) {
    while control.mails.iter().any(|mail| mail.event().is_some()) {}
}

/// Clients of 10.0.9.0/24 are of a blocked system, of 10.0.8.0/24 of a country that is let in.
fn whences() -> WhenceMap {
    fn of<T>(text: &str, value: T) -> Vec<NetOf<T>> {
        let net = RuleNet::new(text.parse().expect("a net")).expect("a range");
        vec![NetOf { first: net.first(), length: net.length(), value }]
    }
    let country = byway::base::Country::new("DE").expect("a country");
    let layers = Layers {
        asn: Some(of("10.0.9.0/24", AsNumber(64_496))),
        country: Some(of("10.0.8.0/24", country)),
        tor: None,
    };
    WhenceMap::build(&layers)
}

fn ruled(fleeting: bool) -> LiveSpec {
    let mut spec = spec(fleeting, &[addr("10.0.0.66")]);
    let target = Target::Asn(AsNumber(64_496));
    spec.access_rules = vec![RuleSpec { target, mode: Mode::Block, id: None, notes: None }];
    spec
}

fn everything_in_clear(syn_cookies: SynCookies) {
    let mut settings = settings(2);
    settings.session.syn_cookies = syn_cookies;
    (settings.session.parked_max, settings.session.park_after) = (64, Span::from_millis(2));
    settings.udp.sessions_max = 256;
    settings.udp.shares = byway::flow::SharePercents { app: 25, account: 50 };
    settings.udp.removed_app_grace = Span::from_secs(1);
    settings.session.limits = ConnectionLimits {
        connections: 900,
        new_per_s: 100_000,
        client_connections: 900,
        client_new_per_s: 5,
    };
    let (mut world, mut control) = world(&settings, &ruled(true));
    control.compiler.set_whences(Arc::new(whences()));
    control.publish(&ruled(true));
    world.datagrams = Some(Datagrams::new(GATEWAY_MAC, EDGE_MAC, services()));
    world.meter = Some(operations);
    for id in 0..TALKS {
        let near = Endpoint { addr: Addr::v4([10, 0, 1, id as u8]), port: 2_000 + id as u16 };
        let port = [80, 81, SEVERAL, RANGE + (id % 20) as u16, RULED][id as usize % 5];
        let far = Endpoint { addr: addr("198.51.100.10"), port };
        let ending = Ending::ALL[id as usize % 4];
        let talk = Talk { id, up: 3_000, down: 9_000, ending };
        let now = world.now;
        world.hosts[0].1.connect(near, far, talk, now);
        world.datagrams.as_mut().expect("there").begin(chat(id), now);
        send_refused(&mut world, id);
        if id % 50 == 49 {
            control.publish(&ruled(id / 50 % 2 == 1));
        }
        if id % 30 == 29 {
            let absent = world.hosts[0].1.absent.is_none();
            world.hosts[0].1.absent = absent.then(|| (addr(UNSTEADY_ORIGIN), Absence::Refuses));
        }
        world.step().expect("the laws hold");
        silent(&control);
    }
    let quiet = |world: &mut World| {
        let idle = |worker: &byway::worker::Worker<_>| worker.sessions() + worker.udp_sessions() == 0;
        world.hosts[0].1.is_quiet() && world.workers.iter().all(idle)
    };
    assert!(world.run(Span::from_secs(300), quiet).expect("the laws hold"), "talks are left over");
    assert_eq!(world.hosts[0].1.ended.len(), 2 * TALKS as usize);
    hold_seen(&control, syn_cookies);
    assert_eq!(world.metered, 0, "allocations and frees in {} steps", world.steps());
}

/// What strangers send that is refused, each by another name.
fn send_refused(world: &mut World, id: u32) {
    let port = 1 + id as u16;
    let wire = &mut world.wires[0];
    let syn = |src: &str, port: u16, to: u16| eth().ip4(src, EDGE_IPS[0]).tcp(port, to).syn().bytes();
    let datagram = |src: &str, to: u16| eth().ip4(src, EDGE_IPS[0]).udp(port, to).payload(b"?").bytes();
    wire.send(&syn("10.0.0.66", 1, RULED));
    wire.send(&syn("10.0.9.66", 1, RULED));
    wire.send(&eth().ip4("10.0.0.67", EDGE_IPS[0]).echo(1, 1, b"hi").bytes());
    wire.send(&datagram("10.0.0.67", 80));
    wire.send(&datagram("10.0.0.67", 9));
    wire.send(&datagram("10.0.9.67", 54));
    wire.send(&datagram("198.51.100.77", 53));
    wire.send(&datagram("10.77.0.1", FLOODED));
    if id < 100 {
        wire.send(&syn("10.0.7.7", 7_000 + port, 80));
    }
}

/// Chats of every kind, to every UDP app.
fn chat(id: u32) -> Chat {
    const PORTS: [u16; 8] = [53, 54, 55, 56, 57, 59, 200, 250];
    let v6 = id.is_multiple_of(3);
    let client = if v6 { addr("2001:2:1::7") } else { addr("10.0.2.7") };
    let plain = Chat {
        near: Endpoint { addr: client, port: 20_000 + id as u16 },
        far: Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port: PORTS[id as usize % 8] },
        count: 4,
        up: 200,
        down: 200,
        gap: Span::from_millis(20),
        may_fragment: false,
        answer: Answer::Replies(1),
        leaves: false,
        grows: false,
        is_plain: false,
    };
    match id / 8 % 8 {
        0 => Chat { answer: Answer::Silence, ..plain },
        1 => Chat { answer: Answer::Refusal, ..plain },
        2 => Chat { count: 1, up: 60, down: 1_200, answer: Answer::Replies(20), ..plain },
        3 => Chat { up: if v6 { 1_452 } else { 1_472 }, down: 1_400, may_fragment: true, ..plain },
        4 => Chat { up: if v6 { 1_452 } else { 1_472 }, down: 1_400, ..plain },
        5 => Chat { answer: Answer::Replies(3), leaves: true, ..plain },
        6 => Chat { up: 1_460, grows: true, count: 8, ..plain },
        _ => plain,
    }
}

/// Nothing is held to allocate nothing that did not happen.
fn hold_seen(control: &Control, syn_cookies: SynCookies) {
    use Counter::*;
    let cookies = control.pages.iter().map(|page| page.counter(CookiesReceived)).sum::<u64>();
    assert_eq!(cookies > 0, syn_cookies == SynCookies::Always);
    let counters = [
        EstablishedSessions,
        SessionsParked,
        SessionsUnparked,
        SecondOrigins,
        SnapshotsTaken,
        UdpAnswered,
        UdpProven,
        UdpFragmented,
        UdpClosedByIdleTimeout,
        UdpClosedUnanswered,
        UdpClosedByEviction,
        UdpClosedByOriginRefused,
        UdpClosedByClientRefused,
        HandedOverFrames,
        IcmpErrorsSent,
    ];
    for counter in counters {
        assert!(control.pages.iter().any(|page| page.counter(counter) > 0), "{counter:?} never moved");
    }
    let reasons = [
        DropReason::FirewallBlocked,
        DropReason::ClientRateLimited,
        DropReason::NoAppPort,
        DropReason::WrongProtocol,
        DropReason::SpoofedSource,
        DropReason::AmplificationLimited,
        DropReason::ProxyHeaderBad,
        DropReason::DatagramTooLong,
    ];
    for reason in reasons {
        // A limit of clients is asked when they have proven themselves; those that it refuses here never do.
        let unproven = reason == DropReason::ClientRateLimited && syn_cookies == SynCookies::Always;
        assert!(
            control.pages.iter().any(|page| page.dropped(reason) > 0) != unproven,
            "never {}",
            reason.name()
        );
    }
}

/// A client that a rule blocks while it talks, and one that is gone all of a sudden.
const BLOCKED: &str = "10.0.4.7";
const GONE: &str = "10.0.6.7";
/// Talks of both and of all others.
const SPLICED_TALKS: u32 = 200;

/// Half of the clients use timestamps, and all origins but the range's.
fn is_stamped(own: Addr) -> bool {
    own.bits() & 1 == 0 || own == addr("192.0.2.1") || own == addr("2001:2:2::1")
}

/// Sessions that are spliced where they can be, over IPv4 and IPv6, on a link that loses some: closed in every order, reset,
/// ended by a rule and by time, and told of what routers say of their paths.
fn everything_spliced(syn_cookies: SynCookies, splice_handshake: SpliceHandshake) {
    let mut settings = settings(2);
    (settings.session.syn_cookies, settings.session.splice_handshake) = (syn_cookies, splice_handshake);
    settings.session.spliced_max = 256;
    let (mut world, mut control) = world(&settings, &spec(true, &[]));
    world.hosts[0].1.stamped = is_stamped;
    let mut frames = 0_u32;
    world.loses = Some(Box::new(move |_| {
        frames += 1;
        frames.is_multiple_of(61)
    }));
    let last = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&last);
    world.watch = Some(Box::new(move |_, towards, frame| {
        if towards == Towards::Hosts {
            frame.clone_into(&mut seen.borrow_mut());
        }
    }));
    world.meter = Some(operations);
    let (end, mut steps, mut is_blocked) = (world.now + Span::from_secs(1_200), 0_u32, false);
    loop {
        if steps.is_multiple_of(2) && steps / 2 < SPLICED_TALKS {
            talk_spliced(&mut world, steps / 2);
        }
        world.step().expect("the laws hold");
        tell_of_path(&mut world, &std::mem::take(&mut *last.borrow_mut()), steps as usize);
        silent(&control);
        if !is_blocked && has_heard(&world, BLOCKED) {
            control.publish(&spec(false, &[addr(BLOCKED)]));
            is_blocked = true;
        }
        if has_heard(&world, GONE) {
            world.hosts[0].1.unplugged.insert(addr(GONE));
        }
        let idle = world.workers.iter().all(|worker| worker.sessions() == 0);
        let mut peers = world.hosts[0].1.peers();
        if idle && steps / 2 >= SPLICED_TALKS && peers.all(|peer| peer.near.addr == addr(GONE)) {
            break;
        }
        assert!(world.now < end, "talks are left over");
        steps += 1;
    }
    hold_spliced(&control);
    assert_eq!(world.metered, 0, "allocations and frees in {} steps of spliced sessions", world.steps());
}

/// Whether a client is in the middle of its talk.
fn has_heard(world: &World, client: &str) -> bool {
    world.hosts[0].1.peers().any(|peer| peer.near.addr == addr(client) && peer.heard() >= 20_000)
}

/// Begins the next talk: two of three in the family of their origin; those of `BLOCKED` and `GONE` are long.
fn talk_spliced(world: &mut World, id: u32) {
    let v6 = id % 3 == 1;
    let port =
        if v6 || id % 20 == 6 { 81 } else { [80, RANGE + (id % 20) as u16, RULED][id as usize % 4 % 3] };
    let client = match (id, v6) {
        (_, true) => Addr::from_bits(addr("2001:2:1::").bits() | u128::from(id + 1)),
        (_, false) => Addr::v4([10, 0, 1, id as u8]),
    };
    let (client, port, long) = match id {
        121 => (addr(BLOCKED), RULED, true),
        161 => (addr(GONE), 80, true),
        _ => (client, port, id.is_multiple_of(8)),
    };
    let near = Endpoint { addr: client, port: 2_000 + id as u16 };
    let far = Endpoint { addr: addr(EDGE_IPS[usize::from(!client.is_v4())]), port };
    let up = if long { 300_000 } else { 3_000 };
    let talk = Talk { id, up, down: 3 * up, ending: Ending::ALL[id as usize % 4] };
    let now = world.now;
    world.hosts[0].1.connect(near, far, talk, now);
}

/// A router's word on the segment that a host just got: nothing is wrong with it but what the word says.
fn tell_of_path(world: &mut World, frame: &[u8], number: usize) {
    const WORDS_V4: [(u8, u8, [u8; 4]); 3] = [(3, 4, [0, 0, 5, 220]), (3, 1, [0; 4]), (11, 0, [0; 4])];
    const WORDS_V6: [(u8, u8, [u8; 4]); 3] = [(2, 0, [0, 0, 5, 220]), (1, 3, [0; 4]), (3, 0, [0; 4])];
    let Ok(Parsed::Tcp(segment)) = parse(frame, &RxHints::default()) else { return };
    if segment.payload_len() == 0 {
        return;
    }
    let edge = segment.key.src;
    let (router, words) = if edge.is_v4() { ("10.9.0.1", WORDS_V4) } else { ("2001:2:1:9::1", WORDS_V6) };
    let (kind, code, rest) = words[number % 3];
    let quote = &frame[14..frame.len().min(14 + 64)];
    world.wires[0].send(&eth().ip(addr(router), edge).icmp(kind, code, rest, quote).bytes());
}

/// Nothing is held to allocate nothing that did not happen to spliced sessions, of both families.
fn hold_spliced(control: &Control) {
    use Counter::*;
    let counted = |counter| control.pages.iter().map(|page| page.counter(counter)).sum::<u64>();
    let counters = [
        SessionsSpliced,
        SplicedFrames,
        FlightsSpliced,
        ResetsPassed,
        ClosedInOrder,
        ClosedByFirewall,
        ClosedByClientTimeout,
        RejudgedSessions,
        IcmpErrorsAccepted,
        IcmpErrorsSent,
        ChallengeAcks,
        UnsplicedForFamily,
        HandedOverFrames,
    ];
    for counter in counters {
        assert!(counted(counter) > 0, "{counter:?} never moved");
    }
    let apps = (0..16).flat_map(|app| [(app, AppCounter::BytesIn), (app, AppCounter::BytesOut)]);
    let of_app = |(app, bytes)| control.pages.iter().map(|page| page.app(AppSlot(app), bytes)).sum::<u64>();
    let (bytes, relayed) =
        (apps.map(of_app).sum::<u64>(), counted(RelayedFromClients) + counted(RelayedFromOrigins));
    // A third is of IPv6.
    assert!(relayed * 4 < bytes, "{relayed} of {bytes} bytes were not spliced");
}

/// A machine of its own that talks through TLS: it can be left standing while others go on.
fn sealed_host() -> Host {
    let owns = |addr: Addr| addr.to_v4_bits().is_some_and(|bits| bits >> 16 == 0x0a01);
    Host::new(GATEWAY_MAC, EDGE_MAC, owns, false, 2)
}

fn seal(host: &mut Host, id: u32, port: u16, now: Instant) {
    let version = if id.is_multiple_of(2) { &TLS13 } else { &TLS12 };
    let name = ServerName::try_from("lab.example.com").expect("a name");
    let tls = ClientConnection::new(client(&[version], &[]), name).expect("a client");
    let near = Endpoint { addr: Addr::v4([10, 1, 0, 1]), port: 3_000 + id as u16 };
    let far = Endpoint { addr: addr(EDGE_IPS[0]), port };
    let talk = Talk { id, up: 150_000, down: 300_000, ending: Ending::OriginFirst };
    host.connect_sealed((near, far), talk, Seal::client(tls), now);
}

/// Records of application data that passed between peers and edge so far.
fn records(world: &World) -> u64 {
    let hosts = world.hosts.iter().map(|(_, host)| host);
    hosts.map(|host| host.records + host.peers().map(Peer::records).sum::<u64>()).sum()
}

fn records_of_tls() {
    const SESSIONS: u32 = 8;
    let (mut world, mut control) = world(&settings(2), &spec(true, &[]));
    control.material = Some(material(&[EDGE_RSA]));
    control.publish(&spec(true, &[]));
    let (crypto, lanes) = crypto(2, CryptoSettings { jobs_max: 64, handshake_timeout: Span::from_secs(10) });
    let workers = std::mem::take(&mut world.workers).into_iter().zip(lanes);
    world.workers = workers.map(|(worker, lane)| worker.with_crypto(lane)).collect();
    world.crypto = Some(crypto);
    let origin = server(EDGE_RSA, &[&TLS13, &TLS12], &[]);
    world.hosts[0].1.sealed_ports = [(SEALED_ORIGIN_PORTS[0], origin)].into();
    // The wide one owns all clients; those of TLS are the other's alone.
    let narrow = |addr: Addr| is_outside(addr) && addr.to_v4_bits().is_none_or(|bits| bits >> 16 != 0x0a01);
    let mut first = Host::new(GATEWAY_MAC, EDGE_MAC, narrow, true, 1);
    first.sealed_ports = std::mem::take(&mut world.hosts[0].1.sealed_ports);
    world.hosts[0].1 = first;
    world.hosts.push((PortId(0), sealed_host()));
    world.meter = Some(allocations);
    for id in 0..SESSIONS {
        let (now, port) = (world.now, [FLEXIBLE, FULL][id as usize / 2 % 2]);
        seal(&mut world.hosts[1].1, id, port, now);
    }
    let made = |control: &Control| -> u64 {
        control.pages.iter().map(|page| page.counter(Counter::TlsHandshakes)).sum()
    };
    let all_made = |_: &mut World| made(&control) == u64::from(SESSIONS);
    assert!(world.run(Span::from_secs(30), all_made).expect("the laws hold"), "handshakes are left over");
    (0..20).for_each(|_| world.step().expect("the laws hold"));
    plain_beside(&mut world, &control);
    let live = |world: &mut World| world.hosts.iter().all(|(_, host)| host.is_quiet());
    assert!(world.run(Span::from_secs(300), live).expect("the laws hold"), "talks are left over");
    let (records, allocations) = (records(&world), world.metered as u64);
    println!("{allocations} allocations for {records} records of {SESSIONS} TLS sessions");
    // A record that passes is opened once and made once: two allocations, seen by a peer on either side.
    let allowed = records + ALLOCATIONS_PER_SESSION_MAX * u64::from(SESSIONS);
    assert!((records / 2..=allowed).contains(&allocations), "{allocations} of at most {allowed}");
}

/// Sessions in clear, while those of TLS are there and their clients say nothing.
fn plain_beside(world: &mut World, control: &Control) {
    let (port, sealed) = world.hosts.pop().expect("the TLS clients");
    assert!(sealed.live().count() > 0, "TLS sessions are live");
    // What is under way to the clients is lost; nothing more comes from them.
    (0..40).for_each(|_| world.step().expect("the laws hold"));
    let before = world.metered;
    for id in 0..50 {
        let near = Endpoint { addr: Addr::v4([10, 0, 3, 1]), port: 4_000 + id as u16 };
        let far = Endpoint { addr: addr(EDGE_IPS[0]), port: 80 };
        let talk = Talk { id, up: 3_000, down: 9_000, ending: Ending::ClientFirst };
        let now = world.now;
        world.hosts[0].1.connect(near, far, talk, now);
        world.step().expect("the laws hold");
        silent(control);
    }
    let done = |world: &mut World| world.hosts[0].1.ended.len() >= 100;
    assert!(world.run(Span::from_secs(60), done).expect("the laws hold"), "talks are left over");
    assert_eq!(world.metered, before, "allocated for sessions in clear beside TLS");
    world.hosts.push((port, sealed));
}

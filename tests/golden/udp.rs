//! UDP, datagram by datagram: what leaves is held byte for byte, each way to be dropped is asked for by name.

use crate::bench::Bench;
use byway::base::{Addr, AppSlot, DropReason, Endpoint, Span};
use byway::port::RxMeta;
use byway::session::udp;
use byway::table::{ProxyProtocol, UdpOptions};
use byway::telemetry::{AppCounter, Counter, Event, EventKind, Gauge, Status, Transport};
use byway::testkit::edge::{EDGE_IPS, GATEWAY_MAC, LabApp, addr, live_spec};
use byway::testkit::frames::{Ip, PEER_MAC, eth};
use byway::testkit::laws;
use byway::wire::{FlowKey, IcmpErrorEmit, IcmpErrorKind, Parsed, RxHints, Unreachable, parse, spp};

const CLIENTS: [&str; 2] = ["10.0.0.7", "2001:2:1::7"];
const ORIGINS: [&str; 2] = ["192.0.2.1", "2001:2:2::1"];
const EGRESS: [&str; 2] = ["198.18.0.10", "2001:2:0:1::10"];

const SPP: LabApp = LabApp { proxy_protocol: ProxyProtocol::Simple, ..LabApp::DNS };
const V2: LabApp = LabApp { proxy_protocol: ProxyProtocol::V2, ..LabApp::DNS };
const OPEN: LabApp = LabApp { udp: options(0, false), ..LabApp::DNS };

const fn options(amplification_limit: u16, proxy_every_datagram: bool) -> UdpOptions {
    UdpOptions { amplification_limit, proxy_every_datagram }
}

/// A datagram that came out.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Out {
    key: FlowKey,
    payload: Vec<u8>,
}

struct Scene {
    bench: Bench,
    /// Events told while time passed.
    heard: Vec<Event>,
}

impl Scene {
    fn of(app: LabApp) -> Self {
        Self::with(app, &[], |_| {})
    }

    fn with(app: LabApp, blocked: &[Addr], change: fn(&mut udp::Settings)) -> Self {
        Self { bench: Bench::new(|settings| change(&mut settings.udp), &[app], blocked), heard: Vec::new() }
    }

    /// Puts a frame in front of the worker; the raw frames that come out.
    fn frames(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        self.bench.inject(frame, RxMeta::default());
        self.bench.now += Span::from_millis(1);
        self.bench.worker.turn(self.bench.now);
        laws::check(&self.bench.worker, usize::MAX).expect("the laws hold");
        std::iter::from_fn(|| self.bench.wire.receive()).map(|frame| frame.to_vec()).collect()
    }

    /// The same, for at most one datagram.
    fn one(&mut self, frame: &[u8]) -> Option<Out> {
        let frames = self.frames(frame);
        assert!(frames.len() <= 1, "{} frames", frames.len());
        let frame = frames.first()?;
        assert_eq!(frame[..6], GATEWAY_MAC);
        match parse(frame, &RxHints::default()) {
            Ok(Parsed::Udp { key, payload_offset, ip_end }) => {
                assert_eq!(usize::from(ip_end), frame.len());
                Some(Out { key, payload: frame[usize::from(payload_offset)..].to_vec() })
            }
            other => panic!("{other:?}"),
        }
    }

    /// A client's datagram from `port`; what the origin gets.
    fn client(&mut self, family: usize, port: u16, payload: &[u8]) -> Option<Out> {
        self.one(&from_client(family).udp(port, 53).payload(payload).bytes())
    }

    /// The origin's answer to `sent`; what the client gets.
    fn answer(&mut self, sent: &Out, payload: &[u8]) -> Option<Out> {
        self.one(&reply(sent).payload(payload).bytes())
    }

    fn drops(&self, reason: DropReason) -> u64 {
        self.bench.control.pages[0].dropped(reason)
    }

    fn counted(&self, counter: Counter) -> u64 {
        self.bench.control.pages[0].counter(counter)
    }

    fn sessions(&self) -> u64 {
        self.bench.control.pages[0].gauge(Gauge::UdpSessions)
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.heard);
        events.extend(std::iter::from_fn(|| self.bench.control.mails[0].event()));
        events
    }

    fn told(&mut self) -> Vec<(EventKind, Status)> {
        self.events().iter().map(|event| (event.kind, event.status)).collect()
    }

    /// Lets `secs` seconds pass, turn by turn.
    fn pass(&mut self, secs: u64) {
        for _ in 0..secs {
            let (out, events) = self.bench.turns();
            self.heard.extend(events);
            assert!(out.is_empty(), "{out:?}");
        }
    }

    /// A session whose client has proven itself; its datagram as the origin got it.
    fn proven(&mut self, family: usize, port: u16) -> Out {
        let first = self.client(family, port, b"abcdef").expect("relayed");
        let header: Vec<u8> = first.payload[..first.payload.len() - 6].to_vec();
        assert!(self.answer(&first, &[&header[..], b"x"].concat()).is_some());
        for _ in 0..2 {
            self.client(family, port, b"abcdef").expect("relayed");
        }
        assert!(self.counted(Counter::UdpProven) > 0);
        first
    }
}

fn from_client(family: usize) -> Ip {
    eth().ip(CLIENTS[family], EDGE_IPS[family])
}

fn reply(sent: &Out) -> byway::testkit::frames::Udp {
    eth().ip(sent.key.dst, sent.key.src).udp(sent.key.dst_port, sent.key.src_port)
}

fn key(src: &str, src_port: u16, dst: &str, dst_port: u16) -> (Endpoint, Endpoint) {
    (Endpoint { addr: addr(src), port: src_port }, Endpoint { addr: addr(dst), port: dst_port })
}

fn ends(out: &Out) -> (Endpoint, Endpoint) {
    (out.key.src_endpoint(), out.key.dst_endpoint())
}

fn unreachable(sent: &Out, from: &str) -> Vec<u8> {
    let kind = IcmpErrorKind::Unreachable(Unreachable::Port);
    icmp(sent, from, kind)
}

/// An ICMP error about a datagram of the edge's.
fn icmp(sent: &Out, from: &str, kind: IcmpErrorKind) -> Vec<u8> {
    let original = eth().ip(sent.key.src, sent.key.dst).udp(sent.key.src_port, sent.key.dst_port);
    let original = original.payload(&sent.payload).bytes();
    let error = IcmpErrorEmit::new(addr(from), kind, &original[14..]).expect("answerable");
    let mut packet = vec![0; error.packet_len()];
    assert!(error.emit(&mut packet));
    let v4 = addr(from).is_v4();
    let kind: &[u8] = if v4 { &[8, 0] } else { &[0x86, 0xdd] };
    [&[2, 0, 0, 0, 0, 1], &PEER_MAC[..], kind, &packet].concat()
}

#[test]
fn a_datagram_and_its_answer_pass_between_all_families_payload_unchanged() {
    for (client, origin) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
        let mut scene = Scene::of(LabApp { origin: ORIGINS[origin], ..LabApp::DNS });
        let sent = scene.client(client, 4_000, b"question").expect("relayed");
        assert_eq!(ends(&sent).1, key("::", 0, ORIGINS[origin], 53).1);
        assert_eq!(sent.key.src, addr(EGRESS[origin]));
        assert_eq!(sent.payload, b"question");
        let got = scene.answer(&sent, b"the answer").expect("relayed back");
        assert_eq!(ends(&got), key(EDGE_IPS[client], 53, CLIENTS[client], 4_000));
        assert_eq!(got.payload, b"the answer");
        let page = &scene.bench.control.pages[0];
        assert_eq!(
            (page.app(AppSlot(0), AppCounter::BytesIn), page.app(AppSlot(0), AppCounter::BytesOut)),
            (8, 10)
        );
        assert_eq!(page.app(AppSlot(0), AppCounter::Connections), 1);
        assert_eq!((scene.counted(Counter::UdpOpened), scene.counted(Counter::UdpAnswered)), (1, 1));
        assert_eq!((scene.counted(Counter::UdpFromClients), scene.counted(Counter::UdpFromOrigins)), (1, 1));
        let events = scene.events();
        assert_eq!((events[0].kind, events[0].transport), (EventKind::Connect, Transport::Udp));
        assert_eq!((events[0].client_bytes, events[0].origin_bytes), (8, 10));
    }
}

#[test]
fn empty_datagrams_and_unsummed_ones_pass() {
    for (origin, summed) in [(0, false), (1, true)] {
        let mut scene = Scene::of(LabApp { origin: ORIGINS[origin], ..LabApp::DNS });
        let empty = from_client(0).udp(4_000, 53).checksum(0).bytes();
        let frames = scene.frames(&empty);
        let at = frames[0].len() - 2;
        assert_eq!(frames[0][at..] != [0, 0], summed, "IPv6 has no datagram without a checksum");
        let sent = scene.client(0, 4_000, b"").expect("relayed");
        assert_eq!(sent.payload, b"");
        assert_eq!(scene.answer(&sent, b"").expect("relayed back").payload, b"");
    }
}

#[test]
fn simple_proxy_protocol_bears_38_bytes_each_way_and_a_reply_without_them_dies() {
    for client in [0, 1] {
        let mut scene = Scene::of(SPP);
        let header = match client {
            0 => b"\x56\xec\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x07\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x0a\x0f\xa0\0\x35",
            _ => b"\x56\xec\x20\x01\0\x02\0\x01\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x0f\xa0\0\x35",
        };
        for _ in 0..3 {
            let sent = scene.client(client, 4_000, b"ping").expect("relayed");
            assert_eq!(sent.payload, [&header[..], b"ping"].concat(), "on every datagram");
            assert_eq!(
                scene.answer(&sent, &[&header[..], b"pong"].concat()).expect("stripped").payload,
                b"pong"
            );
        }
        let sent = scene.client(client, 4_000, b"ping").expect("relayed");
        for bit in [0, 2 * 8, 17 * 8, 33 * 8 + 7, 35 * 8, 37 * 8 + 1] {
            let mut wrong = header.to_vec();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(scene.answer(&sent, &wrong), None);
        }
        assert_eq!(scene.answer(&sent, &header[..37]), None);
        assert_eq!(scene.answer(&sent, b"bare"), None);
        assert_eq!(scene.drops(DropReason::ProxyHeaderBad), 8);
        assert_eq!(scene.answer(&sent, header).expect("an empty one").payload, b"");
    }
}

#[test]
fn proxy_protocol_v2_heads_the_first_datagram_or_every_one() {
    let v4 = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c\x0a\0\0\x07\xc6\x33\x64\x0a\x0f\xa0\0\x35";
    let v6 = b"\r\n\r\n\0\r\nQUIT\n\x21\x22\0\x24\x20\x01\0\x02\0\x01\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x0f\xa0\0\x35";
    for (client, header) in [(0, &v4[..]), (1, &v6[..])] {
        for every in [false, true] {
            let mut scene = Scene::of(LabApp { udp: options(3, every), ..V2 });
            let sent = scene.client(client, 4_000, b"one").expect("relayed");
            assert_eq!(sent.payload, [header, b"one"].concat());
            assert_eq!(scene.answer(&sent, b"bare").expect("replies bear none").payload, b"bare");
            let second = scene.client(client, 4_000, b"two").expect("relayed").payload;
            assert_eq!(second, if every { [header, b"two"].concat() } else { b"two".to_vec() });
        }
    }
}

#[test]
fn an_unproven_client_gets_three_times_its_bytes_and_a_proven_one_all() {
    let mut scene = Scene::of(LabApp::DNS);
    let sent = scene.client(0, 4_000, &[1; 72]).expect("relayed");
    assert_eq!(scene.answer(&sent, &[2; 273]), None, "100 bytes of packet allow 300");
    assert_eq!(scene.drops(DropReason::AmplificationLimited), 1);
    assert!(scene.answer(&sent, &[2; 172]).is_some());
    assert!(scene.answer(&sent, &[2; 73]).is_none() && scene.answer(&sent, &[2; 72]).is_some());
    assert!(scene.answer(&sent, b"").is_none(), "nothing is left");
    for _ in 0..2 {
        scene.client(0, 4_000, b"").expect("relayed");
    }
    assert_eq!(scene.counted(Counter::UdpProven), 1);
    for _ in 0..10 {
        assert!(scene.answer(&sent, &[2; 1_400]).is_some());
    }
}

#[test]
fn three_datagrams_without_a_reply_in_between_prove_nothing() {
    let mut scene = Scene::of(LabApp::DNS);
    let sent: Vec<_> = (0..5).filter_map(|_| scene.client(0, 4_000, b"")).collect();
    assert!(scene.answer(&sent[0], &[0; 5 * 3 * 28 - 28 + 1]).is_none());
    assert!(scene.answer(&sent[0], &[0; 5 * 3 * 28 - 28]).is_some());
    assert_eq!(scene.counted(Counter::UdpProven), 0);
}

#[test]
fn an_app_may_set_another_limit_or_none() {
    let mut wide = Scene::of(LabApp { udp: options(10, false), ..LabApp::DNS });
    let sent = wide.client(0, 4_000, &[1; 22]).expect("relayed");
    assert!(wide.answer(&sent, &[0; 473]).is_none() && wide.answer(&sent, &[0; 472]).is_some());
    let mut open = Scene::of(OPEN);
    let sent = open.client(0, 4_000, b"").expect("relayed");
    assert!((0..20).all(|_| open.answer(&sent, &[0; 1_400]).is_some()));
}

#[test]
fn sessions_end_by_idleness_sooner_while_nobody_answers() {
    let mut scene = Scene::of(LabApp::DNS);
    let answered = scene.client(0, 1, b"a").expect("relayed");
    scene.answer(&answered, b"b").expect("relayed back");
    scene.client(0, 2, b"a").expect("relayed");
    (0..3).for_each(|_| drop(scene.client(0, 3, b"a").expect("relayed")));
    assert_eq!(scene.told(), [(EventKind::Connect, Status::Opened)]);
    scene.pass(4);
    assert_eq!(scene.sessions(), 3);
    scene.pass(2);
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedUnanswered)), (1, 2));
    assert_eq!(
        scene.told(),
        [(EventKind::OriginError, Status::OriginConnectTimeout)],
        "one datagram is no event"
    );
    scene.pass(53);
    assert_eq!(scene.sessions(), 1);
    scene.pass(2);
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByIdleTimeout)), (0, 1));
    assert_eq!(scene.told(), [(EventKind::Disconnect, Status::NormalClose)]);
    assert!(scene.answer(&answered, b"late").is_none());
    assert_eq!(scene.drops(DropReason::OutOfState), 1, "a late reply finds nobody");
}

#[test]
fn a_spoofed_flood_at_a_silent_origin_or_an_answering_one_is_told_of_in_a_bounded_number_of_events() {
    let flood = |scene: &mut Scene, n: u16, answered: bool| {
        let src = format!("10.{}.{}.9", n % 4, n % 100);
        for _ in 0..3 {
            let frame = eth().ip4(src.as_str(), EDGE_IPS[0]).udp(n + 1, 53).payload(b"xy").bytes();
            let sent = scene.one(&frame).expect("relayed");
            if answered {
                scene.answer(&sent, b"z").expect("relayed back");
                return;
            }
        }
    };
    let mut scene = Scene::with(LabApp::DNS, &[], |settings| settings.sessions_max = 4_096);
    (0..2_000).for_each(|n| flood(&mut scene, n, false));
    scene.pass(40);
    let events = scene.events();
    let all: u32 = events.iter().map(|event| event.count).sum();
    assert_eq!((scene.sessions(), all), (0, 2_000), "each is counted");
    assert!(events.iter().all(|event| event.status == Status::OriginConnectTimeout && event.is_aggregate()));
    assert!((100..=250).contains(&events.len()), "100 nets, the first at once: {}", events.len());
    assert_eq!(events.iter().map(|event| event.client_bytes).sum::<u64>(), 3 * 2 * 2_000);

    (0..2_000).for_each(|n| flood(&mut scene, n, true));
    scene.pass(100);
    let events = scene.events();
    for kind in [EventKind::Connect, EventKind::Disconnect] {
        let of_kind = || events.iter().filter(|event| event.kind == kind);
        assert_eq!(of_kind().map(|event| event.count).sum::<u32>(), 2_000, "{kind:?}");
        let gathered = of_kind().filter(|event| event.is_aggregate()).count();
        assert!((100..=300).contains(&gathered), "{kind:?}: {gathered}");
        assert!((100..=600).contains(&(of_kind().count() - gathered)), "a hundred a second are told singly");
    }
}

#[test]
fn a_full_table_lets_the_unanswered_go_first_then_the_unproven_and_then_refuses() {
    let mut scene = Scene::with(LabApp::DNS, &[], |settings| settings.sessions_max = 3);
    let proven = scene.proven(0, 1);
    let unproven = scene.client(0, 2, b"a").expect("relayed");
    scene.answer(&unproven, b"b").expect("relayed back");
    scene.client(0, 3, b"a").expect("relayed");
    scene.client(0, 4, b"a").expect("the third client made room");
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByEviction)), (3, 1));
    assert!(scene.answer(&unproven, b"b").is_some() && scene.answer(&proven, b"b").is_some());
    scene.proven(0, 4);
    scene.proven(0, 5);
    assert_eq!(scene.counted(Counter::UdpClosedByEviction), 2);
    assert!(
        scene.events().iter().any(|event| event.status == Status::Internal),
        "the second client was told of"
    );
    assert!(scene.client(0, 6, b"a").is_none());
    assert_eq!((scene.drops(DropReason::UdpSessionsFull), scene.sessions()), (1, 3));
    assert_eq!(scene.bench.control.pages[0].app(AppSlot(0), AppCounter::Refused), 1);
}

#[test]
fn a_refusal_by_the_origins_own_host_ends_the_session_and_one_by_others_does_not() {
    for family in [0, 1] {
        let app = LabApp { origin: ORIGINS[family], ..LabApp::DNS };
        let mut scene = Scene::of(app);
        let sent = scene.client(family, 1, b"a").expect("relayed");
        assert!(scene.frames(&unreachable(&sent, ["192.0.2.99", "2001:2:2::99"][family])).is_empty());
        assert_eq!((scene.sessions(), scene.drops(DropReason::IcmpUnsolicited)), (1, 1));
        scene.frames(&unreachable(&sent, ORIGINS[family]));
        assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByOriginRefused)), (0, 1));
        assert_eq!(scene.counted(Counter::IcmpErrorsAccepted), 1);
        assert_eq!(scene.told(), [(EventKind::OriginError, Status::OriginRefused)]);
        scene.frames(&unreachable(&sent, ORIGINS[family]));
        assert_eq!(scene.drops(DropReason::IcmpUnsolicited), 2, "it is over");
        let sent = scene.client(family, 2, b"a").expect("relayed");
        scene.answer(&sent, b"b").expect("relayed back");
        scene.frames(&unreachable(&sent, ORIGINS[family]));
        let told = [(EventKind::Connect, Status::Opened), (EventKind::Disconnect, Status::OriginWriteFailed)];
        assert_eq!(scene.told(), told);
    }
}

#[test]
fn a_client_that_has_gone_ends_its_session() {
    let mut scene = Scene::of(LabApp::DNS);
    let sent = scene.client(0, 1, b"a").expect("relayed");
    let got = scene.answer(&sent, b"b").expect("relayed back");
    scene.frames(&unreachable(&got, CLIENTS[0]));
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByClientRefused)), (0, 1));
    let told = [(EventKind::Connect, Status::Opened), (EventKind::Disconnect, Status::ClientRefused)];
    assert_eq!(scene.told(), told);
}

#[test]
fn a_datagram_that_its_header_makes_too_long_is_told_of_to_the_proven_alone() {
    for (family, mtu) in [(0, 1_462), (1, 1_442)] {
        let app = LabApp { origin: ORIGINS[0], ..SPP };
        let mut scene = Scene::of(app);
        let full = vec![7; 1_500 - [28, 48][family]];
        let fits = vec![7; mtu - [28, 48][family] + if family == 1 { 20 } else { 0 }];
        assert!(scene.client(family, 9, &full).is_none(), "an unproven client hears nothing");
        assert_eq!(
            (scene.drops(DropReason::DatagramTooLong), scene.counted(Counter::IcmpErrorsSent)),
            (1, 0)
        );
        scene.proven(family, 8);
        let frames = scene.frames(&from_client(family).udp(8, 53).payload(&full).bytes());
        let line = byway::testkit::pretty::pretty(&frames[0]);
        let expected = if family == 0 { 1_462 } else { 1_482 };
        assert!(line.contains("ICMP") && line.contains(&expected.to_string()), "{line}");
        assert_eq!(scene.drops(DropReason::DatagramTooLong), 2);
        let sent = scene.client(family, 8, &fits).expect("what was told fits");
        assert_eq!(sent.payload.len(), fits.len() + spp::HEADER_LEN);
    }
}

#[test]
fn a_datagram_that_may_be_fragmented_is_with_its_checksum_whole() {
    let mut scene = Scene::of(SPP);
    let payload: Vec<u8> = (0..1_472).map(|at| at as u8).collect();
    let frames = scene.frames(&from_client(0).fragment_field(0).udp(8, 53).payload(&payload).bytes());
    assert_eq!((frames.len(), scene.counted(Counter::UdpFragmented)), (2, 1));
    assert!(frames.iter().all(|frame| frame.len() <= 1_514 && frame[18..20] == frames[0][18..20]));
    assert_eq!((frames[0][20] & 0x20, frames[1][20] & 0x20), (0x20, 0));
    let mut whole = frames[0].clone();
    whole.extend(&frames[1][34..]);
    let udp = &whole[34..];
    assert_eq!((udp.len(), udp[46 - 38..].len()), (8 + 38 + 1_472, 38 + 1_472));
    assert_eq!(udp[46..], payload[..]);
    let header =
        eth().ip4(EGRESS[0], ORIGINS[0]).udp(u16::from_be_bytes([udp[0], udp[1]]), 53).payload(&udp[8..]);
    assert_eq!(header.bytes()[34..42], udp[..8], "ports, length and checksum of the whole");
}

#[test]
fn a_path_that_shrinks_is_learnt_from_icmp() {
    let mut scene = Scene::of(LabApp::DNS);
    let sent = scene.proven(0, 8);
    scene.frames(&icmp(&sent, "192.0.2.99", IcmpErrorKind::TooBig { mtu: 1_400 }));
    assert_eq!(scene.counted(Counter::PathMtuReductions), 1);
    let frames = scene.frames(&from_client(0).udp(8, 53).payload(&[0; 1_373]).bytes());
    let line = byway::testkit::pretty::pretty(&frames[0]);
    assert!(line.contains("1400"), "{line}");
    assert!(scene.client(0, 8, &[0; 1_372]).is_some());
    scene.frames(&icmp(&sent, "192.0.2.99", IcmpErrorKind::TooBig { mtu: 1_500 }));
    assert_eq!(scene.drops(DropReason::IcmpIgnored), 1, "a path never grows by it");
}

#[test]
fn forged_blocked_and_lost_datagrams_open_nothing_and_hear_nothing() {
    let mut scene = Scene::with(LabApp { ip_firewall: true, ..LabApp::DNS }, &[addr("10.0.0.66")], |_| {});
    let from = |src: &str, port| eth().ip4(src, EDGE_IPS[0]).udp(9, port).payload(b"x").bytes();
    let rows = [
        (from("198.51.100.77", 53), DropReason::SpoofedSource),
        (from("198.18.0.10", 53), DropReason::SpoofedSource),
        (from("224.0.0.1", 53), DropReason::MartianSource),
        (from("10.0.0.66", 53), DropReason::FirewallBlocked),
        (from("10.0.0.7", 54), DropReason::NoAppPort),
        (eth().ip4("10.0.0.7", EGRESS[0]).udp(53, 2_000).bytes(), DropReason::OutOfState),
    ];
    for (frame, reason) in rows {
        let before = scene.drops(reason);
        assert!(scene.frames(&frame).is_empty(), "{reason:?}");
        assert_eq!((scene.drops(reason) - before, scene.sessions()), (1, 0), "{reason:?}");
    }
}

#[test]
fn special_purpose_sources_are_forged_outside_a_laboratory() {
    let mut scene = Scene::with(LabApp::DNS, &[], |settings| settings.special_sources = false);
    assert!(scene.client(0, 1, b"x").is_none());
    assert_eq!(scene.drops(DropReason::SpoofedSource), 1);
    assert!(scene.one(&eth().ip4("9.9.9.9", EDGE_IPS[0]).udp(1, 53).bytes()).is_some());
}

#[test]
fn a_new_rule_ends_the_sessions_it_matches_and_a_removed_app_drains() {
    let app = LabApp { ip_firewall: true, ..OPEN };
    let mut scene = Scene::of(app);
    let sent = scene.client(0, 1, b"a").expect("relayed");
    scene.answer(&sent, b"b").expect("relayed back");
    scene.bench.control.publish(&live_spec(&[app], &[addr(CLIENTS[0])]));
    assert!(scene.client(0, 1, b"a").is_none());
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByFirewall)), (0, 1));
    assert_eq!(scene.told()[1], (EventKind::ClientFiltered, Status::FirewallDeny));
    scene.bench.control.publish(&live_spec(&[app], &[]));
    scene.client(0, 2, b"a").map(|sent| scene.answer(&sent, b"b")).expect("relayed");
    scene.bench.control.publish(&live_spec(&[], &[]));
    let again = scene.client(0, 2, b"a").expect("a live session drains");
    assert!(scene.client(0, 3, b"a").is_none(), "and no new one opens");
    for _ in 0..28 {
        scene.pass(1);
        scene.answer(&again, b"b").expect("relayed back");
    }
    scene.pass(3);
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByAppRemoval)), (0, 1));
}

#[test]
fn a_draining_edge_opens_no_session_and_ends_all_at_last() {
    let mut scene = Scene::of(LabApp::DNS);
    let sent = scene.client(0, 1, b"a").expect("relayed");
    scene.answer(&sent, b"b").expect("relayed back");
    let last = scene.bench.control.publish(&live_spec(&[LabApp::DNS], &[]));
    let draining = scene.bench.control.compiler.drain(&last);
    scene.bench.control.publisher.publish(draining);
    assert!(scene.client(0, 2, b"a").is_none());
    assert_eq!(scene.drops(DropReason::Draining), 1);
    assert!(scene.answer(&sent, b"b").is_some());
    scene.bench.control.mails[0].send(byway::snapshot::Command::ResetAll).expect("room");
    scene.pass(10);
    assert_eq!((scene.sessions(), scene.counted(Counter::UdpClosedByDrain)), (0, 1));
}

#[test]
fn a_proven_client_s_datagram_goes_on_as_from_a_router_but_for_its_tuple() {
    for family in [0, 1] {
        let mut scene = Scene::of(LabApp { origin: ORIGINS[family], ..LabApp::DNS });
        let sent = scene.proven(family, 4_000);
        let (at, marks) = if family == 0 { (22, 0xb9) } else { (21, 0xb0) };
        let marked = |hops: u8| {
            let mut frame = from_client(family).hops(hops).udp(4_000, 53).payload(b"q").bytes();
            if family == 0 {
                frame[15] = marks;
                frame[24..26].fill(0);
                let sum = !byway::testkit::frames::naive_sum(&frame[14..34]);
                frame[24..26].copy_from_slice(&sum.to_be_bytes());
            } else {
                frame[14..16].copy_from_slice(&[0x6b, marks]);
            }
            // Padded by a link.
            frame.resize(frame.len() + 17, 0xee);
            frame
        };
        let out = scene.frames(&marked(9));
        assert_eq!(out.len(), 1);
        let ip = if family == 0 { 20 } else { 40 };
        assert_eq!(out[0].len(), 14 + ip + 8 + 1, "the padding stays behind");
        assert_eq!(out[0][at], 8, "one hop fewer to live");
        match family {
            0 => assert_eq!((out[0][15], &out[0][18..22]), (marks, &[0, 0, 0x40, 0][..])),
            _ => assert_eq!(out[0][14..18], [0x6b, marks, 0, 0], "class kept, flow label not"),
        }
        match parse(&out[0], &RxHints::default()) {
            Ok(Parsed::Udp { key, .. }) => assert_eq!(key, sent.key),
            other => panic!("{other:?}"),
        }
        assert!(scene.frames(&marked(1)).is_empty());
        assert_eq!(scene.drops(DropReason::TtlExpired), 1);
    }
}

#[test]
fn a_datagram_that_routers_may_fragment_goes_on_with_a_number_of_byway_s_own() {
    let mut scene = Scene::of(LabApp::DNS);
    scene.proven(0, 4_000);
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let out = scene.frames(&from_client(0).fragment_field(0).udp(4_000, 53).payload(b"q").bytes());
        assert_eq!(out[0][20..22], [0, 0]);
        numbers.push(u16::from_be_bytes([out[0][18], out[0][19]]));
        assert!(matches!(parse(&out[0], &RxHints::default()), Ok(Parsed::Udp { .. })));
    }
    assert_eq!(numbers, [numbers[0], numbers[0].wrapping_add(1), numbers[0].wrapping_add(2)]);
}

//! One frame for each way to be dropped before any session: exactly that drop is counted, and nothing comes out.

use crate::bench::{Row, row};
use byway::base::DropReason::{self, *};
use byway::port::RxMeta;
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, addr};
use byway::testkit::frames::{Ip, eth};
use byway::wire::{ChecksumState, TcpFlags};

const CLIENT4: &str = "10.0.0.7";
const CLIENT6: &str = "2001:2:1::7";

fn v4() -> Ip {
    eth().ip4(CLIENT4, EDGE_IPS[0])
}

fn v6() -> Ip {
    eth().ip6(CLIENT6, EDGE_IPS[1])
}

fn syn(ip: Ip, port: u16) -> Vec<u8> {
    ip.tcp(4_000, port).seq(7).syn().bytes()
}

fn dies(says: &'static str, frame: Vec<u8>, reason: DropReason) -> Row {
    row(says, vec![frame]).drops(reason)
}

pub fn rows() -> Vec<Row> {
    [frames(), addresses(), layer_4(), by_config()].into_iter().flatten().collect()
}

fn frames() -> Vec<Row> {
    let several = RxMeta { multi_segment: true, ..RxMeta::default() };
    let untagged = RxMeta { vlan_stripped: true, ..RxMeta::default() };
    let bad = RxMeta { l4_checksum: ChecksumState::Bad, ..RxMeta::default() };
    vec![
        dies("five bytes", vec![2; 5], FrameTruncated),
        dies("a header that promises more", syn(v4(), 80)[..40].to_vec(), FrameTruncated),
        row("a frame in several buffers", vec![syn(v4(), 80)]).meta(several).drops(FrameMultiSegment),
        row("a tag that the device took off", vec![syn(v4(), 80)]).meta(untagged).drops(VlanTagged),
        row("a checksum that the device found wrong", vec![syn(v4(), 80)]).meta(bad).drops(TcpChecksumBad),
        dies(
            "for another station",
            syn(eth().dst([2, 0, 0, 0, 0, 9]).ip4(CLIENT4, EDGE_IPS[0]), 80),
            NotOurMac,
        ),
        dies("TCP to everybody", syn(eth().dst([0xff; 6]).ip4(CLIENT4, EDGE_IPS[0]), 80), NotOurMac),
        dies(
            "TCP to a group",
            syn(eth().dst([0x33, 0x33, 0, 0, 0, 1]).ip6(CLIENT6, EDGE_IPS[1]), 80),
            NotOurMac,
        ),
        dies("802.1Q", syn(eth().vlan(0x8100, 5).ip4(CLIENT4, EDGE_IPS[0]), 80), VlanTagged),
        dies("LLDP", eth().raw(0x88cc, &[0; 46]), EtherTypeUnknown),
        dies("ARP of another kind", eth().raw(0x0806, &[0; 46]), ArpMalformed),
        dies("a solicitation through a router", ndp_with_hops(254), NdpMalformed),
        dies("version 5", v4().first_byte(0x55).tcp(1, 80).syn().bytes(), Ipv4HeaderBad),
        dies("a broken IPv4 checksum", v4().bad_checksum().tcp(1, 80).syn().bytes(), Ipv4ChecksumBad),
        dies("IPv4 options", v4().options(&[1, 1, 1, 0]).tcp(1, 80).syn().bytes(), Ipv4Options),
        dies("an IPv4 fragment", v4().fragment_field(0x2000).tcp(1, 80).syn().bytes(), Ipv4Fragment),
        dies("a jumbogram", v6().len_field(0).tcp(1, 80).syn().bytes(), Ipv6HeaderBad),
        dies("hop-by-hop options", v6().extension(0).tcp(1, 80).syn().bytes(), Ipv6Extension),
        dies("an IPv6 fragment", v6().extension(44).tcp(1, 80).syn().bytes(), Ipv6Fragment),
        dies("IGMP", v4().raw(2, &[0; 8]), ProtocolUnknown),
    ]
}

/// A neighbour solicitation for the port's address that came through a router (RFC 4861 7.1.1).
fn ndp_with_hops(hops: u8) -> Vec<u8> {
    let mut data = addr("2001:2:0:1::1").bits().to_be_bytes().to_vec();
    data.extend_from_slice(&[1, 1, 2, 0, 0, 0, 0, 0xaa]);
    eth().ip6("2001:2:0:1::2", "2001:2:0:1::1").hops(hops).icmp(135, 0, [0; 4], &data).bytes()
}

fn addresses() -> Vec<Row> {
    let from = |src: &str| syn(eth().ip(src, if src.contains(':') { EDGE_IPS[1] } else { EDGE_IPS[0] }), 80);
    let to = |dst: &str| syn(eth().ip4(CLIENT4, dst), 80);
    let spoofed = |src: &str, port: u16| syn(eth().ip4(src, "198.51.100.11"), port);
    vec![
        dies("to an address of another service", to("198.51.100.253"), OtherService),
        dies("to an address beside it", to("198.51.100.254"), NoApp),
        dies("from nobody", from("0.0.0.0"), MartianSource),
        dies("from 240/4", from("240.0.0.1"), MartianSource),
        dies("from loopback", from("::1"), MartianSource),
        dies("from the port's own address", from("198.18.0.1"), SpoofedSource),
        dies("from an egress address", from("2001:2:0:1::10"), SpoofedSource),
        dies("from an onboarded address", from("198.51.100.77"), SpoofedSource),
        dies("from an onboarded address to one without apps", spoofed("198.51.100.77", 80), SpoofedSource),
        dies("land", syn(eth().ip4(EDGE_IPS[0], EDGE_IPS[0]), 4_000), Land),
        dies("to somewhere else", to("203.0.113.9"), NoPrefix),
        dies("to an onboarded address without apps", to("198.51.100.11"), NoApp),
        dies("to the port's own address", to("198.18.0.1"), NoApp),
        dies("to an egress address", to("198.18.0.10"), NoApp),
        dies("to a port without an app", syn(v4(), 443), NoAppPort),
        dies("TCP to a UDP app", syn(v6(), 53), WrongProtocol),
        dies(
            "a datagram to an address without apps",
            eth().ip4(CLIENT4, "198.51.100.11").udp(1, 53).bytes(),
            NoApp,
        ),
        dies(
            "a datagram to the port's own address",
            eth().ip4(CLIENT4, "198.18.0.1").udp(1, 53).bytes(),
            NoApp,
        ),
        dies(
            "echo to an address without apps",
            eth().ip4(CLIENT4, "198.51.100.11").echo(1, 1, b"hi").bytes(),
            NoApp,
        ),
        dies("echo to somewhere else", eth().ip4(CLIENT4, "203.0.113.9").echo(1, 1, b"hi").bytes(), NoPrefix),
        dies(
            "echo from an onboarded address",
            eth().ip4("198.51.100.77", EDGE_IPS[0]).echo(1, 1, b"").bytes(),
            SpoofedSource,
        ),
    ]
}

fn layer_4() -> Vec<Row> {
    let quote = |port: u16| {
        let sent = eth().ip4(EDGE_IPS[0], CLIENT4).tcp(80, port).seq(1).bytes();
        v4().icmp(3, 1, [0; 4], &sent[14..42]).bytes()
    };
    vec![
        dies("a data offset of four", v4().tcp(1, 80).syn().data_offset(4).bytes(), TcpHeaderBad),
        dies("a broken TCP checksum", v4().tcp(1, 80).syn().bad_checksum().bytes(), TcpChecksumBad),
        dies("SYN and FIN", v6().tcp(1, 80).syn().fin().bytes(), TcpFlagsBad),
        dies("no flag at all", v4().tcp(1, 80).flags(TcpFlags(0)).bytes(), TcpFlagsBad),
        dies("a UDP length of three", v4().udp(1, 53).len_field(3).bytes(), UdpHeaderBad),
        dies("a broken UDP checksum", v4().udp(1, 53).payload(b"x").bad_checksum().bytes(), UdpChecksumBad),
        dies("no UDP checksum on IPv6", v6().udp(1, 53).checksum(0).bytes(), UdpChecksumBad),
        dies("ICMP cut short", v4().raw(1, &[8, 0, 0]), IcmpMalformed),
        dies("a broken ICMP checksum", v4().echo(1, 1, b"x").bad_checksum().bytes(), IcmpChecksumBad),
        dies("an echo reply", v4().icmp(0, 0, [0; 4], b"x").bytes(), IcmpIgnored),
        dies("an error about no session", quote(4_000), IcmpUnsolicited),
    ]
}

fn by_config() -> Vec<Row> {
    use crate::bench::Moved::{App, Drop};
    use byway::telemetry::AppCounter::Refused;
    vec![
        dies("a denied source", syn(v4(), 80), MartianSource)
            .config(|settings| settings.denied_sources = vec!["10.0.0.0/24".parse().expect("a net")]),
        dies(
            "a denied source of a datagram, whatever it is for",
            eth().ip4(CLIENT4, "198.51.100.11").udp(1, 53).bytes(),
            MartianSource,
        )
        .config(|settings| settings.denied_sources = vec!["10.0.0.0/24".parse().expect("a net")]),
        dies("a client without a route", syn(v4(), 80), NoRoute)
            .moves(App(Refused), 1)
            .config(|settings| settings.routes.clear()),
        dies("no room for another half-open session", syn(v4(), 80), HalfOpenFull)
            .apps(&LAB_APPS)
            .config(|settings| settings.session.half_open_max = 0),
        row(
            "first SYNs over the rate open nothing, whatever else is wrong with them",
            vec![syn(v4(), 80); 9],
        )
        .apps(&LAB_APPS)
        .config(|settings| {
            settings.rates.syn_per_s = 1;
            settings.session.half_open_max = 0;
        })
        .moves(App(Refused), 1)
        .moves(Drop(HalfOpenFull), 8)
        .moves(Drop(SynRateLimited), 1),
    ]
}

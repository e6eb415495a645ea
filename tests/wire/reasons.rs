//! One frame for each way to die in `parse`, and frames that must live.

use byway::base::DropReason::{self, *};
use byway::testkit::frames::{IntoAddr, Ip, Tcp, eth};
use byway::testkit::pretty::pretty;
use byway::wire::{ArpPacket, ChecksumState, NdpMessage, Parsed, RxHints, TcpFlags, ndp, parse};
use std::collections::HashSet;

const CLIENT4: &str = "192.0.2.1";
const EDGE4: &str = "198.51.100.10";
const CLIENT6: &str = "2001:db8::1";
const EDGE6: &str = "2001:db8:ffff::10";

fn v4() -> Ip {
    eth().ip4(CLIENT4, EDGE4)
}

fn v6() -> Ip {
    eth().ip6(CLIENT6, EDGE6)
}

fn syn4() -> Tcp {
    v4().tcp(4000, 22).seq(7).syn()
}

fn syn6() -> Tcp {
    v6().tcp(4000, 22).seq(7).syn()
}

fn cut(mut frame: Vec<u8>, len: usize) -> Vec<u8> {
    frame.truncate(len);
    frame
}

/// Ethernet, ARP and the IP headers.
fn rows_below_layer_4() -> Vec<(&'static str, Vec<u8>, DropReason)> {
    let option = [1, 1, 1, 0];
    vec![
        ("nothing", Vec::new(), FrameTruncated),
        ("half an Ethernet header", cut(syn4().bytes(), 13), FrameTruncated),
        ("half an IPv4 header", cut(syn4().bytes(), 33), FrameTruncated),
        ("half an IPv6 header", cut(syn6().bytes(), 53), FrameTruncated),
        ("IPv4 longer than the frame", cut(syn4().bytes(), 53), FrameTruncated),
        ("IPv6 longer than the frame", cut(syn6().bytes(), 73), FrameTruncated),
        (
            "IPv4 options behind the frame's end",
            v4().first_byte(0x46).len_field(24).raw(6, &[]),
            FrameTruncated,
        ),
        ("a frame that no port carries", vec![0; 65_536], FrameMultiSegment),
        ("802.1Q", eth().vlan(0x8100, 5).ip4(CLIENT4, EDGE4).tcp(1, 2).syn().bytes(), VlanTagged),
        ("802.1ad", eth().vlan(0x88a8, 5).ip4(CLIENT4, EDGE4).tcp(1, 2).syn().bytes(), VlanTagged),
        ("LLDP", eth().raw(0x88cc, &[0; 46]), EtherTypeUnknown),
        ("802.3 with a length", eth().raw(46, &[0; 46]), EtherTypeUnknown),
        ("ARP cut short", eth().raw(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]), ArpMalformed),
        ("ARP of another kind", eth().raw(0x0806, &[0; 46]), ArpMalformed),
        ("version 5 in IPv4", v4().first_byte(0x55).tcp(1, 2).syn().bytes(), Ipv4HeaderBad),
        ("version 6 in IPv4", v4().first_byte(0x65).tcp(1, 2).syn().bytes(), Ipv4HeaderBad),
        ("an IPv4 header of four words", v4().first_byte(0x44).tcp(1, 2).syn().bytes(), Ipv4HeaderBad),
        ("IPv4 shorter than its header", v4().len_field(19).tcp(1, 2).syn().bytes(), Ipv4HeaderBad),
        ("IPv4 options longer than the packet", v4().first_byte(0x4f).tcp(1, 2).syn().bytes(), Ipv4HeaderBad),
        ("a broken IPv4 checksum", v4().bad_checksum().tcp(1, 2).syn().bytes(), Ipv4ChecksumBad),
        ("a broken checksum over options", v4().options(&option).bad_checksum().raw(6, &[]), Ipv4ChecksumBad),
        ("IPv4 options", v4().options(&option).tcp(1, 2).syn().bytes(), Ipv4Options),
        ("a first fragment", v4().fragment_field(0x2000).tcp(1, 2).syn().bytes(), Ipv4Fragment),
        ("a later fragment", v4().fragment_field(0x0001).tcp(1, 2).syn().bytes(), Ipv4Fragment),
        ("version 4 in IPv6", v6().first_byte(0x40).tcp(1, 2).syn().bytes(), Ipv6HeaderBad),
        ("a jumbogram", v6().len_field(0).tcp(1, 2).syn().bytes(), Ipv6HeaderBad),
        ("hop-by-hop options", v6().extension(0).tcp(1, 2).syn().bytes(), Ipv6Extension),
        ("a routing header", v6().extension(43).tcp(1, 2).syn().bytes(), Ipv6Extension),
        ("an authentication header", v6().extension(51).tcp(1, 2).syn().bytes(), Ipv6Extension),
        ("destination options", v6().extension(60).tcp(1, 2).syn().bytes(), Ipv6Extension),
        ("an IPv6 fragment", v6().extension(44).tcp(1, 2).syn().bytes(), Ipv6Fragment),
    ]
}

/// Addresses that no host has, and flags that no TCP sends together.
fn rows_of_addresses_and_flags() -> Vec<(&'static str, Vec<u8>, DropReason)> {
    let from4 = |src: &str| eth().ip4(src, EDGE4).tcp(4000, 22).syn().bytes();
    let from6 = |src: &str| eth().ip6(src, EDGE6).tcp(4000, 22).syn().bytes();
    let to4 = |dst: &str| eth().ip4(CLIENT4, dst).tcp(4000, 22).syn().bytes();
    let to6 = |dst: &str| eth().ip6(CLIENT6, dst).tcp(4000, 22).syn().bytes();
    let flags = |flags| v4().tcp(4000, 22).flags(TcpFlags(flags)).bytes();
    vec![
        ("from this network", from4("0.0.0.0"), MartianSource),
        ("from 0/8", from4("0.1.2.3"), MartianSource),
        ("from loopback", from4("127.0.0.1"), MartianSource),
        ("from multicast", from4("224.0.0.1"), MartianSource),
        ("from 240/4", from4("240.0.0.1"), MartianSource),
        ("from broadcast", from4("255.255.255.255"), MartianSource),
        ("from ::", from6("::"), MartianSource),
        ("from ::1", from6("::1"), MartianSource),
        ("from an IPv6 group", from6("ff02::1"), MartianSource),
        ("from a mapped address", from6("::ffff:192.0.2.1"), MartianSource),
        ("to this network", to4("0.0.0.0"), NoPrefix),
        ("to loopback", to4("127.0.0.1"), NoPrefix),
        ("to multicast", to4("224.0.0.251"), NoPrefix),
        ("to broadcast", to4("255.255.255.255"), NoPrefix),
        ("to ::", to6("::"), NoPrefix),
        ("to ::1", to6("::1"), NoPrefix),
        ("to an IPv6 group", to6("ff02::1"), NoPrefix),
        ("to a mapped address", to6("::ffff:192.0.2.1"), NoPrefix),
        ("from and to the same IPv4 address", eth().ip4(EDGE4, EDGE4).tcp(22, 22).syn().bytes(), Land),
        ("from and to the same IPv6 address", eth().ip6(EDGE6, EDGE6).tcp(1, 2).syn().bytes(), Land),
        ("no flag at all", flags(0), TcpFlagsBad),
        ("SYN with FIN", flags(0x03), TcpFlagsBad),
        ("SYN with RST", flags(0x06), TcpFlagsBad),
        ("RST with FIN", flags(0x15), TcpFlagsBad),
        ("FIN without ACK", flags(0x01), TcpFlagsBad),
        ("a Christmas tree", flags(0x29), TcpFlagsBad),
    ]
}

/// TCP, UDP, ICMP and neighbour discovery.
fn rows_of_layer_4() -> Vec<(&'static str, Vec<u8>, DropReason)> {
    let solicitation =
        [&[0; 8][..], EDGE6.parse::<std::net::Ipv6Addr>().expect("v6").octets().as_slice()].concat();
    let ndp = |hops: u8, kind: u8, code: u8, data: &[u8]| {
        eth().ip6(CLIENT6, EDGE6).hops(hops).icmp(kind, code, [0; 4], data)
    };
    let target = &solicitation[8..];
    let zero_option = [target, &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let long_option = [target, &[1, 2, 0, 0, 0, 0, 0, 0]].concat();
    let group = "ff02::5".parse::<std::net::Ipv6Addr>().expect("v6").octets();
    let bare_na = |src: &str| eth().ip6(src, EDGE6).hops(255).icmp(136, 0, [0; 4], target).bytes();
    vec![
        ("half a TCP header", v4().raw(6, &[0; 19]), TcpHeaderBad),
        ("from TCP port 0", v4().tcp(0, 22).syn().bytes(), TcpHeaderBad),
        ("to TCP port 0", v6().tcp(4000, 0).syn().bytes(), TcpHeaderBad),
        ("a data offset of four words", syn4().data_offset(4).bytes(), TcpHeaderBad),
        ("a data offset behind the end", syn6().data_offset(6).bytes(), TcpHeaderBad),
        (
            "a data offset into padding",
            eth().padding(20).ip4(CLIENT4, EDGE4).tcp(1, 2).syn().data_offset(6).bytes(),
            TcpHeaderBad,
        ),
        ("a broken TCP checksum", syn4().payload(b"abc").bad_checksum().bytes(), TcpChecksumBad),
        ("a broken TCP checksum on IPv6", syn6().payload(b"abc").bad_checksum().bytes(), TcpChecksumBad),
        ("half a UDP header", v4().raw(17, &[0; 7]), UdpHeaderBad),
        ("a UDP length below eight", v4().udp(1, 2).len_field(7).bytes(), UdpHeaderBad),
        ("a UDP length behind the end", v4().udp(1, 2).len_field(9).bytes(), UdpHeaderBad),
        ("a broken UDP checksum", v4().udp(1, 2).payload(b"abc").bad_checksum().bytes(), UdpChecksumBad),
        ("no UDP checksum on IPv6", v6().udp(1, 2).checksum(0).bytes(), UdpChecksumBad),
        ("half an ICMP header", v4().echo(1, 2, b"").cut(7).bytes(), IcmpMalformed),
        ("half an ICMPv6 header", v6().echo(1, 2, b"").cut(7).bytes(), IcmpMalformed),
        ("a broken ICMP checksum", v4().echo(1, 2, b"abc").bad_checksum().bytes(), IcmpChecksumBad),
        ("a broken ICMPv6 checksum", v6().echo(1, 2, b"abc").bad_checksum().bytes(), IcmpChecksumBad),
        ("a broken NDP checksum", ndp(255, 135, 0, target).bad_checksum().bytes(), IcmpChecksumBad),
        ("a solicitation from afar", ndp(254, 135, 0, target).bytes(), NdpMalformed),
        ("a solicitation with a code", ndp(255, 135, 1, target).bytes(), NdpMalformed),
        ("a solicitation cut short", ndp(255, 135, 0, &target[..15]).bytes(), NdpMalformed),
        ("a solicitation for a group", ndp(255, 135, 0, &group).bytes(), NdpMalformed),
        ("an option of length zero", ndp(255, 135, 0, &zero_option).bytes(), NdpMalformed),
        ("an option behind the end", ndp(255, 135, 0, &long_option).bytes(), NdpMalformed),
        ("an advertisement from nobody", bare_na("::"), NdpMalformed),
        ("a router advertisement from afar", ndp(255, 134, 0, &[0; 8]).bytes(), NdpMalformed),
        ("a redirect cut short", ndp(255, 137, 0, &[0; 31]).bytes(), NdpMalformed),
        ("an advertisement from loopback", bare_na("::1"), MartianSource),
        (
            "a solicitation from a group",
            eth().ip6("ff02::1", EDGE6).hops(255).icmp(135, 0, [0; 4], target).bytes(),
            MartianSource,
        ),
        ("an advertisement to oneself", bare_na(EDGE6), Land),
        (
            "an advertisement to loopback",
            eth().ip6(CLIENT6, "::1").hops(255).icmp(136, 0, [0; 4], target).bytes(),
            NoPrefix,
        ),
        ("SCTP", v4().raw(132, &[0; 20]), ProtocolUnknown),
        ("SCTP on IPv6", v6().raw(132, &[0; 20]), ProtocolUnknown),
        ("ICMPv6 on IPv4", v4().raw(58, &[0; 20]), ProtocolUnknown),
        ("ICMP on IPv6", v6().raw(1, &[0; 20]), ProtocolUnknown),
        ("no next header", v6().raw(59, &[0; 20]), ProtocolUnknown),
    ]
}

fn rows() -> impl Iterator<Item = (&'static str, Vec<u8>, DropReason)> {
    [rows_below_layer_4(), rows_of_addresses_and_flags(), rows_of_layer_4()].into_iter().flatten()
}

#[test]
fn each_broken_frame_dies_of_what_is_broken() {
    for (what, frame, reason) in rows() {
        let result = parse(&frame, &RxHints::default());
        assert_eq!(result.err(), Some(reason), "{what}: {}", pretty(&frame));
    }
}

#[test]
fn every_reason_of_wire_has_its_frame() {
    let ours = [
        FrameTruncated,
        FrameMultiSegment,
        VlanTagged,
        EtherTypeUnknown,
        ArpMalformed,
        NdpMalformed,
        Ipv4HeaderBad,
        Ipv4ChecksumBad,
        Ipv4Options,
        Ipv4Fragment,
        Ipv6HeaderBad,
        Ipv6Extension,
        Ipv6Fragment,
        MartianSource,
        Land,
        ProtocolUnknown,
        TcpHeaderBad,
        TcpChecksumBad,
        TcpFlagsBad,
        UdpHeaderBad,
        UdpChecksumBad,
        IcmpMalformed,
        IcmpChecksumBad,
        NoPrefix,
    ];
    let rows = rows();
    let hit: HashSet<DropReason> = rows.map(|(_, _, reason)| reason).collect();
    assert_eq!(hit, HashSet::from(ours));
}

#[test]
fn sound_frames_live() {
    let target = EDGE6.parse::<std::net::Ipv6Addr>().expect("v6");
    let dad = [&target.octets()[..], &[14, 1, 0, 0, 0, 0, 0, 0]].concat();
    let group = ndp::solicited_node(target.into());
    let arp = ArpPacket::request([2, 0, 0, 0, 0, 1], [192, 0, 2, 1].into_addr(), [192, 0, 2, 2].into_addr());
    let rows = [
        ("TCP on IPv4", syn4().bytes()),
        ("TCP on IPv6", syn6().payload(b"abc").bytes()),
        ("TCP with padding behind", eth().padding(6).ip4(CLIENT4, EDGE4).tcp(1, 2).ack(5).bytes()),
        ("a header of sixty bytes", syn4().raw_options(&[1; 40]).bytes()),
        ("UDP", v6().udp(1, 2).payload(b"abc").bytes()),
        ("UDP on IPv4 without a checksum", v4().udp(1, 2).checksum(0).bytes()),
        ("an odd echo request", v4().echo(1, 2, b"abc").bytes()),
        ("a request by ARP", eth().padding(18).arp(&arp)),
        ("duplicate address detection", eth().ip6("::", group).hops(255).icmp(135, 0, [0; 4], &dad).bytes()),
        ("the reserved flag of RFC 3514", v4().fragment_field(0xc000).tcp(1, 2).syn().bytes()),
    ];
    for (what, frame) in rows {
        assert!(parse(&frame, &RxHints::default()).is_ok(), "{what}: {}", pretty(&frame));
    }
}

#[test]
fn padding_belongs_to_no_payload() {
    let frame = eth().padding(9).ip4(CLIENT4, EDGE4).tcp(4000, 22).ack(5).payload(b"abc").bytes();
    let Ok(Parsed::Tcp(segment)) = parse(&frame, &RxHints::default()) else { panic!("{}", pretty(&frame)) };
    assert_eq!(
        (segment.ip_offset, segment.tcp_offset, segment.payload_offset, segment.ip_end),
        (14, 34, 54, 57)
    );
    assert_eq!((segment.payload_len(), segment.seq_len(), segment.ack), (3, 3, 5));
    let frame = eth().ip4(CLIENT4, EDGE4).udp(1, 2).len_field(9).payload(b"abc").bytes();
    let Ok(Parsed::Udp { payload_offset, ip_end, .. }) =
        parse(&frame, &RxHints { l4: ChecksumState::Good, ..RxHints::default() })
    else {
        panic!("{}", pretty(&frame))
    };
    assert_eq!((payload_offset, ip_end), (42, 43));
}

#[test]
fn what_the_device_found_is_believed() {
    let hints = |ip, l4| RxHints { ip, l4 };
    let (good, bad) = (ChecksumState::Good, ChecksumState::Bad);
    let broken = v4().bad_checksum().tcp(1, 2).syn().bad_checksum().bytes();
    assert!(parse(&broken, &hints(good, good)).is_ok());
    assert_eq!(parse(&syn4().bytes(), &hints(bad, good)).err(), Some(Ipv4ChecksumBad));
    assert_eq!(parse(&syn4().bytes(), &hints(good, bad)).err(), Some(TcpChecksumBad));
    assert_eq!(parse(&syn6().bytes(), &hints(bad, good)).err(), None, "IPv6 has no header checksum");
    let udp = |sum| v4().udp(1, 2).checksum(sum).bytes();
    assert_eq!(parse(&udp(1), &hints(good, bad)).err(), Some(UdpChecksumBad));
    assert_eq!(parse(&udp(0), &hints(good, bad)).err(), None, "no checksum cannot be wrong");
    assert_eq!(parse(&v6().udp(1, 2).checksum(0).bytes(), &hints(good, good)).err(), Some(UdpChecksumBad));
    let echo = v4().echo(1, 2, b"").bad_checksum().bytes();
    assert_eq!(parse(&echo, &hints(good, good)).err(), Some(IcmpChecksumBad), "devices do not look at ICMP");
}

#[test]
fn a_solicitation_tells_who_asks() {
    let target = EDGE6.into_addr();
    let mut packet = [0; ndp::PACKET_LEN];
    NdpMessage::emit_solicitation(&mut packet, (CLIENT6.into_addr(), [2, 0, 0, 0, 0, 9]), target, target);
    let frame = eth().raw(0x86dd, &packet);
    let Ok(Parsed::Ndp { src, dst, icmp_offset, ip_end }) = parse(&frame, &RxHints::default()) else {
        panic!("{}", pretty(&frame))
    };
    let message = NdpMessage::parse(&frame[usize::from(icmp_offset)..usize::from(ip_end)], src, dst);
    let source_link = Some([2, 0, 0, 0, 0, 9]);
    assert_eq!(message, Ok(NdpMessage::NeighborSolicitation { target, source_link }));
}

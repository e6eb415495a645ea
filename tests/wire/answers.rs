//! What `wire` writes, read back by `parse`: segments, echo replies, errors, neighbour messages, offloaded checksums.

use byway::base::{Addr, Endpoint};
use byway::testkit::frames::{IntoAddr, Ip, eth, naive_sum};
use byway::testkit::pretty::pretty;
use byway::wire::checksum::{self, L4Fill};
use byway::wire::{
    Family, IcmpErrorEmit, IcmpErrorKind, IcmpMessage, NdpMessage, Parsed, RxHints, SackBlocks, TcpEmit,
    TcpFlags, TcpOptions, Unreachable, icmp, ndp, parse,
};
use proptest::prelude::*;

const CLIENT: [&str; 2] = ["192.0.2.1", "2001:db8::1"];
const EDGE: [&str; 2] = ["198.51.100.10", "2001:db8:ffff::10"];

fn families() -> [Ip; 2] {
    [0, 1].map(|family| eth().ip(CLIENT[family], EDGE[family]))
}

fn framed(packet: &[u8]) -> Vec<u8> {
    eth().raw(if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }, packet)
}

#[test]
fn an_echo_request_turns_into_its_reply() {
    for (family, ip) in families().into_iter().enumerate() {
        let mut frame = ip.hops(3).echo(7, 9, b"odd").bytes();
        icmp::echo_reply(&mut frame[14..]).expect("an echo request");
        let reply = if family == 0 { 0 } else { 129 };
        let expected = eth().ip(EDGE[family], CLIENT[family]).icmp(reply, 0, [0, 7, 0, 9], b"odd").bytes();
        assert_eq!(pretty(&frame), pretty(&expected));
        assert_eq!(frame, expected);
        assert!(icmp::echo_reply(&mut frame[14..]).is_err(), "a reply is not answered");
    }
}

#[test]
fn a_reply_of_nothing_but_zeros_has_a_checksum() {
    for ip in families() {
        let mut frame = ip.echo(0, 0, b"").bytes();
        icmp::echo_reply(&mut frame[14..]).expect("an echo request");
        assert!(parse(&frame, &RxHints::default()).is_ok(), "{}", pretty(&frame));
    }
}

#[test]
fn an_error_quotes_the_packet_that_it_is_about() {
    let kinds = [
        IcmpErrorKind::TooBig { mtu: 1400 },
        IcmpErrorKind::Unreachable(Unreachable::Network),
        IcmpErrorKind::Unreachable(Unreachable::Host),
        IcmpErrorKind::Unreachable(Unreachable::Port),
        IcmpErrorKind::Unreachable(Unreachable::Prohibited),
        IcmpErrorKind::TimeExceeded,
        IcmpErrorKind::ParameterProblem,
    ];
    for (family, kind) in [0, 1].into_iter().flat_map(|family| kinds.map(|kind| (family, kind))) {
        let about =
            eth().ip(CLIENT[family], EDGE[family]).tcp(4000, 22).seq(77).ack(1).payload(&[9; 1400]).bytes();
        let error =
            IcmpErrorEmit::new(EDGE[family].into_addr(), kind, &about[14..]).expect("an answer is allowed");
        let mut packet = vec![0xee; error.packet_len()];
        assert_eq!(packet.len(), [576, 1280][family]);
        assert_eq!(error.dst(), CLIENT[family].into_addr());
        assert!(error.emit(&mut packet));
        let frame = framed(&packet);
        let Ok(Parsed::Icmp { src, icmp_offset, ip_end, .. }) = parse(&frame, &RxHints::default()) else {
            panic!("{}", pretty(&frame))
        };
        let message = &frame[usize::from(icmp_offset)..usize::from(ip_end)];
        let Ok(IcmpMessage::Error { kind: read, quoted }) = IcmpMessage::parse(message, Family::of(src))
        else {
            panic!("{}", pretty(&frame))
        };
        assert_eq!((read, quoted.seq, quoted.key.src_port, quoted.key.dst_port), (kind, 77, 4000, 22));
        assert_eq!((quoted.key.src, quoted.key.dst), (CLIENT[family].into_addr(), EDGE[family].into_addr()));
    }
}

#[test]
fn no_error_answers_an_error_a_fragment_or_a_group() {
    let kind = IcmpErrorKind::Unreachable(Unreachable::Port);
    let refused = |src: &str, frame: Vec<u8>| {
        assert!(IcmpErrorEmit::new(src.into_addr(), kind, &frame[14..]).is_none(), "{}", pretty(&frame));
    };
    let [v4, v6] = families();
    refused(EDGE[0], v4.clone().icmp(3, 3, [0; 4], &[0; 28]).bytes());
    refused(EDGE[1], v6.clone().icmp(1, 4, [0; 4], &[0; 48]).bytes());
    refused(EDGE[0], v4.clone().fragment_field(1).udp(1, 2).bytes());
    refused(EDGE[0], eth().ip(CLIENT[0], "224.0.0.1").udp(1, 2).bytes());
    refused(EDGE[1], eth().ip("::", EDGE[1]).udp(1, 2).bytes());
    refused(EDGE[1], v4.clone().udp(1, 2).bytes());
    refused(EDGE[0], vec![0; 14]);
    let echo = v4.echo(1, 2, b"").bytes();
    assert!(IcmpErrorEmit::new(EDGE[0].into_addr(), kind, &echo[14..]).is_some());
}

#[test]
fn an_advertisement_answers_the_asker_or_tells_everyone() {
    let (target, mac) = (EDGE[1].into_addr(), [2, 0, 0, 0, 0, 1]);
    for (asker, goes_to, solicited) in
        [(Some(CLIENT[1]), CLIENT[1], true), (None, "ff02::1", false), (Some("::"), "ff02::1", false)]
    {
        let mut packet = [0; ndp::PACKET_LEN];
        let to = NdpMessage::emit_advertisement(&mut packet, (target, mac), asker.map(IntoAddr::into_addr));
        assert_eq!(to, goes_to.into_addr());
        let frame = framed(&packet);
        let Ok(Parsed::Ndp { src, dst, icmp_offset, ip_end }) = parse(&frame, &RxHints::default()) else {
            panic!("{}", pretty(&frame))
        };
        assert_eq!((src, dst), (target, to));
        let message = NdpMessage::parse(&frame[usize::from(icmp_offset)..usize::from(ip_end)], src, dst);
        let flags = ndp_flags(solicited);
        let expected = NdpMessage::NeighborAdvertisement { target, flags, target_link: Some(mac) };
        assert_eq!(message, Ok(expected));
    }
}

fn ndp_flags(solicited: bool) -> byway::wire::NaFlags {
    byway::wire::NaFlags { router: false, solicited, overriding: true }
}

#[test]
fn a_device_completes_what_pseudo_began() {
    for ip in families() {
        let frame = ip.tcp(4000, 22).seq(1).ack(2).payload(b"payload").bytes();
        let mut packet = frame[14..].to_vec();
        assert_eq!(checksum::pseudo_l4(&mut packet), L4Fill::Device);
        // The device sums the segment with the pseudo-header's sum in its field.
        let start = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let sum = !naive_sum(&packet[start..]);
        packet[start + 16..start + 18].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(packet, &frame[14..]);
    }
}

#[test]
fn what_is_not_tcp_is_filled_in_software() {
    for ip in families() {
        for frame in [ip.clone().udp(1, 2).payload(b"abc").bytes(), ip.clone().echo(1, 2, b"abc").bytes()] {
            let mut packet = frame[14..].to_vec();
            assert_eq!(checksum::pseudo_l4(&mut packet), L4Fill::Done);
            assert_eq!(packet, &frame[14..]);
        }
    }
}

proptest! {
    #[test]
    fn a_written_segment_is_parsed_as_it_was_meant(
        v6 in any::<bool>(), ports in (1u16.., 1u16..), numbers in any::<(u32, u32)>(), window in any::<u16>(),
        mss in any::<Option<u16>>(), stamp in any::<Option<(u32, u32)>>(), payload in prop::collection::vec(any::<u8>(), 0..99),
        blocks in prop::collection::vec(any::<(u32, u32)>(), 0..=2),
    ) {
        let end = |text: &[&str; 2], port| Endpoint { addr: text[usize::from(v6)].into_addr(), port };
        let options = TcpOptions { mss, timestamp: stamp, sack: SackBlocks::new(&blocks), ..TcpOptions::NONE };
        let bare = TcpEmit::bare(end(&EDGE, ports.0), end(&CLIENT, ports.1), TcpFlags(TcpFlags::ACK), numbers);
        let sent = TcpEmit { window, options, payload_len: payload.len() as u16, ..bare };
        let mut packet = vec![0xee; sent.packet_len()];
        sent.emit(&mut packet).expect("room").copy_from_slice(&payload);
        checksum::finish_ip_tcp(&mut packet);
        let frame = framed(&packet);
        let Ok(Parsed::Tcp(read)) = parse(&frame, &RxHints::default()) else { panic!("{}", pretty(&frame)) };
        prop_assert_eq!((read.key.src_endpoint(), read.key.dst_endpoint()), (sent.src, sent.dst));
        prop_assert_eq!((read.seq, read.ack, read.window, read.flags), (sent.seq, sent.ack, window, sent.flags));
        let (start, stop) = read.options();
        prop_assert_eq!(TcpOptions::parse(&frame[start..stop]), Ok(options));
        prop_assert_eq!(&frame[usize::from(read.payload_offset)..usize::from(read.ip_end)], &payload[..]);
    }

    #[test]
    fn a_filled_checksum_equals_the_builder_s(
        v6 in any::<bool>(), ports in any::<(u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..99)
    ) {
        let ip = eth().ip(CLIENT[usize::from(v6)], EDGE[usize::from(v6)]);
        let frames = [
            ip.clone().tcp(ports.0, ports.1).ack(1).payload(&payload).bytes(),
            ip.clone().udp(ports.0, ports.1).payload(&payload).bytes(),
            ip.echo(ports.0, ports.1, &payload).bytes(),
        ];
        for frame in frames {
            let mut packet = frame[14..].to_vec();
            let (start, protocol) = if v6 { (40, packet[6]) } else { (20, packet[9]) };
            let field = start + match protocol { 6 => 16, 17 => 6, _ => 2 };
            packet[field..field + 2].fill(0xee);
            if !v6 {
                packet[10..12].fill(0xee);
            }
            checksum::finish_ip_tcp(&mut packet);
            prop_assert_eq!(&packet[..], &frame[14..], "{}", pretty(&frame));
        }
    }

    #[test]
    fn an_update_by_parts_keeps_a_translated_segment_sound(
        old in any::<([u8; 4], u16, u32)>(), new in any::<(u128, u16, u32)>(), payload in prop::collection::vec(any::<u8>(), 0..99)
    ) {
        // The rewrite of a splice: other addresses, ports and numbers, the payload untouched.
        let edge = Addr::from_bits(new.0 | 0x2001 << 112);
        let sent = eth().ip4(old.0, EDGE[0]).tcp(old.1, 22).seq(old.2).ack(1).payload(&payload).bytes();
        let wanted = eth().ip6(edge, CLIENT[1]).tcp(new.1, 22).seq(new.2).ack(1).payload(&payload).bytes();
        let change = checksum::Change::NONE
            .addr(Addr::v4(old.0), edge)
            .addr(EDGE[0].into_addr(), CLIENT[1].into_addr())
            .word(old.1, new.1)
            .word32(old.2, new.2);
        let field = |frame: &[u8], at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let updated = change.apply(field(&sent, 14 + 20 + 16));
        let mut rewritten = wanted.clone();
        rewritten[14 + 40 + 16..14 + 40 + 18].copy_from_slice(&updated.to_be_bytes());
        let wanted = parse(&wanted, &RxHints::default()).is_ok();
        prop_assert_eq!(parse(&rewritten, &RxHints::default()).is_ok(), wanted, "{}", pretty(&rewritten));
    }
}

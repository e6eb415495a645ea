//! The same frames to smoltcp's parser: what both read must be the same, and what we let through it must, too.

use byway::testkit::frames::{Ip, eth};
use byway::testkit::pretty::pretty;
use byway::wire::{self, Parsed, RxHints, TcpFlags, TcpSegment, parse};
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr,
    UdpPacket, UdpRepr,
};
use std::net::IpAddr;

/// What smoltcp makes of the IP packet in a frame: addresses, protocol, and the bytes behind the header.
fn ip_layer(packet: &[u8]) -> Option<(IpAddress, IpAddress, IpProtocol, &[u8])> {
    if packet.first()? >> 4 == 4 {
        let view = Ipv4Packet::new_checked(packet).ok()?;
        let repr = Ipv4Repr::parse(&view, &ChecksumCapabilities::default()).ok()?;
        let payload = &packet[usize::from(view.header_len())..usize::from(view.total_len())];
        return Some((repr.src_addr.into(), repr.dst_addr.into(), repr.next_header, payload));
    }
    let view = Ipv6Packet::new_checked(packet).ok()?;
    let repr = Ipv6Repr::parse(&view).ok()?;
    let payload = &packet[40..40 + repr.payload_len];
    Some((repr.src_addr.into(), repr.dst_addr.into(), repr.next_header, payload))
}

/// Holds one parsed segment against smoltcp's reading.
fn compare_tcp(frame: &[u8], segment: &TcpSegment) {
    let (src, dst, protocol, l4) = ip_layer(&frame[14..]).expect("smoltcp reads the IP header");
    assert_eq!(protocol, IpProtocol::Tcp);
    assert_eq!((IpAddr::from(src), IpAddr::from(dst)), (segment.key.src.to_ip(), segment.key.dst.to_ip()));
    let view = TcpPacket::new_checked(l4).expect("smoltcp reads the TCP header");
    assert!(view.verify_checksum(&src, &dst));
    assert_eq!((view.src_port(), view.dst_port()), (segment.key.src_port, segment.key.dst_port));
    assert_eq!((view.seq_number().0 as u32, view.ack_number().0 as u32), (segment.seq, segment.ack));
    assert_eq!(view.window_len(), segment.window);
    let flags = [view.fin(), view.syn(), view.rst(), view.psh(), view.ack(), view.urg()];
    let bits = flags.iter().enumerate().fold(0, |sum, (bit, set)| sum | u8::from(*set) << bit);
    assert_eq!(bits, segment.flags.0 & 0x3f);
    let payload = &frame[usize::from(segment.payload_offset)..usize::from(segment.ip_end)];
    assert_eq!(view.payload(), payload);
    compare_options(frame, segment, &view, (&src, &dst));
}

fn compare_options(
    frame: &[u8],
    segment: &TcpSegment,
    view: &TcpPacket<&[u8]>,
    (src, dst): (&IpAddress, &IpAddress),
) {
    let (start, end) = segment.options();
    let ours = wire::TcpOptions::parse(&frame[start..end]);
    let Ok(theirs) = TcpRepr::parse(view, src, dst, &ChecksumCapabilities::default()) else { return };
    // smoltcp takes a segment only with options that it can read; so must we.
    let ours = ours.unwrap_or_else(|_| panic!("options of {}", pretty(frame)));
    if theirs.control == TcpControl::Syn {
        assert_eq!((ours.mss, ours.window_shift), (theirs.max_seg_size, theirs.window_scale));
        assert_eq!(ours.sack_permitted, theirs.sack_permitted);
    }
    assert_eq!(ours.timestamp, theirs.timestamp.map(|stamp| (stamp.tsval, stamp.tsecr)));
}

fn compare_udp(frame: &[u8], (payload_offset, ip_end): (u16, u16)) {
    let (src, dst, protocol, l4) = ip_layer(&frame[14..]).expect("smoltcp reads the IP header");
    assert_eq!(protocol, IpProtocol::Udp);
    let view = UdpPacket::new_checked(l4).expect("smoltcp reads the UDP header");
    assert_eq!(view.payload(), &frame[usize::from(payload_offset)..usize::from(ip_end)]);
    // Port 0 is an error to smoltcp and a missing app to us.
    if view.dst_port() != 0 {
        UdpRepr::parse(&view, &src, &dst, &ChecksumCapabilities::default())
            .expect("smoltcp takes the datagram");
    }
}

/// Parses a frame and holds the reading against smoltcp's.
fn compare(frame: &[u8]) {
    match parse(frame, &RxHints::default()) {
        Ok(Parsed::Tcp(segment)) => compare_tcp(frame, &segment),
        Ok(Parsed::Udp { payload_offset, ip_end, .. }) => compare_udp(frame, (payload_offset, ip_end)),
        Ok(Parsed::Icmp { src, dst, .. }) => {
            let (from, to, ..) = ip_layer(&frame[14..]).expect("smoltcp reads the IP header");
            assert_eq!((IpAddr::from(from), IpAddr::from(to)), (src.to_ip(), dst.to_ip()));
        }
        Ok(Parsed::Arp { .. } | Parsed::Ndp { .. }) | Err(_) => {}
    }
}

fn ip_layers() -> impl Strategy<Value = Ip> {
    let hosts4 = any::<([u8; 4], [u8; 4])>().prop_map(|(src, dst)| eth().ip4(src, dst));
    let hosts6 = any::<(u128, u128)>().prop_map(|(src, dst)| {
        let host = |bits| byway::base::Addr::from_bits(bits | 0x2001 << 112);
        eth().ip6(host(src), host(dst))
    });
    prop_oneof![hosts4, hosts6]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sound_segments_read_the_same(
        ip in ip_layers(), ports in any::<(u16, u16)>(), numbers in any::<(u32, u32)>(), flags in any::<u8>(),
        window in any::<u16>(), options in prop::collection::vec(any::<[u8; 4]>(), 0..=10),
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let tcp = ip.tcp(ports.0, ports.1).seq(numbers.0).ack(numbers.1).flags(TcpFlags(flags)).window(window);
        compare(&tcp.raw_options(&options.concat()).payload(&payload).bytes());
    }

    #[test]
    fn sound_datagrams_read_the_same(
        ip in ip_layers(), ports in any::<(u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let frame = ip.udp(ports.0, ports.1).payload(&payload).bytes();
        compare(&frame);
    }

    #[test]
    fn broken_frames_never_panic_and_never_pass_alone(
        ip in ip_layers(), breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        payload in prop::collection::vec(any::<u8>(), 0..60), cut in any::<prop::sample::Index>(), is_cut in any::<bool>(),
    ) {
        let mut frame = ip.tcp(1, 2).ack(5).raw_options(&[1; 12]).payload(&payload).bytes();
        for (at, value) in breaks {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if is_cut {
            frame.truncate(cut.index(frame.len()));
        }
        compare(&frame);
        let _ = pretty(&frame);
        let trusting = RxHints { ip: wire::ChecksumState::Good, l4: wire::ChecksumState::Good };
        let _ = parse(&frame, &trusting);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        head in prop::sample::select(vec![0x0800u16, 0x0806, 0x86dd]), bytes in prop::collection::vec(any::<u8>(), 0..120)
    ) {
        let frame = eth().raw(head, &bytes);
        compare(&frame);
        let _ = pretty(&frame);
        let mut packet = bytes.clone();
        wire::checksum::finish_ip_tcp(&mut packet);
        let mut packet = bytes.clone();
        let _ = wire::checksum::pseudo_l4(&mut packet);
        let _ = wire::icmp::echo_reply(&mut packet);
    }
}

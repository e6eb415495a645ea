//! The same frames to smoltcp's parser, for tests and fuzz targets: what both read must be the same, and a segment that
//! we let through smoltcp must take, for sessions hand it on.

use super::pretty::pretty;
use crate::wire::{self, Parsed, RxHints, TcpSegment, parse};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket, TcpRepr,
    UdpPacket, UdpRepr,
};
use std::net::IpAddr;

/// Parses a frame and holds the reading against smoltcp's; panics where they differ.
pub fn compare(frame: &[u8]) {
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
    let theirs = TcpRepr::parse(view, src, dst, &ChecksumCapabilities::default());
    // We name timestamps of a wrong length; smoltcp passes over them.
    assert!(ours.is_err() || theirs.is_ok(), "{}", pretty(frame));
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return };
    if theirs.control == TcpControl::Syn {
        assert_eq!((ours.mss, ours.window_shift), (theirs.max_seg_size, theirs.window_scale));
        assert_eq!(ours.sack_permitted, theirs.sack_permitted);
    }
    // smoltcp keeps three blocks.
    let blocks: Vec<_> = theirs.sack_ranges.iter().flatten().copied().collect();
    assert_eq!(&ours.sack.as_slice()[..ours.sack.as_slice().len().min(3)], blocks);
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

//! One pass over a frame: every check that needs no configuration, then what the frame carries and where.
//!
//! ```text
//!  ethernet -+- ipv4 --+- addresses --+- tcp    length, checksum, flags
//!            |         |              |- udp    length, checksum
//!            |         |              `- icmp   length, checksum
//!            |- ipv6 --+- icmpv6 -- neighbour discovery: hop limit, source, checksum, body
//!            `- arp
//! ```
//!
//! Checked elsewhere, for it takes configuration: hardware addresses, own addresses, prefixes, the deny list.
//! Cost: see the table in `parse`.

use super::checksum::Sum;
use super::ethernet::{self, EtherType};
use super::headers::{ChecksumState, Parsed, RxHints, TcpSegment};
use super::{ArpPacket, FlowKey, NdpMessage, Protocol, icmp, ipv4, ipv6, ndp, tcp, udp};
use crate::base::{Addr, DropReason};

/// The IP packet inside a frame, once its header passed.
#[derive(Clone, Copy)]
struct Packet<'a> {
    src: Addr,
    dst: Addr,
    protocol: u8,
    ip_offset: u16,
    l4_offset: u16,
    ip_end: u16,
    /// From the layer-4 header to the packet's end, without padding.
    l4: &'a [u8],
}

/// Parses a frame as it came from a port; the first check that it fails names its drop. Accepts any bytes.
#[inline]
pub fn parse(frame: &[u8], rx: &RxHints) -> Result<Parsed, DropReason> {
    // Offsets are 16 bits wide; no port carries more in one frame.
    if frame.len() > usize::from(u16::MAX) {
        return Err(DropReason::FrameMultiSegment);
    }
    let header = ethernet::Header::parse(frame)?;
    match header.ether_type {
        EtherType::Ipv4 => parse_v4(frame, rx),
        EtherType::Ipv6 => parse_v6(frame, rx),
        EtherType::Arp => parse_arp(frame),
    }
}

#[inline(always)]
fn parse_v4(frame: &[u8], rx: &RxHints) -> Result<Parsed, DropReason> {
    let header = ipv4::Header::parse(&frame[ethernet::HEADER_LEN..], rx.ip)?;
    if ipv4::is_martian(header.src) {
        return Err(DropReason::MartianSource);
    }
    check_destination(header.src, header.dst, ipv4::is_martian(header.dst))?;
    let ip_offset = ethernet::HEADER_LEN as u16;
    let (l4_offset, ip_end) = (ip_offset + ipv4::HEADER_LEN as u16, ip_offset + header.total_len);
    let l4 = &frame[usize::from(l4_offset)..usize::from(ip_end)];
    let (src, dst, protocol) = (header.src, header.dst, header.protocol);
    let packet = Packet { src, dst, protocol, ip_offset, l4_offset, ip_end, l4 };
    match protocol {
        tcp::PROTOCOL => parse_tcp(&packet, rx.l4),
        udp::PROTOCOL => parse_udp(&packet, rx.l4),
        icmp::PROTOCOL_V4 => parse_icmp(&packet),
        _ => Err(DropReason::ProtocolUnknown),
    }
}

#[inline(always)]
fn parse_v6(frame: &[u8], rx: &RxHints) -> Result<Parsed, DropReason> {
    let header = ipv6::Header::parse(&frame[ethernet::HEADER_LEN..])?;
    let ip_offset = ethernet::HEADER_LEN as u16;
    let l4_offset = ip_offset + ipv6::HEADER_LEN as u16;
    let ip_end = l4_offset + header.payload_len;
    let l4 = &frame[usize::from(l4_offset)..usize::from(ip_end)];
    let (src, dst, protocol) = (header.src, header.dst, header.next);
    let packet = Packet { src, dst, protocol, ip_offset, l4_offset, ip_end, l4 };
    if protocol == icmp::PROTOCOL_V6 && ndp::is_ndp(l4[0]) {
        return parse_ndp(&packet, header.hop_limit);
    }
    if ipv6::is_martian(src) {
        return Err(DropReason::MartianSource);
    }
    check_destination(src, dst, ipv6::is_martian(dst))?;
    match protocol {
        tcp::PROTOCOL => parse_tcp(&packet, rx.l4),
        udp::PROTOCOL => parse_udp(&packet, rx.l4),
        icmp::PROTOCOL_V6 => parse_icmp(&packet),
        _ => Err(DropReason::ProtocolUnknown),
    }
}

/// A packet to no single host is for nobody here (RFC 9293 3.9.2.3 for TCP, RFC 1122 3.2.2.6 for echo).
#[inline(always)]
fn check_destination(src: Addr, dst: Addr, no_host: bool) -> Result<(), DropReason> {
    if no_host {
        return Err(DropReason::NoPrefix);
    }
    if src == dst { Err(DropReason::Land) } else { Ok(()) }
}

#[inline(always)]
fn parse_tcp(packet: &Packet<'_>, checksum: ChecksumState) -> Result<Parsed, DropReason> {
    let header = tcp::Header::parse(packet.l4)?;
    match checksum {
        ChecksumState::Good => {}
        ChecksumState::Unknown if sum_is_valid(packet) => {}
        ChecksumState::Unknown | ChecksumState::Bad => return Err(DropReason::TcpChecksumBad),
    }
    if !tcp::flags_allowed(header.flags) {
        return Err(DropReason::TcpFlagsBad);
    }
    Ok(Parsed::Tcp(TcpSegment {
        key: flow_key(packet, (header.src_port, header.dst_port), Protocol::Tcp),
        ip_offset: packet.ip_offset,
        tcp_offset: packet.l4_offset,
        payload_offset: packet.l4_offset + u16::from(header.header_len),
        ip_end: packet.ip_end,
        seq: header.seq,
        ack: header.ack,
        window: header.window,
        flags: header.flags,
        rss_hash: None,
    }))
}

/// The checksum over the pseudo-header and all of layer 4.
#[inline]
fn sum_is_valid(packet: &Packet<'_>) -> bool {
    let len = packet.ip_end - packet.l4_offset;
    Sum::ZERO.pseudo(packet.src, packet.dst, packet.protocol, len).bytes(packet.l4).is_valid()
}

#[inline]
fn parse_udp(packet: &Packet<'_>, checksum: ChecksumState) -> Result<Parsed, DropReason> {
    let header = udp::Header::parse(packet.l4)?;
    header.verify(packet.l4, (packet.src, packet.dst), checksum)?;
    Ok(Parsed::Udp {
        key: flow_key(packet, (header.src_port, header.dst_port), Protocol::Udp),
        payload_offset: packet.l4_offset + udp::HEADER_LEN as u16,
        // What lies between the datagram's end and the packet's is no payload.
        ip_end: packet.l4_offset + header.len,
    })
}

#[inline(always)]
fn flow_key(packet: &Packet<'_>, (src_port, dst_port): (u16, u16), protocol: Protocol) -> FlowKey {
    FlowKey { src: packet.src, dst: packet.dst, src_port, dst_port, protocol }
}

/// Devices look at TCP and UDP only, so the checksum is always verified here.
#[inline(never)]
fn parse_icmp(packet: &Packet<'_>) -> Result<Parsed, DropReason> {
    let Packet { src, dst, ip_offset, l4_offset: icmp_offset, ip_end, .. } = *packet;
    icmp::verify(packet.l4, src, dst)?;
    Ok(Parsed::Icmp { src, dst, ip_offset, icmp_offset, ip_end })
}

#[inline(never)]
fn parse_ndp(packet: &Packet<'_>, hop_limit: u8) -> Result<Parsed, DropReason> {
    let Packet { src, dst, l4_offset: icmp_offset, ip_end, .. } = *packet;
    // The unspecified source is sound in some messages; `NdpMessage` knows in which.
    if ipv6::is_martian(src) && !ipv6::is_unspecified(src) {
        return Err(DropReason::MartianSource);
    }
    check_destination(src, dst, ipv6::is_martian(dst) && !ipv6::is_multicast(dst))?;
    icmp::verify(packet.l4, src, dst)?;
    // RFC 4861 7.1: what passed a router is forged.
    if hop_limit != ndp::HOP_LIMIT {
        return Err(DropReason::NdpMalformed);
    }
    NdpMessage::parse(packet.l4, src, dst)?;
    Ok(Parsed::Ndp { src, dst, icmp_offset, ip_end })
}

#[inline(never)]
fn parse_arp(frame: &[u8]) -> Result<Parsed, DropReason> {
    ArpPacket::parse(&frame[ethernet::HEADER_LEN..])?;
    Ok(Parsed::Arp { offset: ethernet::HEADER_LEN as u16 })
}

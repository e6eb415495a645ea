//! Frames by hand: `eth().ip4(a, b).tcp(p, q).seq(7).syn().payload(b"hi").bytes()`.
//!
//! Lengths and checksums are right unless a knob says otherwise; each knob breaks one thing and leaves the rest sound,
//! so that a test hits the one drop that it means. Written apart from `wire`'s emitters, with a checksum of its own,
//! so that the two can be held against each other.

use crate::base::Addr;
use crate::wire::{ArpPacket, Mac, TcpFlags, TcpOptions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The hardware address that frames come from unless said otherwise.
pub const PEER_MAC: Mac = [2, 0, 0, 0, 0, 0xaa];
/// The hardware address that frames go to unless said otherwise.
pub const OUR_MAC: Mac = [2, 0, 0, 0, 0, 0x01];

/// Whatever names an address in a test.
pub trait IntoAddr {
    /// The address; panics on text that is none.
    fn into_addr(self) -> Addr;
}

impl IntoAddr for &str {
    fn into_addr(self) -> Addr {
        self.parse::<IpAddr>().unwrap_or_else(|_| panic!("not an address: {self}")).into()
    }
}

macro_rules! into_addr {
    ($($kind:ty),+) => { $(impl IntoAddr for $kind {
        fn into_addr(self) -> Addr {
            Addr::from(self)
        }
    })+ };
}
into_addr!(Addr, IpAddr, Ipv4Addr, Ipv6Addr);

impl IntoAddr for [u8; 4] {
    fn into_addr(self) -> Addr {
        Addr::v4(self)
    }
}

/// A frame of ours to be: Ethernet header first.
#[derive(Clone, Debug)]
pub struct Eth {
    dst: Mac,
    src: Mac,
    vlan: Option<(u16, u16)>,
    ether_type: Option<u16>,
    padding: usize,
}

/// Starts a frame from `PEER_MAC` to `OUR_MAC`.
pub fn eth() -> Eth {
    Eth { dst: OUR_MAC, src: PEER_MAC, vlan: None, ether_type: None, padding: 0 }
}

impl Eth {
    /// To whom.
    pub fn dst(self, dst: Mac) -> Self {
        Self { dst, ..self }
    }

    /// From whom.
    pub fn src(self, src: Mac) -> Self {
        Self { src, ..self }
    }

    /// With a tag: its EtherType (0x8100, 0x88a8) and its number.
    pub fn vlan(self, ether_type: u16, id: u16) -> Self {
        Self { vlan: Some((ether_type, id)), ..self }
    }

    /// With this EtherType, whatever follows.
    pub fn ether_type(self, ether_type: u16) -> Self {
        Self { ether_type: Some(ether_type), ..self }
    }

    /// With this many bytes behind the packet (devices pad short frames).
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// An IPv4 packet.
    pub fn ip4(self, src: impl IntoAddr, dst: impl IntoAddr) -> Ip {
        let [src, dst] =
            [src.into_addr(), dst.into_addr()].map(|addr| addr.to_v4_bits().expect("an IPv4 address"));
        Ip::new(self, src, dst)
    }

    /// An IPv6 packet; an IPv4 address goes in mapped, which the wire refuses.
    pub fn ip6(self, src: impl IntoAddr, dst: impl IntoAddr) -> Ip {
        let octets = |addr: Addr| addr.bits().to_be_bytes().to_vec();
        let mut ip = Ip::new(self, 0, 0);
        (ip.src, ip.dst) = (octets(src.into_addr()), octets(dst.into_addr()));
        ip
    }

    /// A packet of the addresses' family.
    pub fn ip(self, src: impl IntoAddr, dst: impl IntoAddr) -> Ip {
        let (src, dst) = (src.into_addr(), dst.into_addr());
        if src.is_v4() { self.ip4(src, dst) } else { self.ip6(src, dst) }
    }

    /// An ARP packet, and the frame's bytes.
    pub fn arp(self, packet: &ArpPacket) -> Vec<u8> {
        let mut bytes = [0; crate::wire::ARP_LEN];
        packet.emit(&mut bytes);
        self.raw(0x0806, &bytes)
    }

    /// Any payload under any EtherType, and the frame's bytes.
    pub fn raw(self, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = [self.dst, self.src].concat();
        if let Some((tag, id)) = self.vlan {
            frame.extend([tag.to_be_bytes(), id.to_be_bytes()].concat());
        }
        frame.extend(self.ether_type.unwrap_or(ether_type).to_be_bytes());
        frame.extend(payload);
        frame.extend(vec![0; self.padding]);
        frame
    }
}

/// The IP layer of a frame.
#[derive(Clone, Debug)]
pub struct Ip {
    eth: Eth,
    src: Vec<u8>,
    dst: Vec<u8>,
    hops: u8,
    class: u8,
    /// Version 4 or 6 and, on IPv4, the header's words, where not the true ones.
    first: Option<u8>,
    len: Option<u16>,
    fragment: u16,
    options: Vec<u8>,
    extension: Option<u8>,
    checksum_flip: u16,
}

impl Ip {
    fn new(eth: Eth, src: u32, dst: u32) -> Self {
        let (src, dst) = (src.to_be_bytes().to_vec(), dst.to_be_bytes().to_vec());
        let (first, len, extension, options) = (None, None, None, Vec::new());
        let (hops, class, fragment, checksum_flip) = (64, 0, 0x4000, 0);
        Self { eth, src, dst, hops, class, first, len, fragment, options, extension, checksum_flip }
    }

    /// Time to live or hop limit.
    pub fn hops(self, hops: u8) -> Self {
        Self { hops, ..self }
    }

    /// DSCP and ECN: the type of service, or the traffic class.
    pub fn class(self, class: u8) -> Self {
        Self { class, ..self }
    }

    /// The first byte of the header: version, and words of an IPv4 header.
    pub fn first_byte(self, first: u8) -> Self {
        Self { first: Some(first), ..self }
    }

    /// The length field: total length on IPv4, payload length on IPv6.
    pub fn len_field(self, len: u16) -> Self {
        Self { len: Some(len), ..self }
    }

    /// IPv4: the flags and offset field as it stands in the header.
    pub fn fragment_field(self, fragment: u16) -> Self {
        Self { fragment, ..self }
    }

    /// IPv4: options, a multiple of four bytes.
    pub fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    /// IPv6: an extension header of eight zero bytes with this number in front of the payload.
    pub fn extension(self, number: u8) -> Self {
        Self { extension: Some(number), ..self }
    }

    /// IPv4: a header checksum that is off.
    pub fn bad_checksum(self) -> Self {
        Self { checksum_flip: 0x0101, ..self }
    }

    /// A TCP segment.
    pub fn tcp(self, src_port: u16, dst_port: u16) -> Tcp {
        Tcp {
            ip: self,
            ports: (src_port, dst_port),
            seq: 0,
            ack: 0,
            flags: 0,
            window: 65_535,
            urgent: 0,
            options: Vec::new(),
            payload: Vec::new(),
            words: None,
            checksum_flip: 0,
        }
    }

    /// A UDP datagram.
    pub fn udp(self, src_port: u16, dst_port: u16) -> Udp {
        Udp {
            ip: self,
            ports: (src_port, dst_port),
            payload: Vec::new(),
            len: None,
            checksum: None,
            checksum_flip: 0,
        }
    }

    /// An ICMP or ICMPv6 message: type, code, the four bytes behind the checksum, and the data.
    pub fn icmp(self, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Icmp {
        let message = [&[kind, code, 0, 0], &rest[..], data].concat();
        Icmp { ip: self, message, checksum_flip: 0 }
    }

    /// An echo request of the packet's family.
    pub fn echo(self, ident: u16, seq: u16, data: &[u8]) -> Icmp {
        let ([a, b], [c, d]) = (ident.to_be_bytes(), seq.to_be_bytes());
        let kind = if self.is_v4() { 8 } else { 128 };
        self.icmp(kind, 0, [a, b, c, d], data)
    }

    /// Any protocol and payload, and the frame's bytes.
    pub fn raw(self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let (ether_type, packet) = match self.is_v4() {
            true => (0x0800, self.packet_v4(protocol, payload)),
            false => (0x86dd, self.packet_v6(protocol, payload)),
        };
        self.eth.raw(ether_type, &packet)
    }

    fn is_v4(&self) -> bool {
        self.src.len() == 4
    }

    fn packet_v4(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let words = 5 + self.options.len() / 4;
        let len = self.len.unwrap_or((words * 4 + payload.len()) as u16).to_be_bytes();
        let fragment = self.fragment.to_be_bytes();
        let first = self.first.unwrap_or(0x40 | words as u8);
        let mut header = vec![first, self.class, len[0], len[1], 0, 0];
        header.extend([fragment[0], fragment[1], self.hops, protocol, 0, 0]);
        header.extend([&self.src[..], &self.dst, &self.options].concat());
        let sum = (!naive_sum(&header) ^ self.checksum_flip).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        [&header[..], payload].concat()
    }

    fn packet_v6(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let extension = self.extension.map(|_| vec![protocol, 0, 0, 0, 0, 0, 0, 0]).unwrap_or_default();
        let len = self.len.unwrap_or((extension.len() + payload.len()) as u16).to_be_bytes();
        let next = self.extension.unwrap_or(protocol);
        let first = self.first.unwrap_or(0x60) | self.class >> 4;
        let header = [first, self.class << 4, 0, 0, len[0], len[1], next, self.hops];
        [&header[..], &self.src, &self.dst, &extension, payload].concat()
    }

    /// The checksum of `segment`, whose field is zero, in this packet.
    fn checksum(&self, protocol: u8, segment: &[u8]) -> u16 {
        let len = (segment.len() as u32).to_be_bytes();
        let pseudo = [&self.src[..], &self.dst, &len, &[0, 0, 0, protocol], segment].concat();
        let covered = if protocol == 1 { segment } else { &pseudo };
        !naive_sum(covered)
    }
}

/// A TCP segment of a frame.
#[derive(Clone, Debug)]
pub struct Tcp {
    ip: Ip,
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    urgent: u16,
    options: Vec<u8>,
    payload: Vec<u8>,
    words: Option<u8>,
    checksum_flip: u16,
}

impl Tcp {
    /// Sequence number.
    pub fn seq(self, seq: u32) -> Self {
        Self { seq, ..self }
    }

    /// Acknowledgement number, and the ACK flag.
    pub fn ack(self, ack: u32) -> Self {
        Self { ack, flags: self.flags | TcpFlags::ACK, ..self }
    }

    /// The SYN flag too.
    pub fn syn(self) -> Self {
        self.and_flags(TcpFlags::SYN)
    }

    /// The FIN flag too.
    pub fn fin(self) -> Self {
        self.and_flags(TcpFlags::FIN)
    }

    /// The RST flag too.
    pub fn rst(self) -> Self {
        self.and_flags(TcpFlags::RST)
    }

    /// The PSH flag too.
    pub fn psh(self) -> Self {
        self.and_flags(TcpFlags::PSH)
    }

    /// These flags, and no others.
    pub fn flags(self, flags: TcpFlags) -> Self {
        Self { flags: flags.0, ..self }
    }

    fn and_flags(self, flags: u8) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    /// The window field.
    pub fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// The urgent pointer; not the flag.
    pub fn urgent(self, urgent: u16) -> Self {
        Self { urgent, ..self }
    }

    /// These options.
    pub fn options(self, options: TcpOptions) -> Self {
        let mut bytes = vec![0; options.emit_len()];
        options.emit(&mut bytes);
        Self { options: bytes, ..self }
    }

    /// Option bytes as they are, a multiple of four.
    pub fn raw_options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    /// The payload.
    pub fn payload(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// The data offset field, in words.
    pub fn data_offset(self, words: u8) -> Self {
        Self { words: Some(words), ..self }
    }

    /// A checksum that is off.
    pub fn bad_checksum(self) -> Self {
        Self { checksum_flip: 0x0101, ..self }
    }

    /// The frame.
    pub fn bytes(self) -> Vec<u8> {
        let words = self.words.unwrap_or(5 + (self.options.len() / 4) as u8);
        let mut segment = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        segment.extend([self.seq.to_be_bytes(), self.ack.to_be_bytes()].concat());
        segment.extend([words << 4, self.flags]);
        segment.extend([self.window, 0, self.urgent].map(u16::to_be_bytes).concat());
        segment.extend([self.options, self.payload].concat());
        let sum = self.ip.checksum(6, &segment) ^ self.checksum_flip;
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        self.ip.raw(6, &segment)
    }
}

/// A UDP datagram of a frame.
#[derive(Clone, Debug)]
pub struct Udp {
    ip: Ip,
    ports: (u16, u16),
    payload: Vec<u8>,
    len: Option<u16>,
    checksum: Option<u16>,
    checksum_flip: u16,
}

impl Udp {
    /// The payload.
    pub fn payload(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// The length field.
    pub fn len_field(self, len: u16) -> Self {
        Self { len: Some(len), ..self }
    }

    /// The checksum field; zero for none.
    pub fn checksum(self, checksum: u16) -> Self {
        Self { checksum: Some(checksum), ..self }
    }

    /// A checksum that is off.
    pub fn bad_checksum(self) -> Self {
        Self { checksum_flip: 0x0101, ..self }
    }

    /// The frame.
    pub fn bytes(self) -> Vec<u8> {
        let len = self.len.unwrap_or(8 + self.payload.len() as u16);
        let mut datagram = [self.ports.0, self.ports.1, len, 0].map(u16::to_be_bytes).concat();
        datagram.extend(&self.payload);
        let sum = self.checksum.unwrap_or_else(|| match self.ip.checksum(17, &datagram) {
            0 => 0xffff,
            sum => sum ^ self.checksum_flip,
        });
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        self.ip.raw(17, &datagram)
    }
}

/// An ICMP or ICMPv6 message of a frame.
#[derive(Clone, Debug)]
pub struct Icmp {
    ip: Ip,
    message: Vec<u8>,
    checksum_flip: u16,
}

impl Icmp {
    /// A checksum that is off.
    pub fn bad_checksum(self) -> Self {
        Self { checksum_flip: 0x0101, ..self }
    }

    /// Only the first `len` bytes of the message, with a checksum that is right for them.
    pub fn cut(mut self, len: usize) -> Self {
        self.message.truncate(len);
        self
    }

    /// The frame.
    pub fn bytes(mut self) -> Vec<u8> {
        let protocol = if self.ip.is_v4() { 1 } else { 58 };
        let sum = (self.ip.checksum(protocol, &self.message) ^ self.checksum_flip).to_be_bytes();
        if let Some(field) = self.message.get_mut(2..4) {
            field.copy_from_slice(&sum);
        }
        self.ip.raw(protocol, &self.message)
    }
}

/// RFC 1071 word by word, not complemented.
pub fn naive_sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    words.fold(0, |sum, word| ((sum + word) & 0xffff) + ((sum + word) >> 16)) as u16
}

//! What one pass over a frame yields: where its headers are and what they say.

use super::FlowKey;
use crate::base::Addr;

/// What the port already knows of a frame's checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChecksumState {
    /// Nobody looked: `wire` verifies.
    #[default]
    Unknown,
    /// The device found it right: `wire` trusts.
    Good,
    /// The device found it wrong: `wire` drops by name.
    Bad,
}

/// What a port knows of one frame's checksums.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RxHints {
    /// The IPv4 header's.
    pub ip: ChecksumState,
    /// TCP's or UDP's.
    pub l4: ChecksumState,
}

/// One of the two IP families.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[inline]
    pub const fn of(addr: Addr) -> Self {
        if addr.is_v4() { Self::V4 } else { Self::V6 }
    }
}

/// TCP's flag byte (RFC 9293 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is valid.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is valid.
    pub const URG: u8 = 0x20;

    /// Whether all flags of `mask` are set.
    #[inline]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask == mask
    }

    /// Whether this opens a connection: SYN without ACK, FIN or RST.
    #[inline]
    pub const fn is_first_syn(self) -> bool {
        self.0 & (Self::SYN | Self::ACK | Self::FIN | Self::RST) == Self::SYN
    }
}

/// A valid TCP segment inside a frame: offsets from the frame's first byte, numbers in host order.
#[derive(Clone, Copy, Debug)]
pub struct TcpSegment {
    /// The five-tuple as it arrived.
    pub key: FlowKey,
    /// Start of the IP header.
    pub ip_offset: u16,
    /// Start of the TCP header.
    pub tcp_offset: u16,
    /// Start of the payload.
    pub payload_offset: u16,
    /// One past the last byte of the IP packet (the frame may carry padding behind it).
    pub ip_end: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; meaningful with ACK.
    pub ack: u32,
    /// The window field as sent, unscaled.
    pub window: u16,
    /// The flags.
    pub flags: TcpFlags,
    /// The NIC's RSS hash where it gave one.
    pub rss_hash: Option<u32>,
}

impl TcpSegment {
    /// Bytes of payload.
    #[inline]
    pub const fn payload_len(&self) -> u16 {
        self.ip_end - self.payload_offset
    }

    /// Sequence space that the segment takes: payload, SYN and FIN.
    #[inline]
    pub const fn seq_len(&self) -> u32 {
        self.payload_len() as u32
            + self.flags.has(TcpFlags::SYN) as u32
            + self.flags.has(TcpFlags::FIN) as u32
    }

    /// Where the TCP options lie in the frame.
    #[inline]
    pub const fn options(&self) -> (usize, usize) {
        (self.tcp_offset as usize + 20, self.payload_offset as usize)
    }
}

/// A frame that passed every check of `wire`, by what it carries.
#[derive(Clone, Copy, Debug)]
pub enum Parsed {
    /// A TCP segment.
    Tcp(TcpSegment),
    /// A UDP datagram.
    Udp {
        /// The five-tuple as it arrived.
        key: FlowKey,
        /// Start of the payload.
        payload_offset: u16,
        /// One past its last byte.
        ip_end: u16,
    },
    /// An ICMP or ICMPv6 message other than neighbour discovery.
    Icmp {
        /// Who sent it.
        src: Addr,
        /// To whom.
        dst: Addr,
        /// Start of the IP header.
        ip_offset: u16,
        /// Start of the ICMP header.
        icmp_offset: u16,
        /// One past the last byte of the IP packet.
        ip_end: u16,
    },
    /// An ARP packet (RFC 826); offset of its first byte.
    Arp {
        /// Start of the ARP header.
        offset: u16,
    },
    /// A neighbour discovery message (RFC 4861), hop limit 255 and checksum verified.
    Ndp {
        /// Who sent it.
        src: Addr,
        /// To whom.
        dst: Addr,
        /// Start of the ICMPv6 header.
        icmp_offset: u16,
        /// One past the last byte of the IP packet.
        ip_end: u16,
    },
}

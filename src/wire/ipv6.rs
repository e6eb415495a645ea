//! The IPv6 header (RFC 8200 3). Extension headers and fragments are dropped by name.
//!
//! ```text
//!  0              4             6      7       8       24      40
//!  +--------------+-------------+------+-------+-------+-------+
//!  | ver, tc, flow| payload len | next | limit | src   | dst   |
//!  +--------------+-------------+------+-------+-------+-------+
//! ```

use super::ethernet::Mac;
use super::field::{be16, octets, put, put16};
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// Where the two addresses lie: the last field in front of the payload.
pub(super) const ADDRS_AT: usize = 8;
/// Bytes of both addresses.
pub(super) const ADDRS_LEN: usize = 32;
/// Hop limit of what we send, neighbour discovery apart.
pub const HOP_LIMIT: u8 = 64;

/// What byway needs of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Who sent it.
    pub src: Addr,
    /// To whom.
    pub dst: Addr,
    /// The upper-layer protocol, or the first extension header.
    pub next: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Bytes behind this header.
    pub payload_len: u16,
}

impl Header {
    /// Reads the header at the front of `packet`, which may carry padding behind its payload.
    #[inline(always)]
    pub fn parse(packet: &[u8]) -> Result<Self, DropReason> {
        let header = packet.first_chunk::<HEADER_LEN>().ok_or(DropReason::FrameTruncated)?;
        let payload_len = be16(header, 4);
        // A payload length of zero is a jumbogram (RFC 2675) or an empty packet; byway serves neither.
        if header[0] >> 4 != 6 || payload_len == 0 {
            return Err(DropReason::Ipv6HeaderBad);
        }
        if HEADER_LEN + usize::from(payload_len) > packet.len() {
            return Err(DropReason::FrameTruncated);
        }
        let (src, dst) = (Addr::v6(octets(header, 8)), Addr::v6(octets(header, 24)));
        Ok(Self { src, dst, next: header[6], hop_limit: header[7], payload_len })
    }

    /// Writes the header, traffic class and flow label zero.
    #[inline]
    pub fn emit(&self, header: &mut [u8; HEADER_LEN]) {
        *header = [0; HEADER_LEN];
        header[0] = 0x60;
        put16(header, 4, self.payload_len);
        header[6] = self.next;
        header[7] = self.hop_limit;
        put(header, 8, self.src.bits().to_be_bytes());
        put(header, 24, self.dst.bits().to_be_bytes());
    }
}

/// Why a packet with this next header dies, when it is none that byway takes. The list of extension headers is IANA's.
pub const fn refusal(next: u8) -> DropReason {
    match next {
        44 => DropReason::Ipv6Fragment,
        0 | 43 | 50 | 51 | 60 | 135 | 139 | 140 | 253 | 254 => DropReason::Ipv6Extension,
        _ => DropReason::ProtocolUnknown,
    }
}

/// Whether an address can be no single host on the wire: unspecified, loopback, multicast, IPv4-mapped and the
/// withdrawn IPv4-compatible form (RFC 4291 2.5.2, 2.5.3, 2.5.5, 2.7).
#[inline(always)]
pub const fn is_martian(addr: Addr) -> bool {
    is_multicast(addr) || (addr.bits() >> 64 == 0 && matches!(addr.bits() as u64 >> 32, 0 | 0xffff))
}

/// Whether an address is `::`.
#[inline]
pub const fn is_unspecified(addr: Addr) -> bool {
    addr.bits() == 0
}

/// Whether an address is in ff00::/8.
#[inline(always)]
pub const fn is_multicast(addr: Addr) -> bool {
    addr.bits() >> 120 == 0xff
}

/// Whether an address is in fe80::/10.
#[inline]
pub const fn is_link_local(addr: Addr) -> bool {
    addr.bits() >> 118 == 0xfe80 >> 6
}

/// The link-local address of an interface with this hardware address (RFC 4291 2.5.6, modified EUI-64 of appendix A).
pub const fn link_local([a, b, c, d, e, f]: Mac) -> Addr {
    Addr::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} next {} payload {}", self.src, self.dst, self.next, self.payload_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Addr {
        text.parse::<std::net::Ipv6Addr>().expect("an address").into()
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let (src, dst) = (v6("2001:db8::1"), v6("2001:db8::2"));
        let header = Header { src, dst, next: 6, hop_limit: 64, payload_len: 8 };
        let mut bytes = [0; HEADER_LEN + 8];
        header.emit(bytes.first_chunk_mut().expect("long enough"));
        assert_eq!(Header::parse(&bytes), Ok(header));
        assert_eq!(header.to_string(), "2001:db8::1 > 2001:db8::2 next 6 payload 8");
    }

    #[test]
    fn martians_are_the_ranges_that_name_no_single_host() {
        for martian in ["::", "::1", "ff02::1", "ff0e::1", "::ffff:192.0.2.1", "::192.0.2.1"] {
            let addr = Addr::v6(martian.parse::<std::net::Ipv6Addr>().expect("an address").octets());
            assert!(is_martian(addr), "{martian}");
        }
        let from_mac = link_local([0x00, 0x1b, 0x21, 0x0a, 0x0b, 0x0c]);
        assert_eq!((from_mac, is_link_local(from_mac)), (v6("fe80::21b:21ff:fe0a:b0c"), true));
        for host in ["2001:db8::1", "fe80::1", "fc00::1", "64:ff9b::1", "::ffff:0:1.2.3.4", "::1:0:0:1"] {
            assert!(!is_martian(v6(host)), "{host}");
        }
    }
}

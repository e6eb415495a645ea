//! ICMP and ICMPv6 errors as byway sends them: the offending packet quoted, as much as the RFCs allow.
//!
//! Whether one is owed at all (rate, an app on the address) is the worker's to judge; whether one is ever allowed as
//! an answer to this packet is judged here.

use super::field::{be16, octets, put, put16};
use super::headers::Family;
use super::icmp::{self, IcmpErrorKind, Unreachable};
use super::{checksum, ipv4, ipv6};
use crate::base::Addr;

/// Bytes of an ICMP error packet at most (RFC 1812 4.3.2.3).
const LEN_MAX_V4: usize = 576;
/// Bytes of an ICMPv6 error packet at most: the smallest MTU (RFC 4443 2.4(c)).
const LEN_MAX_V6: usize = 1280;

/// An error to be written.
#[derive(Clone, Copy, Debug)]
pub struct IcmpErrorEmit<'a> {
    src: Addr,
    dst: Addr,
    kind: IcmpErrorKind,
    quote: &'a [u8],
}

impl<'a> IcmpErrorEmit<'a> {
    /// An error from `src` about `original`, a whole IP packet that `parse` passed. `None` where none may be sent:
    /// about an error, a later fragment, or from an address of the other family (RFC 1122 3.2.2, RFC 4443 2.4(e)).
    pub fn new(src: Addr, kind: IcmpErrorKind, original: &'a [u8]) -> Option<Self> {
        let (dst, answerable) = match original.first()? >> 4 {
            4 => sender_v4(original)?,
            6 => sender_v6(original)?,
            _ => return None,
        };
        let family = Family::of(src);
        let quote_max = match family {
            Family::V4 => LEN_MAX_V4 - ipv4::HEADER_LEN - icmp::HEADER_LEN,
            Family::V6 => LEN_MAX_V6 - ipv6::HEADER_LEN - icmp::HEADER_LEN,
        };
        let quote = &original[..original.len().min(quote_max)];
        (answerable && family == Family::of(dst)).then_some(Self { src, dst, kind, quote })
    }

    /// To whom it goes.
    pub const fn dst(&self) -> Addr {
        self.dst
    }

    /// Bytes of the IP packet.
    pub const fn packet_len(&self) -> usize {
        self.ip_header_len() + icmp::HEADER_LEN + self.quote.len()
    }

    const fn ip_header_len(&self) -> usize {
        match Family::of(self.src) {
            Family::V4 => ipv4::HEADER_LEN,
            Family::V6 => ipv6::HEADER_LEN,
        }
    }

    /// Writes the whole IP packet, checksums complete; `false`, and nothing written, where `packet` is shorter than
    /// `packet_len`.
    pub fn emit(&self, packet: &mut [u8]) -> bool {
        let Some(packet) = packet.get_mut(..self.packet_len()) else { return false };
        let (ip, message) = packet.split_at_mut(self.ip_header_len());
        let (src, dst) = (self.src, self.dst);
        let message_len = message.len() as u16;
        if let Some(header) = ip.first_chunk_mut() {
            let (next, hop_limit) = (icmp::PROTOCOL_V6, ipv6::HOP_LIMIT);
            ipv6::Header { src, dst, next, hop_limit, payload_len: message_len }.emit(header);
        } else if let Some(header) = ip.first_chunk_mut::<{ ipv4::HEADER_LEN }>() {
            let total_len = ipv4::HEADER_LEN as u16 + message_len;
            ipv4::Header { src, dst, protocol: icmp::PROTOCOL_V4, total_len }.emit(header);
        }
        if let Some((header, quote)) = message.split_first_chunk_mut::<{ icmp::HEADER_LEN }>() {
            *header = self.header();
            quote.copy_from_slice(self.quote);
        }
        checksum::finish_ip_tcp(packet);
        true
    }

    fn header(&self) -> [u8; icmp::HEADER_LEN] {
        let mut header = [0; icmp::HEADER_LEN];
        let (kind, code) = match Family::of(self.src) {
            Family::V4 => numbers_v4(self.kind),
            Family::V6 => numbers_v6(self.kind),
        };
        header[0] = kind;
        header[1] = code;
        if let IcmpErrorKind::TooBig { mtu } = self.kind {
            match Family::of(self.src) {
                Family::V4 => put16(&mut header, 6, mtu.min(u32::from(u16::MAX)) as u16),
                Family::V6 => put(&mut header, 4, mtu.to_be_bytes()),
            }
        }
        header
    }
}

/// Who sent the packet, and whether an error may answer it.
fn sender_v4(packet: &[u8]) -> Option<(Addr, bool)> {
    let header = packet.first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let (src, dst) = (Addr::v4(octets(header, 12)), Addr::v4(octets(header, 16)));
    let first = be16(header, 6) & 0x1fff == 0;
    let to_host = !ipv4::is_martian(src) && !ipv4::is_martian(dst);
    let about_error = header[9] == icmp::PROTOCOL_V4
        && packet.get(ipv4::HEADER_LEN).is_none_or(|kind| icmp::is_error(*kind, Family::V4));
    Some((src, first && to_host && !about_error))
}

fn sender_v6(packet: &[u8]) -> Option<(Addr, bool)> {
    let header = packet.first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let (src, dst) = (Addr::v6(octets(header, 8)), Addr::v6(octets(header, 24)));
    let to_host = !ipv6::is_martian(src) && !ipv6::is_martian(dst);
    let about_error = header[6] == icmp::PROTOCOL_V6
        && packet.get(ipv6::HEADER_LEN).is_none_or(|kind| icmp::is_error(*kind, Family::V6));
    Some((src, to_host && !about_error))
}

/// Type and code (RFC 792, RFC 1812 5.2.7.1).
const fn numbers_v4(kind: IcmpErrorKind) -> (u8, u8) {
    match kind {
        IcmpErrorKind::TooBig { mtu: _ } => (3, 4),
        IcmpErrorKind::Unreachable(Unreachable::Network) => (3, 0),
        IcmpErrorKind::Unreachable(Unreachable::Host) => (3, 1),
        IcmpErrorKind::Unreachable(Unreachable::Protocol) => (3, 2),
        IcmpErrorKind::Unreachable(Unreachable::Port) => (3, 3),
        IcmpErrorKind::Unreachable(Unreachable::Prohibited) => (3, 13),
        IcmpErrorKind::TimeExceeded => (11, 0),
        IcmpErrorKind::ParameterProblem => (12, 0),
    }
}

/// Type and code (RFC 4443 3); an unknown protocol is a parameter problem there.
const fn numbers_v6(kind: IcmpErrorKind) -> (u8, u8) {
    match kind {
        IcmpErrorKind::TooBig { mtu: _ } => (2, 0),
        IcmpErrorKind::Unreachable(Unreachable::Network) => (1, 0),
        IcmpErrorKind::Unreachable(Unreachable::Prohibited) => (1, 1),
        IcmpErrorKind::Unreachable(Unreachable::Host) => (1, 3),
        IcmpErrorKind::Unreachable(Unreachable::Port) => (1, 4),
        IcmpErrorKind::TimeExceeded => (3, 0),
        IcmpErrorKind::Unreachable(Unreachable::Protocol) => (4, 1),
        IcmpErrorKind::ParameterProblem => (4, 0),
    }
}

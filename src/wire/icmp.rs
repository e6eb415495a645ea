//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echo and the errors that may tell of a live flow. Neighbour discovery has a
//! file of its own.
//!
//! ```text
//!  0      1      2          4               8
//!  +------+------+----------+---------------+---------------------
//!  | type | code | checksum | rest          | data, quoted packet
//!  +------+------+----------+---------------+---------------------
//! ```

use super::checksum::{self, Sum};
use super::field::{be16, be32};
use super::headers::Family;
use super::quoted::Quoted;
use super::{ipv4, ipv6};
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of the header that every kind has.
pub const HEADER_LEN: usize = 8;
/// The IP protocol number of ICMP.
pub const PROTOCOL_V4: u8 = 1;
/// The IPv6 next header number of ICMPv6.
pub const PROTOCOL_V6: u8 = 58;

/// Echo request and reply, a family.
const ECHO_V4: (u8, u8) = (8, 0);
const ECHO_V6: (u8, u8) = (128, 129);

/// Why an error says that a destination cannot be reached, in the words of both families.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// No route to the network (RFC 792 codes 0, 6, 11; RFC 4443 codes 0, 2, 6).
    Network,
    /// The host does not answer (RFC 792 codes 1, 5, 7, 8, 12; RFC 4443 code 3).
    Host,
    /// The host does not speak the protocol (RFC 792 code 2).
    Protocol,
    /// Nobody listens on the port (RFC 792 code 3; RFC 4443 code 4).
    Port,
    /// An administrator forbids it (RFC 792 codes 9, 10, 13 to 15; RFC 4443 codes 1, 5).
    Prohibited,
}

/// What an ICMP error says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpErrorKind {
    /// The packet did not fit; the next hop carries `mtu` bytes, 0 where an old router does not say (RFC 1191 5).
    TooBig {
        /// Bytes of an IP packet.
        mtu: u32,
    },
    /// The destination cannot be reached.
    Unreachable(Unreachable),
    /// Hops or reassembly time ran out.
    TimeExceeded,
    /// A router took offence at a header field.
    ParameterProblem,
}

/// An ICMP message, by what byway does with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpMessage {
    /// Asks for a reply: `echo_reply`.
    EchoRequest,
    /// Tells of a TCP or UDP packet that someone sent.
    Error {
        /// What went wrong.
        kind: IcmpErrorKind,
        /// The packet that it went wrong with.
        quoted: Quoted,
    },
    /// Any other kind, and errors about other protocols: nothing to do.
    Other,
}

impl IcmpMessage {
    /// Reads a message whose checksum is right; `message` runs from the ICMP header to the packet's end.
    pub fn parse(message: &[u8], family: Family) -> Result<Self, DropReason> {
        let (header, data) = message.split_first_chunk::<HEADER_LEN>().ok_or(DropReason::IcmpMalformed)?;
        let (kind, code) = (header[0], header[1]);
        let error = match family {
            Family::V4 if kind == ECHO_V4.0 => return Ok(Self::EchoRequest),
            Family::V6 if kind == ECHO_V6.0 => return Ok(Self::EchoRequest),
            Family::V4 => error_v4(kind, code, u32::from(be16(header, 6))),
            Family::V6 => error_v6(kind, code, be32(header, 4)),
        };
        let Some(kind) = error else { return Ok(Self::Other) };
        Ok(match Quoted::parse(data, family)? {
            Some(quoted) => Self::Error { kind, quoted },
            None => Self::Other,
        })
    }
}

const fn error_v4(kind: u8, code: u8, mtu: u32) -> Option<IcmpErrorKind> {
    Some(match (kind, code) {
        (3, 4) => IcmpErrorKind::TooBig { mtu },
        (3, 0 | 6 | 11) => IcmpErrorKind::Unreachable(Unreachable::Network),
        (3, 1 | 5 | 7 | 8 | 12) => IcmpErrorKind::Unreachable(Unreachable::Host),
        (3, 2) => IcmpErrorKind::Unreachable(Unreachable::Protocol),
        (3, 3) => IcmpErrorKind::Unreachable(Unreachable::Port),
        (3, 9 | 10 | 13..=15) => IcmpErrorKind::Unreachable(Unreachable::Prohibited),
        (11, _) => IcmpErrorKind::TimeExceeded,
        (12, _) => IcmpErrorKind::ParameterProblem,
        _ => return None,
    })
}

const fn error_v6(kind: u8, code: u8, mtu: u32) -> Option<IcmpErrorKind> {
    Some(match (kind, code) {
        (2, _) => IcmpErrorKind::TooBig { mtu },
        (1, 0 | 2 | 6) => IcmpErrorKind::Unreachable(Unreachable::Network),
        (1, 3) => IcmpErrorKind::Unreachable(Unreachable::Host),
        (1, 4) => IcmpErrorKind::Unreachable(Unreachable::Port),
        (1, 1 | 5) => IcmpErrorKind::Unreachable(Unreachable::Prohibited),
        (3, _) => IcmpErrorKind::TimeExceeded,
        (4, _) => IcmpErrorKind::ParameterProblem,
        _ => return None,
    })
}

/// Whether a type is an error, to which no error may be the answer (RFC 1122 3.2.2, RFC 4443 2.4(e)).
pub(super) const fn is_error(kind: u8, family: Family) -> bool {
    match family {
        Family::V4 => matches!(kind, 3 | 4 | 5 | 11 | 12),
        Family::V6 => kind < 128 || kind == 137,
    }
}

/// Checks length and checksum of a message that came from `src` to `dst`.
pub(super) fn verify(message: &[u8], src: Addr, dst: Addr) -> Result<(), DropReason> {
    if message.len() < HEADER_LEN {
        return Err(DropReason::IcmpMalformed);
    }
    let start = match Family::of(src) {
        Family::V4 => Sum::ZERO,
        Family::V6 => Sum::ZERO.pseudo(src, dst, PROTOCOL_V6, message.len() as u16),
    };
    if start.bytes(message).is_valid() { Ok(()) } else { Err(DropReason::IcmpChecksumBad) }
}

/// Turns an echo request into its reply where it stands: addresses swapped, hops restored, checksums complete.
/// `packet` is the whole IP packet, without padding. `IcmpIgnored` where it is no echo request.
pub fn echo_reply(packet: &mut [u8]) -> Result<(), DropReason> {
    let family = match packet.first().map_or(0, |byte| byte >> 4) {
        4 => Family::V4,
        6 => Family::V6,
        _ => return Err(DropReason::IcmpIgnored),
    };
    let (start, source, (request, reply)) = match family {
        Family::V4 => (ipv4::HEADER_LEN, 12, ECHO_V4),
        Family::V6 => (ipv6::HEADER_LEN, 8, ECHO_V6),
    };
    let (ip, message) = packet.split_at_mut_checked(start).ok_or(DropReason::IcmpIgnored)?;
    let header = message.first_chunk_mut::<HEADER_LEN>().ok_or(DropReason::IcmpIgnored)?;
    if header[0] != request {
        return Err(DropReason::IcmpIgnored);
    }
    header[0] = reply;
    swap_addresses(&mut ip[source..]);
    match family {
        Family::V4 => ip[8] = ipv4::TTL,
        Family::V6 => ip[7] = ipv6::HOP_LIMIT,
    }
    // Not by parts: a reply may be all zeros but for its checksum, where RFC 1624's arithmetic ends at the other zero.
    checksum::finish_ip_tcp(packet);
    Ok(())
}

/// Swaps the two addresses that fill `addrs`.
fn swap_addresses(addrs: &mut [u8]) {
    let (src, dst) = addrs.split_at_mut(addrs.len() / 2);
    src.swap_with_slice(dst);
}

impl fmt::Display for IcmpErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig { mtu } => write!(f, "too big, mtu {mtu}"),
            Self::Unreachable(what) => write!(f, "unreachable: {what:?}"),
            Self::TimeExceeded => f.write_str("time exceeded"),
            Self::ParameterProblem => f.write_str("parameter problem"),
        }
    }
}

impl fmt::Display for IcmpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EchoRequest => f.write_str("echo request"),
            Self::Error { kind, quoted } => write!(f, "{kind} ({quoted})"),
            Self::Other => f.write_str("other"),
        }
    }
}

//! The packet that an ICMP error quotes: at least its IP header and eight bytes behind it (RFC 792, RFC 4443 3).
//!
//! Whoever sends an error chooses these bytes: a quote acts only when its tuple is live and its sequence number is in
//! flight (RFC 5927 4), which is the session's to judge.

use super::field::{be16, be32, octets};
use super::headers::Family;
use super::{FlowKey, Protocol, ipv4, ipv6, tcp, udp};
use crate::base::{Addr, DropReason};
use std::fmt;

/// What is left of a quoted TCP or UDP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quoted {
    /// Its five-tuple as it was sent: `src` is whoever the error goes to. The flow's frames towards us carry
    /// `key.reversed()`.
    pub key: FlowKey,
    /// TCP's sequence number; zero for UDP.
    pub seq: u32,
}

/// An IP header inside an error: who, to whom, what, and the bytes behind it.
struct Inner<'a> {
    src: Addr,
    dst: Addr,
    protocol: u8,
    behind: &'a [u8],
}

impl Quoted {
    /// Reads the quote behind an error's header. `IcmpMalformed` where it is shorter than the RFCs allow or of another
    /// family; `None` where it is neither TCP nor UDP, or a later fragment.
    pub fn parse(quote: &[u8], family: Family) -> Result<Option<Self>, DropReason> {
        let inner = match family {
            Family::V4 => inner_v4(quote),
            Family::V6 => inner_v6(quote),
        };
        let inner = inner.ok_or(DropReason::IcmpMalformed)?;
        let ports = inner.behind.first_chunk::<8>().ok_or(DropReason::IcmpMalformed)?;
        let (protocol, seq) = match inner.protocol {
            tcp::PROTOCOL => (Protocol::Tcp, be32(ports, 4)),
            udp::PROTOCOL => (Protocol::Udp, 0),
            _ => return Ok(None),
        };
        let (src_port, dst_port) = (be16(ports, 0), be16(ports, 2));
        Ok(Some(Self { key: FlowKey { src: inner.src, dst: inner.dst, src_port, dst_port, protocol }, seq }))
    }
}

/// A later fragment shows as protocol 255 (reserved), for its bytes are no header.
fn inner_v4(quote: &[u8]) -> Option<Inner<'_>> {
    let header = quote.first_chunk::<{ ipv4::HEADER_LEN }>()?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || header_len < ipv4::HEADER_LEN {
        return None;
    }
    let first = be16(header, 6) & 0x1fff == 0;
    Some(Inner {
        src: Addr::v4(octets(header, 12)),
        dst: Addr::v4(octets(header, 16)),
        protocol: if first { header[9] } else { 255 },
        behind: quote.get(header_len..)?,
    })
}

fn inner_v6(quote: &[u8]) -> Option<Inner<'_>> {
    let (header, behind) = quote.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
    let (src, dst) = (Addr::v6(octets(header, 8)), Addr::v6(octets(header, 24)));
    // A mapped address inside would pass for an IPv4 flow.
    let sound = header[0] >> 4 == 6 && !ipv6::is_martian(src) && !ipv6::is_martian(dst);
    sound.then_some(Inner { src, dst, protocol: header[6], behind })
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (src, dst) = (self.key.src_endpoint(), self.key.dst_endpoint());
        write!(f, "{:?} {src} > {dst} seq {}", self.key.protocol, self.seq)
    }
}

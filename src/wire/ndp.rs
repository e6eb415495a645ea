//! Neighbour discovery for IPv6 (RFC 4861): solicitations and advertisements read and written, router messages known
//! by name. Hop limit, code and checksum are checked by `parse`.
//!
//! ```text
//!  0      1    2          4                8         24
//!  +------+----+----------+----------------+---------+-----------------------------
//!  | type | 0  | checksum | flags/reserved | target  | options: type, len/8, value
//!  +------+----+----------+----------------+---------+-----------------------------
//! ```

use super::checksum;
use super::ethernet::{Mac, MacText};
use super::field::{octets, put};
use super::{icmp, ipv6};
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of a solicitation or advertisement as we send it, IPv6 header included.
pub const PACKET_LEN: usize = ipv6::HEADER_LEN + MESSAGE_LEN;
/// The hop limit that proves that no router passed it on (RFC 4861 3.1).
pub const HOP_LIMIT: u8 = 255;

/// Bytes of such a message with one link-layer address option.
const MESSAGE_LEN: usize = TARGET_END + 8;
const TARGET_END: usize = 24;
/// ff02::1:ff00:0/104 (RFC 4291 2.7.1).
const SOLICITED_NODE: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
/// ff02::1, all nodes.
const ALL_NODES: Addr = Addr::from_bits(0xff02_0000_0000_0000_0000_0000_0000_0001);

mod kind {
    pub const ROUTER_SOLICITATION: u8 = 133;
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
    pub const REDIRECT: u8 = 137;
    pub const OPTION_SOURCE_LINK: u8 = 1;
    pub const OPTION_TARGET_LINK: u8 = 2;
}

/// A sound neighbour discovery message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NdpMessage {
    /// Who has `target`? (RFC 4861 4.3)
    NeighborSolicitation {
        /// The address asked for.
        target: Addr,
        /// The asker's hardware address, where it gave it.
        source_link: Option<Mac>,
    },
    /// The sender has `target` (RFC 4861 4.4).
    NeighborAdvertisement {
        /// The address spoken of.
        target: Addr,
        /// What the sender says about it.
        flags: NaFlags,
        /// Its hardware address, where it gave it.
        target_link: Option<Mac>,
    },
    /// Asks routers to speak up (RFC 4861 4.1); byway is none.
    RouterSolicitation,
    /// A router speaks up (RFC 4861 4.2); byway's routes are static.
    RouterAdvertisement,
    /// A router knows a better hop (RFC 4861 4.5); byway's routes are static.
    Redirect,
}

/// The flags of an advertisement (RFC 4861 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NaFlags {
    /// The sender is a router.
    pub router: bool,
    /// It answers a solicitation.
    pub solicited: bool,
    /// What was known before is to be replaced.
    pub overriding: bool,
}

/// Whether an ICMPv6 type belongs to neighbour discovery.
#[inline]
pub const fn is_ndp(icmp_type: u8) -> bool {
    matches!(icmp_type, kind::ROUTER_SOLICITATION..=kind::REDIRECT)
}

/// The group that the owner of `target` listens to (RFC 4291 2.7.1).
#[inline]
pub const fn solicited_node(target: Addr) -> Addr {
    Addr::from_bits(SOLICITED_NODE | target.bits() & 0xff_ffff)
}

impl NdpMessage {
    /// Reads a message that came from `src` to `dst`; `message` runs from the ICMPv6 header to the packet's end.
    /// `NdpMalformed` for whatever RFC 4861 6.1, 7.1 and 8.1 say must be discarded.
    pub fn parse(message: &[u8], src: Addr, dst: Addr) -> Result<Self, DropReason> {
        Self::read(message, src, dst).ok_or(DropReason::NdpMalformed)
    }

    fn read(message: &[u8], src: Addr, dst: Addr) -> Option<Self> {
        let (kind, code) = (*message.first()?, *message.get(1)?);
        let options_at = match kind {
            kind::ROUTER_SOLICITATION => 8,
            kind::ROUTER_ADVERTISEMENT => 16,
            kind::NEIGHBOR_SOLICITATION | kind::NEIGHBOR_ADVERTISEMENT => TARGET_END,
            kind::REDIRECT => 40,
            _ => return None,
        };
        let links = Links::parse(message.get(options_at..)?)?;
        let unspecified = ipv6::is_unspecified(src);
        let sound = match kind {
            kind::ROUTER_SOLICITATION => !unspecified || links.source.is_none(),
            kind::ROUTER_ADVERTISEMENT | kind::REDIRECT => ipv6::is_link_local(src),
            _ => true,
        };
        if code != 0 || !sound {
            return None;
        }
        match kind {
            kind::ROUTER_SOLICITATION => Some(Self::RouterSolicitation),
            kind::ROUTER_ADVERTISEMENT => Some(Self::RouterAdvertisement),
            kind::REDIRECT => Some(Self::Redirect),
            _ => Self::neighbor(message.first_chunk()?, links, (src, dst)),
        }
    }

    fn neighbor(head: &[u8; TARGET_END], links: Links, (src, dst): (Addr, Addr)) -> Option<Self> {
        let target = Addr::v6(octets(head, 8));
        let unspecified = ipv6::is_unspecified(src);
        if ipv6::is_martian(target) {
            return None;
        }
        if head[0] == kind::NEIGHBOR_SOLICITATION {
            // RFC 4861 7.1.1: duplicate address detection asks the solicited-node group and gives no address.
            let sound = !unspecified || (dst == solicited_node(target) && links.source.is_none());
            return sound.then_some(Self::NeighborSolicitation { target, source_link: links.source });
        }
        let bit = |mask| head[4] & mask != 0;
        let flags = NaFlags { router: bit(0x80), solicited: bit(0x40), overriding: bit(0x20) };
        // RFC 4861 7.1.2: what goes to a group answers nobody.
        let unsound = unspecified || (flags.solicited && ipv6::is_multicast(dst));
        (!unsound).then_some(Self::NeighborAdvertisement { target, flags, target_link: links.target })
    }

    /// Writes a whole IPv6 packet, checksum complete, that asks `dst` (the solicited-node group, or the neighbour
    /// itself when probing) for `target`.
    pub fn emit_solicitation(
        packet: &mut [u8; PACKET_LEN],
        (src, mac): (Addr, Mac),
        dst: Addr,
        target: Addr,
    ) {
        let head = [kind::NEIGHBOR_SOLICITATION, 0];
        emit(packet, (src, dst), (head, target, [kind::OPTION_SOURCE_LINK, 1], mac));
    }

    /// Writes a whole IPv6 packet, checksum complete, in which `target` says that it is at `mac`: solicited when it
    /// goes to one host, to all nodes (and unsolicited) where `dst` is `None` or unspecified (RFC 4861 7.2.4, 7.2.6).
    pub fn emit_advertisement(
        packet: &mut [u8; PACKET_LEN],
        (target, mac): (Addr, Mac),
        dst: Option<Addr>,
    ) -> Addr {
        let asker = dst.filter(|dst| !ipv6::is_unspecified(*dst));
        let flags = if asker.is_some() { 0x60 } else { 0x20 };
        let dst = asker.unwrap_or(ALL_NODES);
        let head = [kind::NEIGHBOR_ADVERTISEMENT, flags];
        emit(packet, (target, dst), (head, target, [kind::OPTION_TARGET_LINK, 1], mac));
        dst
    }
}

/// Type and flags, target, the option's head and its address, behind an IPv6 header.
fn emit(packet: &mut [u8; PACKET_LEN], (src, dst): (Addr, Addr), body: ([u8; 2], Addr, [u8; 2], Mac)) {
    let ([kind, flags], target, option, mac) = body;
    *packet = [0; PACKET_LEN];
    if let Some(header) = packet.first_chunk_mut() {
        let (next, payload_len) = (icmp::PROTOCOL_V6, MESSAGE_LEN as u16);
        ipv6::Header { src, dst, next, hop_limit: HOP_LIMIT, payload_len }.emit(header);
    }
    put(packet, ipv6::HEADER_LEN, [kind, 0, 0, 0, flags]);
    put(packet, ipv6::HEADER_LEN + 8, target.bits().to_be_bytes());
    put(packet, ipv6::HEADER_LEN + TARGET_END, option);
    put(packet, ipv6::HEADER_LEN + TARGET_END + 2, mac);
    checksum::fill_l4(packet);
}

/// The link-layer address options of a message.
#[derive(Clone, Copy, Default)]
struct Links {
    source: Option<Mac>,
    target: Option<Mac>,
}

impl Links {
    /// Reads all options; `None` where a length is zero or runs over the end (RFC 4861 4.6). Addresses of another
    /// length than Ethernet's, and groups, are passed over.
    fn parse(mut options: &[u8]) -> Option<Self> {
        let mut links = Self::default();
        // Every round takes at least eight bytes.
        while let Some(&kind) = options.first() {
            let len = usize::from(*options.get(1)?) * 8;
            let (option, rest) = options.split_at_checked(len).filter(|_| len > 0)?;
            let mac = <[u8; 8]>::try_from(option).ok().map(|option| octets::<8, 6>(&option, 2));
            let mac = mac.filter(|mac| !super::ethernet::is_group(*mac));
            match kind {
                kind::OPTION_SOURCE_LINK => links.source = mac.or(links.source),
                kind::OPTION_TARGET_LINK => links.target = mac.or(links.target),
                _ => {}
            }
            options = rest;
        }
        Some(links)
    }
}

impl fmt::Display for NdpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = |f: &mut fmt::Formatter<'_>, word, mac: &Option<Mac>| match mac {
            Some(mac) => write!(f, " {word} {}", MacText(*mac)),
            None => Ok(()),
        };
        match self {
            Self::NeighborSolicitation { target, source_link } => {
                write!(f, "NDP who has {target}")?;
                link(f, "from", source_link)
            }
            Self::NeighborAdvertisement { target, flags: _, target_link } => {
                write!(f, "NDP {target}")?;
                link(f, "is at", target_link)
            }
            Self::RouterSolicitation => f.write_str("NDP router solicitation"),
            Self::RouterAdvertisement => f.write_str("NDP router advertisement"),
            Self::Redirect => f.write_str("NDP redirect"),
        }
    }
}

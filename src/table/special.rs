//! Special-purpose address space: what IANA's two registries hold (RFC 6890 and its updates).
//!
//! Sources: iana-ipv4-special-registry and iana-ipv6-special-registry. For IPv6, all that lies outside global unicast
//! space (2000::/3, RFC 4291 2.4) counts as special, too.

use crate::base::Addr;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A block that nobody can onboard.
#[derive(Clone, Copy, Debug)]
pub struct Special {
    /// What it is for, with its source.
    pub name: &'static str,
    /// Whether it is a documentation net.
    pub documentation: bool,
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

const V4_BLOCKS: [(Ipv4Net, &str, bool); 18] = [
    (v4(0, 0, 0, 8), "this network, RFC 791", false),
    (v4(10, 0, 0, 8), "private use, RFC 1918", false),
    (v4(100, 64, 0, 10), "shared address space, RFC 6598", false),
    (v4(127, 0, 0, 8), "loopback, RFC 1122", false),
    (v4(169, 254, 0, 16), "link local, RFC 3927", false),
    (v4(172, 16, 0, 12), "private use, RFC 1918", false),
    (v4(192, 0, 0, 24), "IETF protocol assignments, RFC 6890", false),
    (v4(192, 0, 2, 24), "documentation, RFC 5737", true),
    (v4(192, 31, 196, 24), "AS112, RFC 7535", false),
    (v4(192, 52, 193, 24), "AMT, RFC 7450", false),
    (v4(192, 88, 99, 24), "6to4 relay anycast, RFC 7526", false),
    (v4(192, 168, 0, 16), "private use, RFC 1918", false),
    (v4(192, 175, 48, 24), "AS112, RFC 7534", false),
    (v4(198, 18, 0, 15), "benchmarking, RFC 2544", false),
    (v4(198, 51, 100, 24), "documentation, RFC 5737", true),
    (v4(203, 0, 113, 24), "documentation, RFC 5737", true),
    (v4(224, 0, 0, 4), "multicast, RFC 5771", false),
    (v4(240, 0, 0, 4), "reserved and broadcast, RFC 1112", false),
];

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);

const V6_BLOCKS: [(Ipv6Net, &str, bool); 5] = [
    (v6(0x2001, 0, 0, 23), "IETF protocol assignments with Teredo, RFC 2928", false),
    (v6(0x2001, 0x0db8, 0, 32), "documentation, RFC 3849", true),
    (v6(0x2002, 0, 0, 16), "6to4, RFC 3056", false),
    (v6(0x2620, 0x004f, 0x8000, 48), "AS112, RFC 7534", false),
    (v6(0x3fff, 0, 0, 20), "documentation, RFC 9637", true),
];

/// The special-purpose block that `net` overlaps. A net that holds a documentation net and more is reported without
/// being a documentation net itself: it may not be onboarded even in a laboratory.
pub fn special_purpose(net: IpNet) -> Option<Special> {
    match net {
        IpNet::V4(net) => overlap(&V4_BLOCKS, |block| (block.contains(&net), net.contains(block))),
        IpNet::V6(net) if !GLOBAL_UNICAST.contains(&net) => {
            Some(Special { name: "outside global unicast space 2000::/3, RFC 4291", documentation: false })
        }
        IpNet::V6(net) => overlap(&V6_BLOCKS, |block| (block.contains(&net), net.contains(block))),
    }
}

/// The first block that `relation` says holds the net, or lies in it.
fn overlap<N>(blocks: &[(N, &'static str, bool)], relation: impl Fn(&N) -> (bool, bool)) -> Option<Special> {
    blocks.iter().find_map(|(block, name, documentation)| {
        let (holds, lies_in) = relation(block);
        (holds || lies_in).then_some(Special { name, documentation: *documentation && holds })
    })
}

/// Why no packet can be sent to `addr` as a single host out there: the kind of address it is.
pub fn not_a_host(addr: Addr) -> Option<&'static str> {
    match addr.to_ip() {
        std::net::IpAddr::V4(ip) => match ip.octets() {
            [0, ..] => Some("unspecified (0.0.0.0/8)"),
            [127, ..] => Some("loopback"),
            [169, 254, ..] => Some("link-local"),
            [224..=239, ..] => Some("multicast"),
            [255, 255, 255, 255] => Some("broadcast"),
            [240..=255, ..] => Some("reserved (240.0.0.0/4)"),
            _ => None,
        },
        std::net::IpAddr::V6(ip) if ip.is_unspecified() => Some("unspecified"),
        std::net::IpAddr::V6(ip) if ip.is_loopback() => Some("loopback"),
        std::net::IpAddr::V6(ip) if ip.is_multicast() => Some("multicast"),
        std::net::IpAddr::V6(ip) => match ip.segments()[0] {
            0xfe80..=0xfebf => Some("link-local"),
            0xfec0..=0xfeff => Some("site-local (deprecated, RFC 3879)"),
            0x0100 if ip.segments()[1..4] == [0, 0, 0] => Some("discard-only (RFC 6666)"),
            _ => None,
        },
    }
}

//! IPv4 frames whose headers stand at fixed places: Ethernet, no IP options, TCP or UDP. `sift` found them sound, and whoever
//! needs a field reads it where it stands, which costs less than to carry it about.
//!
//! ```text
//!  0     6     12   14                    26    30    34      36      38
//!  +-----+-----+----+---------------------+-----+-----+-------+-------+---------
//!  | dst | src | 08 | version ... checksum| src | dst | sport | dport | TCP, UDP
//!  +-----+-----+----+---------------------+-----+-----+-------+-------+---------
//! ```

use super::checksum::Sum;
use super::ethernet::{self, EtherType};
use super::field::{be16, be32, octets};
use super::headers::{ChecksumState, Parsed, RxHints, TcpFlags, TcpSegment};
use super::{FlowKey, Protocol, Tuple4, ipv4, tcp, udp};

/// Where the addresses stand, and where layer 4 begins.
const ADDRS_AT: usize = ethernet::HEADER_LEN + ipv4::ADDRS_AT;
const L4_AT: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// What is kept of a frame with its headers at fixed places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fixed4 {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// One past the last byte of the TCP segment or UDP datagram.
    pub end: u16,
}

/// A TCP segment or UDP datagram over IPv4 whose lengths and checksums are right; `None` for all else. The same checks as
/// `parse` makes, each put to a word of the header that answers several at once. Those of addresses, ports and flags are left
/// to `Fixed4::is_sound`: whoever finds the frame to be of a live flow need not ask.
#[inline(always)]
pub fn sift(frame: &[u8], rx: &RxHints) -> Option<Fixed4> {
    let head = frame.first_chunk::<{ L4_AT + udp::HEADER_LEN }>()?;
    let [first, second] = [12, 20].map(|at| u64::from_be_bytes(octets(head, at)));
    if first >> 40 != PLAIN || frame.len() > usize::from(u16::MAX) {
        return None;
    }
    // What is behind the total length is padding.
    let end = ethernet::HEADER_LEN + usize::from((first >> 16) as u16);
    let l4 = frame.get(L4_AT..end)?;
    match rx.ip {
        ChecksumState::Good => {}
        ChecksumState::Unknown if Sum::ZERO.header(&octets(head, ethernet::HEADER_LEN)).is_valid() => {}
        ChecksumState::Unknown | ChecksumState::Bad => return None,
    }
    let addrs = u64::from_ne_bytes(octets(head, ADDRS_AT));
    match (second >> 32) as u32 & FRAGMENT_AND_PROTOCOL {
        TCP => sift_tcp(l4, addrs, rx.l4),
        UDP => sift_udp(l4, addrs, rx.l4),
        _ => None,
    }
}

/// EtherType and the first byte of IPv4's header: neither options nor another version.
const PLAIN: u64 = (EtherType::Ipv4 as u64) << 8 | ipv4::VERSION_IHL as u64;
/// The four bytes from the flags on, of which the third is the hop count.
const FRAGMENT_AND_PROTOCOL: u32 = (ipv4::FRAGMENT_BITS as u32) << 16 | 0xff;
const TCP: u32 = tcp::PROTOCOL as u32;
const UDP: u32 = udp::PROTOCOL as u32;

#[inline(always)]
fn sift_tcp(l4: &[u8], addrs: u64, checksum: ChecksumState) -> Option<Fixed4> {
    let fixed = l4.first_chunk::<{ tcp::HEADER_LEN }>()?;
    match checksum {
        ChecksumState::Good => {}
        ChecksumState::Unknown if tcp_sum(l4, fixed, addrs).is_valid() => {}
        ChecksumState::Unknown | ChecksumState::Bad => return None,
    }
    Some(Fixed4 { protocol: Protocol::Tcp, end: (L4_AT + l4.len()) as u16 })
}

#[inline(always)]
fn tcp_sum(l4: &[u8], fixed: &[u8; tcp::HEADER_LEN], addrs: u64) -> Sum {
    let sum = Sum::ZERO.raw64(addrs).header(fixed).short(l4, tcp::HEADER_LEN);
    sum.word(u16::from(tcp::PROTOCOL)).word(l4.len() as u16)
}

/// A datagram that is shorter than its packet is `parse`'s.
#[inline(always)]
fn sift_udp(l4: &[u8], addrs: u64, checksum: ChecksumState) -> Option<Fixed4> {
    let header = udp::Header::parse(l4).ok()?;
    match checksum {
        ChecksumState::Good => {}
        ChecksumState::Unknown | ChecksumState::Bad if header.checksum == 0 => {}
        ChecksumState::Unknown if udp_sum(l4, addrs).is_valid() => {}
        ChecksumState::Unknown | ChecksumState::Bad => return None,
    }
    (usize::from(header.len) == l4.len())
        .then_some(Fixed4 { protocol: Protocol::Udp, end: Fixed4::L4_OFFSET + header.len })
}

#[inline(always)]
fn udp_sum(l4: &[u8], addrs: u64) -> Sum {
    Sum::ZERO.raw64(addrs).short(l4, 0).word(u16::from(udp::PROTOCOL)).word(l4.len() as u16)
}

impl Fixed4 {
    /// Whether addresses, ports and flags of `frame`, from which this was sifted, are ones that a frame may have: what `parse`
    /// asks beside that.
    #[inline(always)]
    pub fn is_sound(self, frame: &[u8]) -> bool {
        let Some(head) = frame.first_chunk::<{ L4_AT + udp::HEADER_LEN }>() else { return false };
        if !ipv4::are_hosts(u64::from_be_bytes(octets(head, ADDRS_AT))) {
            return false;
        }
        match self.protocol {
            Protocol::Tcp => {
                let header = frame.get(L4_AT..usize::from(self.end)).map(tcp::Header::parse);
                matches!(header, Some(Ok(header)) if tcp::flags_allowed(header.flags))
            }
            Protocol::Udp => true,
        }
    }

    /// The tuple of `frame`, from which this was sifted; `None` for another that is too short.
    #[inline(always)]
    pub fn tuple(self, frame: &[u8]) -> Option<Tuple4> {
        let head = frame.first_chunk::<{ L4_AT + 4 }>()?;
        Some(Tuple4 {
            addrs: u64::from_ne_bytes(octets(head, ADDRS_AT)),
            ports: u32::from_ne_bytes(octets(head, L4_AT)),
        })
    }

    /// The flow of `frame`, as for `tuple`.
    #[inline(always)]
    pub fn key(self, frame: &[u8]) -> Option<FlowKey> {
        self.tuple(frame).map(|tuple| tuple.key(self.protocol))
    }

    /// The segment in `frame`, where this is one.
    #[inline(always)]
    pub fn segment(self, frame: &[u8]) -> Option<TcpSegment> {
        let head = frame.first_chunk::<{ L4_AT + tcp::HEADER_LEN }>()?;
        Some(TcpSegment {
            key: self.key(frame)?,
            ip_offset: ethernet::HEADER_LEN as u16,
            tcp_offset: L4_AT as u16,
            payload_offset: L4_AT as u16 + u16::from(head[L4_AT + 12] >> 4) * 4,
            ip_end: self.end,
            seq: be32(head, L4_AT + 4),
            ack: be32(head, L4_AT + 8),
            window: be16(head, L4_AT + 14),
            flags: TcpFlags(head[L4_AT + 13]),
            rss_hash: None,
        })
    }

    /// Where layer 4 begins.
    pub const L4_OFFSET: u16 = L4_AT as u16;

    /// Bytes of the IP packet.
    #[inline(always)]
    pub const fn ip_len(self) -> u16 {
        self.end - ethernet::HEADER_LEN as u16
    }

    /// Where the payload of a datagram begins.
    pub const PAYLOAD_OFFSET: u16 = (L4_AT + udp::HEADER_LEN) as u16;

    /// What `parse` finds in `frame`.
    #[inline(always)]
    pub fn parsed(self, frame: &[u8]) -> Option<Parsed> {
        match self.protocol {
            Protocol::Tcp => self.segment(frame).map(Parsed::Tcp),
            Protocol::Udp => {
                let (payload_offset, ip_end) = (Self::PAYLOAD_OFFSET, self.end);
                self.key(frame).map(|key| Parsed::Udp { key, payload_offset, ip_end })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::frames::eth;
    use crate::wire::parse;
    use proptest::prelude::*;

    fn same(a: Option<Parsed>, b: Option<Parsed>) -> bool {
        format!("{a:?}") == format!("{b:?}")
    }

    proptest! {
        /// Whatever is sifted and sound is what `parse` finds, and nothing sound over IPv4 is left behind but datagrams that are
        /// shorter than their packets; where a device vouches for checksums, too, so that any field may be broken.
        #[test]
        fn what_is_sifted_is_what_parse_finds(
            tcp in any::<bool>(), ports in any::<(u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..80),
            broken in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..3), cut in any::<Option<prop::sample::Index>>(),
            headers_alone in any::<bool>(), checked in any::<(bool, bool)>(), wrong in prop::option::weighted(0.1, any::<bool>()),
        ) {
            let ip = eth().ip4("10.1.2.3", "198.51.100.10");
            let mut frame = match tcp {
                true => ip.tcp(ports.0, ports.1).flags(TcpFlags(TcpFlags::ACK)).payload(&payload).bytes(),
                false => ip.udp(ports.0, ports.1).payload(&payload).bytes(),
            };
            for (at, mask) in broken {
                let at = at.index(if headers_alone { L4_AT + udp::HEADER_LEN } else { frame.len() });
                frame[at] ^= mask;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            let says = |checked, wrong| match (checked, wrong) {
                (_, true) => ChecksumState::Bad,
                (true, false) => ChecksumState::Good,
                (false, false) => ChecksumState::Unknown,
            };
            let rx = RxHints { ip: says(checked.0, wrong == Some(false)), l4: says(checked.1, wrong == Some(true)) };
            let found = parse(&frame, &rx).ok();
            let of_v4 = matches!(found, Some(Parsed::Tcp(TcpSegment { key, .. }) | Parsed::Udp { key, .. }) if key.src.is_v4());
            let short = matches!(found, Some(Parsed::Udp { ip_end, .. })
                if usize::from(ip_end) != ethernet::HEADER_LEN + usize::from(u16::from_be_bytes([frame[16], frame[17]])));
            let sifted = sift(&frame, &rx).filter(|fixed| fixed.is_sound(&frame));
            prop_assert_eq!(sifted.is_some(), of_v4 && !short);
            if let Some(fixed) = sifted {
                prop_assert!(same(fixed.parsed(&frame), found));
            }
        }
    }
}

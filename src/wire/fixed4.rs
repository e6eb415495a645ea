//! IPv4 frames whose headers stand at fixed places: Ethernet, no IP options, TCP or UDP. `sift` found them sound, and whoever
//! needs a field reads it where it stands, which costs less than to carry it about.
//!
//! ```text
//!  0     6     12   14                    26    30    34      36      38
//!  +-----+-----+----+---------------------+-----+-----+-------+-------+---------
//!  | dst | src | 08 | version ... checksum| src | dst | sport | dport | TCP, UDP
//!  +-----+-----+----+---------------------+-----+-----+-------+-------+---------
//! ```

use super::field::{be16, be32, octets};
use super::headers::{Parsed, TcpFlags, TcpSegment};
use super::{FlowKey, Protocol, ethernet, ipv4, tcp, udp};
use crate::base::Addr;

/// Where the addresses stand, and where layer 4 begins.
const ADDRS_AT: usize = ethernet::HEADER_LEN + ipv4::ADDRS_AT;
const L4_AT: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// What is kept of a sound frame with its headers at fixed places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fixed4 {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// One past the last byte of the TCP segment or UDP datagram.
    pub end: u16,
}

impl Fixed4 {
    /// The flow of `frame`, from which this was sifted; `None` for another that is too short.
    #[inline(always)]
    pub fn key(self, frame: &[u8]) -> Option<FlowKey> {
        let head = frame.first_chunk::<{ L4_AT + 4 }>()?;
        Some(FlowKey {
            src: Addr::v4(octets(head, ADDRS_AT)),
            dst: Addr::v4(octets(head, ADDRS_AT + ipv4::ADDRS_LEN / 2)),
            src_port: be16(head, L4_AT),
            dst_port: be16(head, L4_AT + 2),
            protocol: self.protocol,
        })
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
    use crate::wire::{RxHints, parse, sift};
    use proptest::prelude::*;

    fn same(a: Option<Parsed>, b: Option<Parsed>) -> bool {
        format!("{a:?}") == format!("{b:?}")
    }

    proptest! {
        /// Whatever is sifted is what `parse` finds, and nothing sound over IPv4 is left behind.
        #[test]
        fn what_is_sifted_is_what_parse_finds(
            tcp in any::<bool>(), ports in any::<(u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..80),
            broken in any::<Option<(prop::sample::Index, u8)>>(), cut in any::<Option<prop::sample::Index>>(),
        ) {
            let ip = eth().ip4("10.1.2.3", "198.51.100.10");
            let mut frame = match tcp {
                true => ip.tcp(ports.0, ports.1).flags(TcpFlags(TcpFlags::ACK)).payload(&payload).bytes(),
                false => ip.udp(ports.0, ports.1).payload(&payload).bytes(),
            };
            if let Some((at, mask)) = broken {
                let at = at.index(frame.len());
                frame[at] ^= mask;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            let rx = RxHints::default();
            let found = parse(&frame, &rx).ok();
            let of_v4 = matches!(found, Some(Parsed::Tcp(TcpSegment { key, .. }) | Parsed::Udp { key, .. }) if key.src.is_v4());
            let sifted = sift(&frame, &rx);
            prop_assert_eq!(sifted.is_some(), of_v4);
            if let Some(fixed) = sifted {
                prop_assert!(same(fixed.parsed(&frame), found));
            }
        }
    }
}

//! One datagram on its way out: the headers that it gets, written around its payload in the frame that it came in.
//!
//! ```text
//!  in    | eth | ip 20/40 | udp | (header of a reply: off) | payload |
//!  out   | eth | ip 20/40 | udp | (header for the origin)  | payload |
//! ```
//! Between two addresses of one family and without a header the payload stays where it is. The checksum is brought up
//! to date and never computed anew, so that an error which happened inside byway would be seen by the receiver; but for
//! one that IPv4 let the sender leave out and IPv6 does not.

use crate::base::Hop;
use crate::wire::checksum::{self, Change};
use crate::wire::proxy::{HeaderBytes, ProxyHeader};
use crate::wire::{Family, FlowKey, Protocol, ethernet, ipv4, ipv6, spp, udp};
use crate::wire::{congestion_marks, mark_congestion};

/// What goes ahead of the payload towards the origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefix {
    /// Nothing.
    None,
    /// Simple Proxy Protocol, which replies must bear, too.
    Simple,
    /// PROXY protocol, version 2.
    V2,
}

impl Prefix {
    /// Its bytes for a client whose frames bear `client`.
    fn bytes(self, client: &FlowKey) -> HeaderBytes {
        let (from, to) = (client.src_endpoint(), client.dst_endpoint());
        match self {
            Self::None => HeaderBytes::new(),
            Self::Simple => spp::Header { client: from, proxy: to }.emit().into_iter().collect(),
            Self::V2 => ProxyHeader { protocol: Protocol::Udp, src: from, dst: to }.emit_v2(),
        }
    }

    /// How many there are.
    pub fn len(self, client: &FlowKey) -> usize {
        let (from, to) = (client.src_endpoint(), client.dst_endpoint());
        match self {
            Self::None => 0,
            Self::Simple => spp::HEADER_LEN,
            Self::V2 => ProxyHeader { protocol: Protocol::Udp, src: from, dst: to }.v2_len(),
        }
    }
}

/// Where a received datagram's payload lies in its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Its first byte.
    pub payload_offset: u16,
    /// One past its last byte.
    pub end: u16,
}

impl Datagram {
    /// Bytes of payload.
    #[inline]
    pub const fn payload_len(self) -> usize {
        self.end as usize - self.payload_offset as usize
    }

    /// Bytes of the IP packet without what lies behind the datagram.
    #[inline]
    pub const fn ip_len(self) -> usize {
        self.end as usize - ethernet::HEADER_LEN
    }
}

/// How one datagram leaves.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The way.
    pub hop: Hop,
    /// The tuple that it leaves with: `src` is ours.
    pub key: FlowKey,
    /// The tuple that it came with.
    pub from: FlowKey,
    /// What that does to the checksum, but for what is put in and taken off.
    pub change: Change,
    /// Where it lies.
    pub datagram: Datagram,
    /// Bytes of payload taken off the front.
    pub strip: usize,
    /// What is put in instead.
    pub prefix: Prefix,
    /// Whether routers may fragment it (IPv4), and then what its fragments share (RFC 6864).
    pub fragment_id: Option<u16>,
}

impl Outgoing {
    /// Bytes of the IP packet.
    #[inline]
    pub fn ip_len(&self) -> usize {
        ip_header_len(&self.key) + udp::HEADER_LEN + self.payload_len()
    }

    /// Bytes of the frame.
    #[inline]
    pub fn frame_len(&self) -> usize {
        ethernet::HEADER_LEN + self.ip_len()
    }

    fn payload_len(&self) -> usize {
        self.prefix.len(&self.from) + self.datagram.payload_len() - self.strip
    }

    /// Writes the packet, checksums complete, into the frame that the datagram came in, which is as long as the longer
    /// of the two. The Ethernet header is the worker's.
    #[inline]
    pub fn write(&self, frame: &mut [u8]) {
        let at = usize::from(self.datagram.payload_offset);
        let old_sum = u16::from_be_bytes([frame[at - 2], frame[at - 1]]);
        let mut change = self.change;
        if self.prefix != Prefix::None || self.strip != 0 {
            change = self.change_of_payload(&frame[at..at + self.strip]);
        }
        let marks = congestion_marks(&frame[ethernet::HEADER_LEN..]);
        let udp_at = ethernet::HEADER_LEN + ip_header_len(&self.key);
        self.place_payload(frame, udp_at + udp::HEADER_LEN);
        let checksum = if old_sum == 0 { 0 } else { never_none(change.apply(old_sum)) };
        let len = (udp::HEADER_LEN + self.payload_len()) as u16;
        let header = udp::Header { src_port: self.key.src_port, dst_port: self.key.dst_port, len, checksum };
        if let Some(room) = frame[udp_at..].first_chunk_mut() {
            header.emit(room);
        }
        self.write_ip(&mut frame[ethernet::HEADER_LEN..], len, marks);
        if old_sum == 0 && Family::of(self.key.dst) == Family::V6 {
            checksum::fill_l4(&mut frame[ethernet::HEADER_LEN..]);
        }
    }

    /// Both lengths, the pseudo-header's and UDP's own, and what goes off and on.
    #[inline(never)]
    fn change_of_payload(&self, stripped: &[u8]) -> Change {
        let old = (udp::HEADER_LEN + self.datagram.payload_len()) as u16;
        let new = (udp::HEADER_LEN + self.payload_len()) as u16;
        let lengths = self.change.word(old, new).word(old, new);
        lengths.removed(stripped).inserted(&self.prefix.bytes(&self.from))
    }

    #[inline]
    fn place_payload(&self, frame: &mut [u8], to: usize) {
        let from = usize::from(self.datagram.payload_offset) + self.strip;
        let behind = to + self.prefix.len(&self.from);
        if behind != from {
            frame.copy_within(from..usize::from(self.datagram.end), behind);
        }
        if self.prefix != Prefix::None {
            let bytes = self.prefix.bytes(&self.from);
            frame[to..to + bytes.len()].copy_from_slice(&bytes);
        }
    }

    #[inline]
    fn write_ip(&self, packet: &mut [u8], udp_len: u16, marks: u8) {
        let (src, dst) = (self.key.src, self.key.dst);
        if Family::of(dst) == Family::V6 {
            if let Some(header) = packet.first_chunk_mut() {
                let (next, hop_limit) = (udp::PROTOCOL, ipv6::HOP_LIMIT);
                ipv6::Header { src, dst, next, hop_limit, payload_len: udp_len }.emit(header);
            }
            mark_congestion(packet, marks);
            return;
        }
        let Some(header) = packet.first_chunk_mut::<{ ipv4::HEADER_LEN }>() else { return };
        let total_len = ipv4::HEADER_LEN as u16 + udp_len;
        ipv4::Header { src, dst, protocol: udp::PROTOCOL, total_len }.emit(header);
        mark_congestion(header, marks);
        if let Some(id) = self.fragment_id {
            header[4..6].copy_from_slice(&id.to_be_bytes());
            header[6] = 0;
        }
        ipv4::fill_checksum(header);
    }
}

/// Bytes of the IP header in front of a datagram of this tuple.
#[inline]
pub const fn ip_header_len(key: &FlowKey) -> usize {
    if key.dst.is_v4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN }
}

/// RFC 768: zero says that there is no checksum; its other spelling is all ones.
#[inline]
pub(super) const fn never_none(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::testkit::frames::eth;
    use crate::wire::{Parsed, RxHints, parse};
    use proptest::prelude::*;

    fn key(v4: bool, host: u8, ports: (u16, u16)) -> FlowKey {
        let addr = |last: u8| match v4 {
            true => Addr::v4([192, 0, 2, last]),
            false => Addr::from_bits(0x2001_0db8 << 96 | u128::from(last)),
        };
        let (src, dst) = (addr(host), addr(host + 1));
        FlowKey { src, dst, src_port: ports.0, dst_port: ports.1, protocol: Protocol::Udp }
    }

    fn change(from: &FlowKey, to: &FlowKey) -> Change {
        let change = Change::NONE.addr(from.src, to.src).addr(from.dst, to.dst);
        change.word(from.src_port, to.src_port).word(from.dst_port, to.dst_port)
    }

    proptest! {
        /// Whatever the families, the header and the checksum, what leaves is sound and carries the payload.
        #[test]
        fn what_is_written_is_a_sound_datagram(
            families in any::<(bool, bool)>(), ports in any::<(u16, u16, u16, u16)>(), payload in prop::collection::vec(any::<u8>(), 0..300),
            (summed, prefix, strip, fragment_id) in (any::<bool>(), 0usize..3, 0usize..2, any::<Option<u16>>()),
        ) {
            let from = key(families.0, 1, (ports.0, ports.1));
            let to = key(families.1, 10, (ports.2, ports.3));
            let prefix = [Prefix::None, Prefix::Simple, Prefix::V2][prefix];
            let strip = (strip * 38).min(payload.len() / 2 * 2);
            let datagram = eth().ip(from.src, from.dst).udp(from.src_port, from.dst_port).payload(&payload);
            let summed = summed || !families.0;
            let mut frame = if summed { datagram.bytes() } else { datagram.checksum(0).bytes() };
            let end = frame.len() as u16;
            let place = Datagram { payload_offset: end - payload.len() as u16, end };
            let out = Outgoing { hop: Hop(0), key: to, from, change: change(&from, &to), datagram: place, strip, prefix, fragment_id };
            frame.resize(frame.len().max(out.frame_len()), 0xee);
            out.write(&mut frame);
            frame.truncate(out.frame_len());
            frame[12..14].copy_from_slice(if families.1 { &[8, 0] } else { &[0x86, 0xdd] });
            let expected = [&prefix.bytes(&from), &payload[strip..]].concat();
            match parse(&frame, &RxHints::default()) {
                Ok(Parsed::Udp { key, payload_offset, ip_end }) => {
                    prop_assert_eq!(key, to);
                    prop_assert_eq!(&frame[usize::from(payload_offset)..usize::from(ip_end)], &expected[..]);
                    let sum_at = usize::from(payload_offset) - 2;
                    prop_assert_eq!(frame[sum_at..sum_at + 2] == [0, 0], !summed && families.1);
                }
                parsed => prop_assert!(false, "{parsed:?}"),
            }
        }
    }
}

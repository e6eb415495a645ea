//! Another tuple written over a packet's own, of the same family, where it stands: what a flow that is forwarded without a
//! look at its bytes needs. Everything behind the ports is left alone; layer 4's checksum is the caller's to bring up
//! to date, as a `Change`.
//!
//! Cost: some 60 instructions for IPv4, whose header has a checksum (`byway bench session --udp`).

use super::checksum::Sum;
use super::field::{be16, octets, put, put16};
use super::{FlowKey, Tuple4, ipv4, ipv6};
use crate::base::DropReason;

/// What is written: a header as a router leaves it, one hop fewer to live, traffic class kept, but never to be fragmented
/// where nothing else is said.
#[derive(Clone, Copy, Debug)]
pub struct Readdress<'a> {
    /// The other leg's key, as its frames arrive: what is written is its reverse.
    pub to: &'a FlowKey,
    /// Bytes of the packet, IP header included; the frame may be longer.
    pub len: u16,
    /// IPv4: what the fragments share that routers may make of it; `None`: none may (RFC 6864).
    pub fragment_id: Option<u16>,
}

impl Readdress<'_> {
    /// Writes it over the headers at the front of `packet`, which is sound and of the tuple's family.
    ///
    /// # Errors
    /// The packet has no hop left to live, or is too short to be one; nothing is written then.
    #[inline(always)]
    pub fn write(&self, packet: &mut [u8]) -> Result<(), DropReason> {
        match self.to.src.is_v4() {
            true => self.write_v4(packet.first_chunk_mut().ok_or(DropReason::FrameTruncated)?),
            // By value: were the tuple's address taken here, it would have to lie in memory for IPv4, too.
            false => write_v6(*self.to, packet.first_chunk_mut().ok_or(DropReason::FrameTruncated)?),
        }
    }

    #[inline(always)]
    fn write_v4(&self, head: &mut [u8; Readdress4::HEAD_LEN]) -> Result<(), DropReason> {
        one_hop_fewer(head[HOPS_AT])?;
        if be16(head, LEN_AT) != self.len {
            put16(head, LEN_AT, self.len);
        }
        let to = Tuple4::of(self.to).reversed();
        Readdress4 { to, fragment_id: self.fragment_id }.write(head);
        Ok(())
    }
}

/// The same over IPv4 for whoever knows where the headers stand; the packet's length stays what it is.
#[derive(Clone, Copy, Debug)]
pub struct Readdress4 {
    /// What is written, as it leaves.
    pub to: Tuple4,
    /// As in `Readdress`.
    pub fragment_id: Option<u16>,
}

/// Where the total length stands, and what is kept of the eight bytes around it: version, class and length.
const LEN_AT: usize = 2;
const KEPT: u64 = 0xffff_ffff_0000_0000_u64.to_be();
/// Where hop count and protocol stand, and one hop in them.
const HOPS_AT: usize = 8;
const HOP: u16 = 0x100_u16.to_be();
const CHECKSUM_AT: usize = 10;

impl Readdress4 {
    /// Bytes that are written: the IP header and the ports.
    pub const HEAD_LEN: usize = ipv4::HEADER_LEN + PORTS_LEN;

    /// Whether a packet has a hop left to live.
    #[inline(always)]
    pub const fn may_go(head: &[u8; Self::HEAD_LEN]) -> bool {
        one_hop_fewer(head[HOPS_AT]).is_ok()
    }

    /// Writes it over the headers at the front of a sound packet that may go. Words stay as they stand in memory, and are summed
    /// before they are written: to read back what was just written in smaller pieces takes longer than all the rest.
    #[inline(always)]
    pub fn write(&self, head: &mut [u8; Self::HEAD_LEN]) {
        let Tuple4 { addrs, ports } = self.to;
        let fragment = match self.fragment_id {
            None => u64::from(ipv4::DONT_FRAGMENT),
            Some(id) => u64::from(id) << 16,
        };
        let shape = u64::from_ne_bytes(octets(head, 0)) & KEPT | fragment.to_be();
        let hops = u16::from_ne_bytes(octets(head, HOPS_AT)).wrapping_sub(HOP);
        let sum = Sum::ZERO.raw64(shape).raw64(addrs).raw32(hops.into()).checksum();
        put(head, 0, shape.to_ne_bytes());
        put(head, HOPS_AT, hops.to_ne_bytes());
        put16(head, CHECKSUM_AT, sum);
        put(head, ipv4::ADDRS_AT, addrs.to_ne_bytes());
        put(head, ipv4::HEADER_LEN, ports.to_ne_bytes());
    }
}

/// The flow label is the client's own and stays behind (RFC 6437 3).
#[inline(never)]
fn write_v6(to: FlowKey, head: &mut [u8; ipv6::HEADER_LEN + PORTS_LEN]) -> Result<(), DropReason> {
    head[7] = one_hop_fewer(head[7])?;
    let class = [head[0], head[1] & 0xf0, 0, 0];
    put(head, 0, class);
    put(head, 8, to.dst.bits().to_be_bytes());
    put(head, 24, to.src.bits().to_be_bytes());
    if let Some(ports) = head.last_chunk_mut() {
        write_ports(&to, ports);
    }
    Ok(())
}

#[inline(always)]
fn write_ports(to: &FlowKey, ports: &mut [u8; PORTS_LEN]) {
    put16(ports, 0, to.dst_port);
    put16(ports, 2, to.src_port);
}

/// Bytes of both ports, in front of TCP and of UDP.
const PORTS_LEN: usize = 4;
/// The congestion marks in IPv4's second byte (RFC 3168 5); in IPv6's they stand four bits higher.
const ECN: u8 = 3;

/// RFC 1812 5.3.1: a packet whose time to live would become zero goes no further.
#[inline]
const fn one_hop_fewer(lives: u8) -> Result<u8, DropReason> {
    if lives > 1 { Ok(lives - 1) } else { Err(DropReason::TtlExpired) }
}

/// The congestion marks of an IP packet, 0 to 3.
#[inline]
pub fn congestion_marks(packet: &[u8]) -> u8 {
    match packet {
        [first, second, ..] if first >> 4 == 6 => second >> 4 & ECN,
        [_, second, ..] => second & ECN,
        _ => 0,
    }
}

/// Writes congestion marks into an IP header whose checksum is still to be filled.
#[inline]
pub fn mark_congestion(packet: &mut [u8], marks: u8) {
    if let [first, second, ..] = packet {
        let shift = if *first >> 4 == 6 { 4 } else { 0 };
        *second = *second & !(ECN << shift) | (marks & ECN) << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::testkit::frames::eth;
    use crate::wire::checksum::Change;
    use crate::wire::{Parsed, Protocol, RxHints, ethernet, parse};
    use proptest::prelude::*;

    fn key(v4: bool, (src, dst): (u64, u64), ports: (u16, u16)) -> FlowKey {
        let addr = |bits: u64| match v4 {
            true => Addr::v4((0x0a00_0000 | bits as u32 & 0xff_ffff).to_be_bytes()),
            false => Addr::from_bits(0x2001_0db8 << 96 | u128::from(bits)),
        };
        FlowKey {
            src: addr(src),
            dst: addr(dst),
            src_port: ports.0,
            dst_port: ports.1,
            protocol: Protocol::Udp,
        }
    }

    proptest! {
        /// The packet is sound, bears the new tuple, the old marks and the old payload, and nothing behind it is touched.
        #[test]
        fn a_packet_readdressed_is_sound_and_otherwise_the_same(
            v4 in any::<bool>(), from in any::<(u64, u64, u16, u16)>(), to in any::<(u64, u64, u16, u16)>(),
            marks in 0u8..4, fragment_id in any::<Option<u16>>(), payload in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assume!(from.0 & 0xff_ffff != from.1 & 0xff_ffff && to.0 & 0xff_ffff != to.1 & 0xff_ffff);
            let (from, to) = (key(v4, (from.0, from.1), (from.2, from.3)), key(v4, (to.0, to.1), (to.2, to.3)));
            let mut frame = eth().ip(from.src, from.dst).udp(from.src_port, from.dst_port).payload(&payload).bytes();
            let packet = &mut frame[ethernet::HEADER_LEN..];
            mark_congestion(packet, marks);
            let (len, ip_len) = (packet.len() as u16, if v4 { 20 } else { 40 });
            prop_assert_eq!(Readdress { to: &to.reversed(), len, fragment_id }.write(packet), Ok(()));
            prop_assert_eq!(congestion_marks(packet), marks);
            prop_assert_eq!(packet[if v4 { 8 } else { 7 }], 63);
            let sum = u16::from_be_bytes([packet[ip_len + 6], packet[ip_len + 7]]);
            let change = Change::NONE.addr(from.src, to.src).addr(from.dst, to.dst);
            let sum = change.word(from.src_port, to.src_port).word(from.dst_port, to.dst_port).apply(sum);
            packet[ip_len + 6..ip_len + 8].copy_from_slice(&sum.to_be_bytes());
            match parse(&frame, &RxHints::default()) {
                Ok(Parsed::Udp { key, payload_offset, ip_end }) => {
                    prop_assert_eq!(key, to);
                    prop_assert_eq!(&frame[usize::from(payload_offset)..usize::from(ip_end)], &payload[..]);
                }
                parsed => prop_assert!(false, "{parsed:?}"),
            }
        }
    }

    #[test]
    fn a_packet_too_short_for_its_headers_is_left_alone() {
        let to = key(false, (1, 2), (3, 4));
        let mut packet = [0x60; 43];
        let write = Readdress { to: &to, len: 43, fragment_id: None };
        assert_eq!(write.write(&mut packet), Err(DropReason::FrameTruncated));
        assert_eq!(packet, [0x60; 43]);
    }

    #[test]
    fn a_packet_with_no_hop_left_goes_no_further() {
        for v4 in [true, false] {
            let (from, to) = (key(v4, (1, 2), (3, 4)), key(v4, (5, 6), (7, 8)));
            let mut frame = eth().ip(from.src, from.dst).udp(3, 4).payload(b"x").bytes();
            frame[14 + if v4 { 8 } else { 7 }] = 1;
            let before = frame.clone();
            let write = Readdress { to: &to, len: 0, fragment_id: None };
            assert_eq!(write.write(&mut frame[14..]), Err(DropReason::TtlExpired));
            assert_eq!(frame, before);
        }
    }
}

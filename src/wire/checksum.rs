//! The Internet checksum (RFC 1071): over bytes, over pseudo-headers, brought up to date by parts (RFC 1624), and
//! filled into packets that leave.
//!
//! Sums run in the machine's byte order, eight bytes at a time with the carry passed along; RFC 1071 2(B) says why
//! the order of bytes does not matter until the end.
//!
//! Cost, in instructions under callgrind, release: `Sum::bytes` of 1,460 bytes 275 (1.5 a word of eight); filling both
//! checksums of a packet in software 140 without payload and 360 with 1,460 bytes; `pseudo_l4` 100; a `Change` of an
//! address and a number 65. `scripts/icount.sh` counts them.

use super::FlowKey;
use super::field::{be16, octets, put16};
use super::{icmp, ipv4, ipv6, tcp, udp};
use crate::base::Addr;

/// A ones'-complement sum on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Of nothing.
    pub const ZERO: Self = Self(0);

    /// With `bytes` added; all added before must have been of even length (RFC 1071 1(3) pads only the last).
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        Self(add(self.0, sum_bytes(bytes)))
    }

    /// As `bytes` of what is in `whole` from `from` on, which is mostly short: little is called for that. A last word that is
    /// not full is read with what stands before it, so that eight bytes of `whole` are enough to spare a copy and the wait
    /// for what was just copied.
    #[inline(always)]
    pub fn short(self, whole: &[u8], from: usize) -> Self {
        let bytes = whole.get(from..).unwrap_or(&[]);
        if bytes.len() > SHORT_MAX {
            return self.bytes(bytes);
        }
        let (words, rest) = bytes.as_chunks::<8>();
        let sum = words.iter().fold(self.0, add_words);
        Self(if rest.is_empty() { sum } else { add(sum, last_word(whole, rest)) })
    }

    /// With the whole 64-bit words of `bytes` added; few, for they are not unrolled.
    #[inline(always)]
    fn words(self, bytes: &[u8]) -> Self {
        Self(bytes.as_chunks::<8>().0.iter().fold(self.0, add_words))
    }

    /// With the 20 bytes of a plain IPv4 header added.
    #[inline(always)]
    pub const fn header(self, header: &[u8; ipv4::HEADER_LEN]) -> Self {
        let words = header.as_chunks::<8>();
        let ([first, second], [a, b, c, d]) = words else { return self };
        let last = u32::from_ne_bytes([*a, *b, *c, *d]) as u64;
        Self(add(add(self.0, u64::from_ne_bytes(*first)), add(u64::from_ne_bytes(*second), last)))
    }

    /// With a 16-bit number added, given in host order.
    #[inline(always)]
    pub const fn word(self, word: u16) -> Self {
        Self(add(self.0, word.to_be() as u64))
    }

    /// With a 32-bit number added, given in host order.
    #[inline(always)]
    pub const fn word32(self, word: u32) -> Self {
        Self(add(self.0, word.to_be() as u64))
    }

    /// With a 64-bit number added, given in host order.
    #[inline(always)]
    pub const fn word64(self, word: u64) -> Self {
        Self(add(self.0, word.to_be()))
    }

    /// With 32 bits as they stand in memory added.
    #[inline(always)]
    pub const fn raw32(self, word: u32) -> Self {
        Self(add(self.0, word as u64))
    }

    /// With 64 bits as they stand in memory added.
    #[inline(always)]
    pub const fn raw64(self, word: u64) -> Self {
        Self(add(self.0, word))
    }

    /// With an address as it stands in its family's header.
    #[inline]
    pub const fn addr(self, addr: Addr) -> Self {
        let bits = addr.bits();
        match addr.to_v4_bits() {
            Some(bits) => self.word32(bits),
            // Halves may be summed in either order.
            None => Self(add(add(self.0, (bits as u64).to_be()), ((bits >> 64) as u64).to_be())),
        }
    }

    /// With the pseudo-header of RFC 9293 3.1 and RFC 8200 8.1; `len` is the upper-layer length in bytes.
    #[inline]
    pub const fn pseudo(self, src: Addr, dst: Addr, protocol: u8, len: u16) -> Self {
        self.addr(src).addr(dst).word(protocol as u16).word(len)
    }

    /// Folded to 16 bits, in host order, not complemented.
    #[inline(always)]
    pub const fn fold(self) -> u16 {
        let (sum, carry) = (self.0 as u32).overflowing_add((self.0 >> 32) as u32);
        let sum = sum + carry as u32;
        let (sum, carry) = (sum as u16).overflowing_add((sum >> 16) as u16);
        u16::from_be(sum + carry as u16)
    }

    /// The checksum to write into a header, in host order.
    #[inline(always)]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }

    /// Whether a sum that took in a checksum field is right (RFC 1071 1(3)): it folds to 0xffff, which those sums do that are
    /// multiples of it, but for zero. Times its inverse modulo 2^64 such a sum is which multiple it is, and no other is as small.
    #[inline(always)]
    pub const fn is_valid(self) -> bool {
        const INVERSE: u64 = 0xfffe_fffe_fffe_ffff;
        const MULTIPLES: u64 = u64::MAX / 0xffff;
        self.0.wrapping_mul(INVERSE).wrapping_sub(1) < MULTIPLES
    }
}

/// Bytes up to which a loop over words beats a call that takes many at once.
const SHORT_MAX: usize = 64;

/// Ones'-complement addition in 64 bits.
#[inline(always)]
const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u64
}

/// Adds whole words; the carry runs through the chunk, which compiles to a chain of `adc`.
#[inline(always)]
fn add_words<const N: usize>(sum: u64, chunk: &[u8; N]) -> u64 {
    let (mut sum, mut carry) = (sum, false);
    for word in chunk.as_chunks::<8>().0 {
        let (partial, first) = sum.overflowing_add(u64::from_ne_bytes(*word));
        let (whole, second) = partial.overflowing_add(carry as u64);
        (sum, carry) = (whole, first | second);
    }
    // The first word starts without a carry, so whichever leaves one leaves at most 2^64 - 2.
    sum.wrapping_add(carry as u64)
}

/// The ones'-complement sum of `bytes` in the machine's order, 64 bits wide.
fn sum_bytes(bytes: &[u8]) -> u64 {
    let (large, rest) = bytes.as_chunks::<128>();
    let state = (large.iter().fold(0, add_words), rest);
    let (sum, rest) = add_front::<8>(add_front::<16>(add_front::<32>(add_front::<64>(state))));
    if rest.is_empty() { sum } else { add(sum, last_word(bytes, rest)) }
}

/// Adds the first `N` bytes of the rest, if there are so many.
#[inline(always)]
fn add_front<const N: usize>((sum, rest): (u64, &[u8])) -> (u64, &[u8]) {
    match rest.split_first_chunk::<N>() {
        Some((chunk, rest)) => (add_words(sum, chunk), rest),
        None => (sum, rest),
    }
}

/// The one to seven bytes of `rest`, which end `bytes`, as a word in the machine's order padded with zeros.
#[inline(always)]
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    if let Some(last) = bytes.last_chunk::<8>() {
        // What was summed already is shifted out.
        return (u64::from_le_bytes(*last) >> (64 - 8 * rest.len())).to_le();
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    u64::from_ne_bytes(last)
}

/// What a rewrite of header fields does to their checksum (RFC 1624, equation 3).
///
/// Fields on even offsets only; numbers in host order. An error that was in the old checksum stays in the new one. Not
/// for a message that may be all zeros afterwards (ICMP's may, TCP's has its pseudo-header).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Change(Sum);

impl Change {
    /// No change.
    pub const NONE: Self = Self(Sum::ZERO);

    /// With a 16-bit field replaced.
    #[inline(always)]
    pub const fn word(self, old: u16, new: u16) -> Self {
        Self(self.0.word(!old).word(new))
    }

    /// With a 32-bit field replaced.
    #[inline(always)]
    pub const fn word32(self, old: u32, new: u32) -> Self {
        Self(self.0.word32(!old).word32(new))
    }

    /// With four 16-bit fields replaced that stand side by side, each word as it stands in memory.
    #[inline(always)]
    pub const fn raw64(self, old: u64, new: u64) -> Self {
        Self(self.0.raw64(!old).raw64(new))
    }

    /// With an address replaced, also by one of the other family (a zero word is nothing in this arithmetic).
    #[inline]
    pub const fn addr(self, old: Addr, new: Addr) -> Self {
        // ~m of a whole address is all ones minus m; all ones are worth zero.
        let Sum(old) = Sum::ZERO.addr(old);
        Self(Sum(add(self.0.addr(new).0, !old)))
    }

    /// What it does when a packet of one tuple leaves with another: addresses (those of the pseudo-header) and ports.
    pub const fn tuple(from: &FlowKey, to: &FlowKey) -> Self {
        let addrs = Self::NONE.addr(from.src, to.src).addr(from.dst, to.dst);
        addrs.word(from.src_port, to.src_port).word(from.dst_port, to.dst_port)
    }

    /// With bytes put in; of even length, at an even offset.
    #[inline]
    pub fn inserted(self, bytes: &[u8]) -> Self {
        Self(self.0.bytes(bytes))
    }

    /// With bytes taken out; of even length, at an even offset.
    #[inline]
    pub fn removed(self, bytes: &[u8]) -> Self {
        let Sum(old) = Sum::ZERO.bytes(bytes);
        Self(Sum(add(self.0.0, !old)))
    }

    /// In 16 bits, to be kept; `folded` takes it back in.
    #[inline]
    pub const fn fold(self) -> u16 {
        self.0.fold()
    }

    /// With a change that `fold` made small.
    #[inline(always)]
    pub const fn folded(self, change: u16) -> Self {
        Self(self.0.word(change))
    }

    /// Both changes together.
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(Sum(add(self.0.0, other.0.0)))
    }

    /// The checksum after the change.
    #[inline(always)]
    pub const fn apply(self, checksum: u16) -> u16 {
        self.0.word(!checksum).checksum()
    }
}

/// Whether a TCP checksum still waits for the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum L4Fill {
    /// The field holds the pseudo-header sum; the device adds the rest.
    Device,
    /// The field is complete.
    Done,
}

/// Fills the IPv4 header checksum and the TCP, UDP, ICMP or ICMPv6 checksum of an IP packet, in software. Packets that
/// are none of these are left as they are.
pub fn finish_ip_tcp(packet: &mut [u8]) {
    fill_ip(packet);
    fill_l4(packet);
}

/// Fills the IPv4 header checksum; IPv6 has none.
#[inline]
pub fn fill_ip(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut::<{ ipv4::HEADER_LEN }>()
        && header[0] == ipv4::VERSION_IHL
    {
        ipv4::fill_checksum(header);
    }
}

/// Fills the layer-4 checksum in software.
#[inline]
pub fn fill_l4(packet: &mut [u8]) {
    let Some(place) = L4Place::of(packet) else { return };
    place.write(packet, 0);
    let Some(covered) = packet.get(place.covered_at..place.end) else { return };
    let sum = Sum::ZERO.bytes(covered).word(place.protocol).word(place.len).checksum();
    // RFC 768: a computed zero is sent as all ones, for zero says that there is none.
    let none = sum == 0 && place.protocol == u16::from(udp::PROTOCOL);
    place.write(packet, if none { 0xffff } else { sum });
}

/// Makes a packet ready for a device that fills in TCP checksums: writes the pseudo-header sum into the field. What
/// is not TCP is filled in software.
#[inline(always)]
pub fn pseudo_l4(packet: &mut [u8]) -> L4Fill {
    if pseudo_tcp4(packet) { L4Fill::Device } else { pseudo_other(packet) }
}

/// The same for TCP over IPv4, whose fields stand at fixed places; `false`, and nothing written, for all else.
#[inline(always)]
pub fn pseudo_tcp4(packet: &mut [u8]) -> bool {
    let whole_len = packet.len();
    let Some(head) = packet.first_chunk_mut::<{ ipv4::HEADER_LEN + tcp::HEADER_LEN }>() else { return false };
    let total_len = be16(head, 2);
    let is_whole = usize::from(total_len) >= head.len() && usize::from(total_len) <= whole_len;
    if head[0] != ipv4::VERSION_IHL || head[9] != tcp::PROTOCOL || !is_whole {
        return false;
    }
    let addrs = u64::from_ne_bytes(octets(head, ipv4::ADDRS_AT));
    let len = total_len - ipv4::HEADER_LEN as u16;
    put16(head, TCP4_CHECKSUM_AT, Sum::ZERO.raw64(addrs).word(tcp::PROTOCOL.into()).word(len).fold());
    true
}

/// Where TCP's checksum stands in a packet over IPv4.
const TCP4_CHECKSUM_AT: usize = ipv4::HEADER_LEN + 16;

#[inline(never)]
fn pseudo_other(packet: &mut [u8]) -> L4Fill {
    let Some(place) = L4Place::of(packet).filter(|place| place.protocol == u16::from(tcp::PROTOCOL)) else {
        fill_l4(packet);
        return L4Fill::Done;
    };
    let addrs = packet.get(place.covered_at..place.start).unwrap_or(&[]);
    let sum = Sum::ZERO.words(addrs).word(place.protocol).word(place.len).fold();
    place.write(packet, sum);
    L4Fill::Device
}

/// Where a packet's layer-4 checksum lies, and what it covers beside the bytes from `covered_at` to `end`.
struct L4Place {
    /// The addresses of the IP header, which end where layer 4 starts; ICMP's checksum does not cover them.
    covered_at: usize,
    start: usize,
    end: usize,
    field: usize,
    /// Zero for ICMP, whose checksum covers neither.
    protocol: u16,
    len: u16,
}

impl L4Place {
    #[inline(always)]
    fn of(packet: &[u8]) -> Option<Self> {
        let (addrs_at, start, end, protocol) = match packet.first()? >> 4 {
            4 => {
                let header = packet.first_chunk::<{ ipv4::HEADER_LEN }>()?;
                (ipv4::ADDRS_AT, ipv4::HEADER_LEN, usize::from(be16(header, 2)), header[9])
            }
            6 => {
                let header = packet.first_chunk::<{ ipv6::HEADER_LEN }>()?;
                let end = ipv6::HEADER_LEN + usize::from(be16(header, 4));
                (ipv6::ADDRS_AT, ipv6::HEADER_LEN, end, header[6])
            }
            _ => return None,
        };
        let field = match protocol {
            tcp::PROTOCOL => 16,
            udp::PROTOCOL => 6,
            icmp::PROTOCOL_V4 | icmp::PROTOCOL_V6 => 2,
            _ => return None,
        };
        let len = end.checked_sub(start).filter(|len| *len >= field + 2 && end <= packet.len())? as u16;
        let (covered_at, protocol, len) = match protocol {
            icmp::PROTOCOL_V4 => (start, 0, 0),
            _ => (addrs_at, u16::from(protocol), len),
        };
        Some(Self { covered_at, start, end, field: start + field, protocol, len })
    }

    #[inline(always)]
    fn write(&self, packet: &mut [u8], sum: u16) {
        if let Some(field) = packet.get_mut(self.field..self.field + 2) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 4.1, word by word, for comparison.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn the_example_of_rfc_1071_sums_as_printed() {
        assert_eq!(Sum::ZERO.bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624_comes_out_as_printed() {
        // RFC 1624 4: HC 0xdd2f, m 0x5555, m' 0x3285 gives 0x0000 and not 0xffff.
        assert_eq!(Change::NONE.word(0x5555, 0x3285).apply(0xdd2f), 0x0000);
    }

    proptest! {
        #[test]
        fn the_fast_sum_equals_the_naive_one(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(Sum::ZERO.bytes(&bytes).fold(), naive(&bytes));
            let from = bytes.len().min(20);
            prop_assert_eq!(Sum::ZERO.short(&bytes, 0).fold(), naive(&bytes));
            prop_assert_eq!(Sum::ZERO.short(&bytes, from).fold(), naive(&bytes[from..]));
        }

        #[test]
        fn a_sum_is_right_where_it_folds_to_ones(sum: u64, near in 0_u64..3) {
            // Every multiple of 0xffff, and what lies beside it.
            for sum in [sum, (sum - sum % 0xffff).saturating_add(near), near, u64::MAX - near] {
                prop_assert_eq!(Sum(sum).is_valid(), Sum(sum).fold() == 0xffff, "{:x}", sum);
            }
        }

        #[test]
        fn sums_of_ones_carry_all_the_way(len in 0usize..600) {
            prop_assert_eq!(Sum::ZERO.bytes(&vec![0xff; len]).fold(), naive(&vec![0xff; len]));
        }

        #[test]
        fn an_update_by_parts_equals_a_new_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 40..41), at in 0usize..18, new in any::<u32>()
        ) {
            let before = Sum::ZERO.bytes(&bytes).checksum();
            let field: [u8; 4] = bytes[at * 2..at * 2 + 4].try_into().expect("four bytes");
            bytes[at * 2..at * 2 + 4].copy_from_slice(&new.to_be_bytes());
            let after = Change::NONE.word32(u32::from_be_bytes(field), new).apply(before);
            prop_assert!(Sum::ZERO.bytes(&bytes).word(after).is_valid());
        }

        /// Whatever the packet, be it cut or none of TCP's, the short road leaves what the long one does.
        #[test]
        fn a_segment_is_left_to_the_device_by_either_road(
            mut packet in prop::collection::vec(any::<u8>(), 40..90), is_tcp in prop::bool::weighted(0.8),
            is_plain in prop::bool::weighted(0.8), len in prop::option::of(30u16..100),
        ) {
            let len = len.unwrap_or(packet.len() as u16);
            packet[2..4].copy_from_slice(&len.to_be_bytes());
            packet[0] = if is_plain { ipv4::VERSION_IHL } else { packet[0] };
            packet[9] = if is_tcp { tcp::PROTOCOL } else { packet[9] };
            let mut other = packet.clone();
            prop_assert_eq!(pseudo_l4(&mut packet), pseudo_other(&mut other));
            prop_assert_eq!(packet, other);
        }

        #[test]
        fn a_change_of_addresses_crosses_families(old in any::<[u8; 4]>(), new in any::<[u8; 16]>(), rest in any::<u16>()) {
            let (old, new) = (Addr::v4(old), Addr::v6(new));
            let before = Sum::ZERO.addr(old).word(rest).checksum();
            let after = Change::NONE.addr(old, new).apply(before);
            prop_assert!(Sum::ZERO.addr(new).word(rest).word(after).is_valid());
        }
    }
}

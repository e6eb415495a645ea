//! Fragments of a packet of ours that is longer than the path allows (RFC 791 3.2, RFC 8200 4.5). Only ever sent, and
//! only where the sender of what we carry allowed it; fragments that arrive are dropped by name.

use super::checksum;
use super::field::{be16, put16};
use super::{ipv4, ipv6};

/// Bytes of IPv6's fragment header.
const FRAGMENT_HEADER_LEN: usize = 8;
/// The number of that header.
const FRAGMENT_NEXT: u8 = 44;
/// IPv4: more fragments follow.
const MORE: u16 = 0x2000;

/// One fragment to be written: a part of a packet's bytes behind its IP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Where the part starts behind the IP header; a multiple of eight.
    at: usize,
    /// Its bytes.
    len: usize,
    /// Whether it is the last.
    last: bool,
    /// Bytes of IP headers in front of it.
    headers: usize,
    /// What all fragments of one packet share.
    id: u32,
}

/// The parts of the IP packet `packet`, whole and with its checksums, that fit through `mtu`; none where not even eight
/// bytes would. `id` tells this packet's fragments from another's.
pub fn fragments(packet: &[u8], mtu: usize, id: u32) -> impl Iterator<Item = Fragment> + use<> {
    let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let (ip, headers) = match v4 {
        true => (ipv4::HEADER_LEN, ipv4::HEADER_LEN),
        false => (ipv6::HEADER_LEN, ipv6::HEADER_LEN + FRAGMENT_HEADER_LEN),
    };
    let (total, step) = (packet.len().saturating_sub(ip), mtu.saturating_sub(headers) / 8 * 8);
    let count = if step == 0 { 0 } else { total.div_ceil(step) };
    (0..count).map(move |part| {
        let at = part * step;
        Fragment { at, len: step.min(total - at), last: part + 1 == count, headers, id }
    })
}

impl Fragment {
    /// Bytes of the IP packet.
    pub const fn packet_len(&self) -> usize {
        self.headers + self.len
    }

    /// Writes the fragment of `whole` into `out`, complete; nothing where `out` is not `packet_len` bytes long.
    pub fn emit(&self, whole: &[u8], out: &mut [u8]) {
        if out.len() != self.packet_len() {
            return;
        }
        let v4 = self.headers == ipv4::HEADER_LEN;
        let ip = if v4 { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
        let Some((header, body)) = whole.split_at_checked(ip) else { return };
        let Some(part) = body.get(self.at..self.at + self.len) else { return };
        out[..ip].copy_from_slice(header);
        out[self.headers..].copy_from_slice(part);
        if v4 { self.finish_v4(out) } else { self.finish_v6(out, header[6]) }
    }

    fn finish_v4(&self, out: &mut [u8]) {
        let total = out.len() as u16;
        let Some(header) = out.first_chunk_mut::<{ ipv4::HEADER_LEN }>() else { return };
        put16(header, 2, total);
        put16(header, 4, self.id as u16);
        put16(header, 6, (self.at / 8) as u16 | if self.last { 0 } else { MORE });
        checksum::fill_ip(out);
    }

    fn finish_v6(&self, out: &mut [u8], next: u8) {
        let payload = (out.len() - ipv6::HEADER_LEN) as u16;
        let Some((header, behind)) = out.split_first_chunk_mut::<{ ipv6::HEADER_LEN }>() else { return };
        put16(header, 4, payload);
        header[6] = FRAGMENT_NEXT;
        let Some(fragment) = behind.first_chunk_mut::<FRAGMENT_HEADER_LEN>() else { return };
        fragment[0] = next;
        fragment[1] = 0;
        put16(fragment, 2, self.at as u16 | u16::from(!self.last));
        fragment[4..].copy_from_slice(&self.id.to_be_bytes());
    }
}

/// Whether the sender of an IPv4 packet lets routers fragment it; IPv6 never does.
#[inline(always)]
pub fn may_be_fragmented(packet: &[u8]) -> bool {
    packet.first_chunk::<8>().is_some_and(|header| header[0] >> 4 == 4 && be16(header, 6) & 0x4000 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::frames::eth;
    use proptest::prelude::*;

    /// Puts fragments together again, as a host would.
    fn reassemble(parts: &[Vec<u8>], headers: usize) -> Vec<u8> {
        let v4 = headers == 20;
        let mut whole = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let field = if v4 { [part[6], part[7]] } else { [part[42], part[43]] };
            let field = u16::from_be_bytes(field);
            let (at, more) = if v4 {
                (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0)
            } else {
                (usize::from(field & 0xfff8), field & 1 != 0)
            };
            assert_eq!((at, more), (whole.len(), index + 1 < parts.len()));
            whole.extend(&part[headers..]);
        }
        whole
    }

    proptest! {
        #[test]
        fn fragments_fit_and_make_up_the_packet(v4 in any::<bool>(), payload in 0usize..4_000, mtu in 576usize..1_501) {
            let ip = if v4 { eth().ip4("10.0.0.1", "10.0.0.2") } else { eth().ip6("2001:db8::1", "2001:db8::2") };
            let bytes: Vec<u8> = (0..payload).map(|at| at as u8).collect();
            let frame = ip.udp(7, 9).payload(&bytes).bytes();
            let packet = &frame[14..];
            let (ip, headers) = if v4 { (20, 20) } else { (40, 48) };
            let parts: Vec<_> = fragments(packet, mtu, 77).map(|fragment| {
                let mut out = vec![0; fragment.packet_len()];
                fragment.emit(packet, &mut out);
                out
            }).collect();
            prop_assert!(parts.iter().all(|part| part.len() <= mtu && part.len() > headers));
            prop_assert_eq!(&reassemble(&parts, headers)[..], &packet[ip..]);
            let next = if v4 { 9 } else { 40 };
            prop_assert!(parts.iter().all(|part| part[next] == 17));
        }
    }

    #[test]
    fn a_path_too_narrow_for_any_byte_gives_no_fragments() {
        let frame = eth().ip4("10.0.0.1", "10.0.0.2").udp(7, 9).payload(&[1; 100]).bytes();
        assert_eq!(fragments(&frame[14..], 27, 1).count(), 0);
        assert!(!may_be_fragmented(&frame[14..]));
        let frame = eth().ip4("10.0.0.1", "10.0.0.2").fragment_field(0).udp(7, 9).bytes();
        assert!(may_be_fragmented(&frame[14..]));
    }
}

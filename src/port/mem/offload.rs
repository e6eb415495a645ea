//! The checksum engine of an imagined device: what real ones do with `RxMeta` and `TxMeta`, done plainly.
//!
//! It shares no code with `wire::checksum`, so that the two can be held against each other. It never panics: a frame
//! that it cannot read is left alone, as a device would.

use crate::port::TxMeta;
use crate::wire::ChecksumState;

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where layer 4 lies in a frame.
struct Layout {
    ipv6: bool,
    ip: usize,
    l4: usize,
    end: usize,
    protocol: u8,
}

/// The state of a frame's IPv4 header checksum and of its TCP or UDP checksum.
pub(super) fn verify(frame: &[u8]) -> (ChecksumState, ChecksumState) {
    let Some(layout) = layout(frame) else { return (ChecksumState::Unknown, ChecksumState::Unknown) };
    let ip = if layout.ipv6 { ChecksumState::Unknown } else { state(sum(&frame[layout.ip..layout.l4], 0)) };
    let l4 = match layout.protocol {
        UDP if frame.get(layout.l4 + 6..layout.l4 + 8) == Some(&[0, 0]) => ChecksumState::Unknown,
        TCP | UDP => state(sum(&frame[layout.l4..layout.end], pseudo(frame, &layout))),
        _ => ChecksumState::Unknown,
    };
    (ip, l4)
}

/// Fills in what `meta` asks for. Returns `false`, and may have changed nothing, when the frame is not what `meta`
/// says it is.
pub(super) fn fill(frame: &mut [u8], meta: TxMeta) -> bool {
    let (ip, l4) = (usize::from(meta.l2_len), usize::from(meta.l2_len) + usize::from(meta.l3_len));
    if meta.ip_checksum {
        let Some(header) = frame.get_mut(ip..l4).filter(|header| header.len() >= 20) else { return false };
        header[10..12].fill(0);
        let checksum = !sum(header, 0);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    if meta.tcp_checksum {
        let Some(end) = packet_end(frame, ip, meta.ipv6) else { return false };
        let Some(segment) = frame.get_mut(l4..end).filter(|segment| segment.len() >= 20) else {
            return false;
        };
        // The field holds the pseudo-header's sum, and is summed with the rest.
        let checksum = !sum(segment, 0);
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    }
    true
}

fn layout(frame: &[u8]) -> Option<Layout> {
    let ip = ETHERNET_LEN;
    let ipv6 = match frame.get(12..14)? {
        [0x08, 0x00] => false,
        [0x86, 0xdd] => true,
        _ => return None,
    };
    let header_len = if ipv6 { IPV6_LEN } else { usize::from(frame.get(ip)? & 0x0f) * 4 };
    let (end, l4) = (packet_end(frame, ip, ipv6)?, ip + header_len);
    if header_len < 20 || l4 > end || is_fragment(frame, ip, ipv6) {
        return None;
    }
    let protocol = frame[if ipv6 { ip + 6 } else { ip + 9 }];
    Some(Layout { ipv6, ip, l4, end, protocol })
}

/// Where the IP packet at `ip` ends by its own length field; `None` when the frame is shorter.
fn packet_end(frame: &[u8], ip: usize, ipv6: bool) -> Option<usize> {
    let field = if ipv6 { ip + 4 } else { ip + 2 };
    let len = u16::from_be_bytes(frame.get(field..field + 2)?.try_into().ok()?);
    let end = ip + usize::from(len) + if ipv6 { IPV6_LEN } else { 0 };
    (end <= frame.len() && end >= ip + 20).then_some(end)
}

fn is_fragment(frame: &[u8], ip: usize, ipv6: bool) -> bool {
    !ipv6 && (frame[ip + 6] & 0x3f != 0 || frame[ip + 7] != 0)
}

fn pseudo(frame: &[u8], layout: &Layout) -> u16 {
    let addresses = if layout.ipv6 { layout.ip + 8..layout.ip + 40 } else { layout.ip + 12..layout.ip + 20 };
    let mut tail = [0; 4];
    tail[..2].copy_from_slice(&((layout.end - layout.l4) as u16).to_be_bytes());
    tail[3] = layout.protocol;
    sum(&tail, sum(&frame[addresses], 0))
}

/// The ones' complement sum of 16-bit words (RFC 1071), not complemented.
pub(super) fn sum(bytes: &[u8], start: u16) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum = bytes.chunks(2).map(word).fold(u32::from(start), |sum, word| sum.wrapping_add(word));
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

const fn state(sum: u16) -> ChecksumState {
    if sum == 0xffff { ChecksumState::Good } else { ChecksumState::Bad }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::checksum;
    use proptest::prelude::*;

    /// A TCP segment in an IP packet in a frame, with padding behind it and no checksums.
    fn bare(ipv6: bool, segment: &[u8], padding: usize) -> Vec<u8> {
        let len = segment.len() as u16;
        let mut frame = vec![0; ETHERNET_LEN];
        if ipv6 {
            frame[12..].copy_from_slice(&[0x86, 0xdd]);
            frame.extend([&[0x60, 0, 0, 0], &len.to_be_bytes()[..], &[TCP, 64]].concat());
            frame.extend((0..32).map(|byte| byte * 7 + 1));
        } else {
            frame[12..].copy_from_slice(&[0x08, 0x00]);
            frame.extend(
                [&[0x45, 0], &(len + 20).to_be_bytes()[..], &[0, 9, 0x40, 0, 64, TCP, 0, 0]].concat(),
            );
            frame.extend([198, 51, 100, 10, 192, 0, 2, 1]);
        }
        frame.extend(segment);
        frame.extend(vec![0xa5; padding]);
        frame
    }

    proptest! {
        #[test]
        fn device_and_software_fill_in_the_same_checksums(
            ipv6 in any::<bool>(),
            segment in prop::collection::vec(any::<u8>(), 20..200),
            padding in 0usize..9,
        ) {
            let mut by_software = bare(ipv6, &segment, padding);
            let mut by_device = by_software.clone();
            checksum::finish_ip_tcp(&mut by_software[ETHERNET_LEN..]);
            // What lies in the IPv4 field before does not matter.
            by_device[24] = if ipv6 { by_device[24] } else { 0x5a };
            prop_assert_eq!(checksum::pseudo_l4(&mut by_device[ETHERNET_LEN..]), checksum::L4Fill::Device);
            let l3_len = if ipv6 { 40 } else { 20 };
            let asked = TxMeta { ip_checksum: !ipv6, tcp_checksum: true, ..TxMeta::default() };
            let meta = TxMeta { l2_len: 14, l3_len, ipv6, ..asked };
            prop_assert!(fill(&mut by_device, meta));
            prop_assert_eq!(&by_device, &by_software);
            let ip = if ipv6 { ChecksumState::Unknown } else { ChecksumState::Good };
            prop_assert_eq!(verify(&by_software), (ip, ChecksumState::Good));
        }

        #[test]
        fn any_flipped_bit_of_the_segment_is_found(ipv6 in any::<bool>(), bit in 0usize..20 * 8) {
            let mut frame = bare(ipv6, &[7; 20], 0);
            checksum::finish_ip_tcp(&mut frame[ETHERNET_LEN..]);
            let start = frame.len() - 20;
            frame[start + bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify(&frame).1, ChecksumState::Bad);
        }
    }
}

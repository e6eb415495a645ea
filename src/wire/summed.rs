//! A segment of our own over IPv4, its headers put together in words, both checksums summed on the way, and then written once:
//! what a SYN-ACK with a cookie needs, of which there may be millions a second. Nothing written is read back.

use super::checksum::Sum;
use super::field::{put, put16};
use super::tcp::{self, TcpEmit};
use super::tcp_options::OPTION_WORDS_MAX;
use super::{ethernet, ipv4};

/// Where layer 4 starts in a packet.
const TCP_AT: usize = ipv4::HEADER_LEN;
/// Bytes of both headers without options.
const HEADERS_LEN: usize = TCP_AT + tcp::HEADER_LEN;

impl TcpEmit {
    /// Bytes of the frame that holds it.
    #[inline]
    pub const fn frame_len(&self) -> usize {
        ethernet::HEADER_LEN + self.packet_len()
    }

    /// Whether `emit_summed` can write it: IPv4, no payload, no SACK blocks.
    #[inline(always)]
    pub const fn is_summed(&self) -> bool {
        self.src.addr.is_v4()
            && self.dst.addr.is_v4()
            && self.payload_len == 0
            && self.options.sack.is_empty()
    }

    /// Writes the packet with its checksums, of which `is_summed` says that this can; nothing where `packet` is shorter than
    /// `packet_len`.
    #[inline(always)]
    pub fn emit_summed(&self, packet: &mut [u8]) {
        let (words, count) = self.options.words();
        let Some((head, options)) = packet.split_first_chunk_mut::<HEADERS_LEN>() else { return };
        let Some(options) = options.get_mut(..4 * count) else { return };
        let tcp_len = (tcp::HEADER_LEN + 4 * count) as u16;
        let (src, dst) = (self.src.addr, self.dst.addr);
        let fields = ipv4::Fields {
            class: 0,
            fragment: (0, ipv4::DONT_FRAGMENT),
            ttl: ipv4::TTL,
            protocol: tcp::PROTOCOL,
            total_len: TCP_AT as u16 + tcp_len,
            addrs: (u64::from(src.bits() as u32) << 32 | u64::from(dst.bits() as u32)).to_be(),
        };
        let ports = u32::from(self.src.port) << 16 | u32::from(self.dst.port);
        let offset = u32::from(tcp_len / 4) << 28;
        let shape = offset | u32::from(self.flags.0) << 16 | u32::from(self.window);
        let mut sum = Sum::ZERO.pseudo(src, dst, tcp::PROTOCOL, tcp_len).word32(ports).word32(shape);
        sum = sum.word32(self.seq).word32(self.ack);
        for (to, word) in options.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            sum = sum.word32(word);
            *to = word.to_be_bytes();
        }
        let Some((ip, tcp)) = head.split_first_chunk_mut::<TCP_AT>() else { return };
        fields.write(ip);
        let Some(tcp) = tcp.first_chunk_mut::<{ tcp::HEADER_LEN }>() else { return };
        put(tcp, 0, ports.to_be_bytes());
        put(tcp, 4, self.seq.to_be_bytes());
        put(tcp, 8, self.ack.to_be_bytes());
        put(tcp, 12, shape.to_be_bytes());
        put16(tcp, 16, sum.checksum());
        put16(tcp, 18, 0);
    }
}

const _: () = assert!(OPTION_WORDS_MAX * 4 <= super::tcp_options::LEN_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint};
    use crate::wire::checksum::finish_ip_tcp;
    use crate::wire::{TcpFlags, TcpOptions};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_summed_segment_is_the_one_that_is_written_and_filled(
            addrs in any::<(u32, u32)>(), ports in any::<(u16, u16)>(), numbers in any::<(u32, u32)>(),
            flags in any::<u8>(), window in any::<u16>(), mss in any::<Option<u16>>(),
            window_shift in prop::option::of(0u8..15), sack_permitted in any::<bool>(), timestamp in any::<Option<(u32, u32)>>(),
        ) {
            let end = |addr: u32, port| Endpoint { addr: Addr::v4(addr.to_be_bytes()), port };
            let (src, dst) = (end(addrs.0, ports.0), end(addrs.1, ports.1));
            let options = TcpOptions { mss, window_shift, sack_permitted, timestamp, ..TcpOptions::NONE };
            let segment = TcpEmit { window, options, ..TcpEmit::bare(src, dst, TcpFlags(flags), numbers) };
            prop_assert!(segment.is_summed());
            let (mut own, mut filled) = ([0xaa; 100], [0xaa; 100]);
            let len = segment.packet_len();
            segment.emit_summed(&mut own);
            let _ = segment.emit(&mut filled[..len]);
            finish_ip_tcp(&mut filled[..len]);
            prop_assert_eq!(own, filled);
        }
    }
}

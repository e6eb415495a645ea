//! The TCP header (RFC 9293 3.1): read for `parse`, and written with its IP header for what byway sends by itself.
//!
//! ```text
//!  0       2       4     8     12    13     14      16        18      20        off*4
//!  +-------+-------+-----+-----+-----+------+-------+---------+-------+---------+--------
//!  | sport | dport | seq | ack | off | flags| window| checksum| urgent| options | payload
//!  +-------+-------+-----+-----+-----+------+-------+---------+-------+---------+--------
//! ```

use super::field::{be16, be32, put};
use super::headers::TcpFlags;
use super::tcp_options::{STAMPS_LEN, TIMESTAMP_ALIGNED, TcpOptions};
use super::{ipv4, ipv6};
use crate::base::{DropReason, Endpoint};
use std::fmt;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Bytes of the longest header.
pub const HEADER_LEN_MAX: usize = 60;
/// The IP protocol number.
pub const PROTOCOL: u8 = 6;

/// The fixed fields of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Bytes of the header, options included.
    pub header_len: u8,
    /// The flags.
    pub flags: TcpFlags,
    /// The window, unscaled.
    pub window: u16,
}

impl Header {
    /// Reads the header at the front of `segment`. Its checksum is the caller's business.
    #[inline(always)]
    pub fn parse(segment: &[u8]) -> Result<Self, DropReason> {
        let header = segment.first_chunk::<HEADER_LEN>().ok_or(DropReason::TcpHeaderBad)?;
        let header_len = (header[12] >> 4) * 4;
        let (src_port, dst_port) = (be16(header, 0), be16(header, 2));
        // RFC 6335 6: port 0 is reserved; no connection has it, and smoltcp takes none.
        if src_port == 0 || dst_port == 0 {
            return Err(DropReason::TcpHeaderBad);
        }
        if usize::from(header_len) < HEADER_LEN || usize::from(header_len) > segment.len() {
            return Err(DropReason::TcpHeaderBad);
        }
        Ok(Self {
            src_port,
            dst_port,
            seq: be32(header, 4),
            ack: be32(header, 8),
            header_len,
            flags: TcpFlags(header[13]),
            window: be16(header, 14),
        })
    }
}

/// One bit for each set of the lower six flags that a TCP may send: at most one of SYN, FIN and RST, and only SYN and
/// RST come without ACK (RFC 9293 3.10.7.4: a segment without ACK is dropped).
const FLAGS_ALLOWED: u64 = {
    let mut allowed = 0;
    let mut flags = 0;
    while flags < 64 {
        let broken = (flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST)).count_ones() > 1;
        let idle = flags & (TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK) == 0;
        if !broken && !idle {
            allowed |= 1 << flags;
        }
        flags += 1;
    }
    allowed
};

/// Whether some TCP sends these flags together.
#[inline(always)]
pub const fn flags_allowed(flags: TcpFlags) -> bool {
    FLAGS_ALLOWED >> (flags.0 & 0x3f) & 1 == 1
}

/// A whole packet to be written: IP header, TCP header, options, room for a payload.
///
/// Checksums stay zero; `checksum::finish_ip_tcp` or the device fills them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpEmit {
    /// From where; of the same family as `dst`.
    pub src: Endpoint,
    /// To where.
    pub dst: Endpoint,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; zero without ACK.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window field as it goes out, unscaled.
    pub window: u16,
    /// The options.
    pub options: TcpOptions,
    /// Bytes of payload that the caller writes behind the headers.
    pub payload_len: u16,
}

impl TcpEmit {
    /// A segment without options and payload.
    #[inline]
    pub const fn bare(src: Endpoint, dst: Endpoint, flags: TcpFlags, (seq, ack): (u32, u32)) -> Self {
        Self { src, dst, seq, ack, flags, window: 0, options: TcpOptions::NONE, payload_len: 0 }
    }

    /// Bytes of the IP header.
    #[inline]
    pub const fn ip_header_len(&self) -> usize {
        if self.src.addr.is_v4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN }
    }

    /// Bytes of all headers: where the payload starts.
    #[inline]
    pub const fn headers_len(&self) -> usize {
        self.ip_header_len() + HEADER_LEN + self.options.emit_len()
    }

    /// Bytes of the whole IP packet.
    #[inline]
    pub const fn packet_len(&self) -> usize {
        self.headers_len() + self.payload_len as usize
    }

    /// Writes the headers at the front of `packet` and returns the rest, where the payload goes. `None`, and nothing
    /// written, where `packet` is shorter than `packet_len`.
    pub fn emit<'a>(&self, packet: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let stamps = self.options.lone_timestamps();
        let options_len = if stamps.is_some() { STAMPS_LEN } else { self.options.emit_len() };
        let tcp_len = HEADER_LEN + options_len + usize::from(self.payload_len);
        let packet = packet.get_mut(..self.ip_header_len() + tcp_len)?;
        let (ip, tcp) = packet.split_at_mut_checked(self.ip_header_len())?;
        self.emit_ip(ip, tcp_len as u16);
        let (header, behind) = tcp.split_first_chunk_mut::<HEADER_LEN>()?;
        let ports = u32::from(self.src.port) << 16 | u32::from(self.dst.port);
        let offset = ((HEADER_LEN + options_len) / 4) as u32;
        put(header, 0, ports.to_be_bytes());
        put(header, 4, self.seq.to_be_bytes());
        put(header, 8, self.ack.to_be_bytes());
        put(
            header,
            12,
            (offset << 28 | u32::from(self.flags.0) << 16 | u32::from(self.window)).to_be_bytes(),
        );
        put(header, 16, [0; 4]);
        let (options, payload) = behind.split_at_mut_checked(options_len)?;
        match stamps {
            Some((value, echo)) => {
                if let Some(options) = options.first_chunk_mut::<STAMPS_LEN>() {
                    put(options, 0, TIMESTAMP_ALIGNED);
                    put(options, 4, value.to_be_bytes());
                    put(options, 8, echo.to_be_bytes());
                }
            }
            None => self.options.emit(options),
        }
        Some(payload)
    }

    #[inline(always)]
    fn emit_ip(&self, ip: &mut [u8], tcp_len: u16) {
        let (src, dst) = (self.src.addr, self.dst.addr);
        if let Some(header) = ip.first_chunk_mut::<{ ipv6::HEADER_LEN }>() {
            let next = PROTOCOL;
            ipv6::Header { src, dst, next, hop_limit: ipv6::HOP_LIMIT, payload_len: tcp_len }.emit(header);
        } else if let Some(header) = ip.first_chunk_mut::<{ ipv4::HEADER_LEN }>() {
            let total_len = ipv4::HEADER_LEN as u16 + tcp_len;
            ipv4::Header { src, dst, protocol: PROTOCOL, total_len }.emit(header);
        }
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(u8, char); 8] =
            [(1, 'F'), (2, 'S'), (4, 'R'), (8, 'P'), (16, '.'), (32, 'U'), (64, 'E'), (128, 'W')];
        for (bit, name) in NAMES {
            if self.has(bit) {
                write!(f, "{name}")?;
            }
        }
        if self.0 == 0 { f.write_str("none") } else { Ok(()) }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src_port, dst_port, seq, ack, flags, window, header_len: _ } = self;
        write!(f, "TCP {src_port} > {dst_port} [{flags}] seq {seq} ack {ack} win {window}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    fn endpoints() -> (Endpoint, Endpoint) {
        let src = Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: 4000 };
        (src, Endpoint { addr: Addr::v4([198, 51, 100, 10]), port: 22 })
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let (src, dst) = endpoints();
        let options = TcpOptions { mss: Some(1460), ..TcpOptions::NONE };
        let flags = TcpFlags(TcpFlags::SYN);
        let sent = TcpEmit { window: 512, options, payload_len: 3, ..TcpEmit::bare(src, dst, flags, (7, 9)) };
        let mut packet = [0xaa; 64];
        let payload = sent.emit(&mut packet).expect("room");
        assert_eq!(payload.len(), 3);
        let read = Header::parse(&packet[20..sent.packet_len()]).expect("a header");
        assert_eq!((read.src_port, read.dst_port, read.seq, read.ack), (4000, 22, 7, 9));
        assert_eq!((read.header_len, read.flags, read.window), (24, flags, 512));
        assert_eq!(TcpOptions::parse(&packet[40..44]), Ok(options));
        assert_eq!(read.to_string(), "TCP 4000 > 22 [S] seq 7 ack 9 win 512");
    }

    #[test]
    fn a_slice_too_short_is_left_alone() {
        let (src, dst) = endpoints();
        let mut packet = [0xaa; 39];
        assert!(TcpEmit::bare(src, dst, TcpFlags(TcpFlags::RST), (1, 0)).emit(&mut packet).is_none());
        assert_eq!(packet, [0xaa; 39]);
    }

    #[test]
    fn data_offsets_that_lie_are_refused() {
        let mut segment = [1; 24];
        for words in 0..16u8 {
            segment[12] = words << 4;
            let read = Header::parse(&segment).map(|header| header.header_len);
            let expected =
                if (5..=6).contains(&words) { Ok(words * 4) } else { Err(DropReason::TcpHeaderBad) };
            assert_eq!(read, expected, "{words}");
        }
    }

    #[test]
    fn only_flags_that_a_tcp_sends_are_allowed() {
        for allowed in ["S", "SE", "SEW", "S.", "R", "R.", ".", "P.", "F.", "FP.", "U."] {
            assert!(flags_allowed(flags_of(allowed)), "{allowed}");
        }
        for refused in ["", "F", "P", "U", "FPU", "SF", "SR", "SF.", "SR.", "FR.", "FSRP.U"] {
            assert!(!flags_allowed(flags_of(refused)), "{refused}");
        }
    }

    fn flags_of(text: &str) -> TcpFlags {
        let bit = |flag| 1 << "FSRP.UEW".find(flag).expect("a flag");
        TcpFlags(text.chars().map(bit).sum())
    }
}

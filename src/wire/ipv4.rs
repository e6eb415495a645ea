//! The IPv4 header (RFC 791 3.1). byway takes and sends only the plain one of 20 bytes: options and fragments are
//! dropped by name.
//!
//! ```text
//!  0      1     2           4      6           8     9      10        12    16    20
//!  +------+-----+-----------+------+-----------+-----+------+---------+-----+-----+
//!  | v+ihl| tos | total len | id   | flags+off | ttl | prot | checksum| src | dst |
//!  +------+-----+-----------+------+-----------+-----+------+---------+-----+-----+
//! ```

use super::checksum::Sum;
use super::field::{be16, octets, put, put16};
use super::headers::ChecksumState;
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Where the two addresses lie: the last field in front of layer 4.
pub(super) const ADDRS_AT: usize = 12;
/// Bytes of both addresses.
pub(super) const ADDRS_LEN: usize = 8;
/// Version 4 and a header of five words.
pub const VERSION_IHL: u8 = 0x45;
/// Time to live of what we send (RFC 1700's default).
pub const TTL: u8 = 64;
/// Do not fragment (RFC 791 3.1, flags).
pub(super) const DONT_FRAGMENT: u16 = 0x4000;
/// The bits that make a packet a fragment: more fragments, or an offset.
pub(super) const FRAGMENT_BITS: u16 = 0x3fff;

/// What byway needs of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Who sent it.
    pub src: Addr,
    /// To whom.
    pub dst: Addr,
    /// The upper-layer protocol.
    pub protocol: u8,
    /// Bytes of the packet, this header included.
    pub total_len: u16,
}

impl Header {
    /// Reads the header at the front of `packet`, which may carry padding behind its total length.
    #[inline(always)]
    pub fn parse(packet: &[u8], checksum: ChecksumState) -> Result<Self, DropReason> {
        let header = packet.first_chunk::<HEADER_LEN>().ok_or(DropReason::FrameTruncated)?;
        if header[0] != VERSION_IHL {
            return Err(unusual(packet, header, checksum));
        }
        let total_len = be16(header, 2);
        if usize::from(total_len) < HEADER_LEN {
            return Err(DropReason::Ipv4HeaderBad);
        }
        if usize::from(total_len) > packet.len() {
            return Err(DropReason::FrameTruncated);
        }
        match checksum {
            ChecksumState::Good => {}
            ChecksumState::Unknown if Sum::ZERO.header(header).is_valid() => {}
            ChecksumState::Unknown | ChecksumState::Bad => return Err(DropReason::Ipv4ChecksumBad),
        }
        if be16(header, 6) & FRAGMENT_BITS != 0 {
            return Err(DropReason::Ipv4Fragment);
        }
        let (src, dst) = (Addr::v4(octets(header, 12)), Addr::v4(octets(header, 16)));
        Ok(Self { src, dst, protocol: header[9], total_len })
    }

    /// Writes the header, checksum left zero. Never to be fragmented, so the identification may be zero (RFC 6864).
    #[inline]
    pub fn emit(&self, header: &mut [u8; HEADER_LEN]) {
        *header = [0; HEADER_LEN];
        header[0] = VERSION_IHL;
        put16(header, 2, self.total_len);
        put16(header, 6, DONT_FRAGMENT);
        header[8] = TTL;
        header[9] = self.protocol;
        put(header, 12, (self.src.bits() as u32).to_be_bytes());
        put(header, 16, (self.dst.bits() as u32).to_be_bytes());
    }
}

/// The fields of a header that a forwarded packet leaves with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The traffic class.
    pub class: u8,
    /// Identification, and the flags and offset behind it.
    pub fragment: (u16, u16),
    /// Hops that it may yet go.
    pub ttl: u8,
    /// The upper-layer protocol.
    pub protocol: u8,
    /// Bytes of the packet, this header included.
    pub total_len: u16,
    /// Source and destination, as they stand in the header.
    pub addrs: u64,
}

impl Fields {
    /// Writes the header with its checksum. It is put together in words and summed before it is written: to read back
    /// what was just written in bytes takes longer than all the rest.
    #[inline(always)]
    pub fn write(&self, header: &mut [u8; HEADER_LEN]) {
        let Self { class, fragment: (id, flags), ttl, protocol, total_len, addrs } = *self;
        let shape = u32::from(VERSION_IHL) << 24 | u32::from(class) << 16 | u32::from(total_len);
        let head = (u64::from(shape) << 32 | u64::from(id) << 16 | u64::from(flags)).to_be();
        let middle = u32::from(ttl) << 24 | u32::from(protocol) << 16;
        let sum = Sum::ZERO.raw64(head).raw32(middle.to_be()).raw64(addrs).checksum();
        put(header, 0, head.to_ne_bytes());
        put(header, 8, (middle | u32::from(sum)).to_be_bytes());
        put(header, ADDRS_AT, addrs.to_ne_bytes());
    }
}

/// Why a header that is not of version 4 and five words dies. Options are judged only once the rest is sound.
#[cold]
#[inline(never)]
fn unusual(packet: &[u8], header: &[u8; HEADER_LEN], checksum: ChecksumState) -> DropReason {
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total_len = usize::from(be16(header, 2));
    if header[0] >> 4 != 4 || header_len < HEADER_LEN || total_len < header_len {
        return DropReason::Ipv4HeaderBad;
    }
    let Some(whole) = packet.get(..total_len).and_then(|packet| packet.get(..header_len)) else {
        return DropReason::FrameTruncated;
    };
    match checksum {
        ChecksumState::Good => DropReason::Ipv4Options,
        ChecksumState::Unknown if Sum::ZERO.bytes(whole).is_valid() => DropReason::Ipv4Options,
        ChecksumState::Unknown | ChecksumState::Bad => DropReason::Ipv4ChecksumBad,
    }
}

/// Brings the checksum of a header without options up to date.
#[inline]
pub fn fill_checksum(header: &mut [u8; HEADER_LEN]) {
    put16(header, 10, 0);
    put16(header, 10, Sum::ZERO.header(header).checksum());
}

/// Whether an address can be no single host: 0/8 (RFC 1122 3.2.1.3), loopback, multicast, 240/4 and broadcast.
#[inline(always)]
pub const fn is_martian(addr: Addr) -> bool {
    MARTIAN[addr.bits() as u32 as usize >> 24]
}

/// Whether two addresses, source and destination in one word in host order, are two single hosts.
#[inline(always)]
pub(super) const fn are_hosts(addrs: u64) -> bool {
    let (src, dst) = ((addrs >> 32) as u32, addrs as u32);
    !(MARTIAN[src as usize >> 24] | MARTIAN[dst as usize >> 24]) & (src != dst)
}

/// By first octet.
static MARTIAN: [bool; 256] = {
    let mut martian = [false; 256];
    let mut first = 0;
    while first < 256 {
        martian[first] = first == 0 || first == 127 || first >= 224;
        first += 1;
    }
    martian
};

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} protocol {} len {}", self.src, self.dst, self.protocol, self.total_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            src: Addr::v4([192, 0, 2, 1]),
            dst: Addr::v4([198, 51, 100, 10]),
            protocol: 6,
            total_len: 20,
        }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let mut bytes = [0; HEADER_LEN];
        sample().emit(&mut bytes);
        fill_checksum(&mut bytes);
        assert_eq!(Header::parse(&bytes, ChecksumState::Unknown), Ok(sample()));
        assert_eq!(sample().to_string(), "192.0.2.1 > 198.51.100.10 protocol 6 len 20");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = [0; HEADER_LEN];
        sample().emit(&mut bytes);
        fill_checksum(&mut bytes);
        for bit in 0..HEADER_LEN * 8 {
            let mut broken = bytes;
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::parse(&broken, ChecksumState::Unknown).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn martians_are_the_ranges_that_name_no_single_host() {
        for (first, martian) in [(0, true), (1, false), (126, false), (127, true), (128, false), (223, false)]
        {
            assert_eq!(is_martian(Addr::v4([first, 1, 2, 3])), martian, "{first}");
        }
        assert!((224..=255).all(|first| is_martian(Addr::v4([first, 255, 255, 255]))));
    }
}

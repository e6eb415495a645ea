//! The UDP header (RFC 768).
//!
//! ```text
//!  0          2          4        6          8
//!  +----------+----------+--------+----------+---------
//!  | src port | dst port | length | checksum | payload
//!  +----------+----------+--------+----------+---------
//! ```

use super::checksum::Sum;
use super::field::{be16, put16};
use super::headers::ChecksumState;
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// The IP protocol number.
pub const PROTOCOL: u8 = 17;

/// The header's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// Bytes of header and payload.
    pub len: u16,
    /// The checksum; zero where the sender made none.
    pub checksum: u16,
}

impl Header {
    /// Reads the header at the front of `datagram`, which may go on behind the header's own length.
    #[inline]
    pub fn parse(datagram: &[u8]) -> Result<Self, DropReason> {
        let header = datagram.first_chunk::<HEADER_LEN>().ok_or(DropReason::UdpHeaderBad)?;
        let len = be16(header, 4);
        if usize::from(len) < HEADER_LEN || usize::from(len) > datagram.len() {
            return Err(DropReason::UdpHeaderBad);
        }
        Ok(Self { src_port: be16(header, 0), dst_port: be16(header, 2), len, checksum: be16(header, 6) })
    }

    /// Checks the checksum of `datagram`, from which this header was read. RFC 768 lets IPv4 go without one; RFC 8200
    /// 8.1 does not let IPv6.
    #[inline]
    pub fn verify(
        &self,
        datagram: &[u8],
        (src, dst): (Addr, Addr),
        known: ChecksumState,
    ) -> Result<(), DropReason> {
        if self.checksum == 0 {
            return if src.is_v4() { Ok(()) } else { Err(DropReason::UdpChecksumBad) };
        }
        let covered = datagram.get(..usize::from(self.len)).ok_or(DropReason::UdpHeaderBad)?;
        match known {
            ChecksumState::Good => Ok(()),
            ChecksumState::Unknown
                if Sum::ZERO.pseudo(src, dst, PROTOCOL, self.len).bytes(covered).is_valid() =>
            {
                Ok(())
            }
            ChecksumState::Unknown | ChecksumState::Bad => Err(DropReason::UdpChecksumBad),
        }
    }

    /// Writes the header with the checksum as given.
    #[inline]
    pub fn emit(&self, header: &mut [u8; HEADER_LEN]) {
        put16(header, 0, self.src_port);
        put16(header, 2, self.dst_port);
        put16(header, 4, self.len);
        put16(header, 6, self.checksum);
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UDP {} > {} len {}", self.src_port, self.dst_port, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let header = Header { src_port: 53, dst_port: 4000, len: 8, checksum: 0 };
        let mut bytes = [0; HEADER_LEN];
        header.emit(&mut bytes);
        assert_eq!(Header::parse(&bytes), Ok(header));
        assert_eq!(header.to_string(), "UDP 53 > 4000 len 8");
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for len in [0u16, 7, 9, 65535] {
            let mut bytes = [0; HEADER_LEN];
            Header { src_port: 1, dst_port: 2, len, checksum: 0 }.emit(&mut bytes);
            assert_eq!(Header::parse(&bytes), Err(DropReason::UdpHeaderBad), "{len}");
        }
    }
}

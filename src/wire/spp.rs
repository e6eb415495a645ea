//! The Simple Proxy Protocol header (Spectrum, `simple-proxy-protocol-header`): who the client is, ahead of each datagram.
//!
//! ```text
//!  0       2              18              34            36           38
//!  +-------+--------------+---------------+-------------+------------+---------
//!  | 56 EC | client addr  | proxy addr    | client port | proxy port | payload
//!  +-------+--------------+---------------+-------------+------------+---------
//! ```
//! Addresses are IPv6, IPv4 in mapped form. The origin puts the same header ahead of each reply.

use super::field::{be16, octets, put, put16};
use crate::base::{Addr, Endpoint};
use std::fmt;

/// Bytes of the header.
pub const HEADER_LEN: usize = 38;
const MAGIC: u16 = 0x56ec;

/// The header's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The client.
    pub client: Endpoint,
    /// The edge address and port that the client reached.
    pub proxy: Endpoint,
}

impl Header {
    /// Reads the header at the front of `payload`; `None` where there is none.
    #[inline]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let header = payload.first_chunk::<HEADER_LEN>()?;
        if be16(header, 0) != MAGIC {
            return None;
        }
        let addr = |at| Addr::from_bits(u128::from_be_bytes(octets(header, at)));
        let client = Endpoint { addr: addr(2), port: be16(header, 34) };
        Some(Self { client, proxy: Endpoint { addr: addr(18), port: be16(header, 36) } })
    }

    /// The header's bytes.
    #[inline]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        put16(&mut header, 0, MAGIC);
        put(&mut header, 2, self.client.addr.bits().to_be_bytes());
        put(&mut header, 18, self.proxy.addr.bits().to_be_bytes());
        put16(&mut header, 34, self.client.port);
        put16(&mut header, 36, self.proxy.port);
        header
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SPP {} via {}", self.client, self.proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<std::net::SocketAddr>().expect("an endpoint").into()
    }

    #[test]
    fn the_documented_layout_comes_out_byte_for_byte() {
        let header = Header { client: endpoint("192.0.2.1:258"), proxy: endpoint("[2001:db8::9]:772") };
        let bytes = header.emit();
        assert_eq!(bytes[..2], [0x56, 0xec]);
        assert_eq!(bytes[2..18], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
        assert_eq!(bytes[18..34], [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(bytes[34..], [1, 2, 3, 4]);
        assert_eq!(header.to_string(), "SPP 192.0.2.1:258 via [2001:db8::9]:772");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_each_changed_bit_is_seen(
            addrs in any::<(u128, u128)>(), ports in any::<(u16, u16)>(), bit in 0usize..HEADER_LEN * 8,
        ) {
            let end = |bits, port| Endpoint { addr: Addr::from_bits(bits), port };
            let header = Header { client: end(addrs.0, ports.0), proxy: end(addrs.1, ports.1) };
            let mut bytes = header.emit();
            prop_assert_eq!(Header::parse(&bytes), Some(header));
            prop_assert_eq!(Header::parse(&bytes[..HEADER_LEN - 1]), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(Header::parse(&bytes), Some(header));
        }
    }
}

//! Ethernet II (IEEE 802.3 3.2): destination, source, EtherType.
//!
//! ```text
//!  0            6            12      14
//!  +------------+------------+-------+---------
//!  | dst        | src        | type  | payload
//!  +------------+------------+-------+---------
//! ```

use super::field::{be16, octets};
use super::headers::Family;
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of the header.
pub const HEADER_LEN: usize = 14;
/// The shortest frame without its check sequence; devices pad to it.
pub const FRAME_LEN_MIN: usize = 60;

/// A hardware address.
pub type Mac = [u8; 6];

/// A hardware address in a word, to be compared with `addressed`.
#[inline]
pub const fn station([a, b, c, d, e, f]: Mac) -> u64 {
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

/// To whom a frame goes that begins like this, in a word.
#[inline(always)]
pub const fn addressed(front: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*front) & station([0xff; 6])
}

/// Every station.
pub const BROADCAST: Mac = [0xff; 6];

/// What a frame of ours carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum EtherType {
    /// IPv4 (RFC 894).
    Ipv4 = 0x0800,
    /// ARP (RFC 826).
    Arp = 0x0806,
    /// IPv6 (RFC 2464).
    Ipv6 = 0x86dd,
}

impl EtherType {
    /// That of packets of a family.
    #[inline]
    pub const fn of(family: Family) -> Self {
        match family {
            Family::V4 => Self::Ipv4,
            Family::V6 => Self::Ipv6,
        }
    }

    /// From the number on the wire; tags and everything else by the name of their drop.
    #[inline(always)]
    pub const fn parse(number: u16) -> Result<Self, DropReason> {
        match number {
            0x0800 => Ok(Self::Ipv4),
            0x86dd => Ok(Self::Ipv6),
            0x0806 => Ok(Self::Arp),
            // 802.1Q, 802.1ad and the older number of stacked tags.
            0x8100 | 0x88a8 | 0x9100 => Err(DropReason::VlanTagged),
            _ => Err(DropReason::EtherTypeUnknown),
        }
    }
}

/// The header's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// To whom.
    pub dst: Mac,
    /// From whom.
    pub src: Mac,
    /// What follows.
    pub ether_type: EtherType,
}

impl Header {
    /// Reads the header at the front of `frame`.
    #[inline(always)]
    pub fn parse(frame: &[u8]) -> Result<Self, DropReason> {
        let header = frame.first_chunk::<HEADER_LEN>().ok_or(DropReason::FrameTruncated)?;
        let ether_type = EtherType::parse(be16(header, 12))?;
        Ok(Self { dst: octets(header, 0), src: octets(header, 6), ether_type })
    }

    /// Writes the header at the front of `frame`.
    #[inline]
    pub fn emit(&self, frame: &mut [u8; HEADER_LEN]) {
        frame[..6].copy_from_slice(&self.dst);
        frame[6..12].copy_from_slice(&self.src);
        frame[12..].copy_from_slice(&(self.ether_type as u16).to_be_bytes());
    }
}

/// Writes what an Ethernet frame carries, where it has a header.
#[inline]
pub fn set_ether_type(frame: &mut [u8], ether_type: EtherType) {
    if let Some(field) = frame.get_mut(12..HEADER_LEN) {
        field.copy_from_slice(&(ether_type as u16).to_be_bytes());
    }
}

/// What the frame behind this header carries.
#[inline(always)]
pub(super) const fn ether_type(header: &[u8; HEADER_LEN]) -> Result<EtherType, DropReason> {
    EtherType::parse(be16(header, 12))
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {} {:?}", MacText(self.src), MacText(self.dst), self.ether_type)
    }
}

/// Whether an address names a group of stations (broadcast included).
#[inline]
pub const fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

/// The group that carries an IPv6 multicast destination (RFC 2464 7).
#[inline]
pub const fn multicast_mac(group: Addr) -> Mac {
    let [.., a, b, c, d] = group.bits().to_be_bytes();
    [0x33, 0x33, a, b, c, d]
}

/// A hardware address in its usual spelling.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MacText(pub Mac);

impl fmt::Display for MacText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let header = Header { dst: BROADCAST, src: [2, 0, 0, 0, 0, 1], ether_type: EtherType::Arp };
        let mut bytes = [0; HEADER_LEN];
        header.emit(&mut bytes);
        assert_eq!(Header::parse(&bytes), Ok(header));
        assert_eq!(header.to_string(), "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff Arp");
    }

    #[test]
    fn tags_and_lengths_are_refused_by_name() {
        assert_eq!(EtherType::parse(0x8100), Err(DropReason::VlanTagged));
        assert_eq!(EtherType::parse(0x88a8), Err(DropReason::VlanTagged));
        assert_eq!(EtherType::parse(0x002e), Err(DropReason::EtherTypeUnknown));
        assert_eq!(Header::parse(&[0; 13]), Err(DropReason::FrameTruncated));
    }

    #[test]
    fn a_group_address_keeps_the_low_32_bits() {
        let group: std::net::Ipv6Addr = "ff02::1:ff12:3456".parse().expect("an address");
        assert_eq!(multicast_mac(group.into()), [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
        assert!(
            is_group(multicast_mac(group.into())) && is_group(BROADCAST) && !is_group([2, 0, 0, 0, 0, 1])
        );
    }
}

//! ARP for IPv4 over Ethernet (RFC 826), with the probes and announcements of RFC 5227.
//!
//! ```text
//!  0       2       4      5      6    8            14          18           24          28
//!  +-------+-------+------+------+----+------------+-----------+------------+-----------+
//!  | hw 1  | 0x0800| hl 6 | pl 4 | op | sender mac | sender ip | target mac | target ip |
//!  +-------+-------+------+------+----+------------+-----------+------------+-----------+
//! ```

use super::ethernet::{Mac, MacText, is_group};
use super::field::{octets, put};
use super::ipv4;
use crate::base::{Addr, DropReason};
use std::fmt;

/// Bytes of a packet.
pub const PACKET_LEN: usize = 28;
/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What a packet asks or tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ArpOperation {
    /// Who has the target address?
    Request = 1,
    /// The sender has the sender address.
    Reply = 2,
}

/// A sound ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's address; 0.0.0.0 in a probe, from which nothing is learnt.
    pub sender: Addr,
    /// The target's hardware address; meaningless in a request.
    pub target_mac: Mac,
    /// The address asked for.
    pub target: Addr,
}

impl ArpPacket {
    /// Reads a packet; what may follow is padding. `ArpMalformed` for what RFC 826 does not know, a group as sender,
    /// and addresses that are no host's.
    pub fn parse(bytes: &[u8]) -> Result<Self, DropReason> {
        let packet = bytes.first_chunk::<PACKET_LEN>().ok_or(DropReason::ArpMalformed)?;
        let operation = match (packet[6], packet[7]) {
            (0, 1) => ArpOperation::Request,
            (0, 2) => ArpOperation::Reply,
            _ => return Err(DropReason::ArpMalformed),
        };
        let sender_mac: Mac = octets(packet, 8);
        let (sender, target) = (Addr::v4(octets(packet, 14)), Addr::v4(octets(packet, 24)));
        let probe = sender == UNSPECIFIED && operation == ArpOperation::Request;
        let sender_sound = probe || !ipv4::is_martian(sender);
        // The answer to a probe goes to 0.0.0.0.
        let to_prober = target == UNSPECIFIED && operation == ArpOperation::Reply;
        let target_sound = to_prober || !ipv4::is_martian(target);
        let mac_sound = !is_group(sender_mac) && sender_mac != [0; 6];
        if packet[..6] != ETHERNET_IPV4 || !mac_sound || !sender_sound || !target_sound {
            return Err(DropReason::ArpMalformed);
        }
        Ok(Self { operation, sender_mac, sender, target_mac: octets(packet, 18), target })
    }

    /// Asks who has `target`.
    pub const fn request(sender_mac: Mac, sender: Addr, target: Addr) -> Self {
        Self { operation: ArpOperation::Request, sender_mac, sender, target_mac: [0; 6], target }
    }

    /// Tells everyone that `mac` has `addr` (RFC 5227 3: an announcement is a request for one's own address).
    pub const fn announcement(mac: Mac, addr: Addr) -> Self {
        Self::request(mac, addr, addr)
    }

    /// Answers this request: `mac` has the target address.
    pub const fn reply(&self, mac: Mac) -> Self {
        Self {
            operation: ArpOperation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// Whether the sender only asks if the address is free (RFC 5227 1.1).
    pub fn is_probe(&self) -> bool {
        self.sender == UNSPECIFIED
    }

    /// Whether the sender speaks of its own address (gratuitous).
    pub fn is_announcement(&self) -> bool {
        self.sender == self.target
    }

    /// Writes the packet.
    pub fn emit(&self, packet: &mut [u8; PACKET_LEN]) {
        packet[..6].copy_from_slice(&ETHERNET_IPV4);
        put(packet, 6, [0, self.operation as u8]);
        put(packet, 8, self.sender_mac);
        put(packet, 14, (self.sender.bits() as u32).to_be_bytes());
        put(packet, 18, self.target_mac);
        put(packet, 24, (self.target.bits() as u32).to_be_bytes());
    }
}

const UNSPECIFIED: Addr = Addr::v4([0; 4]);

impl fmt::Display for ArpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, target, sender_mac, .. } = self;
        match self.operation {
            ArpOperation::Request => write!(f, "ARP who has {target}, tell {sender}"),
            ArpOperation::Reply => write!(f, "ARP {sender} is at {}", MacText(*sender_mac)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 1];

    fn written(packet: ArpPacket) -> [u8; PACKET_LEN] {
        let mut bytes = [0; PACKET_LEN];
        packet.emit(&mut bytes);
        bytes
    }

    #[test]
    fn packets_read_back_as_they_were_written() {
        let request = ArpPacket::request(MAC, Addr::v4([192, 0, 2, 1]), Addr::v4([192, 0, 2, 2]));
        let reply = request.reply([2, 0, 0, 0, 0, 2]);
        let probe = ArpPacket { sender: Addr::v4([0; 4]), ..request };
        let announcement = ArpPacket::announcement(MAC, Addr::v4([192, 0, 2, 1]));
        for packet in [request, reply, announcement, probe, probe.reply(MAC)] {
            assert_eq!(ArpPacket::parse(&written(packet)), Ok(packet));
        }
        assert_eq!(request.to_string(), "ARP who has 192.0.2.2, tell 192.0.2.1");
        assert_eq!(reply.to_string(), "ARP 192.0.2.2 is at 02:00:00:00:00:02");
    }

    #[test]
    fn probes_and_announcements_are_told_apart() {
        let probe = ArpPacket::request(MAC, Addr::v4([0; 4]), Addr::v4([192, 0, 2, 1]));
        let read = ArpPacket::parse(&written(probe)).expect("a probe");
        assert!(read.is_probe() && !read.is_announcement());
        assert!(ArpPacket::announcement(MAC, Addr::v4([192, 0, 2, 1])).is_announcement());
    }

    #[test]
    fn what_rfc_826_does_not_know_is_malformed() {
        let sound = written(ArpPacket::request(MAC, Addr::v4([192, 0, 2, 1]), Addr::v4([192, 0, 2, 2])));
        let breaks: [(usize, u8); 13] = [
            (1, 6),
            (2, 0x86),
            (3, 1),
            (4, 8),
            (5, 16),
            (6, 1),
            (7, 0),
            (7, 3),
            (8, 3),
            (14, 127),
            (14, 240),
            (14, 0),
            (24, 224),
        ];
        for (at, value) in breaks {
            let mut bytes = sound;
            bytes[at] = value;
            assert_eq!(ArpPacket::parse(&bytes), Err(DropReason::ArpMalformed), "byte {at} = {value}");
        }
        assert_eq!(ArpPacket::parse(&sound[..27]), Err(DropReason::ArpMalformed));
    }

    #[test]
    fn a_reply_from_no_address_is_malformed() {
        let request = ArpPacket::request(MAC, Addr::v4([192, 0, 2, 1]), Addr::v4([192, 0, 2, 2]));
        let reply = ArpPacket { sender: Addr::v4([0; 4]), ..request.reply(MAC) };
        assert_eq!(ArpPacket::parse(&written(reply)), Err(DropReason::ArpMalformed));
    }
}

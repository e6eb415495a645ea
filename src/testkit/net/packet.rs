//! What a simulated machine reads of UDP and ICMP packets, by hand: it shares no code with `wire`.

use crate::base::{Addr, Endpoint};
use crate::testkit::frames::naive_sum;
use std::collections::HashMap;

const ETHERNET_LEN: usize = 14;
const UDP: u8 = 17;

/// A whole datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// What it says.
    pub payload: Vec<u8>,
    /// The IP packet, put together again where it came in fragments.
    pub packet: Vec<u8>,
}

/// What came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// A datagram.
    Udp(Datagram),
    /// An ICMP error about a datagram: of this type, which was sent from the first to the second.
    Error(u8, (Endpoint, Endpoint)),
}

/// Fragments that wait for the rest of their packet, by source, destination and identification.
#[derive(Default)]
pub struct Fragments(HashMap<(Addr, Addr, u16), Vec<Piece>>);

struct Piece {
    offset: usize,
    is_last: bool,
    bytes: Vec<u8>,
}

/// An IP packet's header, as far as it matters.
struct Ip<'a> {
    src: Addr,
    dst: Addr,
    protocol: u8,
    payload: &'a [u8],
}

/// Reads a frame; `None` for what is broken, not whole yet, or of another kind.
pub fn read(frame: &[u8], fragments: &mut Fragments) -> Option<Packet> {
    let packet = frame.get(ETHERNET_LEN..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => read_packet(&fragments.join(packet)?),
        [0x86, 0xdd] => read_packet(packet),
        _ => None,
    }
}

fn read_packet(packet: &[u8]) -> Option<Packet> {
    let ip = read_ip(packet)?;
    match ip.protocol {
        UDP => read_udp(&ip, packet).map(Packet::Udp),
        1 | 58 => read_error(&ip),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn read_ip(packet: &[u8]) -> Option<Ip<'_>> {
    let v4 = |at: usize| Some(Addr::v4(packet.get(at..at + 4)?.try_into().ok()?));
    let v6 = |at: usize| Some(Addr::v6(packet.get(at..at + 16)?.try_into().ok()?));
    match packet.first()? {
        0x45 if naive_sum(packet.get(..20)?) == 0xffff => {
            let payload = packet.get(20..usize::from(word(packet, 2)?))?;
            Some(Ip { src: v4(12)?, dst: v4(16)?, protocol: packet[9], payload })
        }
        0x60..=0x6f => {
            let payload = packet.get(40..40 + usize::from(word(packet, 4)?))?;
            Some(Ip { src: v6(8)?, dst: v6(24)?, protocol: packet[6], payload })
        }
        _ => None,
    }
}

/// The sum over a payload and its pseudo header; 0xffff where the checksum inside is right.
fn sum_with_pseudo(ip: &Ip<'_>) -> u16 {
    let addrs = [ip.src, ip.dst].map(|addr| match addr.to_ip() {
        std::net::IpAddr::V4(addr) => addr.octets().to_vec(),
        std::net::IpAddr::V6(addr) => addr.octets().to_vec(),
    });
    let len = (ip.payload.len() as u32).to_be_bytes();
    naive_sum(&[&addrs[0][..], &addrs[1], &len, &[0, 0, 0, ip.protocol], ip.payload].concat())
}

fn read_udp(ip: &Ip<'_>, packet: &[u8]) -> Option<Datagram> {
    let header = ip.payload.get(..8)?;
    let unsummed = header[6..8] == [0, 0] && ip.src.is_v4();
    let is_right = unsummed || sum_with_pseudo(ip) == 0xffff;
    let whole = usize::from(word(header, 4)?) == ip.payload.len();
    (is_right && whole).then_some(Datagram {
        src: Endpoint { addr: ip.src, port: word(header, 0)? },
        dst: Endpoint { addr: ip.dst, port: word(header, 2)? },
        payload: ip.payload[8..].to_vec(),
        packet: packet.to_vec(),
    })
}

/// An error quotes at least the header and the ports of what it is about (RFC 792, RFC 4443).
fn read_error(ip: &Ip<'_>) -> Option<Packet> {
    let sum = if ip.protocol == 1 { naive_sum(ip.payload) } else { sum_with_pseudo(ip) };
    let (kind, quoted) = (*ip.payload.first()?, ip.payload.get(8..)?);
    let is_error = matches!((ip.protocol, kind), (1, 3) | (58, 1 | 2));
    let v4 = |at: usize| Some(Addr::v4(quoted.get(at..at + 4)?.try_into().ok()?));
    let v6 = |at: usize| Some(Addr::v6(quoted.get(at..at + 16)?.try_into().ok()?));
    let (src, dst, protocol, udp) = match quoted.first()? >> 4 {
        4 => (v4(12)?, v4(16)?, quoted.get(9)?, quoted.get(20..24)?),
        6 => (v6(8)?, v6(24)?, quoted.get(6)?, quoted.get(40..44)?),
        _ => return None,
    };
    let from = Endpoint { addr: src, port: word(udp, 0)? };
    let to = Endpoint { addr: dst, port: word(udp, 2)? };
    (sum == 0xffff && is_error && *protocol == UDP).then_some(Packet::Error(kind, (from, to)))
}

impl Fragments {
    /// Pieces that wait at most; beyond, all are forgotten, as a host that lacks room may.
    const WAITING_MAX: usize = 1_024;

    /// The packet itself, or the whole that this fragment completes (RFC 791 3.2).
    fn join(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let field = word(packet, 6)?;
        if field & 0x3fff == 0 {
            return Some(packet.to_vec());
        }
        let ip = read_ip(packet)?;
        if self.0.len() > Self::WAITING_MAX {
            self.0.clear();
        }
        let key = (ip.src, ip.dst, word(packet, 4)?);
        let piece = Piece {
            offset: usize::from(field & 0x1fff) * 8,
            is_last: field & 0x2000 == 0,
            bytes: ip.payload.to_vec(),
        };
        let pieces = self.0.entry(key).or_default();
        pieces.push(piece);
        let payload = whole(pieces)?;
        self.0.remove(&key);
        let mut header = packet[..20].to_vec();
        header[2..4].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
        header[6..8].fill(0);
        header[10..12].fill(0);
        let sum = !naive_sum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Some([header, payload].concat())
    }
}

/// The payload, once every byte of it is there.
fn whole(pieces: &mut [Piece]) -> Option<Vec<u8>> {
    pieces.sort_by_key(|piece| piece.offset);
    let mut payload = Vec::new();
    for piece in pieces.iter() {
        if piece.offset > payload.len() {
            return None;
        }
        let known = (payload.len() - piece.offset).min(piece.bytes.len());
        payload.extend_from_slice(&piece.bytes[known..]);
    }
    pieces.iter().any(|piece| piece.is_last).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::frames::eth;

    #[test]
    fn datagrams_and_errors_about_them_are_read_and_broken_ones_are_not() {
        for (src, dst) in [("10.0.0.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2")] {
            let frame = eth().ip(src, dst).udp(7, 9).payload(b"hi").bytes();
            let Some(Packet::Udp(datagram)) = read(&frame, &mut Fragments::default()) else {
                panic!("{src}")
            };
            assert_eq!((datagram.src.port, datagram.dst.port, &datagram.payload[..]), (7, 9, &b"hi"[..]));
            let kind = if datagram.src.addr.is_v4() { 3 } else { 1 };
            let error = eth().ip(dst, src).icmp(kind, 3, [0; 4], &datagram.packet).bytes();
            let sent = (datagram.src, datagram.dst);
            assert_eq!(read(&error, &mut Fragments::default()), Some(Packet::Error(kind, sent)));
            let bad = eth().ip(src, dst).udp(7, 9).payload(b"hi").bad_checksum().bytes();
            assert_eq!(read(&bad, &mut Fragments::default()), None);
        }
    }

    #[test]
    fn fragments_are_put_together_in_any_order() {
        let payload: Vec<u8> = (0..100).collect();
        let whole = eth().ip4("10.0.0.1", "192.0.2.1").udp(7, 9).payload(&payload).bytes();
        let piece = |range: std::ops::Range<usize>, more: u16| {
            let field = more | (range.start as u16 / 8);
            let bytes = &whole[34 + range.start..34 + range.end];
            eth().ip4("10.0.0.1", "192.0.2.1").fragment_field(field).raw(17, bytes)
        };
        let mut fragments = Fragments::default();
        assert_eq!(read(&piece(64..108, 0), &mut fragments), None);
        assert_eq!(read(&piece(0..32, 0x2000), &mut fragments), None);
        let Some(Packet::Udp(datagram)) = read(&piece(32..64, 0x2000), &mut fragments) else {
            panic!("whole")
        };
        assert_eq!(datagram.payload, payload);
        assert!(fragments.0.is_empty());
    }
}

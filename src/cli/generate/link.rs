//! The generator's place on its link: it answers ARP and NDP for its own addresses, and asks for its one next hop.

use super::pool::Pool;
use crate::base::{Addr, Instant, Span};
use crate::port::{Frame, FrameBatch, Port, TxBatch};
use crate::wire::ethernet::{self, BROADCAST, EtherType, multicast_mac};
use crate::wire::{ARP_LEN, ArpOperation, ArpPacket, Mac, NdpMessage, Parsed, RxHints, ndp};

/// Pause between two questions for the next hop.
const ASK: Span = Span::from_millis(200);
const HEADER: usize = ethernet::HEADER_LEN;

/// Who carries the frames on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextHop {
    /// This station.
    Mac(Mac),
    /// The station that has this address.
    Ip(Addr),
}

/// A port with a place on its link.
pub struct Link<P: Port> {
    port: P,
    /// Addresses that it answers for.
    own: Vec<Pool>,
    next_hop: NextHop,
    known: Option<Mac>,
    asked: Option<Instant>,
    waiting: TxBatch<P::Frame>,
    /// Frames given to the port.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Frames received.
    pub received: u64,
}

impl<P: Port> Link<P> {
    /// `own` are the addresses that are answered for; the first of them asks.
    pub fn new(port: P, own: Vec<Pool>, next_hop: NextHop) -> Self {
        let known = match next_hop {
            NextHop::Mac(mac) => Some(mac),
            NextHop::Ip(_) => None,
        };
        let waiting = TxBatch::new();
        Self { port, own, next_hop, known, asked: None, waiting, sent: 0, sent_bytes: 0, received: 0 }
    }

    /// Whether the next hop is known; asks for it from time to time where it is not.
    pub fn is_up(&mut self, now: Instant) -> bool {
        if let (None, NextHop::Ip(target)) = (self.known, self.next_hop)
            && self.asked.is_none_or(|asked| now.since(asked) >= ASK)
        {
            self.asked = Some(now);
            self.ask(target);
        }
        self.known.is_some()
    }

    /// Whether the port took all frames so far, so that a burst may follow.
    pub fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The port's hardware address.
    pub fn mac(&self) -> Mac {
        self.port.info().mac
    }

    /// Takes a burst in, hands every sound IP frame to `take` and answers the link's own questions.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8], &Parsed)) {
        let mut batch = FrameBatch::new();
        self.port.receive(&mut batch);
        self.received += batch.len() as u64;
        for frame in &batch {
            let meta = frame.rx_meta();
            let hints = RxHints { ip: meta.ip_checksum, l4: meta.l4_checksum };
            // What is not sound is nobody's: other traffic of the link.
            let Ok(parsed) = crate::wire::parse(frame.bytes(), &hints) else { continue };
            match parsed {
                Parsed::Arp { offset } => self.serve_arp(&frame.bytes()[offset.into()..]),
                Parsed::Ndp { src, dst, icmp_offset, ip_end } => {
                    self.serve_ndp(&frame.bytes()[icmp_offset.into()..ip_end.into()], (src, dst));
                }
                Parsed::Tcp(_) | Parsed::Udp { .. } | Parsed::Icmp { .. } => take(frame.bytes(), &parsed),
            }
        }
    }

    /// Sends an IP packet of `len` bytes, which `write` fills in, to the next hop, padded to the shortest frame; `false`
    /// where there is no buffer or no room.
    pub fn send(&mut self, len: usize, ether_type: EtherType, write: impl FnOnce(&mut [u8])) -> bool {
        let Some(dst) = self.known else { return false };
        self.send_to(dst, len, (ether_type, write))
    }

    /// Gives the port what waits; what it has no room for stays.
    pub fn flush(&mut self) {
        let before = self.waiting.len();
        let bytes: usize = self.waiting.iter().map(|frame| frame.bytes().len()).sum();
        self.port.transmit(&mut self.waiting);
        let left: usize = self.waiting.iter().map(|frame| frame.bytes().len()).sum();
        self.sent += (before - self.waiting.len()) as u64;
        self.sent_bytes += (bytes - left) as u64;
    }

    fn send_to(
        &mut self,
        dst: Mac,
        len: usize,
        (ether_type, write): (EtherType, impl FnOnce(&mut [u8])),
    ) -> bool {
        if self.waiting.is_full() {
            return false;
        }
        let Some(mut frame) = self.port.allocate() else { return false };
        let whole = (HEADER + len).max(ethernet::FRAME_LEN_MIN);
        if !frame.set_len(whole) {
            return false;
        }
        let src = self.mac();
        let bytes = frame.bytes_mut();
        if let Some(header) = bytes.first_chunk_mut() {
            ethernet::Header { dst, src, ether_type }.emit(header);
        }
        write(&mut bytes[HEADER..HEADER + len]);
        bytes[HEADER + len..].fill(0);
        self.waiting.push(frame);
        true
    }

    fn is_own(&self, addr: Addr) -> bool {
        self.own.iter().any(|pool| pool.has(addr))
    }

    fn ask(&mut self, target: Addr) {
        let (mac, own) = (self.mac(), self.own.iter().map(|pool| pool.nth(0).addr));
        let Some(own) = own.into_iter().find(|own| own.is_v4() == target.is_v4()) else { return };
        if target.is_v4() {
            self.send_arp(BROADCAST, ArpPacket::request(mac, own, target));
            return;
        }
        let group = ndp::solicited_node(target);
        self.send_ndp(multicast_mac(group), |packet| {
            NdpMessage::emit_solicitation(packet, (own, mac), group, target)
        });
    }

    fn serve_arp(&mut self, bytes: &[u8]) {
        let Ok(packet) = ArpPacket::parse(bytes) else { return };
        if self.next_hop == NextHop::Ip(packet.sender) {
            self.known = Some(packet.sender_mac);
        }
        if packet.operation == ArpOperation::Request && self.is_own(packet.target) {
            self.send_arp(packet.sender_mac, packet.reply(self.mac()));
        }
    }

    fn serve_ndp(&mut self, message: &[u8], (src, dst): (Addr, Addr)) {
        match NdpMessage::parse(message, src, dst) {
            Ok(NdpMessage::NeighborAdvertisement { target, target_link: Some(mac), .. }) => {
                if self.next_hop == NextHop::Ip(target) {
                    self.known = Some(mac);
                }
            }
            Ok(NdpMessage::NeighborSolicitation { target, source_link: Some(asker) })
                if self.is_own(target) =>
            {
                let mac = self.mac();
                self.send_ndp(asker, |packet| {
                    let _ = NdpMessage::emit_advertisement(packet, (target, mac), Some(src));
                });
            }
            Ok(
                NdpMessage::NeighborAdvertisement { .. }
                | NdpMessage::NeighborSolicitation { .. }
                | NdpMessage::RouterSolicitation
                | NdpMessage::RouterAdvertisement
                | NdpMessage::Redirect,
            )
            | Err(_) => {}
        }
    }

    fn send_arp(&mut self, dst: Mac, packet: ArpPacket) {
        let write =
            |bytes: &mut [u8]| bytes.first_chunk_mut().into_iter().for_each(|chunk| packet.emit(chunk));
        self.send_to(dst, ARP_LEN, (EtherType::Arp, write));
    }

    fn send_ndp(&mut self, dst: Mac, write: impl FnOnce(&mut [u8; ndp::PACKET_LEN])) {
        let write = |bytes: &mut [u8]| {
            if let Some(packet) = bytes.first_chunk_mut() {
                write(packet);
            }
        };
        self.send_to(dst, ndp::PACKET_LEN, (EtherType::Ipv6, write));
    }
}

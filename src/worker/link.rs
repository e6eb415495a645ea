//! ARP and NDP on the wire: questions for our addresses answered, answers to our questions learnt, our own
//! questions and announcements sent. Worker 0 does this for all; the others ask it and are told.
//!
//! Static routes are all there is: router advertisements and redirects are ignored by name.

use super::core::Worker;
use super::neighbor::{Asked, Hearing, Path};
use super::{Handover, NeighborUpdate, Notice};
use crate::base::limits::{NEIGHBOR_ASKS_PER_TURN_MAX, NOTICES_PER_TURN_MAX};
use crate::base::{Addr, DropReason, Fate, Hop, PortId, WorkerId};
use crate::port::{Frame, Port};
use crate::telemetry::{Counter, Gauge};
use crate::wire::ethernet::{self, EtherType, HEADER_LEN, Mac};
use crate::wire::{ARP_LEN, ArpOperation, ArpPacket, NdpMessage, ipv6, ndp};
use arrayvec::ArrayVec;

/// Where a neighbour message came from and whom its frame was for.
#[derive(Clone, Copy)]
struct Heard {
    port: PortId,
    from: Mac,
    to_us: bool,
}

impl<P: Port> Worker<P> {
    /// An ARP packet, valid by `wire`.
    pub(super) fn serve_arp(&mut self, frame: P::Frame, port: PortId, offset: usize) -> Fate {
        let bytes = frame.bytes();
        let packet = match ArpPacket::parse(bytes.get(offset..).unwrap_or_default()) {
            Ok(packet) => packet,
            Err(reason) => return Fate::Dropped(reason),
        };
        let heard = self.heard(bytes, port);
        if !packet.is_probe() {
            let hearing = match packet.operation {
                ArpOperation::Reply if heard.to_us => Hearing::Answer,
                ArpOperation::Request if self.answers(packet.target, port) => Hearing::Question,
                ArpOperation::Reply | ArpOperation::Request => Hearing::Announcement,
            };
            if let Err(fate) = self.hear(heard, packet.sender, packet.sender_mac, hearing) {
                return fate;
            }
        }
        match packet.operation {
            ArpOperation::Request if self.answers(packet.target, port) => {
                self.answer_arp(frame, port, &packet)
            }
            ArpOperation::Request | ArpOperation::Reply => self.noted(port, packet.sender),
        }
    }

    /// A neighbour discovery message, valid by `wire`.
    pub(super) fn serve_ndp(
        &mut self,
        frame: P::Frame,
        port: PortId,
        (src, dst): (Addr, Addr),
        message: (u16, u16),
    ) -> Fate {
        let bytes = frame.bytes();
        let body = bytes.get(usize::from(message.0)..usize::from(message.1)).unwrap_or_default();
        let heard = self.heard(bytes, port);
        match NdpMessage::parse(body, src, dst) {
            Err(reason) => Fate::Dropped(reason),
            Ok(NdpMessage::NeighborSolicitation { target, source_link }) => {
                if !self.answers(target, port) {
                    return Fate::Dropped(DropReason::NeighborNotOurs);
                }
                let asker = (!ipv6::is_unspecified(src)).then_some(src);
                if let (Some(asker), Some(mac)) = (asker, source_link)
                    && let Err(fate) = self.hear(heard, asker, mac, Hearing::Question)
                {
                    return fate;
                }
                self.answer_ndp(
                    frame,
                    port,
                    target,
                    asker.map(|asker| (asker, source_link.unwrap_or(heard.from))),
                )
            }
            Ok(NdpMessage::NeighborAdvertisement { target, flags, target_link }) => {
                let answer = heard.to_us && flags.solicited;
                let hearing = if answer { Hearing::Answer } else { Hearing::Announcement };
                match self.hear(heard, target, target_link.unwrap_or(heard.from), hearing) {
                    Ok(()) => self.noted(port, target),
                    Err(fate) => fate,
                }
            }
            Ok(NdpMessage::RouterSolicitation | NdpMessage::RouterAdvertisement | NdpMessage::Redirect) => {
                Fate::Dropped(DropReason::IcmpIgnored)
            }
        }
    }

    /// Puts the questions that are due: to the link on worker 0, to worker 0 on the others.
    pub(super) fn ask_neighbors(&mut self) {
        let mut due = ArrayVec::<Asked, NEIGHBOR_ASKS_PER_TURN_MAX>::new();
        self.exit.neighbors.tick(self.exit.now, |asked| due.push(asked));
        for asked in due {
            match asked {
                Asked::Solicit { port, addr, mac } if self.id == WorkerId(0) => self.solicit(port, addr, mac),
                Asked::Solicit { port, addr, .. } => {
                    // A full queue is no loss: the question comes again.
                    let resolve = Notice::Resolve { from: self.id, port, addr };
                    drop(self.handover.send(WorkerId(0), Handover::Notice(resolve)));
                }
                Asked::GaveUp { hop } => {
                    self.exit.give_up(hop);
                    self.tell_peers(hop, None);
                }
            }
        }
        self.exit.page.set(Gauge::Neighbors, self.exit.neighbors.len() as u64);
    }

    /// Announces our addresses where that is due.
    pub(super) fn announce(&mut self) {
        if self.id != WorkerId(0) {
            return;
        }
        for (port, addr) in self.announcements.next(&self.exit.locals, self.exit.now) {
            let mac = self.exit.faces[port.index()].mac;
            if addr.is_v4() {
                self.send_arp(port, ethernet::BROADCAST, &ArpPacket::announcement(mac, addr));
                self.exit.page.count(Counter::ArpAnnouncementsSent);
            } else {
                self.send_ndp(port, |packet| {
                    let to = NdpMessage::emit_advertisement(packet, (addr, mac), None);
                    ethernet::multicast_mac(to)
                });
                self.exit.page.count(Counter::NdpAnnouncementsSent);
            }
        }
    }

    /// What other workers said.
    pub(super) fn take_notices(&mut self) {
        for _ in 0..NOTICES_PER_TURN_MAX {
            let Some(notice) = self.handover.next_notice() else { return };
            match notice {
                Notice::Resolve { from, port, addr } => self.resolve_for(from, port, addr),
                Notice::Neighbor(update) => self.learn(update),
            }
        }
    }

    fn resolve_for(&mut self, from: WorkerId, port: PortId, addr: Addr) {
        let Some(hop) = self.exit.neighbors.hop(port, addr, self.exit.now) else {
            self.exit.page.count(Counter::NeighborsRefused);
            return;
        };
        if let Path::Ready(mac) = self.exit.neighbors.path(hop, self.exit.now) {
            let update = NeighborUpdate { port, addr, mac: Some(mac) };
            drop(self.handover.send(from, Handover::Notice(Notice::Neighbor(update))));
        }
    }

    fn learn(&mut self, update: NeighborUpdate) {
        let NeighborUpdate { port, addr, mac } = update;
        let Some(hop) = self.exit.neighbors.learn((port, addr), mac, self.exit.now) else { return };
        self.exit.forget_bearings();
        match mac {
            Some(_) => self.exit.release(hop),
            None => self.exit.give_up(hop),
        }
    }

    /// Takes what a message says of its sender. `Err` when it claims an address of ours: the message ends there.
    fn hear(&mut self, heard: Heard, addr: Addr, mac: Mac, hearing: Hearing) -> Result<(), Fate> {
        let port = heard.port;
        if self.exit.locals.find(addr).is_some() || self.answers(addr, port) {
            self.defend(port, mac);
            return Err(Fate::Dropped(DropReason::NeighborNotOurs));
        }
        if let Some(known) = self.exit.neighbors.hear((port, addr), mac, hearing, self.exit.now) {
            if known.changed {
                self.exit.page.count(Counter::NeighborsLearned);
            }
            self.exit.release(known.hop);
            self.tell_peers(known.hop, Some(mac));
        }
        Ok(())
    }

    /// RFC 5227 2.4 (b): somebody else uses an address of ours; it is announced again, within a rate.
    fn defend(&mut self, port: PortId, mac: Mac) {
        let ours = mac == self.exit.faces[port.index()].mac;
        if !ours && self.limits.defence.allow(self.exit.now) {
            self.announcements.restart(port, self.exit.now);
        }
    }

    fn tell_peers(&mut self, hop: Hop, mac: Option<Mac>) {
        if self.id != WorkerId(0) {
            return;
        }
        let (port, addr) = self.exit.neighbors.whose(hop);
        let update = NeighborUpdate { port, addr, mac };
        for peer in self.handover.peers() {
            // A full queue is no loss: the peer asks again when its own answer is too old.
            drop(self.handover.send(peer, Handover::Notice(Notice::Neighbor(update))));
        }
    }

    fn answer_arp(&mut self, mut frame: P::Frame, port: PortId, request: &ArpPacket) -> Fate {
        if !self.limits.neighbor.allow(self.exit.now) {
            return Fate::Dropped(DropReason::NeighborRateLimited);
        }
        let mac = self.exit.faces[port.index()].mac;
        if !frame.set_len(HEADER_LEN + ARP_LEN)
            || !write_arp(&mut frame, request.sender_mac, &request.reply(mac))
        {
            return Fate::Dropped(DropReason::NoFrame);
        }
        self.exit.push(port, frame);
        self.exit.page.count(Counter::ArpAnswersSent);
        Fate::Sent
    }

    fn answer_ndp(
        &mut self,
        mut frame: P::Frame,
        port: PortId,
        target: Addr,
        asker: Option<(Addr, Mac)>,
    ) -> Fate {
        if !self.limits.neighbor.allow(self.exit.now) {
            return Fate::Dropped(DropReason::NeighborRateLimited);
        }
        let mac = self.exit.faces[port.index()].mac;
        let written = frame.set_len(HEADER_LEN + ndp::PACKET_LEN)
            && write_ndp(&mut frame, mac, |packet| {
                let to = NdpMessage::emit_advertisement(packet, (target, mac), asker.map(|(addr, _)| addr));
                asker.map_or(ethernet::multicast_mac(to), |(_, mac)| mac)
            });
        if !written {
            return Fate::Dropped(DropReason::NoFrame);
        }
        self.exit.push(port, frame);
        self.exit.page.count(Counter::NdpAnswersSent);
        Fate::Sent
    }

    /// Asks the link for a host: itself alone where `mac` is known, else everybody (or its solicited-node group).
    fn solicit(&mut self, port: PortId, target: Addr, mac: Option<Mac>) {
        let own = self.exit.faces[port.index()].mac;
        let Some(asker) = self.exit.locals.asker(port, target) else { return };
        if target.is_v4() {
            let to = mac.unwrap_or(ethernet::BROADCAST);
            self.send_arp(port, to, &ArpPacket::request(own, asker, target));
            self.exit.page.count(Counter::ArpRequestsSent);
            return;
        }
        let group = ndp::solicited_node(target);
        let (dst, to) = mac.map_or((group, ethernet::multicast_mac(group)), |mac| (target, mac));
        self.send_ndp(port, |packet| {
            NdpMessage::emit_solicitation(packet, (asker, own), dst, target);
            to
        });
        self.exit.page.count(Counter::NdpRequestsSent);
    }

    fn send_arp(&mut self, port: PortId, to: Mac, packet: &ArpPacket) {
        self.exit.make(port, HEADER_LEN + ARP_LEN, |frame| write_arp(frame, to, packet));
    }

    fn send_ndp(&mut self, port: PortId, write: impl FnOnce(&mut [u8; ndp::PACKET_LEN]) -> Mac) {
        let mac = self.exit.faces[port.index()].mac;
        self.exit.make(port, HEADER_LEN + ndp::PACKET_LEN, |frame| write_ndp(frame, mac, write));
    }

    /// Whether questions for `target` on `port` are ours to answer.
    fn answers(&self, target: Addr, port: PortId) -> bool {
        let for_prefixes = self.exit.faces[port.index()].answers_for_prefixes;
        self.exit.locals.answers_on(target, port) || (for_prefixes && self.snapshot().table.covers(target))
    }

    /// The fate of a message that asked nothing of us: read where we know its sender.
    fn noted(&self, port: PortId, sender: Addr) -> Fate {
        if self.exit.neighbors.knows(port, sender) {
            Fate::Absorbed
        } else {
            Fate::Dropped(DropReason::NeighborNotOurs)
        }
    }

    fn heard(&self, frame: &[u8], port: PortId) -> Heard {
        let mut from = [0; 6];
        from.copy_from_slice(&frame[6..12]);
        Heard { port, from, to_us: frame[..6] == self.exit.faces[port.index()].mac }
    }
}

/// Writes an ARP frame; `false` when the frame is too short.
fn write_arp<F: Frame>(frame: &mut F, to: Mac, packet: &ArpPacket) -> bool {
    let Some((header, rest)) = frame.bytes_mut().split_first_chunk_mut::<HEADER_LEN>() else { return false };
    let Some(body) = rest.first_chunk_mut::<ARP_LEN>() else { return false };
    ethernet::Header { dst: to, src: packet.sender_mac, ether_type: EtherType::Arp }.emit(header);
    packet.emit(body);
    true
}

/// Writes an NDP frame whose packet `write` makes, to the hardware address that it returns; `false` when the frame is
/// too short.
fn write_ndp<F: Frame>(
    frame: &mut F,
    from: Mac,
    write: impl FnOnce(&mut [u8; ndp::PACKET_LEN]) -> Mac,
) -> bool {
    let Some((header, rest)) = frame.bytes_mut().split_first_chunk_mut::<HEADER_LEN>() else { return false };
    let Some(packet) = rest.first_chunk_mut::<{ ndp::PACKET_LEN }>() else { return false };
    let to = write(packet);
    ethernet::Header { dst: to, src: from, ether_type: EtherType::Ipv6 }.emit(header);
    true
}

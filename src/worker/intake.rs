//! Frames in: four passes over each burst, so that the memory of one frame is fetched while another is worked on.
//!
//! ```text
//!  parse  all headers prefetched first; what is wrong ends here, what another worker owns is handed over
//!  hash   the flow table's buckets prefetched
//!  find   the leg that the table names prefetched
//!  serve  is it the one? judge, session; every frame ends in one Fate
//! ```

use super::core::Worker;
use super::{Arrival, Handover};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{DropReason, Fate, PortId, WorkerId};
use crate::flow::{LegRef, owner_of_port};
use crate::port::{Frame, FrameBatch, Port};
use crate::telemetry::Counter;
use crate::wire::ethernet::{self, Mac};
use crate::wire::{self, Family, FlowKey, IcmpMessage, Parsed, RxHints, TcpSegment};
use dpdk_sys::cpu::prefetch;

/// The burst at hand: frames, and what was found of each.
pub(super) struct Intake<F> {
    batch: FrameBatch<F>,
    frames: FrameBatch<F>,
    /// A place for each frame of the largest burst; those behind the frames at hand are written over.
    found: Vec<Found>,
}

/// What is known of a frame before it is served.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Where it came in.
    pub port: PortId,
    /// What it carries.
    pub parsed: Parsed,
    /// The hash of its flow; zero where it has none.
    pub hash: u64,
    /// The leg that the flow table names first; whether it is the one, and still is, the leg's key tells.
    pub leg: Option<LegRef>,
}

impl Found {
    const NOTHING: Self = Self { port: PortId(0), parsed: Parsed::Arp { offset: 0 }, hash: 0, leg: None };
}

impl<F: Frame> Intake<F> {
    pub fn new() -> Self {
        Self {
            batch: FrameBatch::new(),
            frames: FrameBatch::new(),
            found: vec![Found::NOTHING; BURST_FRAMES_MAX],
        }
    }

    /// Keeps a frame of which everything was found already.
    fn push(&mut self, frame: F, port: PortId, parsed: Parsed) {
        if let Some(found) = self.found.get_mut(self.frames.len()) {
            *found = Found { port, parsed, hash: 0, leg: None };
            self.frames.push(frame);
        }
    }
}

impl<P: Port> Worker<P> {
    /// One burst from a port.
    pub(super) fn take_burst(&mut self, port: PortId) {
        let mut batch = std::mem::take(&mut self.intake.batch);
        self.exit.outbox.receive(port, &mut batch);
        if !batch.is_empty() {
            self.exit.ledger.received += batch.len() as u64;
            self.parse_burst(port, &mut batch);
            self.serve_burst();
        }
        self.intake.batch = batch;
    }

    /// One burst from the hand-over ring. What wire found in these frames came with them.
    pub(super) fn take_over(&mut self) {
        while !self.intake.frames.is_full() {
            let Some(Arrival { frame, port, parsed }) = self.handover.next_frame() else { break };
            self.intake.push(frame, port, parsed);
        }
        self.exit.ledger.taken += self.intake.frames.len() as u64;
        self.serve_burst();
    }

    fn parse_burst(&mut self, port: PortId, batch: &mut FrameBatch<P::Frame>) {
        let mac = self.exit.faces[port.index()].mac;
        let mut bytes = 0;
        for frame in batch.iter() {
            bytes += frame.bytes().len() as u64;
            frame.bytes().first().into_iter().for_each(prefetch);
        }
        for frame in batch.drain(..) {
            let receiver = match receiver(&frame, mac) {
                Ok(receiver) => receiver,
                Err(reason) => {
                    self.book(Fate::Dropped(reason));
                    continue;
                }
            };
            // As many places as frames in a burst.
            let Some(found) = self.intake.found.get_mut(self.intake.frames.len()) else { break };
            let parsed = wire::parse_into(frame.bytes(), &hints(&frame), &mut found.parsed);
            found.port = port;
            match parsed {
                Ok(()) if takes(receiver, &found.parsed) => self.steer(frame),
                Ok(()) => self.book(Fate::Dropped(DropReason::NotOurMac)),
                Err(reason) => self.book(Fate::Dropped(reason)),
            }
        }
        self.exit.page.add(Counter::ReceivedBytes, bytes);
    }

    /// Keeps the frame of which the next place tells, or gives it to the worker that owns its flow.
    #[inline]
    fn steer(&mut self, frame: P::Frame) {
        if self.workers == 1 {
            self.intake.frames.push(frame);
        } else {
            self.steer_among_many(frame);
        }
    }

    #[inline(never)]
    fn steer_among_many(&mut self, frame: P::Frame) {
        let Found { port, parsed, .. } = self.intake.found[self.intake.frames.len()];
        let owner = self.owner(&frame, &parsed);
        if owner == self.id {
            self.intake.frames.push(frame);
            return;
        }
        match self.handover.send(owner, Handover::Frame(Arrival { frame, port, parsed })) {
            Ok(()) => self.book(Fate::HandedOver(owner)),
            Err(_) => self.book(Fate::Dropped(DropReason::HandoverFull)),
        }
    }

    /// Which worker a frame belongs to: its flow's owner, by the port of ours or by the hash of the tuple; worker 0
    /// for what concerns neighbours; for an ICMP error the owner of the flow that it quotes.
    #[inline]
    fn owner(&self, frame: &P::Frame, parsed: &Parsed) -> WorkerId {
        match parsed {
            Parsed::Tcp(segment) => self.owner_of_flow(&segment.key),
            Parsed::Udp { key, .. } => self.owner_of_flow(key),
            Parsed::Icmp { icmp_offset, ip_end, dst, .. } => {
                let message = &frame.bytes()[usize::from(*icmp_offset)..usize::from(*ip_end)];
                match IcmpMessage::parse(message, Family::of(*dst)) {
                    Ok(IcmpMessage::Error { quoted, .. }) => self.owner_of_flow(&quoted.key.reversed()),
                    Ok(IcmpMessage::EchoRequest | IcmpMessage::Other) | Err(_) => self.id,
                }
            }
            Parsed::Arp { .. } | Parsed::Ndp { .. } => WorkerId(0),
        }
    }

    fn owner_of_flow(&self, key: &FlowKey) -> WorkerId {
        if self.exit.locals.is_egress(key.dst) {
            owner_of_port(key.dst_port, self.workers)
        } else {
            self.steering.owner(key)
        }
    }

    /// The passes after the first.
    fn serve_burst(&mut self) {
        if self.intake.frames.is_empty() {
            return;
        }
        let mut frames = std::mem::take(&mut self.intake.frames);
        let mut found = std::mem::take(&mut self.intake.found);
        let count = frames.len().min(found.len());
        self.hash_burst(&mut found[..count]);
        self.find_burst(&mut found[..count]);
        for (frame, found) in frames.drain(..).zip(&found) {
            let fate = self.serve(frame, found);
            self.book(fate);
        }
        self.intake.frames = frames;
        self.intake.found = found;
    }

    /// The flow of each frame, hashed; the cache is asked for the table's lines.
    #[inline]
    fn hash_burst(&self, found: &mut [Found]) {
        for found in found {
            match &found.parsed {
                Parsed::Tcp(TcpSegment { key, .. }) => {
                    found.hash = self.sessions.hash(key);
                    self.sessions.prefetch(found.hash);
                }
                Parsed::Udp { key, .. } => {
                    found.hash = self.udp.hash(key);
                    self.udp.prefetch(found.hash);
                }
                Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. } => {}
            }
        }
    }

    /// The leg that the table names for each; the cache is asked for its lines.
    #[inline]
    fn find_burst(&self, found: &mut [Found]) {
        for found in found {
            match &found.parsed {
                Parsed::Tcp(_) => {
                    found.leg = self.sessions.candidate(found.hash);
                    found.leg.into_iter().for_each(|leg| self.sessions.prefetch_leg(leg));
                }
                Parsed::Udp { .. } => {
                    found.leg = self.udp.candidate(found.hash);
                    found.leg.into_iter().for_each(|leg| self.udp.prefetch_leg(leg));
                }
                Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. } => {}
            }
        }
    }

    #[inline]
    fn book(&mut self, fate: Fate) {
        self.exit.ledger.book(fate);
        if let Fate::Dropped(reason) = fate {
            self.exit.page.dropped(reason);
        }
    }
}

/// Whom a frame is for.
#[derive(Clone, Copy)]
enum Receiver {
    Us,
    Everybody,
    /// A group of IPv6's (RFC 2464 7).
    GroupOfV6,
    OtherGroup,
}

/// Whom the hardware address names; what the device has to say against the frame comes first.
#[inline]
fn receiver<F: Frame>(frame: &F, own: Mac) -> Result<Receiver, DropReason> {
    let meta = frame.rx_meta();
    if meta.multi_segment {
        return Err(DropReason::FrameMultiSegment);
    }
    if meta.vlan_stripped {
        return Err(DropReason::VlanTagged);
    }
    let to = *frame.bytes().first_chunk::<6>().ok_or(DropReason::FrameTruncated)?;
    if to == own {
        return Ok(Receiver::Us);
    }
    match to {
        ethernet::BROADCAST => Ok(Receiver::Everybody),
        [0x33, 0x33, ..] => Ok(Receiver::GroupOfV6),
        to if ethernet::is_group(to) => Ok(Receiver::OtherGroup),
        _ => Err(DropReason::NotOurMac),
    }
}

#[inline]
fn hints<F: Frame>(frame: &F) -> RxHints {
    let meta = frame.rx_meta();
    RxHints { ip: meta.ip_checksum, l4: meta.l4_checksum }
}

/// Whether what came to this receiver is taken.
#[inline]
fn takes(receiver: Receiver, parsed: &Parsed) -> bool {
    match (receiver, parsed) {
        (Receiver::Us, _)
        | (Receiver::Everybody, Parsed::Arp { .. })
        | (Receiver::GroupOfV6, Parsed::Ndp { .. }) => true,
        // RFC 1122 3.3.6: a unicast packet in a link-layer group frame is dropped in silence.
        (Receiver::Everybody | Receiver::GroupOfV6 | Receiver::OtherGroup, _) => false,
    }
}

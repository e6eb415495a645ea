//! Frames in: three passes over each burst, so that the memory of one frame is fetched while another is worked on.
//!
//! ```text
//!  parse  headers of the next frame prefetched; what is wrong ends here, what another worker owns is handed over
//!  find   the flow table's bucket prefetched by hash
//!  serve  find the flow, judge, session; every frame ends in one Fate
//! ```

use super::core::Worker;
use super::{Arrival, Handover};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{DropReason, Fate, PortId, WorkerId};
use crate::flow::owner_of_port;
use crate::port::{Frame, FrameBatch, Port};
use crate::telemetry::Counter;
use crate::wire::ethernet::{self, Mac};
use crate::wire::{self, Family, FlowKey, IcmpMessage, Parsed, RxHints, TcpSegment};
use dpdk_sys::cpu::prefetch;

/// The burst at hand.
pub(super) struct Intake<F> {
    batch: FrameBatch<F>,
    arrivals: Vec<Arrival<F>>,
    hashes: Vec<u64>,
}

impl<F: Frame> Intake<F> {
    pub fn new() -> Self {
        Self {
            batch: FrameBatch::new(),
            arrivals: Vec::with_capacity(BURST_FRAMES_MAX),
            hashes: Vec::with_capacity(BURST_FRAMES_MAX),
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
            self.serve_arrivals();
        }
        self.intake.batch = batch;
    }

    /// One burst from the hand-over ring. What wire found in these frames came with them.
    pub(super) fn take_over(&mut self) {
        while self.intake.arrivals.len() < BURST_FRAMES_MAX {
            let Some(arrival) = self.handover.next_frame() else { break };
            self.intake.arrivals.push(arrival);
        }
        self.exit.ledger.taken += self.intake.arrivals.len() as u64;
        self.serve_arrivals();
    }

    fn parse_burst(&mut self, port: PortId, batch: &mut FrameBatch<P::Frame>) {
        let mac = self.exit.faces[port.index()].mac;
        let mut bytes = 0;
        let mut frames = batch.drain(..).peekable();
        while let Some(frame) = frames.next() {
            if let Some(first) = frames.peek().and_then(|next| next.bytes().first()) {
                prefetch(first);
            }
            bytes += frame.bytes().len() as u64;
            match parse(&frame, mac) {
                Ok(parsed) => self.steer(Arrival { frame, port, parsed }),
                Err(reason) => self.book(Fate::Dropped(reason)),
            }
        }
        self.exit.page.add(Counter::ReceivedBytes, bytes);
    }

    /// Keeps the frame, or gives it to the worker that owns its flow.
    fn steer(&mut self, arrival: Arrival<P::Frame>) {
        let owner = self.owner(&arrival);
        if owner == self.id {
            self.intake.arrivals.push(arrival);
            return;
        }
        match self.handover.send(owner, Handover::Frame(arrival)) {
            Ok(()) => self.book(Fate::HandedOver(owner)),
            Err(_) => self.book(Fate::Dropped(DropReason::HandoverFull)),
        }
    }

    /// Which worker a frame belongs to: its flow's owner, by the port of ours or by the hash of the tuple; worker 0
    /// for what concerns neighbours; for an ICMP error the owner of the flow that it quotes.
    #[inline]
    fn owner(&self, arrival: &Arrival<P::Frame>) -> WorkerId {
        if self.workers == 1 {
            return self.id;
        }
        match &arrival.parsed {
            Parsed::Tcp(segment) => self.owner_of_flow(&segment.key),
            Parsed::Udp { key, .. } => self.owner_of_flow(key),
            Parsed::Icmp { icmp_offset, ip_end, dst, .. } => {
                let message = &arrival.frame.bytes()[usize::from(*icmp_offset)..usize::from(*ip_end)];
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

    /// Second and third pass.
    fn serve_arrivals(&mut self) {
        if self.intake.arrivals.is_empty() {
            return;
        }
        let mut arrivals = std::mem::take(&mut self.intake.arrivals);
        let mut hashes = std::mem::take(&mut self.intake.hashes);
        hashes.clear();
        for arrival in &arrivals {
            let hash = match &arrival.parsed {
                Parsed::Tcp(TcpSegment { key, .. }) => {
                    let hash = self.sessions.hash(key);
                    self.sessions.prefetch(hash);
                    hash
                }
                Parsed::Udp { key, .. } => {
                    let hash = self.udp.hash(key);
                    self.udp.prefetch(hash);
                    hash
                }
                Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. } => 0,
            };
            hashes.push(hash);
        }
        for (arrival, hash) in arrivals.drain(..).zip(&hashes) {
            let fate = self.serve(arrival, *hash);
            self.book(fate);
        }
        self.intake.arrivals = arrivals;
        self.intake.hashes = hashes;
    }

    #[inline]
    fn book(&mut self, fate: Fate) {
        self.exit.ledger.book(fate);
        if let Fate::Dropped(reason) = fate {
            self.exit.page.dropped(reason);
        }
    }
}

/// What `wire` and the hardware address say of a frame.
#[inline]
fn parse<F: Frame>(frame: &F, own: Mac) -> Result<Parsed, DropReason> {
    let meta = frame.rx_meta();
    if meta.multi_segment {
        return Err(DropReason::FrameMultiSegment);
    }
    if meta.vlan_stripped {
        return Err(DropReason::VlanTagged);
    }
    let bytes = frame.bytes();
    let to = bytes.first_chunk::<6>().ok_or(DropReason::FrameTruncated)?;
    let to_us = *to == own;
    if !to_us && !ethernet::is_group(*to) {
        return Err(DropReason::NotOurMac);
    }
    let hints = RxHints { ip: meta.ip_checksum, l4: meta.l4_checksum };
    let parsed = wire::parse(bytes, &hints)?;
    let group_is_ours = match &parsed {
        Parsed::Arp { .. } => *to == ethernet::BROADCAST,
        Parsed::Ndp { .. } => to[..2] == [0x33, 0x33],
        // RFC 1122 3.3.6: a unicast packet in a link-layer group frame is dropped in silence.
        Parsed::Tcp(_) | Parsed::Udp { .. } | Parsed::Icmp { .. } => false,
    };
    if to_us || group_is_ours { Ok(parsed) } else { Err(DropReason::NotOurMac) }
}

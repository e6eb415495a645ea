//! Frames in: passes over each burst, so that the memory of one frame is fetched while another is worked on.
//!
//! ```text
//!  look   all headers prefetched first; what is wrong with a frame, or what it carries; its flow hashed, the flow table's
//!         buckets prefetched
//!  find   the leg that the table names prefetched; where there is none, the app looked up, and its rules asked (`stranger`)
//!  serve  is it the one? runs of the quick road's, rewritten where they stand (`quick`), and between them frame by frame:
//!         judge, session; every frame ends in one Fate
//! ```
//! Of a sound IPv4 segment or datagram nothing is kept but its hash: the quick road of `worker::quick` reads its fields where
//! they stand. What another worker owns is handed over between the first pass and the second.

use super::core::Worker;
use super::quick::Run;
use super::stranger::{Destination, Stranger};
use super::{Arrival, Drops, Handover};
use crate::base::limits::BURST_FRAMES_MAX;
use crate::base::{DropReason, Fate, PortId, WorkerId};
use crate::flow::{LegRef, owner_of_port};
use crate::port::{Frame, FrameBatch, Port, RxMeta};
use crate::session::Tally;
use crate::telemetry::Counter;
use crate::wire::ethernet::{self, Mac};
use crate::wire::{
    self, Family, Fixed4, FlowKey, IcmpMessage, Parsed, Protocol, RxHints, TcpSegment, Tuple4,
};
use arrayvec::Drain;
use dpdk_sys::cpu::prefetch;

/// The burst at hand: frames, and what was found of each.
pub(super) struct Intake<F> {
    /// Put aside while it is worked on; in a box, so that this moves a word.
    batch: Option<Box<FrameBatch<F>>>,
    /// A place for each frame of the largest burst; those behind the frames at hand are written over.
    found: Vec<Found>,
}

/// What is known of a frame before it is served.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Where it came in; of a frame that the quick road rewrote, where it leaves.
    pub port: PortId,
    /// What was seen in it.
    pub seen: Seen,
    /// The hash of its flow; zero where it has none.
    pub hash: u64,
    /// The leg that the flow table names first; whether it is the one, and still is, the leg's key tells.
    pub leg: Option<LegRef>,
    /// What the tables say of a sound IPv4 segment or datagram for which there is no leg.
    pub stranger: Stranger,
}

/// What a first look at a frame gives.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Seen {
    /// A segment or datagram whose headers stand at fixed places, sound but for what `Fixed4::is_sound` asks.
    Fixed(Fixed4),
    /// Something else that is sound.
    Parsed(Parsed),
    /// Something to be dropped.
    Refused(DropReason),
}

impl Found {
    const NOTHING: Self = Self {
        port: PortId(0),
        seen: Seen::Refused(DropReason::FrameTruncated),
        hash: 0,
        leg: None,
        stranger: Stranger::NoApp(DropReason::NoApp),
    };
}

impl<F: Frame> Intake<F> {
    pub fn new() -> Self {
        Self { batch: Some(Box::default()), found: vec![Found::NOTHING; BURST_FRAMES_MAX] }
    }
}

impl<P: Port> Worker<P> {
    /// One burst from a port.
    pub(super) fn take_burst(&mut self, port: PortId) {
        let mut batch = self.intake.batch.take().unwrap_or_default();
        self.exit.outbox.receive(port, &mut batch);
        if !batch.is_empty() {
            self.exit.ledger.received += batch.len() as u64;
            let mut found = std::mem::take(&mut self.intake.found);
            self.look_at_burst(port, &batch, &mut found);
            if self.workers > 1 {
                self.steer_burst(&mut batch, &mut found);
            }
            self.serve_burst(&mut batch, &mut found);
            self.intake.found = found;
        }
        self.intake.batch = Some(batch);
    }

    /// One burst from the hand-over ring. What wire found in these frames came with them.
    pub(super) fn take_over(&mut self) {
        let Some(first) = self.handover.next_frame() else { return };
        let mut batch = self.intake.batch.take().unwrap_or_default();
        let mut found = std::mem::take(&mut self.intake.found);
        let rest = std::iter::from_fn(|| self.handover.next_frame());
        for Arrival { frame, port, parsed } in std::iter::once(first).chain(rest).take(BURST_FRAMES_MAX) {
            let hash = self.hash_of(&parsed);
            if let Some(place) = found.get_mut(batch.len()) {
                *place = Found { port, seen: Seen::Parsed(parsed), hash, ..Found::NOTHING };
                batch.push(frame);
            }
        }
        self.exit.ledger.taken += batch.len() as u64;
        self.serve_burst(&mut batch, &mut found);
        (self.intake.batch, self.intake.found) = (Some(batch), found);
    }

    #[inline]
    fn look_at_burst(&mut self, port: PortId, batch: &FrameBatch<P::Frame>, found: &mut [Found]) {
        let mac = self.exit.faces[port.index()].mac;
        let station = ethernet::station(mac);
        for frame in batch {
            frame.bytes().first().into_iter().for_each(prefetch);
        }
        let mut bytes = 0;
        for (frame, found) in batch.iter().zip(found) {
            bytes += self.look(frame, (mac, station), found) as u64;
            found.port = port;
        }
        self.exit.page.add(Counter::ReceivedBytes, bytes);
    }

    /// What a frame carries, and the hash of its flow; the cache is asked for the table's lines. The frame's bytes.
    #[inline(always)]
    fn look(&self, frame: &P::Frame, (mac, station): (Mac, u64), found: &mut Found) -> usize {
        let (bytes, checked) = (frame.bytes(), frame.rx_checked());
        let ours = bytes.first_chunk().map(ethernet::addressed) == Some(station);
        if ours
            && let Some((ip, l4)) = checked
            && let Some(fixed) = wire::sift(bytes, &RxHints { ip, l4 })
            && let Some(tuple) = fixed.tuple(bytes)
        {
            found.seen = Seen::Fixed(fixed);
            found.hash = self.hash4(fixed.protocol, tuple);
        } else {
            self.look_closer(frame, mac, found);
        }
        bytes.len()
    }

    #[inline(never)]
    fn look_closer(&self, frame: &P::Frame, mac: Mac, found: &mut Found) {
        found.seen = Seen::Parsed(Parsed::Arp { offset: 0 });
        let seen = receiver(frame, mac).and_then(|receiver| {
            let Seen::Parsed(parsed) = &mut found.seen else { return Ok(()) };
            wire::parse_into(frame.bytes(), &hints(&frame.rx_meta()), parsed)?;
            if takes(receiver, parsed) { Ok(()) } else { Err(DropReason::NotOurMac) }
        });
        match (seen, &found.seen) {
            (Err(reason), _) => found.seen = Seen::Refused(reason),
            (Ok(()), Seen::Parsed(parsed)) => found.hash = self.hash_of(parsed),
            (Ok(()), Seen::Fixed(_) | Seen::Refused(_)) => {}
        }
    }

    /// The hash of a frame's flow; zero where it has none.
    fn hash_of(&self, parsed: &Parsed) -> u64 {
        match parsed {
            Parsed::Tcp(TcpSegment { key, .. }) => self.hash(Protocol::Tcp, key),
            Parsed::Udp { key, .. } => self.hash(Protocol::Udp, key),
            Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. } => 0,
        }
    }

    fn hash(&self, protocol: Protocol, key: &FlowKey) -> u64 {
        let hash = match protocol {
            Protocol::Tcp => self.sessions.hash(key),
            Protocol::Udp => self.udp.hash(key),
        };
        self.prefetch(protocol, hash);
        hash
    }

    #[inline(always)]
    fn hash4(&self, protocol: Protocol, tuple: Tuple4) -> u64 {
        let hash = match protocol {
            Protocol::Tcp => self.sessions.hash4(tuple),
            Protocol::Udp => self.udp.hash4(tuple),
        };
        self.prefetch(protocol, hash);
        hash
    }

    #[inline(always)]
    fn prefetch(&self, protocol: Protocol, hash: u64) {
        match protocol {
            Protocol::Tcp => self.sessions.prefetch(hash),
            Protocol::Udp => self.udp.prefetch(hash),
        }
    }

    /// Gives the frames whose flows other workers own to them; those that stay close up.
    #[inline(never)]
    fn steer_burst(&mut self, batch: &mut FrameBatch<P::Frame>, found: &mut [Found]) {
        let mut home = FrameBatch::new();
        for (at, frame) in batch.drain(..).enumerate() {
            let Found { port, seen, .. } = found[at];
            let parsed = match seen {
                Seen::Fixed(fixed) if fixed.is_sound(frame.bytes()) => fixed.parsed(frame.bytes()),
                Seen::Parsed(parsed) => Some(parsed),
                Seen::Fixed(_) | Seen::Refused(_) => None,
            };
            let away = parsed.map(|parsed| (self.owner(&frame, &parsed), parsed));
            match away.filter(|(owner, _)| *owner != self.id) {
                None => {
                    found[home.len()] = found[at];
                    home.push(frame);
                }
                Some((owner, parsed)) => {
                    match self.handover.send(owner, Handover::Frame(Arrival { frame, port, parsed })) {
                        Ok(()) => self.book(Fate::HandedOver(owner)),
                        Err(_) => self.book(Fate::Dropped(DropReason::HandoverFull)),
                    }
                }
            }
        }
        *batch = home;
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

    /// The passes after the first: runs that the quick road takes, where they stand, and what is between them one by one.
    fn serve_burst(&mut self, batch: &mut FrameBatch<P::Frame>, found: &mut [Found]) {
        self.find_burst(batch, found);
        let when = (self.judging(), self.exit.now);
        let mut tally = Tally::ZERO;
        let mut found = &mut found[..batch.len()];
        while !batch.is_empty() {
            let Run { passed, unready } = self.rewrite_run(batch, found, &when, &mut tally);
            let (run, rest) = std::mem::take(&mut found).split_at_mut(passed);
            if passed != 0 {
                self.exit.push_run(batch.drain(..passed), run);
                self.exit.ledger.sent += passed as u64;
            }
            let others = match unready {
                None => self.count_others(rest),
                Some(hop) => {
                    for frame in batch.drain(..1) {
                        let fate = self.exit.forward_rewritten(hop, frame);
                        self.book(fate);
                    }
                    found = &mut rest[1..];
                    continue;
                }
            };
            self.serve_others(batch.drain(..others), rest);
            found = &mut rest[others..];
        }
        tally.settle(&self.exit.page);
    }

    /// How many frames stand before the next that the quick road may take; the first was not one.
    #[inline]
    fn count_others(&self, found: &[Found]) -> usize {
        let may_be_quick = |found: &Found| match (&found.seen, found.leg) {
            (Seen::Fixed(fixed), Some(leg)) => match fixed.protocol {
                Protocol::Tcp => self.sessions.is_spliced(leg),
                Protocol::Udp => self.udp.is_plain4(leg),
            },
            (Seen::Fixed(_) | Seen::Parsed(_) | Seen::Refused(_), _) => false,
        };
        let next = found.iter().skip(1).position(may_be_quick);
        next.map_or(found.len(), |next| next + 1)
    }

    /// Frames to their fates, one by one.
    #[inline(never)]
    fn serve_others(&mut self, frames: Drain<'_, P::Frame, BURST_FRAMES_MAX>, found: &mut [Found]) {
        let (mut head, mut drops) = (None, Drops::NONE);
        for (at, frame) in frames.enumerate() {
            let frame = match &mut head {
                None => frame,
                Some(head) => match self.follow(frame, &found[at], head) {
                    Err(frame) => frame,
                    Ok(fate) => {
                        self.book(fate);
                        continue;
                    }
                },
            };
            head = None;
            let leg = match (&found[at].seen, found[at].leg) {
                (Seen::Refused(reason), _) => {
                    let exit = &mut self.exit;
                    exit.outbox.recycle(frame);
                    drops.count(*reason, |reason, count| exit.book_drops(reason, count));
                    continue;
                }
                (Seen::Fixed(fixed), None) => {
                    // What a frame that has no leg yet leads has none either, so that nothing follows it.
                    let fate = self.serve_stranger(frame, *fixed, &found[at]);
                    self.book(fate);
                    continue;
                }
                (Seen::Fixed(fixed), Some(_)) if !fixed.is_sound(frame.bytes()) => {
                    let mac = self.exit.faces[found[at].port.index()].mac;
                    self.look_closer(&frame, mac, &mut found[at]);
                    None
                }
                (Seen::Fixed(_) | Seen::Parsed(_), leg) => leg,
            };
            let ahead = leg.and_then(|_| self.glance_ahead(&frame, &found[at], found.get(at + 1)));
            let fate = match &found[at].seen {
                Seen::Fixed(fixed) => self.serve_fully(frame, *fixed, &found[at]),
                Seen::Parsed(parsed) => self.serve_parsed(frame, parsed, &found[at]),
                Seen::Refused(reason) => self.drop_frame(frame, *reason),
            };
            self.book(fate);
            head = ahead.filter(|head| self.leads(head));
        }
        drops.settle(|reason, count| self.exit.book_drops(reason, count));
    }

    /// The leg that the table names for each, or the app where it names none; the cache is asked for their lines.
    #[inline]
    fn find_burst(&self, batch: &FrameBatch<P::Frame>, found: &mut [Found]) {
        let mut strangers = false;
        for found in found.iter_mut().take(batch.len()) {
            let protocol = match &found.seen {
                Seen::Fixed(fixed) => fixed.protocol,
                Seen::Parsed(Parsed::Tcp(_)) => Protocol::Tcp,
                Seen::Parsed(Parsed::Udp { .. }) => Protocol::Udp,
                Seen::Parsed(Parsed::Icmp { .. } | Parsed::Arp { .. } | Parsed::Ndp { .. })
                | Seen::Refused(_) => continue,
            };
            found.leg = match protocol {
                Protocol::Tcp => self.sessions.candidate(found.hash),
                Protocol::Udp => self.udp.candidate(found.hash),
            };
            match (found.leg, protocol) {
                (Some(leg), Protocol::Tcp) => self.sessions.prefetch_leg(leg),
                (Some(leg), Protocol::Udp) => self.udp.prefetch_leg(leg),
                (None, _) => strangers = true,
            }
        }
        if strangers {
            self.meet_strangers(batch, found);
        }
    }

    /// What the tables say of the frames without a leg, or what is wrong with them. A loop of its own, as `rewrite_run`.
    #[inline(never)]
    fn meet_strangers(&self, batch: &FrameBatch<P::Frame>, found: &mut [Found]) {
        let (mut unjudged, mut last) = (false, Destination::NONE);
        for (frame, found) in batch.iter().zip(found.iter_mut()) {
            let (Seen::Fixed(fixed), None) = (&found.seen, found.leg) else { continue };
            let (fixed, bytes) = (*fixed, frame.bytes());
            if !fixed.is_sound(bytes) {
                self.look_closer(frame, self.exit.faces[found.port.index()].mac, found);
                continue;
            }
            let said = self.look_up(bytes, fixed, &mut last);
            match said {
                Stranger::NoApp(reason) if self.ignores(bytes, fixed, found.hash) => {
                    found.seen = Seen::Refused(reason);
                    continue;
                }
                Stranger::Unjudged(..) => unjudged = true,
                Stranger::Ours | Stranger::NoApp(_) | Stranger::Judged(..) => {}
            }
            found.stranger = said;
        }
        if unjudged {
            self.judge_burst(batch, found);
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

#[inline(always)]
const fn hints(meta: &RxMeta) -> RxHints {
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

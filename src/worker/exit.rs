//! The way out: routes, neighbours, transmit batches and events behind `session::Net`.
//!
//! ```text
//!  emit (a packet of our own)  ---.                       known: MACs written, into the port's batch
//!  send (a received frame again) --+--> hop --> path ----- asked: waits, a few per hop
//!  link answers (ARP, NDP) --------'-> port               silent: lost, counted as NeighborUnresolved
//! ```
//!
//! Checksums: where the port fills them in it is asked to; else they are computed here, over the packet just
//! written and still in the cache.

use super::face::{Face, face, link_locals};
use super::filtered::{Filtered, Telling};
use super::intake::Found;
use super::locals::Locals;
use super::neighbor::{Neighbors, Path};
use super::origins::Origins;
use super::outbox::{Flushed, Outbox};
use super::rate::RateLimit;
use super::routes::{NextHop, Routes};
use super::waiting::Waiting;
use super::{Ledger, Settings};
use crate::base::limits::{BURST_FRAMES_MAX, FRAME_BYTES_MAX, UNPROVEN_EVENTS_PER_S};
use crate::base::{Addr, AppSlot, DropReason, Endpoint, Fate, Hop, Instant, PortId, WorkerId};
use crate::port::{Frame, Port, TxMeta};
use crate::session::{Choice, Net, NoChoice, OriginNews, OriginPlace};
use crate::snapshot::WorkerMail;
use crate::telemetry::{Counter, Event, EventKind, Gauge, PageWriter};
use crate::wire::checksum::{self, L4Fill};
use crate::wire::ethernet::{self, EtherType};
use crate::wire::ipv4;
use arrayvec::Drain;

/// Bearings kept: each way of a session has one, and an edge has few gateways.
const BEARINGS: usize = 4;
/// No hop has this number.
const NO_HOP: usize = usize::MAX;

/// Where frames to a hop go, until neighbours may have changed.
#[derive(Clone, Copy, Debug)]
struct Bearing {
    /// The hop's number; `NO_HOP`: nothing is known.
    hop: usize,
    /// The destination that it leads to, and whether it leads anywhere, as a gateway does.
    to: Addr,
    anywhere: bool,
    port: PortId,
    /// The hardware addresses of both ends, as they stand in a frame.
    stations: [u8; 12],
}

impl Bearing {
    const NONE: Self =
        Self { hop: NO_HOP, to: Addr::v4([0; 4]), anywhere: false, port: PortId(0), stations: [0; 12] };
}

/// Everything between a finished packet and the ports.
pub(super) struct Exit<P: Port> {
    pub id: WorkerId,
    /// The turn's time.
    pub now: Instant,
    pub outbox: Outbox<P>,
    pub faces: Vec<Face>,
    pub routes: Routes,
    pub locals: Locals,
    pub neighbors: Neighbors,
    /// The hop that was looked up last.
    last_hop: Option<Hop>,
    bearings: [Bearing; BEARINGS],
    pub waiting: Waiting<P::Frame>,
    pub filtered: Filtered,
    /// Events of answered but unproven clients that are told one by one.
    unproven_rate: RateLimit,
    pub page: PageWriter,
    pub ledger: Ledger,
    pub mail: WorkerMail,
    pub flushed: Flushed,
    pub origins: Origins,
    /// Where a packet is written for which there is no buffer: the caller must write somewhere.
    scratch: Box<[u8]>,
}

impl<P: Port> Exit<P> {
    /// All memory of the way out; gateways and static neighbours are entered.
    pub fn new(
        id: WorkerId,
        settings: &Settings,
        ports: Vec<P>,
        mail: WorkerMail,
        page: PageWriter,
        secret: &[u8; 32],
    ) -> Self {
        let egress = &settings.session.egress;
        let egress: Vec<Addr> = egress.ipv4.iter().chain(&egress.ipv6).copied().collect();
        let faces: Vec<_> = ports.iter().zip(&settings.ports).map(|(port, set)| face(port, set)).collect();
        let mut exit = Self {
            id,
            now: Instant::ZERO,
            outbox: Outbox::new(ports),
            locals: Locals::new(&settings.ports, link_locals(settings, &faces), &egress),
            faces,
            routes: Routes::new(&settings.ports, &settings.routes),
            neighbors: Neighbors::new(words(secret)),
            last_hop: None,
            bearings: [Bearing::NONE; BEARINGS],
            waiting: Waiting::new(),
            filtered: Filtered::default(),
            unproven_rate: RateLimit::new(UNPROVEN_EVENTS_PER_S, UNPROVEN_EVENTS_PER_S),
            page,
            ledger: Ledger::default(),
            mail,
            flushed: Flushed::default(),
            origins: Origins::new(settings),
            scratch: vec![0; FRAME_BYTES_MAX].into_boxed_slice(),
        };
        exit.enter_neighbors(settings);
        exit
    }

    /// Sends a frame that holds an IP packet with its checksums towards `hop`.
    #[inline]
    pub fn dispatch(&mut self, hop: Hop, mut frame: P::Frame) {
        match self.neighbors.path(hop, self.now) {
            Path::Ready(mac) => {
                let port = self.neighbors.port(hop);
                let own = self.faces[port.index()].mac;
                address(frame.bytes_mut(), mac, own);
                self.push(port, frame);
            }
            Path::Wait => {
                if self.waiting.keep(hop, frame).is_some() {
                    self.lose(DropReason::NeighborUnresolved);
                }
            }
            Path::Unreachable => self.lose(DropReason::NeighborUnresolved),
        }
    }

    /// Sends a received frame, rewritten where it stood, to the station that sent it.
    pub fn send_back(&mut self, port: PortId, mut frame: P::Frame) {
        if let Some(from) = frame.bytes().get(6..).and_then(|rest| rest.first_chunk().copied()) {
            address(frame.bytes_mut(), from, self.faces[port.index()].mac);
        }
        self.push(port, frame);
    }

    /// Sends a received frame on whose packet, to `to`, is written anew, its checksums complete and its EtherType right.
    #[inline]
    pub fn forward(&mut self, hop: Hop, to: Addr, mut frame: P::Frame) -> Fate {
        match self.head_for(hop, || to, frame.bytes_mut()) {
            Some(port) => {
                self.push(port, frame);
                Fate::Sent
            }
            None => self.forward_slowly(hop, to, frame),
        }
    }

    /// Writes the hardware addresses of a frame that goes to `hop`, and says where it goes out; `None`, and nothing written,
    /// where the hop has to be asked for.
    #[inline(always)]
    pub fn head_for(&mut self, hop: Hop, to: impl Fn() -> Addr, frame: &mut [u8]) -> Option<PortId> {
        let bearing = &self.bearings[hop.index() % BEARINGS];
        let bearing = match bearing.hop == hop.index() && (bearing.anywhere || bearing.to == to()) {
            true => bearing,
            false => self.take_bearing(hop, to())?,
        };
        *frame.first_chunk_mut()? = bearing.stations;
        Some(bearing.port)
    }

    #[inline(never)]
    fn take_bearing(&mut self, hop: Hop, to: Addr) -> Option<&Bearing> {
        let (port, mac) = self.neighbors.ready(hop, to, self.now)?;
        let bearing = &mut self.bearings[hop.index() % BEARINGS];
        (bearing.hop, bearing.port, bearing.to) = (hop.index(), port, to);
        bearing.anywhere = self.neighbors.is_gateway(hop);
        bearing.stations[..6].copy_from_slice(&mac);
        bearing.stations[6..].copy_from_slice(&self.faces[port.index()].mac);
        Some(bearing)
    }

    /// Lets hops be looked at anew: neighbours may have changed.
    #[inline]
    pub fn forget_bearings(&mut self) {
        self.bearings.iter_mut().for_each(|bearing| bearing.hop = NO_HOP);
    }

    /// The same where the hop has to be asked for or is another's by now.
    #[inline(never)]
    pub fn forward_slowly(&mut self, hop: Hop, to: Addr, frame: P::Frame) -> Fate {
        let Some(hop) = self.lead(hop, to) else {
            return Fate::Dropped(DropReason::NoRoute);
        };
        self.dispatch(hop, frame);
        Fate::Sent
    }

    /// The same of one whose destination stands in its packet.
    pub fn forward_rewritten(&mut self, hop: Hop, frame: P::Frame) -> Fate {
        match frame.bytes().get(ethernet::HEADER_LEN..).and_then(destination) {
            Some(to) => self.forward_slowly(hop, to, frame),
            None => Fate::Dropped(DropReason::FrameTruncated),
        }
    }

    /// Sends a received frame on whose packet, to `to`, is written anew with its checksums left zero and its EtherType right.
    pub fn answer(&mut self, hop: Hop, to: Addr, mut frame: P::Frame) -> Fate {
        frame.set_tx_meta(TxMeta::default());
        self.finish(self.neighbors.port(hop), &mut frame);
        self.forward(hop, to, frame)
    }

    /// Sends a packet of our own whose checksums `fill` has made; whether there was a buffer for it.
    pub fn emit_whole(&mut self, hop: Hop, len: usize, fill: impl FnOnce(&mut [u8])) -> bool {
        let frame = self.outbox.spare();
        let Some(mut frame) =
            frame.and_then(|mut frame| frame.set_len(ethernet::HEADER_LEN + len).then_some(frame))
        else {
            self.page.refused(DropReason::NoFrame);
            return false;
        };
        fill(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        self.ledger.made += 1;
        match destination(&frame.bytes()[ethernet::HEADER_LEN..]).and_then(|dst| self.lead(hop, dst)) {
            Some(hop) => self.dispatch(hop, frame),
            None => self.lose(DropReason::NoRoute),
        }
        true
    }

    /// Puts a complete frame into a port's batch.
    #[inline(always)]
    pub fn push(&mut self, port: PortId, frame: P::Frame) {
        if self.outbox.push(port, frame, &mut self.flushed).is_err() {
            self.lose(DropReason::TxFull);
        }
    }

    /// The same of many, each into the batch of the port that is noted of it.
    #[inline]
    pub fn push_run(&mut self, frames: Drain<'_, P::Frame, BURST_FRAMES_MAX>, found: &[Found]) {
        for (frame, Found { port, .. }) in frames.zip(found) {
            self.push(*port, frame);
        }
    }

    /// Books received frames that were dropped for one reason.
    pub fn book_drops(&mut self, reason: DropReason, count: u64) {
        self.ledger.dropped += count;
        self.page.dropped_many(reason, count);
    }

    /// Sends what waited for `hop`, which is known now.
    pub fn release(&mut self, hop: Hop) {
        while let Some(frame) = self.waiting.next_for(hop) {
            self.dispatch(hop, frame);
        }
    }

    /// Sends a frame of our own that `write` makes, `len` bytes long; `write` says whether it fitted.
    pub fn make(&mut self, port: PortId, len: usize, write: impl FnOnce(&mut P::Frame) -> bool) {
        let frame = self.outbox.spare();
        let Some(mut frame) = frame.and_then(|mut frame| frame.set_len(len).then_some(frame)) else {
            self.page.refused(DropReason::NoFrame);
            return;
        };
        if write(&mut frame) {
            self.ledger.made += 1;
            self.push(port, frame);
        }
    }

    /// Gives up what waited for `hop`.
    pub fn give_up(&mut self, hop: Hop) {
        self.page.count(Counter::NeighborsFailed);
        while self.waiting.next_for(hop).is_some() {
            self.lose(DropReason::NeighborUnresolved);
        }
    }

    /// Tells of what a client brought about whose address may be forged: at most one event a kind, app, source net and
    /// interval.
    pub fn gather(&mut self, event: &Event) {
        match self.filtered.gather(event) {
            Telling::Now => self.tell(event.clone()),
            Telling::Later => {}
            Telling::NoRoom => self.page.count(lost(event.kind)),
        }
    }

    /// Tells of what was gathered whose interval is over.
    pub fn tell_filtered(&mut self) {
        let (mail, page) = (&self.mail, &self.page);
        self.filtered.tell(self.now, |event| {
            let kind = event.kind;
            if !mail.event(event) {
                page.count(lost(kind));
            }
        });
    }

    /// Sends what is in the batches.
    pub fn flush(&mut self) {
        let flushed = self.outbox.flush();
        self.flushed.frames += flushed.frames;
        self.flushed.bytes += flushed.bytes;
    }

    /// Outgoing frames that are still held.
    pub fn held(&self) -> u64 {
        (self.outbox.waiting() + self.waiting.len()) as u64
    }

    /// The checksums of the IP packet that `frame` holds behind its Ethernet header.
    #[inline]
    fn finish(&mut self, port: PortId, frame: &mut P::Frame) {
        let offload = self.faces[port.index()].offload;
        let packet = &mut frame.bytes_mut()[ethernet::HEADER_LEN..];
        if offload.tx_ip && offload.tx_tcp && checksum::pseudo_tcp4(packet) {
            return frame.set_tx_meta(TCP4_BY_DEVICE);
        }
        let ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
        let ip_checksum = offload.tx_ip && !ipv6;
        if !ip_checksum {
            checksum::fill_ip(packet);
        }
        let tcp_checksum = offload.tx_tcp && checksum::pseudo_l4(packet) == L4Fill::Device;
        if !offload.tx_tcp {
            checksum::fill_l4(packet);
            self.page.count(Counter::SoftwareChecksums);
        }
        if ip_checksum || tcp_checksum {
            let (l2_len, l3_len) = (ethernet::HEADER_LEN as u8, if ipv6 { 40 } else { 20 });
            let asked = TxMeta { ip_checksum, tcp_checksum, ..TxMeta::default() };
            frame.set_tx_meta(TxMeta { l2_len, l3_len, ipv6, ..asked });
        }
    }

    /// Asks the port to cut the segment over IPv4 that `frame` holds into ones of `segment` bytes; it does their checksums, but for
    /// that of the IP header where it leaves it to who cuts behind it (virtio).
    fn finish_long(&self, port: PortId, frame: &mut P::Frame, segment: u16) {
        let ip_checksum = self.faces[port.index()].offload.tx_ip;
        let packet = &mut frame.bytes_mut()[ethernet::HEADER_LEN..];
        let data_offset = packet.get(ipv4::HEADER_LEN + 12).map_or(0, |byte| byte >> 4);
        let payload = packet.len().saturating_sub(ipv4::HEADER_LEN + usize::from(data_offset) * 4);
        if !ip_checksum {
            checksum::fill_ip(packet);
        }
        let _ = checksum::pseudo_l4(packet);
        frame.set_tx_meta(TxMeta {
            l2_len: ethernet::HEADER_LEN as u8,
            l3_len: ipv4::HEADER_LEN as u8,
            l4_len: data_offset * 4,
            ipv6: false,
            ip_checksum,
            tcp_checksum: true,
            segment,
        });
        self.page.count(Counter::TsoFrames);
        self.page.add(Counter::TsoSegments, payload.div_ceil(usize::from(segment).max(1)) as u64);
    }

    /// The hop towards `to`, as `route` finds it; where there is none nothing is counted.
    #[inline]
    pub fn lookup_hop(&mut self, to: Addr) -> Option<Hop> {
        let next = self.routes.next_hop(to)?;
        self.hop_of(next)
    }

    /// The hop of a host on a link; most frames go to the one that the last went to.
    #[inline]
    fn hop_of(&mut self, next: NextHop) -> Option<Hop> {
        if let Some(hop) = self.last_hop.filter(|hop| self.neighbors.whose(*hop) == (next.port, next.addr)) {
            return Some(hop);
        }
        self.last_hop = self.neighbors.hop(next.port, next.addr, self.now);
        self.last_hop
    }

    /// A hop that still leads to the packet's destination.
    #[inline]
    fn lead(&mut self, hop: Hop, dst: Addr) -> Option<Hop> {
        if self.neighbors.leads_to(hop, dst) { Some(hop) } else { self.route(dst) }
    }

    fn lose(&mut self, reason: DropReason) {
        self.ledger.lost += 1;
        self.page.refused(reason);
    }

    fn tell(&mut self, event: Event) {
        let kind = event.kind;
        if !self.mail.event(event) {
            self.page.count(lost(kind));
        }
    }

    fn enter_neighbors(&mut self, settings: &Settings) {
        for (index, port) in settings.ports.iter().enumerate() {
            for (ip, mac) in &port.static_neighbors {
                self.neighbors.fix(PortId(index as u8), (*ip).into(), *mac, self.now);
            }
        }
        for gateway in self.routes.gateways() {
            self.neighbors.pin(gateway.port, gateway.addr, self.now);
        }
        self.page.set(Gauge::Neighbors, self.neighbors.len() as u64);
    }
}

impl<P: Port> Net for Exit<P> {
    fn route(&mut self, to: Addr) -> Option<Hop> {
        let next = self.routes.next_hop(to)?;
        let hop = self.hop_of(next);
        if hop.is_none() {
            self.page.count(Counter::NeighborsRefused);
        }
        hop
    }

    fn mtu(&self, hop: Hop) -> usize {
        usize::from(self.faces[self.neighbors.port(hop).index()].mtu)
    }

    #[inline]
    fn room(&mut self) -> usize {
        let room = self.outbox.room(&mut self.flushed);
        if room == 0 {
            self.page.refused(DropReason::NoFrame);
        }
        room
    }

    #[inline]
    fn emit<R>(&mut self, hop: Hop, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let frame = self.outbox.spare();
        let sized = frame.and_then(|mut frame| frame.set_len(ethernet::HEADER_LEN + len).then_some(frame));
        let Some(mut frame) = sized else {
            self.page.refused(DropReason::NoFrame);
            let len = len.min(self.scratch.len());
            return fill(&mut self.scratch[..len]);
        };
        let filled = fill(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        self.ledger.made += 1;
        let Some(to) = destination(&frame.bytes()[ethernet::HEADER_LEN..]) else {
            self.lose(DropReason::NoRoute);
            return filled;
        };
        if let Some(port) = self.head_for(hop, || to, frame.bytes_mut()) {
            let ether_type = if to.is_v4() { EtherType::Ipv4 } else { EtherType::Ipv6 };
            ethernet::set_ether_type(frame.bytes_mut(), ether_type);
            self.finish(port, &mut frame);
            self.push(port, frame);
        } else if let Some(hop) = self.lead(hop, to) {
            self.finish(self.neighbors.port(hop), &mut frame);
            self.dispatch(hop, frame);
        } else {
            self.lose(DropReason::NoRoute);
        }
        filled
    }

    #[inline]
    fn cuts(&mut self, hop: Hop) -> usize {
        let port = self.neighbors.port(hop);
        let bytes = self.faces[port.index()].tso_bytes;
        if bytes != 0 && self.outbox.has_long(port) { bytes.into() } else { 0 }
    }

    fn emit_long<R>(
        &mut self,
        hop: Hop,
        (len, segment): (usize, u16),
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let port = self.neighbors.port(hop);
        let frame = self.outbox.take_long(port);
        let sized = frame.and_then(|mut frame| frame.set_len(ethernet::HEADER_LEN + len).then_some(frame));
        let Some(mut frame) = sized else {
            self.page.refused(DropReason::NoFrame);
            let len = len.min(self.scratch.len());
            return fill(&mut self.scratch[..len]);
        };
        let filled = fill(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        self.ledger.made += 1;
        let to = destination(&frame.bytes()[ethernet::HEADER_LEN..]);
        let led = to.and_then(|dst| self.lead(hop, dst));
        // The way may lead through another port by now, which cuts nothing: the peer's silence asks for it again.
        match led.filter(|hop| self.neighbors.port(*hop) == port) {
            Some(hop) => {
                self.finish_long(port, &mut frame, segment);
                self.dispatch(hop, frame);
            }
            None => self.lose(DropReason::NoRoute),
        }
        filled
    }

    fn choose_origin(
        &mut self,
        app: AppSlot,
        port: u16,
        tried: Option<Endpoint>,
    ) -> Result<Choice, NoChoice> {
        self.origins.choose((app, port), tried, self.now)
    }

    fn origin_news(&mut self, place: OriginPlace, news: OriginNews) -> bool {
        self.origins.hear(place, news, self.now)
    }

    /// Sessions of clients that may be who they say are told one by one, those of unproven ones up to a rate; others,
    /// and those that nobody answered, are gathered.
    fn event(&mut self, event: Event) {
        let answered = event.connected_at.is_some();
        if event.proven || answered && self.unproven_rate.allow(self.now) {
            self.tell(event);
        } else {
            self.gather(&Event { egress: None, ..event });
        }
    }

    fn refused(&mut self, reason: DropReason) {
        self.page.refused(reason);
    }

    fn page(&self) -> &PageWriter {
        &self.page
    }
}

/// Both checksums of a segment over IPv4 are the device's.
const TCP4_BY_DEVICE: TxMeta = TxMeta {
    l2_len: ethernet::HEADER_LEN as u8,
    l3_len: ipv4::HEADER_LEN as u8,
    ipv6: false,
    ip_checksum: true,
    tcp_checksum: true,
    segment: 0,
    l4_len: 0,
};

/// The counter of events of this kind that found no room.
const fn lost(kind: EventKind) -> Counter {
    match kind {
        EventKind::Connect => Counter::LostConnects,
        EventKind::Disconnect => Counter::LostDisconnects,
        EventKind::ClientFiltered => Counter::LostFiltered,
        EventKind::TlsError | EventKind::OriginError | EventKind::ResolveOrigin => Counter::LostErrors,
    }
}

/// Writes the Ethernet header before an IP packet.
#[inline]
fn address(frame: &mut [u8], dst: ethernet::Mac, src: ethernet::Mac) {
    let ipv6 = frame.get(ethernet::HEADER_LEN).is_some_and(|first| first >> 4 == 6);
    let ether_type = if ipv6 { EtherType::Ipv6 } else { EtherType::Ipv4 };
    if let Some(header) = frame.first_chunk_mut() {
        ethernet::Header { dst, src, ether_type }.emit(header);
    }
}

/// The destination of an IP packet that we wrote.
#[inline]
fn destination(packet: &[u8]) -> Option<Addr> {
    match packet.first()? >> 4 {
        4 => Some(Addr::v4(packet.get(16..20)?.try_into().ok()?)),
        6 => Some(Addr::v6(packet.get(24..40)?.try_into().ok()?)),
        _ => None,
    }
}

fn words(secret: &[u8; 32]) -> [u64; 4] {
    std::array::from_fn(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&secret[8 * at..8 * at + 8]);
        u64::from_le_bytes(word)
    })
}

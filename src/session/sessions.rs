//! All sessions of one worker: the room's public face, and how a session opens.
//!
//! ```text
//!  SYN -> open -> HalfOpen --third ACK--> Connecting --SYN-ACK of the origin--> Open --FIN--> Closing -> gone
//!                    |                        |                                  |              |
//!                    `-- RST, timeout         `-- refused, unreachable, timeout  `-- RST, timeout, end
//! ```
//! Everything is allocated here at launch: session slots, pairs of one-socket sets with their buffers (`seats`), the flow
//! table, timers, TIME-WAIT and the source ports. A session has such a pair unless it is parked (`park`).

use super::allowance::Allowance;
use super::cookie::Cookies;
use super::gate::{Entry, Gate};
use super::isn::{self, IsnSource};
use super::leg::{Leg, before, flag};
use super::offer::{Offer, OriginOptions};
use super::pair::Session;
use super::probe::Probes;
use super::seats::Seats;
use super::sender::Boards;
use super::settings::MSS_MIN;
use super::splice::Splices;
use super::stack::Stack;
use super::time_wait::Graveyard;
use super::{Admission, CryptoLane, Net, Settings};
use crate::base::limits::SCOREBOARDS_MAX;
use crate::base::{Addr, DropReason, Endpoint, Epoch, Fate, Instant, Span, Wheel, WorkerId};
use crate::flow::{FlowHasher, FlowMap, LegRef, Side, SourcePorts};
use crate::telemetry::{AppCounter, Counter};
use crate::wire::{FlowKey, Protocol, TcpOptions, TcpSegment, Tuple4};
use dpdk_sys::cpu;
use smoltcp::socket::tcp::State;

/// What a SYN without an MSS option means (RFC 9293 3.7.1).
const MSS_DEFAULT_V4: u16 = 536;
const MSS_DEFAULT_V6: u16 = 1220;
/// Into how many steps at least our receive buffer is divided by the shift that a peer is told.
const WINDOW_STEPS: usize = 64;

/// The sessions of one worker.
pub struct Sessions {
    pub(super) settings: Settings,
    pub(super) worker: WorkerId,
    pub(super) hasher: FlowHasher,
    pub(super) flows: FlowMap<LegRef>,
    pub(super) sessions: Box<[Session]>,
    /// Sockets, buffers and senders of those that are not parked.
    pub(super) seats: Seats,
    /// Sessions without.
    pub(super) parked: u32,
    /// What legs that lose know of their losses.
    pub(super) boards: Boards,
    pub(super) free: Vec<u32>,
    pub(super) wheel: Wheel,
    pub(super) dirty: Vec<u32>,
    /// The list that `service` walks while `dirty` takes newcomers.
    pub(super) tending: Vec<u32>,
    /// Sessions that are mere translations; their legs are numbered behind the managed ones.
    pub(super) splices: Splices,
    pub(super) stack: Stack,
    pub(super) isns: IsnSource,
    pub(super) cookies: Cookies,
    pub(super) ports: SourcePorts,
    /// What origins were seen to take.
    pub(super) origin_options: OriginOptions,
    pub(super) probes: Probes,
    pub(super) graveyard: Graveyard,
    pub(super) allowance: Allowance,
    pub(super) gate: Gate,
    pub(super) half_open: u32,
    /// The way to the crypto threads.
    pub(super) crypto: Option<CryptoLane>,
    /// The number of the next trip there.
    pub(super) generation: u64,
    pub(super) sweep_cursor: u32,
    pub(super) draining: bool,
}

impl Sessions {
    /// All that `worker`, one of `workers`, will ever use.
    ///
    /// # Panics
    /// When smoltcp no longer takes initial sequence numbers of our choice (see `isn`), and when there is not enough
    /// memory for the buffers.
    pub fn new(settings: Settings, worker: WorkerId, workers: u8, secret: &[u8; 32], now: Instant) -> Self {
        assert!(isn::self_test(), "smoltcp no longer takes initial sequence numbers of our choice");
        let seats = settings.sessions_max.clamp(1, LegRef::SESSIONS_MAX - 1);
        let parked = if settings.park_after == Span::ZERO { 0 } else { settings.parked_max };
        let count = seats.saturating_add(parked).min(LegRef::SESSIONS_MAX - 1) as usize;
        let seats = seats as usize;
        let hasher = FlowHasher::new(secret);
        let spliced = settings.spliced_max.min(LegRef::SESSIONS_MAX - 1 - count as u32);
        let slots = ((count as u32).saturating_add(spliced), settings.half_open_max, seats as u32);
        let mut ports = SourcePorts::new(settings.egress.clone(), worker, workers, secret);
        ports.set_shares(settings.shares);
        Self {
            worker,
            flows: FlowMap::new((count + spliced as usize) * 2),
            splices: Splices::new(spliced, now),
            sessions: (0..count).map(|_| Session::vacant()).collect(),
            seats: Seats::new(count, seats, &settings),
            parked: 0,
            boards: Boards::new((seats * 2).min(SCOREBOARDS_MAX)),
            free: (0..count as u32).rev().collect(),
            wheel: Wheel::with_capacity(count, now),
            dirty: Vec::with_capacity(count),
            tending: Vec::with_capacity(count),
            stack: Stack::new(&settings.port_mtus),
            isns: IsnSource::new(secret),
            cookies: Cookies::new(secret),
            ports,
            origin_options: OriginOptions::default(),
            probes: Probes::default(),
            gate: Gate::new(slots, settings.shares, settings.limits, hasher.clone()),
            graveyard: Graveyard::new(settings.time_wait_max as usize, settings.time_wait, hasher.clone()),
            allowance: Allowance::new(settings.challenge_acks_per_s, u64::from_le_bytes(eight_of(secret))),
            half_open: 0,
            crypto: None,
            generation: 0,
            sweep_cursor: 0,
            draining: false,
            hasher,
            settings,
        }
    }

    /// The hash of a flow as its frames arrive; input of `prefetch` and `find`.
    #[inline]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        self.hasher.hash(key)
    }

    /// The same of an IPv4 flow.
    #[inline(always)]
    pub fn hash4(&self, tuple: Tuple4) -> u64 {
        self.hasher.hash4(tuple, Protocol::Tcp)
    }

    /// Asks the cache for the flow table's lines under `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.flows.prefetch(hash);
    }

    /// Asks the cache for a session that `find` is about to look at or has found.
    #[inline]
    pub fn prefetch_leg(&self, leg: LegRef) {
        if self.is_spliced(leg) {
            return self.splices.prefetch(self.own(leg).session());
        }
        self.prefetch_managed(leg);
    }

    #[inline(never)]
    fn prefetch_managed(&self, leg: LegRef) {
        cpu::prefetch(&self.sessions[leg.session() as usize].legs[leg.side().index()]);
        self.seats.prefetch(leg);
    }

    /// The leg that the flow table names first for `hash`.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<LegRef> {
        self.flows.candidate(hash)
    }

    /// The leg that a frame with this key belongs to, with what `candidate` said a moment ago: other frames may have come
    /// in between.
    #[inline]
    pub fn confirm(&self, candidate: Option<LegRef>, key: &FlowKey, hash: u64) -> Option<LegRef> {
        match candidate.filter(|leg| holds(&self.sessions, &self.splices, *leg, key)) {
            Some(leg) => Some(leg),
            None => self.find(key, hash),
        }
    }

    /// The leg that a frame with this key belongs to.
    #[inline]
    pub fn find(&self, key: &FlowKey, hash: u64) -> Option<LegRef> {
        self.flows.find(hash, |leg| holds(&self.sessions, &self.splices, leg, key))
    }

    /// The snapshot that judged a leg's session last.
    #[inline]
    pub fn judged_epoch(&self, leg: LegRef) -> Epoch {
        match self.sessions.get(leg.session() as usize) {
            Some(session) => session.epoch,
            None => self.splices.records[self.own(leg).session() as usize].epoch,
        }
    }

    /// Sessions alive, half-open ones included.
    pub fn len(&self) -> usize {
        self.managed() + self.splices.len()
    }

    /// Sessions alive that are not mere translations.
    pub fn managed(&self) -> usize {
        self.sessions.len() - self.free.len()
    }

    /// Those of them that have no sockets.
    pub const fn parked(&self) -> usize {
        self.parked as usize
    }

    /// Whether one more session finds a slot and sockets.
    #[inline]
    pub(super) fn has_seat(&self) -> bool {
        !self.free.is_empty() && !self.seats.are_taken()
    }

    /// Sessions that are.
    pub fn spliced(&self) -> usize {
        self.splices.len()
    }

    /// Slots, taken or not.
    pub fn slots(&self) -> u32 {
        self.sessions.len() as u32 + self.splices.slots()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sessions whose client has not finished its handshake.
    pub fn half_open(&self) -> usize {
        self.half_open as usize
    }

    /// Flows in TIME-WAIT, and tuples in quarantine.
    pub fn resting(&self) -> (usize, usize) {
        (self.graveyard.len(), self.ports.resting())
    }

    /// No timer of this worker's sessions fires before this time; zero when sessions wait to be tended.
    pub fn next_deadline(&self) -> Option<Instant> {
        if !self.dirty.is_empty() {
            return Some(Instant::ZERO);
        }
        [self.wheel.next(), self.splices.wheel.next(), self.probes.deadline()].into_iter().flatten().min()
    }

    /// Refuses new sessions from now on; those alive go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Opens a session for a first SYN that table and firewall let pass and that has no flow. A refusal changes and
    /// allocates nothing.
    pub fn open<N: Net>(
        &mut self,
        admission: &Admission,
        segment: &TcpSegment,
        frame: &[u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let (start, end) = segment.options();
        let Some(options) = frame.get(start..end).and_then(|bytes| TcpOptions::parse(bytes).ok()) else {
            return Fate::Dropped(DropReason::TcpHeaderBad);
        };
        let reuse = self.graveyard.take_reuse(&segment.key);
        let refusal = self.refusal(admission, net).map_or(Ok(()), Err);
        let entry = match refusal.and_then(|()| self.let_in(admission, segment.key.src, now, net)) {
            Ok(entry) => entry,
            Err(reason) => return Fate::Dropped(reason),
        };
        let mut leg = self.client_leg(admission, segment, &options, net.mtu(admission.client_hop), now);
        if let Some(floor) = reuse.filter(|&floor| before(leg.iss, floor.wrapping_add(1))) {
            // RFC 1122 4.2.2.13: above every number of the old incarnation.
            leg.start_sending_at(floor.wrapping_add(65_537));
        }
        leg.state = State::SynReceived;
        let id = match self.seat(admission, entry, leg, now) {
            Ok(id) => id,
            Err(reason) => return Fate::Dropped(reason),
        };
        self.arm_by(id, now + self.settings.half_open_timeout);
        self.mark(id);
        net.page().count(Counter::OpenedSessions);
        Fate::Absorbed
    }

    /// Whether there is room for a client, by shares and limits.
    pub(super) fn let_in<N: Net>(
        &mut self,
        admission: &Admission,
        client: Addr,
        now: Instant,
        net: &mut N,
    ) -> Result<Entry, DropReason> {
        if !self.has_seat() {
            return Err(DropReason::SessionsFull);
        }
        let tenant = admission.tenant();
        let asked = match self.ports.refusal(tenant, now) {
            Some(reason) => Err(reason),
            None => self.gate.ask(tenant, admission.limits, client, now),
        };
        match asked {
            Ok(entry) if entry.uncounted => net.page().count(Counter::UncountedClients),
            Ok(_) => {}
            Err(_) => net.page().add_app(admission.app, AppCounter::Refused, 1),
        }
        asked
    }

    /// Gives a client's leg, which is half-open, a slot and its place in the flow table.
    pub(super) fn seat(
        &mut self,
        admission: &Admission,
        entry: Entry,
        leg: Leg,
        now: Instant,
    ) -> Result<u32, DropReason> {
        let Some(&id) = self.free.last().filter(|_| !self.seats.are_taken()) else {
            return Err(DropReason::SessionsFull);
        };
        if !self.flows.insert(self.hasher.hash(&leg.key), LegRef::new(id, Side::Client)) {
            return Err(DropReason::FlowsFull);
        }
        self.free.pop();
        self.seats.take(id);
        self.half_open += 1;
        self.gate.enter(admission.tenant(), entry.client);
        let session = &mut self.sessions[id as usize];
        session.begin(admission, now);
        session.client = entry.client;
        session.legs[Side::Client.index()] = leg;
        Ok(id)
    }

    /// What is in the way of one more half-open session.
    fn refusal<N: Net>(&self, admission: &Admission, net: &mut N) -> Option<DropReason> {
        if self.draining {
            return Some(DropReason::Draining);
        }
        if self.half_open >= self.settings.half_open_max {
            return Some(DropReason::HalfOpenFull);
        }
        let reason = self.gate.half_open_refusal(admission.tenant())?;
        net.page().add_app(admission.app, AppCounter::Refused, 1);
        Some(reason)
    }

    /// The numbers of a client leg as its SYN gives them.
    fn client_leg(
        &self,
        admission: &Admission,
        segment: &TcpSegment,
        options: &TcpOptions,
        mtu: usize,
        now: Instant,
    ) -> Leg {
        let mut leg = self.new_leg(segment.key, mtu, now);
        leg.hop = admission.client_hop;
        if let Some(offer) = admission.offer {
            leg.offer(offer);
        }
        leg.start_receiving_at(segment.seq);
        self.agree(&mut leg, segment, options);
        leg
    }

    /// A leg of flow `key` over a path of `mtu` bytes, before the peer has spoken.
    pub(super) fn new_leg(&self, key: FlowKey, mtu: usize, now: Instant) -> Leg {
        let mut leg = Leg::vacant();
        leg.key = key;
        (leg.heard, leg.flight_since) = (now, now);
        leg.class = self.stack.class_for(mtu);
        leg.inner_shift = inner_shift(self.settings.rx_buffer_bytes);
        let (isn, ts_offset) = self.isns.numbers(self.hasher.hash(&key), now);
        leg.ts_offset = ts_offset;
        leg.start_sending_at(isn);
        leg.offer(self.full_offer());
        leg.set(flag::LIVE | flag::SYN_DUE);
        leg
    }

    /// What a peer is offered of whom nothing is known, or whose session is never spliced.
    pub fn full_offer(&self) -> Offer {
        let Settings { timestamps, window_shift, .. } = self.settings;
        let mss_max = self.settings.mss_limit();
        Offer { timestamps, sack: true, shift: Some(window_shift.min(14)), mss_max }
    }

    /// Whether sessions are spliced where they can be.
    #[inline]
    pub fn splices_some(&self) -> bool {
        self.splices.slots() != 0
    }

    /// What a client is offered whose connection goes to one of these origins: of everything, what they were seen to take.
    #[inline]
    pub fn offer(
        &self,
        origins: impl Iterator<Item = Endpoint>,
        client: Addr,
        now: Instant,
    ) -> Option<Offer> {
        let narrow = || self.origin_options.narrow(self.full_offer(), origins, client, self.shift_max(), now);
        self.splices_some().then(narrow)
    }

    /// Changes when what clients are offered may have changed, but for time.
    #[inline]
    pub const fn offers_known(&self) -> u32 {
        self.origin_options.learnt()
    }

    /// The largest shift with which the windows of our own buffers are still told finely enough.
    pub(super) fn shift_max(&self) -> u8 {
        let fine = self.settings.rx_buffer_bytes.max(WINDOW_STEPS).ilog2() - WINDOW_STEPS.ilog2();
        self.settings.window_shift.max(fine as u8).min(14)
    }

    /// Settles what both ends can do, from the peer's SYN or SYN-ACK.
    pub(super) fn agree(&self, leg: &mut Leg, segment: &TcpSegment, options: &TcpOptions) {
        leg.peer_mss = mss_told(options, leg.key.src.is_v4()).clamp(MSS_MIN, self.full_offer().mss_max);
        match options.window_shift.filter(|_| leg.is(flag::SCALES)) {
            Some(shift) => leg.peer_shift = shift,
            None => {
                leg.clear(flag::SCALES);
                (leg.shift, leg.inner_shift, leg.peer_shift) = (0, 0, 0);
            }
        }
        if !options.sack_permitted {
            leg.clear(flag::SACK);
        }
        match options.timestamp.filter(|_| leg.is(flag::TIMESTAMPS)) {
            Some((value, _)) => leg.ts_recent = value,
            None => leg.clear(flag::TIMESTAMPS),
        }
        leg.peer_window = segment.window;
        leg.peer_window_max = u32::from(segment.window).max(1);
        leg.fit_mss(self.stack.mtu(leg.class));
    }

    /// Puts a session on the list of those to tend after this burst.
    #[inline]
    pub(super) fn mark(&mut self, id: u32) {
        let session = &mut self.sessions[id as usize];
        if !session.dirty {
            session.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Makes sure that the session's timer fires at `at` or before.
    #[inline]
    pub(super) fn arm_by(&mut self, id: u32, at: Instant) {
        let session = &mut self.sessions[id as usize];
        if session.timer_at.is_none_or(|armed| at < armed) {
            session.timer_at = Some(at);
            self.wheel.arm(id, at);
        }
    }
}

/// Whether this leg's frames bear this key.
#[inline]
pub(super) fn holds(sessions: &[Session], splices: &Splices, leg: LegRef, key: &FlowKey) -> bool {
    match sessions.get(leg.session() as usize) {
        Some(session) => {
            let leg = &session.legs[leg.side().index()];
            leg.is(flag::LIVE) && leg.key == *key
        }
        None => splices.hold(LegRef::new(leg.session() - sessions.len() as u32, leg.side()), key),
    }
}

/// The MSS that a SYN or SYN-ACK with these options tells.
pub(super) fn mss_told(options: &TcpOptions, v4: bool) -> u16 {
    let default = if v4 { MSS_DEFAULT_V4 } else { MSS_DEFAULT_V6 };
    options.mss.filter(|&mss| mss != 0).unwrap_or(default)
}

/// smoltcp's own window shift for a receive buffer: the bits above 16.
fn inner_shift(rx_bytes: usize) -> u8 {
    (usize::BITS - rx_bytes.leading_zeros()).saturating_sub(16) as u8
}

fn eight_of(secret: &[u8; 32]) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&secret[8..16]);
    eight
}

//! One session's record: two legs and what is known of the pair.

use super::balance::OriginPlace;
use super::gate::ClientPlace;
use super::leg::{Leg, flag};
use super::receive::RTO_MIN;
use super::tls::SessionTls;
use super::{Admission, Phase, SessionView, Settings};
use crate::base::{AccountSlot, AppSlot, Endpoint, Epoch, Instant, Span, Whence, WorkerId};
use crate::flow::{Side, Tenant};
use crate::table::ProxyProtocol;
use crate::telemetry::{AppCounter, Counter, Event, EventKind, FirewallMatch, PageWriter, Status, Transport};
use crate::tls::AppTls;
use crate::wire::Protocol;
use smoltcp::socket::tcp::State;
use std::sync::Arc;

/// The probes that fit into the user timeout.
pub(super) const PROBES: u64 = 8;

/// A session, or a vacant slot for one.
pub struct Session {
    /// Client leg, origin leg.
    pub legs: [Leg; 2],
    /// `None`: vacant.
    pub phase: Option<Phase>,
    /// Whether it waits in the list of sessions to tend.
    pub dirty: bool,
    /// Whose bytes moved last.
    pub last_from: Side,
    /// Whether the firewall was on.
    pub ip_firewall: bool,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// Where the client comes from.
    pub whence: Whence,
    /// The app.
    pub app: AppSlot,
    /// Its account.
    pub account: AccountSlot,
    /// Where its client is counted.
    pub client: ClientPlace,
    /// The snapshot that judged it last.
    pub epoch: Epoch,
    /// Where it goes; port 0 before the origin is chosen.
    pub origin: Endpoint,
    /// Where the worker keeps what it knows of the origin.
    pub place: OriginPlace,
    /// Origins called.
    pub calls: u8,
    /// What the origin is told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// When its timer fires; the wheel's own word, kept here to save the look.
    pub timer_at: Option<Instant>,
    /// When the first SYN came.
    pub opened_at: Instant,
    /// When the origin was called, and before that the SYN-ACK sent.
    pub called_at: Instant,
    /// When both legs were up.
    pub connected_at: Option<Instant>,
    /// When a byte last moved from one leg to the other.
    pub moved_at: Instant,
    /// When it is ended because its app is gone.
    pub doom: Option<Instant>,
    /// Round-trip times of the handshakes.
    pub rtts: [Option<Span>; 2],
    /// Bytes read from client and origin.
    pub bytes: [u64; 2],
    /// Whether it becomes a mere translation of headers as soon as it can.
    pub splice: SpliceWish,
    /// Until when its client's first bytes wait for the origin, unacknowledged (`splice::hold`).
    pub held_until: Option<Instant>,
    /// How often it was brought to rest so that it can be spliced (`splice::quiesce`).
    pub quiesces: u8,
    /// What TLS its app asks for.
    pub plan: Option<Arc<AppTls>>,
    /// Its TLS, from its client's arrival on.
    pub tls: Option<Box<SessionTls>>,
    /// When the handshake under way must be done.
    pub secure_by: Instant,
    /// Smoothed round trips of a parked session's legs, in microseconds; zero: not known.
    pub rtts_us: [u32; 2],
    /// From when on it is looked at whether it can be parked, `park_after` after its last byte at the earliest; `NEVER`: it
    /// is, or cannot be.
    pub park_at: Instant,
}

/// A time that does not come.
pub const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// Whether a session is to become a mere translation of headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpliceWish {
    /// It stays as it is: it was not asked for, or cannot be.
    Unwanted,
    /// As soon as nothing is under way.
    Wanted,
}

/// What a session's next deadline is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// The client never finished its handshake.
    HalfOpen,
    /// The origin did not answer the SYN.
    Connect,
    /// The first bytes of the client have waited for the origin long enough.
    Held,
    /// It did not fall quiet while its windows stood still.
    Thaw,
    /// A TLS handshake is not done.
    Handshake,
    /// No byte moved for a while: it needs no sockets.
    Park,
    /// No byte moved for too long.
    Idle,
    /// A half-closed session stands still.
    Fin,
    /// This peer did not answer a SYN or SYN-ACK.
    Resend(Side),
    /// A probe of this silent peer is due.
    Probe(Side),
    /// This peer answers no probe.
    Silent(Side),
    /// This peer acknowledges nothing.
    Unanswered(Side),
    /// The grace of a removed app is over.
    Doom,
}

impl Session {
    /// An empty slot.
    pub const fn vacant() -> Self {
        Self {
            legs: [Leg::vacant(), Leg::vacant()],
            phase: None,
            dirty: false,
            last_from: Side::Client,
            ip_firewall: false,
            firewall: FirewallMatch::Unknown,
            whence: Whence::UNKNOWN,
            app: AppSlot(0),
            account: AccountSlot(0),
            client: ClientPlace::NONE,
            epoch: Epoch(0),
            origin: Endpoint { addr: crate::base::Addr::v4([0; 4]), port: 0 },
            place: OriginPlace::NONE,
            calls: 0,
            proxy_protocol: ProxyProtocol::Off,
            timer_at: None,
            opened_at: Instant::ZERO,
            called_at: Instant::ZERO,
            connected_at: None,
            moved_at: Instant::ZERO,
            doom: None,
            rtts: [None; 2],
            bytes: [0; 2],
            splice: SpliceWish::Unwanted,
            held_until: None,
            quiesces: 0,
            plan: None,
            tls: None,
            secure_by: Instant::ZERO,
            rtts_us: [0; 2],
            park_at: NEVER,
        }
    }

    /// Makes the slot a half-open session.
    pub fn begin(&mut self, admission: &Admission, now: Instant) {
        let (dirty, timer_at) = (self.dirty, self.timer_at);
        *self = Self::vacant();
        (self.dirty, self.timer_at) = (dirty, timer_at);
        self.phase = Some(Phase::HalfOpen);
        self.ip_firewall = admission.ip_firewall;
        (self.firewall, self.whence) = (admission.firewall, admission.whence);
        self.app = admission.app;
        self.account = admission.account;
        self.epoch = admission.epoch;
        self.proxy_protocol = admission.proxy_protocol;
        self.plan.clone_from(&admission.tls);
        let wanted = admission.splice && admission.tls.is_none();
        self.splice = if wanted { SpliceWish::Wanted } else { SpliceWish::Unwanted };
        (self.opened_at, self.called_at, self.moved_at) = (now, now, now);
    }

    /// On whose account it runs.
    #[inline]
    pub const fn tenant(&self) -> Tenant {
        Tenant { app: self.app, account: self.account }
    }

    /// The leg on `side`.
    #[inline]
    pub fn leg(&self, side: Side) -> &Leg {
        &self.legs[side.index()]
    }

    /// Notes `count` bytes that moved from the leg on `from` into the other one's transmit buffer.
    #[inline]
    pub fn note_moved(&mut self, from: Side, count: u32, now: Instant, page: &PageWriter) {
        let other = &mut self.legs[from.other().index()];
        other.write_seq = other.write_seq.wrapping_add(count);
        self.note_read(from, count, now, page);
    }

    /// Notes `count` bytes that were read from the leg on `from`.
    #[inline]
    pub fn note_read(&mut self, from: Side, count: u32, now: Instant, page: &PageWriter) {
        self.bytes[from.index()] += u64::from(count);
        self.moved_at = now;
        self.last_from = from;
        let (counter, relayed) = match from {
            Side::Client => (AppCounter::BytesIn, Counter::RelayedFromClients),
            Side::Origin => (AppCounter::BytesOut, Counter::RelayedFromOrigins),
        };
        page.add(relayed, count.into());
        page.add_app(self.app, counter, u64::from(count));
    }

    /// The origin, once it was chosen.
    pub fn origin(&self) -> Option<Endpoint> {
        (self.origin.port != 0).then_some(self.origin)
    }

    /// Our end of the origin leg, once it has one.
    pub fn egress(&self) -> Option<Endpoint> {
        let origin = self.leg(Side::Origin);
        (origin.key.dst_port != 0).then(|| origin.key.dst_endpoint())
    }

    /// The session as others see it; `None` for a vacant slot.
    pub fn view(&self, slot: u32) -> Option<SessionView> {
        let client = self.leg(Side::Client).key;
        Some(SessionView {
            protocol: Protocol::Tcp,
            slot,
            phase: self.phase?,
            spliced: false,
            parked: false,
            app: self.app,
            client: client.src_endpoint(),
            edge: client.dst_endpoint(),
            origin: self.origin(),
            egress: self.egress(),
            epoch: self.epoch,
            ip_firewall: self.ip_firewall,
            firewall: self.firewall,
            opened_at: self.opened_at,
            connected_at: self.connected_at,
            client_bytes: self.bytes[0],
            origin_bytes: self.bytes[1],
        })
    }

    /// An event about the session.
    pub fn event(&self, kind: EventKind, status: Status, worker: WorkerId, at: Instant) -> Event {
        let client = self.leg(Side::Client).key;
        Event {
            kind,
            status,
            worker,
            at,
            transport: Transport::Tcp,
            app: self.app,
            client: client.src_endpoint(),
            whence: self.whence,
            edge: client.dst_endpoint(),
            origin: self.origin(),
            egress: self.egress(),
            client_bytes: self.bytes[0],
            origin_bytes: self.bytes[1],
            connected_at: self.connected_at,
            client_rtt: self.rtts[0],
            origin_rtt: self.rtts[1],
            firewall: self.firewall,
            ip_firewall: self.ip_firewall,
            proven: self.phase != Some(Phase::HalfOpen),
            count: 1,
            reason: None,
            tls: self.tls.as_ref().and_then(|tls| tls.facts.clone()),
        }
    }

    /// The next deadline of the session's own (smoltcp's are asked for separately), and what it is about.
    pub fn deadline(&self, settings: &Settings) -> Option<(Instant, Due)> {
        let mut next = self.doom.map(|at| (at, Due::Doom));
        let mut offer = |at: Instant, due: Due| {
            if next.is_none_or(|(first, _)| at < first) {
                next = Some((at, due));
            }
        };
        match self.phase? {
            Phase::HalfOpen => {
                offer(self.opened_at + settings.half_open_timeout, Due::HalfOpen);
                offer(syn_due(self.leg(Side::Client)), Due::Resend(Side::Client));
            }
            Phase::Securing => offer(self.secure_by, Due::Handshake),
            Phase::Connecting => {
                offer(self.called_at + settings.connect_timeout, Due::Connect);
                offer(syn_due(self.leg(Side::Origin)), Due::Resend(Side::Origin));
                self.held_until.into_iter().for_each(|until| offer(until, Due::Held));
            }
            phase @ (Phase::Open | Phase::Closing) => {
                offer(self.moved_at + settings.idle_timeout, Due::Idle);
                if self.park_at != NEVER {
                    offer(self.park_at.max(self.moved_at + settings.park_after), Due::Park);
                }
                self.held_until.into_iter().for_each(|until| offer(until, Due::Held));
                self.thaws_at(settings).into_iter().for_each(|at| offer(at, Due::Thaw));
                if phase == Phase::Closing {
                    let acked = self.legs[0].flight_since.max(self.legs[1].flight_since);
                    offer(self.moved_at.max(acked) + settings.fin_timeout, Due::Fin);
                }
                for side in [Side::Client, Side::Origin] {
                    let leg = self.leg(side);
                    if let Some((at, due)) = peer_deadline(leg, side, settings) {
                        offer(at, due);
                    }
                }
            }
        }
        next
    }

    /// The peer that a half-closed session waits for: who has not closed, else who has not acknowledged.
    pub fn owes_fin(&self) -> Side {
        let [client, origin] = &self.legs;
        if !client.is(flag::FIN_IN) || origin.is(flag::FIN_IN) && client.in_flight() != 0 {
            Side::Client
        } else {
            Side::Origin
        }
    }
}

/// When a SYN or SYN-ACK is sent again (RFC 6298 5.5: each time after twice as long).
fn syn_due(leg: &Leg) -> Instant {
    leg.flight_since + Span::from_nanos(RTO_MIN.nanos() << leg.probes.min(6))
}

/// When a peer is probed or given up.
fn peer_deadline(leg: &Leg, side: Side, settings: &Settings) -> Option<(Instant, Due)> {
    if !leg.is(flag::LIVE) || matches!(leg.state, State::Closed | State::TimeWait) {
        return None;
    }
    if leg.in_flight() != 0 {
        let at = leg.heard.max(leg.flight_since) + settings.user_timeout;
        return Some((at, Due::Unanswered(side)));
    }
    if settings.keepalive == Span::ZERO {
        return None;
    }
    let step = settings.user_timeout.nanos() / PROBES;
    let at = leg.heard + settings.keepalive + Span::from_nanos(step.saturating_mul(u64::from(leg.probes)));
    let due = if u64::from(leg.probes) >= PROBES { Due::Silent(side) } else { Due::Probe(side) };
    Some((at, due))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::seats::Seat;
    use smoltcp::iface::SocketStorage;

    #[test]
    fn an_idle_session_takes_at_most_two_and_a_half_kib_beside_its_buffers() {
        // A seat with two sockets on the heap (16 bytes of the allocator's each), two flow entries at a load of one half,
        // a timer, places in the lists of free, dirty and seated sessions and of free seats, a flow at rest, and a tuple
        // in quarantine.
        let seat = size_of::<Seat>() + 2 * (size_of::<SocketStorage>() + 16);
        let flows = 2 * 2 * 8;
        let (timer, lists, rest) = (24, 5 * 4, 2 * 112);
        let bytes = size_of::<Session>() + seat + flows + timer + lists + rest;
        assert!(bytes <= 2560, "{bytes} bytes, of which {seat} are the seat's");
    }

    #[test]
    fn a_parked_session_takes_at_most_700_bytes() {
        // Two flow entries at a load of one half, a timer, places in the lists of free, dirty and seated sessions.
        let bytes = size_of::<Session>() + 2 * 2 * 8 + 24 + 3 * 4;
        assert!(bytes <= 700, "{bytes} bytes, of which {} are the record's", size_of::<Session>());
    }
}

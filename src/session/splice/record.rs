//! One spliced session's record: who speaks to whom, and what a header of either side becomes on the other.
//!
//! ```text
//!             Lane of the client                       Lane of the origin
//!  seq   client's  + seq_add --> origin sees     seq   origin's  + seq_add --> client sees
//!  ack   client's  - the other lane's seq_add    ack   origin's  - the other lane's seq_add
//!
//!  una <= nxt <= right     in the sender's own numbers:  una    the other side has acknowledged up to here
//!                                                        nxt    one past the highest that passed
//!                                                        right  what the other side's window allows
//! ```
//! A record is four cache lines, laid out so that a frame touches the first three. It holds hops, never hardware addresses, so that a
//! gateway that changes moves live flows.

use crate::base::{AccountSlot, AppSlot, Endpoint, Epoch, Hop, Instant, Span, Whence, WorkerId};
use crate::flow::{Side, Tenant};
use crate::session::balance::OriginPlace;
use crate::session::gate::ClientPlace;
use crate::session::leg::{Leg, flag};
use crate::session::{Phase, SessionView, Settings};
use crate::telemetry::{Event, EventKind, FirewallMatch, Status, Transport};
use crate::wire::{Fixed4, FlowKey, Protocol, Tuple, Tuple4, tcp};
use smoltcp::socket::tcp::State;

/// Bytes of all headers over IPv4, without options and with lone timestamps (RFC 7323 appendix A).
pub const HEADERS_LEN: usize = Fixed4::L4_OFFSET as usize + tcp::HEADER_LEN;
pub const STAMPED_LEN: usize = HEADERS_LEN + 12;
/// The probes that fit into the user timeout.
const PROBES: u64 = 8;

/// What one side sends, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    /// What the other side has acknowledged.
    pub una: u32,
    /// One past the highest number that passed.
    pub nxt: u32,
    /// The furthest that the other side's window, or our own promise before the splice, ever reached.
    pub right: u32,
    /// Added to sequence numbers.
    pub seq_add: u32,
    /// The latest timestamp.
    pub stamp: u32,
    /// Added to timestamps.
    pub stamp_add: u32,
    /// What another tuple does to the checksum, folded.
    pub change: u16,
    /// Where its frames go.
    pub hop: Hop,
    /// The shift of the windows that this side sends.
    pub shift: u8,
    /// The shift by which the other side reads them.
    pub told_shift: u8,
    /// Probes of ours to this side without an answer.
    pub probes: u8,
    /// Its FIN; `nxt` counts it.
    pub fin: Fin,
    /// When this side was last heard, in units of `HEARD_UNIT`.
    pub heard: u32,
    /// The longest packet on the way of its frames.
    pub mtu: u16,
    /// Where the payload of its usual segments begins in the frame: IPv4, and either no options or timestamps alone. Zero
    /// where none is usual: over IPv6, and where nobody lives.
    pub usual_at: u16,
    /// Payload bytes, each once, those before the splice counted.
    pub bytes: u64,
}

/// Whether a side's FIN has passed, and the other's before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fin {
    /// No.
    NotYet,
    /// It was the first: its sender keeps TIME-WAIT.
    First,
    /// After the other side's.
    Second,
}

impl Fin {
    /// Whether it has passed.
    #[inline(always)]
    pub const fn passed(self) -> bool {
        match self {
            Self::NotYet => false,
            Self::First | Self::Second => true,
        }
    }
}

/// What a session is known by once it is nothing but two lanes.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Record {
    /// Client, edge; origin, egress: each leg's tuple, as its frames arrive.
    tuples: [Tuple; 2],
    /// What the client sends, what the origin sends.
    pub lanes: [Lane; 2],
    /// The snapshot that judged it last.
    pub epoch: Epoch,
    /// When payload last passed, or a FIN.
    pub moved_at: Instant,
    /// The app.
    pub app: AppSlot,
    /// Whether somebody lives here.
    pub live: bool,
    /// Whether timestamps are in use, on both sides.
    pub stamped: bool,
    /// Who sent payload last.
    pub last_from: Side,
    /// Whether the firewall was on.
    pub ip_firewall: bool,
    /// When the first SYN came.
    pub opened_at: Instant,
    /// When both legs were up.
    pub connected_at: Instant,
    /// When it is ended because its app is gone; `NEVER`: it is not.
    pub doom: Instant,
    /// The app's account.
    pub account: AccountSlot,
    /// Where its client is counted.
    pub client: ClientPlace,
    /// Where the worker keeps what it knows of the origin.
    pub place: OriginPlace,
    /// Where the client comes from.
    pub whence: Whence,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// Round-trip times of the handshakes in microseconds; `u32::MAX`: unknown.
    pub rtts_us: [u32; 2],
    /// When one of the sides was last sent a challenge ACK, as `Lane::heard`.
    pub challenged: u32,
}

/// `doom` of a session whose app is there.
pub const NEVER: Instant = Instant::from_nanos(u64::MAX);
/// 2^26 ns, a little over 67 ms: 32 bits of it are nine years.
const HEARD_SHIFT: u32 = 26;

/// Between two challenge ACKs of a session, in units of `Lane::heard`: half a second, as for managed legs.
const CHALLENGE_PACE: u32 = 8;

/// A time for `Lane::heard`.
#[inline]
pub const fn heard(now: Instant) -> u32 {
    (now.nanos() >> HEARD_SHIFT) as u32
}

/// What a session's next deadline is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// No payload passed for too long.
    Idle,
    /// A half-closed session stands still.
    Fin,
    /// A probe of this silent side is due.
    Probe(Side),
    /// This side answers no probe.
    Silent(Side),
    /// This side acknowledges nothing.
    Unanswered(Side),
    /// The grace of a removed app is over.
    Doom,
}

impl Lane {
    const EMPTY: Self = Self {
        una: 0,
        nxt: 0,
        right: 0,
        seq_add: 0,
        stamp: 0,
        stamp_add: 0,
        change: 0,
        hop: Hop(0),
        shift: 0,
        told_shift: 0,
        probes: 0,
        fin: Fin::NotYet,
        heard: 0,
        mtu: 0,
        usual_at: 0,
        bytes: 0,
    };

    /// Notes the timestamp of a segment that ends at `end`; an older one, that was overtaken on its way, tells nothing.
    #[inline(always)]
    pub const fn see_stamp(&mut self, value: u32, end: u32) {
        if self.counts(end) && value.wrapping_sub(self.stamp) as i32 > 0 {
            self.stamp = value;
        }
    }

    /// Whether a segment that ends at `end` may say anything new: behind what is acknowledged the receiver drops it (RFC 9293
    /// 3.10.7.4), and so do its acknowledgement, window and timestamp count for nothing here.
    #[inline(always)]
    pub const fn counts(&self, end: u32) -> bool {
        end.wrapping_sub(self.una) as i32 >= 0
    }

    /// Numbers that passed and are not acknowledged.
    pub const fn in_flight(&self) -> u32 {
        self.nxt.wrapping_sub(self.una)
    }

    /// When the sender was last heard.
    const fn heard_at(&self) -> Instant {
        Instant::from_nanos((self.heard as u64) << HEARD_SHIFT)
    }
}

impl Record {
    /// An empty slot.
    pub const fn vacant() -> Self {
        Self {
            tuples: [Tuple::NONE; 2],
            lanes: [Lane::EMPTY; 2],
            epoch: Epoch(0),
            moved_at: Instant::ZERO,
            opened_at: Instant::ZERO,
            connected_at: Instant::ZERO,
            doom: NEVER,
            app: AppSlot(0),
            account: AccountSlot(0),
            client: ClientPlace::NONE,
            place: OriginPlace::NONE,
            whence: Whence::UNKNOWN,
            firewall: FirewallMatch::Unknown,
            rtts_us: [u32::MAX; 2],
            challenged: 0,
            live: false,
            stamped: false,
            ip_firewall: false,
            last_from: Side::Client,
        }
    }

    /// Moves in: the keys of both legs, and whether timestamps are in use.
    pub fn settle(&mut self, client: &FlowKey, origin: &FlowKey, stamped: bool) {
        self.tuples = [Tuple::of(client), Tuple::of(origin)];
        (self.live, self.stamped) = (true, stamped);
        let usual_at = match (self.tuples[0].is_v4(), stamped) {
            (true, false) => HEADERS_LEN,
            (true, true) => STAMPED_LEN,
            (false, _) => 0,
        };
        self.lanes.iter_mut().for_each(|lane| lane.usual_at = usual_at as u16);
    }

    /// Moves out.
    pub fn vacate(&mut self) {
        self.live = false;
        self.lanes.iter_mut().for_each(|lane| lane.usual_at = 0);
    }

    /// The key of a leg, as its frames arrive.
    #[inline]
    pub fn key(&self, side: Side) -> FlowKey {
        self.tuples[side.index()].key(Protocol::Tcp)
    }

    /// Whether a leg's frames bear this key, of TCP.
    #[inline(always)]
    pub fn is_of(&self, side: Side, key: &FlowKey) -> bool {
        self.live && self.tuples[side.index()].is_of(key)
    }

    /// The tuple of a leg's frames as they arrive, where they are of IPv4; `Lane::usual_at` says so.
    #[inline(always)]
    pub const fn tuple4(&self, side: Side) -> Tuple4 {
        self.tuples[side.index()].v4()
    }

    /// The lane of what `side` sends, and the other one.
    #[inline(always)]
    pub fn lanes_of(&mut self, side: Side) -> (&mut Lane, &mut Lane) {
        let [client, origin] = &mut self.lanes;
        match side {
            Side::Client => (client, origin),
            Side::Origin => (origin, client),
        }
    }

    /// Whether a challenge ACK may go out now; it is noted that one did. A limit that all sessions share tells about other
    /// people's, so each has a pace of its own first (see `Allowance`).
    pub fn may_challenge(&mut self, now: Instant) -> bool {
        let due = self.challenged == 0 || heard(now).wrapping_sub(self.challenged) >= CHALLENGE_PACE;
        if due {
            self.challenged = heard(now).max(1);
        }
        due
    }

    /// On whose account it runs.
    pub const fn tenant(&self) -> Tenant {
        Tenant { app: self.app, account: self.account }
    }

    /// Whether a side has closed.
    #[inline]
    pub const fn is_closing(&self) -> bool {
        self.lanes[0].fin.passed() || self.lanes[1].fin.passed()
    }

    /// Whether both sides have closed, and each has acknowledged it.
    #[inline]
    pub const fn is_over(&self) -> bool {
        let [client, origin] = &self.lanes;
        client.fin.passed() && origin.fin.passed() && client.in_flight() == 0 && origin.in_flight() == 0
    }

    /// Our leg towards `side` as the rest of the room knows legs: for segments of our own making, and for what stays when
    /// the session is over. It claims nothing that the other side has not acknowledged.
    pub fn leg(&self, side: Side, now: Instant) -> Leg {
        let (theirs, ours) = (&self.lanes[side.index()], &self.lanes[side.other().index()]);
        let mut leg = Leg::vacant();
        leg.key = self.key(side);
        leg.hop = ours.hop;
        leg.state = State::Established;
        (leg.shift, leg.peer_shift) = (ours.told_shift, theirs.shift);
        leg.snd_una = ours.una.wrapping_add(ours.seq_add);
        leg.snd_max = ours.nxt.wrapping_add(ours.seq_add);
        (leg.rcv_nxt, leg.acked_to, leg.rcv_right) = (theirs.una, theirs.una, theirs.right);
        if self.stamped {
            leg.set(flag::TIMESTAMPS);
            leg.ts_recent = theirs.stamp;
            leg.ts_offset = ours.stamp.wrapping_add(ours.stamp_add).wrapping_sub(now.millis() as u32);
        }
        leg
    }

    /// The session as others see it; `None` for a vacant slot.
    pub fn view(&self, slot: u32) -> Option<SessionView> {
        let (client, origin) = (self.key(Side::Client), self.key(Side::Origin));
        self.live.then(|| SessionView {
            protocol: Protocol::Tcp,
            slot,
            phase: if self.is_closing() { Phase::Closing } else { Phase::Open },
            spliced: true,
            parked: false,
            app: self.app,
            client: client.src_endpoint(),
            edge: client.dst_endpoint(),
            origin: Some(origin.src_endpoint()),
            egress: Some(origin.dst_endpoint()),
            epoch: self.epoch,
            ip_firewall: self.ip_firewall,
            firewall: self.firewall,
            opened_at: self.opened_at,
            connected_at: Some(self.connected_at),
            client_bytes: self.lanes[0].bytes,
            origin_bytes: self.lanes[1].bytes,
        })
    }

    /// An event about the session.
    pub fn event(&self, kind: EventKind, status: Status, worker: WorkerId, at: Instant) -> Event {
        let (client, origin) = (self.key(Side::Client), self.key(Side::Origin));
        let rtt = |us: u32| (us != u32::MAX).then(|| Span::from_micros(us.into()));
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
            origin: Some(origin.src_endpoint()),
            egress: Some(origin.dst_endpoint()),
            client_bytes: self.lanes[0].bytes,
            origin_bytes: self.lanes[1].bytes,
            connected_at: Some(self.connected_at),
            client_rtt: rtt(self.rtts_us[0]),
            origin_rtt: rtt(self.rtts_us[1]),
            firewall: self.firewall,
            ip_firewall: self.ip_firewall,
            count: 1,
            reason: None,
            proven: true,
            tls: None,
        }
    }

    /// The origin's end of the origin leg, and ours.
    pub fn origin_ends(&self) -> (Endpoint, Endpoint) {
        let key = self.key(Side::Origin);
        (key.src_endpoint(), key.dst_endpoint())
    }

    /// The next deadline, and what it is about.
    pub fn deadline(&self, settings: &Settings) -> (Instant, Due) {
        let mut next = (self.moved_at + settings.idle_timeout, Due::Idle);
        let mut offer = |at: Instant, due: Due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        offer(self.doom, Due::Doom);
        if self.is_closing() {
            offer(self.moved_at + settings.fin_timeout, Due::Fin);
        }
        for side in [Side::Client, Side::Origin] {
            let (theirs, ours) = (&self.lanes[side.index()], &self.lanes[side.other().index()]);
            // A probe of a closed window may stay unacknowledged for long (RFC 9293 3.8.6.1): who answers it is heard.
            if ours.in_flight() != 0 && ours.una != ours.right {
                offer(theirs.heard_at().max(self.moved_at) + settings.user_timeout, Due::Unanswered(side));
            } else if settings.keepalive != Span::ZERO && !theirs.fin.passed() {
                let step = settings.user_timeout.nanos() / PROBES;
                let patience = Span::from_nanos(step.saturating_mul(u64::from(theirs.probes)));
                let silent = u64::from(theirs.probes) >= PROBES;
                let due = if silent { Due::Silent(side) } else { Due::Probe(side) };
                offer(theirs.heard_at() + settings.keepalive + patience, due);
            }
        }
        next
    }

    /// The side that a half-closed session waits for: who has not closed, else who has not acknowledged.
    pub const fn owes_fin(&self) -> Side {
        let [client, origin] = &self.lanes;
        if !client.fin.passed() || origin.fin.passed() && origin.in_flight() != 0 {
            Side::Client
        } else {
            Side::Origin
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spliced_session_takes_at_most_320_bytes() {
        // Two flow entries at a load of one half, a timer, a place in the list of free ones.
        let bytes = size_of::<Record>() + 2 * 2 * 8 + 24 + 4;
        assert!(bytes <= 320, "{bytes} bytes, of which {} are the record's", size_of::<Record>());
    }
}

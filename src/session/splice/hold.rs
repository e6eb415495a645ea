//! A held first flight: what a client says before its origin has answered is not acknowledged, so that the session can be
//! spliced as soon as both legs are up, however much the client has to say.
//!
//! ```text
//!  bytes in order before the origin is there --> held, silent --origin up--> spliced: they go out in the origin's numbers
//!    (in the client's receive buffer)              |
//!                                                  `-- HOLD over, a segment out of order, a FIN, no room --> acknowledged
//!                                                      and relayed; spliced when nothing is under way, as before
//! ```
//! What was held is still the client's to send again: when it is lost on its way to the origin, the client's own timer finds
//! out. A client's probe for a lost tail (RFC 8985 7) is passed over in silence, for nothing is lost; its retransmission
//! timer is longer than `HOLD`. With a PROXY header the hold goes on until the origin has acknowledged that.
//!
//! With `SpliceHandshake::ClientRtt` the origin's SYN-ACK waits, too, for a round trip of the client, `HANDSHAKE_WAIT` at most: senders that
//! model the path by its shortest round trip (BBR keeps that for ten seconds) would take the distance to byway for it.

use super::hand_over::{is_plain, is_quiet};
use super::record::Record;
use crate::base::{Fate, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::session::leg::{before, flag};
use crate::session::packet;
use crate::session::pair::{Session, SpliceWish};
use crate::session::stack;
use crate::session::{Net, Phase, Sessions, SpliceHandshake};
use crate::telemetry::{AppCounter, Counter};
use crate::wire::{TcpFlags, TcpSegment};
use smoltcp::socket::tcp::Socket;

/// How long bytes are held at most: less than the shortest retransmission timeout of a usual client (200 ms).
const HOLD: Span = Span::from_millis(150);
/// How long an origin's handshake waits at most, so that what is held then still goes spliced.
const HANDSHAKE_WAIT: Span = Span::from_millis(140);

impl Sessions {
    /// Tends a session whose client is to wait for its origin; `None` when there is nothing to hold. Else whether all was sent
    /// that is to be sent.
    #[inline]
    pub(in crate::session) fn tend_held<N: Net>(
        &mut self,
        id: u32,
        now: Instant,
        net: &mut N,
    ) -> Option<bool> {
        let session = &self.sessions[id as usize];
        let may_begin = session.phase == Some(Phase::Connecting) && session.splice == SpliceWish::Wanted;
        if may_begin || session.held_until.is_some() { self.hold_on(id, now, net) } else { None }
    }

    #[inline(never)]
    fn hold_on<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) -> Option<bool> {
        let session = &mut self.sessions[id as usize];
        if session.held_until.is_none() {
            let client = session.leg(Side::Client);
            let first = client.acked_to == client.irs.wrapping_add(1) && client.queued() != 0;
            let plain = client.is(flag::PLAIN) && !client.is(flag::HOLES | flag::FIN_EARLY | flag::ACK_NOW);
            if !first || !plain {
                return None;
            }
            session.held_until = Some(now + HOLD);
        }
        let until = session.held_until.unwrap_or(now);
        let session = &self.sessions[id as usize];
        let origin = session.leg(Side::Origin);
        let handshake = self.handshake_waits(session, now);
        let waits = handshake.is_some() || origin.in_flight() != 0 || origin.unsent() != 0;
        // What the origin has said already is byway's to pass on: a splice in front of it would lose it.
        let ready = !waits && is_plain(session) && is_quiet(origin);
        if ready && self.splice(id, now, net).is_some() {
            return Some(true);
        }
        let session = &self.sessions[id as usize];
        let origin = session.leg(Side::Origin);
        let holds = match session.phase {
            Some(Phase::Connecting) => true,
            Some(Phase::Open) => waits && origin.queued() == 0,
            Some(Phase::HalfOpen | Phase::Securing | Phase::Closing) | None => false,
        };
        if !holds || until <= now || session.splice != SpliceWish::Wanted {
            self.release(id, net);
            return None;
        }
        self.arm_by(id, handshake.map_or(until, |due| due.min(until)));
        Some(handshake.is_some() || self.flush(LegRef::new(id, Side::Origin), now, net))
    }

    /// Lets the origin's handshake wait for a round trip of the client's, where the settings say so and one was measured.
    pub(in crate::session) fn delay_handshake(&mut self, id: u32, now: Instant) {
        let session = &self.sessions[id as usize];
        // A client whose first bytes were released, or that has closed already, goes the managed way.
        let quiet = is_plain(session) && is_quiet(session.leg(Side::Client));
        let waits = quiet
            && session.held_until.is_none()
            && session.splice == SpliceWish::Wanted
            && self.handshake_waits(session, now).is_some();
        if waits && self.could_be_spliced(session) {
            self.sessions[id as usize].held_until = Some(now + HOLD);
            self.mark(id);
        }
    }

    /// Until when the handshake of an origin that has answered waits; `None`: no longer.
    #[inline]
    pub(super) fn handshake_waits(&self, session: &Session, now: Instant) -> Option<Instant> {
        let rtt = session.rtts[Side::Client.index()].filter(|_| session.phase == Some(Phase::Open))?;
        let waits = self.settings.splice_handshake == SpliceHandshake::ClientRtt;
        let due = session.connected_at.filter(|_| waits)? + rtt.min(HANDSHAKE_WAIT);
        let margin = HOLD.nanos() - HANDSHAKE_WAIT.nanos();
        let held = session.held_until.map(|until| Instant::from_nanos(until.nanos().saturating_sub(margin)));
        Some(held.map_or(due, |held| held.min(due))).filter(|due| now < *due)
    }

    /// Lets held bytes go the managed way.
    pub(in crate::session) fn release<N: Net>(&mut self, id: u32, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        if session.held_until.take().is_some() && session.leg(Side::Client).queued() != 0 {
            session.legs[Side::Client.index()].set(flag::ACK_NOW);
            net.page().count(Counter::FlightsReleased);
        }
        self.mark(id);
    }

    /// A segment that is not the usual one, of a session whose client is held: what was sent again too early is passed
    /// over, anything else ends the hold.
    pub(in crate::session) fn meet_held<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        const MATTER: u8 = TcpFlags::SYN | TcpFlags::RST | TcpFlags::FIN | TcpFlags::ACK;
        let leg = self.leg_mut(at);
        let end = segment.seq.wrapping_add(segment.payload_len().into());
        let again =
            segment.payload_len() != 0 && !before(segment.seq, leg.acked_to) && !before(leg.rcv_nxt, end);
        if again && segment.flags.0 & MATTER == TcpFlags::ACK && segment.ack == leg.snd_max {
            leg.heard = now;
            net.page().count(Counter::RetransmitsReceived);
            return Some(Fate::Absorbed);
        }
        self.release(at.session(), net);
        None
    }

    /// How many bytes of a session's client are held.
    #[inline]
    pub(super) fn held(&self, id: u32) -> u32 {
        let session = &self.sessions[id as usize];
        if session.held_until.is_some() { session.leg(Side::Client).queued() } else { 0 }
    }

    /// Sends held bytes to the origin of a session that has just become `record`; whose window and room for frames they fit.
    pub(super) fn send_held<N: Net>(&mut self, id: u32, record: &mut Record, now: Instant, net: &mut N) {
        let mut left = self.held(id);
        let origin = self.sessions[id as usize].leg(Side::Origin);
        let window = (self.leg(LegRef::new(id, Side::Client)).window() >> origin.shift).min(0xffff) as u16;
        let lane = &mut record.lanes[Side::Client.index()];
        let Some(seat) = self.seats.get_mut(id) else { return };
        let client = seat.sets[Side::Client.index()].get_mut::<Socket>(stack::only());
        net.page().add_app(record.app, AppCounter::BytesIn, left.into());
        while left != 0 {
            let len = left.min(u32::from(origin.mss.max(1)));
            left -= len;
            let flags = if left == 0 { TcpFlags::ACK | TcpFlags::PSH } else { TcpFlags::ACK };
            let seq = lane.nxt.wrapping_add(lane.seq_add);
            let mut segment = packet::of_leg(origin, flags, seq, now);
            segment.window = window;
            segment.payload_len = len as u16;
            net.emit(origin.hop, segment.packet_len(), |packet| {
                let taken = segment.emit(packet).map(|payload| client.recv_slice(payload));
                debug_assert_eq!(taken, Some(Ok(len as usize)));
            });
            net.page().count(Counter::SplicedFrames);
            lane.nxt = lane.nxt.wrapping_add(len);
            lane.bytes += u64::from(len);
        }
        net.page().count(Counter::FlightsSpliced);
        (record.moved_at, record.last_from) = (now, Side::Client);
    }
}

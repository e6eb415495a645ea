//! Parking: a session that has been quiet for a while gives up its seat (sockets, buffers, senders), and keeps its record.
//!
//! ```text
//!             nothing under way for `park_after`
//!   managed ------------------------------------> parked: record, flow entries, timer
//!           <------------------------------------
//!             bytes, or a FIN, in the window: a new seat, as if the handshake had ended at the present numbers
//! ```
//! All that needs no seat goes on as before: the guard's judgement, keep-alive and its answers, idle timeout, access
//! rules, drain, events. Bytes that find all seats taken are dropped by name; their sender sends them again. Of the path
//! the round trip is kept; how much it holds is found out anew, as after any long silence (RFC 5681 4.1).
//! The legs of a parked session are not `PLAIN`, so that the road of plain segments need not ask for seats.
//! Sessions that can be spliced are, and need no parking.

use super::guard::{self, Verdict};
use super::leg::{Leg, flag};
use super::pair::{NEVER, Session};
use super::service::opens;
use super::splice::is_quiet;
use super::{Net, Phase, Sessions};
use crate::base::{DropReason, Fate, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Counter;
use crate::wire::{TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp::State;

/// When a session that was busy is looked at again, at the earliest.
const AGAIN_MIN: Span = Span::from_millis(100);

impl Sessions {
    /// Whether sessions are parked at all.
    #[inline]
    pub(super) fn parks(&self) -> bool {
        self.settings.park_after != Span::ZERO
    }

    /// Whether a leg's session, which is alive, has no seat.
    pub(super) fn is_parked(&self, at: LegRef) -> bool {
        !self.seats.has(at.session())
    }

    /// Takes the seat of a session that has been quiet, unless something is in the way: that is counted once where it will
    /// stay, else looked at again.
    pub(super) fn park<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &self.sessions[id as usize];
        match obstacle(session, self.settings.rx_buffer_bytes as u32) {
            Some(Obstacle::Stays(counter)) => {
                net.page().count(counter);
                self.sessions[id as usize].park_at = NEVER;
            }
            Some(Obstacle::Passes) => {
                net.page().count(Counter::UnparkedForBytes);
                self.sessions[id as usize].park_at = now + self.settings.park_after.max(AGAIN_MIN);
            }
            None => {
                self.get_up(id);
                net.page().count(Counter::SessionsParked);
            }
        }
    }

    /// A quiet session leaves its seat.
    fn get_up(&mut self, id: u32) {
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            let smoothed = self.seats.get(id).and_then(|seat| seat.senders[side.index()].rtt.smoothed_us());
            self.seats.clear(at, &mut self.boards);
            self.sessions[id as usize].rtts_us[side.index()] = smoothed.unwrap_or(0);
            self.leg_mut(at).clear(flag::PLAIN);
        }
        self.leave_seat(id);
        self.parked += 1;
        self.sessions[id as usize].park_at = NEVER;
    }

    /// A segment for a parked session's leg: its fate, or `None` where the guard's answer to it needs no seat.
    #[inline(never)]
    pub(super) fn rouse<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        (options, frame): (&TcpOptions, &mut [u8]),
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let patch = match guard::judge(self.leg(at), segment, options, now) {
            Verdict::Pass => None,
            Verdict::Rewrite(patch) => Some(patch),
            Verdict::Reset | Verdict::Absorb(_) | Verdict::Refuse(..) => return None,
        };
        if segment.payload_len() == 0 && !segment.flags.has(TcpFlags::FIN) {
            // A window, or the answer to a probe.
            guard::accept(self.leg_mut(at), segment, options, patch.as_ref(), now);
            return Some(Fate::Absorbed);
        }
        if let Err(reason) = self.sit_down(at.session(), now, net) {
            return Some(Fate::Dropped(reason));
        }
        Some(self.segment(at, segment, frame, now, net))
    }

    /// Gives a parked session a seat again, out of its tenant's share.
    fn sit_down<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) -> Result<(), DropReason> {
        if self.seats.are_taken() {
            return Err(DropReason::SocketsFull);
        }
        self.gate.sit_down(self.sessions[id as usize].tenant())?;
        self.seats.take(id);
        self.parked -= 1;
        let session = &mut self.sessions[id as usize];
        session.park_at = now + self.settings.park_after;
        let rtts = session.rtts_us.map(|us| (us != 0).then(|| Span::from_micros(us.into())));
        net.page().count(Counter::SessionsUnparked);
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            self.leg_mut(at).begin_anew();
            self.open_leg(at, rtts[side.index()], now);
        }
        Ok(())
    }
}

impl Leg {
    /// Takes the present numbers for those of a handshake that is just over: nothing is in flight, nothing waits.
    const fn begin_anew(&mut self) {
        let fresh = self.snd_una == self.iss.wrapping_add(1) && self.rcv_nxt == self.irs.wrapping_add(1);
        if !fresh {
            // The peer's window is scaled by now.
            self.clear(flag::CALLED);
        }
        self.iss = self.snd_max.wrapping_sub(1);
        self.irs = self.rcv_nxt.wrapping_sub(1);
        self.skipped = 0;
    }
}

/// What keeps a session from being parked.
enum Obstacle {
    /// As long as it lives.
    Stays(Counter),
    /// For now.
    Passes,
}

fn obstacle(session: &Session, rx_bytes: u32) -> Option<Obstacle> {
    if session.plan.is_some() || session.tls.is_some() {
        // rustls' record layer and half a record may wait beside the sockets.
        return Some(Obstacle::Stays(Counter::UnparkedForTls));
    }
    if session.phase != Some(Phase::Open) {
        return Some(Obstacle::Stays(Counter::UnparkedForClosing));
    }
    let still = !session.dirty && session.held_until.is_none() && !session.is_frozen();
    let quiet = still && session.legs.iter().all(|leg| rests(leg, rx_bytes));
    (!quiet).then_some(Obstacle::Passes)
}

/// Whether a leg owes its peer nothing, and its peer nothing to it: no byte, no acknowledgement, no word of a window.
fn rests(leg: &Leg, rx_bytes: u32) -> bool {
    let owes = leg.unacked() != 0 || leg.is(flag::PROBING_WINDOW | flag::ACK_NOW) || opens(leg, rx_bytes);
    is_quiet(leg) && !owes && leg.state == State::Established
}

//! Once a burst: bytes from leg to leg, and out. Each session that something happened to is tended once.
//!
//! byway's own counters know what there is to do; smoltcp is asked only to announce a window that has opened.

use super::leg::{Leg, flag};
use super::pair::Session;
use super::sender::Ring;
use super::stack;
use super::{Net, Phase, Sessions};
use crate::base::Instant;
use crate::flow::{LegRef, Side};
use smoltcp::socket::tcp::{Socket, State};

impl Sessions {
    /// Tends every session that something happened to since the last call. Sessions for which no frame is left stay
    /// on the list.
    pub fn service<N: Net>(&mut self, now: Instant, net: &mut N) {
        if self.dirty.is_empty() {
            return;
        }
        std::mem::swap(&mut self.dirty, &mut self.tending);
        let mut tending = std::mem::take(&mut self.tending);
        for &id in &tending {
            self.sessions[id as usize].dirty = false;
            if !self.tend(id, now, net) {
                self.mark(id);
            }
            let session = &self.sessions[id as usize];
            if session.phase.is_some() && session.held_until.is_none() {
                self.arm_for_legs(id, now);
            }
        }
        tending.clear();
        self.tending = tending;
    }

    /// Relays and sends for one session; `false` when it has more to send than it was given room for.
    pub(super) fn tend<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) -> bool {
        let Some(phase) = self.sessions[id as usize].phase else { return true };
        debug_assert!(self.seats.has(id), "nothing happens to a parked session");
        if let Some(done) = self.tend_held(id, now, net) {
            return done;
        }
        if self.sessions[id as usize].tls.is_some() {
            self.tend_tls(id, now, net);
            if self.sessions[id as usize].phase.is_none() {
                return true;
            }
        } else if matches!(phase, Phase::Open | Phase::Closing) {
            for from in [Side::Client, Side::Origin] {
                let leg = self.sessions[id as usize].leg(from);
                if leg.queued() != 0 || leg.is(flag::FIN_IN) {
                    self.relay(id, from, now, net);
                }
            }
        }
        let done = self.flush(LegRef::new(id, Side::Client), now, net)
            & self.flush(LegRef::new(id, Side::Origin), now, net);
        if phase == Phase::Closing || self.sessions[id as usize].phase == Some(Phase::Closing) {
            self.settle(id, now, net);
        }
        if self.sessions[id as usize].phase.is_some() {
            self.splice_if_quiet(id, now, net);
        }
        done
    }

    /// Moves what the leg on `from` has received into the other leg's transmit buffer, and its FIN behind the last
    /// byte. What finds no room stays, and so closes the sender's window.
    #[inline]
    fn relay<N: Net>(&mut self, id: u32, from: Side, now: Instant, net: &mut N) {
        let session = &mut self.sessions[id as usize];
        let queued = session.legs[from.index()].queued();
        if queued != 0 {
            let Some(seat) = self.seats.get_mut(id) else { return };
            let source = seat.sets[from.index()].get_mut(stack::only());
            let moved = pour(source, &mut seat.rings[from.other().index()], queued);
            if moved != 0 {
                let leg = &mut session.legs[from.index()];
                leg.read_seq = leg.read_seq.wrapping_add(moved);
                session.note_moved(from, moved, now, net.page());
            }
        }
        if session.legs[from.index()].is(flag::FIN_IN) {
            self.pass_fin(id, from);
        }
    }

    /// Puts bytes in order straight into the other leg's transmit buffer; `false`, and nothing changed, when they must go
    /// through smoltcp: something waits before or behind them, or there is no room.
    #[inline]
    pub(super) fn pass_on<N: Net>(&mut self, at: LegRef, payload: &[u8], now: Instant, net: &mut N) -> bool {
        let session = &mut self.sessions[at.session() as usize];
        let held = session.held_until.is_some();
        let (leg, other) = legs_of(session, at.side());
        if held || leg.queued() != 0 || leg.is(flag::HOLES | flag::FIN_EARLY) || !other.takes_bytes() {
            return false;
        }
        let Some(seat) = self.seats.get_mut(at.session()) else { return false };
        let sink = &mut seat.rings[at.side().other().index()];
        if sink.free() < payload.len() {
            return false;
        }
        sink.push(payload);
        let count = payload.len() as u32;
        leg.skip(count);
        session.note_moved(at.side(), count, now, net.page());
        self.mark(at.session());
        true
    }

    /// Half-close: once all bytes of a finished side are handed on, the other side is told.
    pub(super) fn pass_fin(&mut self, id: u32, from: Side) {
        let session = &mut self.sessions[id as usize];
        let (leg, other) = legs_of(session, from);
        if leg.queued() != 0 || other.is(flag::FIN_OUT) {
            return;
        }
        other.close();
        session.phase = Some(Phase::Closing);
        let within = session.moved_at + self.settings.fin_timeout;
        self.arm_by(id, within);
    }

    /// Sends what a leg has to send; `false` when frames ran out first.
    #[inline]
    pub(super) fn flush<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let leg = self.leg(at);
        if !leg.is(flag::LIVE) {
            return true;
        }
        if leg.is_shaking_hands() {
            return !leg.is(flag::SYN_DUE) || self.send_syn(at, now, net);
        }
        if matches!(leg.state, State::Closed | State::TimeWait) {
            self.acknowledge_fin(at, now, net);
            return true;
        }
        if self.has_to_send(at) && !self.send(at, now, net) {
            return false;
        }
        let leg = self.leg(at);
        if opens(leg, self.settings.rx_buffer_bytes as u32) {
            return net.room() != 0 && (self.ask_for_ack(at, now, net) || self.acknowledge(at, now, net));
        }
        if leg.unacked() > u32::from(leg.peer_mss) || leg.is(flag::ACK_NOW) && leg.unacked() != 0 {
            return self.acknowledge(at, now, net);
        }
        true
    }

    /// The ACK of a FIN that may not wait.
    pub(super) fn acknowledge_fin<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        if self.leg(at).state == State::TimeWait && self.leg(at).unacked() != 0 {
            self.acknowledge(at, now, net);
        }
    }
}

/// Whether a window is to be announced: one that has doubled is at once. A socket that has sent nothing yet waits for bytes
/// to acknowledge.
#[inline]
pub(super) fn opens(leg: &Leg, rx_bytes: u32) -> bool {
    let (announced, free) = (leg.window_left(), leg.window_free(rx_bytes));
    free > announced && free / 2 >= announced && !leg.is(flag::ASLEEP | flag::FIN_IN | flag::FROZEN)
}

/// Moves up to `queued` bytes from a socket's receive ring into a transmit ring. One run in most cases, two when the
/// socket's wraps.
#[inline]
fn pour(source: &mut Socket<'static>, sink: &mut Ring, queued: u32) -> u32 {
    let mut moved = 0;
    while moved != queued {
        let run = source.recv(|bytes| {
            let taken = sink.push(bytes);
            (taken, taken)
        });
        match run {
            Ok(0) | Err(_) => break,
            Ok(taken) => moved += taken as u32,
        }
    }
    moved
}

/// The leg on `side` and the other one.
#[inline]
fn legs_of(session: &mut Session, side: Side) -> (&mut Leg, &mut Leg) {
    let [client, origin] = &mut session.legs;
    match side {
        Side::Client => (client, origin),
        Side::Origin => (origin, client),
    }
}

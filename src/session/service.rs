//! Once a burst: bytes from leg to leg, and out. Each session that something happened to is tended once.
//!
//! smoltcp has work exactly when something is unsent, unacknowledged by us, being sent again, or a window opened;
//! byway's own counters know that, so that polls which would find nothing (269 instructions each) are not made.

use super::guard;
use super::leg::{Leg, flag};
use super::pair::Session;
use super::receive::set_index;
use super::stack::{self, Set, Stack};
use super::{Net, Phase, Sessions};
use crate::base::Instant;
use crate::flow::{LegRef, Side};
use smoltcp::socket::tcp::{Socket, State};

/// Packets that one leg may send in one turn before others have theirs.
const FLUSH_PACKETS_MAX: usize = 64;

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
        }
        tending.clear();
        self.tending = tending;
    }

    /// Relays and sends for one session; `false` when it has more to send than it was given room for.
    pub(super) fn tend<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) -> bool {
        let Some(phase) = self.sessions[id as usize].phase else { return true };
        if let Some(done) = self.tend_held(id, now, net) {
            return done;
        }
        if self.sessions[id as usize].tls.is_some() {
            self.tend_tls(id, now, net);
            if self.sessions[id as usize].phase.is_none() {
                return true;
            }
        } else if matches!(phase, Phase::Open | Phase::Closing) {
            self.relay(id, Side::Client, now, net);
            self.relay(id, Side::Origin, now, net);
        }
        let done = self.flush(LegRef::new(id, Side::Client), now, net)
            & self.flush(LegRef::new(id, Side::Origin), now, net);
        if phase == Phase::Closing || self.sessions[id as usize].phase == Some(Phase::Closing) {
            self.settle(id, now, net);
        }
        if self.sessions[id as usize].phase.is_some() {
            self.arm_for_smoltcp(id, now);
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
            let [client, origin] = &mut self.sets[id as usize * 2..id as usize * 2 + 2] else { return };
            let (source, sink) = match from {
                Side::Client => (client, origin),
                Side::Origin => (origin, client),
            };
            let moved = pour(source.get_mut(stack::only()), sink.get_mut(stack::only()), queued);
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
        let sink = self.sets[set_index(at.other())].get_mut::<Socket>(stack::only());
        if sink.send_capacity() - sink.send_queue() < payload.len() {
            return false;
        }
        let sent = sink.send_slice(payload);
        debug_assert_eq!(sent, Ok(payload.len()));
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
        other.set(flag::FIN_OUT);
        let at = LegRef::new(id, from.other());
        let socket = self.sets[set_index(at)].get_mut::<Socket>(stack::only());
        socket.close();
        other.enter(other.outer(socket.state()));
        session.phase = Some(Phase::Closing);
        let within = session.moved_at + self.settings.fin_timeout;
        self.arm_by(id, within);
    }

    /// Sends what a leg has to send; `false` when frames ran out first.
    #[inline]
    pub(super) fn flush<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        if !leg.is(flag::LIVE) {
            return true;
        }
        match due(leg, self.settings.rx_buffer_bytes as u32) {
            Due::Nothing => return true,
            Due::Ack => return self.acknowledge(at, now, net),
            Due::Fin => return self.send_fin(at, now, net),
            Due::Syn => return self.send_syn(at, now, net),
            Due::Poll => {}
        }
        // In TIME-WAIT smoltcp only waits to clear its buffers, which may still hold bytes for the other leg.
        if matches!(leg.state, State::Closed | State::TimeWait) {
            self.acknowledge_fin(at, now, net);
            return true;
        }
        if leg.fed_una != leg.snd_una && leg.unsent() > guard::PUT_OFF_BYTES {
            self.catch_up(at, now, net);
        }
        let mut done = self.flush_leg(at, now, net);
        let leg = self.leg(at);
        if done && leg.unsent() != 0 && leg.fed_una != leg.snd_una {
            self.catch_up(at, now, net);
            done = self.flush_leg(at, now, net);
        }
        let leg = self.leg(at);
        if done && (leg.unacked() > u32::from(leg.peer_mss) && leg.is(flag::PLAIN) || leg.is(flag::ACK_NOW)) {
            // Bytes that smoltcp never saw: it owes nothing for them.
            return self.acknowledge(at, now, net);
        }
        done
    }

    /// The ACK of a FIN that smoltcp is not asked for any more.
    pub(super) fn acknowledge_fin<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        if self.leg(at).state == State::TimeWait && self.leg(at).unacked() != 0 {
            self.acknowledge(at, now, net);
            self.leg_mut(at).clear(flag::POLL);
        }
    }

    #[inline]
    fn flush_leg<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        flush_leg(&mut self.stack, &mut self.sets[set_index(at)], leg, now, net)
    }
}

fn flush_leg<N: Net>(stack: &mut Stack, set: &mut Set, leg: &mut Leg, now: Instant, net: &mut N) -> bool {
    let interface = stack.interface(leg.class);
    for _ in 0..FLUSH_PACKETS_MAX {
        if net.room() == 0 {
            // smoltcp must not be refused a frame: it would forget a fast retransmit.
            leg.set(flag::POLL);
            return false;
        }
        set_nagle(set, leg);
        let sent = stack::egress(interface, set, leg, now, net);
        leg.clear(flag::POLL);
        if !sent || leg.unsent() == 0 && !leg.is(flag::RESENDING) {
            return true;
        }
    }
    leg.set(flag::POLL);
    false
}

/// Nagle's algorithm holds back what is less than a segment only while more than a segment waits: window remainders
/// do not go out as tiny segments, and the end of a message is never delayed.
#[inline]
fn set_nagle(set: &mut Set, leg: &mut Leg) {
    let wanted = leg.unsent() >= u32::from(leg.mss);
    if wanted != leg.is(flag::NAGLE) {
        set.get_mut::<Socket>(stack::only()).set_nagle_enabled(wanted);
        leg.flags ^= flag::NAGLE;
    }
}

/// What a leg wants of a service.
enum Due {
    /// Nothing.
    Nothing,
    /// An acknowledgement of bytes in order, which needs no smoltcp.
    Ack,
    /// Our FIN alone, which needs none either.
    Fin,
    /// The SYN or SYN-ACK of a leg that has no socket yet.
    Syn,
    /// A poll of smoltcp.
    Poll,
}

/// Whether a poll of this leg would find something to send, or only an acknowledgement is owed.
#[inline]
fn due(leg: &Leg, rx_bytes: u32) -> Due {
    if leg.is(flag::POLL | flag::RESENDING | flag::FIN_OURS | flag::ACK_NOW) || leg.unsent() != 0 {
        return due_by_flags(leg, rx_bytes);
    }
    if opens(leg, rx_bytes) {
        return Due::Poll;
    }
    if leg.unacked() <= u32::from(leg.peer_mss) {
        return Due::Nothing;
    }
    if leg.is(flag::PLAIN) && !leg.is(flag::HOLES) { Due::Ack } else { Due::Poll }
}

fn due_by_flags(leg: &Leg, rx_bytes: u32) -> Due {
    if leg.is_shaking_hands() {
        return if leg.is(flag::POLL) { Due::Syn } else { Due::Nothing };
    }
    if leg.is(flag::FIN_OURS) {
        // Asked now, smoltcp would send the FIN again.
        let asked = leg.is(flag::FIN_IN | flag::ACK_NOW) && leg.unacked() != 0;
        let owed = asked || leg.unacked() > u32::from(leg.peer_mss) || opens(leg, rx_bytes);
        return if owed { Due::Ack } else { Due::Nothing };
    }
    if leg.owes_only_fin() {
        return Due::Fin;
    }
    let polls = leg.is(flag::POLL | flag::RESENDING) || leg.unsent() != 0 || opens(leg, rx_bytes);
    if polls { Due::Poll } else { Due::Ack }
}

/// Whether a window is to be announced: smoltcp announces one that has doubled at once.
#[inline]
fn opens(leg: &Leg, rx_bytes: u32) -> bool {
    let (announced, free) = (leg.window_left(), leg.window_free(rx_bytes));
    free > announced && free / 2 >= announced && !leg.is_shaking_hands()
}

/// Moves up to `queued` bytes from one socket's receive ring into another's transmit ring. One run in most cases, three
/// when both rings wrap.
#[inline]
fn pour(source: &mut Socket<'static>, sink: &mut Socket<'static>, queued: u32) -> u32 {
    let mut moved = 0;
    while moved != queued {
        let run = source.recv(|bytes| {
            let taken = sink.send(|room| {
                let taken = bytes.len().min(room.len());
                room[..taken].copy_from_slice(&bytes[..taken]);
                (taken, taken)
            });
            let taken = taken.unwrap_or(0);
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

//! A segment meets its leg: guard, sender, smoltcp, and what follows from it.
//!
//! The usual segment of an open session, in order and with nothing odd about it, is recognised by a handful of
//! compares (`is_plain`, about 40 instructions with `accept_plain`). What it acknowledges is the sender's own affair
//! (`sender`). Its bytes go straight into the other leg's transmit buffer (`pass_on`), and smoltcp, which would cost 900
//! instructions, never hears of them: its numbers lag by `Leg::skipped`, which is taken off what it is shown and added to
//! what it says. Only bytes out of order, and those for which the other leg has no room, go to smoltcp.

use super::answer;
use super::end::End;
use super::guard::{self, Answer, Patch, Verdict};
use super::leg::{self, Leg, flag};
use super::pair::SpliceWish;
use super::sender::Ack;
use super::stack::{self, ACK_DELAY_MS};
use super::{Net, Phase, Sessions};
use crate::base::{DropReason, Fate, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Counter;
use crate::wire::{FlowKey, SackBlocks, TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp::{Socket, State};

/// When a SYN is first sent again (RFC 6298 2.1).
pub(super) const RTO_MIN: Span = Span::from_millis(1_000);

impl Sessions {
    /// Gives a segment to the leg that `find` named.
    #[inline]
    pub fn segment<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let (start, end) = segment.options();
        let Some(options) = frame.get(start..end) else {
            return Fate::Dropped(DropReason::FrameTruncated);
        };
        let leg = self.leg_mut(at);
        let plain =
            guard::plain_timestamp(options).ok().filter(|&stamp| guard::is_plain(leg, segment, stamp));
        let Some(timestamp) = plain else {
            return self.segment_slowly(at, segment, frame, now, net);
        };
        if segment.window == 0 && leg.peer_window != 0 {
            net.page().count(Counter::ZeroWindowsReceived);
        }
        let news = segment.ack != leg.snd_una;
        let opened = segment.window != leg.peer_window;
        guard::accept_plain(leg, segment, timestamp, now);
        if news || opened {
            let ack = Ack { number: segment.ack, sack: &SackBlocks::NONE, is_repeat: false };
            self.take_ack(at, &ack, now);
        }
        if segment.payload_len() == 0 {
            return Fate::Absorbed;
        }
        let payload = frame.get(usize::from(segment.payload_offset)..usize::from(segment.ip_end));
        let passed =
            !self.leg(at).sealed && payload.is_some_and(|payload| self.pass_on(at, payload, now, net));
        if passed { Fate::Absorbed } else { self.feed(at, segment, frame, now, net) }
    }

    /// Whether a segment of this flow that ended before `next` was one whose bytes went straight on, and said the last word on what
    /// is acknowledged and on the window: what follows it in a burst and says the same needs no judge.
    #[inline]
    pub fn leads(&self, at: LegRef, key: &FlowKey, (next, ack): (u32, u32), window: u16) -> bool {
        let leg = self.leg(at);
        leg.is(flag::LIVE)
            && leg.is(flag::PLAIN)
            && leg.key == *key
            && !leg.sealed
            && (leg.rcv_nxt, leg.snd_una) == (next, ack)
            && leg.peer_window == window
    }

    /// Takes the bytes of a segment that follows one that leads; `false`, and nothing changed, where they are not the next ones or
    /// do not go straight on.
    #[inline]
    pub fn follow<N: Net>(&mut self, at: LegRef, seq: u32, bytes: &[u8], now: Instant, net: &mut N) -> bool {
        let leg = self.leg(at);
        let is_next = seq == leg.rcv_nxt && bytes.len() as u32 <= leg.window_left();
        is_next && self.pass_on(at, bytes, now, net)
    }

    /// Takes what a segment acknowledges, and the window that came with it, and marks the session where that sets
    /// something free.
    #[inline]
    fn take_ack(&mut self, at: LegRef, ack: &Ack<'_>, now: Instant) {
        let waits = self.hear_ack(at, ack, now);
        let session = &self.sessions[at.session() as usize];
        let leg = session.leg(at.side());
        let over = matches!(leg.state, State::TimeWait | State::Closed);
        let splices = session.splice == SpliceWish::Wanted && leg.in_flight() == 0;
        if waits || over || splices || leg.sealed || session.leg(at.side().other()).queued() != 0 {
            self.mark(at.session());
        }
    }

    #[inline(never)]
    fn segment_slowly<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let (start, end) = segment.options();
        let parsed = frame.get(start..end).and_then(|options| TcpOptions::parse(options).ok());
        let Some(options) = &parsed else {
            return Fate::Dropped(DropReason::TcpHeaderBad);
        };
        let held = at.side() == Side::Client && self.sessions[at.session() as usize].held_until.is_some();
        if held && let Some(fate) = self.meet_held(at, segment, now, net) {
            return fate;
        }
        let early = match self.leg(at).state {
            State::SynReceived => self.meet_half_open(at, segment, options, now, net),
            State::SynSent => Some(self.meet_connecting(at, segment, options, now, net)),
            State::Closed | State::Listen => Some(Fate::Dropped(DropReason::OutOfState)),
            State::Established if self.is_parked(at) => self.rouse(at, segment, (options, frame), now, net),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => None,
        };
        if let Some(fate) = early {
            return fate;
        }
        match guard::judge(self.leg(at), segment, options, now) {
            Verdict::Pass => {
                self.accept(at, segment, options, None, now);
                self.take_in(at, segment, frame, now, net)
            }
            Verdict::Rewrite(patch) => {
                self.accept(at, segment, options, Some(&patch), now);
                let end = answer::patch(frame, segment, &patch);
                let cut = if patch.fin { 0 } else { TcpFlags::FIN };
                let segment = TcpSegment {
                    seq: patch.seq,
                    ip_end: segment.payload_offset + patch.payload_len,
                    flags: TcpFlags(segment.flags.0 & !cut),
                    ..*segment
                };
                self.take_in(at, &segment, &mut frame[..end], now, net)
            }
            Verdict::Reset => {
                self.end(at.session(), End::Reset(at.side()), Some(at.side()), now, net);
                Fate::Absorbed
            }
            Verdict::Absorb(answer) => {
                if segment.payload_len() > 1 {
                    net.page().count(Counter::RetransmitsReceived);
                }
                let leg = self.leg_mut(at);
                (leg.heard, leg.probes) = (now, 0);
                self.answer(at, answer, now, net);
                Fate::Absorbed
            }
            Verdict::Refuse(reason, answer) => {
                self.answer(at, answer, now, net);
                Fate::Dropped(reason)
            }
        }
    }

    /// Takes note of an acceptable segment, and what it acknowledges.
    fn accept(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        patch: Option<&Patch>,
        now: Instant,
    ) {
        let leg = self.leg_mut(at);
        let bare = segment.payload_len() == 0 && !segment.flags.has(TcpFlags::FIN);
        let same = segment.window == leg.peer_window || !options.sack.is_empty();
        // What answers a probe of a closed window tells of no loss.
        let outstanding = leg.in_flight() != 0 && !leg.is(flag::PROBING_WINDOW);
        let is_repeat = bare && same && segment.ack == leg.snd_una && outstanding;
        guard::accept(leg, segment, options, patch, now);
        let number = if leg::before(segment.ack, leg.snd_una) { leg.snd_una } else { segment.ack };
        self.take_ack(at, &Ack { number, sack: &options.sack, is_repeat }, now);
    }

    /// Takes the bytes and the FIN of a segment that the guard let through.
    fn take_in<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        if segment.payload_len() != 0 {
            return self.feed(at, segment, frame, now, net);
        }
        if segment.flags.has(TcpFlags::FIN) && segment.seq == self.leg(at).rcv_nxt {
            self.leg_mut(at).take_fin();
            self.mark(at.session());
        }
        Fate::Absorbed
    }

    /// Feeds bytes that the guard let through to smoltcp and follows the change.
    #[inline]
    fn feed<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        if self.leg(at).is(flag::ASLEEP) {
            self.wake(at, now);
        }
        let session = &mut self.sessions[at.session() as usize];
        let leg = &mut session.legs[at.side().index()];
        let Some(seat) = self.seats.get_mut(at.session()) else {
            return Fate::Dropped(DropReason::SocketsFull);
        };
        let set = &mut seat.sets[at.side().index()];
        answer::to_inner(frame, segment, leg);
        let end = frame.len().min(usize::from(segment.ip_end));
        let Some(packet) = frame.get(usize::from(segment.ip_offset)..end) else {
            return Fate::Dropped(DropReason::FrameTruncated);
        };
        let (rcv_nxt, was_closed) = (leg.rcv_nxt, leg.is(flag::FIN_IN));
        let answers = stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net);
        let socket = set.get::<Socket>(stack::only());
        let queued = socket.recv_queue() as u32;
        if socket.state() == State::CloseWait && !was_closed {
            leg.peer_closed();
        }
        leg.rcv_nxt = leg.read_seq.wrapping_add(queued).wrapping_add(u32::from(leg.is(flag::FIN_IN)));
        if leg.is(flag::HOLES) && !leg::before(leg.rcv_nxt, leg.holes_to) {
            leg.clear(flag::HOLES);
        }
        if leg.is(flag::FIN_EARLY) && leg.rcv_nxt == leg.fin_at && !leg.is(flag::FIN_IN) {
            leg.take_fin();
            leg.clear(flag::ACK_NOW);
        }
        if leg.is(flag::FIN_IN) {
            leg.clear(flag::FIN_EARLY);
        }
        if leg.rcv_nxt == rcv_nxt && answers == 0 {
            // Out of order with smoltcp's list of holes full: it says nothing, and the peer would wait for its timer.
            self.answer(at, Answer::Ack, now, net);
        }
        self.mark(at.session());
        Fate::Absorbed
    }

    /// Makes sure that a timer fires when an acknowledgement or something of the senders' could be due.
    #[inline]
    pub(super) fn arm_for_legs(&mut self, id: u32, now: Instant) {
        let session = &self.sessions[id as usize];
        let mut wait: Option<Span> = None;
        for (side, leg) in session.legs.iter().enumerate() {
            if !leg.is(flag::LIVE) || matches!(leg.state, State::Closed | State::TimeWait) {
                continue;
            }
            if leg.is_shaking_hands() {
                wait = Some(wait.map_or(RTO_MIN, |wait| wait.min(RTO_MIN)));
                continue;
            }
            if leg.unacked() != 0 {
                wait = Some(Span::from_millis(ACK_DELAY_MS));
                break;
            }
            if leg.in_flight() != 0 || leg.is(flag::PROBING_WINDOW) {
                // A FIN alone is not probed for.
                let probes = leg.is(flag::SACK) && leg.snd_una != leg.write_seq;
                let Some(seat) = self.seats.get(id) else { continue };
                let soonest = seat.senders[side].soonest(probes);
                wait = Some(wait.map_or(soonest, |wait| wait.min(soonest)));
            }
        }
        if let Some(wait) = wait {
            self.arm_by(id, now + wait);
        }
    }

    /// The leg at `at`.
    #[inline]
    pub(super) fn leg(&self, at: LegRef) -> &Leg {
        &self.sessions[at.session() as usize].legs[at.side().index()]
    }

    /// The leg at `at`, to be changed.
    #[inline]
    pub(super) fn leg_mut(&mut self, at: LegRef) -> &mut Leg {
        &mut self.sessions[at.session() as usize].legs[at.side().index()]
    }

    /// How far a session is; `None` for a vacant slot.
    pub fn phase(&self, at: LegRef) -> Option<Phase> {
        self.sessions[at.session() as usize].phase
    }
}

//! A segment meets its leg: guard, smoltcp, and what follows from the change of state.
//!
//! The usual segment of an open session, in order and with nothing odd about it, is recognised by a handful of
//! compares (`is_plain`, about 40 instructions with `accept_plain`). Its bytes go straight into the other leg's
//! transmit buffer (`pass_on`), and smoltcp's receive side, which would cost 900 instructions, never hears of them:
//! its numbers lag by `Leg::skipped`, which is taken off what it is shown and added to what it sends. Everything else
//! takes the long way: out of order, no room at the other leg, news for smoltcp's sender.

use super::answer;
use super::end::End;
use super::guard::{self, Answer, Patch, Verdict};
use super::leg::{self, Leg, flag};
use super::stack::{self, ACK_DELAY_MS};
use super::{Net, Phase, Sessions};
use crate::base::{DropReason, Fate, Instant, Span};
use crate::flow::{LegRef, Side};
use crate::telemetry::Counter;
use crate::wire::{TcpOptions, TcpSegment};
use smoltcp::socket::tcp::{Socket, State};

/// smoltcp's shortest retransmission timeout: nothing of it is due earlier than this after a segment went out.
pub(super) const RTO_MIN: Span = Span::from_millis(1_000);

/// How long a bare acknowledgement may be put off.
const PUT_OFF_SPAN: Span = Span::from_millis(20);

/// A leg's numbers before a segment.
#[derive(Clone, Copy)]
struct Before {
    state: State,
    rcv_nxt: u32,
    snd_una: u32,
}

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
        let before = Before { state: leg.state, rcv_nxt: leg.rcv_nxt, snd_una: leg.snd_una };
        if segment.window == 0 && leg.peer_window != 0 {
            net.page().count(Counter::ZeroWindowsReceived);
        }
        let may_wait = guard::may_wait(leg, segment);
        guard::accept_plain(leg, segment, timestamp, now);
        if may_wait && !self.leg(at).sealed && self.take_aside(at, segment, frame, now, net) {
            return Fate::Absorbed;
        }
        self.feed(at, segment, before, frame, now, net)
    }

    /// Takes a plain segment without smoltcp's receive side; `false` when it must see it.
    #[inline]
    fn take_aside<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &[u8],
        now: Instant,
        net: &mut N,
    ) -> bool {
        if segment.payload_len() != 0 {
            let payload = frame.get(usize::from(segment.payload_offset)..usize::from(segment.ip_end));
            return payload.is_some_and(|payload| self.pass_on(at, payload, now, net));
        }
        if self.leg(at.other()).queued() != 0 {
            return false;
        }
        self.arm_by(at.session(), now + PUT_OFF_SPAN);
        true
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
                let leg = self.leg(at);
                let window = u32::from(leg.peer_window) << leg.peer_shift;
                let before = self.accept(at, segment, options, None, now);
                let leg = self.leg_mut(at);
                if leg.take_last_words(segment) || leg.take_fin(segment, window) {
                    self.mark(at.session());
                    return Fate::Absorbed;
                }
                self.feed(at, segment, before, frame, now, net)
            }
            Verdict::Rewrite(patch) => {
                let before = self.accept(at, segment, options, Some(&patch), now);
                let end = answer::patch(frame, segment, &patch);
                self.feed(at, segment, before, &mut frame[..end], now, net)
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

    fn accept(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        patch: Option<&Patch>,
        now: Instant,
    ) -> Before {
        let leg = self.leg_mut(at);
        let before = Before { state: leg.state, rcv_nxt: leg.rcv_nxt, snd_una: leg.snd_una };
        guard::accept(leg, segment, options, patch, now);
        before
    }

    /// Feeds a segment that the guard let through to smoltcp and follows the change.
    #[inline]
    fn feed<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        before: Before,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Fate {
        if self.leg(at).is(flag::ASLEEP) {
            self.wake(at, now);
        }
        let session = &mut self.sessions[at.session() as usize];
        let leg = &mut session.legs[at.side().index()];
        let set = &mut self.sets[set_index(at)];
        if leg.skipped != 0 {
            answer::shift_seq(frame, segment, leg.skipped);
        }
        let end = frame.len().min(usize::from(segment.ip_end));
        let Some(packet) = frame.get(usize::from(segment.ip_offset)..end) else {
            return Fate::Dropped(DropReason::FrameTruncated);
        };
        let answers = stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net);
        leg.fed_una = leg.snd_una;
        let socket = set.get::<Socket>(stack::only());
        let state = leg.outer(socket.state());
        let odd = state != before.state || leg.is(flag::FIN_EARLY | flag::PATH_SHRANK);
        if segment.payload_len() == 0 && !odd {
            // A pure acknowledgement: worth a look only when it set something free, or may be a duplicate.
            if leg.sealed
                || leg.is(flag::POLL | flag::RESENDING)
                || leg.unsent() != 0
                || leg.snd_una == before.snd_una && leg.in_flight() != 0
                || session.legs[at.side().other().index()].queued() != 0
            {
                self.leg_mut(at).set(flag::POLL);
                self.mark(at.session());
            }
            return Fate::Absorbed;
        }
        let queued = socket.recv_queue() as u32;
        if state != before.state {
            leg.enter(state);
        }
        leg.rcv_nxt = leg.read_seq.wrapping_add(queued).wrapping_add(u32::from(leg.is(flag::FIN_IN)));
        if leg.is(flag::HOLES) && !leg::before(leg.rcv_nxt, leg.holes_to) {
            leg.clear(flag::HOLES);
        }
        if odd || leg.rcv_nxt == before.rcv_nxt {
            return self.follow(at, segment, before, answers, now, net);
        }
        self.mark(at.session());
        Fate::Absorbed
    }

    /// What a FIN, a hole or a change of state brings about.
    #[inline(never)]
    fn follow<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        before: Before,
        answers: u32,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        if segment.payload_len() != 0 && self.leg(at).rcv_nxt == before.rcv_nxt && answers == 0 {
            // Out of order with smoltcp's list of holes full: it says nothing, and the peer would wait for its timer.
            self.answer(at, Answer::Ack, now, net);
        }
        let leg = self.leg_mut(at);
        if leg.is(flag::FIN_EARLY) && !leg.is(flag::FIN_IN) && leg.rcv_nxt == leg.fin_at {
            self.replay_fin(at, now, net);
        }
        let leg = self.leg_mut(at);
        if leg.is(flag::FIN_IN) {
            leg.clear(flag::FIN_EARLY);
        }
        if leg.unacked() != 0 && leg.is(flag::FIN_IN) || leg.unsent() != 0 {
            leg.set(flag::POLL);
        }
        if leg.is(flag::PATH_SHRANK) && leg.snd_una != before.snd_una && leg.in_flight() != 0 {
            self.nudge(at, now, net);
        }
        if self.sessions[at.session() as usize].phase.is_some() {
            self.mark(at.session());
        }
        Fate::Absorbed
    }

    /// Makes sure that a timer fires when smoltcp could be due: its delayed ACK, or its retransmission timeout.
    #[inline]
    pub(super) fn arm_for_smoltcp(&mut self, id: u32, now: Instant) {
        let session = &self.sessions[id as usize];
        let mut wait = None;
        for leg in &session.legs {
            if !leg.is(flag::LIVE) || matches!(leg.state, State::Closed | State::TimeWait) {
                continue;
            }
            if leg.unacked() != 0 && leg.state != State::SynSent {
                wait = Some(Span::from_millis(ACK_DELAY_MS));
                break;
            }
            if leg.in_flight() != 0 || leg.unsent() != 0 {
                wait = Some(RTO_MIN);
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

/// The place of a leg's socket set.
#[inline]
pub(super) fn set_index(at: LegRef) -> usize {
    at.session() as usize * 2 + at.side().index()
}

//! Segments of a spliced session that are not the usual ones: the guard's rules (RFC 9293 3.10.7.4, RFC 5961) hold here, too,
//! and what passes them goes on translated.

use super::pass::Passed;
use crate::base::{DropReason, Epoch, Instant};
use crate::flow::LegRef;
use crate::session::end::End;
use crate::session::{Net, Sessions, Tally, Way, packet};
use crate::telemetry::{Counter, PageWriter};
use crate::wire::{Fixed4, TcpFlags, TcpSegment};

impl Sessions {
    /// Gives a segment to a spliced leg.
    #[inline]
    pub fn pass<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        (epoch, now): (Epoch, Instant),
        net: &mut N,
    ) -> Passed {
        let at = self.own(at);
        match self.splices.pass(at, segment, frame, (epoch, now), net.page()) {
            Passed::Odd => self.pass_oddly(at, segment, frame, now, net),
            passed @ (Passed::On(_) | Passed::Closes(_) | Passed::Last(_) | Passed::Dropped(_)) => passed,
        }
    }

    /// Translates a usual segment of the spliced leg that the flow table named, and says whether it goes on or is the last
    /// to do so; `None`, and nothing changed, where the leg is another's, not spliced, or the segment is not usual.
    #[inline(always)]
    pub fn pass_usual(
        &mut self,
        at: LegRef,
        fixed: Fixed4,
        frame: &mut [u8],
        when: (Epoch, Instant),
        counts: (&mut Tally, &PageWriter),
    ) -> Option<Passed> {
        let own = self.own(at);
        match self.splices.pass_fixed(own, fixed, frame, when, counts)? {
            Passed::Closes(way) => Some(self.closed(own, way, when.1)),
            passed @ (Passed::On(_) | Passed::Last(_) | Passed::Dropped(_) | Passed::Odd) => Some(passed),
        }
    }

    /// Sets the timers of a session of which one side just closed, and says whether that was the last.
    #[inline(never)]
    fn closed(&mut self, at: LegRef, way: Way, now: Instant) -> Passed {
        self.arm_splice(at.session(), now);
        self.splices.records[at.session() as usize].passed(way)
    }

    /// A leg's place among the records.
    #[inline]
    pub(in crate::session) fn own(&self, at: LegRef) -> LegRef {
        LegRef::new(at.session().wrapping_sub(self.sessions.len() as u32), at.side())
    }

    #[inline(never)]
    fn pass_oddly<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Passed {
        let record = &mut self.splices.records[at.session() as usize];
        if segment.flags.has(TcpFlags::SYN) {
            return self.refuse(at, DropReason::SynInSession, now, net);
        }
        if segment.flags.has(TcpFlags::RST) {
            return self.pass_reset(at, segment, frame, now, net);
        }
        if !segment.flags.has(TcpFlags::ACK) {
            return Passed::Dropped(DropReason::OutOfState);
        }
        if !record.accepts(at.side(), segment) && !record.is_window_probe(at.side(), segment) {
            // RFC 9293 3.10.7.4: what is unacceptable earns an ACK.
            return self.refuse(at, DropReason::SequenceUnacceptable, now, net);
        }
        let closes = segment.flags.has(TcpFlags::FIN);
        if closes && record.has_closed_elsewhere(at.side(), segment) {
            return self.refuse(at, DropReason::SequenceUnacceptable, now, net);
        }
        let way = match record.forward(at.side(), segment, frame, None, now, net.page()) {
            Ok(way) => way,
            Err(reason) => return Passed::Dropped(reason),
        };
        if closes && record.close(at.side(), now) {
            return self.closed(at, way, now);
        }
        record.passed(way)
    }

    /// A reset goes on, and ends the session, where its number is exactly what the other side waits for as far as it passed
    /// here (RFC 5961 3.2): the last that it acknowledged, or the next that it has not had.
    fn pass_reset<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        now: Instant,
        net: &mut N,
    ) -> Passed {
        let record = &mut self.splices.records[at.session() as usize];
        let lane = &record.lanes[at.side().index()];
        if segment.seq != lane.nxt && segment.seq != lane.una {
            return self.refuse(at, DropReason::RstUnacceptable, now, net);
        }
        let way = match record.forward(at.side(), segment, frame, None, now, net.page()) {
            Ok(way) => way,
            Err(reason) => return Passed::Dropped(reason),
        };
        net.page().count(Counter::ResetsPassed);
        self.end_splice(at.session(), End::Reset(at.side()), false, now, net);
        Passed::On(way)
    }

    /// Drops a segment by name, and answers its sender where the limits allow.
    fn refuse<N: Net>(&mut self, at: LegRef, reason: DropReason, now: Instant, net: &mut N) -> Passed {
        let record = &mut self.splices.records[at.session() as usize];
        let leg = record.leg(at.side(), now);
        if record.may_challenge(now) && self.allowance.take(now) {
            let ack = packet::of_leg(&leg, TcpFlags::ACK, leg.snd_max, now);
            if packet::send(&ack, leg.hop, net) {
                net.page().count(Counter::ChallengeAcks);
            }
        }
        Passed::Dropped(reason)
    }
}

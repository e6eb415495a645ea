//! The quick road: a sound IPv4 segment of a spliced session, or datagram of a proven client, rewritten where it stands and
//! put into the port's batch; and one without a session that tables alone refuse, dropped, or
//! answered by a cookie. Whatever is not that plain takes the road of `serve`, which finds it as it came.
//!
//! Nothing of a frame is written to memory on the way but the frame: its fields are read from fixed places, and all that
//! decides is inlined here from the rooms that know it.

use super::core::Worker;
use super::intake::Found;
use super::stranger::Meeting;
use crate::base::{DropReason, Epoch, Fate, Instant};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::{Passed, Way};
use crate::wire::{Fixed4, Protocol};

impl<P: Port> Worker<P> {
    /// The fate of a frame whose headers stand at fixed places.
    #[inline(always)]
    pub(super) fn serve_quickly(
        &mut self,
        mut frame: P::Frame,
        fixed: Fixed4,
        found: &Found,
        when: (Epoch, Instant),
    ) -> Fate {
        let passed = match (found.leg, fixed.protocol) {
            (Some(leg), Protocol::Tcp) => self.pass_segment(leg, &mut frame, fixed, when),
            (Some(leg), Protocol::Udp) => self.pass_datagram(leg, &mut frame, fixed, when),
            (None, _) => return self.serve_stranger(frame, fixed, found),
        };
        let Some(way) = passed else { return self.serve_fully(frame, fixed, found) };
        let end = usize::from(fixed.end);
        if frame.bytes().len() != end {
            // What a link padded it with stays behind.
            frame.set_len(end);
        }
        self.exit.forward(way.hop, way.to, frame)
    }

    #[inline(always)]
    fn pass_segment(
        &mut self,
        leg: LegRef,
        frame: &mut P::Frame,
        fixed: Fixed4,
        when: (Epoch, Instant),
    ) -> Option<Way> {
        match self.sessions.pass_usual(leg, fixed, frame.bytes_mut(), when, &self.exit.page)? {
            Passed::On(way) => Some(way),
            Passed::Last(way) => {
                self.sessions.splice_over(leg, when.1, &mut self.exit);
                Some(way)
            }
            Passed::Dropped(_) | Passed::Odd => None,
        }
    }

    #[inline(always)]
    fn pass_datagram(
        &mut self,
        leg: LegRef,
        frame: &mut P::Frame,
        fixed: Fixed4,
        when: (Epoch, Instant),
    ) -> Option<Way> {
        self.udp.pass_fixed(leg, fixed, frame.bytes_mut(), when, &self.exit.page)
    }

    /// The fate of a frame of which the flow table knows nothing.
    #[inline]
    fn serve_stranger(&mut self, frame: P::Frame, fixed: Fixed4, found: &Found) -> Fate {
        match self.meet(frame.bytes(), fixed, found) {
            Meeting::TurnedAway(reason) => self.drop_frame(frame, reason),
            Meeting::Passes(key, app, said) => {
                let greeted = self.greet(frame, (fixed, &key, found.hash), (app, said));
                greeted.unwrap_or_else(|frame| self.serve_fully(frame, fixed, found))
            }
            Meeting::Unclear => self.serve_fully(frame, fixed, found),
        }
    }

    /// The same frame by the road that takes all.
    #[inline(never)]
    fn serve_fully(&mut self, frame: P::Frame, fixed: Fixed4, found: &Found) -> Fate {
        match fixed.parsed(frame.bytes()) {
            Some(parsed) => self.serve(frame, &parsed, found),
            None => self.drop_frame(frame, DropReason::FrameTruncated),
        }
    }
}

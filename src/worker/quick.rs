//! The quick road: an IPv4 segment of a spliced session, or datagram of a proven client, rewritten where it stands and
//! put into the port's batch; and one without a session that tables alone refuse, dropped, or
//! answered by a cookie. Whatever is not that plain takes the road of `serve`, which finds it as it came.
//!
//! Nothing of a frame is written to memory on the way but the frame: its fields are read from fixed places, all that
//! decides is inlined here from the rooms that know it, and what is counted is kept beside the burst (`Tally`).

use super::core::Worker;
use super::intake::{Found, Seen};
use super::stranger::Meeting;
use crate::base::{DropReason, Epoch, Fate, Hop, Instant, PortId};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::{Passed, Tally, Way};
use crate::wire::{Fixed4, Parsed, Protocol};

/// How far a run of frames came on the quick road.
pub(super) struct Run {
    /// So many are ready to leave, by the port that is noted of each.
    pub passed: usize,
    /// The next one is rewritten, too, but the way to this hop of its has to be asked for.
    pub unready: Option<Hop>,
}

/// What became of a frame on the quick road.
enum Heading {
    /// It is ready to leave by this port.
    Out(PortId),
    /// It is rewritten, but the way to this hop has to be asked for.
    Unready(Hop),
    /// It is another road's, and unchanged.
    NotQuick,
}

impl<P: Port> Worker<P> {
    /// Rewrites the frames at the front of `frames` that go on by the quick road, each where it stands, and notes in `found` the
    /// ports that they leave by. A loop of its own: what it needs stays in registers, and no frame moves.
    #[inline(never)]
    pub(super) fn rewrite_run(
        &mut self,
        frames: &mut [P::Frame],
        found: &mut [Found],
        when: &(Epoch, Instant),
        tally: &mut Tally,
    ) -> Run {
        let mut passed = 0;
        for (frame, found) in frames.iter_mut().zip(found) {
            let (Seen::Fixed(fixed), Some(leg)) = (&found.seen, found.leg) else { break };
            let heading = match fixed.protocol {
                Protocol::Tcp => self.pass_segment(frame, (*fixed, leg), when, tally),
                Protocol::Udp => self.pass_datagram(frame, (*fixed, leg), when, tally),
            };
            match heading {
                Heading::Out(port) => found.port = port,
                Heading::Unready(hop) => return Run { passed, unready: Some(hop) },
                Heading::NotQuick => break,
            }
            passed += 1;
        }
        Run { passed, unready: None }
    }

    #[inline(always)]
    fn pass_segment(
        &mut self,
        frame: &mut P::Frame,
        (fixed, leg): (Fixed4, LegRef),
        when: &(Epoch, Instant),
        tally: &mut Tally,
    ) -> Heading {
        let bytes = frame.bytes_mut();
        let way = match self.sessions.pass_usual(leg, fixed, bytes, *when, (tally, &self.exit.page)) {
            Some(Passed::On(way) | Passed::Closes(way)) => way,
            Some(Passed::Last(way)) => {
                self.sessions.splice_over(leg, when.1, &mut self.exit);
                way
            }
            Some(Passed::Dropped(_) | Passed::Odd) | None => return Heading::NotQuick,
        };
        self.head(frame, fixed, way)
    }

    #[inline(always)]
    fn pass_datagram(
        &mut self,
        frame: &mut P::Frame,
        (fixed, leg): (Fixed4, LegRef),
        when: &(Epoch, Instant),
        tally: &mut Tally,
    ) -> Heading {
        let counts = (tally, &self.exit.page);
        match self.udp.pass_fixed(leg, fixed, frame.bytes_mut(), *when, counts) {
            Some(way) => self.head(frame, fixed, way),
            None => Heading::NotQuick,
        }
    }

    /// Addresses a frame that goes this way.
    #[inline(always)]
    fn head(&mut self, frame: &mut P::Frame, fixed: Fixed4, way: Way) -> Heading {
        let bytes = frame.bytes_mut();
        let port = self.exit.head_for(way.hop, || way.to, bytes);
        let end = usize::from(fixed.end);
        if bytes.len() != end {
            // What a link padded it with stays behind.
            frame.set_len(end);
        }
        port.map_or(Heading::Unready(way.hop), Heading::Out)
    }

    /// The fate of a frame of which the flow table knows nothing.
    #[inline]
    pub(super) fn serve_stranger(&mut self, frame: P::Frame, fixed: Fixed4, found: &Found) -> Fate {
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
    pub(super) fn serve_fully(&mut self, frame: P::Frame, fixed: Fixed4, found: &Found) -> Fate {
        if fixed.protocol == Protocol::Tcp
            && let Some(segment) = fixed.segment(frame.bytes())
        {
            return self.serve_tcp(frame, &segment, found);
        }
        match fixed.parsed(frame.bytes()) {
            Some(parsed) => self.serve_parsed(frame, &parsed, found),
            None => self.drop_frame(frame, DropReason::FrameTruncated),
        }
    }

    /// A frame by the road that takes all, and that may teach something of neighbours.
    #[inline(never)]
    pub(super) fn serve_parsed(&mut self, frame: P::Frame, parsed: &Parsed, found: &Found) -> Fate {
        let fate = self.serve(frame, parsed, found);
        self.exit.forget_bearings();
        fate
    }
}

//! The quick road: a sound IPv4 segment of a spliced session, or datagram of a proven client, rewritten where it stands and
//! put into the port's batch; and one without a session that tables alone refuse, dropped, or
//! answered by a cookie. Whatever is not that plain takes the road of `serve`, which finds it as it came.
//!
//! Nothing of a frame is written to memory on the way but the frame: its fields are read from fixed places, all that
//! decides is inlined here from the rooms that know it, and what is counted is kept beside the burst (`Tally`).

use super::core::Worker;
use super::intake::Found;
use super::stranger::Meeting;
use crate::base::{DropReason, Epoch, Fate, Instant, PortId};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::{Passed, Tally, Way};
use crate::wire::{Fixed4, Parsed, Protocol};

/// What became of a frame on the quick road.
enum Heading {
    /// It is ready to leave by this port.
    Out(PortId),
    /// It is rewritten, but the way to its hop has to be asked for.
    Unready(Way),
    /// It is another road's, and unchanged.
    NotQuick,
}

impl<P: Port> Worker<P> {
    /// Sends a frame on whose headers stand at fixed places, of the flow that `leg` is said to be. Its fate.
    ///
    /// # Errors
    /// The frame, unchanged, where the road that takes all has to look at it.
    #[inline(always)]
    pub(super) fn pass_quickly(
        &mut self,
        mut frame: P::Frame,
        (fixed, leg): (Fixed4, LegRef),
        when: &(Epoch, Instant),
        tally: &mut Tally,
    ) -> Result<Fate, P::Frame> {
        let heading = match fixed.protocol {
            Protocol::Tcp => self.pass_segment(&mut frame, (fixed, leg), when, tally),
            Protocol::Udp => self.pass_datagram(&mut frame, (fixed, leg), when, tally),
        };
        match heading {
            Heading::Out(port) => self.exit.push(port, frame),
            Heading::Unready(Way { hop, to }) => return Ok(self.exit.forward_slowly(hop, to, frame)),
            Heading::NotQuick => return Err(frame),
        }
        Ok(Fate::Sent)
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
        let port = self.exit.head_for(way.hop, way.to, bytes);
        let end = usize::from(fixed.end);
        if bytes.len() != end {
            // What a link padded it with stays behind.
            frame.set_len(end);
        }
        port.map_or(Heading::Unready(way), Heading::Out)
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

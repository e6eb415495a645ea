//! A segment of a spliced session to its fate: it goes on in the frame that it came in.

use super::core::Worker;
use crate::base::{DropReason, Fate};
use crate::flow::LegRef;
use crate::port::{Frame, Port};
use crate::session::{Passed, Way};
use crate::telemetry::Counter;
use crate::wire::{IcmpErrorKind, Quoted, TcpSegment};

/// Bytes of the longest quoted header: IPv6 and TCP without options.
const QUOTE_BYTES_MAX: usize = 60;

impl<P: Port> Worker<P> {
    /// The fate of a segment whose session is spliced.
    #[inline]
    pub(super) fn serve_splice(&mut self, leg: LegRef, segment: &TcpSegment, mut frame: P::Frame) -> Fate {
        if self.sessions.judged_epoch(leg) != self.judging() && !self.rejudge(leg) {
            return self.drop_frame(frame, DropReason::FirewallBlocked);
        }
        let (epoch, now) = (self.judging(), self.exit.now);
        match self.sessions.pass(leg, segment, frame.bytes_mut(), (epoch, now), &mut self.exit) {
            Passed::On(way) | Passed::Closes(way) => self.send_on_spliced(way, segment, frame),
            Passed::Last(way) => {
                self.sessions.splice_over(leg, now, &mut self.exit);
                self.send_on_spliced(way, segment, frame)
            }
            Passed::Dropped(reason) => {
                // The frame is as it came.
                let owed = if reason == DropReason::SegmentTooLong {
                    Some(IcmpErrorKind::TooBig { mtu: self.sessions.splice_mtu(leg).into() })
                } else {
                    (reason == DropReason::TtlExpired).then_some(IcmpErrorKind::TimeExceeded)
                };
                if let Some(kind) = owed {
                    let (start, end) = (usize::from(segment.ip_offset), usize::from(segment.ip_end));
                    self.send_icmp_error(&segment.key, kind, &frame.bytes()[start..end]);
                }
                self.drop_frame(frame, reason)
            }
            // `Sessions::pass` has looked at it.
            Passed::Odd => self.drop_frame(frame, DropReason::OutOfState),
        }
    }

    #[inline]
    fn send_on_spliced(&mut self, way: Way, segment: &TcpSegment, mut frame: P::Frame) -> Fate {
        let end = usize::from(segment.ip_end);
        if frame.bytes().len() != end {
            frame.set_len(end);
        }
        self.exit.forward(way.hop, way.to, frame)
    }

    pub(super) fn drop_frame(&mut self, frame: P::Frame, reason: DropReason) -> Fate {
        self.exit.outbox.recycle(frame);
        Fate::Dropped(reason)
    }

    /// An ICMP error about a segment of a spliced session, told on to the side that made the segment; `None` where the session
    /// is none.
    pub(super) fn tell_on(&mut self, kind: IcmpErrorKind, quoted: &Quoted) -> Option<Fate> {
        let news = match self.sessions.path_news(&quoted.key, quoted.seq, kind)? {
            Ok(news) => news,
            Err(reason) => return Some(Fate::Dropped(reason)),
        };
        let mut quote = [0; QUOTE_BYTES_MAX];
        let len = news.segment.packet_len().min(QUOTE_BYTES_MAX);
        let _ = news.segment.emit(&mut quote[..len]);
        let sent = self.send_icmp_error(&news.key, news.kind, &quote[..len]);
        // That longer segments do not pass any more is in force whether or not it was told.
        if !sent && !matches!(news.kind, IcmpErrorKind::TooBig { .. }) {
            return Some(Fate::Dropped(DropReason::IcmpRateLimited));
        }
        self.exit.page.count(Counter::IcmpErrorsAccepted);
        Some(Fate::Absorbed)
    }
}

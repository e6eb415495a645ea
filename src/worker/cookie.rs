//! SYN cookies on a worker's road: which SYN is answered by one, in the frame that it came in, and which ACK may bear one.
//!
//! ```text
//!  first SYN --half-open sessions above the threshold, or always, or no more SYNs may open sessions--> SYN-ACK, no memory
//!  ACK without a session --> is there budget? --> cookie right --> judged like a SYN --> session, with the ACK's data
//!                                  |                   `--> wrong: counted by name, refused like any ACK without one
//!                                  `--> none: dropped as `syn_cookie_rate_limited`
//! ```
//! Limits are looked at when the SYN comes and asked in earnest when the cookie comes back. A client with a right cookie
//! that is kept out after all takes itself for connected: its data bear the cookie, too, and knock until there is room.
//! Only one that never will be let in, because byway drains, is told by RST.

use super::core::Worker;
use super::exit::Exit;
use super::limits::Limits;
use crate::base::{DropReason, Fate, Hop, Instant};
use crate::port::{Frame, Port};
use crate::session::{Admission, CookieFailure, FoundCookie, Net, Offer, Sessions};
use crate::telemetry::Counter;
use crate::wire::{TcpSegment, ethernet};

/// What becomes of a segment without a session that table and firewall let pass.
pub(super) enum Admitted {
    /// A SYN opens a session.
    Session(Admission),
    /// A SYN is answered by a cookie, this way, and offered this where it is not everything.
    Cookie(Hop, Option<Offer>),
    /// An ACK has proven a cookie and opens a session.
    Revival(Admission, FoundCookie),
}

/// Whether a first SYN is answered by a cookie; where it is not, it is counted among those that may open a session.
///
/// # Errors
/// No more of them may, and no cookie is sent.
pub(super) fn wants_cookie(
    sessions: &Sessions,
    limits: &mut Limits,
    segment: &TcpSegment,
    now: Instant,
) -> Result<bool, DropReason> {
    if sessions.answers_by_cookie(&segment.key) {
        return Ok(true);
    }
    if limits.syn.allow(now) {
        return Ok(false);
    }
    match sessions.may_answer_by_cookie(&segment.key) {
        true => Ok(true),
        false => Err(DropReason::SynRateLimited),
    }
}

/// The cookie that a segment bears which is no first SYN.
///
/// # Errors
/// It bears none.
pub(super) fn found_cookie<P: Port>(
    sessions: &mut Sessions,
    limits: &mut Limits,
    exit: &mut Exit<P>,
    (segment, frame, hash): (&TcpSegment, &[u8], u64),
) -> Result<FoundCookie, DropReason> {
    let now = exit.now;
    if !sessions.may_bear_cookie(segment, now) {
        return Err(DropReason::OutOfState);
    }
    if !limits.cookie.allow(now) {
        return Err(DropReason::SynCookieRateLimited);
    }
    sessions.read_cookie(segment, (frame, hash), now, exit).map_err(|failure| match failure {
        CookieFailure::Forged | CookieFailure::Expired | CookieFailure::Replayed => DropReason::OutOfState,
        CookieFailure::Early => DropReason::SynCookieBad,
    })
}

impl<P: Port> Worker<P> {
    /// Answers a first SYN by a cookie.
    pub(super) fn answer_by_cookie(
        &mut self,
        (segment, hash): (&TcpSegment, u64),
        (hop, offer): (Hop, Option<Offer>),
        mut frame: P::Frame,
    ) -> Fate {
        let offer = offer.unwrap_or_else(|| self.sessions.full_offer());
        let path = (hash, self.exit.mtu(hop), offer);
        let syn_ack = match self.sessions.cookie(segment, frame.bytes(), path, self.exit.now) {
            Ok(syn_ack) => syn_ack,
            Err(reason) => return self.drop_frame(frame, reason),
        };
        if !frame.set_len(ethernet::HEADER_LEN + syn_ack.packet_len()) {
            return self.drop_frame(frame, DropReason::NoFrame);
        }
        // The frame is as long as the packet.
        let _ = syn_ack.emit(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        self.exit.page.count(Counter::CookiesSent);
        self.exit.answer(hop, segment.key.src, frame)
    }

    /// Opens the session of a cookie.
    pub(super) fn revive(
        &mut self,
        admission: &Admission,
        found: &FoundCookie,
        (segment, frame): (&TcpSegment, &mut [u8]),
    ) -> Fate {
        let now = self.exit.now;
        let revived = self.sessions.revive(admission, found, (segment, frame), now, &mut self.exit);
        revived.unwrap_or_else(Fate::Dropped)
    }
}

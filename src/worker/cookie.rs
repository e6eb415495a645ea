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

use super::admit::{pass_firewall, tls_of};
use super::core::Worker;
use super::exit::Exit;
use super::limits::Limits;
use super::serve::{find_app, offer_of};
use crate::base::{DropReason, Fate, Hop};
use crate::flow::Tenant;
use crate::port::{Frame, Port};
use crate::session::{Admission, CookieFailure, FoundCookie, Net, Offer, Sessions};
use crate::table::TlsMode;
use crate::telemetry::{AppCounter, Counter};
use crate::wire::{TcpSegment, ethernet};

/// What becomes of a segment without a session that table and firewall let pass.
pub(super) enum Admitted {
    /// A SYN opens a session.
    Session(Admission),
    /// An ACK has proven a cookie and opens a session.
    Revival(Admission, FoundCookie),
}

/// What a SYN-ACK with a cookie needs to know.
struct Invitation {
    hop: Hop,
    /// What the client is offered, where that is not everything.
    offer: Option<Offer>,
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
    /// Answers a first SYN by a cookie, in the frame that it came in. What `admit` asks is asked here, too, but for what takes
    /// memory or is paid for, and in fewer instructions.
    pub(super) fn answer_by_cookie(
        &mut self,
        (segment, hash): (&TcpSegment, u64),
        mut frame: P::Frame,
    ) -> Fate {
        let path = match self.invite(segment) {
            Ok(path) => path,
            Err(reason) => {
                self.answer_refusal(reason, segment);
                return self.drop_frame(frame, reason);
            }
        };
        let offer = path.offer.unwrap_or_else(|| self.sessions.full_offer());
        let path_of = (hash, self.exit.mtu(path.hop), offer);
        let syn_ack = match self.sessions.cookie(segment, frame.bytes(), path_of, self.exit.now) {
            Ok(syn_ack) => syn_ack,
            Err(reason) => return self.drop_frame(frame, reason),
        };
        if !frame.set_len(ethernet::HEADER_LEN + syn_ack.packet_len()) {
            return self.drop_frame(frame, DropReason::NoFrame);
        }
        // The frame is as long as the packet.
        let _ = syn_ack.emit(&mut frame.bytes_mut()[ethernet::HEADER_LEN..]);
        self.exit.page.count(Counter::CookiesSent);
        self.exit.answer(path.hop, segment.key.src, frame)
    }

    /// What table, firewall and routes say of a first SYN that is to be answered by a cookie.
    fn invite(&mut self, segment: &TcpSegment) -> Result<Invitation, DropReason> {
        let key = &segment.key;
        self.check_source(key.src)?;
        let Self { reader, exit, sessions, .. } = self;
        let snapshot = &**reader.current();
        let app = find_app(snapshot, exit, segment)?;
        pass_firewall(snapshot, exit, app, key)?;
        let tenant = Tenant { app: app.slot, account: app.account };
        let refusal = match snapshot.draining {
            true => Some(DropReason::Draining),
            false => sessions.foresee(tenant, app.limits, key.src, exit.now),
        };
        let hop = match refusal {
            Some(reason) => Err(reason),
            None => exit.route(key.src).ok_or(DropReason::NoRoute),
        };
        // An app with TLS wants a certificate; what a client of it is offered is no origin's business.
        let is_plain = app.tls == TlsMode::Off;
        let hop = hop.and_then(|hop| if is_plain { Ok(hop) } else { tls_of(snapshot, app).map(|_| hop) });
        let hop = hop.inspect_err(|_| exit.page.add_app(app.slot, AppCounter::Refused, 1))?;
        let offer = if is_plain { offer_of(sessions, app, key, exit.now) } else { None };
        Ok(Invitation { hop, offer })
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

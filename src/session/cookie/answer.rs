//! A SYN that is answered by a cookie: nothing is remembered of it.

use super::code::CookieCode;
use super::spent::Spent;
use crate::base::{Addr, DropReason, Instant};
use crate::flow::Tenant;
use crate::session::leg::path_mss;
use crate::session::offer::Offer;
use crate::session::settings::SynCookies;
use crate::session::{Sessions, packet};
use crate::table::ConnectionLimits;
use crate::wire::{FlowKey, TcpEmit, TcpFlags, TcpOptions, TcpSegment};

/// What a worker's sessions know of cookies.
pub struct Cookies {
    pub(super) code: CookieCode,
    pub(super) spent: Spent,
    /// The tick in which the last one was sent, plus one; zero before the first.
    pub(super) sent_in: u64,
}

impl Cookies {
    /// Under the boot secret; none was sent.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { code: CookieCode::new(secret), spent: Spent::new(), sent_in: 0 }
    }
}

impl Sessions {
    /// Whether a first SYN that has no flow is answered by a cookie. One that opens a tuple in TIME-WAIT anew is not: its
    /// number must be above the old ones, and its client is known to be real.
    #[inline]
    pub fn answers_by_cookie(&self, key: &FlowKey) -> bool {
        let wanted = match self.settings.syn_cookies {
            SynCookies::Off => false,
            SynCookies::Auto { half_open } => self.half_open >= half_open,
            SynCookies::Always => true,
        };
        wanted && !self.graveyard.reuses(key)
    }

    /// The same where there is no memory for the SYN.
    #[inline]
    pub fn may_answer_by_cookie(&self, key: &FlowKey) -> bool {
        self.settings.syn_cookies != SynCookies::Off && !self.graveyard.reuses(key)
    }

    /// What would be in the way of the session that follows a SYN's cookie, were it to follow now. It is asked in earnest when
    /// the client has proven that it is there: nobody's limits are used up by forged SYNs.
    #[inline]
    pub fn foresee(
        &self,
        tenant: Tenant,
        limits: Option<ConnectionLimits>,
        client: Addr,
        now: Instant,
    ) -> Option<DropReason> {
        self.gate.foresee(tenant, limits, client, now)
    }

    /// The SYN-ACK with a cookie for a first SYN of the flow with this hash, over a path of `mtu` bytes, to a client that is offered
    /// this. Of a shift other than the usual one there is no memory: the usual one is told.
    ///
    /// # Errors
    /// The options are broken, or there is no room for the session that should follow.
    #[inline(always)]
    pub fn cookie(
        &mut self,
        syn: &TcpSegment,
        frame: &[u8],
        (hash, mtu, offer): (u64, usize, Offer),
        now: Instant,
    ) -> Result<TcpEmit, DropReason> {
        let (start, end) = syn.options();
        let mut options = frame
            .get(start..end)
            .and_then(|bytes| TcpOptions::parse(bytes).ok())
            .ok_or(DropReason::TcpHeaderBad)?;
        if !self.has_seat() {
            return Err(DropReason::SessionsFull);
        }
        options.timestamp = options.timestamp.filter(|_| offer.timestamps);
        options.window_shift = options.window_shift.filter(|_| offer.shift.is_some());
        options.sack_permitted &= offer.sack;
        let Self { cookies, isns, stack, settings, .. } = self;
        let cookie = cookies.code.make((hash, isns), syn, &options, now);
        cookies.sent_in = cookies.code.turn_to(now) + 1;
        let numbers = (cookie.iss, syn.seq.wrapping_add(1));
        let mut syn_ack = packet::to_peer(&syn.key, TcpFlags::SYN | TcpFlags::ACK, numbers);
        syn_ack.window = settings.syn_window();
        let path = stack.mtu(stack.class_for(mtu));
        syn_ack.options.mss = Some(path_mss(syn.key.src.is_v4(), path).min(offer.mss_max));
        if let (Some(stamp), Some((value, _))) = (cookie.stamp, options.timestamp) {
            syn_ack.options.timestamp = Some((stamp, value));
            syn_ack.options.window_shift = options.window_shift.map(|_| settings.window_shift.min(14));
            syn_ack.options.sack_permitted = options.sack_permitted;
        }
        Ok(syn_ack)
    }
}

//! The ACK of a cookie brings into being the session that its SYN would have opened.
//!
//! The leg is made as `open` makes it, with the cookie as its initial number and the options that the cookie holds, as if
//! the SYN-ACK had just gone out; then the segment takes the road of any third packet, and keeps its data.

use super::code::{Failure, Found};
use crate::base::{DropReason, Fate, Instant};
use crate::flow::{LegRef, Side};
use crate::session::leg::{Leg, flag};
use crate::session::{Admission, Net, Sessions};
use crate::telemetry::Counter;
use crate::wire::{TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp::State;

impl Sessions {
    /// Whether a segment that has no flow may bear a cookie: an ACK, within the life of the last cookie sent.
    #[inline]
    pub fn may_bear_cookie(&mut self, segment: &TcpSegment, now: Instant) -> bool {
        let plain = segment.flags.0 & (TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK) == TcpFlags::ACK;
        plain && self.cookies.sent_in != 0 && self.cookies.code.turn_to(now) <= self.cookies.sent_in
    }

    /// What the ACK in `frame`, of the flow with this hash, proves.
    ///
    /// # Errors
    /// Why nothing; it is counted.
    pub fn read_cookie<N: Net>(
        &mut self,
        ack: &TcpSegment,
        (frame, hash): (&[u8], u64),
        now: Instant,
        net: &mut N,
    ) -> Result<Found, Failure> {
        let (start, end) = ack.options();
        let options = frame.get(start..end).and_then(|bytes| TcpOptions::parse(bytes).ok());
        let found = match options {
            Some(options) => self.find_cookie(ack, &options, hash, now),
            None => Err(Failure::Forged),
        };
        if let Err(failure) = found {
            net.page().count(match failure {
                Failure::Forged | Failure::Early => Counter::CookiesForged,
                Failure::Expired => Counter::CookiesExpired,
                Failure::Replayed => Counter::CookiesReplayed,
            });
        }
        found
    }

    fn find_cookie(
        &mut self,
        ack: &TcpSegment,
        options: &TcpOptions,
        hash: u64,
        now: Instant,
    ) -> Result<Found, Failure> {
        let Self { cookies, isns, settings, .. } = self;
        let mut options = *options;
        options.timestamp = options.timestamp.filter(|_| settings.timestamps);
        let found = cookies.code.read((hash, isns), ack, &options, now)?;
        if cookies.spent.holds(found.tag) { Err(Failure::Replayed) } else { Ok(found) }
    }

    /// Opens the session that `found` stands for and gives it the segment that proved it. A refusal changes nothing.
    ///
    /// # Errors
    /// Why there is no room for it.
    pub fn revive<N: Net>(
        &mut self,
        admission: &Admission,
        found: &Found,
        (segment, frame): (&TcpSegment, &mut [u8]),
        now: Instant,
        net: &mut N,
    ) -> Result<Fate, DropReason> {
        let entry = self.let_in(admission, segment.key.src, now, net)?;
        let mut leg = self.new_leg(segment.key, net.mtu(admission.client_hop), now);
        leg.hop = admission.client_hop;
        self.grow(&mut leg, found, segment, now);
        let id = self.seat(admission, entry, leg, now)?;
        self.cookies.spent.spend(found.tag);
        net.page().count(Counter::OpenedSessions);
        net.page().count(Counter::CookiesReceived);
        Ok(self.segment(LegRef::new(id, Side::Client), segment, frame, now, net))
    }

    /// A half-open leg is acknowledged under another number than its own. Where that is a cookie, sent for an earlier copy of
    /// the SYN, the leg becomes what that one stands for; `true` then.
    pub(in crate::session) fn take_cookie(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
    ) -> bool {
        if !self.may_bear_cookie(segment, now) {
            return false;
        }
        let hash = self.hasher.hash(&segment.key);
        let Ok(found) = self.find_cookie(segment, options, hash, now) else { return false };
        let old = self.leg(at);
        let mtu = usize::from(self.stack.mtu(old.class));
        let mut leg = Leg { hop: old.hop, ..self.new_leg(segment.key, mtu, now) };
        self.grow(&mut leg, &found, segment, now);
        *self.leg_mut(at) = leg;
        self.cookies.spent.spend(found.tag);
        true
    }

    /// Makes a fresh leg one whose SYN-ACK has gone out with the cookie that `ack` acknowledges.
    fn grow(&self, leg: &mut Leg, found: &Found, ack: &TcpSegment, now: Instant) {
        leg.start_sending_at(ack.ack.wrapping_sub(1));
        leg.start_receiving_at(ack.seq.wrapping_sub(1));
        self.agree(leg, ack, &found.options);
        leg.state = State::SynReceived;
        // When the SYN-ACK went out is not known: the handshake's round trip says nothing.
        leg.set(flag::RESENT_SYN);
        leg.sent_syn(self.settings.syn_window(), now);
    }
}

//! Handshakes: our SYN and SYN-ACK, the client's last segment, the origin's answer.
//!
//! A leg has no smoltcp socket before its handshake is complete: SYN and SYN-ACK are written here, and sent again after
//! one, three, seven seconds and so on. Then it is open and `ASLEEP`: its socket is made, as if it had connected, by the first
//! segment that smoltcp is to see (`wake`). Most sessions that are spliced, and those whose bytes pass straight through, end
//! without one.

use super::end::End;
use super::guard::{self, Verdict};
use super::leg::{Leg, flag};
use super::packet::{self, PACKET_BYTES_MAX};
use super::{Net, Sessions, stack};
use crate::base::{DropReason, Endpoint, Fate, Instant, Span};
use crate::flow::LegRef;
use crate::telemetry::Counter;
use crate::wire::{TcpEmit, TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::{IpAddress, IpEndpoint};

impl Sessions {
    /// A segment for a leg whose SYN-ACK is not acknowledged yet; `None` lets it go on to the guard.
    pub(super) fn meet_half_open<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let leg = self.leg_mut(at);
        let flags = segment.flags;
        if flags.is_first_syn() && segment.seq == leg.irs {
            // The SYN-ACK was lost, or is still on its way.
            leg.set(flag::RESENT_SYN);
            if leg.snd_max != leg.iss {
                self.send_syn(at, now, net);
            }
            return Some(Fate::Absorbed);
        }
        if flags.has(TcpFlags::RST) && segment.seq == leg.rcv_nxt {
            net.page().count(Counter::ClosedByClientReset);
            self.forget(at.session(), now);
            return Some(Fate::Absorbed);
        }
        let plain = flags.0 & (TcpFlags::SYN | TcpFlags::RST) == 0;
        let is_other = plain && flags.has(TcpFlags::ACK) && segment.ack != leg.iss.wrapping_add(1);
        // Looking for a cookie is limited, as it is where there is no session: who guesses has as few tries.
        if is_other && !(self.allowance.take(now) && self.take_cookie(at, segment, options, now)) {
            // RFC 9293 3.10.7.4, SYN-RECEIVED: an unacceptable ACK earns a reset of that number, and no more.
            let leg = self.leg(at);
            let (key, hop) = (leg.key, leg.hop);
            if self.allowance.take(now) {
                packet::send_reset(&key, segment.ack, hop, net);
            }
            return Some(Fate::Dropped(DropReason::SequenceUnacceptable));
        }
        match guard::judge(self.leg(at), segment, options, now) {
            Verdict::Pass | Verdict::Rewrite(_) => self.client_proved(at, segment, options, now, net),
            Verdict::Reset | Verdict::Absorb(_) | Verdict::Refuse(..) => None,
        }
    }

    /// The client has acknowledged our SYN-ACK: its leg is open. `None` when the segment holds more than that.
    fn client_proved<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let leg = self.leg_mut(at);
        guard::accept(leg, segment, options, None, now);
        let rtt = leg.handshake_time(now);
        leg.acknowledged(segment.ack, now);
        self.open_leg(at, rtt, now);
        self.client_arrived(at.session(), now, net);
        let bare = segment.payload_len() == 0 && !segment.flags.has(TcpFlags::FIN);
        (bare || self.phase(at).is_none()).then_some(Fate::Absorbed)
    }

    /// Sends the SYN or SYN-ACK of a leg, again where it was sent before; `false` when no frame was to be had.
    pub(super) fn send_syn<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let mtu = self.stack.mtu(self.leg(at).class);
        let window = self.settings.syn_window();
        let leg = self.leg_mut(at);
        let syn = leg.syn(mtu, window, now);
        if !packet::send(&syn, leg.hop, net) {
            return false;
        }
        leg.sent_syn(window, now);
        true
    }

    /// The SYN or SYN-ACK once more: its time has passed without an answer.
    pub(super) fn resend_syn<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let first = self.leg(at).snd_max == self.leg(at).iss;
        if !first && self.send_syn(at, now, net) {
            let leg = self.leg_mut(at);
            leg.set(flag::RESENT_SYN);
            leg.flight_since = now;
            leg.probes = leg.probes.saturating_add(1);
            net.page().count(Counter::RetransmitsSent);
        }
    }

    /// A leg whose handshake is complete is open. What TLS reads, it reads from a socket at any time, so that there it is
    /// awake from the start.
    pub(super) fn open_leg(&mut self, at: LegRef, rtt: Option<Span>, now: Instant) {
        let session = &mut self.sessions[at.session() as usize];
        let leg = &mut session.legs[at.side().index()];
        leg.enter(State::Established);
        leg.probes = 0;
        leg.set(flag::ASLEEP);
        if let Some(seat) = self.seats.get_mut(at.session()) {
            seat.rings[at.side().index()].clear();
            seat.senders[at.side().index()].begin(self.settings.congestion, &leg.sent(), rtt);
        }
        if session.plan.is_some() {
            self.wake(at, now);
        }
    }

    /// Gives a leg its socket, as if the peer had just answered a SYN of the socket's own: it connects through a scratch
    /// interface that holds our ISN, and is shown the peer's numbers, only what both ends agreed on as options, and an MSS
    /// where the peer gave none.
    pub(super) fn make_socket(&mut self, at: LegRef, now: Instant) {
        let leg = &self.sessions[at.session() as usize].legs[at.side().index()];
        let Some(seat) = self.seats.get_mut(at.session()) else { return };
        let set = &mut seat.sets[at.side().index()];
        stack::renew(set, &self.settings);
        let mut scratch = stack::scratch(self.stack.mtu(leg.class), leg.iss, now);
        let (peer, own) = (endpoint(leg.key.src_endpoint()), endpoint(leg.key.dst_endpoint()));
        let connected = set.get_mut::<Socket>(stack::only()).connect(scratch.context(), peer, own);
        debug_assert!(connected.is_ok(), "both ends of a flow have an address and a port");
        let mut buffer = [0; PACKET_BYTES_MAX];
        let packet = packet::write(&leg.shown_syn_ack(), &mut buffer);
        stack::ingest_mutely(&mut scratch, set, packet, now);
        debug_assert_eq!(set.get::<Socket>(stack::only()).state(), State::Established);
    }

    /// A segment for a leg that has sent its SYN to the origin (RFC 9293 3.10.7.3).
    pub(super) fn meet_connecting<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let leg = self.leg(at);
        let flags = segment.flags;
        let for_our_syn = flags.has(TcpFlags::ACK) && segment.ack == leg.snd_max && leg.snd_max != leg.iss;
        if flags.has(TcpFlags::RST) {
            if !for_our_syn {
                return Fate::Dropped(DropReason::RstUnacceptable);
            }
            self.connect_failed(at.session(), End::OriginRefused, now, net);
            return Fate::Absorbed;
        }
        if for_our_syn && flags.has(TcpFlags::SYN) {
            return self.origin_answered(at, segment, options, now, net);
        }
        if flags.has(TcpFlags::ACK) && !for_our_syn {
            self.clear_the_way(at, segment.ack, now, net);
        }
        Fate::Dropped(DropReason::OutOfState)
    }

    /// The origin holds an old connection on this tuple, as it does where byway was started anew within the origin's TIME-WAIT: a
    /// reset makes it let go, and the SYN goes again at once, not after a second; once a call, much as Linux has it.
    fn clear_the_way<N: Net>(&mut self, at: LegRef, its_ack: u32, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let (key, hop) = (leg.key, leg.hop);
        let first = !leg.is(flag::RESENT_SYN) && leg.snd_max != leg.iss;
        if !first && !self.allowance.take(now) {
            return;
        }
        packet::send_reset(&key, its_ack, hop, net);
        if first {
            self.leg_mut(at).set(flag::RESENT_SYN);
            if self.send_syn(at, now, net) {
                self.leg_mut(at).flight_since = now;
                net.page().count(Counter::RetransmitsSent);
            }
        }
    }

    /// The origin's SYN-ACK: both legs are up.
    fn origin_answered<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        options: &TcpOptions,
        now: Instant,
        net: &mut N,
    ) -> Fate {
        let mut leg = self.leg(at).clone();
        leg.start_receiving_at(segment.seq);
        // What our SYN announced, unscaled.
        leg.rcv_right = leg.rcv_nxt.wrapping_add(self.settings.syn_window().into());
        let offered = leg.clone();
        self.agree(&mut leg, segment, options);
        self.origin_options.learn(&offered, options, leg.peer_mss, now);
        let rtt = leg.handshake_time(now);
        (leg.heard, leg.snd_una) = (now, segment.ack);
        leg.set(flag::ACK_NOW);
        *self.leg_mut(at) = leg;
        self.open_leg(at, rtt, now);
        self.origin_arrived(at.session(), now, net);
        self.mark(at.session());
        Fate::Absorbed
    }
}

impl Leg {
    /// How long the peer took to answer our SYN or SYN-ACK, where that was sent once.
    fn handshake_time(&self, now: Instant) -> Option<Span> {
        (!self.is(flag::RESENT_SYN)).then(|| now.since(self.flight_since))
    }

    /// Our SYN, or SYN-ACK, over a path of `mtu` bytes.
    fn syn(&self, mtu: u16, window: u16, now: Instant) -> TcpEmit {
        let answers = self.state == State::SynReceived;
        let (flags, ack) =
            if answers { (TcpFlags::SYN | TcpFlags::ACK, self.rcv_nxt) } else { (TcpFlags::SYN, 0) };
        let mut syn = packet::to_peer(&self.key, flags, (self.iss, ack));
        syn.window = window;
        syn.options.mss = Some(self.told_mss(mtu));
        syn.options.window_shift = self.is(flag::SCALES).then_some(self.shift);
        syn.options.sack_permitted = self.is(flag::SACK);
        syn.options.timestamp =
            self.is(flag::TIMESTAMPS).then(|| (self.timestamp_value(now), self.ts_recent));
        syn
    }

    /// Notes that it went out.
    pub fn sent_syn(&mut self, window: u16, now: Instant) {
        if self.snd_max == self.iss {
            self.snd_max = self.write_seq;
            self.flight_since = now;
        }
        if self.state == State::SynReceived {
            self.acked_to = self.rcv_nxt;
            self.rcv_right = self.rcv_nxt.wrapping_add(window.into());
        }
        self.clear(flag::SYN_DUE);
    }

    /// The SYN-ACK that smoltcp is shown.
    fn shown_syn_ack(&self) -> TcpEmit {
        let numbers = (self.irs, self.iss.wrapping_add(1));
        let mut shown = packet::from_peer(&self.key, TcpFlags::SYN | TcpFlags::ACK, numbers);
        shown.window = self.peer_window;
        shown.options.mss = Some(self.peer_mss);
        shown.options.window_shift = self.is(flag::SCALES).then_some(self.peer_shift);
        shown.options.sack_permitted = self.is(flag::SACK);
        shown.options.timestamp = self.is(flag::TIMESTAMPS).then_some((self.ts_recent, 0));
        shown
    }
}

fn endpoint(end: Endpoint) -> IpEndpoint {
    IpEndpoint::new(IpAddress::from(end.addr.to_ip()), end.port)
}

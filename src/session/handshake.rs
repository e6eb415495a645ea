//! Segments of handshakes that are under way: the client's last one, the origin's answer.

use super::end::End;
use super::leg::flag;
use super::packet::{self, PACKET_BYTES_MAX};
use super::receive::set_index;
use super::sessions::shown_syn;
use super::{Net, Sessions, stack};
use crate::base::{DropReason, Fate, Instant};
use crate::flow::{LegRef, Side};
use crate::wire::{TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp::{Socket, State};

impl Sessions {
    /// A segment for a leg whose SYN-ACK is not acknowledged yet; `None` lets it go on to the guard.
    pub(super) fn meet_half_open<N: Net>(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        now: Instant,
        net: &mut N,
    ) -> Option<Fate> {
        let leg = self.leg_mut(at);
        let flags = segment.flags;
        if flags.is_first_syn() && segment.seq == leg.irs {
            // The SYN-ACK was lost, or is still on its way.
            leg.set(flag::RESENT_SYN);
            self.repeat_syn_ack(at, now, net);
            return Some(Fate::Absorbed);
        }
        if flags.has(TcpFlags::RST) && segment.seq == leg.rcv_nxt {
            self.forget(at.session(), now);
            return Some(Fate::Absorbed);
        }
        let plain = flags.0 & (TcpFlags::SYN | TcpFlags::RST) == 0;
        if plain && flags.has(TcpFlags::ACK) && segment.ack != leg.iss.wrapping_add(1) {
            // RFC 9293 3.10.7.4, SYN-RECEIVED: an unacceptable ACK earns a reset of that number, and no more.
            let (key, hop) = (leg.key, leg.hop);
            if self.allowance.take(now) {
                packet::send_reset(&key, segment.ack, hop, net);
            }
            return Some(Fate::Dropped(DropReason::SequenceUnacceptable));
        }
        None
    }

    /// The SYN-ACK once more, as smoltcp wrote it first; smoltcp itself would wait for its timer.
    fn repeat_syn_ack<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let mtu = self.stack.mtu(self.leg(at).class);
        let leg = self.leg(at);
        if leg.snd_max == leg.iss {
            return;
        }
        let headers = if leg.key.src.is_v4() { 40 } else { 60 };
        let window = leg.rcv_right.wrapping_sub(leg.rcv_nxt).min(u32::from(u16::MAX)) as u16;
        let scaled = leg.inner_shift != 0 || leg.shift != 0 || leg.peer_shift != 0;
        let numbers = (leg.iss, leg.rcv_nxt);
        let mut again = packet::to_peer(&leg.key, TcpFlags::SYN | TcpFlags::ACK, numbers);
        again.window = window;
        again.options.mss = Some((mtu - headers).min(leg.mss_max));
        again.options.window_shift = scaled.then_some(leg.shift);
        again.options.sack_permitted = leg.is(flag::SACK);
        again.options.timestamp = leg.timestamp(now);
        packet::send(&again, leg.hop, net);
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
            self.end(at.session(), End::OriginRefused, Some(Side::Origin), now, net);
            return Fate::Absorbed;
        }
        if for_our_syn && flags.has(TcpFlags::SYN) {
            return self.origin_answered(at, segment, options, now, net);
        }
        if flags.has(TcpFlags::ACK) && !for_our_syn && self.allowance.take(now) {
            // The origin holds an old connection on this tuple: the reset makes it let go before our next SYN.
            let leg = self.leg(at);
            packet::send_reset(&leg.key, segment.ack, leg.hop, net);
        }
        Fate::Dropped(DropReason::OutOfState)
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
        // What our SYN announced, unscaled, and as smoltcp counts it: from the peer's SYN on.
        leg.rcv_right = leg.irs.wrapping_add(self.settings.rx_buffer_bytes.min(65_535) as u32);
        self.agree(&mut leg, segment, options);
        (leg.heard, leg.snd_una, leg.fed_una) = (now, segment.ack, segment.ack);
        leg.set(flag::ACK_NOW);
        let mut packet = [0; PACKET_BYTES_MAX];
        let packet = shown_syn(&leg, segment, options, &mut packet);
        let set = &mut self.sets[set_index(at)];
        stack::ingest(self.stack.interface(leg.class), set, packet, &mut leg, now, net);
        leg.enter(set.get::<Socket>(stack::only()).state());
        let up = leg.state == State::Established;
        *self.leg_mut(at) = leg;
        if !up {
            return Fate::Dropped(DropReason::SequenceUnacceptable);
        }
        self.connected(at.session(), now, net);
        self.mark(at.session());
        Fate::Absorbed
    }
}

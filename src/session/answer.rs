//! Words of our own: to a peer (ACKs), and to smoltcp (segments as if the peer had sent them).

use super::guard::{Answer, Patch};
use super::leg::{Leg, flag};
use super::packet::{self, PACKET_BYTES_MAX};
use super::{Net, Sessions, stack};
use crate::base::Instant;
use crate::flow::LegRef;
use crate::telemetry::Counter;
use crate::wire::{TcpEmit, TcpFlags, TcpSegment};

impl Sessions {
    /// Answers the peer of a leg with an ACK of where we stand.
    pub(super) fn answer<N: Net>(&mut self, at: LegRef, answer: Answer, now: Instant, net: &mut N) {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let allowed = match answer {
            Answer::Silence => false,
            Answer::Ack => true,
            Answer::Challenge => self.allowance.challenge(leg, now),
        };
        if !allowed {
            return;
        }
        let ack = packet::of_leg(leg, TcpFlags::ACK, leg.snd_max, now);
        if packet::send(&ack, leg.hop, net) {
            leg.acked_to = leg.rcv_nxt;
            if answer == Answer::Challenge {
                net.page().count(Counter::ChallengeAcks);
            }
        }
    }

    /// Acknowledges what a leg has received, in smoltcp's place; `false` when no frame was to be had. The window keeps
    /// the right edge that smoltcp gave last; where that has fallen behind, smoltcp is made to acknowledge.
    pub(super) fn acknowledge<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let rx_bytes = self.settings.rx_buffer_bytes as u32;
        let leg = self.leg_mut(at);
        let behind = leg.window_free(rx_bytes).saturating_sub(leg.window_left()) > rx_bytes / 8;
        if behind && leg.is(flag::PLAIN) && !leg.is(flag::FROZEN) {
            return net.room() != 0 && self.ask_for_ack(at, now, net);
        }
        let ack = packet::of_leg(leg, TcpFlags::ACK, leg.snd_max, now);
        let sent = packet::send(&ack, leg.hop, net);
        if sent {
            leg.acked_to = leg.rcv_nxt;
            leg.clear(flag::ACK_NOW);
        }
        sent
    }

    /// Makes a leg's socket, and shows it one old byte. It believes that its answer, which nobody sees, announced its
    /// window; before, it would refuse everything.
    pub(super) fn wake(&mut self, at: LegRef, now: Instant) {
        self.make_socket(at, now);
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        leg.clear(flag::ASLEEP);
        let numbers = (leg.inner_rcv_nxt().wrapping_sub(1), leg.inner_snd_nxt());
        let mut old = packet::from_peer(&leg.key, TcpFlags::ACK, numbers);
        (old.window, old.payload_len) = (leg.peer_window, 1);
        let mut buffer = [0; PACKET_BYTES_MAX];
        let packet = packet::write(&old, &mut buffer);
        if let Some(seat) = self.seats.get_mut(at.session()) {
            let set = &mut seat.sets[at.side().index()];
            stack::ingest_mutely(self.stack.interface(leg.class), set, packet, now);
        }
    }

    /// Shows smoltcp one old byte: its answer, at once, is an ACK with the window as it is now (RFC 9293 3.10.7.4). Whether
    /// it gave one.
    pub(super) fn ask_for_ack<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let leg = self.leg(at);
        let numbers = (leg.inner_rcv_nxt().wrapping_sub(1), leg.inner_snd_nxt());
        let mut old = packet::from_peer(&leg.key, TcpFlags::ACK, numbers);
        (old.window, old.payload_len) = (leg.peer_window, 1);
        // smoltcp stamps answers to stamped segments alone, and what goes out bears our own stamps (`outgoing`).
        old.options.timestamp = leg.timestamp(now);
        self.show(at, &old, now, net) != 0
    }

    /// Feeds smoltcp a segment of our own making, as if the peer had sent it; how many packets it answered.
    fn show<N: Net>(&mut self, at: LegRef, segment: &TcpEmit, now: Instant, net: &mut N) -> u32 {
        if self.leg(at).is(flag::ASLEEP) {
            self.wake(at, now);
        }
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let mut buffer = [0; PACKET_BYTES_MAX];
        let packet = packet::write(segment, &mut buffer);
        let Some(seat) = self.seats.get_mut(at.session()) else { return 0 };
        let set = &mut seat.sets[at.side().index()];
        stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net)
    }
}

/// Writes the guard's numbers into a frame; where its packet ends now.
pub(super) fn patch(frame: &mut [u8], segment: &TcpSegment, patch: &Patch) -> usize {
    let (ip, tcp) = (usize::from(segment.ip_offset), usize::from(segment.tcp_offset));
    let end = usize::from(segment.payload_offset + patch.payload_len).min(frame.len());
    if segment.key.src.is_v4() {
        frame[ip + 2..ip + 4].copy_from_slice(&((end - ip) as u16).to_be_bytes());
    } else {
        frame[ip + 4..ip + 6].copy_from_slice(&((end - ip - 40) as u16).to_be_bytes());
    }
    frame[tcp + 4..tcp + 8].copy_from_slice(&patch.seq.to_be_bytes());
    frame[tcp + 14..tcp + 16].copy_from_slice(&patch.window.to_be_bytes());
    if !patch.fin {
        frame[tcp + 13] &= !TcpFlags::FIN;
    }
    end
}

/// Brings a frame's numbers into smoltcp's: it never saw some of the bytes, and sent none.
pub(super) fn to_inner(frame: &mut [u8], segment: &TcpSegment, leg: &Leg) {
    let at = usize::from(segment.tcp_offset) + 4;
    if let Some(numbers) = frame.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<8>()) {
        let [a, b, c, d, ..] = *numbers;
        let seq = u32::from_be_bytes([a, b, c, d]).wrapping_sub(leg.skipped);
        numbers[..4].copy_from_slice(&seq.to_be_bytes());
        numbers[4..].copy_from_slice(&leg.inner_snd_nxt().to_be_bytes());
    }
}

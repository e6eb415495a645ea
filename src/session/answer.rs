//! Words of our own: to a peer (ACKs), and to smoltcp (segments as if the peer had sent them).

use super::guard::{Answer, Patch};
use super::leg::flag;
use super::packet::{self, PACKET_BYTES_MAX};
use super::receive::set_index;
use super::{Net, Sessions, stack};
use crate::base::Instant;
use crate::flow::LegRef;
use crate::telemetry::Counter;
use crate::wire::{TcpEmit, TcpFlags, TcpSegment};
use smoltcp::socket::tcp::Socket;

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
        if packet::send(&ack, leg.hop, net) && answer == Answer::Challenge {
            net.page().count(Counter::ChallengeAcks);
        }
    }

    /// Acknowledges what a leg has received, in smoltcp's place; `false` when no frame was to be had. The window keeps
    /// the right edge that smoltcp announced last.
    pub(super) fn acknowledge<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let leg = self.leg_mut(at);
        let ack = packet::of_leg(leg, TcpFlags::ACK, leg.snd_max, now);
        let sent = packet::send(&ack, leg.hop, net);
        if sent {
            leg.acked_to = leg.rcv_nxt;
        }
        sent
    }

    /// Shows smoltcp the FIN that it ignored because bytes before it were missing.
    pub(super) fn replay_fin<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let numbers = (leg.rcv_nxt, leg.snd_una);
        let mut fin = packet::from_peer(&leg.key, TcpFlags::FIN | TcpFlags::ACK, numbers);
        fin.window = leg.peer_window;
        self.show(at, &fin, now, net);
        let leg = self.leg_mut(at);
        if leg.is(flag::FIN_IN) {
            leg.rcv_nxt = leg.rcv_nxt.wrapping_add(1);
        }
    }

    /// Makes smoltcp send its oldest unacknowledged segment again now: two ACKs that reset its count of duplicates,
    /// then three equal ones.
    pub(super) fn nudge<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let window = leg.peer_window;
        let mut ack = packet::from_peer(&leg.key, TcpFlags::ACK, (leg.rcv_nxt, leg.snd_una));
        for window in [window ^ 1, window, window, window, window] {
            ack.window = window;
            self.show(at, &ack, now, net);
        }
        self.leg_mut(at).set(flag::POLL);
    }

    /// Tells smoltcp of acknowledgements that were put off.
    pub(super) fn catch_up<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let leg = self.leg(at);
        let mut ack = packet::from_peer(&leg.key, TcpFlags::ACK, (leg.rcv_nxt, leg.snd_una));
        ack.window = leg.peer_window;
        self.show(at, &ack, now, net);
    }

    /// Feeds smoltcp a bare segment of our own making, as if the peer had sent it.
    fn show<N: Net>(&mut self, at: LegRef, segment: &TcpEmit, now: Instant, net: &mut N) {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let mut buffer = [0; PACKET_BYTES_MAX];
        let packet = packet::write(segment, &mut buffer);
        let set = &mut self.sets[set_index(at)];
        stack::ingest(self.stack.interface(leg.class), set, packet, leg, now, net);
        leg.fed_una = leg.snd_una;
        leg.enter(set.get::<Socket>(stack::only()).state());
    }

    /// Copies a packet into the scratch buffer with the guard's numbers; returns its length.
    pub(super) fn copy_patched(&mut self, packet: &[u8], segment: &TcpSegment, patch: &Patch) -> usize {
        let tcp = usize::from(segment.tcp_offset - segment.ip_offset);
        let payload = usize::from(segment.payload_offset - segment.ip_offset);
        let length = (payload + usize::from(patch.payload_len)).min(packet.len());
        let copy = &mut self.scratch[..length];
        copy.copy_from_slice(&packet[..length]);
        if segment.key.src.is_v4() {
            copy[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        } else {
            copy[4..6].copy_from_slice(&((length - 40) as u16).to_be_bytes());
        }
        copy[tcp + 4..tcp + 8].copy_from_slice(&patch.seq.to_be_bytes());
        copy[tcp + 8..tcp + 12].copy_from_slice(&patch.ack.to_be_bytes());
        copy[tcp + 14..tcp + 16].copy_from_slice(&patch.window.to_be_bytes());
        if !patch.fin {
            copy[tcp + 13] &= !TcpFlags::FIN;
        }
        length
    }
}

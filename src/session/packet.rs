//! Segments of our own making: challenge ACKs, RSTs, probes, repeated SYN-ACKs, and what smoltcp is shown.
//!
//! Checksums stay zero: the worker or the device fills them in.

use super::Net;
use super::leg::Leg;
use crate::base::{Hop, Instant};
use crate::telemetry::Counter;
use crate::wire::{FlowKey, TcpEmit, TcpFlags};

/// Room for the longest header (IPv6, TCP, 40 bytes of options) and a byte of payload.
pub const PACKET_BYTES_MAX: usize = 40 + 20 + 40 + 1;

/// A segment to the peer of `key` (a key as frames arrive), without options.
pub fn to_peer(key: &FlowKey, flags: u8, numbers: (u32, u32)) -> TcpEmit {
    TcpEmit::bare(key.dst_endpoint(), key.src_endpoint(), TcpFlags(flags), numbers)
}

/// A segment as if the peer of `key` had sent it.
pub fn from_peer(key: &FlowKey, flags: u8, numbers: (u32, u32)) -> TcpEmit {
    TcpEmit::bare(key.src_endpoint(), key.dst_endpoint(), TcpFlags(flags), numbers)
}

/// A segment of a leg from `seq`, with its window and timestamp.
pub fn of_leg(leg: &Leg, flags: u8, seq: u32, now: Instant) -> TcpEmit {
    let mut segment = to_peer(&leg.key, flags, (seq, leg.rcv_nxt));
    segment.window = leg.window_field();
    segment.options.timestamp = leg.timestamp(now);
    segment
}

/// Sends a segment without payload; `false` when no frame was to be had.
pub fn send<N: Net>(segment: &TcpEmit, hop: Hop, net: &mut N) -> bool {
    if net.room() == 0 {
        return false;
    }
    net.emit(hop, segment.packet_len(), |packet| {
        // `emit` was asked for exactly this many bytes.
        let _ = segment.emit(packet);
    });
    true
}

/// Sends an RST to a peer whom it tells nothing but that number (RFC 9293 3.10.7.1: SEQ = SEG.ACK).
pub fn send_reset<N: Net>(key: &FlowKey, seq: u32, hop: Hop, net: &mut N) {
    if send(&to_peer(key, TcpFlags::RST, (seq, 0)), hop, net) {
        net.page().count(Counter::ResetsSent);
    }
}

/// Writes a segment, with zeros for a payload that fits, into a buffer that holds any header; the packet.
pub fn write<'a>(segment: &TcpEmit, buffer: &'a mut [u8; PACKET_BYTES_MAX]) -> &'a [u8] {
    let length = segment.packet_len().min(PACKET_BYTES_MAX);
    let _ = segment.emit(buffer);
    &buffer[..length]
}

//! What smoltcp writes becomes what was negotiated: our window shift, our clock, and numbers past what smoltcp saw.
//!
//! The transmit hook: every packet of a leg's socket, which are ACKs and nothing else, passes `Leg::outgoing` on its way
//! out, and leaves its numbers in the leg.

use super::leg::{Leg, before, flag};
use crate::base::Instant;
use crate::wire::TcpFlags;

impl Leg {
    /// Adapts an ACK that smoltcp wrote to what was negotiated, and notes its numbers. Whether it closes a window that was
    /// open.
    #[inline]
    pub fn outgoing(&mut self, packet: &mut [u8], now: Instant) -> bool {
        let ip = if self.key.src.is_v4() { 20 } else { 40 };
        let Some(tcp) = packet.get_mut(ip..).filter(|tcp| tcp.len() >= 20) else { return false };
        let header = usize::from(tcp[12] >> 4) * 4;
        let flags = TcpFlags(tcp[13]);
        if header > 20 {
            self.rewrite_options(&mut tcp[20..header], now);
        }
        if flags.has(TcpFlags::RST) || !flags.has(TcpFlags::ACK) {
            return false;
        }
        tcp[4..8].copy_from_slice(&self.snd_max.to_be_bytes());
        self.note_ack(tcp)
    }

    /// Rewrites the window to our shift and remembers what was announced; whether it just closed.
    #[inline]
    fn note_ack(&mut self, tcp: &mut [u8]) -> bool {
        let ack = word(tcp, 8).wrapping_add(self.skipped);
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        let was_open = before(self.acked_to, self.rcv_right);
        let field = u32::from(u16::from_be_bytes([tcp[14], tcp[15]]));
        // RFC 7323 2.2: smoltcp shifted by its own count.
        let mut ours = ((field << self.inner_shift) >> self.shift).min(u32::from(u16::MAX));
        if self.is(flag::FROZEN) {
            let left = self.rcv_right.wrapping_sub(ack) as i32;
            ours = ours.min(left.max(0) as u32 >> self.shift);
        }
        tcp[14..16].copy_from_slice(&(ours as u16).to_be_bytes());
        let bytes = ours << self.shift;
        self.acked_to = ack;
        self.clear(flag::ACK_NOW | flag::ASLEEP);
        let right = ack.wrapping_add(bytes);
        if before(self.rcv_right, right) {
            self.rcv_right = right;
        }
        bytes == 0 && was_open
    }

    /// Notes numbers that go out; whether they went out before.
    #[inline]
    pub(super) fn note_sent(&mut self, seq: u32, taken: u32, now: Instant) -> bool {
        let again = before(seq, self.snd_max);
        if self.snd_una == self.snd_max {
            self.flight_since = now;
        }
        let end = seq.wrapping_add(taken);
        if before(self.snd_max, end) {
            self.snd_max = end;
        }
        again
    }

    /// Our clock and TS.Recent, and SACK edges in the peer's numbers.
    #[inline]
    fn rewrite_options(&self, options: &mut [u8], now: Instant) {
        if options.len() == 12 && options[0] == 8 {
            // smoltcp pads behind a lone timestamp; every stack's fast path wants the padding in front (RFC 7323 A).
            options[..4].copy_from_slice(&[1, 1, 8, 10]);
            self.write_timestamp(&mut options[4..12], now);
            return;
        }
        let mut at = 0;
        while at < options.len() {
            let length = match options[at] {
                0 => return,
                1 => 1,
                _ => options.get(at + 1).map_or(0, |&length| usize::from(length)),
            };
            let Some(option) = options.get_mut(at..at + length).filter(|option| !option.is_empty()) else {
                return;
            };
            match option {
                [8, 10, stamp @ ..] => self.write_timestamp(stamp, now),
                [5, _, edges @ ..] => self.shift_edges(edges),
                _ => {}
            }
            at += length;
        }
    }

    /// SACK edges (RFC 2018 3) from smoltcp's numbers to the peer's.
    fn shift_edges(&self, edges: &mut [u8]) {
        for edge in edges.chunks_exact_mut(4) {
            let shifted = word(edge, 0).wrapping_add(self.skipped);
            edge.copy_from_slice(&shifted.to_be_bytes());
        }
    }

    #[inline]
    fn write_timestamp(&self, stamp: &mut [u8], now: Instant) {
        stamp[..4].copy_from_slice(&self.timestamp_value(now).to_be_bytes());
        // RFC 7323 3.2: TSecr is zero where ACK is not set; TS.Recent is zero until a segment came.
        stamp[4..8].copy_from_slice(&self.ts_recent.to_be_bytes());
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

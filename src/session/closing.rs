//! How a leg closes, as far as smoltcp need not know: FINs in and out, and the last segment.
//!
//! ```text
//!  the peer's FIN   nothing of ours outstanding: counted like a byte that went past smoltcp (`FIN_PAST`)
//!  our FIN          nothing else outstanding: written here (`FIN_OURS`); after a second it is smoltcp's to send again
//!  the last word    both FINs acknowledged: smoltcp's socket is freed as it stands
//! ```
//! Each costs a tenth of what smoltcp takes for it. Anything less simple goes through smoltcp.

use super::leg::{Leg, before, flag};
use crate::base::Instant;
use crate::wire::{TcpFlags, TcpSegment};
use smoltcp::socket::tcp::State;

/// A window, in bytes, with which smoltcp can go on for a while.
const WINDOW_KEPT_MIN: u32 = 4_096;

impl Leg {
    /// The leg's state where smoltcp's is `inner`: they differ once the peer's FIN went past smoltcp.
    pub const fn outer(&self, inner: State) -> State {
        if !self.is(flag::FIN_PAST) {
            return inner;
        }
        match inner {
            State::Established => State::CloseWait,
            State::FinWait1 => State::LastAck,
            State::FinWait2 => State::Closed,
            State::Closed
            | State::Listen
            | State::SynSent
            | State::SynReceived
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => inner,
        }
    }

    /// Takes the FIN of a peer who has nothing of ours outstanding, without smoltcp, to which it counts as a byte that it
    /// never saw, and which goes on with the window that it knows: `window` bytes from `fed_una`. `false` when it is no
    /// such segment.
    pub fn take_fin(&mut self, segment: &TcpSegment, window: u32) -> bool {
        const BUSY: u32 = flag::POLL | flag::RESENDING | flag::PATH_SHRANK | flag::FIN_EARLY | flag::HOLES;
        let quiet = self.state == State::Established
            && !self.is(BUSY)
            && self.snd_una == self.snd_max
            && self.unsent() == 0;
        let right = self.snd_una.wrapping_add(u32::from(self.peer_window) << self.peer_shift);
        let quiet = quiet && window >= WINDOW_KEPT_MIN && !before(right, self.fed_una.wrapping_add(window));
        let fin = segment.flags.has(TcpFlags::FIN) && segment.payload_len() == 0;
        if !quiet || !fin || segment.seq != self.rcv_nxt {
            return false;
        }
        self.enter(State::CloseWait);
        self.set(flag::FIN_PAST | flag::ACK_NOW);
        self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
        self.rcv_right = self.rcv_right.wrapping_add(1);
        self.skipped = self.skipped.wrapping_add(1);
        true
    }

    /// Whether our FIN is all that is left to send, and nothing is in flight.
    #[inline]
    pub const fn owes_only_fin(&self) -> bool {
        self.is(flag::FIN_OUT)
            && self.snd_max == self.write_seq
            && self.snd_una == self.snd_max
            && !self.is(flag::RESENDING | flag::PATH_SHRANK)
    }

    /// Notes that our FIN went out, written here.
    pub fn sent_fin(&mut self, now: Instant) {
        self.note_sent(self.snd_max, 1, now);
        self.acked_to = self.rcv_nxt;
        self.set(flag::FIN_OURS);
        self.clear(flag::ACK_NOW | flag::POLL);
    }

    /// Takes a segment that ends the leg, without smoltcp: all we sent, FIN included, is acknowledged, and the peer's
    /// FIN came before or comes now without data. `false` when it is no such segment. smoltcp's socket stays as it is;
    /// only what it received is still read from it.
    pub fn take_last_words(&mut self, segment: &TcpSegment) -> bool {
        let all_acked = self.is(flag::FIN_OUT)
            && self.snd_max == self.write_seq.wrapping_add(1)
            && self.snd_una == self.snd_max;
        if !all_acked || segment.payload_len() != 0 || segment.seq != self.rcv_nxt {
            return false;
        }
        match (self.is(flag::FIN_IN), segment.flags.has(TcpFlags::FIN)) {
            (true, _) => {
                let state = if self.state == State::LastAck { State::Closed } else { State::TimeWait };
                self.enter(state);
                true
            }
            (false, true) => {
                self.enter(State::TimeWait);
                self.set(flag::ACK_NOW);
                self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
                true
            }
            (false, false) => false,
        }
    }
}

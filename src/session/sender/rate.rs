//! One sample a round trip: how long it took, and how many bytes arrived meanwhile (draft-ietf-ccwg-bbr 4.1, with one
//! segment followed at a time instead of all).

use crate::base::{Instant, Span};
use crate::session::leg::before;

/// The segment that is followed.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// One past its last byte.
    end: u32,
    /// Bytes delivered in all when it was sent, and when the last of them was.
    delivered: u32,
    delivered_at: Instant,
    sent_at: Instant,
    /// Whether one is followed.
    under_way: bool,
    /// Whether the sender ran out of bytes meanwhile: the rate says nothing of the path.
    app_limited: bool,
    /// Whether it was sent again: its time says nothing (Karn).
    again: bool,
}

/// What a round trip told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// How long it took; `None` where that is not known.
    pub rtt: Option<Span>,
    /// Bytes delivered a second.
    pub bytes_per_s: u64,
    /// Whether the sender ran out of bytes.
    pub app_limited: bool,
}

impl Round {
    /// None is followed.
    pub const NONE: Self = Self {
        end: 0,
        delivered: 0,
        delivered_at: Instant::ZERO,
        sent_at: Instant::ZERO,
        under_way: false,
        app_limited: false,
        again: false,
    };

    /// Follows a new segment that ends before `end`, unless one is followed. `delivered` is how many bytes were, and when the
    /// last of them was, or where nothing is in flight, now.
    #[inline]
    pub fn begin(&mut self, end: u32, delivered: (u32, Instant), now: Instant) {
        if !self.under_way {
            let (delivered, delivered_at) = delivered;
            *self = Self {
                end,
                delivered,
                delivered_at,
                sent_at: now,
                under_way: true,
                app_limited: false,
                again: false,
            };
        }
    }

    /// All up to `end` has arrived at least; the sample, if that ends the round.
    #[inline]
    pub fn arrived(&mut self, end: u32, delivered: u32, now: Instant) -> Option<Sample> {
        if !self.under_way || before(end, self.end) {
            return None;
        }
        self.under_way = false;
        let nanos = now.since(self.delivered_at).nanos().max(1_000);
        let bytes = u64::from(delivered.wrapping_sub(self.delivered));
        Some(Sample {
            rtt: (!self.again).then(|| now.since(self.sent_at)),
            bytes_per_s: (u128::from(bytes) * 1_000_000_000 / u128::from(nanos)) as u64,
            app_limited: self.app_limited,
        })
    }

    /// Bytes up to `end` from `seq` on are sent again.
    pub fn sent_again(&mut self, seq: u32, end: u32) {
        self.again |= self.under_way && before(seq, self.end) && !before(end, self.end);
    }

    /// The sender has nothing more to send, and might.
    #[inline]
    pub fn ran_out(&mut self) {
        self.app_limited = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Instant {
        Instant::from_nanos(count * 1_000_000)
    }

    #[test]
    fn a_round_tells_its_time_and_the_rate_of_what_arrived_in_it() {
        let mut round = Round::NONE;
        round.begin(2_000, (500, ms(9)), ms(10));
        round.begin(3_000, (500, ms(11)), ms(11));
        assert_eq!(round.arrived(1_999, 1_000, ms(20)), None);
        let sample = round.arrived(2_500, 20_500, ms(29)).expect("the segment arrived");
        assert_eq!(sample.rtt, Some(Span::from_millis(19)));
        assert_eq!((sample.bytes_per_s, sample.app_limited), (1_000_000, false));
        assert_eq!(round.arrived(9_000, 30_000, ms(40)), None);
    }

    #[test]
    fn what_was_sent_again_has_no_time_and_a_sender_without_bytes_no_say() {
        let mut round = Round::NONE;
        round.begin(2_000, (0, ms(0)), ms(0));
        round.sent_again(0, 1_000);
        round.ran_out();
        let sample = round.arrived(2_000, 2_000, ms(20)).expect("the segment arrived");
        assert!(sample.rtt.is_some() && sample.app_limited);
        round.begin(4_000, (0, ms(0)), ms(0));
        round.sent_again(3_000, 4_000);
        assert_eq!(round.arrived(4_000, 4_000, ms(20)).expect("it arrived").rtt, None);
    }
}

//! Times that a leg keeps for long, in 32 bits.

use crate::base::{Instant, Span};

/// Nanoseconds of a tick, as a power of two: 16.384 us.
const TICK_BITS: u32 = 14;

/// A time, to a tick; it comes around every 19 hours, after which a span seems shorter than it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp(u32);

impl Stamp {
    /// The clock's start.
    pub const ZERO: Self = Self(0);

    /// Now.
    pub const fn of(now: Instant) -> Self {
        Self((now.nanos() >> TICK_BITS) as u32)
    }

    /// The time from here to `now`.
    pub const fn until(self, now: Instant) -> Span {
        let ticks = Self::of(now).0.wrapping_sub(self.0);
        Span::from_nanos((ticks as u64) << TICK_BITS)
    }

    /// Whether it is before `other`.
    pub const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_across_the_wrap() {
        let early = Instant::from_nanos((u64::from(u32::MAX) << TICK_BITS) - 1_000_000);
        let late = early + Span::from_millis(50);
        let span = Stamp::of(early).until(late).micros();
        assert!((49_980..=50_020).contains(&span), "{span}");
        assert!(Stamp::of(early).is_before(Stamp::of(late)) && !Stamp::of(late).is_before(Stamp::of(early)));
    }
}

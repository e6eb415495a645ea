//! How much may be sent by now: a rate, a count and a length of time, each of which ends or slows a run.

use crate::base::{Instant, Span};

/// The bounds of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// A second; `None`: as fast as can be.
    pub rate: Option<u64>,
    /// In all; `None`: until the time is over.
    pub count: Option<u64>,
    /// How long.
    pub length: Span,
}

/// A run under way.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    bounds: Bounds,
    began: Instant,
    sent: u64,
}

impl Pace {
    /// From `now` on.
    pub const fn new(bounds: Bounds, now: Instant) -> Self {
        Self { bounds, began: now, sent: 0 }
    }

    /// How many may go now, `most` at a time.
    pub fn due(&self, now: Instant, most: u64) -> u64 {
        if now.since(self.began) >= self.bounds.length {
            return 0;
        }
        let by_rate = match self.bounds.rate {
            Some(rate) => {
                let nanos = u128::from(now.since(self.began).nanos());
                // What is due at the very start is one.
                let due = 1 + u128::from(rate) * nanos / 1_000_000_000;
                due.saturating_sub(self.sent.into()).min(most.into()) as u64
            }
            None => most,
        };
        self.bounds.count.map_or(by_rate, |count| by_rate.min(count - self.sent.min(count)))
    }

    /// So many went.
    pub const fn went(&mut self, count: u64) {
        self.sent += count;
    }

    /// How many went so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether no more will.
    pub fn is_over(&self, now: Instant) -> bool {
        self.bounds.count.is_some_and(|count| self.sent >= count)
            || now.since(self.began) >= self.bounds.length
    }

    /// How long it has been under way, its own length at most.
    pub fn elapsed(&self, now: Instant) -> Span {
        now.since(self.began).min(self.bounds.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_rate_is_kept_in_spite_of_late_turns() {
        let mut pace =
            Pace::new(Bounds { rate: Some(10_000), count: None, length: Span::from_secs(1) }, at(0));
        for ms in [0, 3, 4, 100, 101, 500, 999] {
            while let due @ 1.. = pace.due(at(ms), 32) {
                pace.went(due);
            }
            assert_eq!(pace.sent(), 1 + ms * 10, "at {ms} ms");
        }
        assert!(!pace.is_over(at(999)) && pace.is_over(at(1_000)));
        assert_eq!(pace.due(at(1_000), 32), 0);
    }

    #[test]
    fn a_count_ends_a_run_without_a_rate() {
        let mut pace = Pace::new(Bounds { rate: None, count: Some(40), length: Span::from_secs(1) }, at(0));
        for due in [32, 8, 0] {
            assert_eq!(pace.due(at(0), 32), due);
            pace.went(due);
        }
        assert!(pace.is_over(at(0)));
        assert_eq!(pace.elapsed(at(7_000)), Span::from_secs(1));
    }
}

//! A rate limit in sixteen bytes: the generic cell rate algorithm (ITU-T I.371) over the turn's clock.

use crate::base::{Instant, Span};

/// So many a second on average, so many at once.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Nanoseconds that one event costs; `None` when none may pass.
    cost: Option<u64>,
    /// Nanoseconds that may be borrowed ahead.
    depth: u64,
    /// When the borrowed time is paid back.
    paid: Instant,
}

impl RateLimit {
    /// `per_s` events a second, `burst` of them at once; 0 a second lets none pass.
    pub const fn new(per_s: u32, burst: u32) -> Self {
        let cost = if per_s == 0 { None } else { Some(1_000_000_000 / per_s as u64) };
        let depth = match cost {
            Some(cost) => cost * burst.saturating_sub(1) as u64,
            None => 0,
        };
        Self { cost, depth, paid: Instant::ZERO }
    }

    /// Whether one more may pass now; takes it when it may.
    pub fn allow(&mut self, now: Instant) -> bool {
        let Some(cost) = self.cost else { return false };
        if self.paid.since(now).nanos() > self.depth {
            return false;
        }
        self.paid = self.paid.max(now) + Span::from_nanos(cost);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(limit: &mut RateLimit, at_ms: u64, tries: usize) -> usize {
        let now = Instant::ZERO + Span::from_millis(at_ms);
        (0..tries).filter(|_| limit.allow(now)).count()
    }

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let mut limit = RateLimit::new(100, 10);
        assert_eq!(passed(&mut limit, 0, 50), 10);
        assert_eq!(passed(&mut limit, 0, 50), 0);
        assert_eq!(passed(&mut limit, 50, 50), 5);
        assert_eq!(passed(&mut limit, 10_000, 50), 10);
    }

    #[test]
    fn zero_a_second_lets_none_pass() {
        assert_eq!(passed(&mut RateLimit::new(0, 10), 1_000, 5), 0);
    }
}

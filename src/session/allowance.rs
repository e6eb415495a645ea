//! How many answers of our own making strangers can bring about (RFC 5961 7).
//!
//! A limit shared by all sessions can be read from outside, and then tells about other people's sessions (the attack
//! on challenge ACKs of 2016). So each leg has its own pace first, and the shared limit changes every second by a
//! keyed hash.

use super::leg::Leg;
use crate::base::{Instant, Span};

/// One challenge ACK a leg in this span.
const LEG_PACE: Span = Span::from_millis(500);

/// The worker's allowance of challenge ACKs and RSTs.
pub struct Allowance {
    per_s: u32,
    second: u64,
    left: u32,
    key: u64,
}

impl Allowance {
    /// About `per_s` answers a second, under a secret.
    pub fn new(per_s: u32, key: u64) -> Self {
        Self { per_s, second: u64::MAX, left: 0, key }
    }

    /// Whether one more answer may go out now.
    pub fn take(&mut self, now: Instant) -> bool {
        let second = now.millis() / 1_000;
        if second != self.second {
            self.second = second;
            self.key =
                self.key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Between half and three halves of the limit.
            self.left = self.per_s / 2 + ((self.key >> 33) % u64::from(self.per_s.max(1))) as u32;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }

    /// Whether this leg may be challenged now.
    pub fn challenge(&mut self, leg: &mut Leg, now: Instant) -> bool {
        let ms = now.millis() + 1;
        if leg.challenged_ms != 0 && ms < leg.challenged_ms + LEG_PACE.millis() {
            return false;
        }
        if !self.take(now) {
            return false;
        }
        leg.challenged_ms = ms;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_challenged_twice_a_second_at_most_and_the_worker_near_its_limit() {
        let mut allowance = Allowance::new(100, 7);
        let mut leg = Leg::vacant();
        let at = |ms| Instant::ZERO + Span::from_millis(ms);
        assert!(allowance.challenge(&mut leg, at(0)));
        assert!(!allowance.challenge(&mut leg, at(499)));
        assert!(allowance.challenge(&mut leg, at(500)));
        let limits: Vec<usize> =
            (1..20).map(|s| (0..1_000).filter(|_| allowance.take(at(s * 1_000))).count()).collect();
        assert!(limits.iter().all(|limit| (50..150).contains(limit)), "{limits:?}");
        assert!(limits.iter().any(|&limit| limit != limits[0]));
    }
}

//! How long something is on trial: it goes by itself unless it is confirmed in time. Wall time, since a trial outlives the
//! process.

/// The longest trial, in seconds.
pub const TRIAL_S_MAX: u32 = 86_400;

/// The time that a trial has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrialTime {
    /// When it is over, in seconds since the Unix epoch.
    pub until_unix_s: u64,
    /// How long it was to be, in seconds.
    pub within_s: u32,
}

impl TrialTime {
    /// From now on.
    pub const fn begin(now_s: u64, within_s: u32) -> Self {
        Self { until_unix_s: now_s + within_s as u64, within_s }
    }

    /// Whether it is over. A clock that was set back does not make it longer than it was to be.
    pub const fn is_over(self, now_s: u64) -> bool {
        now_s >= self.until_unix_s || self.until_unix_s - now_s > self.within_s as u64
    }

    /// Seconds left; 0: it is over.
    pub const fn left_s(self, now_s: u64) -> u64 {
        if self.is_over(now_s) { 0 } else { self.until_unix_s - now_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_ends_in_time_and_a_clock_set_back_does_not_prolong_it() {
        let time = TrialTime::begin(1_000, 60);
        for (now_s, left_s) in [(1_000, 60), (1_059, 1), (1_060, 0), (9_999, 0), (999, 0)] {
            assert_eq!((time.left_s(now_s), time.is_over(now_s)), (left_s, left_s == 0), "{now_s}");
        }
    }
}

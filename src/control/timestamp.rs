//! From the workers' clock to wall time, and to RFC 3339 text in UTC.

use crate::base::{Instant, OsClock};

/// Where the workers' clock stands in wall time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    zero_unix_micros: u64,
}

impl WallClock {
    /// Wall time as it is now, when the workers' clock shows `now`.
    pub fn at(now: Instant) -> Self {
        Self::from_unix_micros(OsClock::unix_micros(), now)
    }

    /// Wall time where the workers' clock shows `now` at `unix_micros`.
    pub fn from_unix_micros(unix_micros: u64, now: Instant) -> Self {
        Self { zero_unix_micros: unix_micros.saturating_sub(now.nanos() / 1_000) }
    }

    /// Microseconds since the Unix epoch of an instant.
    pub fn unix_micros(&self, at: Instant) -> u64 {
        self.zero_unix_micros + at.nanos() / 1_000
    }

    /// An instant as `2026-01-02T03:04:05.678901Z`.
    pub fn rfc3339(&self, at: Instant) -> String {
        rfc3339(self.unix_micros(at))
    }
}

/// Microseconds since the Unix epoch as `2026-01-02T03:04:05.678901Z` (RFC 3339).
pub fn rfc3339(unix_micros: u64) -> String {
    let (seconds, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// Days since 1970-01-01 as a date of the Gregorian calendar. Eras of 400 years that start in March, so that the
/// leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000000Z"),
            (4_102_444_800, "2100-01-01T00:00:00.000000Z"),
            (1_790_000_000, "2026-09-21T14:13:20.000000Z"),
        ] {
            assert_eq!(rfc3339(unix * 1_000_000), text);
        }
    }

    #[test]
    fn an_instant_is_told_in_wall_time() {
        let clock = WallClock::from_unix_micros(10_000_000, Instant::from_nanos(4_000_000_000));
        assert_eq!(clock.rfc3339(Instant::from_nanos(5_500_001_999)), "1970-01-01T00:00:11.500001Z");
    }
}

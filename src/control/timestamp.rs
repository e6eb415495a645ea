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

/// Microseconds since the Unix epoch of an RFC 3339 time at or after it; `None` for anything else. A leap second is the
/// second after it.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let mark = |at: usize, marks: &str| text.get(at..at + 1).is_some_and(|mark| marks.contains(mark));
    let marks = mark(4, "-") && mark(7, "-") && mark(10, "Tt ") && mark(13, ":") && mark(16, ":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => ("", rest),
        Some(rest) => rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?),
    };
    let whole = rest.starts_with('.') != fraction.is_empty();
    let inside = marks && whole && hour < 24 && minute < 60 && second <= 60;
    let days = days_from_civil(year, month, day).filter(|_| inside)?;
    let micros = format!("{:0<6}", fraction.get(..fraction.len().min(6))?).parse::<u64>().ok()?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = seconds as i64 - offset_s(zone)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

/// `Z`, or `+01:30`, in seconds.
fn offset_s(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hour, minute) = zone.get(1..)?.split_once(':')?;
    let part = |text: &str, end: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten().filter(|part| *part < end)
    };
    Some(sign * (part(hour, 24)? * 3_600 + part(minute, 60)? * 60))
}

/// Days since 1970-01-01 of a date that there is, from 1970 on.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted = if month > 2 { (year, month.checked_sub(3)?) } else { (year.checked_sub(1)?, month + 9) };
    let (era, year_of_era) = (shifted.0 / 400, shifted.0 % 400);
    let day_of_year = (153 * shifted.1 + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    // A day that the month does not have comes out as another date.
    (civil(days) == (year, month, day)).then_some(days)
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
    fn times_read_back_and_what_is_none_is_refused() {
        for micros in [0, 1, 951_782_399_999_999, 951_782_400_000_000, 4_102_444_800_123_456] {
            assert_eq!(parse_rfc3339(&rfc3339(micros)), Some(micros));
        }
        let noon = parse_rfc3339("2026-01-02T12:00:00Z");
        assert_eq!(parse_rfc3339("2026-01-02T13:30:00+01:30"), noon);
        assert_eq!(parse_rfc3339("2026-01-02t11:00:00.000-01:00"), noon);
        for wrong in [
            "",
            "2026-01-02",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T00:00:00",
            "2026-01-02T00:00:00.Z",
            "1969-12-31T23:59:59Z",
            "2026-01-02T00:00:00+1:00",
            "2026-01-00T00:00:00Z",
            "+026-01-02T00:00:00Z",
            "2026-01-02T00:00:00Zx",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }

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

//! Intervals of `time_delta`, aligned in UTC: weeks begin on Monday (ISO 8601), quarters in January, April, July, October.

use super::plan::{Minute, Moments, Resolution};

/// How long an interval is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeDelta {
    /// A minute.
    Minute,
    /// Ten of them.
    Dekaminute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// Seven of them, from Monday.
    Week,
    /// A month.
    Month,
    /// Three of them.
    Quarter,
    /// A year.
    Year,
}

impl TimeDelta {
    /// All of them, the longest first, as the record lists them.
    pub const ALL: [Self; 8] = [
        Self::Year,
        Self::Quarter,
        Self::Month,
        Self::Week,
        Self::Day,
        Self::Hour,
        Self::Dekaminute,
        Self::Minute,
    ];

    /// Spectrum's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Dekaminute => "dekaminute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// By its word.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|delta| delta.name() == name)
    }

    /// The start of the interval behind the one that a minute lies in.
    fn next(self, minute: Minute) -> Minute {
        let days = minute.0 / DAY;
        match self {
            Self::Minute => Minute(minute.0 + 1),
            Self::Dekaminute => Minute(minute.0 - minute.0 % 10 + 10),
            Self::Hour => Minute(minute.floor(Resolution::Hour).0 + 60),
            Self::Day => Minute((days + 1) * DAY),
            // 1970-01-01 was a Thursday, so that day 4 was a Monday.
            Self::Week => Minute((days + 7 - (days + 3) % 7) * DAY),
            Self::Month => first_of_next(days, 1),
            Self::Quarter => first_of_next(days, 3),
            Self::Year => first_of_next(days, 12),
        }
    }

    /// The intervals that a range falls into, its first and last cut where it begins and ends; `None` where there are more
    /// than `max`.
    pub fn intervals(self, moments: Moments, max: usize) -> Option<Vec<Moments>> {
        let (mut intervals, mut at) = (Vec::new(), moments.from);
        while at < moments.until {
            if intervals.len() == max {
                return None;
            }
            let until = self.next(at).min(moments.until);
            intervals.push(Moments { from: at, until });
            at = until;
        }
        Some(intervals)
    }
}

const DAY: u64 = Resolution::Day.minutes();

/// The first day of the next group of `months` months behind the one that a day lies in. A year has 366 days at most, so
/// that the search is short.
fn first_of_next(day: u64, months: u64) -> Minute {
    let group = |day| {
        let (year, month) = year_and_month(day);
        (year, (month - 1) / months)
    };
    let now = group(day);
    let next = (day + 1..=day + 366).find(|day| group(*day) != now);
    Minute(next.unwrap_or(day + 366) * DAY)
}

/// Year and month of a day since 1970-01-01, by eras of 400 years that begin in March.
const fn year_and_month(day: u64) -> (u64, u64) {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-28 and 2024-12-30, a Monday.
    const FEBRUARY: u64 = 19_781 * DAY;
    const DECEMBER: u64 = 20_087 * DAY;

    fn starts(delta: TimeDelta, from: u64, until: u64) -> Vec<u64> {
        let range = Moments { from: Minute(from), until: Minute(until) };
        delta.intervals(range, 100).expect("few").iter().map(|interval| interval.from.0).collect()
    }

    #[test]
    fn intervals_are_aligned_and_cut_at_the_ends_of_the_range() {
        assert_eq!(starts(TimeDelta::Minute, 7, 9), [7, 8]);
        assert_eq!(starts(TimeDelta::Dekaminute, 7, 25), [7, 10, 20]);
        assert_eq!(starts(TimeDelta::Hour, 59, 121), [59, 60, 120]);
        assert_eq!(starts(TimeDelta::Day, 5, 2 * DAY), [5, DAY]);
        assert_eq!(
            starts(TimeDelta::Month, FEBRUARY, FEBRUARY + 34 * DAY),
            [FEBRUARY, FEBRUARY + 2 * DAY, FEBRUARY + 33 * DAY],
            "a leap day, then March"
        );
        assert_eq!(
            starts(TimeDelta::Quarter, FEBRUARY, FEBRUARY + 34 * DAY),
            [FEBRUARY, FEBRUARY + 33 * DAY]
        );
        assert_eq!(starts(TimeDelta::Year, DECEMBER, DECEMBER + 9 * DAY), [DECEMBER, DECEMBER + 2 * DAY]);
        assert_eq!(starts(TimeDelta::Week, DECEMBER, DECEMBER + 8 * DAY), [DECEMBER, DECEMBER + 7 * DAY]);
        assert_eq!(starts(TimeDelta::Week, DECEMBER - 1, DECEMBER + 1), [DECEMBER - 1, DECEMBER]);
        let range = Moments { from: Minute(0), until: Minute(100) };
        assert_eq!(TimeDelta::Minute.intervals(range, 99), None);
        assert_eq!(TimeDelta::Minute.intervals(range, 100).map(|all| all.len()), Some(100));
    }

    #[test]
    fn words_read_back() {
        for delta in TimeDelta::ALL {
            assert_eq!(TimeDelta::of_name(delta.name()), Some(delta));
        }
        assert_eq!(TimeDelta::of_name("second"), None);
    }
}

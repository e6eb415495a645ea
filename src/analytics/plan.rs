//! Which rows answer a range of time: the coarsest that fit between its ends, since there are the fewest of them, and finer
//! ones at its edges.
//!
//! ```text
//!  10:17            11:00                16:00     16:09
//!    |-- minutes ----|------- hours -------|-minutes-|
//! ```
//!
//! Rows of minutes are kept for a day and of hours for a month; a range that begins before them begins with a whole hour or
//! day. Everything is in UTC.

use super::calendar::TimeDelta;

/// Minutes since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Minute(pub u64);

impl Minute {
    /// The minute that a second lies in.
    pub const fn of_unix_s(seconds: u64) -> Self {
        Self(seconds / 60)
    }

    /// Its first second.
    pub const fn unix_s(self) -> u64 {
        self.0 * 60
    }

    /// The start of the row that it lies in.
    pub const fn floor(self, resolution: Resolution) -> Self {
        Self(self.0 - self.0 % resolution.minutes())
    }

    /// The same, unless it is such a start, the next one.
    pub const fn ceil(self, resolution: Resolution) -> Self {
        Self(self.0.next_multiple_of(resolution.minutes()))
    }
}

/// How long a row is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Resolution {
    /// A minute.
    Minute = 0,
    /// An hour.
    Hour = 1,
    /// A day.
    Day = 2,
}

impl Resolution {
    /// All of them, the finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length.
    pub const fn minutes(self) -> u64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 1_440,
        }
    }

    /// Its plural.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minutes",
            Self::Hour => "hours",
            Self::Day => "days",
        }
    }

    /// The oldest row that is kept at `now`. A row of minutes goes with its whole hour and one of hours with its whole day,
    /// so that no hour or day is half told by finer rows.
    pub const fn oldest(self, now: Minute) -> Minute {
        let (days, unit) = match self {
            Self::Minute => (1, Self::Hour),
            Self::Hour => (31, Self::Day),
            Self::Day => (400, Self::Day),
        };
        Minute(now.0.saturating_sub(days * Self::Day.minutes())).floor(unit)
    }

    /// What a row goes together with when it is removed.
    pub const fn unit(self) -> Self {
        match self {
            Self::Minute => Self::Hour,
            Self::Hour | Self::Day => Self::Day,
        }
    }
}

/// From a minute on, up to and without another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moments {
    /// The first one.
    pub from: Minute,
    /// The end.
    pub until: Minute,
}

/// From where on rows of minutes and of hours are all there, each at the start of an hour and of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floors {
    /// Of minutes.
    pub minutes: Minute,
    /// Of hours.
    pub hours: Minute,
}

/// Rows of one resolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Which rows.
    pub resolution: Resolution,
    /// When.
    pub moments: Moments,
}

impl Floors {
    /// By age alone.
    pub const fn at(now: Minute) -> Self {
        Self { minutes: Resolution::Minute.oldest(now), hours: Resolution::Hour.oldest(now) }
    }

    /// The finest rows that tell of a minute, and of the one before an end.
    const fn finest(self, minute: Minute) -> Resolution {
        if minute.0 >= self.minutes.0 {
            Resolution::Minute
        } else if minute.0 >= self.hours.0 {
            Resolution::Hour
        } else {
            Resolution::Day
        }
    }

    /// The range in rows that are there: its ends moved outwards.
    pub const fn snap(self, moments: Moments) -> Moments {
        let Moments { from, until } = moments;
        let last = Minute(until.0.saturating_sub(1));
        Moments { from: from.floor(self.finest(from)), until: until.ceil(self.finest(last)) }
    }
}

/// The rows for a range that was snapped; none of them longer than `longest`.
pub fn plan(moments: Moments, longest: Resolution) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut at = moments.from;
    while at < moments.until {
        let (resolution, end) = step(at, moments.until, longest);
        match segments.last_mut() {
            Some(last) if last.resolution == resolution => last.moments.until = end,
            Some(_) | None => {
                segments.push(Segment { resolution, moments: Moments { from: at, until: end } })
            }
        }
        at = end;
    }
    segments
}

/// The longest rows that begin at `at` and end within the range, and how far they go until longer ones may begin.
fn step(at: Minute, until: Minute, longest: Resolution) -> (Resolution, Minute) {
    for resolution in [Resolution::Day, Resolution::Hour] {
        let fits = resolution <= longest && at.0.is_multiple_of(resolution.minutes());
        if fits && at.0 + resolution.minutes() <= until.0 {
            return (resolution, Minute(at.0 + resolution.minutes()));
        }
    }
    let hour = Minute(at.0 + 1).ceil(Resolution::Hour);
    (Resolution::Minute, hour.min(until))
}

/// The longest rows that intervals of this length are told by.
pub const fn longest_for(delta: Option<TimeDelta>) -> Resolution {
    match delta {
        Some(TimeDelta::Minute | TimeDelta::Dekaminute) => Resolution::Minute,
        Some(TimeDelta::Hour) => Resolution::Hour,
        Some(TimeDelta::Day | TimeDelta::Week | TimeDelta::Month | TimeDelta::Quarter | TimeDelta::Year)
        | None => Resolution::Day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 1_440;

    #[test]
    fn a_range_takes_days_and_hours_inside_and_minutes_at_its_edges() {
        let range = |from, until| Moments { from: Minute(from), until: Minute(until) };
        let told = |moments, longest| {
            let each = plan(moments, longest).into_iter();
            each.map(|part| (part.resolution, part.moments.from.0, part.moments.until.0)).collect::<Vec<_>>()
        };
        use Resolution::{Day, Hour, Minute as Min};
        assert_eq!(
            told(range(DAY - 61, 3 * DAY + 61), Day),
            [
                (Min, DAY - 61, DAY - 60),
                (Hour, DAY - 60, DAY),
                (Day, DAY, 3 * DAY),
                (Hour, 3 * DAY, 3 * DAY + 60),
                (Min, 3 * DAY + 60, 3 * DAY + 61)
            ]
        );
        assert_eq!(told(range(60, 180), Min), [(Min, 60, 180)]);
        assert_eq!(told(range(61, 62), Day), [(Min, 61, 62)]);
        assert_eq!(told(range(61, 61), Day), []);
    }

    proptest! {
        #[test]
        fn a_plan_covers_its_range_once_by_rows_that_are_there(
            now in 500 * DAY..510 * DAY,
            back in 0_u64..450 * DAY,
            length in 1_u64..50 * DAY,
            longest in 0_usize..3,
        ) {
            let floors = Floors::at(Minute(now));
            let from = Minute(now - back);
            let asked = Moments { from, until: Minute((from.0 + length).min(now + 1)) };
            let moments = floors.snap(asked);
            prop_assert!(moments.from <= asked.from && moments.until >= asked.until);
            let mut at = moments.from;
            for part in plan(moments, Resolution::Day) {
                let rows = part.resolution.minutes();
                prop_assert_eq!(part.moments.from, at);
                prop_assert!(part.moments.from.0 % rows == 0 && part.moments.until.0 % rows == 0);
                let floor = match part.resolution {
                    Resolution::Minute => floors.minutes,
                    Resolution::Hour => floors.hours,
                    Resolution::Day => Minute(0),
                };
                prop_assert!(part.moments.from >= floor, "{:?} under {:?}", part, floors);
                at = part.moments.until;
            }
            prop_assert_eq!(at, moments.until);
            let longest = Resolution::ALL[longest];
            prop_assert!(plan(moments, longest).iter().all(|part| part.resolution <= longest));
        }
    }
}

//! Which rows answer a range of time: the coarsest that fit between its ends, since there are the fewest of them, and finer
//! ones at its edges.
//!
//! ```text
//!  10:17            11:00                16:00     16:09
//!    |-- minutes ----|------- hours -------|-minutes-|
//! ```
//!
//! Rows of minutes are kept for a day and of hours for a month, unless too many made some of them go: an end for which there
//! are only longer rows moves outwards. Everything is in UTC.

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

/// From where on rows of each resolution are all there: of minutes from the start of an hour on, of others from that of a
/// day. Any of them may be the latest: each loses rows by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floors {
    /// Of minutes.
    pub minutes: Minute,
    /// Of hours.
    pub hours: Minute,
    /// Of days.
    pub days: Minute,
}

/// Rows of one resolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Which rows.
    pub resolution: Resolution,
    /// When.
    pub moments: Moments,
}

/// What answers a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The range in rows that are there: its ends moved outwards.
    pub moments: Moments,
    /// The rows, in the order of time.
    pub segments: Vec<Segment>,
}

impl Floors {
    /// By age alone.
    pub const fn at(now: Minute) -> Self {
        Self {
            minutes: Resolution::Minute.oldest(now),
            hours: Resolution::Hour.oldest(now),
            days: Resolution::Day.oldest(now),
        }
    }

    /// The later ones of both.
    pub fn max(self, other: Self) -> Self {
        Self {
            minutes: self.minutes.max(other.minutes),
            hours: self.hours.max(other.hours),
            days: self.days.max(other.days),
        }
    }

    /// The rows for a range, the longest that are there and fit, none of them longer than `longest`. Where only longer ones
    /// than fit are there, the range grows.
    ///
    /// # Errors
    /// Rows of that length begin only at this minute, which lies behind the start of the range.
    pub fn plan(self, asked: Moments, longest: Resolution) -> Result<Plan, Minute> {
        let begins = |resolution: &Resolution| self.of(*resolution) <= asked.from;
        let Some(finest) = up_to(longest).find(begins) else {
            return Err(up_to(longest).map(|resolution| self.of(resolution)).min().unwrap_or(asked.until));
        };
        let from = asked.from.floor(finest);
        let (mut segments, mut at): (Vec<Segment>, _) = (Vec::new(), from);
        while at < asked.until {
            let (resolution, end) = self.step(at, asked.until, longest);
            match segments.last_mut() {
                Some(last) if last.resolution == resolution => last.moments.until = end,
                Some(_) | None => {
                    segments.push(Segment { resolution, moments: Moments { from: at, until: end } })
                }
            }
            at = end;
        }
        Ok(Plan { moments: Moments { from, until: at.max(asked.until) }, segments })
    }

    /// The longest rows that are there, begin at `at` and end within the range, or else the shortest that begin there, and
    /// how far they go until longer ones may begin. There always are such: what is there stays so later, and where a row
    /// ends one of its length begins.
    fn step(self, at: Minute, until: Minute, longest: Resolution) -> (Resolution, Minute) {
        let begins = |resolution: &Resolution| at.floor(*resolution) == at && self.of(*resolution) <= at;
        let end = |resolution: Resolution| Minute(at.0 + resolution.minutes());
        let fits = |resolution: &Resolution| begins(resolution) && end(*resolution) <= until;
        let longest_first = up_to(longest).rev();
        let taken = longest_first.clone().find(fits).or_else(|| up_to(longest).find(begins));
        debug_assert!(taken.is_some(), "rows begin at {at:?} under {self:?}");
        match taken.unwrap_or(Resolution::Minute) {
            Resolution::Minute => {
                (Resolution::Minute, end(Resolution::Minute).ceil(Resolution::Hour).min(until))
            }
            longer @ (Resolution::Hour | Resolution::Day) => (longer, end(longer)),
        }
    }

    const fn of(self, resolution: Resolution) -> Minute {
        match resolution {
            Resolution::Minute => self.minutes,
            Resolution::Hour => self.hours,
            Resolution::Day => self.days,
        }
    }
}

/// All resolutions up to one, the finest first.
fn up_to(longest: Resolution) -> impl DoubleEndedIterator<Item = Resolution> + Clone {
    Resolution::ALL.into_iter().filter(move |resolution| *resolution <= longest)
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
    use Resolution::{Day, Hour, Minute as Min};
    use proptest::prelude::*;

    const DAY: u64 = 1_440;
    const ALL_THERE: Floors = Floors { minutes: Minute(0), hours: Minute(0), days: Minute(0) };

    const fn range(from: u64, until: u64) -> Moments {
        Moments { from: Minute(from), until: Minute(until) }
    }

    fn told(floors: Floors, moments: Moments, longest: Resolution) -> Vec<(Resolution, u64, u64)> {
        let each = floors.plan(moments, longest).expect("rows").segments.into_iter();
        each.map(|part| (part.resolution, part.moments.from.0, part.moments.until.0)).collect()
    }

    #[test]
    fn a_range_takes_days_and_hours_inside_and_minutes_at_its_edges() {
        let told = |moments, longest| told(ALL_THERE, moments, longest);
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

    #[test]
    fn rows_that_are_gone_are_told_by_others_and_the_range_grows_where_only_longer_ones_are_there() {
        let no_hours = Floors { hours: Minute(3 * DAY), ..ALL_THERE };
        assert_eq!(
            told(no_hours, range(DAY - 61, 2 * DAY + 61), Day),
            [(Min, DAY - 61, DAY), (Day, DAY, 2 * DAY), (Min, 2 * DAY, 2 * DAY + 61)]
        );
        // Of the second day's start only its day tells.
        let late = Floors { minutes: Minute(DAY + 600), ..no_hours };
        assert_eq!(told(late, range(DAY + 5, DAY + 630), Day), [(Day, DAY, 2 * DAY)]);
        assert_eq!(told(late, range(DAY + 600, DAY + 630), Day), [(Min, DAY + 600, DAY + 630)]);
        let no_days = Floors { days: Minute(9 * DAY), ..ALL_THERE };
        assert_eq!(told(no_days, range(0, 2 * DAY), Day), [(Hour, 0, 2 * DAY)]);
        assert_eq!(late.plan(range(DAY, 2 * DAY), Hour), Err(Minute(DAY + 600)));
        let all_late = Floors { days: Minute(4 * DAY), ..late };
        assert_eq!(all_late.plan(range(DAY, 2 * DAY), Day), Err(Minute(DAY + 600)));
    }

    /// Whether a minute can be told by rows of up to this length.
    fn is_told(floors: Floors, minute: u64, longest: Resolution) -> bool {
        up_to(longest).any(|resolution| floors.of(resolution).0 <= minute)
    }

    proptest! {
        #[test]
        fn a_plan_covers_its_range_once_by_rows_that_are_there(
            floors in (0..30 * 24_u64, 0..30_u64, 0..30_u64),
            from in 0..30 * DAY,
            length in prop_oneof![1..300_u64, 1..20 * DAY],
            longest in proptest::sample::select(Resolution::ALL.to_vec()),
        ) {
            let (hours, days, others) = floors;
            let floors = Floors { minutes: Minute(hours * 60), hours: Minute(days * DAY), days: Minute(others * DAY) };
            let asked = range(from, from + length);
            let Ok(Plan { moments, segments }) = floors.plan(asked, longest) else {
                prop_assert!(!is_told(floors, from, longest));
                return Ok(());
            };
            prop_assert!(is_told(floors, from, longest));
            prop_assert!(moments.from <= asked.from && moments.until >= asked.until);
            let mut at = moments.from;
            for part in &segments {
                let rows = part.resolution.minutes();
                prop_assert_eq!(part.moments.from, at);
                prop_assert!(part.moments.from.0 % rows == 0 && part.moments.until.0 % rows == 0);
                prop_assert!(part.resolution <= longest);
                prop_assert!(part.moments.from >= floors.of(part.resolution), "{:?} under {:?}", part, floors);
                at = part.moments.until;
            }
            prop_assert_eq!(at, moments.until);
            // No end moves further than it must: where minutes are there, not at all.
            prop_assert!(moments.from == asked.from || floors.minutes > asked.from);
            prop_assert!(moments.until == asked.until || floors.minutes > asked.from);
            prop_assert!(moments.from.0 + DAY > from && moments.until.0 < asked.until.0 + DAY);
        }
    }
}

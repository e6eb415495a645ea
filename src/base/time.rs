//! Time as a value. `OsClock` and `ThreadClock` are the only readers of the machine's clocks; everything else is told
//! what time it is.

use nix::time::{ClockId, clock_gettime};
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Nanoseconds since the clock's own start; never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

/// A length of time in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(u64);

impl Instant {
    /// The clock's start.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since the clock's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the clock's start.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time since `earlier`; zero when `earlier` lies ahead.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros * 1_000)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// From seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// In nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// In whole microseconds.
    pub const fn micros(self) -> u64 {
        self.0 / 1_000
    }

    /// In whole milliseconds.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Span> for Instant {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Instant {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Instant {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        self.since(earlier)
    }
}

/// Who knows what time it is; one of the two generic seams (the other is the port).
pub trait Clock {
    /// Now, on this clock's own scale.
    fn now(&self) -> Instant;
}

/// The machine's monotonic clock, counted from its making.
#[derive(Clone, Copy, Debug)]
pub struct OsClock {
    start: std::time::Instant,
}

impl OsClock {
    /// A clock that reads zero now.
    #[allow(clippy::new_without_default, reason = "a default clock would hide that time starts here")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// The wall time now, in microseconds since the Unix epoch.
    pub fn unix_micros() -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |span| span.as_micros() as u64)
    }
}

impl Clock for OsClock {
    fn now(&self) -> Instant {
        Instant(self.start.elapsed().as_nanos() as u64)
    }
}

/// The CPU time of the thread that asks: what others do on a shared machine does not count. For benches.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock;

impl Clock for ThreadClock {
    fn now(&self) -> Instant {
        // The clock is there since Linux 2.6.12; were it not, no time would pass.
        let spent = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from);
        Instant(spent.as_nanos() as u64)
    }
}

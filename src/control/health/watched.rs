//! One origin under watch: results in, verdicts out. No clock and no I/O.
//!
//! ```text
//!        fall failures in a row                            success: half open, tried again after a second
//!  up ---------------------------> down (x 1, 2, 4, 8) ------------------------------> half open
//!  ^                                 ^                                                    |
//!  |                                 `---------------------- failure ---------------------|
//!  `----------------------------------------- rise successes in a row --------------------'
//! ```

use crate::base::{Instant, ProbeOutcome, Span};
use crate::control::config::boot::HealthSpec;

/// The pause between the trials of a half-open origin.
const TRIAL: Span = Span::from_secs(1);
/// How often the pause of a dead origin doubles.
const DOUBLINGS_MAX: u32 = 3;

/// When an origin is probed and how it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HealthTerms {
    /// Between two probes of an origin that is up.
    pub interval: Span,
    /// How long an origin may take to answer.
    pub timeout: Span,
    /// Failures in a row that take it out.
    pub fall: u32,
    /// Successes in a row that bring it back.
    pub rise: u32,
}

impl HealthTerms {
    /// Those of the boot config.
    pub const fn of(spec: &HealthSpec) -> Self {
        let HealthSpec { interval, timeout, fall, rise, probe: _ } = *spec;
        Self { interval, timeout, fall, rise }
    }
}

/// How an origin stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It takes connections, or nothing else is known yet.
    Up,
    /// It takes none, but the last trial went well.
    HalfOpen,
    /// It takes none.
    Down,
}

/// One origin.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    is_up: bool,
    /// Results in a row that speak against `is_up`.
    against: u32,
    doublings: u32,
    /// When it is probed next.
    pub next: Instant,
    /// What the last probe brought.
    pub last: Option<ProbeOutcome>,
}

impl Watched {
    /// Nothing known, to be probed at `first`.
    pub const fn new(first: Instant) -> Self {
        Self { is_up: true, against: 0, doublings: 0, next: first, last: None }
    }

    /// How it stands.
    pub const fn verdict(&self) -> Verdict {
        match (self.is_up, self.against) {
            (true, _) => Verdict::Up,
            (false, 0) => Verdict::Down,
            (false, _) => Verdict::HalfOpen,
        }
    }

    /// Whether connections may go there.
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Takes a result; whether the origin came up or went down by it. A probe that did not go out says nothing.
    pub fn hear(&mut self, outcome: ProbeOutcome, terms: &HealthTerms, now: Instant) -> bool {
        let good = match outcome {
            ProbeOutcome::Connected(_) => true,
            ProbeOutcome::Refused | ProbeOutcome::TimedOut | ProbeOutcome::Unreachable => false,
            ProbeOutcome::NotSent => {
                self.next = now + terms.interval;
                return false;
            }
        };
        self.last = Some(outcome);
        self.against = if good == self.is_up { 0 } else { self.against + 1 };
        let turned = self.against >= if self.is_up { terms.fall } else { terms.rise };
        if turned {
            (self.is_up, self.against, self.doublings) = (good, 0, 0);
        } else if !good && !self.is_up {
            self.doublings = (self.doublings + 1).min(DOUBLINGS_MAX);
        }
        let pause = match self.verdict() {
            Verdict::Up => terms.interval,
            Verdict::HalfOpen => TRIAL.min(terms.interval),
            Verdict::Down => Span::from_nanos(terms.interval.nanos() << self.doublings),
        };
        self.next = now + pause;
        turned
    }
}

impl Verdict {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::HalfOpen => "half_open",
            Self::Down => "down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: HealthTerms =
        HealthTerms { interval: Span::from_secs(10), timeout: Span::from_secs(2), fall: 3, rise: 2 };
    const GOOD: ProbeOutcome = ProbeOutcome::Connected(Span::from_millis(3));

    /// The pauses in seconds and the verdicts behind each of these results.
    fn play(results: &[ProbeOutcome]) -> Vec<(u64, &'static str)> {
        let (mut watched, mut now) = (Watched::new(Instant::ZERO), Instant::ZERO);
        let hear = |outcome: &ProbeOutcome| {
            let was = watched.is_up();
            let turned = watched.hear(*outcome, &TERMS, now);
            assert_eq!(turned, was != watched.is_up());
            let pause = watched.next.since(now).millis() / 1_000;
            now = watched.next;
            (pause, watched.verdict().name())
        };
        results.iter().map(hear).collect()
    }

    #[test]
    fn three_failures_in_a_row_take_an_origin_out_and_two_do_not() {
        let (r, t) = (ProbeOutcome::Refused, ProbeOutcome::TimedOut);
        let seen = play(&[r, t, GOOD, r, r, ProbeOutcome::NotSent, ProbeOutcome::Unreachable]);
        let verdicts: Vec<_> = seen.iter().map(|(_, verdict)| *verdict).collect();
        assert_eq!(verdicts, ["up", "up", "up", "up", "up", "up", "down"]);
    }

    #[test]
    fn a_dead_origin_is_tried_ever_more_rarely_and_comes_back_over_half_open() {
        let t = ProbeOutcome::TimedOut;
        let seen = play(&[t, t, t, t, t, t, t, GOOD, t, GOOD, GOOD, t]);
        let expected = [
            (10, "up"),
            (10, "up"),
            (10, "down"),
            (20, "down"),
            (40, "down"),
            (80, "down"),
            (80, "down"),
            (1, "half_open"),
            (80, "down"),
            (1, "half_open"),
            (10, "up"),
            (10, "up"),
        ];
        assert_eq!(seen, expected);
    }
}

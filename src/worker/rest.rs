//! How an idle worker rests: whether after a turn it looks again at once, naps, or waits for an interrupt.
//!
//! ```text
//!  a turn with work ----------------------------> awake
//!  turns without: 1 .. polls -------------------> awake, looks again at once
//!                 more, idle = nap -------------> nap, until the next deadline at most
//!                 more, idle = interrupt -------> arm the ports, look once more (a frame may have come before),
//!                                                 then wait; disarm after the wait
//!                     a port cannot, or frames may come by a queue that interrupts nobody, or a deadline is
//!                     nearer than an interrupt's wait can be told -> nap
//! ```
//!
//! It decides alone; `run` does what is decided.

use super::Turn;
use crate::base::limits::{INTERRUPT_WAIT_MS_MAX, NAP_US_MAX};
use crate::base::{Instant, Span};

/// What an idle worker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// Looks again at once.
    Poll,
    /// Waits for an interrupt where it can, else naps.
    Interrupt,
    /// Naps.
    Nap,
}

/// When and how a worker rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestTerms {
    /// What it does.
    pub idle: Idle,
    /// Turns without work before it rests: a frame that follows at once still meets a busy worker.
    pub polls: u32,
    /// The longest nap; `limits::NAP_US_MAX` holds, too.
    pub nap: Span,
}

/// What comes after a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pause {
    /// The next turn.
    None,
    /// The next turn, with the ports armed.
    Arm,
    /// So long a sleep.
    Nap(Span),
    /// A wait for the armed ports, so long at most.
    Interrupt(Span),
}

/// What a worker knows of itself after a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// The time.
    pub now: Instant,
    /// When it has something to do without a frame coming in.
    pub deadline: Option<Instant>,
    /// Whether nothing comes by a queue that interrupts nobody.
    pub ports_only: bool,
}

/// A worker's rest, from turn to turn.
#[derive(Debug)]
pub(super) struct Rest {
    terms: RestTerms,
    idle_turns: u32,
    armed: bool,
}

impl Rest {
    pub fn new(terms: RestTerms) -> Self {
        Self { terms, idle_turns: 0, armed: false }
    }

    /// Whether the worker may rest after `turn`; `outlook` need not be known before.
    pub fn is_due(&mut self, turn: &Turn) -> bool {
        self.idle_turns = if turn.is_idle() { self.idle_turns.saturating_add(1) } else { 0 };
        self.idle_turns > self.terms.polls && self.terms.idle != Idle::Poll
    }

    /// What comes next, when a rest is due.
    pub fn pause(&self, outlook: &Outlook) -> Pause {
        let left =
            outlook.deadline.map_or(Span::from_millis(INTERRUPT_WAIT_MS_MAX), |at| at.since(outlook.now));
        // An interrupt's wait is told in whole milliseconds.
        let wait = Span::from_millis(left.millis().min(INTERRUPT_WAIT_MS_MAX));
        let waits = self.terms.idle == Idle::Interrupt && outlook.ports_only && wait > Span::ZERO;
        match (waits, self.armed) {
            (true, true) => Pause::Interrupt(wait),
            (true, false) => Pause::Arm,
            (false, _) => self.nap(left),
        }
    }

    /// A nap that ends within `left`.
    pub fn nap(&self, left: Span) -> Pause {
        match left.min(self.terms.nap).min(Span::from_micros(NAP_US_MAX)) {
            Span::ZERO => Pause::None,
            nap => Pause::Nap(nap),
        }
    }

    /// Whether the ports are armed.
    pub fn is_armed(&self) -> bool {
        self.armed
    }

    /// Notes whether the ports are armed now.
    pub fn set_armed(&mut self, armed: bool) {
        self.armed = armed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Turn = Turn { received: 0, sent: 0, busy: false, stop: false };
    const WORK: Turn = Turn { received: 1, ..NOTHING };

    fn rest(idle: Idle) -> Rest {
        let mut rest = Rest::new(RestTerms { idle, polls: 2, nap: Span::from_micros(50) });
        assert!(!rest.is_due(&NOTHING) && !rest.is_due(&NOTHING), "two polls come first");
        rest
    }

    fn outlook(deadline_us: Option<u64>, ports_only: bool) -> Outlook {
        let now = Instant::ZERO + Span::from_secs(1);
        Outlook { now, deadline: deadline_us.map(|us| now + Span::from_micros(us)), ports_only }
    }

    #[test]
    fn a_worker_naps_after_its_polls_and_is_awake_after_work() {
        let mut rest = rest(Idle::Nap);
        assert!(rest.is_due(&NOTHING));
        assert_eq!(rest.pause(&outlook(None, true)), Pause::Nap(Span::from_micros(50)));
        assert!(!rest.is_due(&WORK) && !rest.is_due(&NOTHING));
    }

    #[test]
    fn a_worker_told_to_poll_never_rests() {
        let mut rest = rest(Idle::Poll);
        assert!((0..100).all(|_| !rest.is_due(&NOTHING)));
    }

    #[test]
    fn a_nap_ends_at_the_next_deadline() {
        let rest = rest(Idle::Nap);
        assert_eq!(rest.pause(&outlook(Some(7), true)), Pause::Nap(Span::from_micros(7)));
        assert_eq!(rest.pause(&outlook(Some(0), true)), Pause::None);
        assert_eq!(rest.pause(&outlook(Some(9_000), true)), Pause::Nap(Span::from_micros(50)));
    }

    #[test]
    fn no_nap_is_longer_than_the_bound() {
        let rest = Rest::new(RestTerms { idle: Idle::Nap, polls: 0, nap: Span::from_secs(9) });
        assert_eq!(rest.pause(&outlook(None, true)), Pause::Nap(Span::from_micros(100)));
    }

    #[test]
    fn ports_are_armed_and_looked_at_once_more_before_the_wait() {
        let mut rest = rest(Idle::Interrupt);
        assert!(rest.is_due(&NOTHING));
        assert_eq!(rest.pause(&outlook(None, true)), Pause::Arm);
        rest.set_armed(true);
        assert!(rest.is_due(&NOTHING));
        assert_eq!(rest.pause(&outlook(None, true)), Pause::Interrupt(Span::from_millis(10)));
        assert_eq!(rest.pause(&outlook(Some(3_700), true)), Pause::Interrupt(Span::from_millis(3)));
    }

    #[test]
    fn what_interrupts_nobody_is_met_by_naps() {
        let mut rest = rest(Idle::Interrupt);
        assert_eq!(rest.pause(&outlook(None, false)), Pause::Nap(Span::from_micros(50)));
        rest.set_armed(true);
        assert_eq!(rest.pause(&outlook(Some(900), true)), Pause::Nap(Span::from_micros(50)), "under 1 ms");
    }
}

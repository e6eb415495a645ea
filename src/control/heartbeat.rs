//! Do the workers still turn? A page's count of turns is the heartbeat.

use crate::base::{Instant, Span, WorkerId};
use crate::telemetry::PageReader;

/// How long a worker may take to its first turn: it makes all its tables before.
const START: Span = Span::from_secs(120);

/// A worker that stopped turning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hang {
    /// Which one.
    pub worker: WorkerId,
    /// For how long, as far as control has seen.
    pub silent: Span,
}

#[derive(Clone, Copy)]
struct Pulse {
    turns: u64,
    moved_at: Instant,
}

/// Watches the turns of all workers.
pub struct Heartbeat {
    limit: Span,
    looked_at: Instant,
    pulses: Vec<Pulse>,
}

impl Heartbeat {
    /// From `now` on; a worker may be silent for `limit`.
    pub fn new(pages: &[PageReader], limit: Span, now: Instant) -> Self {
        let pulses = pages.iter().map(|page| Pulse { turns: page.turns(), moved_at: now }).collect();
        Self { limit, looked_at: now, pulses }
    }

    /// Looks at all pages; the first worker that was silent for too long. Time in which control itself slept is not
    /// held against the workers: between two looks at most half the limit counts.
    pub fn look(&mut self, pages: &[PageReader], now: Instant) -> Option<Hang> {
        let slept = now.since(self.looked_at).nanos().saturating_sub(self.limit.nanos() / 2);
        self.looked_at = now;
        let mut hang = None;
        for (page, pulse) in pages.iter().zip(&mut self.pulses) {
            let turns = page.turns();
            if turns != pulse.turns {
                *pulse = Pulse { turns, moved_at: now };
                continue;
            }
            pulse.moved_at += Span::from_nanos(slept);
            let silent = now.since(pulse.moved_at);
            let limit = if turns == 0 { self.limit.max(START) } else { self.limit };
            if silent >= limit && hang.is_none() {
                hang = Some(Hang { worker: page.worker(), silent });
            }
        }
        hang
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Counter, PageSize, PageWriter, page};

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    fn workers() -> (Vec<PageWriter>, Vec<PageReader>) {
        (0..2).map(|id| page(WorkerId(id), PageSize { apps: 0, rules: 0 })).unzip()
    }

    #[test]
    fn the_worker_that_stopped_is_named() {
        let (writers, readers) = workers();
        writers[1].count(Counter::Turns);
        let mut heartbeat = Heartbeat::new(&readers, Span::from_millis(1_000), at(0));
        for ms in (0..3_000).step_by(100) {
            writers[0].count(Counter::Turns);
            let hang = heartbeat.look(&readers, at(ms));
            assert_eq!(hang.is_some(), ms >= 1_000, "at {ms} ms");
            assert!(hang.is_none_or(|hang| hang.worker == WorkerId(1)));
        }
    }

    #[test]
    fn a_worker_may_take_its_time_to_the_first_turn() {
        let (_writers, readers) = workers();
        let mut heartbeat = Heartbeat::new(&readers, Span::from_millis(1_000), at(0));
        assert!((0..100_000).step_by(500).all(|ms| heartbeat.look(&readers, at(ms)).is_none()));
        assert!((100_000..121_000).step_by(500).any(|ms| heartbeat.look(&readers, at(ms)).is_some()));
    }

    #[test]
    fn a_control_thread_that_slept_blames_nobody() {
        let (writers, readers) = workers();
        writers.iter().for_each(|writer| writer.count(Counter::Turns));
        let mut heartbeat = Heartbeat::new(&readers, Span::from_millis(1_000), at(0));
        assert_eq!(heartbeat.look(&readers, at(100)), None);
        assert_eq!(heartbeat.look(&readers, at(60_000)), None, "only half a second of the minute counts");
        assert!(heartbeat.look(&readers, at(60_500)).is_some());
    }
}

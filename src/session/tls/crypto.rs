//! Handshakes on their way to crypto threads and back: bounded queues, nobody ever waits.
//!
//! ```text
//!  worker 0 --jobs--> [one queue for all] --> crypto thread, crypto thread ... --done--> worker 0's own queue
//!  worker 1 --jobs-->                                                          --done--> worker 1's own queue
//! ```
//! A worker counts what it has sent and not got back and keeps to its share, so neither queue can be full: a crypto
//! thread never has a result that nobody takes.

use super::failure::Failure;
use super::pair::Pair;
use crate::base::{Instant, Span, WorkerId};
use crossbeam::queue::ArrayQueue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What workers and crypto threads are told at launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CryptoSettings {
    /// Handshakes that one worker may have with the crypto threads at once.
    pub jobs_max: usize,
    /// How long each part of a handshake may take: until the client's hello is there, and again until both are done.
    pub handshake_timeout: Span,
}

/// A pair and where it belongs.
pub(super) struct Trip {
    pub home: WorkerId,
    pub session: u32,
    pub generation: u64,
    pub deadline: Instant,
    pub origin_up: bool,
    pub pair: Box<Pair>,
    pub result: Result<(), Failure>,
}

/// A worker's end.
pub struct CryptoLane {
    jobs: Arc<ArrayQueue<Trip>>,
    done: Arc<ArrayQueue<Trip>>,
    settings: CryptoSettings,
    away: usize,
}

/// The crypto threads' end; each has a clone.
#[derive(Clone)]
pub struct Crypto {
    jobs: Arc<ArrayQueue<Trip>>,
    done: Box<[Arc<ArrayQueue<Trip>>]>,
}

/// The ends for `workers` workers.
pub fn crypto(workers: usize, settings: CryptoSettings) -> (Crypto, Vec<CryptoLane>) {
    let share = settings.jobs_max.max(1);
    let jobs = Arc::new(ArrayQueue::new(share * workers.max(1)));
    let done: Box<[_]> = (0..workers).map(|_| Arc::new(ArrayQueue::new(share))).collect();
    let lane = |done: &Arc<ArrayQueue<Trip>>| CryptoLane {
        jobs: jobs.clone(),
        done: done.clone(),
        settings,
        away: 0,
    };
    let lanes = done.iter().map(lane).collect();
    (Crypto { jobs, done }, lanes)
}

impl CryptoLane {
    /// How long each part of a handshake may take.
    pub const fn handshake_timeout(&self) -> Span {
        self.settings.handshake_timeout
    }

    /// Handshakes that are with the crypto threads.
    pub const fn away(&self) -> usize {
        self.away
    }

    /// Whether there is room for another. The last quarter is for handshakes that are under way already.
    pub(super) fn has_room(&self, for_new: bool) -> bool {
        let share = self.settings.jobs_max.max(1);
        self.away < if for_new { share - share / 4 } else { share }
    }

    /// Sends a pair off; gives it back when there is no room.
    pub(super) fn send(&mut self, trip: Trip) -> Result<(), Trip> {
        if self.away >= self.settings.jobs_max.max(1) {
            return Err(trip);
        }
        self.jobs.push(trip)?;
        self.away += 1;
        Ok(())
    }

    /// The next pair that is back.
    pub(super) fn take(&mut self) -> Option<Trip> {
        // To take from an empty queue costs a fence.
        let trip = if self.away == 0 { None } else { self.done.pop() }?;
        self.away -= 1;
        Some(trip)
    }
}

impl Crypto {
    /// Does at most `jobs_max` jobs; how many it did. `now` is the workers' clock.
    pub fn turn(&self, now: Instant, jobs_max: usize) -> usize {
        for done in 0..jobs_max {
            let Some(mut trip) = self.jobs.pop() else { return done };
            trip.result = match trip.deadline < now {
                true => Err(Failure::Expired),
                // A panic costs one handshake and says so on standard error; the thread goes on.
                false => catch_unwind(AssertUnwindSafe(|| trip.pair.step(trip.origin_up)))
                    .unwrap_or(Err(Failure::Expired)),
            };
            let home = self.done.get(trip.home.index());
            // Never full (see above); were it ever, the session's own deadline ends it.
            let _ = home.map(|home| home.push(trip));
        }
        jobs_max
    }
}

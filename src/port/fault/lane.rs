//! One direction of a faulty port: frames go in, and what is left of them comes out when it is due.

use super::rates::{FaultCounts, FaultRates, Ppm};
use crate::base::Rng;
use crate::port::Frame;
use std::collections::VecDeque;

/// Frames that a lane holds at most; more are lost and counted.
const LANE_FRAMES_MAX: usize = 1024;
/// A place behind all frames that come in order.
const BEHIND_ALL: u64 = 1 << 63;

struct Held<F> {
    /// The turn at which it may come out.
    due: u64,
    /// Its place among those of one turn: its number, or one behind all.
    place: u64,
    frame: F,
}

pub(super) struct Lane<F> {
    rates: FaultRates,
    dice: Rng,
    /// In the order in which they come out.
    held: VecDeque<Held<F>>,
    turn: u64,
    frames: u64,
    stalled_until: u64,
    counts: FaultCounts,
}

impl<F: Frame> Lane<F> {
    pub(super) fn new(rates: FaultRates, seed: u64) -> Self {
        Self {
            rates,
            dice: Rng::new(seed),
            held: VecDeque::with_capacity(LANE_FRAMES_MAX),
            turn: 0,
            frames: 0,
            stalled_until: 0,
            counts: FaultCounts::default(),
        }
    }

    pub(super) fn set_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    pub(super) const fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Begins the next turn, which may begin a stall.
    pub(super) fn turn(&mut self) {
        self.turn += 1;
        if !self.is_stalled() && self.strikes(self.rates.stall) {
            self.stalled_until = self.turn + self.one_to(self.rates.stall_turns_max);
        }
        self.counts.stalled_turns += u64::from(self.is_stalled());
    }

    pub(super) const fn is_stalled(&self) -> bool {
        self.turn < self.stalled_until
    }

    /// How many frames may go in; each may bring a twin.
    pub(super) fn room(&self) -> usize {
        (LANE_FRAMES_MAX - self.held.len()) / 2
    }

    /// Takes a frame in, while there is room. `twin` makes a copy of it, where a buffer is to be had.
    pub(super) fn push(&mut self, mut frame: F, twin: impl FnOnce(&F) -> Option<F>) {
        if self.strikes(self.rates.lose) {
            self.counts.lost += 1;
            return;
        }
        if self.strikes(self.rates.repeat) {
            match twin(&frame) {
                Some(twin) => {
                    self.counts.repeated += 1;
                    self.hold(twin);
                }
                None => self.counts.twinless += 1,
            }
        }
        self.damage(&mut frame);
        self.hold(frame);
    }

    /// The next frame that is due, unless the lane is stalled.
    pub(super) fn pop(&mut self) -> Option<F> {
        let is_due = self.held.front().is_some_and(|first| first.due <= self.turn);
        if !is_due || self.is_stalled() {
            return None;
        }
        self.counts.passed += 1;
        self.held.pop_front().map(|first| first.frame)
    }

    fn damage(&mut self, frame: &mut F) {
        let len = frame.bytes().len();
        if len > 0 && self.strikes(self.rates.corrupt) {
            let bit = self.dice.below(len as u64 * 8) as usize;
            frame.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            self.counts.corrupted += 1;
        }
        if len > 0 && self.strikes(self.rates.truncate) {
            let shorter = self.dice.below(len as u64) as usize;
            self.counts.truncated += u64::from(frame.set_len(shorter));
        }
    }

    fn hold(&mut self, frame: F) {
        self.frames += 1;
        let (mut due, mut place) = (self.turn, self.frames);
        if self.strikes(self.rates.delay) {
            due += self.one_to(self.rates.delay_turns_max);
            self.counts.delayed += 1;
        }
        if self.strikes(self.rates.reorder) {
            due += 1;
            place += BEHIND_ALL;
            self.counts.reordered += 1;
        }
        let at = self.held.partition_point(|other| (other.due, other.place) <= (due, place));
        self.held.insert(at, Held { due, place, frame });
    }

    fn strikes(&mut self, chance: Ppm) -> bool {
        chance > Ppm::NEVER && self.dice.chance_ppm(chance.0)
    }

    fn one_to(&mut self, most: u32) -> u64 {
        1 + self.dice.below(u64::from(most))
    }
}

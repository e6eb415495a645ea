//! One direction of a faulty port: frames go in, and what is left of them comes out when it is due.

use super::rates::{FaultCounts, FaultRates, Ppm};
use crate::port::Frame;
use std::collections::VecDeque;

/// Frames that a lane holds at most; more are lost and counted.
const LANE_FRAMES_MAX: usize = 1024;
/// How far behind later frames a reordered one falls.
const REORDER_FRAMES_MAX: u32 = 3;

struct Held<F> {
    /// The turn at which it may come out.
    due: u64,
    /// Its place among those of one turn: twice its number, and an odd number to fall between others.
    place: u64,
    frame: F,
}

pub(super) struct Lane<F> {
    rates: FaultRates,
    dice: Dice,
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
            dice: Dice(seed),
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
        if !self.is_stalled() && self.dice.strikes(self.rates.stall) {
            self.stalled_until = self.turn + self.dice.one_to(self.rates.stall_turns_max);
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
        if self.dice.strikes(self.rates.lose) {
            self.counts.lost += 1;
            return;
        }
        if self.dice.strikes(self.rates.repeat) {
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
        if len > 0 && self.dice.strikes(self.rates.corrupt) {
            let bit = self.dice.below(len as u64 * 8) as usize;
            frame.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            self.counts.corrupted += 1;
        }
        if len > 0 && self.dice.strikes(self.rates.truncate) {
            let shorter = self.dice.below(len as u64) as usize;
            self.counts.truncated += u64::from(frame.set_len(shorter));
        }
    }

    fn hold(&mut self, frame: F) {
        self.frames += 1;
        let (mut due, mut place) = (self.turn, self.frames * 2);
        if self.dice.strikes(self.rates.delay) {
            due += self.dice.one_to(self.rates.delay_turns_max);
            self.counts.delayed += 1;
        }
        if self.dice.strikes(self.rates.reorder) {
            due += 1;
            place += self.dice.one_to(REORDER_FRAMES_MAX) * 2 + 1;
            self.counts.reordered += 1;
        }
        let at = self.held.partition_point(|other| (other.due, other.place) <= (due, place));
        self.held.insert(at, Held { due, place, frame });
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for faults, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn one_to(&mut self, most: u32) -> u64 {
        1 + self.below(u64::from(most))
    }

    fn strikes(&mut self, chance: Ppm) -> bool {
        chance > Ppm::NEVER && self.below(u64::from(Ppm::ALWAYS.0)) < u64::from(chance.0)
    }
}

//! A hierarchical timer wheel over ids `0..capacity`, with ticks of a millisecond and without any reach limit.
//!
//! ```text
//!  level 0   64 slots of 1 ms        |.|.|x|.|...        one bit a slot says whether its list holds anybody
//!  level 1   64 slots of 64 ms       |.|x|.|...          a slot is visited when time reaches its start; who is
//!   ...                                                  not due yet moves to a lower level
//!  level 5   64 slots of 12.4 days   |x|.|...            later than that: parked here, and looked at again
//! ```
//!
//! Each id has one node in an array made at launch; the lists run through the nodes. To arm an armed id later, or
//! to disarm it, writes that node alone (10 instructions): the node stays where it is, and is moved or forgotten when
//! its slot is visited. To arm it earlier moves it (60); from arming to firing over 200 ms a timer costs 330 in all,
//! and a call of `expire` with nothing due 10 (`scripts/icount.sh`, release build). A timer fires at the first call
//! whose time has reached it, rounded up to the tick; never early. Among timers that are due at one call the order is
//! unspecified.

use super::{Instant, Span};

const LEVELS: usize = 6;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const TICK_NANOS: u64 = Span::from_millis(1).nanos();
/// The largest distance, in ticks, that the top level tells apart.
const REACH: u64 = (SLOTS as u64 - 1) << (SLOT_BITS * (LEVELS as u32 - 1));
/// `Node::at` of an id that is not armed.
const NEVER: u64 = u64::MAX;
/// `Node::due` of an id that is in no list.
const UNLINKED: u64 = u64::MAX;
/// `Wheel::draining` when no slot is.
const NO_SLOT: usize = usize::MAX;

#[derive(Clone, Copy)]
struct Node {
    /// When to fire, in nanoseconds.
    at: u64,
    /// When the node's slot is visited, in nanoseconds.
    due: u64,
    prev: u32,
    next: u32,
}

/// The timers of one worker.
pub struct Wheel {
    /// One node an id, then one list head a slot.
    nodes: Box<[Node]>,
    occupied: [u64; LEVELS],
    /// The tick up to which slots were visited.
    elapsed: u64,
    /// No slot is due before this tick.
    soonest: u64,
    /// The slot that is being emptied, which may take several calls.
    draining: usize,
    capacity: u32,
    armed: u32,
}

impl Wheel {
    /// A wheel for ids `0..capacity` that starts at `now`. Panics at 2^32 - 384 ids or more.
    pub fn with_capacity(capacity: usize, now: Instant) -> Self {
        let heads = LEVELS * SLOTS;
        assert!(capacity < u32::MAX as usize - heads, "a wheel is indexed by 32 bits");
        let node = |index| Node { at: NEVER, due: UNLINKED, prev: index as u32, next: index as u32 };
        Self {
            nodes: (0..capacity + heads).map(node).collect(),
            occupied: [0; LEVELS],
            elapsed: now.nanos() / TICK_NANOS,
            soonest: u64::MAX,
            draining: NO_SLOT,
            capacity: capacity as u32,
            armed: 0,
        }
    }

    /// Fires `id` at `at`, and at no time it was armed for before. Panics when `id` is out of range.
    #[inline]
    pub fn arm(&mut self, id: u32, at: Instant) {
        assert!(id < self.capacity, "timer id out of range");
        let node = &mut self.nodes[id as usize];
        self.armed += u32::from(node.at == NEVER);
        node.at = at.nanos().min(NEVER - 1);
        if node.due > node.at {
            self.place(id);
        }
    }

    /// Does not fire `id` any more. Nothing happens when it was not armed.
    #[inline]
    pub fn disarm(&mut self, id: u32) {
        assert!(id < self.capacity, "timer id out of range");
        let node = &mut self.nodes[id as usize];
        self.armed -= u32::from(node.at != NEVER);
        node.at = NEVER;
    }

    /// When `id` fires; `None` when it is not armed.
    #[inline]
    pub fn armed_at(&self, id: u32) -> Option<Instant> {
        assert!(id < self.capacity, "timer id out of range");
        let at = self.nodes[id as usize].at;
        (at != NEVER).then(|| Instant::from_nanos(at))
    }

    /// No timer fires before this time; `None` when none is armed. A call of `expire` at this time makes progress,
    /// but need not fire anything.
    #[inline]
    pub fn next(&self) -> Option<Instant> {
        (self.armed != 0).then(|| Instant::from_nanos(self.soonest.saturating_mul(TICK_NANOS)))
    }

    /// Ids that are armed.
    #[inline]
    pub const fn len(&self) -> usize {
        self.armed as usize
    }

    /// Whether no id is armed.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Disarms and names the timers that are due at `now`. Visits at most `visits_max` nodes, those that only move
    /// included; the rest come at the next call. Returns how many were visited.
    #[inline]
    pub fn expire(&mut self, now: Instant, visits_max: usize, mut fire: impl FnMut(u32)) -> usize {
        let mut visits = visits_max;
        while let Some(id) = self.pop(now, &mut visits) {
            fire(id);
        }
        visits_max - visits
    }

    /// Disarms and names one timer that is due at `now`, for callers that arm timers in between; `None` when there
    /// is none, or when `visits`, which each visited node lowers by one, has reached zero.
    #[inline]
    pub fn pop(&mut self, now: Instant, visits: &mut usize) -> Option<u32> {
        let tick = now.nanos() / TICK_NANOS;
        if tick < self.soonest {
            self.elapsed = self.elapsed.max(tick);
            return None;
        }
        self.pop_due(tick, visits)
    }

    fn pop_due(&mut self, now_tick: u64, visits: &mut usize) -> Option<u32> {
        while *visits > 0 {
            if self.draining == NO_SLOT {
                let (due, slot) = self.first_slot();
                self.soonest = due;
                self.elapsed = self.elapsed.max(due.min(now_tick));
                if due > now_tick {
                    return None;
                }
                self.draining = slot;
            }
            *visits -= 1;
            let id = self.nodes[self.head(self.draining)].next;
            if self.visit(id, now_tick) {
                return Some(id);
            }
        }
        None
    }

    /// Takes `id` out of its list; whether it fires. If it is armed for later, it goes where it belongs now.
    fn visit(&mut self, id: u32, now_tick: u64) -> bool {
        self.unlink(id);
        let at = self.nodes[id as usize].at;
        if at == NEVER {
            return false;
        }
        let tick = tick_reaching(at);
        if tick > now_tick {
            self.link(id, tick);
            return false;
        }
        self.nodes[id as usize].at = NEVER;
        self.armed -= 1;
        true
    }

    /// The occupied slot that is due first, and its tick; `u64::MAX` when all are empty. All slots of a level are due
    /// before any of the next: what lies in this turn of a level comes before the next level's next slot.
    fn first_slot(&self) -> (u64, usize) {
        let Some(level) = self.occupied.iter().position(|slots| *slots != 0) else {
            return (u64::MAX, NO_SLOT);
        };
        let shift = SLOT_BITS * level as u32;
        let here = self.elapsed >> shift;
        let ahead = self.occupied[level].rotate_right(here as u32 % SLOTS as u32).trailing_zeros();
        let there = here + u64::from(ahead);
        (there << shift, level * SLOTS + there as usize % SLOTS)
    }

    /// Moves `id` to the slot of its time.
    fn place(&mut self, id: u32) {
        let Node { at, due, .. } = self.nodes[id as usize];
        if due != UNLINKED {
            self.unlink(id);
        }
        self.link(id, tick_reaching(at));
    }

    /// Puts `id`, which is in no list, into the slot of `tick`.
    #[inline]
    fn link(&mut self, id: u32, tick: u64) {
        let tick = tick.clamp(self.elapsed, self.elapsed + REACH);
        // The highest bit in which the tick differs from now says on which level the two part.
        let parted = 63 - ((tick ^ self.elapsed) | 1).leading_zeros();
        let level = (parted / SLOT_BITS).min(LEVELS as u32 - 1);
        let shift = SLOT_BITS * level;
        let slot_in_level = (tick >> shift) as usize % SLOTS;
        self.occupied[level as usize] |= 1 << slot_in_level;
        let due_tick = tick >> shift << shift;
        self.soonest = self.soonest.min(due_tick);
        let due = due_tick.saturating_mul(TICK_NANOS).min(UNLINKED - 1);
        let head = self.head(level as usize * SLOTS + slot_in_level);
        let last = self.nodes[head].prev;
        self.nodes[head].prev = id;
        self.nodes[last as usize].next = id;
        let node = &mut self.nodes[id as usize];
        (node.due, node.prev, node.next) = (due, last, head as u32);
    }

    /// Takes `id` out of its list, and clears the slot's bit when it was the last one there.
    #[inline]
    fn unlink(&mut self, id: u32) {
        let Node { prev, next, .. } = self.nodes[id as usize];
        self.nodes[id as usize].due = UNLINKED;
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        if prev == next {
            let slot = (prev - self.capacity) as usize;
            self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
            if slot == self.draining {
                self.draining = NO_SLOT;
            }
        }
    }

    #[inline]
    const fn head(&self, slot: usize) -> usize {
        self.capacity as usize + slot
    }
}

/// The first tick at which `nanos` has been reached.
#[inline]
const fn tick_reaching(nanos: u64) -> u64 {
    nanos.div_ceil(TICK_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MS: u64 = 1_000_000;
    const DAY: u64 = 86_400_000 * MS;

    #[derive(Clone, Debug)]
    enum Step {
        Arm(u32, u64),
        Disarm(u32),
        /// Lets time pass, in nanoseconds, and expires with so many visits a call until nothing is due.
        Pass(u64, usize),
        /// Lets time pass and calls `expire` once, leaving the rest.
        Peek(u64, usize),
    }

    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0),
            0..3 * MS,
            0..200 * MS,
            0..100_000 * MS,
            0..60 * DAY,
            0..3_000 * DAY,
            (0u64..64).prop_map(|slots| slots * 64 * MS),
        ]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0u32..16, span()).prop_map(|(id, ahead)| Step::Arm(id, ahead)),
            1 => (0u32..16).prop_map(Step::Disarm),
            2 => (span(), 1usize..9).prop_map(|(span, visits)| Step::Pass(span, visits)),
            1 => (span(), 0usize..3).prop_map(|(span, visits)| Step::Peek(span, visits)),
        ];
        prop::collection::vec(step, 1..120)
    }

    struct Pair {
        wheel: Wheel,
        /// Id to the time it is armed for.
        model: BTreeMap<u32, u64>,
        now: u64,
    }

    impl Pair {
        fn new(start: u64) -> Self {
            Self {
                wheel: Wheel::with_capacity(16, Instant::from_nanos(start)),
                model: BTreeMap::new(),
                now: start,
            }
        }

        fn due(&self, at: u64) -> bool {
            at.div_ceil(MS) <= self.now / MS
        }

        fn expire_once(&mut self, visits: usize) -> usize {
            let mut fired = Vec::new();
            let visited = self.wheel.expire(Instant::from_nanos(self.now), visits, |id| fired.push(id));
            assert!(visited <= visits);
            for id in fired {
                let at = self.model.remove(&id).expect("only armed timers fire");
                assert!(self.due(at), "timer {id} fired early");
            }
            visited
        }

        fn check(&self) {
            assert_eq!(self.wheel.len(), self.model.len());
            for id in 0..16 {
                assert_eq!(self.wheel.armed_at(id).map(Instant::nanos), self.model.get(&id).copied());
            }
            let first = self.model.values().map(|at| at.div_ceil(MS) * MS).min();
            match (self.wheel.next(), first) {
                (None, None) => {}
                (Some(next), Some(first)) => {
                    assert!(next.nanos() <= first.max(self.now), "next is no lower bound")
                }
                (next, first) => panic!("next is {next:?} where the first timer is {first:?}"),
            }
        }

        fn apply(&mut self, step: &Step) {
            match *step {
                Step::Arm(id, ahead) => {
                    self.wheel.arm(id, Instant::from_nanos(self.now + ahead));
                    self.model.insert(id, self.now + ahead);
                }
                Step::Disarm(id) => {
                    self.wheel.disarm(id);
                    self.model.remove(&id);
                }
                Step::Pass(span, visits) => {
                    self.now += span;
                    while self.expire_once(visits) == visits {}
                    let late = self.model.iter().find(|(_, at)| self.due(**at));
                    assert_eq!(late, None, "a due timer did not fire");
                }
                Step::Peek(span, visits) => {
                    self.now += span;
                    self.expire_once(visits);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn wheel_agrees_with_a_map_of_times(start in span(), steps in steps()) {
            let mut pair = Pair::new(start);
            for step in &steps {
                pair.apply(step);
                pair.check();
            }
        }
    }

    #[test]
    fn following_next_reaches_a_timer_a_year_ahead_in_a_few_steps() {
        let mut wheel = Wheel::with_capacity(1, Instant::ZERO);
        let at = Instant::from_nanos(365 * DAY + 7);
        wheel.arm(0, at);
        let mut steps = 0;
        while let Some(now) = wheel.next() {
            wheel.expire(now, 2, |_| assert!(now >= at));
            steps += 1;
        }
        assert!(steps <= LEVELS + 1, "{steps} steps");
    }

    #[test]
    fn many_timers_of_one_tick_fire_over_several_calls_and_none_twice() {
        let count = 10_000;
        let mut wheel = Wheel::with_capacity(count, Instant::ZERO);
        let at = Instant::from_nanos(5_000 * MS);
        (0..count as u32).for_each(|id| wheel.arm(id, at));
        let mut fired = vec![0u8; count];
        let mut calls = 0;
        while wheel.next().is_some_and(|next| next <= at) {
            wheel.expire(at, 256, |id| fired[id as usize] += 1);
            calls += 1;
        }
        assert!(fired.iter().all(|times| *times == 1));
        assert_eq!(calls, count.div_ceil(256));
    }

    #[test]
    fn timer_put_off_again_and_again_fires_once_at_its_last_time() {
        let mut wheel = Wheel::with_capacity(2, Instant::ZERO);
        for ms in 1..1_000 {
            let now = Instant::from_nanos(ms * MS);
            wheel.arm(1, now + Span::from_millis(100));
            wheel.expire(now, 8, |id| panic!("timer {id} fired at {ms} ms"));
        }
        let mut fired = Vec::new();
        wheel.expire(Instant::from_nanos(1_098 * MS), 8, |id| fired.push(id));
        assert!(fired.is_empty());
        wheel.expire(Instant::from_nanos(1_099 * MS), 8, |id| fired.push(id));
        assert_eq!(fired, [1]);
        assert_eq!(wheel.next(), None);
    }
}

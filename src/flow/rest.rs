//! Tuples at rest: a bounded set of flows that stay known for a fixed span after their session is gone.
//!
//! Serves TIME-WAIT (RFC 9293 3.4.2) and the quarantine of source ports. All entries of one set rest equally long, so
//! a list in order of arrival is a list in order of expiry, and expiry costs nothing but its head. There are two such
//! lists: of flows that must rest to the end, and of those that may be woken when their place is wanted.

use super::{FlowHasher, FlowMap, Slot};
use crate::base::{Instant, Span};
use crate::wire::FlowKey;

const NONE: u32 = u32::MAX;

/// A place in a `Resting` set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rest(u32);

impl Slot for Rest {
    fn to_bits(self) -> u32 {
        self.0
    }

    fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// Light sleepers that are looked at for one that may be woken.
const LIGHT_LOOKS_MAX: usize = 16;

/// How a flow rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Sleep {
    /// To the end of the span.
    Sound,
    /// Until then, or until its place is wanted.
    Light,
}

impl Sleep {
    const ALL: [Self; 2] = [Self::Sound, Self::Light];
}

struct Entry<V> {
    key: FlowKey,
    sleep: Sleep,
    value: V,
    until: Instant,
    previous: u32,
    next: u32,
}

/// Oldest and newest.
#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

/// Flows at rest with a value each. Capacity is fixed at launch; full is an answer.
pub struct Resting<V> {
    hasher: FlowHasher,
    map: FlowMap<Rest>,
    entries: Vec<Entry<V>>,
    capacity: usize,
    span: Span,
    /// By how they rest.
    lists: [List; 2],
    /// The first of the free places (linked by `next`).
    free: u32,
    len: usize,
}

impl<V> Resting<V> {
    /// A set for `capacity` flows that rest for `span` each.
    pub fn new(capacity: usize, span: Span, hasher: FlowHasher) -> Self {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        Self {
            hasher,
            map: FlowMap::new(capacity),
            entries: Vec::with_capacity(capacity),
            capacity,
            span,
            lists: [List { head: NONE, tail: NONE }; 2],
            free: NONE,
            len: 0,
        }
    }

    /// Bytes of one, the table that finds it left out.
    pub const fn bytes_each() -> usize {
        size_of::<Entry<V>>()
    }

    /// Flows at rest.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the next `insert` finds no place.
    pub fn is_full(&self) -> bool {
        self.len == self.capacity
    }

    /// Lays a flow to rest until `now` + span; `None` when there is no room. A flow that rests already starts anew.
    pub fn insert(&mut self, key: FlowKey, value: V, now: Instant) -> Option<Rest> {
        self.insert_as(Sleep::Sound, key, value, now)
    }

    /// The same for one that rests as `sleep` says.
    pub fn insert_as(&mut self, sleep: Sleep, key: FlowKey, value: V, now: Instant) -> Option<Rest> {
        if let Some(old) = self.find(&key) {
            self.remove(old);
        }
        let place = self.take_place()?;
        let hash = self.hasher.hash(&key);
        if !self.map.insert(hash, Rest(place)) {
            // The place was reserved but its tuple's buckets are full: give it back.
            self.give_place(place);
            return None;
        }
        let entry = Entry { key, sleep, value, until: now + self.span, previous: NONE, next: NONE };
        match self.entries.get_mut(place as usize) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        self.append(place);
        self.len += 1;
        Some(Rest(place))
    }

    /// Where a flow rests.
    pub fn find(&self, key: &FlowKey) -> Option<Rest> {
        if self.len == 0 { None } else { self.find_hashed(key, self.hasher.hash(key)) }
    }

    /// The same for a flow whose hash is at hand.
    #[inline]
    pub fn find_hashed(&self, key: &FlowKey, hash: u64) -> Option<Rest> {
        if self.len == 0 {
            return None;
        }
        self.map.find(hash, |rest| self.entries.get(rest.0 as usize).is_some_and(|entry| entry.key == *key))
    }

    /// The value at `rest`, which `find` gave in this same call chain.
    pub fn value_mut(&mut self, rest: Rest) -> &mut V {
        &mut self.entries[rest.0 as usize].value
    }

    /// Whether the flow at `rest` has rested to the end, and only waits to be let go of.
    pub fn is_over(&self, rest: Rest, now: Instant) -> bool {
        self.entries[rest.0 as usize].until <= now
    }

    /// Lets the flow at `rest` begin its span anew.
    pub fn restart(&mut self, rest: Rest, now: Instant) {
        self.unlink(rest.0);
        self.entries[rest.0 as usize].until = now + self.span;
        self.append(rest.0);
    }

    /// Ends the rest of one flow before its time.
    pub fn remove(&mut self, rest: Rest) {
        let hash = self.hasher.hash(&self.entries[rest.0 as usize].key);
        self.map.remove(hash, rest);
        self.unlink(rest.0);
        self.give_place(rest.0);
        self.len -= 1;
    }

    /// Wakes the flows whose span is over, at most `max` of them.
    pub fn expire(&mut self, now: Instant, max: usize) {
        for _ in 0..max {
            let due = |sleep| self.oldest(sleep).filter(|entry| entry.until <= now).map(|_| sleep);
            let Some(sleep) = Sleep::ALL.into_iter().find_map(due) else { return };
            self.evict(sleep);
        }
    }

    /// Wakes the flow that has rested longest, to make room: a light sleeper, where there is one.
    pub fn evict_oldest(&mut self) -> Option<V>
    where
        V: Copy,
    {
        [Sleep::Light, Sleep::Sound].into_iter().find_map(|sleep| self.wake_if(sleep, |_, _| true))
    }

    /// Wakes the flow that has rested longest, if that is over by `now`; its value.
    pub fn wake(&mut self, now: Instant) -> Option<V>
    where
        V: Copy,
    {
        Sleep::ALL.into_iter().find_map(|sleep| self.wake_if(sleep, |_, until| until <= now))
    }

    /// Wakes a light sleeper of whose value `ready` says so: one of the few that have rested longest, so that one which
    /// must rest longer stands in nobody's way.
    pub fn wake_light(&mut self, ready: impl Fn(&V) -> bool) -> Option<V>
    where
        V: Copy,
    {
        let mut place = self.lists[Sleep::Light as usize].head;
        for _ in 0..LIGHT_LOOKS_MAX {
            let entry = self.entries.get(place as usize)?;
            let (value, next) = (entry.value, entry.next);
            if ready(&value) {
                self.remove(Rest(place));
                return Some(value);
            }
            place = next;
        }
        None
    }

    fn wake_if(&mut self, sleep: Sleep, ready: impl FnOnce(&V, Instant) -> bool) -> Option<V>
    where
        V: Copy,
    {
        let value = self.oldest(sleep).filter(|entry| ready(&entry.value, entry.until))?.value;
        self.evict(sleep);
        Some(value)
    }

    fn oldest(&self, sleep: Sleep) -> Option<&Entry<V>> {
        self.entries.get(self.lists[sleep as usize].head as usize)
    }

    fn evict(&mut self, sleep: Sleep) {
        let head = self.lists[sleep as usize].head;
        if head != NONE {
            self.remove(Rest(head));
        }
    }

    fn take_place(&mut self) -> Option<u32> {
        if self.free != NONE {
            let place = self.free;
            self.free = self.entries[place as usize].next;
            return Some(place);
        }
        (self.entries.len() < self.capacity).then_some(self.entries.len() as u32)
    }

    fn give_place(&mut self, place: u32) {
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.next = self.free;
            self.free = place;
        }
    }

    fn append(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        let list = &mut self.lists[entry.sleep as usize];
        (entry.previous, entry.next) = (list.tail, NONE);
        let tail = std::mem::replace(&mut list.tail, place);
        match tail {
            NONE => list.head = place,
            tail => self.entries[tail as usize].next = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let (sleep, previous, next) = {
            let entry = &self.entries[place as usize];
            (entry.sleep, entry.previous, entry.next)
        };
        match previous {
            NONE => self.lists[sleep as usize].head = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[sleep as usize].tail = previous,
            next => self.entries[next as usize].previous = previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use crate::wire::Protocol;
    use proptest::prelude::*;

    fn key(n: u16) -> FlowKey {
        let (src, dst) = (Addr::v4([192, 0, 2, 1]), Addr::v4([198, 18, 0, 10]));
        FlowKey { src, dst, src_port: 80, dst_port: n, protocol: Protocol::Tcp }
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Span::from_secs(secs)
    }

    #[test]
    fn one_that_has_rested_to_the_end_is_over_also_before_it_is_let_go_of() {
        let mut set = Resting::new(8, Span::from_secs(10), FlowHasher::new(&[3; 32]));
        for n in 0..6 {
            let _ = set.insert(key(n), n, at(0));
        }
        set.expire(at(10_000), 4);
        let rest = set.find(&key(5)).expect("four went before it");
        assert_eq!([9, 10].map(|secs| set.is_over(rest, at(secs))), [false, true]);
    }

    proptest! {
        #[test]
        fn a_set_agrees_with_a_naive_list(steps in prop::collection::vec((0u16..12, 0u8..6), 1..200)) {
            let mut set = Resting::new(8, Span::from_secs(10), FlowHasher::new(&[3; 32]));
            let mut model: Vec<(u16, u64)> = Vec::new();
            let mut light: Vec<u16> = Vec::new();
            for (second, (n, verb)) in steps.into_iter().enumerate() {
                let now = second as u64;
                set.expire(at(now), usize::MAX);
                model.retain(|&(_, since)| since + 10 > now);
                match verb {
                    0 | 1 | 4 => {
                        let known = model.iter().any(|&(m, _)| m == n);
                        let room = known || model.len() < 8;
                        let sleep = if verb == 4 { Sleep::Light } else { Sleep::Sound };
                        prop_assert_eq!(set.insert_as(sleep, key(n), n, at(now)).is_some(), room);
                        if room {
                            light.retain(|&m| m != n);
                            light.extend((verb == 4).then_some(n));
                            model.retain(|&(m, _)| m != n);
                            model.push((n, now));
                        }
                    }
                    2 => {
                        if let Some(rest) = set.find(&key(n)) {
                            set.remove(rest);
                        }
                        model.retain(|&(m, _)| m != n);
                    }
                    5 => {
                        let oldest = model.iter().find(|(m, _)| light.contains(m)).map(|&(m, _)| m);
                        prop_assert_eq!(set.wake_light(|_| true), oldest);
                        model.retain(|&(m, _)| Some(m) != oldest);
                    }
                    _ => {}
                }
                prop_assert_eq!(set.len(), model.len());
                for m in 0..12 {
                    let found = set.find(&key(m));
                    prop_assert_eq!(found.is_some(), model.iter().any(|&(k, _)| k == m));
                    if let Some(rest) = found {
                        prop_assert_eq!(*set.value_mut(rest), m);
                    }
                }
            }
        }
    }

    #[test]
    fn a_restarted_flow_outlives_one_that_came_later() {
        let mut set = Resting::new(4, Span::from_secs(60), FlowHasher::new(&[3; 32]));
        let first = set.insert(key(1), (), at(0)).expect("room");
        set.insert(key(2), (), at(1)).expect("room");
        set.restart(first, at(30));
        set.expire(at(61), 10);
        assert!(set.find(&key(1)).is_some() && set.find(&key(2)).is_none());
        set.expire(at(90), 10);
        assert!(set.is_empty());
    }
}

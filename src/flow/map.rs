//! The flow table: two-choice buckets of eight, one cache line each, tags inside; keys live in the legs they lead to.
//!
//! ```text
//!  hash:  63 ... 48 | 47 ... 24       | 23 ... 0
//!            tag    | second bucket   | first bucket
//!
//!  bucket (64 B):  [ tag x 8 | slot x 8 ]        tag 0: free
//! ```
//! A lookup reads at most two lines and compares at most sixteen tags; a tag that fits is settled by asking its owner
//! for the key, which the caller needs next anyway. Insertion takes the emptier of the two buckets and never moves an
//! entry; when both are full it refuses. Cost: about 30 instructions a hit, the same at every size.

use dpdk_sys::cpu;

/// Entries of a bucket.
const WAYS: usize = 8;
/// The bit of the second bucket's first way, where the ways of both are bits.
const SECOND: u32 = 1 << WAYS;
/// Buckets that 24 bits of hash can name.
const BUCKETS_MAX: usize = 1 << 24;

/// What a table entry leads to, in 32 bits.
pub trait Slot: Copy + PartialEq {
    /// As bits.
    fn to_bits(self) -> u32;
    /// Back from bits.
    fn from_bits(bits: u32) -> Self;
}

#[derive(Clone)]
#[repr(align(64))]
struct Bucket {
    /// Four tags a word, way 0 lowest.
    tags: [u64; WAYS / 4],
    slots: [u32; WAYS],
}

impl Bucket {
    const EMPTY: Self = Self { tags: [0; WAYS / 4], slots: [0; WAYS] };

    fn set_tag(&mut self, way: usize, tag: u16) {
        let shift = way % 4 * 16;
        let word = &mut self.tags[way / 4];
        *word = *word & !(0xffff << shift) | u64::from(tag) << shift;
    }
}

/// A bounded table from hashes to slots; see the file's header. Never grows.
pub struct FlowMap<S> {
    buckets: Box<[Bucket]>,
    len: usize,
    kind: std::marker::PhantomData<S>,
}

impl<S: Slot> FlowMap<S> {
    /// A table that holds `entries_max` entries at a load of at most one half, where two choices practically never
    /// refuse (and refuse by name when someone makes them).
    pub fn new(entries_max: usize) -> Self {
        let buckets = (entries_max.max(WAYS) * 2 / WAYS).next_power_of_two().min(BUCKETS_MAX);
        Self {
            buckets: vec![Bucket::EMPTY; buckets].into_boxed_slice(),
            len: 0,
            kind: std::marker::PhantomData,
        }
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Asks the cache for the two buckets of `hash`.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let [first, second] = self.places(hash);
        cpu::prefetch(&self.buckets[first]);
        cpu::prefetch(&self.buckets[second]);
    }

    /// The slot under `hash` that `is_it` confirms.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(S) -> bool) -> Option<S> {
        let mut ways = self.ways(hash, tag_of(hash));
        while ways != 0 {
            let (place, way) = self.place_of(hash, ways);
            let slot = S::from_bits(self.buckets[place].slots[way]);
            if is_it(slot) {
                return Some(slot);
            }
            ways &= ways - 1;
        }
        None
    }

    /// The first slot whose tag fits `hash`: the one in nearly all cases, which its owner's key tells. Nothing but the two
    /// buckets is read.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Option<S> {
        let ways = self.ways(hash, tag_of(hash));
        if ways == 0 {
            return None;
        }
        let (place, way) = self.place_of(hash, ways);
        Some(S::from_bits(self.buckets[place].slots[way]))
    }

    /// Adds an entry; `false`, and nothing changed, when both buckets are full. The caller knows it is not in yet.
    pub fn insert(&mut self, hash: u64, slot: S) -> bool {
        let free = self.ways(hash, 0);
        let (first, second) = (free & (SECOND - 1), free & !(SECOND - 1));
        let ways = if second.count_ones() > first.count_ones() { second } else { first };
        if ways == 0 {
            return false;
        }
        let (place, way) = self.place_of(hash, ways);
        let bucket = &mut self.buckets[place];
        bucket.set_tag(way, tag_of(hash));
        bucket.slots[way] = slot.to_bits();
        self.len += 1;
        true
    }

    /// Takes the entry of `slot` under `hash` out; `false` when it was not in.
    pub fn remove(&mut self, hash: u64, slot: S) -> bool {
        let entry = self.entry(hash, slot);
        if let Some((place, way)) = entry {
            self.buckets[place].set_tag(way, 0);
            self.len -= 1;
        }
        entry.is_some()
    }

    /// Lets the entry of `old` under `hash` lead to `new`; `false` when it is not in.
    pub fn replace(&mut self, hash: u64, old: S, new: S) -> bool {
        let entry = self.entry(hash, old);
        if let Some((place, way)) = entry {
            self.buckets[place].slots[way] = new.to_bits();
        }
        entry.is_some()
    }

    /// Where the entry of `slot` under `hash` is.
    fn entry(&self, hash: u64, slot: S) -> Option<(usize, usize)> {
        let mut ways = self.ways(hash, tag_of(hash));
        while ways != 0 {
            let (place, way) = self.place_of(hash, ways);
            if self.buckets[place].slots[way] == slot.to_bits() {
                return Some((place, way));
            }
            ways &= ways - 1;
        }
        None
    }

    /// The ways of both buckets of `hash` that hold `tag`, a bit each, the second bucket's from `SECOND` on. Which of the two
    /// an entry is in nobody can foresee: a branch a bucket would be guessed wrong every other time.
    #[inline(always)]
    fn ways(&self, hash: u64, tag: u16) -> u32 {
        let [first, second] = self.places(hash).map(|place| self.buckets[place].tags);
        cpu::equal_lanes(first, second, tag)
    }

    /// The bucket, and the way in it, of the lowest of `ways`.
    #[inline(always)]
    fn place_of(&self, hash: u64, ways: u32) -> (usize, usize) {
        let [first, second] = self.places(hash);
        let way = ways.trailing_zeros() as usize;
        (if way < WAYS { first } else { second }, way % WAYS)
    }

    #[inline]
    fn places(&self, hash: u64) -> [usize; 2] {
        let mask = self.buckets.len() - 1;
        [hash as usize & mask, (hash >> 24) as usize & mask]
    }
}

#[inline]
fn tag_of(hash: u64) -> u16 {
    ((hash >> 48) as u16).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{LegRef, Side};
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn leg(n: u32) -> LegRef {
        LegRef::new(n, Side::Client)
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_naive_map(steps in prop::collection::vec((0u64..48, 0u8..3), 1..400)) {
            // Few hashes, so that entries share tags and buckets; the slot is the key here.
            let mut table = FlowMap::new(64);
            let mut model: HashMap<u32, u64> = HashMap::new();
            for (n, verb) in steps {
                let (slot, hash) = (leg(n as u32), (n % 7).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                match verb {
                    0 if !model.contains_key(&(n as u32)) && table.insert(hash, slot) => {
                        model.insert(n as u32, hash);
                    }
                    1 => prop_assert_eq!(table.remove(hash, slot), model.remove(&(n as u32)).is_some()),
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.find(hash, |it| it == slot).is_some(), model.contains_key(&(n as u32)));
            }
        }
    }

    #[test]
    fn a_table_filled_to_its_promise_refuses_nothing_with_spread_hashes() {
        let mut table = FlowMap::new(20_000);
        let mut hash = 1u64;
        for n in 0..20_000 {
            hash = hash.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            assert!(table.insert(hash ^ hash >> 29, leg(n)), "entry {n} was refused");
        }
        assert_eq!(table.len(), 20_000);
    }

    #[test]
    fn colliding_tuples_end_in_a_refusal_and_not_in_a_long_search() {
        let mut table = FlowMap::new(1024);
        let taken = (0..100).filter(|&n| table.insert(0x1234_0000_5600_0078, leg(n))).count();
        assert_eq!(taken, 2 * WAYS);
        assert!(table.find(0x1234_0000_5600_0078, |it| it == leg(99)).is_none());
    }

    #[test]
    fn a_bucket_is_one_cache_line() {
        assert_eq!(size_of::<Bucket>(), 64);
    }
}

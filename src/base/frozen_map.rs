//! A hash map that is built once and then only read: for tables inside snapshots.
//!
//! ```text
//!  starts:  | 0 | 2 | 2 | 3 | ...         one u32 a bucket, as many buckets as entries (rounded up to 2^n)
//!             |       |
//!  entries: | e0  e1 | e2 | e3 ...        dense, in bucket order: no holes, no links
//! ```
//!
//! A look-up reads one pair of starts and scans one short run. The hash is keyed by a secret, and a build whose
//! longest run exceeds `RUN_ENTRIES_MAX` is done again under another key, so the cost of any look-up is bounded
//! whatever a stranger sends. Memory: 12 bytes an IPv4 entry, 24 an IPv6 entry, and 4 to 8 for its share of starts.

use dpdk_sys::cpu;
use std::marker::PhantomData;

/// The longest run that a look-up may have to scan.
pub const RUN_ENTRIES_MAX: u32 = 24;
/// Keys tried before a build is given up.
const TRIES_MAX: u64 = 8;

/// The key of a `FrozenMap`: what it hashes to, and how it is stored beside a value.
pub trait FrozenKey: Copy {
    /// Key and value, packed.
    type Entry: Copy;
    /// The keyed hash; its high bits choose the bucket.
    fn hash(self, secret: [u64; 2]) -> u64;
    /// Packs.
    fn entry(self, value: u32) -> Self::Entry;
    /// Whether `entry` holds this key.
    fn is_in(self, entry: &Self::Entry) -> bool;
    /// The key of `entry`.
    fn of(entry: &Self::Entry) -> Self;
    /// The value of `entry`.
    fn value(entry: &Self::Entry) -> u32;
}

/// A 32-bit address part and a tag: 12 bytes with its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NarrowKey {
    /// Address bits.
    pub bits: u32,
    /// What the bits belong to.
    pub tag: u32,
}

/// A 128-bit address part and a tag: 24 bytes with its value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WideKey {
    /// Address bits.
    pub bits: u128,
    /// What the bits belong to.
    pub tag: u32,
}

/// A `WideKey` and its value.
#[derive(Clone, Copy, Debug)]
pub struct WideEntry {
    high: u64,
    low: u64,
    tag: u32,
    value: u32,
}

impl WideEntry {
    /// Its key in words that hash and compare.
    pub const fn key_words(&self) -> (u64, u64, u32) {
        (self.high, self.low, self.tag)
    }
}

impl FrozenKey for NarrowKey {
    type Entry = [u32; 3];

    #[inline]
    fn hash(self, secret: [u64; 2]) -> u64 {
        let folded = fold((u64::from(self.tag) << 32 | u64::from(self.bits)) ^ secret[0], ODD);
        fold(folded ^ secret[1], ODD)
    }

    #[inline]
    fn entry(self, value: u32) -> [u32; 3] {
        [self.bits, self.tag, value]
    }

    #[inline]
    fn is_in(self, entry: &[u32; 3]) -> bool {
        entry[0] == self.bits && entry[1] == self.tag
    }

    #[inline]
    fn of(entry: &[u32; 3]) -> Self {
        Self { bits: entry[0], tag: entry[1] }
    }

    #[inline]
    fn value(entry: &[u32; 3]) -> u32 {
        entry[2]
    }
}

impl FrozenKey for WideKey {
    type Entry = WideEntry;

    #[inline]
    fn hash(self, secret: [u64; 2]) -> u64 {
        let low = fold(self.bits as u64 ^ secret[0], ODD);
        let high = fold((self.bits >> 64) as u64 ^ low, secret[1] | 1);
        fold(high ^ u64::from(self.tag), ODD)
    }

    #[inline]
    fn entry(self, value: u32) -> WideEntry {
        WideEntry { high: (self.bits >> 64) as u64, low: self.bits as u64, tag: self.tag, value }
    }

    #[inline]
    fn is_in(self, entry: &WideEntry) -> bool {
        entry.low == self.bits as u64 && entry.high == (self.bits >> 64) as u64 && entry.tag == self.tag
    }

    #[inline]
    fn of(entry: &WideEntry) -> Self {
        Self { bits: u128::from(entry.high) << 64 | u128::from(entry.low), tag: entry.tag }
    }

    #[inline]
    fn value(entry: &WideEntry) -> u32 {
        entry.value
    }
}

/// An odd constant with its bits well mixed (2^64 divided by the golden ratio).
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The folded multiply of wyhash: both halves of a 128-bit product.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// No key gave short runs: the entries repeat one key too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowded;

/// The map itself. Of two entries with one key the one that was pushed first is found.
#[derive(Debug)]
pub struct FrozenMap<K: FrozenKey> {
    secret: [u64; 2],
    shift: u32,
    starts: Box<[u32]>,
    entries: Box<[K::Entry]>,
    key: PhantomData<K>,
}

impl<K: FrozenKey> FrozenMap<K> {
    /// Builds from `entries`; `secret` is the boot's.
    ///
    /// # Errors
    /// `Crowded` when one key repeats more than `RUN_ENTRIES_MAX` times.
    pub fn build(entries: &[K::Entry], secret: [u64; 2]) -> Result<Self, Crowded> {
        assert!(entries.len() < u32::MAX as usize, "a frozen map counts its entries in 32 bits");
        (0..TRIES_MAX)
            .find_map(|round| {
                Self::lay_out(entries, [secret[0].wrapping_add(round), secret[1].wrapping_add(round << 32)])
            })
            .ok_or(Crowded)
    }

    /// One attempt: counts each bucket, turns counts into starts, then puts every entry at its place.
    fn lay_out(entries: &[K::Entry], secret: [u64; 2]) -> Option<Self> {
        let buckets = entries.len().next_power_of_two().max(2);
        let shift = 64 - buckets.trailing_zeros();
        let bucket = |entry: &K::Entry| (K::of(entry).hash(secret) >> shift) as usize;
        let mut starts = vec![0_u32; buckets + 1];
        for entry in entries {
            starts[bucket(entry) + 1] += 1;
        }
        if starts.iter().any(|&count| count > RUN_ENTRIES_MAX) {
            return None;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        // Filling backwards moves each bucket's end down to its start and keeps the order of pushing.
        let mut placed = entries.to_vec();
        for entry in entries.iter().rev() {
            let end = &mut starts[bucket(entry) + 1];
            *end -= 1;
            placed[*end as usize] = *entry;
        }
        starts.remove(0);
        starts.push(entries.len() as u32);
        let (starts, entries) = (starts.into_boxed_slice(), placed.into_boxed_slice());
        Some(Self { secret, shift, starts, entries, key: PhantomData })
    }

    /// The value of `key`.
    #[inline]
    pub fn find(&self, key: K) -> Option<u32> {
        let bucket = self.bucket(key);
        let &[start, end] = self.starts.get(bucket..bucket + 2)?.first_chunk()?;
        self.entries.get(start as usize..end as usize)?.iter().find(|entry| key.is_in(entry)).map(K::value)
    }

    /// Asks the cache for where `key` is looked up first.
    #[inline]
    pub fn prefetch(&self, key: K) {
        self.starts.get(self.bucket(key)).into_iter().for_each(cpu::prefetch);
    }

    /// Asks the cache for the entries among which `key` is looked up.
    #[inline]
    pub fn prefetch_entries(&self, key: K) {
        let start = self.starts.get(self.bucket(key)).copied().unwrap_or(0);
        self.entries.get(start as usize).into_iter().for_each(cpu::prefetch);
    }

    #[inline]
    fn bucket(&self, key: K) -> usize {
        (key.hash(self.secret) >> self.shift) as usize
    }

    /// All entries, in no order that means anything.
    pub fn entries(&self) -> &[K::Entry] {
        &self.entries
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that it takes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

    #[test]
    fn every_entry_is_found_and_no_other() {
        for count in [0_u32, 1, 2, 3, 1000, 40_000] {
            let narrow: Vec<_> = (0..count).map(|i| NarrowKey { bits: i * 3, tag: i % 7 }.entry(i)).collect();
            let map = FrozenMap::<NarrowKey>::build(&narrow, SECRET).expect("no key repeats");
            let wide: Vec<_> =
                (0..count).map(|i| WideKey { bits: u128::from(i) << 64, tag: i % 7 }.entry(i)).collect();
            let wide_map = FrozenMap::<WideKey>::build(&wide, SECRET).expect("no key repeats");
            assert_eq!((map.len(), wide_map.len()), (count as usize, count as usize));
            for i in 0..count {
                assert_eq!(map.find(NarrowKey { bits: i * 3, tag: i % 7 }), Some(i));
                assert_eq!(map.find(NarrowKey { bits: i * 3 + 1, tag: i % 7 }), None);
                assert_eq!(map.find(NarrowKey { bits: i * 3, tag: 7 }), None);
                assert_eq!(wide_map.find(WideKey { bits: u128::from(i) << 64, tag: i % 7 }), Some(i));
                assert_eq!(wide_map.find(WideKey { bits: u128::from(i), tag: 8 }), None);
            }
        }
    }

    #[test]
    fn of_equal_keys_the_first_is_found_and_too_many_are_refused() {
        let key = NarrowKey { bits: 1, tag: 1 };
        let few: Vec<_> = (0..RUN_ENTRIES_MAX).map(|value| key.entry(value)).collect();
        assert_eq!(FrozenMap::<NarrowKey>::build(&few, SECRET).expect("still short").find(key), Some(0));
        let many: Vec<_> = (0..=RUN_ENTRIES_MAX).map(|value| key.entry(value)).collect();
        assert_eq!(FrozenMap::<NarrowKey>::build(&many, SECRET).err(), Some(Crowded));
    }
}

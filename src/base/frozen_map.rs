//! A hash map that is built once and then only read: for tables inside snapshots.
//!
//! ```text
//!  hash * homes >> 64:  home block
//!                          |
//!  blocks:  | e e e . . 3 | e e e e e 5+ | e . . . . 1 | ...      five entries a block, how many there are, and
//!                            full: what found no room `----^      whether the look-up goes on in the next one
//! ```
//!
//! A block is a cache line of IPv4 entries, or two that CPUs fetch together of IPv6 ones; at three entries to a home nine look-ups of
//! ten end in their home. The hash is keyed by a secret, and a build in which an entry comes to lie further from its home than
//! `SCAN_BLOCKS_MAX` lets a look-up go is done again under another key, so the cost of any look-up is bounded whatever a stranger sends. Memory: 21 bytes an
//! IPv4 entry, 43 an IPv6 entry. (A dense array of entries behind one of 32-bit starts takes 17 and 29, and waits for memory
//! twice: a million addresses in random order, asked ahead in bursts, took 59 ns a look-up and its count, and take 40.)

use dpdk_sys::cpu;
use std::marker::PhantomData;

/// Entries of a block.
const WAYS: usize = 5;
/// Entries to a home, on average.
const HOME_ENTRIES: usize = 3;
/// Blocks that a look-up may have to read.
const SCAN_BLOCKS_MAX: usize = 5;
/// How often one key may be in a map.
pub const REPEATS_MAX: usize = WAYS * SCAN_BLOCKS_MAX;
/// Keys tried before a build is given up.
const TRIES_MAX: u64 = 8;

/// The key of a `FrozenMap`: what it hashes to, and how it is stored beside a value.
pub trait FrozenKey: Copy {
    /// Key and value, packed.
    type Entry: Copy;
    /// An entry for places that hold none.
    const VACANT: Self::Entry;
    /// The keyed hash; its high bits choose the home.
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
    const VACANT: [u32; 3] = [0; 3];

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
    const VACANT: WideEntry = WideEntry { high: 0, low: 0, tag: 0, value: 0 };

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

/// No key let every entry lie near its home: the entries repeat one key too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowded;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Block<E> {
    entries: [E; WAYS],
    /// How many of them there are, from the front.
    count: u16,
    /// Whether the next block holds some that are at home here or before.
    goes_on: bool,
}

/// The map itself. Of two entries with one key the one that was pushed first is found.
#[derive(Debug)]
pub struct FrozenMap<K: FrozenKey> {
    secret: [u64; 2],
    homes: u64,
    /// A block a home, and those behind that the last ones may need.
    blocks: Box<[Block<K::Entry>]>,
    len: usize,
    key: PhantomData<K>,
}

impl<K: FrozenKey> FrozenMap<K> {
    /// Builds from `entries`; `secret` is the boot's.
    ///
    /// # Errors
    /// `Crowded` when one key repeats more than `REPEATS_MAX` times.
    pub fn build(entries: &[K::Entry], secret: [u64; 2]) -> Result<Self, Crowded> {
        assert!(entries.len() < u32::MAX as usize, "a frozen map counts its entries in 32 bits");
        (0..TRIES_MAX)
            .find_map(|round| {
                Self::lay_out(entries, [secret[0].wrapping_add(round), secret[1].wrapping_add(round << 32)])
            })
            .ok_or(Crowded)
    }

    /// One attempt: sorts the entries by their homes, then fills block after block; what finds no room goes to the next.
    fn lay_out(entries: &[K::Entry], secret: [u64; 2]) -> Option<Self> {
        let homes = entries.len().div_ceil(HOME_ENTRIES).max(1);
        let home = |entry: &K::Entry| home(K::of(entry).hash(secret), homes as u64);
        let mut starts = vec![0_u32; homes + 1];
        for entry in entries {
            starts[home(entry) + 1] += 1;
        }
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        // Filling backwards moves each home's end down to its start and keeps the order of pushing.
        let mut sorted = vec![0_u32; entries.len()];
        for (at, entry) in entries.iter().enumerate().rev() {
            let end = &mut starts[home(entry) + 1];
            *end -= 1;
            sorted[*end as usize] = at as u32;
        }
        starts.remove(0);
        let empty = Block { entries: [K::VACANT; WAYS], count: 0, goes_on: false };
        let mut blocks = vec![empty; homes + SCAN_BLOCKS_MAX - 1].into_boxed_slice();
        let mut placed = 0;
        for (at, block) in blocks.iter_mut().enumerate() {
            // All that are at home here or before.
            let due = starts.get(at + 1).map_or(entries.len(), |end| *end as usize);
            let count = (due - placed).min(WAYS);
            let first = sorted.get(placed).filter(|_| count != 0);
            if first.is_some_and(|from| at - home(&entries[*from as usize]) >= SCAN_BLOCKS_MAX) {
                return None;
            }
            for (place, from) in block.entries.iter_mut().zip(&sorted[placed..placed + count]) {
                *place = entries[*from as usize];
            }
            placed += count;
            (block.count, block.goes_on) = (count as u16, placed < due);
        }
        let map = Self { secret, homes: homes as u64, blocks, len: entries.len(), key: PhantomData };
        (placed == entries.len()).then_some(map)
    }

    /// The value of `key`.
    #[inline]
    pub fn find(&self, key: K) -> Option<u32> {
        for block in self.blocks.get(self.home(key)..)?.iter().take(SCAN_BLOCKS_MAX) {
            let mut entries = block.entries.iter().take(usize::from(block.count));
            if let Some(entry) = entries.find(|entry| key.is_in(entry)) {
                return Some(K::value(entry));
            }
            if !block.goes_on {
                break;
            }
        }
        None
    }

    /// Asks the cache for where `key` is looked up.
    #[inline]
    pub fn prefetch(&self, key: K) {
        self.blocks.get(self.home(key)).into_iter().for_each(cpu::prefetch);
    }

    #[inline]
    fn home(&self, key: K) -> usize {
        home(key.hash(self.secret), self.homes)
    }

    /// All entries, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = &K::Entry> {
        self.blocks.iter().flat_map(|block| &block.entries[..usize::from(block.count)])
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that it takes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.blocks)
    }
}

/// Where an entry of this hash is at home among so many.
#[inline(always)]
const fn home(hash: u64, homes: u64) -> usize {
    ((hash as u128 * homes as u128) >> 64) as usize
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
        let few: Vec<_> = (0..REPEATS_MAX as u32).map(|value| key.entry(value)).collect();
        assert_eq!(FrozenMap::<NarrowKey>::build(&few, SECRET).expect("still few").find(key), Some(0));
        let many: Vec<_> = (0..=REPEATS_MAX as u32).map(|value| key.entry(value)).collect();
        assert_eq!(FrozenMap::<NarrowKey>::build(&many, SECRET).err(), Some(Crowded));
    }

    #[test]
    fn what_finds_no_room_at_home_is_found_behind_it_in_the_order_of_pushing() {
        // Each key four times, so that homes have none, four, eight or more that want five places.
        let repeated = |i: u32| NarrowKey { bits: i / 4, tag: 9 };
        let entries: Vec<_> = (0..4_000).map(|i| repeated(i).entry(i)).collect();
        let map = FrozenMap::<NarrowKey>::build(&entries, SECRET).expect("some secret lets them lie near");
        assert!((0..1_000).all(|i| map.find(repeated(4 * i)) == Some(4 * i)), "the first of each");
        let mut values: Vec<_> = map.entries().map(NarrowKey::value).collect();
        values.sort_unstable();
        assert!(values.into_iter().eq(0..4_000), "each once");
    }

    #[test]
    fn a_block_is_a_line_or_two() {
        assert_eq!((size_of::<Block<[u32; 3]>>(), size_of::<Block<WideEntry>>()), (64, 128));
    }
}

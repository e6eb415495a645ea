//! A sorted map whose copies share what neither of them changed: for state of which every change makes a new version.
//!
//! ```text
//!  chunks: | o | o | o | ...        one Arc: a copy of the map costs one count
//!            |   |   `--> [(key, value) ..]     sorted; up to CHUNK_MAX entries behind an Arc each
//!            |   `------> [(key, value) ..]
//!            `----------> [(key, value) ..]
//! ```
//!
//! A change of a shared map copies the list of chunks and one chunk: some microseconds at a hundred thousand entries, where
//! a copy of it all takes milliseconds. Control side only: nothing here is asked on the road of packets.

use std::sync::Arc;

/// Entries of a chunk; one that grows beyond is cut in two.
const CHUNK_MAX: usize = 256;
/// Two neighbours that have no more than this together become one.
const CHUNK_JOINED_MAX: usize = CHUNK_MAX / 2;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

#[cfg(test)]
std::thread_local! {
    /// Entries that this thread was given: for tests that bound how much work a caller makes of its maps.
    pub static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts an entry that is given out.
#[cfg(test)]
fn look() {
    LOOKS.set(LOOKS.get() + 1);
}

/// Counting is for tests alone.
#[cfg(not(test))]
const fn look() {}

/// The map.
#[derive(Debug)]
pub struct SharedMap<K, V> {
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Of entries that are sorted by their keys, none twice.
    pub fn from_sorted(entries: Vec<(K, V)>) -> Self {
        debug_assert!(entries.is_sorted_by(|one, two| one.0 < two.0), "sorted, and no key twice");
        let len = entries.len();
        let mut chunks = Vec::with_capacity(len.div_ceil(CHUNK_MAX / 2));
        let mut rest = entries.into_iter();
        loop {
            // Half full, so that the next entries find room.
            let chunk: Vec<(K, V)> = rest.by_ref().take(CHUNK_MAX / 2).collect();
            if chunk.is_empty() {
                return Self { chunks: Arc::new(chunks), len };
            }
            chunks.push(Arc::new(chunk));
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        look();
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let place = chunk.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        Some(&chunk[place].1)
    }

    /// Puts a value in; the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(at).map(Arc::make_mut) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        match chunk.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(place) => return Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => chunk.insert(place, (key, value)),
        }
        self.len += 1;
        if chunk.len() > CHUNK_MAX {
            let behind = chunk.split_off(CHUNK_MAX / 2);
            chunks.insert(at + 1, Arc::new(behind));
        }
        None
    }

    /// Takes a value away.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.chunk_of(key);
        let place = self.chunks.get(at)?.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let (_, value) = Arc::make_mut(&mut chunks[at]).remove(place);
        self.len -= 1;
        join(chunks, at);
        Some(value)
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(|(key, value)| (key, value)).inspect(|_| look())
    }

    /// All entries from `key` on.
    pub fn iter_from<'a>(&'a self, key: &K) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
        let at = self.chunk_of(key);
        let (first, rest) = match self.chunks.get(at..) {
            Some([first, rest @ ..]) => {
                let place = first.partition_point(|entry| entry.0 < *key);
                (&first[place..], rest)
            }
            Some([]) | None => (&[][..], &[][..]),
        };
        let rest = rest.iter().flat_map(|chunk| chunk.iter());
        first.iter().chain(rest).map(|(key, value)| (key, value)).inspect(|_| look())
    }

    /// The last entry before `key`.
    pub fn before(&self, key: &K) -> Option<(&K, &V)> {
        let behind = self.chunks.partition_point(|chunk| chunk.first().is_some_and(|entry| entry.0 < *key));
        let chunk = self.chunks.get(behind.checked_sub(1)?)?;
        let place = chunk.partition_point(|entry| entry.0 < *key);
        chunk[..place].last().map(|(key, value)| (key, value))
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunk that holds `key` or would: the last one that does not begin behind it.
    fn chunk_of(&self, key: &K) -> usize {
        self.chunks
            .partition_point(|chunk| chunk.first().is_some_and(|entry| entry.0 <= *key))
            .saturating_sub(1)
    }
}

/// Drops the chunk at `at` where it is empty, and joins it with the next one where both are small.
fn join<K: Clone, V: Clone>(chunks: &mut Vec<Chunk<K, V>>, at: usize) {
    if chunks[at].is_empty() {
        chunks.remove(at);
        return;
    }
    let fits = chunks.get(at + 1).is_some_and(|next| chunks[at].len() + next.len() <= CHUNK_JOINED_MAX);
    if fits {
        let next = chunks.remove(at + 1);
        Arc::make_mut(&mut chunks[at]).extend(next.iter().cloned());
    }
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use std::collections::BTreeMap;

    fn hold(map: &SharedMap<u32, u32>, naive: &BTreeMap<u32, u32>) {
        assert_eq!((map.len(), map.is_empty()), (naive.len(), naive.is_empty()));
        assert!(map.iter().eq(naive.iter()));
        assert!(map.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK_MAX));
    }

    #[test]
    fn whatever_is_done_it_answers_as_a_tree_does_and_copies_stay_as_they_were() {
        let mut rng = Rng::new(11);
        for reach in [50, 4_000] {
            let (mut map, mut naive) = (SharedMap::default(), BTreeMap::new());
            let mut kept = Vec::new();
            for step in 0..20_000_u32 {
                let key = rng.below(reach) as u32;
                // More come at first, more go at the end.
                if rng.below(20_000) as u32 >= step / 2 + 4_000 {
                    assert_eq!(map.insert(key, step), naive.insert(key, step), "{key}");
                } else {
                    assert_eq!(map.remove(&key), naive.remove(&key), "{key}");
                }
                let asked = rng.below(reach) as u32;
                assert_eq!(map.get(&asked), naive.get(&asked));
                assert_eq!(map.before(&asked), naive.range(..asked).next_back());
                assert!(map.iter_from(&asked).take(5).eq(naive.range(asked..).take(5)));
                if step % 2_000 == 0 {
                    kept.push((map.clone(), naive.clone()));
                    hold(&map, &naive);
                }
            }
            kept.iter().for_each(|(map, naive)| hold(map, naive));
        }
    }

    #[test]
    fn a_map_of_sorted_entries_has_them_all_and_shares_chunks_with_its_edited_copy() {
        let map = SharedMap::from_sorted((0..100_000_u32).map(|key| (key * 2, key)).collect());
        let mut edited = map.clone();
        assert_eq!((edited.insert(70_001, 7), edited.remove(&500)), (None, Some(250)));
        assert_eq!((map.get(&70_001), map.get(&500), map.len()), (None, Some(&250), 100_000));
        let shared = edited.chunks.iter().filter(|chunk| Arc::strong_count(chunk) == 2).count();
        assert_eq!(shared + 2, edited.chunks.len());
        assert!(SharedMap::<u32, u32>::from_sorted(Vec::new()).iter_from(&3).next().is_none());
    }
}

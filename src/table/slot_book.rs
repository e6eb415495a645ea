//! Who has which slot: places in counters that stay the same over reloads.
//!
//! ```text
//!            claim                    commit without a claim              release
//!  (nobody) -------> live ----------------------------------> retired --------------> (nobody)
//!                     ^                                          |
//!                     `------------------ claim -----------------'
//! ```
//!
//! A retired slot is not handed out again until its holder is released: a worker may still hold sessions of it.
//! Control side only; grows up to its capacity.

use std::collections::HashMap;
use std::hash::Hash;

/// No slot is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookFull {
    /// How many slots there are.
    pub capacity: u32,
}

/// How a key stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It holds a slot and is in force.
    Live,
    /// It holds a slot and is in force no more.
    Retired,
    /// It holds none.
    Nobody,
}

/// Slots by key.
#[derive(Clone, Debug)]
pub struct SlotBook<K> {
    holders: HashMap<K, Holding>,
    free: Vec<u32>,
    next: u32,
    capacity: u32,
    committed: u32,
    current: u32,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    slot: u32,
    /// The reload that claimed it last.
    claimed: u32,
    /// The one before that; `None`: it held no slot then.
    before: Option<u32>,
}

impl<K: Eq + Hash + Clone> SlotBook<K> {
    /// A book of `capacity` slots, numbered from 0.
    pub fn new(capacity: u32) -> Self {
        Self { holders: HashMap::new(), free: Vec::new(), next: 0, capacity, committed: 0, current: 0 }
    }

    /// Opens a reload: whoever is to live on must be claimed before `commit`. One that was never committed is given up.
    pub fn begin(&mut self) {
        self.abandon();
        self.current += 1;
    }

    /// Gives the reload up that was opened, where it is not committed: nobody stands otherwise than before it. Slots that it handed
    /// out were in nothing that was published.
    pub fn abandon(&mut self) {
        if self.current == self.committed {
            return;
        }
        let (committed, free) = (self.committed, &mut self.free);
        self.holders.retain(|_, holding| match (holding.claimed > committed, holding.before) {
            (false, _) => true,
            (true, Some(before)) => {
                holding.claimed = before;
                true
            }
            (true, None) => {
                free.push(holding.slot);
                false
            }
        });
        self.current = committed;
    }

    /// The slot of `key`: its old one, or a fresh one.
    ///
    /// # Errors
    /// `BookFull` when all slots are held; retired holders count.
    pub fn claim(&mut self, key: K) -> Result<u32, BookFull> {
        let claimed = self.current;
        if let Some(holding) = self.holders.get_mut(&key) {
            if holding.claimed <= self.committed {
                holding.before = Some(holding.claimed);
            }
            holding.claimed = claimed;
            return Ok(holding.slot);
        }
        let slot = self.fresh()?;
        self.holders.insert(key, Holding { slot, claimed, before: None });
        Ok(slot)
    }

    fn fresh(&mut self) -> Result<u32, BookFull> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        if self.next == self.capacity {
            return Err(BookFull { capacity: self.capacity });
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// The slot of `key` outside a reload: it lives from now on, until a reload does not claim it.
    ///
    /// # Errors
    /// `BookFull`, as for `claim`.
    pub fn claim_live(&mut self, key: K) -> Result<u32, BookFull> {
        let slot = self.claim(key.clone())?;
        // As the last reload that was committed would have; one that was given up does not matter.
        if let Some(holding) = self.holders.get_mut(&key) {
            holding.claimed = self.committed;
        }
        Ok(slot)
    }

    /// How `key` stands.
    pub fn standing(&self, key: &K) -> Standing {
        match self.holders.get(key) {
            Some(holding) if holding.claimed < self.committed => Standing::Retired,
            Some(_) => Standing::Live,
            None => Standing::Nobody,
        }
    }

    /// Retires `key` outside a reload.
    pub fn retire(&mut self, key: &K) {
        if let Some(holding) = self.holders.get_mut(key) {
            holding.claimed = self.committed.saturating_sub(1);
        }
    }

    /// Closes a reload: whoever was not claimed is retired.
    pub fn commit(&mut self) {
        self.committed = self.current;
    }

    /// Who is retired, with the slot it holds; no order.
    pub fn retired(&self) -> impl Iterator<Item = (&K, u32)> {
        let committed = self.committed;
        let retired = self.holders.iter().filter(move |(_, holding)| holding.claimed < committed);
        retired.map(|(key, holding)| (key, holding.slot))
    }

    /// Frees the slot of a retired holder: nobody refers to it any more. `false` when `key` is not retired.
    pub fn release(&mut self, key: &K) -> bool {
        let retired = self.holders.get(key).is_some_and(|holding| holding.claimed < self.committed);
        if retired && let Some(holding) = self.holders.remove(key) {
            self.free.push(holding.slot);
        }
        retired
    }

    /// Frees the slots of all retired holders that `gone` names.
    pub fn release_where(&mut self, mut gone: impl FnMut(&K, u32) -> bool) {
        let (committed, free) = (self.committed, &mut self.free);
        self.holders.retain(|key, holding| {
            let keep = holding.claimed >= committed || !gone(key, holding.slot);
            if !keep {
                free.push(holding.slot);
            }
            keep
        });
    }

    /// The slot of `key`, live or retired.
    pub fn find(&self, key: &K) -> Option<u32> {
        self.holders.get(key).map(|holding| holding.slot)
    }

    /// One past the highest slot ever handed out.
    pub const fn high(&self) -> u32 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reload(book: &mut SlotBook<&'static str>, keys: &[&'static str]) -> Vec<u32> {
        book.begin();
        let slots = keys.iter().map(|key| book.claim(key).expect("room")).collect();
        book.commit();
        slots
    }

    #[test]
    fn slots_stay_over_reloads_and_come_back_only_when_released() {
        let mut book = SlotBook::new(3);
        assert_eq!(reload(&mut book, &["a", "b"]), [0, 1]);
        assert_eq!(reload(&mut book, &["b", "c"]), [1, 2]);
        assert_eq!(book.retired().collect::<Vec<_>>(), [(&"a", 0)]);
        book.begin();
        assert_eq!(book.claim("d"), Err(BookFull { capacity: 3 }));
        assert!(!book.release(&"b") && book.release(&"a") && !book.release(&"a"));
        assert_eq!(reload(&mut book, &["d", "b", "c"]), [0, 1, 2]);
    }

    #[test]
    fn a_retired_holder_that_comes_back_has_its_old_slot() {
        let mut book = SlotBook::new(3);
        reload(&mut book, &["a", "b"]);
        reload(&mut book, &["b"]);
        assert_eq!(reload(&mut book, &["a", "b"]), [0, 1]);
        assert_eq!(book.retired().count(), 0);
    }

    #[test]
    fn slots_come_and_go_between_reloads() {
        let mut book = SlotBook::new(3);
        reload(&mut book, &["a", "b"]);
        assert_eq!(book.standing(&"c"), Standing::Nobody);
        assert_eq!((book.claim_live("c"), book.claim_live("a")), (Ok(2), Ok(0)));
        book.retire(&"b");
        assert_eq!(
            ["a", "b", "c"].map(|key| book.standing(&key)),
            [Standing::Live, Standing::Retired, Standing::Live]
        );
        assert_eq!(book.retired().collect::<Vec<_>>(), [(&"b", 1)]);
        assert!(!book.release(&"c") && book.release(&"b"));
        assert_eq!(reload(&mut book, &["d", "c"]), [1, 2]);
        assert_eq!(book.retired().collect::<Vec<_>>(), [(&"a", 0)]);
    }

    #[test]
    fn an_abandoned_reload_leaves_everybody_as_they_stood() {
        let mut book = SlotBook::new(4);
        reload(&mut book, &["a", "b", "gone"]);
        reload(&mut book, &["a", "b"]);
        for _ in 0..5 {
            book.begin();
            assert_eq!((book.claim("x"), book.claim("gone"), book.claim("a")), (Ok(3), Ok(2), Ok(0)));
            assert_eq!(book.claim_live("b"), Ok(1));
        }
        book.abandon();
        let stands = ["a", "b", "gone", "x"].map(|key| book.standing(&key));
        assert_eq!(stands, [Standing::Live, Standing::Live, Standing::Retired, Standing::Nobody]);
        assert!(book.release(&"gone"), "nobody holds it");
        assert_eq!(reload(&mut book, &["a", "b", "y", "z"]), [0, 1, 2, 3]);
        assert_eq!(book.retired().count(), 0);
    }

    #[test]
    fn what_came_while_a_reload_was_given_up_stays() {
        let mut book = SlotBook::new(4);
        reload(&mut book, &["a"]);
        book.begin();
        assert_eq!((book.claim("x"), book.claim_live("y")), (Ok(1), Ok(2)));
        book.abandon();
        assert_eq!(["x", "y"].map(|key| book.standing(&key)), [Standing::Nobody, Standing::Live]);
        assert_eq!(reload(&mut book, &["a"]), [0]);
        assert_eq!(book.retired().collect::<Vec<_>>(), [(&"y", 2)]);
    }
}

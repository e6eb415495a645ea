//! Cookies that have brought a session into being: none does so twice, as far as memory reaches.
//!
//! A fixed table of tags, four to a bucket; the newest pushes the oldest out. Tags need no expiry: they depend on the
//! tick, and an old cookie is refused before its tag is looked for.

use crate::base::limits::COOKIES_SPENT_MAX;

const WAYS: usize = 4;
const BUCKETS: usize = COOKIES_SPENT_MAX / WAYS;
const _: () = assert!(BUCKETS.is_power_of_two());

/// The cookies that were spent last.
pub struct Spent {
    buckets: Box<[[u32; WAYS]]>,
}

impl Spent {
    /// None is spent.
    pub fn new() -> Self {
        Self { buckets: vec![[0; WAYS]; BUCKETS].into_boxed_slice() }
    }

    /// Whether the cookie with this tag was spent.
    pub fn holds(&self, tag: u64) -> bool {
        self.buckets[place(tag)].contains(&mark(tag))
    }

    /// Notes that it is.
    pub fn spend(&mut self, tag: u64) {
        let bucket = &mut self.buckets[place(tag)];
        bucket.rotate_right(1);
        bucket[0] = mark(tag);
    }
}

const fn place(tag: u64) -> usize {
    tag as usize % BUCKETS
}

/// Never zero, which is an empty place.
const fn mark(tag: u64) -> u32 {
    (tag >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_four_of_a_bucket_are_known_and_older_ones_give_way() {
        let mut spent = Spent::new();
        let tag = |n: u64| n << 33 | 7;
        (1..=5).for_each(|n| spent.spend(tag(n)));
        assert!((2..=5).all(|n| spent.holds(tag(n))));
        assert!(!spent.holds(tag(1)) && !spent.holds(tag(6)) && !spent.holds(tag(2) + 1));
    }

    #[test]
    fn nothing_is_spent_at_first() {
        let spent = Spent::new();
        assert!((0..100).all(|n| !spent.holds(n << 32 | n)));
    }
}

//! The addresses that may have apps, a bit each by a hash: one load tells most of what strangers try apart.

use crate::base::Addr;
use crate::base::limits::EDGE_EDITS_MERGE;
use std::sync::Arc;

/// Bits for each address.
const BITS_PER_ADDR: usize = 8;

/// The set. It may hold more than was put in, never less.
#[derive(Clone, Debug)]
pub(super) struct AddrSet {
    words: Arc<[u64]>,
    shift: u32,
}

impl AddrSet {
    /// Of these addresses, with room for those that edits add before the next build.
    pub fn new(addrs: impl Iterator<Item = Addr> + Clone) -> Self {
        let bits = ((addrs.clone().count() + EDGE_EDITS_MERGE) * BITS_PER_ADDR).next_power_of_two();
        let empty = Self { words: vec![0; bits / 64].into(), shift: 64 - bits.trailing_zeros() };
        empty.and(addrs)
    }

    /// The same with these addresses, too.
    #[must_use]
    pub fn and(&self, addrs: impl Iterator<Item = Addr>) -> Self {
        let mut words = self.words.clone();
        for addr in addrs.filter(|addr| !self.may_hold(*addr)) {
            let (word, bit) = self.place(addr);
            Arc::make_mut(&mut words)[word] |= 1 << bit;
        }
        Self { words, shift: self.shift }
    }

    /// Whether the address may have been put in: wrong in a case of eight at most.
    #[inline(always)]
    pub fn may_hold(&self, addr: Addr) -> bool {
        let (word, bit) = self.place(addr);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// By Fibonacci hashing: operators choose the addresses, so nobody can crowd them.
    #[inline(always)]
    fn place(&self, addr: Addr) -> (usize, u32) {
        let bits = addr.bits();
        let mixed = (bits as u64 ^ ((bits >> 64) as u64).rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bit = mixed >> self.shift;
        ((bit >> 6) as usize, bit as u32 & 63)
    }
}

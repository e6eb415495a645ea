//! IPv4's 65,536 blocks of length 16 as bits: a quick "not there" for sets of a few addresses and ranges.
//!
//! Most of what strangers send has no block in common with such a set, and one load tells. 8 KiB; of IPv6 nothing is known.

use super::Addr;

/// Blocks of 64 in a word.
const WORDS: usize = 1 << 16 >> 6;

/// The blocks that a set of addresses has something in.
#[derive(Clone, Debug)]
pub struct BlockSet(Box<[u64; WORDS]>);

impl Default for BlockSet {
    fn default() -> Self {
        Self(Box::new([0; WORDS]))
    }
}

impl BlockSet {
    /// Notes the addresses from `first` to `last`, both of one family.
    pub fn note(&mut self, first: Addr, last: Addr) {
        let (Some(first), Some(last)) = (first.to_v4_bits(), last.to_v4_bits()) else { return };
        for block in first >> 16..=last >> 16 {
            self.0[block as usize >> 6] |= 1 << (block & 63);
        }
    }

    /// The blocks of either set.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word |= other);
        self
    }

    /// Becomes the blocks of either of these sets.
    pub fn become_either(&mut self, one: &Self, other: &Self) {
        let words = one.0.iter().zip(other.0.iter());
        self.0.iter_mut().zip(words).for_each(|(word, (one, other))| *word = one | other);
    }

    /// Whether `addr` may be in the set: always so for IPv6.
    #[inline(always)]
    pub fn may_hold(&self, addr: Addr) -> bool {
        addr.to_v4_bits().is_none_or(|bits| self.may_hold_v4(bits))
    }

    /// The same for an IPv4 address in host order.
    #[inline(always)]
    pub fn may_hold_v4(&self, bits: u32) -> bool {
        self.0[(bits >> 22) as usize] >> (bits >> 16 & 63) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_may_be_there_and_other_blocks_are_not() {
        let mut set = BlockSet::default();
        set.note(Addr::v4([10, 1, 255, 255]), Addr::v4([10, 3, 0, 0]));
        let mut other = BlockSet::default();
        other.note(Addr::v4([255, 255, 255, 255]), Addr::v4([255, 255, 255, 255]));
        let mut set = set.and(&other);
        for (octets, held) in [
            ([10, 0, 255, 255], false),
            ([10, 1, 0, 0], true),
            ([10, 2, 9, 9], true),
            ([10, 3, 255, 255], true),
            ([10, 4, 0, 0], false),
            ([0, 0, 0, 0], false),
            ([255, 255, 0, 1], true),
        ] {
            assert_eq!(set.may_hold(Addr::v4(octets)), held, "{octets:?}");
        }
        set.note(Addr::v6([0x20; 16]), Addr::v6([0x21; 16]));
        assert!(set.may_hold(Addr::v6([0x22; 16])), "nothing is known of IPv6");
    }
}

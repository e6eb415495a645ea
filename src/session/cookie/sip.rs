//! SipHash-2-4 (Aumasson and Bernstein, 2012) of one word and of two: the same values as the `siphasher` crate gives for their
//! bytes, in two thirds of the instructions, since lengths are known.

/// A key, spread over the state that a hash begins with.
#[derive(Clone, Copy)]
pub struct Sip([u64; 4]);

impl Sip {
    /// Under a key of two words.
    pub const fn new(k0: u64, k1: u64) -> Self {
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    /// Under a key of sixteen bytes.
    pub const fn of_bytes(key: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(key);
        Self::new(key as u64, (key >> 64) as u64)
    }

    /// The hash of a word's eight bytes, the lowest first.
    #[inline(always)]
    pub const fn of_word(&self, word: u64) -> u64 {
        finish(take(take(self.0, word), 8 << 56))
    }

    /// The hash of two words' sixteen bytes.
    #[inline(always)]
    pub const fn of_pair(&self, first: u64, second: u64) -> u64 {
        finish(take(take(take(self.0, first), second), 16 << 56))
    }
}

#[inline(always)]
const fn take([v0, v1, v2, v3]: [u64; 4], word: u64) -> [u64; 4] {
    let [v0, v1, v2, v3] = round(round([v0, v1, v2, v3 ^ word]));
    [v0 ^ word, v1, v2, v3]
}

#[inline(always)]
const fn finish([v0, v1, v2, v3]: [u64; 4]) -> u64 {
    let [v0, v1, v2, v3] = round(round(round(round([v0, v1, v2 ^ 0xff, v3]))));
    v0 ^ v1 ^ v2 ^ v3
}

#[inline(always)]
const fn round([v0, v1, v2, v3]: [u64; 4]) -> [u64; 4] {
    let (v0, v2) = (v0.wrapping_add(v1), v2.wrapping_add(v3));
    let (v1, v3) = (v1.rotate_left(13) ^ v0, v3.rotate_left(16) ^ v2);
    let v0 = v0.rotate_left(32);
    let (v2, v0) = (v2.wrapping_add(v1), v0.wrapping_add(v3));
    let (v1, v3) = (v1.rotate_left(17) ^ v2, v3.rotate_left(21) ^ v0);
    [v0, v1, v2.rotate_left(32), v3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher24;

    proptest! {
        #[test]
        fn words_hash_to_what_the_crate_makes_of_their_bytes(key in any::<[u8; 16]>(), a in any::<u64>(), b in any::<u64>()) {
            let (own, theirs) = (Sip::of_bytes(key), SipHasher24::new_with_key(&key));
            prop_assert_eq!(own.of_word(a), theirs.hash(&a.to_le_bytes()));
            let mut pair = [0; 16];
            pair[..8].copy_from_slice(&a.to_le_bytes());
            pair[8..].copy_from_slice(&b.to_le_bytes());
            prop_assert_eq!(own.of_pair(a, b), theirs.hash(&pair));
        }
    }
}

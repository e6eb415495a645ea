//! Random numbers from a seed: the same seed, the same numbers, on every machine. xoshiro256++ (Blackman and Vigna,
//! 2019), seeded through splitmix64 as its authors ask. Not for secrets: those come from the system, in control.

/// A stream of random numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        let (a, seed) = splitmix(seed);
        let (b, seed) = splitmix(seed);
        let (c, seed) = splitmix(seed);
        let (d, _) = splitmix(seed);
        Self { state: [a, b, c, d] }
    }

    /// The stream of 32 bytes of entropy.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().fold(Self::new(0), |rng, word| rng.mixed(u64::from_le_bytes(*word)))
    }

    /// A stream of its own for each `label`; `self` stays where it is.
    #[must_use]
    pub const fn mixed(&self, label: u64) -> Self {
        let [a, b, c, d] = self.state;
        let (label, _) = splitmix(label);
        let Self { state: [e, f, g, h] } = Self::new(a ^ label);
        // The old words stay in, so that no entropy is lost.
        Self { state: [e ^ b, f ^ c, g ^ d, h ^ a] }
    }

    /// Any 64-bit number.
    #[inline]
    pub const fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let out = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        out
    }

    /// Any 32-bit number.
    #[inline]
    pub const fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number below `bound`, all as likely to within `bound / 2^64`; 0 when `bound` is 0.
    #[inline]
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// Whether an event of this chance, in parts of a million, happens now.
    #[inline]
    pub const fn chance_ppm(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < ppm as u64
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// One step of splitmix64: the number, and the state behind it.
const fn splitmix(seed: u64) -> (u64, u64) {
    let state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31), state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_first_numbers_come_out() {
        // splitmix64 of seed 1234567, and xoshiro256++ from the state 1, 2, 3, 4, as the reference code prints them.
        assert_eq!(splitmix(1_234_567).0, 6_457_827_717_110_365_317);
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn a_seed_gives_the_same_stream_and_labels_give_others() {
        let draw = |mut rng: Rng| (0..8).map(|_| rng.next_u32()).collect::<Vec<_>>();
        assert_eq!(draw(Rng::new(7)), draw(Rng::new(7)));
        assert_ne!(draw(Rng::new(7)), draw(Rng::new(8)));
        assert_ne!(draw(Rng::new(7).mixed(1)), draw(Rng::new(7).mixed(2)));
        assert_ne!(draw(Rng::from_bytes([0; 32])), draw(Rng::from_bytes([1; 32])));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut rng = Rng::new(3);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn every_byte_is_filled() {
        let mut bytes = [0; 1003];
        Rng::new(5).fill(&mut bytes);
        assert!(bytes.iter().filter(|byte| **byte == 0).count() < 20);
        assert!(bytes[1000..].iter().any(|byte| *byte != 0));
    }
}

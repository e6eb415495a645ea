//! Durations of connections as a sparse histogram: bins of 1/32 of a doubling, so that a reading is within 1/64 of the
//! truth. Histograms merge by adding bins: of any parts, in any order, the whole comes out. A row of a few connections
//! costs a few bytes, where a dense histogram of the same precision costs kilobytes.

/// Bits of a value that tell bins of one doubling apart.
const SUB_BITS: u32 = 5;
/// Longer durations count as this one: 34 years.
const MILLIS_MAX: u64 = (1 << 40) - 1;

/// How often which duration came, in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Durations {
    /// Bin and count, by bin.
    bins: Vec<(u16, u64)>,
}

impl Durations {
    /// Adds one duration, `count` times.
    pub fn add(&mut self, millis: u64, count: u64) {
        self.add_bin(bin_of(millis), count);
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
            return;
        }
        other.bins.iter().for_each(|(bin, count)| self.add_bin(*bin, *count));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|(_, count)| count).sum()
    }

    /// The duration that a share of all do not exceed, by nearest rank; `None` where there are none.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((share * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0;
        let reaches = |(_, bin_count): &&(u16, u64)| {
            below += bin_count;
            below >= rank
        };
        self.bins.iter().find(reaches).map(|(bin, _)| middle_of(*bin))
    }

    /// Bytes for the store: pairs of variable-length numbers, each bin as its distance from the one before.
    pub fn encode(&self) -> Vec<u8> {
        let (mut bytes, mut last) = (Vec::with_capacity(self.bins.len() * 3), 0);
        for (bin, count) in &self.bins {
            put(&mut bytes, u64::from(bin - last));
            put(&mut bytes, *count);
            last = *bin;
        }
        bytes
    }

    /// Reads what `encode` wrote; `None` for anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut bins, mut last) = (Vec::new(), 0_u16);
        while !bytes.is_empty() {
            let bin = last.checked_add(take(&mut bytes)?.try_into().ok()?)?;
            let count = take(&mut bytes)?;
            let follows = bins.last().is_none_or(|(before, _)| *before < bin);
            if !follows || bin > bin_of(MILLIS_MAX) || count == 0 {
                return None;
            }
            bins.push((bin, count));
            last = bin;
        }
        Some(Self { bins })
    }

    fn add_bin(&mut self, bin: u16, count: u64) {
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(count),
            Err(at) if count > 0 => self.bins.insert(at, (bin, count)),
            Err(_) => {}
        }
    }
}

/// Below 64 ms one bin each, above by the five bits that follow the highest.
const fn bin_of(millis: u64) -> u16 {
    let millis = if millis > MILLIS_MAX { MILLIS_MAX } else { millis };
    let shift = (64 - millis.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((shift << SUB_BITS) as u64 + (millis >> shift)) as u16
}

/// The middle of a bin.
const fn middle_of(bin: u16) -> u64 {
    let shift = ((bin >> SUB_BITS) as u32).saturating_sub(1);
    let low = (bin as u64 - ((shift as u64) << SUB_BITS)) << shift;
    low + ((1 << shift) - 1) / 2
}

/// LEB128.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_follow_each_other_without_a_gap_and_hold_their_middles() {
        for bin in 0..=bin_of(MILLIS_MAX) {
            assert_eq!(bin_of(middle_of(bin)), bin);
        }
        let edges = (0..40).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for millis in edges {
            let error = middle_of(bin_of(millis)).abs_diff(millis);
            assert!(error * 64 <= millis, "{millis}");
        }
        assert_eq!(bin_of(u64::MAX), bin_of(MILLIS_MAX));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Durations::default().quantile(0.5), None);
        assert_eq!(Durations::decode(&[]), Some(Durations::default()));
    }

    #[test]
    fn bytes_that_nobody_wrote_are_refused() {
        for bytes in [&[1_u8][..], &[0x80], &[1, 0], &[1, 1, 0, 1], &[0xff; 11], &[0xff, 0xff, 0x7f, 1]] {
            assert_eq!(Durations::decode(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_parts_merge_to_the_whole_and_quantiles_are_within_a_64th(
            mut all in proptest::collection::vec(0_u64..1 << 38, 1..200),
            parts in 1_usize..7,
            share in 0.0_f64..=1.0,
        ) {
            let mut whole = Durations::default();
            all.iter().for_each(|millis| whole.add(*millis, 1));
            let mut merged = Durations::default();
            for part in all.chunks(all.len().div_ceil(parts)) {
                let mut durations = Durations::default();
                part.iter().rev().for_each(|millis| durations.add(*millis, 1));
                merged.merge(&Durations::decode(&durations.encode()).expect("reads back"));
            }
            prop_assert_eq!(&merged, &whole);
            all.sort_unstable();
            let rank = ((share * all.len() as f64).ceil() as usize).max(1);
            let (truth, told) = (all[rank - 1], merged.quantile(share).expect("some"));
            prop_assert!(truth.abs_diff(told) * 64 <= truth, "{} told as {}", truth, told);
        }
    }
}

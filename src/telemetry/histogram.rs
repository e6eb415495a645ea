//! Lengths of time in fixed buckets: written by one worker without a lock, merged by readers into an hdrhistogram.
//!
//! Buckets are log-linear: 32 to every doubling, so that a reading is at most 1/32 above the truth. The last bucket
//! takes whatever is longer than 73 minutes (2^42 ns).

use crate::base::Span;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SUB_BITS: u32 = 5;
const NANOS_BITS_MAX: u32 = 42;
const BUCKETS: usize = ((NANOS_BITS_MAX - SUB_BITS + 1) as usize) << SUB_BITS;

/// Counts of spans by length, of one worker. One writer; the page gives it to nobody else.
pub struct SpanHistogram {
    buckets: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl SpanHistogram {
    pub(super) fn new() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum_nanos: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn record(&self, span: Span) {
        let bucket = &self.buckets[bucket_of(span.nanos())];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        self.sum_nanos.store(self.sum_nanos.load(Relaxed).wrapping_add(span.nanos()), Relaxed);
    }

    /// Adds everything recorded so far, in nanoseconds, to `merged`, and returns the sum of the spans. Spans that
    /// lie outside the bounds of `merged` count as its nearest bound.
    pub fn merge_into(&self, merged: &mut Histogram<u64>) -> u64 {
        for (index, bucket) in self.buckets.iter().enumerate() {
            let count = bucket.load(Relaxed);
            if count != 0 {
                merged.saturating_record_n(top_of(index), count);
            }
        }
        self.sum_nanos.load(Relaxed)
    }

    /// An empty hdrhistogram with the bounds of this one, in nanoseconds, and two significant digits.
    pub fn merged() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 1 << NANOS_BITS_MAX, 2)
            .expect("constant bounds that hdrhistogram accepts")
    }
}

/// The bucket of a span: below 32 ns one each, above by the five bits that follow the highest.
#[inline]
const fn bucket_of(nanos: u64) -> usize {
    let nanos = if nanos >> NANOS_BITS_MAX == 0 { nanos } else { (1 << NANOS_BITS_MAX) - 1 };
    let bits = 64 - (nanos | 1).leading_zeros();
    if bits <= SUB_BITS {
        return nanos as usize;
    }
    let shift = bits - SUB_BITS - 1;
    ((shift as usize) << SUB_BITS) + (nanos >> shift) as usize
}

/// The longest span of a bucket, in nanoseconds.
const fn top_of(bucket: usize) -> u64 {
    if bucket < 2 << SUB_BITS {
        return bucket as u64;
    }
    let shift = (bucket >> SUB_BITS) as u32 - 1;
    let lead = (bucket - ((shift as usize) << SUB_BITS)) as u64;
    ((lead + 1) << shift) - 1
}

const _: () = assert!(bucket_of(u64::MAX) == BUCKETS - 1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bucket_top_is_at_most_a_32nd_above_the_span(bits in 0u32..42, nanos in any::<u64>()) {
            let nanos = nanos & ((2 << bits) - 1);
            let top = top_of(bucket_of(nanos));
            prop_assert!(top >= nanos && top - nanos <= nanos / 32);
        }
    }

    #[test]
    fn buckets_are_in_order_without_gaps() {
        for bucket in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(top_of(bucket)), bucket);
            assert_eq!(bucket_of(top_of(bucket) + 1), bucket + 1);
        }
    }

    #[test]
    fn quantiles_of_two_workers_come_out_merged() {
        let (one, two) = (SpanHistogram::new(), SpanHistogram::new());
        (1..=50).for_each(|ms| one.record(Span::from_millis(ms)));
        (51..=100).for_each(|ms| two.record(Span::from_millis(ms)));
        let mut merged = SpanHistogram::merged();
        let sum = one.merge_into(&mut merged) + two.merge_into(&mut merged);
        assert_eq!((merged.len(), sum), (100, 5_050_000_000));
        let median_ms = merged.value_at_quantile(0.5) as f64 / 1e6;
        assert!((50.0..52.5).contains(&median_ms), "{median_ms}");
    }
}

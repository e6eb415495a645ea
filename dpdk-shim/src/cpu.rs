//! CPU intrinsics as safe functions: prefetch, compares of many lanes at once, cycle counter, pause.

/// Asks the cache for the line that holds `value`; never faults, never reads.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = core::ptr::from_ref(value).cast::<i8>();
        // SAFETY: a prefetch is a hint and cannot fault; the address comes from a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Which of sixteen 16-bit lanes hold `value`, a bit each: those of `first` from bit 0 on, those of `second` from bit 8 on,
/// the lowest lane of each lowest.
#[inline(always)]
pub fn equal_lanes(first: [u64; 2], second: [u64; 2], value: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { equal_lanes_sse2(first, second, value) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let holds = |lane: usize| {
            let word = [first, second][lane / 8][lane / 4 % 2];
            (word >> (lane % 4 * 16)) as u16 == value
        };
        (0..16).map(|lane| u32::from(holds(lane)) << lane).sum()
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[inline]
fn equal_lanes_sse2(first: [u64; 2], second: [u64; 2], value: u16) -> u32 {
    use core::arch::x86_64::{
        _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_packs_epi16, _mm_set_epi64x, _mm_set1_epi16,
    };
    let [first, second] = [first, second].map(|[low, high]| _mm_set_epi64x(high as i64, low as i64));
    let value = _mm_set1_epi16(value as i16);
    let lanes = _mm_packs_epi16(_mm_cmpeq_epi16(first, value), _mm_cmpeq_epi16(second, value));
    _mm_movemask_epi8(lanes) as u32
}

/// The time stamp counter: ticks since some start, at a constant rate on every CPU that byway supports.
#[inline(always)]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: RDTSC has no preconditions in user space on x86-64 Linux.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        0
    }
}

/// Tells the core that this is a spin loop (`PAUSE`).
#[inline(always)]
pub fn pause() {
    core::hint::spin_loop();
}

#[cfg(test)]
mod tests {
    use super::equal_lanes;

    #[test]
    fn each_lane_that_holds_the_value_has_its_bit() {
        assert_eq!(equal_lanes([0, 0], [0, 0], 1), 0);
        assert_eq!(equal_lanes([0, 0], [0, 0], 0), 0xffff);
        for lane in 0..16 {
            let mut words = [[0x7fff_8000_fffe_0001; 2]; 2];
            let word = &mut words[lane / 8][lane / 4 % 2];
            let shift = lane % 4 * 16;
            *word = *word & !(0xffff << shift) | 0xabcd << shift;
            assert_eq!(equal_lanes(words[0], words[1], 0xabcd), 1 << lane, "lane {lane}");
        }
    }
}

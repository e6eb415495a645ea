//! CPU intrinsics as safe functions: prefetch, cycle counter, pause.

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

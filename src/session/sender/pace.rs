//! Pacing: when the next segment may go out, so that no burst is longer than two milliseconds of the path's rate.

use crate::base::{Instant, Span};

/// Time that may be made up for at once: two ticks of the timer wheel.
const BURST: Span = Span::from_millis(2);
const KIB: u64 = 1_024;

/// One leg's pace.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Of a KiB; zero: no pace.
    nanos_per_kib: u32,
    /// When the segments sent so far are over, at this pace.
    next: Instant,
}

impl Pace {
    /// As fast as may be.
    pub const FREE: Self = Self { nanos_per_kib: 0, next: Instant::ZERO };

    /// Sets the rate, in bytes a second.
    pub fn set_rate(&mut self, rate: Option<u64>) {
        let nanos = |rate: u64| (KIB * 1_000_000_000 / rate.max(1)).min(u32::MAX.into()) as u32;
        self.nanos_per_kib = rate.map_or(0, nanos);
    }

    /// Notes that `bytes` go out.
    #[inline]
    pub fn spend(&mut self, bytes: u32, now: Instant) {
        if self.nanos_per_kib != 0 {
            let from = self.next.nanos().max(now.nanos().saturating_sub(BURST.nanos()));
            self.next = Instant::from_nanos(from + u64::from(bytes) * u64::from(self.nanos_per_kib) / KIB);
        }
    }

    /// Bytes of a millisecond at this pace: what may go out as one (as Linux's `tcp_tso_autosize` has it).
    pub fn quantum(&self) -> u32 {
        match self.nanos_per_kib {
            0 => u32::MAX,
            nanos => (KIB * 1_000_000 / u64::from(nanos)).min(u32::MAX.into()) as u32,
        }
    }

    /// When the next segment may go out; `None`: now.
    #[inline]
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        (self.nanos_per_kib != 0 && self.next > now).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_go_out_at_the_rate_with_bounded_bursts() {
        let mut pace = Pace::FREE;
        let mut now = Instant::ZERO + Span::from_secs(1);
        pace.spend(1 << 20, now);
        assert_eq!((pace.wait(now), pace.quantum()), (None, u32::MAX));
        pace.set_rate(Some(1_024_000));
        assert_eq!(pace.quantum(), 1_024);
        let mut burst = 0;
        while pace.wait(now).is_none() {
            pace.spend(512, now);
            burst += 512;
        }
        assert_eq!(burst, 2_560);
        for _ in 0..1_000 {
            let Some(next) = pace.wait(now) else { panic!("the pace is kept") };
            now = next;
            pace.spend(512, now);
        }
        let took = now.since(Instant::ZERO + Span::from_secs(1)).millis();
        assert!((495..=505).contains(&took), "{took} ms for 500 KiB");
    }
}

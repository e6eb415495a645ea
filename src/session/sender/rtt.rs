//! Round-trip time and the timeouts that follow from it (RFC 6298, RFC 8985 7.2).

use crate::base::Span;

/// RFC 6298 2.4.
const RTO_MIN_US: u32 = 1_000_000;
/// RFC 6298 2.5.
const RTO_MAX_US: u32 = 60_000_000;
/// The least that variance adds: on a path of steady round trips it goes to nothing, while the peer may still put off an
/// acknowledgement for so long.
const MARGIN_MIN_US: u32 = ACK_DELAY_MAX_US;
/// A probe for a lost tail is never sent earlier.
const PTO_MIN_US: u32 = 10_000;
/// RFC 8985 7.2: how long a peer may put off the acknowledgement of one segment.
const ACK_DELAY_MAX_US: u32 = 200_000;
/// Times after a loss at which a timeout doubles.
const DOUBLINGS_MAX: u8 = 6;

/// The estimate of one leg.
#[derive(Clone, Copy, Debug)]
pub struct Rtt {
    /// Smoothed, in microseconds; zero before the first sample.
    smoothed_us: u32,
    variance_us: u32,
    /// Timeouts since something new was acknowledged.
    timeouts: u8,
}

impl Rtt {
    /// No sample yet.
    pub const NONE: Self = Self { smoothed_us: 0, variance_us: 0, timeouts: 0 };

    /// Takes a sample of something that was sent once (RFC 6298 2.2, 2.3).
    pub fn sample(&mut self, rtt: Span) {
        let us = rtt.micros().clamp(1, u64::from(RTO_MAX_US)) as u32;
        if self.smoothed_us == 0 {
            (self.smoothed_us, self.variance_us) = (us, us / 2);
        } else {
            let off = self.smoothed_us.abs_diff(us);
            self.variance_us = (self.variance_us - self.variance_us / 4) + off / 4;
            self.smoothed_us = ((self.smoothed_us - self.smoothed_us / 8) + us / 8).max(1);
        }
    }

    /// Smoothed, in microseconds; `None` before the first sample.
    pub fn smoothed_us(&self) -> Option<u32> {
        (self.smoothed_us != 0).then_some(self.smoothed_us)
    }

    /// The retransmission timeout, doubled for each that has passed in a row.
    pub fn timeout(&self) -> Span {
        let margin = self.variance_us.saturating_mul(4).max(MARGIN_MIN_US);
        let us = self.smoothed_us.saturating_add(margin).clamp(RTO_MIN_US, RTO_MAX_US);
        Span::from_micros((u64::from(us) << self.timeouts).min(RTO_MAX_US.into()))
    }

    /// After how long of silence a tail is probed; longer where one segment alone is in flight, whose acknowledgement the
    /// peer may put off. `None` before the first sample: the timeout comes first.
    pub fn probe_timeout(&self, alone: bool) -> Option<Span> {
        let delay = if alone { ACK_DELAY_MAX_US } else { 0 };
        let us = self.smoothed_us()?.saturating_mul(2).max(PTO_MIN_US).saturating_add(delay);
        Some(Span::from_micros(us.into()))
    }

    /// The shortest wait that one of them may ask for.
    #[inline]
    pub fn soonest(&self, probes: bool) -> Span {
        if !probes || self.smoothed_us == 0 {
            return Span::from_micros(RTO_MIN_US.into());
        }
        Span::from_micros(self.smoothed_us.saturating_mul(2).clamp(PTO_MIN_US, RTO_MIN_US).into())
    }

    /// A timeout has passed (RFC 6298 5.5).
    pub fn timed_out(&mut self) {
        self.timeouts = (self.timeouts + 1).min(DOUBLINGS_MAX);
    }

    /// Something new was acknowledged.
    #[inline]
    pub fn progress(&mut self) {
        self.timeouts = 0;
    }

    /// Timeouts in a row.
    pub const fn timeouts(&self) -> u8 {
        self.timeouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_rfc_6298() {
        let mut rtt = Rtt::NONE;
        assert_eq!(rtt.timeout(), Span::from_secs(1));
        assert_eq!(rtt.probe_timeout(false), None);
        rtt.sample(Span::from_millis(800));
        assert_eq!((rtt.smoothed_us, rtt.variance_us), (800_000, 400_000));
        assert_eq!(rtt.timeout(), Span::from_millis(2_400));
        rtt.sample(Span::from_millis(400));
        assert_eq!((rtt.smoothed_us, rtt.variance_us), (750_000, 400_000));
    }

    #[test]
    fn a_long_steady_path_leaves_room_for_an_acknowledgement_that_is_put_off() {
        let mut rtt = Rtt::NONE;
        (0..100).for_each(|_| rtt.sample(Span::from_millis(1_200)));
        assert!((1_399..=1_410).contains(&rtt.timeout().millis()), "{:?}", rtt.timeout());
    }

    #[test]
    fn a_timeout_doubles_until_something_is_acknowledged_and_has_a_ceiling() {
        let mut rtt = Rtt::NONE;
        rtt.sample(Span::from_millis(20));
        let mut spans = Vec::new();
        for _ in 0..8 {
            spans.push(rtt.timeout().millis() / 1_000);
            rtt.timed_out();
        }
        assert_eq!(spans, [1, 2, 4, 8, 16, 32, 60, 60]);
        rtt.progress();
        assert_eq!(rtt.timeout(), Span::from_secs(1));
    }

    #[test]
    fn a_tail_is_probed_after_two_round_trips_and_one_segment_alone_later() {
        let mut rtt = Rtt::NONE;
        rtt.sample(Span::from_millis(20));
        assert_eq!(rtt.probe_timeout(false), Some(Span::from_millis(40)));
        assert_eq!(rtt.probe_timeout(true), Some(Span::from_millis(240)));
        let mut near = Rtt::NONE;
        near.sample(Span::from_micros(50));
        assert_eq!(near.probe_timeout(false), Some(Span::from_millis(10)));
    }
}

//! CUBIC (RFC 9438) with HyStart's exit from slow start when the round trip grows (RFC 9406 4.2).

use super::control::{AckNews, INITIAL_SEGMENTS};
use super::stamp::Stamp;
use crate::base::Instant;

/// RFC 9438 4.1, 4.6.
const C: f32 = 0.4;
const BETA: f32 = 0.7;
/// RFC 9438 4.3: as much faster growth as makes up for the weaker decrease.
const ALPHA: f32 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// RFC 9406 4.3, in microseconds.
const RTT_STEP_MIN_US: u32 = 4_000;
const RTT_STEP_MAX_US: u32 = 16_000;
/// The fewest segments in flight after a loss.
const WINDOW_SEGMENTS_MIN: f32 = 2.0;

/// One leg's window, in segments.
#[derive(Clone, Copy, Debug)]
pub struct Cubic {
    mss: u16,
    window: f32,
    threshold: f32,
    /// Before the last loss.
    window_max: f32,
    /// What Reno would have come to since then.
    reno: f32,
    /// When growth after the last loss began; `None`: not yet.
    epoch: Option<Stamp>,
    /// The shortest trip so far, and the last one.
    rtt_min_us: u32,
    rtt_us: u32,
}

impl Cubic {
    /// In slow start.
    pub fn new(mss: u16) -> Self {
        Self {
            mss,
            window: INITIAL_SEGMENTS as f32,
            threshold: f32::INFINITY,
            window_max: 0.0,
            reno: 0.0,
            epoch: None,
            rtt_min_us: u32::MAX,
            rtt_us: 0,
        }
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> u32 {
        (self.window * f32::from(self.mss)).min(1e9) as u32
    }

    /// Bytes a second to send at; `None` before the first round trip. Twice the window a trip in slow start, a fifth more
    /// than it later, so that pacing takes bursts apart and is no limit.
    pub fn pacing_rate(&self) -> Option<u64> {
        let factor = if self.window < self.threshold { 2.0 } else { 1.2 };
        let bytes = self.window * f32::from(self.mss) * factor;
        (self.rtt_us != 0).then(|| (bytes * 1e6 / self.rtt_us as f32) as u64)
    }

    /// Takes an acknowledgement.
    pub fn hear(&mut self, news: &AckNews) {
        if let Some(rtt) = news.sample.and_then(|sample| sample.rtt) {
            self.learn(rtt.micros().clamp(1, u64::from(u32::MAX)) as u32);
        }
        if news.app_limited || news.recovers {
            return;
        }
        let acked = news.delivered as f32 / f32::from(self.mss);
        if self.window < self.threshold {
            self.window = (self.window + acked).min(self.threshold.max(self.window));
        } else {
            self.avoid(acked, news.now);
        }
    }

    fn learn(&mut self, us: u32) {
        let step = (self.rtt_min_us / 8).clamp(RTT_STEP_MIN_US, RTT_STEP_MAX_US);
        let grew = us > self.rtt_min_us.saturating_add(step);
        if grew && self.threshold.is_infinite() {
            self.threshold = self.window;
        }
        (self.rtt_min_us, self.rtt_us) = (self.rtt_min_us.min(us), us);
    }

    /// Congestion avoidance (RFC 9438 4.2 to 4.5).
    fn avoid(&mut self, acked: f32, now: Instant) {
        let epoch = self.epoch.unwrap_or_else(|| {
            self.reno = self.window;
            self.window_max = self.window_max.max(self.window);
            Stamp::of(now)
        });
        self.epoch = Some(epoch);
        let start = self.window_max * BETA;
        let k = ((self.window_max - start) / C).cbrt();
        let time = epoch.until(now).micros() as f32 / 1e6 + self.rtt_us as f32 / 1e6;
        let target = C * (time - k).powi(3) + self.window_max;
        let target = target.clamp(self.window, self.window * 1.5);
        self.reno += ALPHA * acked / self.window;
        self.window += (target - self.window) / self.window * acked;
        self.window = self.window.max(self.reno);
    }

    /// Something was lost: a new reduction (RFC 9438 4.6, 4.7).
    pub fn lost(&mut self) {
        let had = self.window;
        self.window_max = if had < self.window_max { had * (1.0 + BETA) / 2.0 } else { had };
        self.window = (had * BETA).max(WINDOW_SEGMENTS_MIN);
        (self.threshold, self.epoch) = (self.window, None);
    }

    /// A timeout (RFC 9438 4.8).
    pub fn timed_out(&mut self) {
        self.lost();
        self.window = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::rate::Sample;
    use super::*;
    use crate::base::Span;

    fn ack(now: Instant, delivered: u32, rtt_ms: u64) -> AckNews {
        let rtt = Some(Span::from_millis(rtt_ms));
        let sample = Some(Sample { rtt, bytes_per_s: 0, app_limited: false });
        AckNews { now, delivered, lost: 0, in_flight: 0, sample, app_limited: false, recovers: false }
    }

    #[test]
    fn slow_start_doubles_and_ends_when_the_round_trip_grows() {
        let (mut cubic, mut now) = (Cubic::new(1_000), Instant::ZERO);
        for _ in 0..3 {
            now += Span::from_millis(50);
            cubic.hear(&ack(now, cubic.window(), 50));
        }
        assert_eq!(cubic.window(), 80_000);
        cubic.hear(&ack(now, 1_000, 60));
        assert!((80_000..82_000).contains(&cubic.window()), "{}", cubic.window());
    }

    #[test]
    fn a_loss_takes_three_tenths_and_the_window_comes_back_along_the_cubic() {
        let (mut cubic, mut now) = (Cubic::new(1_000), Instant::ZERO + Span::from_secs(1));
        cubic.hear(&ack(now, 90_000, 200));
        cubic.lost();
        assert_eq!(cubic.window(), 70_000);
        let mut at_k = 0;
        for trip in 0..30 {
            now += Span::from_millis(200);
            cubic.hear(&ack(now, cubic.window(), 200));
            if trip == 20 {
                at_k = cubic.window();
            }
        }
        // RFC 9438 4.2: K is the cube root of 30 segments over C: 4.2 seconds.
        assert!((98_000..=102_000).contains(&at_k), "{at_k}");
        assert!(cubic.window() > 100_000);
    }

    #[test]
    fn a_second_loss_below_the_first_gives_way_to_others() {
        let (mut cubic, now) = (Cubic::new(1_000), Instant::ZERO + Span::from_secs(1));
        cubic.hear(&ack(now, 90_000, 50));
        cubic.lost();
        cubic.lost();
        assert_eq!(cubic.window(), 49_000);
        assert!((59.0..60.0).contains(&cubic.window_max), "{}", cubic.window_max);
        cubic.timed_out();
        assert_eq!(cubic.window(), 1_000);
    }
}

//! BBR: a model of the path, its rate and its shortest round trip, decides what is in flight and how fast it goes out
//! (draft-ietf-ccwg-bbr; the phases are those of its first version, with the second's exit from startup on loss).
//!
//! ```text
//!  Startup --rate stopped growing, or loss--> Drain --queue gone--> ProbeBw: 1.25, 0.75, 1, 1, 1, 1, 1, 1 ...
//!                                                                     |  ^
//!                                       10 s without a shorter trip   v  |   200 ms
//!                                                                    ProbeRtt
//! ```
//! Loss by chance does not slow it down, which is why it is the default on paths that nobody knows.

use super::control::{AckNews, INITIAL_SEGMENTS};
use super::rate::Sample;
use super::stamp::Stamp;
use crate::base::{Instant, Span};

/// Bytes a second that rates are counted in.
const RATE_UNIT: u64 = 16;
/// Gains in 256ths. 2/ln 2 fills a pipe in as few round trips as slow start does.
const GAIN_STARTUP: u32 = 739;
const GAIN_DRAIN: u32 = 88;
const GAIN_WINDOW: u32 = 512;
const UNIT: u32 = 256;
const CYCLE: [u32; 8] = [320, 192, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT];
/// Rounds over which a rate counts: this many, up to twice as many.
const RATE_ROUNDS: u8 = 6;
/// The rate must grow by a quarter within so many rounds.
const FULL_ROUNDS: u8 = 3;
const MIN_RTT_LIFE: Span = Span::from_secs(10);
const PROBE_RTT: Span = Span::from_millis(200);
/// The fewest segments in flight.
const WINDOW_SEGMENTS_MIN: u32 = 4;
/// More than chance loses: this part of a round's bytes, one in so many, and so many segments.
const LOST_PART: u32 = 50;
const LOST_SEGMENTS: u32 = 4;
/// What stays in flight beside the path's product after that, and by how much it grows a cycle: one part in so many.
const CEILING_ROOM: u32 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Startup,
    Drain,
    /// With the place in the cycle.
    ProbeBw(u8),
    ProbeRtt,
}

/// The model of one leg's path.
#[derive(Clone, Copy, Debug)]
pub struct Bbr {
    phase: Phase,
    /// Rounds since the rates moved on.
    rounds: u8,
    full_rounds: u8,
    mss: u16,
    window: u32,
    /// The window before a timeout or a probe of the round trip.
    kept_window: u32,
    /// What the path was seen not to hold; `u32::MAX`: nothing yet.
    ceiling: u32,
    /// The most of these rounds, and of those before them, in units of `RATE_UNIT`.
    rates: [u32; 2],
    full_rate: u32,
    /// Rate times round trip, in bytes.
    product: u32,
    min_rtt_us: u32,
    /// When that was seen, and when the phase, or the step of the cycle, began.
    min_rtt_at: Stamp,
    since: Stamp,
    /// Whether the next round trip is taken for the shortest: the one that was is too old, and nothing stood in the way.
    measures: bool,
    /// Bytes in this round.
    delivered: u32,
    lost: u32,
}

impl Bbr {
    /// Of a path of which nothing is known.
    pub const fn new(mss: u16) -> Self {
        Self {
            phase: Phase::Startup,
            rounds: 0,
            full_rounds: 0,
            mss,
            window: INITIAL_SEGMENTS * mss as u32,
            kept_window: 0,
            ceiling: u32::MAX,
            rates: [0; 2],
            full_rate: 0,
            product: 0,
            min_rtt_us: u32::MAX,
            min_rtt_at: Stamp::ZERO,
            since: Stamp::ZERO,
            measures: false,
            delivered: 0,
            lost: 0,
        }
    }

    /// Bytes that may be in flight.
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// Bytes a second to send at; `None` while no rate is known. Before the path was full once, an answer to a short request
    /// is not held back by how short that was.
    pub fn pacing_rate(&self) -> Option<u64> {
        let first =
            u64::from(INITIAL_SEGMENTS) * u64::from(self.mss) * 1_000_000 / u64::from(self.min_rtt_us);
        let floor = if self.is_full() { 0 } else { first };
        // A hundredth less, so that a queue does not grow by rounding.
        let paced = |rate: u64| rate * u64::from(self.gain()) / u64::from(UNIT) * 99 / 100;
        (self.rate() != 0).then(|| paced((self.rate() * RATE_UNIT).max(floor)))
    }

    /// Takes an acknowledgement.
    pub fn hear(&mut self, news: &AckNews) {
        self.delivered = self.delivered.saturating_add(news.delivered);
        self.lost = self.lost.saturating_add(news.lost);
        if let Some(sample) = &news.sample {
            self.learn(sample, news.now);
            self.look_for_ceiling(news.in_flight);
            (self.delivered, self.lost) = (0, 0);
        }
        self.advance(news);
        self.size_window(news.delivered);
    }

    /// Something goes out, and nothing was in flight. When that was so for long, the path's queue is empty, and what goes out
    /// measures the round trip as well as a pause for that would (draft-ietf-ccwg-bbr 5.4.1).
    #[inline]
    pub fn begins_again(&mut self, now: Instant) {
        if self.is_stale(now) {
            (self.measures, self.min_rtt_at) = (true, Stamp::of(now));
            if matches!(self.phase, Phase::ProbeBw(_)) {
                self.enter(Phase::ProbeBw(2), now);
            }
        }
    }

    /// Whether the shortest round trip is to be measured anew.
    fn is_stale(&self, now: Instant) -> bool {
        self.min_rtt_at.until(now) > MIN_RTT_LIFE && self.min_rtt_us != u32::MAX
    }

    /// A timeout: one segment goes out, and what was before comes back as acknowledgements do.
    pub fn timed_out(&mut self) {
        self.kept_window = self.kept_window.max(self.window);
        self.window = u32::from(self.mss);
    }

    fn rate(&self) -> u64 {
        self.rates[0].max(self.rates[1]).into()
    }

    fn gain(&self) -> u32 {
        match self.phase {
            Phase::Startup => GAIN_STARTUP,
            Phase::Drain => GAIN_DRAIN,
            Phase::ProbeBw(step) => CYCLE[usize::from(step) % CYCLE.len()],
            Phase::ProbeRtt => UNIT,
        }
    }

    /// Takes what a round trip told.
    fn learn(&mut self, sample: &Sample, now: Instant) {
        if let Some(rtt) = sample.rtt {
            let us = rtt.micros().clamp(1, u64::from(u32::MAX - 1)) as u32;
            let anew = self.phase == Phase::ProbeRtt && self.min_rtt_at.is_before(self.since);
            if us <= self.min_rtt_us || anew || self.measures {
                (self.min_rtt_us, self.min_rtt_at) = (us, Stamp::of(now));
            }
            self.measures = false;
        }
        let rate = (sample.bytes_per_s / RATE_UNIT).min(u32::MAX.into()) as u32;
        if !sample.app_limited || u64::from(rate) >= self.rate() {
            if self.rounds == RATE_ROUNDS {
                (self.rates, self.rounds) = ([0, self.rates[0]], 0);
            }
            self.rounds += 1;
            self.rates[0] = self.rates[0].max(rate);
        }
        let known = self.min_rtt_us != u32::MAX;
        let product = self.rate() * RATE_UNIT / 1_000 * u64::from(self.min_rtt_us) / 1_000;
        self.product = if known { product.min(1 << 30) as u32 } else { 0 };
        if self.phase == Phase::Startup && !sample.app_limited {
            self.look_for_full();
        }
    }

    /// Whether the round that ends lost more than chance does.
    const fn is_lossy(&self) -> bool {
        self.lost > self.delivered / LOST_PART && self.lost > LOST_SEGMENTS * self.mss as u32
    }

    /// A path with a short queue loses what stands in it: less is in flight from then on, and cautiously more again.
    fn look_for_ceiling(&mut self, in_flight: u32) {
        if self.is_full() && self.is_lossy() {
            let held = self.ceiling.min(in_flight.saturating_add(self.lost));
            self.ceiling = (held - held / 8).max(self.product + self.product / CEILING_ROOM);
        }
    }

    fn look_for_full(&mut self) {
        let rate = self.rates[0].max(self.rates[1]);
        if rate >= self.full_rate.saturating_add(self.full_rate / 4) {
            (self.full_rate, self.full_rounds) = (rate, 0);
        } else {
            self.full_rounds += 1;
        }
        if self.full_rounds >= FULL_ROUNDS || self.is_lossy() {
            self.full_rounds = FULL_ROUNDS;
            self.phase = Phase::Drain;
        }
    }

    /// Goes on to the next phase where it is time.
    fn advance(&mut self, news: &AckNews) {
        let elapsed = self.since.until(news.now);
        match self.phase {
            Phase::Startup => {}
            Phase::Drain if news.in_flight <= self.product => self.enter(Phase::ProbeBw(2), news.now),
            Phase::Drain => {}
            Phase::ProbeBw(step) => {
                let trip_over = elapsed.micros() >= u64::from(self.min_rtt_us);
                let aim = (self.product + self.product / 4).min(self.window);
                let full = news.in_flight + u32::from(self.mss) >= aim;
                let over = match step {
                    0 => trip_over && (full || self.lost != 0 || news.app_limited),
                    1 => trip_over || news.in_flight <= self.product,
                    _ => trip_over,
                };
                if over {
                    if step == 0 && !self.is_lossy() {
                        self.ceiling = self.ceiling.saturating_add(self.product / CEILING_ROOM);
                    }
                    self.enter(Phase::ProbeBw((step + 1) % CYCLE.len() as u8), news.now);
                }
            }
            Phase::ProbeRtt if elapsed >= PROBE_RTT => {
                (self.window, self.min_rtt_at) = (self.window.max(self.kept_window), Stamp::of(news.now));
                self.kept_window = 0;
                let next = if self.is_full() { Phase::ProbeBw(2) } else { Phase::Startup };
                self.enter(next, news.now);
            }
            Phase::ProbeRtt => {}
        }
        let stale = self.is_stale(news.now);
        if stale && news.app_limited {
            self.min_rtt_at = Stamp::of(news.now);
        } else if stale && self.phase != Phase::ProbeRtt {
            self.kept_window = self.window;
            self.enter(Phase::ProbeRtt, news.now);
        }
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since) = (phase, Stamp::of(now));
    }

    /// Whether the path was seen to be full.
    const fn is_full(&self) -> bool {
        self.full_rounds >= FULL_ROUNDS
    }

    fn size_window(&mut self, delivered: u32) {
        let mss = u32::from(self.mss);
        let gain = if self.phase == Phase::Startup { GAIN_STARTUP } else { GAIN_WINDOW };
        let burst = (self.rate() * RATE_UNIT / 1_000).min(65_536) as u32;
        let target =
            (u64::from(self.product) * u64::from(gain) / u64::from(UNIT)) as u32 + 3 * burst.max(mss);
        let floor = WINDOW_SEGMENTS_MIN * mss;
        if self.is_full() {
            self.window = self.window.saturating_add(delivered).min(target);
        } else if self.window < target || self.product == 0 {
            self.window = self.window.saturating_add(delivered);
        }
        self.window = self.window.min(self.ceiling);
        if self.phase == Phase::ProbeRtt {
            self.window = self.window.min(self.product / 2);
        }
        self.window = self.window.max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u16 = 1_000;
    const RTT: Span = Span::from_millis(20);

    /// Rounds of a path of `rate` bytes a second and `RTT`, each of which brings one sample and `lost` bytes.
    fn rounds(bbr: &mut Bbr, now: &mut Instant, (rate, lost): (u64, u32), count: usize) {
        for _ in 0..count {
            *now += RTT;
            let carried = (rate / 50) as u32;
            let bytes_per_s = (u64::from(bbr.window()) * 50).min(rate);
            let news = AckNews {
                now: *now,
                delivered: bbr.window().min(carried),
                lost,
                in_flight: bbr
                    .window()
                    .min((u64::from(carried) * u64::from(bbr.gain().max(UNIT)) / 256) as u32),
                sample: Some(Sample { rtt: Some(RTT), bytes_per_s, app_limited: false }),
                app_limited: false,
                recovers: lost != 0,
            };
            bbr.hear(&news);
        }
    }

    #[test]
    fn startup_finds_the_rate_and_then_keeps_two_products_in_flight() {
        let (mut bbr, mut now) = (Bbr::new(MSS), Instant::ZERO + Span::from_secs(1));
        assert_eq!((bbr.window(), bbr.pacing_rate()), (10_000, None));
        rounds(&mut bbr, &mut now, (10_000_000, 0), 3);
        assert_eq!(bbr.phase, Phase::Startup);
        rounds(&mut bbr, &mut now, (10_000_000, 0), 12);
        assert!(matches!(bbr.phase, Phase::ProbeBw(_)), "{:?}", bbr.phase);
        assert!((199_000..=201_000).contains(&bbr.product), "{}", bbr.product);
        assert!((400_000..=440_000).contains(&bbr.window()), "{}", bbr.window());
    }

    #[test]
    fn the_pace_goes_a_quarter_up_and_a_quarter_down_and_then_keeps_the_rate() {
        let (mut bbr, mut now) = (Bbr::new(MSS), Instant::ZERO + Span::from_secs(1));
        rounds(&mut bbr, &mut now, (10_000_000, 0), 20);
        let mut gains = Vec::new();
        for _ in 0..8 {
            gains.push(bbr.gain());
            now += Span::from_millis(1);
            rounds(&mut bbr, &mut now, (10_000_000, 0), 1);
        }
        gains.sort_unstable();
        assert_eq!(gains, [192, 256, 256, 256, 256, 256, 256, 320]);
    }

    #[test]
    fn loss_by_chance_changes_nothing_and_a_short_queue_sets_a_ceiling() {
        let (mut bbr, mut now) = (Bbr::new(MSS), Instant::ZERO + Span::from_secs(1));
        rounds(&mut bbr, &mut now, (10_000_000, 2_000), 30);
        assert!(bbr.window() > 390_000, "{}", bbr.window());
        rounds(&mut bbr, &mut now, (10_000_000, 20_000), 3);
        assert!((200_000..=230_000).contains(&bbr.window()), "{}", bbr.window());
        rounds(&mut bbr, &mut now, (10_000_000, 0), 40);
        assert!(bbr.window() > 230_000, "{}", bbr.window());
    }

    #[test]
    fn a_round_trip_that_is_ten_seconds_old_is_measured_anew() {
        let (mut bbr, mut now) = (Bbr::new(MSS), Instant::ZERO + Span::from_secs(1));
        rounds(&mut bbr, &mut now, (10_000_000, 0), 20);
        bbr.min_rtt_us -= 1;
        rounds(&mut bbr, &mut now, (10_000_000, 0), 510);
        assert_eq!(bbr.phase, Phase::ProbeRtt);
        assert!(bbr.window() <= bbr.product / 2, "{}", bbr.window());
        rounds(&mut bbr, &mut now, (10_000_000, 0), 12);
        assert!(matches!(bbr.phase, Phase::ProbeBw(_)) && bbr.window() > bbr.product);
    }

    #[test]
    fn after_a_long_silence_the_first_round_trip_is_the_measurement() {
        let (mut bbr, mut now) = (Bbr::new(MSS), Instant::ZERO + Span::from_secs(1));
        rounds(&mut bbr, &mut now, (10_000_000, 0), 20);
        bbr.min_rtt_us -= 5_000;
        now += Span::from_secs(11);
        bbr.begins_again(now);
        rounds(&mut bbr, &mut now, (10_000_000, 0), 5);
        assert!(matches!(bbr.phase, Phase::ProbeBw(_)), "{:?}", bbr.phase);
        assert_eq!(u64::from(bbr.min_rtt_us), RTT.micros());
        assert!(bbr.window() > bbr.product, "{}", bbr.window());
    }

    #[test]
    fn after_a_timeout_one_segment_goes_out() {
        let mut bbr = Bbr::new(MSS);
        bbr.timed_out();
        assert_eq!(bbr.window(), u32::from(MSS));
    }
}

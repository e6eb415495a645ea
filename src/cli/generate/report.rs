//! What a run of the generator came to, as text and as JSON.

use super::fleet::Tally;
use super::flood::Answers;
use crate::base::Span;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Digits that a set-up time is kept to, and the longest that is told apart, in nanoseconds.
const DIGITS: u8 = 3;
const LONGEST_NS: u64 = 600_000_000_000;

/// Set-up times of connections: from the SYN until the SYN-ACK is there.
pub struct Setups(Histogram<u64>);

impl Setups {
    /// None yet.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1_000, LONGEST_NS, DIGITS);
        Self(histogram.expect("fixed bounds that the crate accepts"))
    }

    /// Notes one.
    pub fn note(&mut self, took: Span) {
        self.0.saturating_record(took.nanos().max(1));
    }

    /// Percentiles in microseconds.
    fn json(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        let us = |quantile| (self.0.value_at_quantile(quantile) as f64 / 100.0).round() / 10.0;
        json!({ "p50": us(0.5), "p90": us(0.9), "p99": us(0.99), "p999": us(0.999), "max": us(1.0) })
    }
}

/// Frames of a run.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Frames that the port took.
    pub sent: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Frames received.
    pub received: u64,
    /// How long it ran.
    pub elapsed: Span,
}

impl Traffic {
    fn json(&self) -> Value {
        let seconds = self.elapsed.nanos() as f64 / 1e9;
        let a_second = |count: u64| if seconds > 0.0 { (count as f64 / seconds).round() } else { 0.0 };
        json!({
            "seconds": (seconds * 1e6).round() / 1e6,
            "sent_frames": self.sent,
            "sent_bytes": self.sent_bytes,
            "received_frames": self.received,
            "sent_frames_per_s": a_second(self.sent),
            "received_frames_per_s": a_second(self.received),
        })
    }
}

/// Of a flood.
pub fn flood(traffic: &Traffic, answers: &Answers) -> Value {
    let mut value = traffic.json();
    value["syn_acks"] = json!(answers.syn_acks);
    value["resets"] = json!(answers.resets);
    value["datagrams"] = json!(answers.datagrams);
    value
}

/// Of clients or origins.
pub fn fleet(traffic: &Traffic, (tally, left): (&Tally, usize), setups: Option<&Setups>) -> Value {
    let seconds = traffic.elapsed.nanos() as f64 / 1e9;
    let mut value = json!({
        "opened": tally.opened,
        "established": tally.established,
        "done": tally.done,
        "reset": tally.reset,
        "timed_out": tally.timed_out,
        "open": left,
        "rounds": tally.rounds,
        "full": tally.full,
        "done_per_s": if seconds > 0.0 { (tally.done as f64 / seconds).round() } else { 0.0 },
    });
    if let Some(setups) = setups {
        value["setup_us"] = setups.json();
    }
    if let (Value::Object(all), Value::Object(frames)) = (&mut value, traffic.json()) {
        all.extend(frames);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_noted() {
        let mut setups = Setups::new();
        assert_eq!(setups.json(), Value::Null);
        (1..=1_000).for_each(|us| setups.note(Span::from_micros(us)));
        let value = setups.json();
        assert!((499.0..=501.5).contains(&value["p50"].as_f64().expect("a number")), "{value}");
        assert!((989.0..=991.5).contains(&value["p99"].as_f64().expect("a number")), "{value}");
    }

    #[test]
    fn rates_are_those_of_the_time_that_passed() {
        let traffic =
            Traffic { sent: 500, sent_bytes: 30_000, received: 50, elapsed: Span::from_millis(250) };
        let value = flood(&traffic, &Answers { syn_acks: 40, ..Answers::default() });
        assert_eq!((&value["sent_frames_per_s"], &value["syn_acks"]), (&json!(2_000.0), &json!(40)));
    }
}

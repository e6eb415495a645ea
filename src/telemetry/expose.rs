//! Pages to the formats that people and machines read: Prometheus text (exposition format 0.0.4) and JSON rows.
//!
//! `workers` walks the pages once and tells a `Sink` what it finds; control tells the same sink what else it knows
//! (ports, readiness). A family is told before its samples, and only once.

use super::{AppCounter, Counter, Gauge, Meta, PageReader, SpanHistogram};
use crate::base::outside::is_plain;
use crate::base::{AppSlot, DropReason, RuleSlot};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What Prometheus may do with a family's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A level.
    Gauge,
    /// Quantiles, a sum and a count.
    Summary,
}

/// A sample's value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// A count or a level.
    Whole(u64),
    /// A length of time in seconds, or a ratio.
    Real(f64),
}

/// Takes families and their samples, in order.
pub trait Sink {
    /// Opens a family; the samples that follow are its own.
    fn family(&mut self, name: &'static str, kind: Kind, help: &str);

    /// One sample: `suffix` follows the family's name (a summary's `_sum` and `_count`; empty otherwise).
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], number: Number);
}

/// Ids for slots; a slot without one is left out.
pub struct Names<'a> {
    /// The id of the app in a slot.
    pub app: &'a dyn Fn(AppSlot) -> Option<String>,
    /// The id of the rule in a slot.
    pub rule: &'a dyn Fn(RuleSlot) -> Option<String>,
}

/// Tells `sink` all numbers of all workers. Apps, rules and spans are summed over the workers.
pub fn workers(pages: &[PageReader], names: &Names<'_>, sink: &mut impl Sink) {
    each(pages, Counter::ALL, Kind::Counter, |counter| counter.meta(), PageReader::counter, sink);
    each(pages, Gauge::ALL, Kind::Gauge, |gauge| gauge.meta(), PageReader::gauge, sink);
    drops(pages, sink);
    session_setup(pages, sink);
    apps(pages, names, sink);
    rules(pages, names, sink);
}

/// All rows of one catalog, for each worker.
fn each<C: Copy>(
    pages: &[PageReader],
    all: &[C],
    kind: Kind,
    meta: impl Fn(C) -> Meta,
    read: impl Fn(&PageReader, C) -> u64,
    sink: &mut impl Sink,
) {
    let workers: Vec<_> = pages.iter().map(|page| page.worker().to_string()).collect();
    let mut family = "";
    for &row in all {
        let Meta { name, help, label } = meta(row);
        if family != name {
            sink.family(name, kind, help);
            family = name;
        }
        for (page, worker) in pages.iter().zip(&workers) {
            let mut labels = vec![("worker", worker.as_str())];
            labels.extend(label);
            sink.sample("", &labels, Number::Whole(read(page, row)));
        }
    }
}

fn drops(pages: &[PageReader], sink: &mut impl Sink) {
    let help = "Received frames that were dropped, by reason and Spectrum's class.";
    sink.family("byway_dropped_frames_total", Kind::Counter, help);
    by_reason(pages, PageReader::dropped, sink);
    let help = "Connections and frames of our own that were refused, by reason and Spectrum's class.";
    sink.family("byway_refused_total", Kind::Counter, help);
    by_reason(pages, PageReader::refused, sink);
}

fn by_reason(pages: &[PageReader], read: impl Fn(&PageReader, DropReason) -> u64, sink: &mut impl Sink) {
    for page in pages {
        let worker = page.worker().to_string();
        for &reason in DropReason::ALL {
            let labels = [("reason", reason.name()), ("class", reason.class().name()), ("worker", &worker)];
            sink.sample("", &labels, Number::Whole(read(page, reason)));
        }
    }
}

fn session_setup(pages: &[PageReader], sink: &mut impl Sink) {
    let mut merged = SpanHistogram::merged();
    let sum: u64 = pages.iter().map(|page| page.session_setup().merge_into(&mut merged)).sum();
    sink.family(
        "byway_session_setup_seconds",
        Kind::Summary,
        "From a session's first SYN until both legs were up.",
    );
    for (label, quantile) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)] {
        let seconds = merged.value_at_quantile(quantile) as f64 / 1e9;
        let number = Number::Real(if merged.is_empty() { f64::NAN } else { seconds });
        sink.sample("", &[("quantile", label)], number);
    }
    sink.sample("_sum", &[], Number::Real(sum as f64 / 1e9));
    sink.sample("_count", &[], Number::Whole(merged.len()));
}

fn apps(pages: &[PageReader], names: &Names<'_>, sink: &mut impl Sink) {
    let slots = pages.iter().map(|page| page.size().apps).max().unwrap_or(0);
    let apps: Vec<_> =
        (0..slots as u32).filter_map(|slot| Some((AppSlot(slot), (names.app)(AppSlot(slot))?))).collect();
    let mut family = "";
    for &counter in AppCounter::ALL {
        let Meta { name, help, label } = counter.meta();
        if family != name {
            sink.family(name, Kind::Counter, help);
            family = name;
        }
        for (slot, id) in &apps {
            let mut labels = vec![("app", id.as_str())];
            labels.extend(label);
            let sum = pages.iter().map(|page| page.app(*slot, counter)).sum();
            sink.sample("", &labels, Number::Whole(sum));
        }
    }
}

fn rules(pages: &[PageReader], names: &Names<'_>, sink: &mut impl Sink) {
    sink.family("byway_rule_hits_total", Kind::Counter, "Packets that an access rule decided over.");
    let slots = pages.iter().map(|page| page.size().rules).max().unwrap_or(0);
    for slot in (0..slots as u32).map(RuleSlot) {
        let hits: u64 = pages.iter().map(|page| page.rule_hits(slot)).sum();
        // A table may hold a million rules: those that never matched are left out.
        if hits == 0 {
            continue;
        }
        if let Some(id) = (names.rule)(slot) {
            sink.sample("", &[("rule", &id)], Number::Whole(hits));
        }
    }
}

/// Prometheus text; `text` is what an HTTP answer of type `text/plain; version=0.0.4` holds.
#[derive(Default)]
pub struct PrometheusText {
    /// Everything told so far.
    pub text: String,
    name: &'static str,
}

impl PrometheusText {
    /// The `Content-Type` of such an answer.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("a String takes all text");
    }

    fn put_label(&mut self, label: &str, value: &str) {
        self.put(format_args!("{label}=\""));
        for letter in value.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                plain if is_plain(plain) => self.text.push(plain),
                other => self.put(format_args!("\\{}", other.escape_unicode())),
            }
        }
        self.text.push('"');
    }
}

impl Sink for PrometheusText {
    fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.name = name;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], number: Number) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (nth, (label, value)) in labels.iter().enumerate() {
            self.text.push(if nth == 0 { '{' } else { ',' });
            self.put_label(label, value);
        }
        let close = if labels.is_empty() { "" } else { "}" };
        match number {
            Number::Whole(whole) => self.put(format_args!("{close} {whole}\n")),
            Number::Real(real) => self.put(format_args!("{close} {real}\n")),
        }
    }
}

/// JSON rows `{"name", "labels": {..}, "value"}`; a value that is not a number is null.
#[derive(Default)]
pub struct JsonRows {
    /// Everything told so far.
    pub rows: Vec<Value>,
    name: &'static str,
}

impl Sink for JsonRows {
    fn family(&mut self, name: &'static str, _kind: Kind, _help: &str) {
        self.name = name;
    }

    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], number: Number) {
        let labels: Map<_, _> =
            labels.iter().map(|(label, value)| (label.to_string(), json!(value))).collect();
        let value = match number {
            Number::Whole(whole) => json!(whole),
            Number::Real(real) => json!(real),
        };
        self.rows.push(json!({ "name": format!("{}{suffix}", self.name), "labels": labels, "value": value }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Span, WorkerId};
    use crate::telemetry::{PageSize, page};
    use std::collections::HashSet;

    const SIZE: PageSize = PageSize { apps: 3, rules: 2 };

    fn two_workers() -> Vec<PageReader> {
        let (first, second) = (page(WorkerId(0), SIZE).0, page(WorkerId(1), SIZE).0);
        first.add(Counter::ReceivedFrames, 7);
        first.dropped(DropReason::NoApp);
        second.set(Gauge::Epoch, 4);
        for writer in [&first, &second] {
            writer.add_app(AppSlot(1), AppCounter::BytesOut, 100);
            writer.rule_hit(RuleSlot(0));
            writer.session_setup(Span::from_millis(250));
        }
        vec![first.reader(), second.reader()]
    }

    fn tell(sink: &mut impl Sink) {
        let app = |slot: AppSlot| (slot == AppSlot(1)).then(|| "a\"p\\p\n".to_owned());
        let rule = |slot: RuleSlot| Some(format!("rule{slot}"));
        workers(&two_workers(), &Names { app: &app, rule: &rule }, sink);
    }

    #[test]
    fn text_has_the_samples_with_escaped_labels() {
        let mut sink = PrometheusText::default();
        tell(&mut sink);
        let lines: HashSet<_> = sink.text.lines().collect();
        for line in [
            "# HELP byway_received_frames_total Frames taken from the ports.",
            "# TYPE byway_received_frames_total counter",
            "byway_received_frames_total{worker=\"0\"} 7",
            "byway_dropped_frames_total{reason=\"no_app\",class=\"Not found\",worker=\"0\"} 1",
            "byway_epoch{worker=\"1\"} 4",
            "byway_app_bytes_total{app=\"a\\\"p\\\\p\\n\",direction=\"out\"} 200",
            "byway_rule_hits_total{rule=\"rule0\"} 2",
            "byway_session_setup_seconds_sum 0.5",
            "byway_session_setup_seconds_count 2",
        ] {
            assert!(lines.contains(line), "missing: {line}");
        }
        assert!(!sink.text.contains("rule1"), "a rule without hits is left out");
        assert!(sink.text.ends_with('\n'));
    }

    #[test]
    fn a_hostile_label_moves_no_terminal() {
        let mut sink = PrometheusText::default();
        sink.put_label("rule", "\u{1b}[2J\u{202e}ü");
        assert_eq!(sink.text, "rule=\"\\\\u{1b}[2J\\\\u{202e}ü\"");
    }

    #[test]
    fn each_family_is_opened_once_and_before_its_samples() {
        let mut sink = PrometheusText::default();
        tell(&mut sink);
        let mut opened = HashSet::new();
        let mut family = "";
        for line in sink.text.lines() {
            if let Some(opening) = line.strip_prefix("# TYPE ") {
                family = opening.split(' ').next().expect("a name");
                assert!(opened.insert(family), "{family} is opened twice");
            } else if !line.starts_with('#') {
                assert!(line.starts_with(family), "{line} stands under {family}");
            }
        }
    }

    #[test]
    fn rows_say_the_same_as_the_text() {
        let (mut text, mut rows) = (PrometheusText::default(), JsonRows::default());
        tell(&mut text);
        tell(&mut rows);
        assert_eq!(rows.rows.len(), text.text.lines().filter(|line| !line.starts_with('#')).count());
        let labels = json!({ "app": "a\"p\\p\n", "direction": "out" });
        let row = json!({ "name": "byway_app_bytes_total", "labels": labels, "value": 200 });
        assert!(rows.rows.contains(&row));
    }
}

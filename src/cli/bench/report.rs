//! Rows of a benchmark, against bounds and the budget of the last commit.

use super::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The budget file of this build: what each row cost when it was last set.
const BUDGET: &str = include_str!("../../../tests/bench/budget.toml");

/// `tests/bench/budget.toml`.
#[derive(Deserialize)]
struct Budget {
    /// How far a row may be above its budget, in per cent.
    band_percent: f64,
    /// Row name to its budgeted value.
    rows: BTreeMap<String, f64>,
}

/// One measured number.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The measure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// What it is held against in the same run; absent for what stands alone.
    #[serde(flatten)]
    pub peer: Option<Peer>,
    /// The most it may be by design; the least of a rate, and the least ratio of a row with a peer. Absent where the
    /// design sets no bound.
    pub bound: Option<f64>,
    /// The most it may be by the budget file, band included; absent for a row that is not in it.
    pub budget: Option<f64>,
    /// How it was taken, where it was timed in turn with a peer.
    #[serde(flatten)]
    pub runs: Option<Runs>,
    /// Whether the value is within both.
    pub ok: bool,
}

/// Several runs in turn with a peer, in the same minute.
pub struct Timed {
    /// What was measured.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Flows that took part.
    pub flows: usize,
    /// Bytes of a frame on the wire; 0 where there are several kinds.
    pub frame_bytes: u16,
    /// Own figure and peer's, run by run.
    pub runs: Vec<(f64, f64)>,
    /// Who the peer is.
    pub peer: &'static str,
    /// The least ratio by design.
    pub least: Option<f64>,
}

/// How a timed figure came about.
#[derive(Clone, Debug, Serialize)]
pub struct Runs {
    /// Flows that took part.
    pub flows: usize,
    /// Bytes of a frame on the wire.
    pub frame_bytes: u16,
    /// How many runs.
    pub runs: usize,
    /// The least and the most of them.
    pub min: f64,
    /// As above.
    pub max: f64,
    /// The same of the peer's, where there is one.
    pub peer_min: Option<f64>,
    /// As above.
    pub peer_max: Option<f64>,
}

/// What a number is held against.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Who, or what.
    pub peer: &'static str,
    /// The peer's number, in the same unit.
    pub peer_value: f64,
    /// The number over the peer's; where both were taken several times in turn, the median of the ratios.
    pub ratio: f64,
}

impl Row {
    /// A row with the design's `bound`, if there is one, and its line of the budget file.
    pub fn new(name: String, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        let budget = budgeted(&name);
        let ok = [bound, budget].into_iter().flatten().all(|most| value <= most);
        Self { name, value, unit, peer: None, bound, budget, runs: None, ok }
    }

    /// A row whose ratio to its peer is to be `least` at least, if the design says so.
    pub fn beside(name: String, value: f64, unit: &'static str, peer: Peer, least: Option<f64>) -> Self {
        let ok = least.is_none_or(|least| peer.ratio >= least);
        Self { name, value, unit, peer: Some(peer), bound: least, budget: None, runs: None, ok }
    }

    /// Medians of runs in turn with a peer, and of their ratios, with what the machine's unrest did to them.
    pub fn timed(timed: &Timed) -> Self {
        let (own, peers): (Vec<f64>, Vec<f64>) = timed.runs.iter().copied().unzip();
        let ratio = median(timed.runs.iter().map(|(own, peer)| own / peer).collect());
        let ((min, max), (peer_min, peer_max)) = (ends(&own), ends(&peers));
        let runs = Runs {
            flows: timed.flows,
            frame_bytes: timed.frame_bytes,
            runs: own.len(),
            min,
            max,
            peer_min: Some(peer_min),
            peer_max: Some(peer_max),
        };
        let peer = Peer { peer: timed.peer, peer_value: median(peers), ratio };
        let row = Self::beside(timed.name.clone(), median(own), timed.unit, peer, timed.least);
        Self { runs: Some(runs), ..row }
    }

    /// The median of several runs, which is to be `least` at least, if the design says so.
    pub fn rate(
        name: String,
        unit: &'static str,
        values: &[f64],
        (flows, frame_bytes): (usize, u16),
        least: Option<f64>,
    ) -> Self {
        let value = median(values.to_vec());
        let (min, max) = ends(values);
        let runs = Runs { flows, frame_bytes, runs: values.len(), min, max, peer_min: None, peer_max: None };
        let ok = least.is_none_or(|least| value >= least);
        Self { name, value, unit, peer: None, bound: least, budget: None, runs: Some(runs), ok }
    }

    /// The same with a bound that the value may not pass, which is what a cost has.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        Self { bound: Some(most), ok: self.value <= most, ..self }
    }

    /// Whether the value is within its budget, whatever the design asks for.
    fn is_in_budget(&self) -> bool {
        self.budget.is_none_or(|most| self.value <= most)
    }
}

/// Whether less of this unit is better.
pub fn is_cost(unit: &str) -> bool {
    ["instructions", "bytes", "ms", "us", "microseconds", "cycles", "failures", "percent"]
        .iter()
        .any(|cost| unit.split_whitespace().next() == Some(cost))
}

/// The least and the most.
pub fn ends(values: &[f64]) -> (f64, f64) {
    let fold = |from: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(from, pick);
    (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max))
}

/// The middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The most that row `name` may cost by the budget file.
fn budgeted(name: &str) -> Option<f64> {
    let budget: Budget = toml::from_str(BUDGET).expect("the built-in budget file is valid TOML");
    budget.rows.get(name).map(|value| value * (1.0 + budget.band_percent / 100.0))
}

/// How a bench tells its rows, and which of their limits decide over its exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::Args)]
pub struct Telling {
    /// Put one JSON object on the last line.
    #[arg(long)]
    pub json: bool,
    /// Fail only for a row over its line of the budget file; rows over a bound of the design are still named.
    #[arg(long)]
    pub budget_only: bool,
}

/// Prints the rows for people, and as one JSON object on the last line if asked; `true` when the bench passes.
pub fn print(bench: &str, rows: &[Row], telling: Telling) -> bool {
    for row in rows {
        eprintln!("{}", line(row));
    }
    let machine = Machine::here();
    eprintln!("machine: {machine}");
    let ok = rows.iter().all(|row| row.ok);
    if telling.json {
        let first = rows.first();
        let object = serde_json::json!({
            "name": bench,
            "value": first.map(|row| row.value),
            "unit": first.map(|row| row.unit),
            "peer": first.and_then(|row| row.peer.as_ref()).map(|peer| peer.peer),
            "peer_value": first.and_then(|row| row.peer.as_ref()).map(|peer| peer.peer_value),
            "ratio": first.and_then(|row| row.peer.as_ref()).map(|peer| peer.ratio),
            "bound": first.and_then(|row| row.bound),
            "ok": ok,
            "machine": machine,
            "rows": rows,
        });
        println!("{object}");
    }
    ok || telling.budget_only && rows.iter().all(Row::is_in_budget)
}

fn line(row: &Row) -> String {
    let verdict = match (row.ok, &row.runs, &row.peer) {
        (true, ..) => "ok",
        (false, None, None) => "OVER",
        (false, ..) => "SHORT",
    };
    let head = format!("{:<34} {:>10.1} {:<13}", row.name, row.value, row.unit);
    let limit = |limit: Option<f64>, digits| {
        limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.digits$}"))
    };
    match (&row.peer, &row.runs) {
        (Some(Peer { peer, peer_value, ratio }), runs) => {
            let (least, spread) = (limit(row.bound, 2), runs.as_ref().map(spread).unwrap_or_default());
            format!("{head} {ratio:.3} of {peer_value:.1} ({peer})  at least {least:>5}  {verdict}{spread}")
        }
        (None, Some(runs)) => {
            let which = if is_cost(row.unit) { "most" } else { "least" };
            format!("{head} at {which:<5} {:>7}  {verdict}{}", limit(row.bound, 0), spread(runs))
        }
        (None, None) => {
            let (bound, budget) = (limit(row.bound, 0), limit(row.budget, 0));
            format!("{head} bound {bound:>7}  budget {budget:>7}  {verdict}")
        }
    }
}

/// How far the runs of a timed row lie apart, and what took part.
fn spread(runs: &Runs) -> String {
    let Runs { flows, frame_bytes, runs, min, max, peer_min, peer_max } = runs;
    let frames = if *frame_bytes == 0 { String::new() } else { format!(", {frame_bytes}-byte frames") };
    let peers = peer_min.zip(*peer_max).map(|(min, max)| format!(" in turn, peer {min:.1} to {max:.1}"));
    let peers = peers.unwrap_or_default();
    format!("\n    medians of {runs} runs{peers}: {min:.1} to {max:.1}; {flows} flows{frames}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn a_timed_row_is_held_to_the_median_of_its_ratios() {
        let runs = vec![(4.0, 10.0), (6.0, 10.0), (5.0, 20.0)];
        let timed = Timed {
            name: "t".into(),
            unit: "Mframes/s",
            flows: 7,
            frame_bytes: 64,
            runs,
            peer: "p",
            least: Some(0.45),
        };
        let row = Row::timed(&timed);
        assert_eq!(
            (row.value, row.peer.as_ref().map(|peer| (peer.peer_value, peer.ratio))),
            (5.0, Some((10.0, 0.4)))
        );
        assert!(!row.ok);
        assert!(line(&row).contains("peer 10.0 to 20.0: 4.0 to 6.0; 7 flows, 64-byte frames"));
    }

    #[test]
    fn a_rate_alone_is_held_to_its_least() {
        let rate = |least| Row::rate("r".into(), "Gbit/s", &[4.0, 6.0, 5.0], (64, 1_514), Some(least));
        assert!(rate(5.0).ok && !rate(5.1).ok);
        assert!(
            line(&rate(9.0)).contains("SHORT\n    medians of 3 runs: 4.0 to 6.0; 64 flows, 1514-byte frames")
        );
    }
}

//! Rows of a benchmark, against bounds and the budget of the last commit.

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
    /// The most it may be by design, of a row with a peer the least that its ratio may be; absent where the design
    /// sets no bound.
    pub bound: Option<f64>,
    /// The most it may be by the budget file, band included; absent for a row that is not in it.
    pub budget: Option<f64>,
    /// Whether the value is within both.
    pub ok: bool,
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
        Self { name, value, unit, peer: None, bound, budget, ok }
    }

    /// A row whose ratio to its peer is to be `least` at least, if the design says so.
    pub fn beside(name: String, value: f64, unit: &'static str, peer: Peer, least: Option<f64>) -> Self {
        let ok = least.is_none_or(|least| peer.ratio >= least);
        Self { name, value, unit, peer: Some(peer), bound: least, budget: None, ok }
    }

    /// Whether the value is within its budget, whatever the design asks for.
    fn is_in_budget(&self) -> bool {
        self.budget.is_none_or(|most| self.value <= most)
    }
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
            "rows": rows,
        });
        println!("{object}");
    }
    ok || telling.budget_only && rows.iter().all(Row::is_in_budget)
}

fn line(row: &Row) -> String {
    let verdict = if row.ok {
        "ok"
    } else if row.peer.is_some() {
        "SHORT"
    } else {
        "OVER"
    };
    let head = format!("{:<34} {:>10.1} {:<13}", row.name, row.value, row.unit);
    let limit = |limit: Option<f64>, digits| {
        limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.digits$}"))
    };
    match &row.peer {
        Some(Peer { peer, peer_value, ratio }) => {
            let least = limit(row.bound, 2);
            format!("{head} {ratio:.3} of {peer_value:.1} ({peer})  at least {least:>5}  {verdict}")
        }
        None => {
            let (bound, budget) = (limit(row.bound, 0), limit(row.budget, 0));
            format!("{head} bound {bound:>7}  budget {budget:>7}  {verdict}")
        }
    }
}

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
    /// The most it may be: the smaller of the design's bound and the budget with its band; absent where none is set.
    pub bound: Option<f64>,
    /// Whether the value is within its bound.
    pub ok: bool,
}

impl Row {
    /// A row whose bound is `limit` (of the design) or the budget with its band, whichever is less.
    pub fn new(name: String, value: f64, unit: &'static str, limit: Option<f64>) -> Self {
        let bound = match (limit, budgeted(&name)) {
            (Some(limit), Some(budget)) => Some(limit.min(budget)),
            (limit, budget) => limit.or(budget),
        };
        Self { name, value, unit, bound, ok: bound.is_none_or(|bound| value <= bound) }
    }
}

/// The most that row `name` may cost by the budget file.
fn budgeted(name: &str) -> Option<f64> {
    let budget: Budget = toml::from_str(BUDGET).expect("the built-in budget file is valid TOML");
    budget.rows.get(name).map(|value| value * (1.0 + budget.band_percent / 100.0))
}

/// Prints the rows for people, or as one JSON object on the last line; `true` when all are within their bounds.
pub fn print(bench: &str, rows: &[Row], json: bool) -> bool {
    let ok = rows.iter().all(|row| row.ok);
    for row in rows {
        let bound = row.bound.map_or_else(|| "-".to_owned(), |bound| format!("{bound:.0}"));
        let verdict = if row.ok { "ok" } else { "OVER" };
        eprintln!("{:<44} {:>10.0} {:<24} bound {:>8}  {verdict}", row.name, row.value, row.unit, bound);
    }
    if json {
        let first = rows.first();
        let object = serde_json::json!({
            "name": bench,
            "value": first.map(|row| row.value),
            "unit": first.map(|row| row.unit),
            "bound": first.and_then(|row| row.bound),
            "ok": ok,
            "rows": rows,
        });
        println!("{object}");
    }
    ok
}

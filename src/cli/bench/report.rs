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
    /// The most it may be by design; absent where the design sets no bound.
    pub bound: Option<f64>,
    /// The most it may be by the budget file, band included; absent for a row that is not in it.
    pub budget: Option<f64>,
    /// Whether the value is within both.
    pub ok: bool,
}

impl Row {
    /// A row with the design's `bound`, if there is one, and its line of the budget file.
    pub fn new(name: String, value: f64, unit: &'static str, bound: Option<f64>) -> Self {
        let budget = budgeted(&name);
        let ok = [bound, budget].into_iter().flatten().all(|most| value <= most);
        Self { name, value, unit, bound, budget, ok }
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
    let most = |most: Option<f64>| most.map_or_else(|| "-".to_owned(), |most| format!("{most:.0}"));
    for row in rows {
        let verdict = if row.ok { "ok" } else { "OVER" };
        let (bound, budget) = (most(row.bound), most(row.budget));
        let (name, value, unit) = (&row.name, row.value, row.unit);
        eprintln!("{name:<34} {value:>10.1} {unit:<13} bound {bound:>7}  budget {budget:>7}  {verdict}");
    }
    let ok = rows.iter().all(|row| row.ok);
    if telling.json {
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
    ok || telling.budget_only && rows.iter().all(Row::is_in_budget)
}

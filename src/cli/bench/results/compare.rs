//! What became worse: each row against the row of the same name in other results.

use super::read::Results;
use std::collections::BTreeMap;

/// How far counts may drift before they are worse.
const COST_DRIFT: f64 = 0.03;
/// The same for times, which a machine's unrest moves.
const RATE_DRIFT: f64 = 0.05;

/// One sentence for each row that is worse than `before`, in order.
pub fn worse(now: &BTreeMap<String, Results>, before: &BTreeMap<String, Results>) -> Vec<String> {
    let mut said = Vec::new();
    for (bench, results) in now {
        let Some(old) = before.get(bench) else { continue };
        for row in &results.rows {
            let Some(earlier) = old.rows.iter().find(|old| old.name == row.name) else { continue };
            let (is, was) = (row.figure(), earlier.figure());
            let (is_worse, word) = if row.is_cost() && row.ratio.is_none() {
                (is > was * (1.0 + COST_DRIFT), "more")
            } else {
                (is < was * (1.0 - RATE_DRIFT), "lower")
            };
            if is_worse {
                let unit = if row.ratio.is_some() { "of its peer" } else { &row.unit };
                said.push(format!("{bench}: {} is {word}: {is:.3} {unit}, {was:.3} before", row.name));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::read::Row;
    use super::*;

    fn results(rows: Vec<Row>) -> BTreeMap<String, Results> {
        BTreeMap::from([("b".to_owned(), Results { name: "b".into(), rows })])
    }

    fn row(name: &str, value: f64, unit: &str, ratio: Option<f64>) -> Row {
        Row { name: name.into(), value, unit: unit.into(), ratio, ..Row::default() }
    }

    #[test]
    fn costs_that_grew_and_ratios_that_fell_are_told() {
        let before = results(vec![
            row("cost", 100.0, "instructions", None),
            row("steady", 100.0, "instructions", None),
            row("beside", 5.0, "Mframes/s", Some(0.5)),
            row("alone", 10.0, "Gbit/s", None),
        ]);
        let now = results(vec![
            row("cost", 104.0, "instructions", None),
            row("steady", 90.0, "instructions", None),
            row("beside", 9.0, "Mframes/s", Some(0.4)),
            row("alone", 9.9, "Gbit/s", None),
            row("new", 1.0, "Gbit/s", None),
        ]);
        assert_eq!(
            worse(&now, &before),
            [
                "b: cost is more: 104.000 instructions, 100.000 before",
                "b: beside is lower: 0.400 of its peer, 0.500 before"
            ]
        );
        assert!(worse(&before, &now).iter().all(|line| line.contains("steady")));
    }
}

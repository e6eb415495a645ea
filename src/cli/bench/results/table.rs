//! Results as a markdown table.

use super::read::{Results, Row};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One table a bench, under its name.
pub fn markdown(all: &BTreeMap<String, Results>) -> String {
    let mut text = String::new();
    for (bench, results) in all {
        // Writing into a string does not fail.
        let _ = writeln!(text, "## {bench}\n");
        let _ = writeln!(text, "| row | value | unit | spread | peer | peer's | ratio | bound | |");
        let _ = writeln!(text, "|---|---:|---|---|---|---:|---:|---:|---|");
        for row in &results.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        let _ = writeln!(text, "\n![{bench}]({bench}.svg)\n");
    }
    text
}

fn line(row: &Row) -> String {
    let spread = match (row.min, row.max) {
        (Some(min), Some(max)) => format!("{} to {}", number(min), number(max)),
        _ => String::new(),
    };
    let peer = row.peer.as_deref().unwrap_or("");
    let other = row.peer_value.map(number).unwrap_or_default();
    let ratio = row.ratio.map(|ratio| format!("{ratio:.3}")).unwrap_or_default();
    let (word, verdict) =
        (if row.ratio.is_some() || !row.is_cost() { "≥" } else { "≤" }, if row.ok { "" } else { "short" });
    let bound = row.bound.map(|bound| format!("{word} {}", number(bound))).unwrap_or_default();
    let (name, value, unit) = (&row.name, number(row.value), &row.unit);
    format!("| {name} | {value} | {unit} | {spread} | {peer} | {other} | {ratio} | {bound} | {verdict} |")
}

/// A number with as many digits as it deserves.
pub fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_it_has_and_leaves_the_rest_empty() {
        let plain =
            Row { name: "a".into(), value: 2_245.4, unit: "instructions".into(), ok: true, ..Row::default() };
        assert_eq!(line(&plain), "| a | 2245 | instructions |  |  |  |  |  |  |");
        let beside = Row {
            peer: Some("macswap".into()),
            peer_value: Some(60.8),
            ratio: Some(0.4401),
            bound: Some(0.45),
            min: Some(26.0),
            max: Some(27.25),
            ok: false,
            ..plain
        };
        assert_eq!(
            line(&beside),
            "| a | 2245 | instructions | 26.0 to 27.2 | macswap | 60.8 | 0.440 | ≥ 0.450 | short |"
        );
    }
}

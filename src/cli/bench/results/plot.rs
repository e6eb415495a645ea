//! A bench's rows as bars in an SVG of its own: each row's measure, its peer's beneath, its bound as a mark. Rows of one
//! unit share a scale. Written by hand: a handful of rectangles needs no library.

use super::read::{Results, Row};
use super::table::number;
use std::fmt::Write;

const WIDTH: f64 = 900.0;
/// Where bars begin and how long the longest is.
const BARS: f64 = 300.0;
const LONGEST: f64 = 440.0;
const BAR: f64 = 14.0;
const GAP: f64 = 12.0;
const TOP: f64 = 44.0;
const OWN: &str = "#2f6fab";
const SHORT: &str = "#b3402f";
const PEER: &str = "#b9c2cc";
const MARK: &str = "#222222";

/// The plot of a bench.
pub fn svg(bench: &str, results: &Results) -> String {
    let (mut body, mut y) = (String::new(), TOP);
    for row in &results.rows {
        let longest =
            results.rows.iter().filter(|other| other.unit == row.unit).map(reach).fold(0.0, f64::max);
        let scale = if longest > 0.0 { LONGEST / longest } else { 0.0 };
        y = bars(&mut body, row, (y, scale)) + GAP;
    }
    let name = escaped(bench);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\">{name}</text>\n{body}</svg>\n",
        height = y + GAP
    )
}

/// The longest thing that a row draws.
fn reach(row: &Row) -> f64 {
    [Some(row.value), row.peer_value, row.max, mark(row)].into_iter().flatten().fold(0.0, f64::max)
}

/// The bound on the scale of the measure.
fn mark(row: &Row) -> Option<f64> {
    match (row.bound, row.peer_value) {
        (Some(bound), Some(peer)) if row.ratio.is_some() => Some(bound * peer),
        (bound, _) => bound,
    }
}

/// Draws a row from `y` on; where it ends.
fn bars(body: &mut String, row: &Row, (y, scale): (f64, f64)) -> f64 {
    let colour = if row.ok { OWN } else { SHORT };
    let words = match (&row.ratio, &row.unit) {
        (Some(ratio), unit) => format!("{} {unit} ({ratio:.3})", number(row.value)),
        (None, unit) => format!("{} {unit}", number(row.value)),
    };
    label(body, 10.0, (y, &row.name));
    bar(body, row.value * scale, (y, colour, &words));
    let mut end = y + BAR;
    if let (Some(peer), Some(value)) = (&row.peer, row.peer_value) {
        bar(body, value * scale, (end, PEER, &format!("{} {peer}", number(value))));
        end += BAR;
    }
    if let Some(at) = mark(row) {
        let x = BARS + at * scale;
        let (y1, y2) = (y - 3.0, end + 1.0);
        let _ = writeln!(
            body,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\" stroke=\"{MARK}\"/>"
        );
    }
    end
}

fn bar(body: &mut String, width: f64, (y, colour, words): (f64, &str, &str)) {
    let height = BAR - 2.0;
    let _ = writeln!(
        body,
        "<rect x=\"{BARS}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
    );
    label(body, BARS + width + 6.0, (y, words));
}

fn label(body: &mut String, x: f64, (y, text): (f64, &str)) {
    let (base, text) = (y + BAR - 4.0, escaped(text));
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{base:.1}\">{text}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_one_unit_share_a_scale_and_a_bound_beside_a_peer_is_a_part_of_the_peer() {
        let row =
            |name: &str, value| Row { name: name.into(), value, unit: "Mframes/s".into(), ..Row::default() };
        let beside = Row {
            peer: Some("macswap <&>".into()),
            peer_value: Some(60.0),
            ratio: Some(0.5),
            bound: Some(0.25),
            ok: true,
            ..row("half", 30.0)
        };
        let results = Results { name: "b".into(), rows: vec![beside, row("small", 6.0)] };
        let svg = svg("b", &results);
        let widths: Vec<&str> =
            svg.split("width=\"").skip(3).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(widths, ["220.0", "440.0", "44.0"]);
        assert!(svg.contains("x1=\"410.0\""), "a quarter of the peer's bar: {svg}");
        assert!(svg.contains("macswap &lt;&amp;&gt;") && svg.contains(OWN) && svg.contains(SHORT));
    }
}

//! The rows: goodput at three rates of loss, two flows' shares, and what a short queue makes the sender send again.

use super::super::report::{self, Peer, Row, Telling, median};
use super::path::Terms;
use super::scene::{Got, Run, run};
use crate::base::Span;
use std::process::ExitCode;

/// The bottleneck.
const BITS_PER_S: u64 = 100_000_000;
/// One way; the round trip is twice as long.
const DELAY: Span = Span::from_millis(10);
/// Bytes that fill the path: 100 Mbit/s for 20 ms.
const BDP_BYTES: u64 = 250_000;
/// Losses in a million frames, and the design's bound on the goodput over the bottleneck's rate.
const LOSSES: [(u32, f64); 3] = [(0, 0.88), (1_000, 0.75), (10_000, 0.40)];
/// The design's bound: the slower of two flows over the faster one.
const FAIR_MIN: f64 = 0.5;
/// The design's bound: what is sent again with a queue of a fifth of the path, in per cent.
const AGAIN_PERCENT_MAX: f64 = 5.0;

/// How long and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LossyArgs {
    /// Seeds of each row.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub seeds: u64,
    /// Seconds of virtual time of each run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
}

/// Takes every row and prints them; fails when one falls short.
pub fn bench_lossy(args: LossyArgs, telling: Telling) -> ExitCode {
    match report::print("lossy", &rows(args), telling) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn rows(args: LossyArgs) -> Vec<Row> {
    let span = Span::from_secs(args.seconds);
    let terms = Terms { bits_per_s: BITS_PER_S, delay: DELAY, queue_bytes: BDP_BYTES, loss_ppm: 0 };
    let all = |terms: Terms, flows: u16| -> Vec<Vec<Got>> {
        (1..=args.seeds).map(|seed| run(&Run { terms, flows, span, seed })).collect()
    };
    let mut rows = Vec::new();
    for (loss_ppm, least) in LOSSES {
        let got = all(Terms { loss_ppm, ..terms }, 1);
        let rates = got.iter().map(|got| got[0].mbit_per_s(span)).collect();
        let name = format!("lossy_{}_percent", f64::from(loss_ppm) / 10_000.0);
        let (rate, link) = (median(rates), BITS_PER_S as f64 / 1e6);
        let peer = Peer { peer: "the bottleneck", peer_value: link, ratio: rate / link };
        rows.push(Row::beside(name, rate, "Mbit/s", peer, Some(least)));
    }
    rows.push(shares(&all(terms, 2), span));
    rows.push(again(&all(Terms { queue_bytes: BDP_BYTES / 5, ..terms }, 1)));
    rows
}

/// The slower of two flows beside the faster one.
fn shares(got: &[Vec<Got>], span: Span) -> Row {
    let rates = |pick: fn(f64, f64) -> f64| -> Vec<f64> {
        got.iter().map(|got| pick(got[0].mbit_per_s(span), got[1].mbit_per_s(span))).collect()
    };
    let (slow, fast) = (rates(f64::min), rates(f64::max));
    let ratio = median(slow.iter().zip(&fast).map(|(slow, fast)| slow / fast).collect());
    let peer = Peer { peer: "the faster of two", peer_value: median(fast), ratio };
    Row::beside("lossy_two_flows".into(), median(slow), "Mbit/s", peer, Some(FAIR_MIN))
}

/// Bytes that the edge sent again, of all it sent.
fn again(got: &[Vec<Got>]) -> Row {
    let share = |got: &Got| got.again as f64 * 100.0 / got.sent as f64;
    let shares = got.iter().map(|got| share(&got[0])).collect();
    Row::new("lossy_short_queue_again".into(), median(shares), "percent", Some(AGAIN_PERCENT_MAX))
}

//! Rounds over congestion controls, directions and roads, and the rows that come of them.

use super::super::lab::{IPERF_PORT, LabError, stream};
use super::super::report::{self, Peer, Row, Runs, Telling, ends, median};
use super::net::{Handshake, Net, Road};
use super::slow_wire::Terms;
use crate::base::Span;
use std::process::ExitCode;
use std::time::Duration;

/// What both roads are like, each way: 20 ms there and back, a queue of what is under way then.
const TERMS: Terms = Terms { bits_per_s: 100_000_000, delay: Span::from_millis(10), queue_bytes: 250_000 };
/// Packets lost beside the client, each way.
const LOSS_PERCENT: u32 = 1;
/// The design's bound: within 15 % of the direct road.
const LEAST: f64 = 0.85;
/// The design's bound on what is carried by splice.
const SPLICED_LEAST: f64 = 0.99;
/// How often a connection is asked for, and how long after one that failed.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
const FRAME_BYTES: u16 = 1_514;

/// How long and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct GoodputArgs {
    /// Rounds over all figures, both roads in turn, with either `[tcp] splice_handshake`.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds of each connection.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,
}

/// Who recovers from losses, and which way the bytes go.
#[derive(Clone, Copy, Debug)]
struct Figure {
    name: &'static str,
    options: &'static [&'static str],
}

const FIGURES: [Figure; 4] = [
    Figure { name: "bbr_up", options: &["--congestion", "bbr"] },
    Figure { name: "bbr_down", options: &["--congestion", "bbr", "--reverse"] },
    Figure { name: "cubic_up", options: &["--congestion", "cubic"] },
    Figure { name: "cubic_down", options: &["--congestion", "cubic", "--reverse"] },
];

/// Takes every row and prints them; fails when one falls short, and without root, two CPUs, nft(8) or iperf3.
pub fn bench_goodput(args: GoodputArgs, telling: Telling) -> ExitCode {
    match rows(args) {
        Ok(rows) if report::print("goodput", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows(args: GoodputArgs) -> Result<Vec<Row>, LabError> {
    Handshake::ALL.into_iter().try_fold(Vec::new(), |mut rows, handshake| {
        rows.extend(rows_of(args, handshake)?);
        Ok(rows)
    })
}

fn rows_of(args: GoodputArgs, handshake: Handshake) -> Result<Vec<Row>, LabError> {
    let net = Net::new(TERMS, LOSS_PERCENT, handshake)?;
    let mut shown: [[Vec<f64>; 2]; FIGURES.len()] = Default::default();
    for round in 1..=args.rounds {
        eprintln!("{}: round {round} of {}", handshake.name(), args.rounds);
        for (figure, shown) in FIGURES.iter().zip(&mut shown) {
            for (road, values) in [Road::Byway, Road::Direct].into_iter().zip(shown) {
                values.push(take(&net, *figure, road, args.seconds)?);
            }
        }
    }
    let name = |what: &str| format!("{what}_{}", handshake.name());
    let mut rows: Vec<Row> =
        FIGURES.iter().zip(&shown).map(|(figure, shown)| row(name(figure.name), shown)).collect();
    let share = [net.spliced_share()?];
    rows.push(Row::rate(name("spliced_share"), "of bytes", &share, (1, FRAME_BYTES), Some(SPLICED_LEAST)));
    Ok(rows)
}

/// One connection, in Mbit/s of payload. A server that still waits for the lost goodbye of the client before resets the
/// next one, which asks again.
fn take(net: &Net, figure: Figure, road: Road, seconds: u32) -> Result<f64, LabError> {
    let seconds = seconds.to_string();
    let options = [&["--time", seconds.as_str()], figure.options].concat();
    let ask = || stream(net.client_seat(), road.door(), IPERF_PORT, &options);
    let mut answer = ask();
    for _ in 1..TRIES {
        if !matches!(answer, Err(LabError::Unreadable(..) | LabError::Refused(..))) {
            break;
        }
        std::thread::sleep(PAUSE);
        answer = ask();
    }
    answer.map(|gigabits| gigabits * 1e3)
}

/// Medians of both roads: chance is each run's own, so that runs make no pairs.
fn row(name: String, [own, direct]: &[Vec<f64>; 2]) -> Row {
    let (value, peer_value) = (median(own.clone()), median(direct.clone()));
    let peer = Peer { peer: "the direct road", peer_value, ratio: value / peer_value };
    let ((min, max), (peer_min, peer_max)) = (ends(own), ends(direct));
    let runs = Runs {
        flows: 1,
        frame_bytes: FRAME_BYTES,
        runs: own.len(),
        min,
        max,
        peer_min: Some(peer_min),
        peer_max: Some(peer_max),
    };
    Row { runs: Some(runs), ..Row::beside(name, value, "Mbit/s", peer, Some(LEAST)) }
}

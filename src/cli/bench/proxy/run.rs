//! Rounds over contenders and figures, and the rows that come of them.

use super::super::lab::LabError;
use super::super::report::{self, Row, Telling, Timed, median};
use super::contender::Contender;
use super::figure::{Figure, Work};
use super::net::Net;
use std::process::ExitCode;

/// The design's bound: byway reaches at least this share of the bare wire, or HAProxy, whichever is less.
const OF_WIRE: f64 = 0.85;
/// The design's bound: cycles of a request on a connection that stays, beside the driver's.
const CYCLES_MAX: f64 = 20_000.0;

/// How long and how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ProxyArgs {
    /// Rounds over all contenders.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds of each figure; source ports that byway used rest for a minute, so that long runs of connections run out of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,
}

/// Takes every row and prints them; fails when one falls short, and without root, two CPUs or the peers.
pub fn bench_proxy(args: ProxyArgs, telling: Telling) -> ExitCode {
    match rows(args) {
        Ok(rows) if report::print("proxy", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What one contender showed, round by round.
#[derive(Default)]
struct Shown {
    /// By figure, in the order of `Figure::ALL`.
    figures: [Vec<f64>; Figure::ALL.len()],
    /// Cycles of a request.
    cycles: Vec<f64>,
}

fn rows(args: ProxyArgs) -> Result<Vec<Row>, LabError> {
    let net = Net::new()?;
    let mut shown: [Shown; Contender::ALL.len()] = Default::default();
    for round in 1..=args.rounds {
        for (contender, shown) in Contender::ALL.into_iter().zip(&mut shown) {
            eprintln!("round {round} of {}: {}", args.rounds, contender.name());
            take_round(&net, contender, args.seconds, shown)?;
        }
    }
    Ok(tell(&shown))
}

fn take_round(net: &Net, contender: Contender, seconds: u32, shown: &mut Shown) -> Result<(), LabError> {
    let daemon = contender.start(net)?;
    for (figure, values) in Figure::ALL.into_iter().zip(&mut shown.figures) {
        let before = Work::of(net, contender, &daemon)?;
        let value = figure.take(net, contender, seconds)?;
        values.push(value);
        if figure == Figure::Requests {
            let after = Work::of(net, contender, &daemon)?;
            shown.cycles.push(after.per_request(before, value * f64::from(seconds)));
        }
    }
    Ok(())
}

/// Rows of the better of the two byways with its bounds, then what everybody reached.
fn tell(shown: &[Shown; Contender::ALL.len()]) -> Vec<Row> {
    let of =
        |contender: Contender| &shown[Contender::ALL.iter().position(|one| *one == contender).unwrap_or(0)];
    let byway = better(of(Contender::BywayAfPacket), of(Contender::BywayAfXdp));
    let mut rows = Vec::new();
    for (at, figure) in Figure::ALL.into_iter().enumerate() {
        let [haproxy, wire] = [Contender::Haproxy, Contender::Wire].map(|peer| of(peer).figures[at].clone());
        let least = |(haproxy, wire): (&f64, &f64)| haproxy.min(OF_WIRE * wire);
        let peers: Vec<f64> = haproxy.iter().zip(&wire).map(least).collect();
        let (name, unit) = figure.names();
        let runs = byway.figures[at].iter().copied().zip(peers).collect();
        let peer = "HAProxy, or 0.85 of the bare wire where that is less";
        rows.push(Row::timed(&Timed {
            name: name.into(),
            unit,
            flows: figure.flows(),
            frame_bytes: 0,
            runs,
            peer,
            least: Some(1.0),
        }));
    }
    rows.push(Row::new(
        "cycles_per_request".into(),
        median(byway.cycles.clone()),
        "cycles",
        Some(CYCLES_MAX),
    ));
    for (contender, shown) in Contender::ALL.into_iter().zip(shown) {
        for (figure, values) in Figure::ALL.into_iter().zip(&shown.figures) {
            let (name, unit) = figure.names();
            rows.push(Row::new(format!("{name}_{}", contender.name()), median(values.clone()), unit, None));
        }
        let name = format!("cycles_per_request_{}", contender.name());
        // The wire forwards frames, and polls: what it spends is not told apart from what it waits.
        if contender != Contender::Wire {
            rows.push(Row::new(name, median(shown.cycles.clone()), "cycles", None));
        }
    }
    rows
}

/// The one with more requests a second.
fn better<'a>(one: &'a Shown, other: &'a Shown) -> &'a Shown {
    let requests = |shown: &Shown| median(shown.figures[Figure::ALL.len() - 1].clone());
    if requests(one) >= requests(other) { one } else { other }
}

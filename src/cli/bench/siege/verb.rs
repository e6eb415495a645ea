//! The bench itself: calibration, then quiet and flood in turns.

use super::super::lab::{LabError, within};
use super::super::report::{self, Row, Telling, median};
use super::lab::{EDGE, Lab, ORIGIN, leave_worker_alone};
use super::talks::{self, Talks};
use serde_json::Value;
use std::process::ExitCode;

/// Clients a second, for how long, and how many times without and with a flood.
const CLIENTS_PER_S: u64 = 100;
const SECONDS: u64 = 5;
const ROUNDS: usize = 5;
/// SYNs a second that calibration begins with and ends at, how long each try takes, and how often it halves the span.
const RATE_MIN: u64 = 10_000;
const RATE_MAX: u64 = 2_000_000;
const TRY_SECONDS: u64 = 2;
const HALVINGS: u32 = 3;
/// What the flood is of the highest rate without loss.
const SHARE: f64 = 0.8;
/// How many times the quiet p99 the one under flood may be.
const SLOWER_MAX: f64 = 3.0;

/// Takes the rows and prints them.
pub fn bench_flood(telling: Telling) -> ExitCode {
    match rows() {
        Ok(rows) if report::print("flood", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("byway bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn rows() -> Result<Vec<Row>, LabError> {
    let lab = Lab::raise()?;
    leave_worker_alone()?;
    let refused = |error: std::io::Error| LabError::Refused("the origin".to_owned(), error.to_string());
    within(&lab.origin, || talks::serve(address(ORIGIN)).map_err(refused))??;
    let highest = calibrate(&lab)?;
    let rate = (highest as f64 * SHARE) as u64;
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(visit(&lab)?);
        flooded.push(visit_in_flood(&lab, rate)?);
    }
    Ok(told(&quiet, &flooded, highest))
}

/// The clients of one round, and what the flood that was there before the first and after the last says of itself.
fn visit_in_flood(lab: &Lab, rate: u64) -> Result<(Talks, Value), LabError> {
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| lab.flood(rate, SECONDS + 4));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let talks = visit(lab);
        let said = flood.join().unwrap_or_else(|_| Err(LabError::Panicked));
        Ok((talks?, said?))
    })
}

fn told(quiet: &[Talks], flooded: &[(Talks, Value)], highest: u64) -> Vec<Row> {
    let setup = |name: &str, talks: &[&Talks], quantile: f64| {
        let values: Vec<f64> = talks.iter().map(|talks| talks.setup_us(quantile)).collect();
        Row::rate(name.to_owned(), "us", &values, ((CLIENTS_PER_S * SECONDS) as usize, 0), None)
    };
    let calm: Vec<&Talks> = quiet.iter().collect();
    let slow: Vec<&Talks> = flooded.iter().map(|(talks, _)| talks).collect();
    let failed = |talks: &[&Talks]| talks.iter().map(|talks| talks.failed).sum::<u64>() as f64;
    let a_second = |field: &str| {
        let each = |(_, said): &(Talks, Value)| {
            said[field].as_f64().unwrap_or(0.0) / said["seconds"].as_f64().unwrap_or(1.0)
        };
        median(flooded.iter().map(each).collect())
    };
    let quiet_p99 = setup("quiet_setup_p99", &calm, 0.99);
    let most = SLOWER_MAX * quiet_p99.value;
    vec![
        Row::new("flood_failed_clients".into(), failed(&slow), "failures", Some(0.0)),
        setup("flood_setup_p99", &slow, 0.99).at_most(most),
        Row::new(
            "flood_answered_clients".into(),
            slow.iter().map(|talks| talks.done()).sum::<u64>() as f64,
            "clients",
            None,
        ),
        setup("flood_setup_p50", &slow, 0.5),
        Row::new("quiet_failed_clients".into(), failed(&calm), "failures", Some(0.0)),
        quiet_p99,
        setup("quiet_setup_p50", &calm, 0.5),
        Row::new("flood_syns".into(), a_second("sent_frames"), "a second", None),
        Row::new("flood_syns_without_loss".into(), highest as f64, "a second", None),
        Row::new("flood_syn_acks".into(), a_second("syn_acks"), "a second", None),
    ]
}

/// The highest rate of SYNs that the generator keeps and of which the edge's port loses none.
fn calibrate(lab: &Lab) -> Result<u64, LabError> {
    let mut good = 0;
    let mut bad = RATE_MIN;
    while bad <= RATE_MAX && is_without_loss(lab, bad)? {
        (good, bad) = (bad, bad * 2);
    }
    for _ in 0..HALVINGS {
        let middle = u64::midpoint(good, bad);
        if is_without_loss(lab, middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    if good != 0 {
        return Ok(good);
    }
    Err(LabError::Refused(
        "calibration".to_owned(),
        format!("{RATE_MIN} SYNs a second are lost at the port already"),
    ))
}

fn is_without_loss(lab: &Lab, rate: u64) -> Result<bool, LabError> {
    let before = lab.arrivals()?;
    let sent = lab.flood(rate, TRY_SECONDS)?["sent_frames"].as_u64().unwrap_or(0);
    let after = lab.arrivals()?;
    let keeps = sent >= rate * TRY_SECONDS / 100 * 95;
    eprintln!(
        "  {rate} SYNs a second: {sent} sent, {} arrived, {} lost",
        after.received - before.received,
        after.lost - before.lost
    );
    Ok(keeps && after.lost == before.lost)
}

fn visit(lab: &Lab) -> Result<Talks, LabError> {
    within(&lab.client, || talks::visit(address(EDGE), CLIENTS_PER_S, SECONDS))
}

fn address(text: &str) -> std::net::SocketAddr {
    text.parse().expect("a constant address and port")
}

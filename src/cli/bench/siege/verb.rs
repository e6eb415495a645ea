//! The bench itself: quiet, calibration, flood.

use super::super::lab::{LabError, within};
use super::super::report::{self, Row, Telling};
use super::lab::{EDGE, Lab, ORIGIN};
use super::talks::{self, Talks};
use serde_json::Value;
use std::process::ExitCode;

/// Clients a second, and for how long.
const CLIENTS_PER_S: u64 = 100;
const SECONDS: u64 = 10;
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
    let refused = |error: std::io::Error| LabError::Refused("the origin".to_owned(), error.to_string());
    within(&lab.origin, || talks::serve(address(ORIGIN)).map_err(refused))??;
    let quiet = visit(&lab)?;
    let highest = calibrate(&lab)?;
    let rate = (highest as f64 * SHARE) as u64;
    let (flooded, said) = std::thread::scope(|scope| {
        // The flood is there before the first client and after the last.
        let flood = scope.spawn(|| lab.flood(rate, SECONDS + 4));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let talks = visit(&lab);
        (talks, flood.join().unwrap_or_else(|_| Err(LabError::Panicked)))
    });
    Ok(told(&quiet, &flooded?, (highest, &said?)))
}

fn told(quiet: &Talks, flooded: &Talks, (highest, flood): (u64, &Value)) -> Vec<Row> {
    let (calm, slow) = (quiet.setup_us(0.99), flooded.setup_us(0.99));
    let seconds = flood["seconds"].as_f64().unwrap_or(1.0);
    let a_second = |field: &str| flood[field].as_f64().unwrap_or(0.0) / seconds;
    vec![
        Row::new("flood_failed_clients".into(), flooded.failed as f64, "failures", Some(0.0)),
        Row::new("flood_setup_p99".into(), slow, "us", Some(SLOWER_MAX * calm)),
        Row::new("flood_answered_clients".into(), flooded.done() as f64, "clients", None),
        Row::new("flood_setup_p50".into(), flooded.setup_us(0.5), "us", None),
        Row::new("quiet_failed_clients".into(), quiet.failed as f64, "failures", Some(0.0)),
        Row::new("quiet_setup_p99".into(), calm, "us", None),
        Row::new("quiet_setup_p50".into(), quiet.setup_us(0.5), "us", None),
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

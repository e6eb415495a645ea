//! The rows of the bench: each size is a process of its own, this very binary again.

use super::super::report::{self, Row, Telling, Timed};
use super::probe::Measured;
use std::process::{Command, ExitCode};

/// Apps in the store, where it is not said.
const SIZES: [u32; 2] = [100, 100_000];
/// The design's bound on a change, in milliseconds: from the request's first byte to the answer's last one, at the 99th
/// percentile.
const CHANGE_MS_MAX: f64 = 50.0;
/// What is left of a worker's rate beside changes, by design.
const RATE_LEAST: f64 = 0.95;
/// Changes a second that are asked for, less what the clock makes of it.
const CHANGES_PER_S_LEAST: f64 = 99.0;

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ControlArgs {
    /// Apps in the store; 100 and 100,000 when not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub apps: Option<u32>,
}

/// Takes the rows and prints them; fails when one is out of its bound.
pub fn bench_control(args: ControlArgs, telling: Telling) -> ExitCode {
    let sizes = args.apps.map_or(SIZES.to_vec(), |apps| vec![apps]);
    let measured: Result<Vec<Vec<Row>>, String> = sizes.into_iter().map(rows).collect();
    match measured.map(|rows| rows.concat()) {
        Ok(rows) if report::print("control", &rows, telling) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("byway bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows(apps: u32) -> Result<Vec<Row>, String> {
    eprintln!("{apps} apps; api.requests_per_5min is raised to a million, its default is 1,200");
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let out = Command::new(exe).args(["bench", "control-probe", "--apps", &apps.to_string()]).output();
    let out = out.map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&out.stdout);
    let last = told.lines().next_back().unwrap_or_default();
    let measured: Measured = serde_json::from_str(last)
        .map_err(|_| format!("{apps} apps: {}", String::from_utf8_lossy(&out.stderr).trim()))?;
    let mut rows = Vec::new();
    for (verb, latency) in &measured.latencies {
        rows.push(Row::new(format!("{verb}_{apps}_p99"), latency.p99_ms, "ms", Some(CHANGE_MS_MAX)));
        rows.push(Row::new(format!("{verb}_{apps}_p50"), latency.p50_ms, "ms", None));
    }
    rows.push(Row::new(format!("start_{apps}"), measured.start_ms, "ms", None));
    let each = (measured.flows, measured.frame_bytes);
    let name = format!("changes_{apps}");
    rows.push(Row::rate(name, "changes/s", &measured.changes_per_s, each, Some(CHANGES_PER_S_LEAST)));
    rows.push(Row::timed(&Timed {
        name: format!("frames_beside_changes_{apps}"),
        unit: "Mframes/s",
        flows: measured.flows,
        frame_bytes: measured.frame_bytes,
        runs: measured.rates,
        peer: "without changes",
        least: Some(RATE_LEAST),
    }));
    Ok(rows)
}

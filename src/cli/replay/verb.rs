//! The verb: files in, a file and a summary out.

use super::drive::Driver;
use super::learn::Learned;
use crate::base::DropReason;
use crate::cli::args::ReplayArgs;
use crate::cli::check::{boot_spec, table};
use crate::cli::command::{fail, tell, tell_json};
use crate::port::pcap::{PcapError, PcapReader, PcapWriter};
use crate::telemetry::{Counter, PageReader};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::process::ExitCode;

/// Replays and tells what happened.
pub fn run(args: &ReplayArgs) -> ExitCode {
    match replay(args) {
        Ok(summary) if args.json => tell_json(&summary),
        Ok(summary) => tell(crate::cli::show::fields(&summary)),
        Err(why) => fail(why),
    }
}

fn replay(args: &ReplayArgs) -> Result<Value, String> {
    let spec = boot_spec(&args.config)?;
    let tables = args.tables.as_ref().unwrap_or(&spec.tables);
    let (_, loaded) = table(tables, Some(&spec)).map_err(|lines| lines.join("; "))?;
    let snapshot = loaded.compiled.snapshot.as_ref().clone();
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error: PcapError| format!("{path}: {error}")
    };
    let input = || open(&args.input);
    let learned = Learned::read(input()?, &spec, &snapshot.table).map_err(at(&args.input))?;
    let file = File::create(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    let output = PcapWriter::new(BufWriter::new(file)).map_err(at(&args.out))?;
    let mut driver = Driver::new(spec, snapshot, &learned, output);
    driver.run(input()?, &learned).map_err(at(&args.input))?;
    let summary = summary(&driver.counts, &driver.page);
    driver.finish().map_err(at(&args.out))?;
    Ok(summary)
}

fn open(path: &Path) -> Result<PcapReader<BufReader<File>>, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    PcapReader::new(BufReader::new(file)).map_err(|error| format!("{}: {error}", path.display()))
}

fn summary(counts: &super::drive::Counts, page: &PageReader) -> Value {
    let dropped = DropReason::ALL.iter().filter(|reason| page.dropped(**reason) > 0);
    let dropped: serde_json::Map<String, Value> =
        dropped.map(|reason| (reason.name().to_owned(), page.dropped(*reason).into())).collect();
    json!({
        "frames_fed": counts.fed,
        "frames_skipped": counts.skipped,
        "frames_cut": counts.cut,
        "frames_sent": counts.sent,
        "sessions_opened": page.counter(Counter::OpenedSessions),
        "sessions_established": page.counter(Counter::EstablishedSessions),
        "dropped": dropped,
    })
}

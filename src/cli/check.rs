//! `byway check`: is this file right, and what would it bring about?

use super::against::against;
use super::args::{AgainstArg, CheckArgs};
use super::command::{complain, fail, tell, tell_json};
use super::run::{folder_of, reserved};
use super::secret::Secret;
use super::show::app_table;
use super::whereabouts::lab;
use crate::base::outside::OneLine;
use crate::control::certificates::CertificateStore;
use crate::control::config::Problem;
use crate::control::config::boot::{self, BootSpec, MemoryEstimate};
use crate::control::{Loaded, Store, Workshop, app_rows, summary};
use crate::table::OriginBook;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Reads the file and says what it is.
pub fn run(args: &CheckArgs) -> ExitCode {
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(why) => return answer(args, Err(vec![why])),
    };
    let checked = match (is_json(&text), args.against) {
        (true, _) => check_table(args),
        (false, None) => check_boot(args, &text),
        (false, Some(AgainstArg::Running)) => Err(vec![format!(
            "{}: is a boot config: only a table file is held against a running byway",
            args.file.display()
        )]),
    };
    answer(args, checked)
}

/// A report for people and the same for programs.
struct Report {
    text: String,
    json: Value,
}

fn answer(args: &CheckArgs, checked: Result<Report, Vec<String>>) -> ExitCode {
    match checked {
        Ok(report) if args.json => tell_json(&report.json),
        Ok(report) => tell(report.text),
        Err(lines) if args.json => {
            tell_json(&json!({ "ok": false, "errors": lines }));
            ExitCode::FAILURE
        }
        Err(lines) => {
            lines.iter().for_each(complain);
            fail(format_args!("{} thing(s) wrong", lines.len()))
        }
    }
}

/// A table file is a JSON object; no TOML document starts with a brace.
fn is_json(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '['])
}

/// Reads a file as UTF-8 text.
///
/// # Errors
/// One line that names the file.
pub fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Reads a boot config.
///
/// # Errors
/// All that is wrong with it, on one line.
pub fn boot_spec(file: &Path) -> Result<BootSpec, String> {
    let text = read(file)?;
    boot::parse(&text, folder_of(file)).map_err(|problems| named(file, &problems).join("; "))
}

/// All problems of a file, a line each.
pub fn named(file: &Path, problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {problem}", file.display())).collect()
}

/// Compiles a table file without storing it, under `boot` where there is one.
///
/// # Errors
/// All that is wrong with it, a line each.
pub fn table(file: &Path, boot: Option<&BootSpec>) -> Result<(Workshop, Loaded), Vec<String>> {
    let mut workshop = workshop(file, boot, Store::new(Path::new("")));
    let loaded = workshop.try_file().map_err(|error| error.lines())?;
    Ok((workshop, loaded))
}

/// A workshop that tries things out: under `boot` where there is one, with what `store` keeps.
pub fn workshop(file: &Path, boot: Option<&BootSpec>, store: Store) -> Workshop {
    let taken = boot.map_or_else(lab, reserved);
    let mut workshop = Workshop::new(file, store, taken, 0, Secret::fixed().tables());
    workshop.set_geo(boot.map(|boot| boot.geo.clone()).unwrap_or_default());
    let resolves = boot.is_none_or(|boot| !boot.dns.resolvers.is_empty());
    let book = OriginBook { resolves, ..OriginBook::clone(&workshop.compiler.origins) };
    workshop.compiler.origins = Arc::new(book);
    if let Some(boot) = boot {
        workshop = workshop.with_certificates(CertificateStore::new(&boot.tls));
    }
    workshop
}

fn check_table(args: &CheckArgs) -> Result<Report, Vec<String>> {
    let boot = args.config.as_deref().map(boot_spec).transpose().map_err(|why| vec![why])?;
    let (_, loaded) = table(&args.file, boot.as_ref())?;
    if let Some(AgainstArg::Running) = args.against {
        let against = against(&args.socket.socket, &loaded).map_err(|why| vec![why])?;
        let mut json = against.json();
        (json["ok"], json["summary"]) = (true.into(), summary(&loaded).into());
        return Ok(Report { text: against.text().trim_end().to_owned(), json });
    }
    let rows = app_rows::rows(&loaded, &[]);
    let mut text = String::new();
    for warning in &loaded.warnings {
        // Writing into a string does not fail.
        let _ = writeln!(text, "warning: {}", OneLine(warning));
    }
    let apps = app_table(&json!(rows));
    let _ = write!(text, "{apps}\nthe table file is right: {}", summary(&loaded));
    let json = json!({ "ok": true, "summary": summary(&loaded), "apps": rows, "warnings": loaded.warnings });
    Ok(Report { text, json })
}

fn check_boot(args: &CheckArgs, text: &str) -> Result<Report, Vec<String>> {
    let spec = boot::parse(text, folder_of(&args.file)).map_err(|problems| named(&args.file, &problems))?;
    let warnings = spec.warnings();
    let estimate = MemoryEstimate::of(&spec);
    let json = json!({
        "ok": true,
        "tables": spec.tables,
        "ports": spec.ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(),
        "workers": spec.workers.count(),
        "memory_bytes_max": estimate.total_bytes(),
        "resting_bytes_max": estimate.resting_bytes,
        "tls_bytes_each": estimate.tls_bytes_each(),
        "sessions": estimate.kinds.map(|kind| json!({
            "kind": kind.kind.name(), "sessions": kind.sessions, "bytes_each": kind.bytes_each,
        })),
        "warnings": warnings,
    });
    Ok(Report { text: boot_text(&spec, &warnings), json })
}

fn boot_text(spec: &BootSpec, warnings: &[String]) -> String {
    let mut lines = Vec::new();
    for port in &spec.ports {
        let addresses: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "port {}: {}, mtu {}, {}",
            port.name,
            port.device,
            port.mtu,
            addresses.join(", ")
        ));
    }
    for route in &spec.routes {
        lines.push(format!(
            "route {} via {} on {}",
            route.to,
            route.via,
            spec.ports[route.port.index()].name
        ));
    }
    lines.push(format!("workers: {}", spec.workers.count()));
    lines.push(format!("memory: {}", MemoryEstimate::of(spec)));
    lines.push(format!("tables: {}", spec.tables.display()));
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push("the boot config is right".into());
    lines.iter().map(|line| OneLine(line).to_string()).collect::<Vec<_>>().join("\n")
}

//! `byway check`: is this file right, and what would it bring about?

use super::args::CheckArgs;
use super::command::{fail, tell};
use crate::control::config::Problem;
use crate::control::config::boot::{self, BootSpec, MemoryEstimate};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Reads the file and says what it is.
pub fn run(args: &CheckArgs) -> ExitCode {
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(why) => return fail(why),
    };
    match load_text(&args.file, &text) {
        Ok(spec) => tell(boot_report(&spec)),
        Err(problems) => fail_all(&args.file, &problems),
    }
}

/// Reads a file as UTF-8 text.
///
/// # Errors
/// One line that names the file.
pub fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn load_text(file: &Path, text: &str) -> Result<BootSpec, Vec<Problem>> {
    boot::parse(text, file.parent().unwrap_or(Path::new("")))
}

/// All problems of a file, a line each, and the exit code.
pub fn fail_all(file: &Path, problems: &[Problem]) -> ExitCode {
    for problem in problems {
        fail(format_args!("{}: {problem}", file.display()));
    }
    fail(format_args!("{}: {} thing(s) wrong; nothing was changed", file.display(), problems.len()))
}

fn boot_report(spec: &BootSpec) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or(());
    for port in &spec.ports {
        let addresses: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
        line(format!("port {}: {}, mtu {}, {}", port.name, port.device, port.mtu, addresses.join(", ")));
    }
    for route in &spec.routes {
        line(format!("route {} via {} on {}", route.to, route.via, spec.ports[route.port.index()].name));
    }
    line(format!("workers: {}", spec.workers.count()));
    line(format!("memory: {}", MemoryEstimate::of(spec)));
    for warning in spec.warnings() {
        line(format!("warning: {warning}"));
    }
    line("the boot config is right".into());
    out.trim_end().to_owned()
}

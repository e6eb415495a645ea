//! `byway doctor`: prints what `doctor` found.

use super::args::DoctorArgs;
use super::check::boot_spec;
use super::command::{fail, tell};
use super::doctor::doctor;
use std::process::ExitCode;

/// Looks and prints; the exit code says how bad it is.
pub fn run(args: &DoctorArgs) -> ExitCode {
    let spec = match args.config.as_deref().map(boot_spec).transpose() {
        Ok(spec) => spec,
        Err(why) => return fail(why),
    };
    let report = doctor(spec.as_ref());
    tell(report.to_string().trim_end());
    ExitCode::from(report.exit_code())
}

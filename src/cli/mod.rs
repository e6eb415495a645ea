//! Composition: the only room where worker and control meet.

use std::process::ExitCode;

/// Runs the command line; the exit code is the process's.
pub fn main() -> ExitCode {
    ExitCode::FAILURE
}

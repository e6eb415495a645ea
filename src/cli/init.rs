//! `byway config init`: the commented boot config.

use super::command::{fail, tell};
use crate::control::config::boot::TEMPLATE;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Writes the template to `path`, which must not exist yet, or to standard output.
pub fn run(path: Option<&Path>) -> ExitCode {
    let Some(path) = path else { return tell(TEMPLATE.trim_end()) };
    let written = OpenOptions::new().write(true).create_new(true).open(path);
    match written.and_then(|mut file| file.write_all(TEMPLATE.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(format_args!("{}: {error}", path.display())),
    }
}

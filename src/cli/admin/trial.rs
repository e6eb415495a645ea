//! Trials of what the API changes, over the admin socket: `byway admin try`, and what `byway confirm` does on a box that the
//! API rules.

use super::args::AdminTryArgs;
use super::ask::{ask, result};
use crate::cli::command::{fail, tell};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Begins a trial.
pub fn begin(args: &AdminTryArgs) -> ExitCode {
    let body = json!({ "confirm_within": args.confirm_within }).to_string();
    match ask(&args.socket, "POST", "/byway/trial", Some(body)).and_then(result) {
        Ok((begun, _)) => tell(begun_words(&begun["trial"])),
        Err(why) => fail(why),
    }
}

fn begun_words(trial: &Value) -> String {
    format!(
        "all that the API changes from now on is on trial until {}\n\
         `byway confirm` keeps it; without that everything but users, tokens and letters is as after version {} again then",
        trial["until"].as_str().unwrap_or("?"),
        trial["version"],
    )
}

/// Keeps what is on trial.
///
/// # Errors
/// One line.
pub fn confirm(socket: &Path) -> Result<String, String> {
    let (done, _) = ask(socket, "POST", "/byway/trial/confirm", None).and_then(result)?;
    Ok(format!("what changed after version {} stays: {} thing(s)", done["version"], done["changes"]))
}

/// Takes back what is on trial.
///
/// # Errors
/// One line.
pub fn revert(socket: &Path) -> Result<String, String> {
    let (done, _) = ask(socket, "POST", "/byway/trial/revert", None).and_then(result)?;
    Ok(format!(
        "{} change(s) are taken back: everything but users, tokens and letters is as it was after version {}",
        done["changes"], done["version"]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_begins_a_trial_reads_when_it_ends_and_how_to_keep_it() {
        let words = begun_words(&json!({ "until": "2026-01-02T03:04:05.000000Z", "version": 41 }));
        for part in
            ["until 2026-01-02T03:04:05.000000Z", "`byway confirm` keeps it", "as after version 41 again"]
        {
            assert!(words.contains(part), "{words}");
        }
    }
}

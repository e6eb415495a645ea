//! `byway admin restore`: a copy in the place of the store of a byway that does not run.

use super::args::AdminRestoreArgs;
use super::init::hand_over;
use super::verb::{api_of, who};
use crate::base::OsClock;
use crate::cli::args::VERSION;
use crate::cli::check::boot_spec;
use crate::cli::command::{complain, fail, tell};
use crate::cli::run::reserved;
use crate::control::rfc3339;
use crate::estate::{Change, Estate, Kind, Stamp, unsound};
use crate::vault::{Candidate, Entry, Row, TrialStep};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Entities of the old store that are named where the copy lacks them.
const NAMED_MAX: usize = 20;

/// Looks the copy over and swaps it in.
pub fn run(args: &AdminRestoreArgs) -> ExitCode {
    match restore(args) {
        Ok(lines) => tell(lines.join("\n")),
        Err(mut lines) => {
            let last = lines.pop().unwrap_or_default();
            lines.iter().for_each(complain);
            fail(last)
        }
    }
}

fn restore(args: &AdminRestoreArgs) -> Result<Vec<String>, Vec<String>> {
    let one = |line: String| vec![line];
    let (api, boot) = (api_of(&args.config).map_err(one)?, boot_spec(&args.config).map_err(one)?);
    if UnixStream::connect(&api.socket).is_ok() {
        return Err(one(format!("a byway answers on {}: stop it first", api.socket.display())));
    }
    let candidate = Candidate::take(&args.from, &api.store, VERSION);
    let mut candidate = candidate.map_err(|error| one(error.to_string()))?;
    let estate = crate::api::read(candidate.vault(), &reserved(&boot)).map_err(|mut lines| {
        lines.push(format!(
            "{}: {} thing(s) do not go with the boot config",
            args.from.display(),
            lines.len()
        ));
        lines
    })?;
    let mut lines = told(&estate);
    lines.extend(
        candidate.vault().trial().map(|trial| {
            format!("the copy was made on trial: what changed after version {} stays", trial.base)
        }),
    );
    lines.extend(missing(&estate, candidate.old_rows()));
    lines.extend(revived(&estate, candidate.old_rows()));
    if args.dry_run {
        lines.push(format!("{} is right; nothing was changed", args.from.display()));
        return Ok(lines);
    }
    let now = Stamp(OsClock::unix_micros());
    let what = format!("byway admin restore {}", args.from.display());
    let entry = crate::api::entry(who(), what, &Change::default(), now);
    // Whoever restores says what is to be in force.
    let entry = Entry { trial: TrialStep::Ends, ..entry };
    candidate.vault().commit(&entry).map_err(|error| one(error.to_string()))?;
    let stamp: String = rfc3339(now.0).chars().filter(|letter| letter.is_ascii_digit()).take(20).collect();
    let kept = candidate.swap(&stamp).map_err(|error| one(error.to_string()))?;
    hand_over(&api.store);
    let kept: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
    lines.push(match kept.as_slice() {
        [] => format!("{} is restored; there was no store before", api.store.display()),
        kept => format!("{} is restored; kept of the old store: {}", api.store.display(), kept.join(", ")),
    });
    Ok(lines)
}

/// What the copy holds, and what in it does not hold together.
fn told(estate: &Estate) -> Vec<String> {
    let all = estate.all();
    let count = |kind: &Kind| all.iter().filter(|entity| entity.kind() == *kind).count();
    let counts = Kind::ALL.iter().map(|kind| (kind.name(), count(kind))).filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(name, count)| format!("{count} {name}")).collect();
    let faults = unsound(estate).into_iter();
    let faults =
        faults.map(|fault| format!("warning: {} {}: {}", fault.key.kind.name(), fault.key.id, fault.text));
    [format!("the copy holds: {}", counts.join(", "))].into_iter().chain(faults).collect()
}

/// What the present store holds and the copy does not.
fn missing(estate: &Estate, old: Option<Vec<Row>>) -> Vec<String> {
    let known: std::collections::HashSet<(String, String)> = estate
        .all()
        .iter()
        .map(|entity| (entity.kind().name().to_owned(), entity.id().to_string()))
        .collect();
    let lost: Vec<Row> = old
        .into_iter()
        .flatten()
        .filter(|row| !known.contains(&(row.kind.clone(), row.id.clone())))
        .collect();
    let mut lines: Vec<String> =
        lost.iter().take(NAMED_MAX).map(|row| format!("not in the copy: {} {}", row.kind, row.id)).collect();
    if lost.len() > NAMED_MAX {
        lines.push(format!("not in the copy: {} more", lost.len() - NAMED_MAX));
    }
    lines
}

/// Tokens that were revoked or rolled since: the copy's open the box again.
fn revived(estate: &Estate, old: Option<Vec<Row>>) -> Vec<String> {
    let Some(old) = old else { return Vec::new() };
    let kept = |token: &crate::estate::Token| {
        let id = token.id.to_string();
        old.iter().any(|row| row.kind == "token" && row.id == id && row.body.contains(&token.hash))
    };
    let revived = estate.tokens.iter().filter(|token| !kept(token));
    revived
        .map(|token| {
            format!(
                "warning: token {} ({}) was revoked or rolled since, and opens the box again",
                token.id, token.name
            )
        })
        .collect()
}

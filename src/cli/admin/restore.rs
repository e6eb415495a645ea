//! `byway admin restore`: a copy in the place of the store of a byway that does not run.

use super::args::AdminRestoreArgs;
use super::init::hand_over;
use super::verb::{api_of, who};
use crate::api::{Revived, revivals};
use crate::base::OsClock;
use crate::base::outside::OneLine;
use crate::cli::args::VERSION;
use crate::cli::check::boot_spec;
use crate::cli::command::{complain, fail, tell, tell_json};
use crate::cli::run::reserved;
use crate::control::rfc3339;
use crate::estate::{Change, Entity, Estate, Id, Kind, Reader, Stamp, unsound};
use crate::table::Reserved;
use crate::vault::{Candidate, Entry, OldRows, Row, TrialStep};
use serde_json::{Value, json};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

/// Entities of the old store that are named where the copy lacks them.
const NAMED_MAX: usize = 20;

/// What a look at the copy found, and what came of it.
struct Report {
    copy: PathBuf,
    store: PathBuf,
    /// How many the copy holds of each kind.
    counts: Vec<(&'static str, usize)>,
    /// What is worth a look.
    notes: Vec<String>,
    /// What the store holds and the copy does not: kind and id.
    missing: Vec<(String, String)>,
    /// What opens the box again.
    revived: Vec<Revived>,
    /// Under which names the old store is kept; `None`: nothing was changed.
    kept: Option<Vec<String>>,
}

/// Looks the copy over and swaps it in.
pub fn run(args: &AdminRestoreArgs) -> ExitCode {
    match restore(args) {
        Ok(report) if args.json => tell_json(&report.json()),
        Ok(report) => {
            let lines: Vec<String> =
                report.lines().into_iter().map(|line| OneLine(line).to_string()).collect();
            tell(lines.join("\n"))
        }
        Err(mut lines) => {
            let last = lines.pop().unwrap_or_default();
            lines.iter().for_each(complain);
            fail(last)
        }
    }
}

fn restore(args: &AdminRestoreArgs) -> Result<Report, Vec<String>> {
    let one = |line: String| vec![line];
    let (api, boot) = (api_of(&args.config).map_err(one)?, boot_spec(&args.config).map_err(one)?);
    if UnixStream::connect(&api.socket).is_ok() {
        return Err(one(format!("a byway answers on {}: stop it first", api.socket.display())));
    }
    let candidate = Candidate::take(&args.from, &api.store, VERSION);
    let mut candidate = candidate.map_err(|error| one(error.to_string()))?;
    let reserved = reserved(&boot);
    let estate = crate::api::read(candidate.vault(), &reserved).map_err(|mut lines| {
        lines.push(format!(
            "{}: {} thing(s) do not go with the boot config",
            args.from.display(),
            lines.len()
        ));
        lines
    })?;
    let mut report = looked_over(&estate, candidate.old_rows(), &reserved);
    (report.copy, report.store) = (args.from.clone(), api.store.clone());
    report.notes.extend(
        candidate.vault().trial().map(|trial| {
            format!("the copy was made on trial: what changed after version {} stays", trial.base)
        }),
    );
    if args.dry_run {
        return Ok(report);
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
    report.kept = Some(kept.iter().map(|path| path.display().to_string()).collect());
    Ok(report)
}

/// What the copy holds, what in it does not hold together, and what changes by it.
fn looked_over(estate: &Estate, old: OldRows, reserved: &Reserved) -> Report {
    let all = estate.all();
    let count = |kind: &Kind| all.iter().filter(|entity| entity.kind() == *kind).count();
    let counts = Kind::ALL.iter().map(|kind| (kind.name(), count(kind))).filter(|(_, count)| *count > 0);
    let faults = unsound(estate).into_iter();
    let faults =
        faults.map(|fault| format!("warning: {} {}: {}", fault.key.kind.name(), fault.key.id, fault.text));
    let mut notes: Vec<String> = faults.collect();
    let rows = match old {
        OldRows::Rows(rows) => rows,
        OldRows::Nothing => Vec::new(),
        OldRows::Unreadable => {
            notes.push(
                "warning: the present store cannot be read, so that nobody knows what was revoked or rolled since the \
                 copy: it opens the box again"
                    .into(),
            );
            Vec::new()
        }
    };
    let (present, unread) = secrets_of(&rows, reserved);
    if unread > 0 {
        notes.push(format!(
            "warning: {unread} users and tokens of the present store cannot be read: what was revoked or rolled of them \
             opens the box again"
        ));
    }
    Report {
        copy: PathBuf::new(),
        store: PathBuf::new(),
        counts: counts.collect(),
        notes,
        missing: missing(&all, &rows),
        revived: revivals(&secrets_back(estate, &present), &present),
        kept: None,
    }
}

/// Users and tokens of the present store, and how many of them do not read.
fn secrets_of(rows: &[Row], reserved: &Reserved) -> (Estate, usize) {
    let mut reader = Reader::new(reserved);
    let mut unread = 0;
    for kind in [Kind::User, Kind::Token] {
        for row in rows.iter().filter(|row| row.kind == kind.name()) {
            let is_read = Id::parse(&row.id).is_some_and(|id| reader.read(kind, id, &row.body).is_ok());
            unread += usize::from(!is_read);
        }
    }
    (reader.done(), unread)
}

/// What makes the present store's users and tokens those of the copy.
fn secrets_back(copy: &Estate, present: &Estate) -> Change {
    let mut change = Change::default();
    let users = copy.users.iter().map(|user| Entity::User(user.clone()));
    for entity in users.chain(copy.tokens.iter().map(|token| Entity::Token(token.clone()))) {
        match present.get(crate::estate::Key { kind: entity.kind(), id: entity.id() }) {
            Some(before) => change.turn(before, entity),
            None => change.make(entity),
        }
    }
    change
}

/// What the present store holds and the copy does not.
fn missing(all: &[Entity], old: &[Row]) -> Vec<(String, String)> {
    let known: std::collections::HashSet<(String, String)> =
        all.iter().map(|entity| (entity.kind().name().to_owned(), entity.id().to_string())).collect();
    let rows = old.iter().map(|row| (row.kind.clone(), row.id.clone()));
    rows.filter(|row| !known.contains(row)).collect()
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let counts: Vec<String> = self.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let mut lines = vec![format!("the copy holds: {}", counts.join(", "))];
        lines.extend(self.notes.iter().cloned());
        let named = self.missing.iter().take(NAMED_MAX);
        lines.extend(named.map(|(kind, id)| format!("not in the copy: {kind} {id}")));
        if self.missing.len() > NAMED_MAX {
            lines.push(format!("not in the copy: {} more", self.missing.len() - NAMED_MAX));
        }
        lines.extend(self.revived.iter().map(Revived::to_string));
        let store = self.store.display();
        lines.push(match self.kept.as_deref() {
            None => format!("{} is right; nothing was changed", self.copy.display()),
            Some([]) => format!("{store} is restored; there was no store before"),
            Some(kept) => format!("{store} is restored; kept of the old store: {}", kept.join(", ")),
        });
        lines
    }

    fn json(&self) -> Value {
        let counts = self.counts.iter().map(|(name, count)| ((*name).to_owned(), (*count).into()));
        let missing = self.missing.iter().map(|(kind, id)| json!({ "kind": kind, "id": id }));
        json!({
            "store": self.store.display().to_string(),
            "restored": self.kept.is_some(),
            "kept": self.kept.as_deref().unwrap_or_default(),
            "holds": Value::Object(counts.collect()),
            "not_in_copy": missing.collect::<Value>(),
            "revived": self.revived.iter().map(Revived::json).collect::<Value>(),
            "notes": self.notes,
        })
    }
}

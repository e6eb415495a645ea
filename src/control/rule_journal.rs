//! Access rules changed one by one, beside the stored table: a JSON line each, appended and synced before the change is
//! in force, and carried out over the table file at every load. Of several changes of one target the last counts; a start
//! writes the file anew without the others.
//!
//! ```text
//!  {"zone": "example.com", "rule": {"mode": "block", "configuration": {"target": "ip", "value": "203.0.113.66"}}}
//!  {"account": "a", "remove": {"target": "country", "value": "DE"}}
//! ```

use super::config::tables::{one_configuration, one_rule, rule_json};
use super::store::{read_text, replace};
use crate::base::limits::JOURNAL_RULES_MAX;
use crate::firewall::Target;
use crate::snapshot::{RuleChange, RuleScope};
use crate::table::ScopeName;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The journal's name in the state folder.
const NAME: &str = "rules.jsonl";

/// The changes in force over the table file.
#[derive(Debug, Default)]
pub struct RuleJournal {
    path: Option<PathBuf>,
    changes: BTreeMap<(RuleScope, Target), RuleChange>,
}

/// Why a journal cannot be used.
#[derive(Debug)]
pub enum JournalError {
    /// The system's word.
    Io(PathBuf, io::Error),
    /// This line is no change.
    Line(PathBuf, usize, String),
    /// It is full: its changes belong into the table file.
    Full(PathBuf),
    /// byway keeps no state folder here.
    Off,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Line(path, line, why) => {
                write!(f, "{}: line {line}: {why}; take the line or the file away", path.display())
            }
            Self::Full(path) => write!(
                f,
                "{} holds {JOURNAL_RULES_MAX} changes: write them into the table file and take it away",
                path.display()
            ),
            Self::Off => f.write_str("there is no state folder to keep changes of rules in"),
        }
    }
}

impl RuleJournal {
    /// The journal of `folder`, with what was changed before. A last line that a crash cut off is left out: its change was
    /// never confirmed.
    ///
    /// # Errors
    /// See `JournalError`.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = Self::path_in(folder);
        let mut journal = Self { path: Some(path.clone()), changes: BTreeMap::new() };
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
            Err(error) => return Err(JournalError::Io(path, error)),
        };
        let mut lines = 0;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            lines += 1;
            let change = read_line(line).map_err(|why| JournalError::Line(path.clone(), lines, why))?;
            journal.keep(change);
        }
        if lines > journal.changes.len() || !text.ends_with('\n') && !text.is_empty() {
            let text: String = journal.changes.values().map(line_of).collect();
            replace(&path, &text).map_err(|error| JournalError::Io(path, error))?;
        }
        Ok(journal)
    }

    /// Where the journal of `folder` is.
    pub fn path_in(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// All changes that count, in the order of scopes and targets.
    pub fn changes(&self) -> impl Iterator<Item = &RuleChange> {
        self.changes.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether this target's rule is a change of the journal's.
    pub fn holds(&self, scope: &RuleScope, target: Target) -> bool {
        self.changes.contains_key(&(scope.clone(), target))
    }

    /// Appends `changes` and syncs. By half nothing is kept: the next start leaves a cut line out.
    ///
    /// # Errors
    /// See `JournalError`.
    pub fn append(&mut self, changes: &[RuleChange]) -> Result<(), JournalError> {
        let path = self.path.clone().ok_or(JournalError::Off)?;
        if self.changes.len() + changes.len() > JOURNAL_RULES_MAX {
            return Err(JournalError::Full(path));
        }
        let text: String = changes.iter().map(line_of).collect();
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?;
            let before = file.metadata()?.len();
            let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
            // A disk that is full may have taken half a line.
            written.inspect_err(|_| drop(file.set_len(before)))
        };
        write().map_err(|error| JournalError::Io(path.clone(), error))?;
        changes.iter().cloned().for_each(|change| self.keep(change));
        Ok(())
    }

    fn keep(&mut self, change: RuleChange) {
        self.changes.insert((change.scope.clone(), change.target), change);
    }
}

fn line_of(change: &RuleChange) -> String {
    format!("{}\n", change_json(change))
}

/// A change as a JSON object, as the journal and the local socket have it.
pub fn change_json(change: &RuleChange) -> Value {
    let mut line = Map::new();
    match &change.scope {
        RuleScope::User => line.insert("user".into(), true.into()),
        RuleScope::Account(id) => line.insert("account".into(), id.as_str().into()),
        RuleScope::Zone(id) => line.insert("zone".into(), id.as_str().into()),
    };
    match &change.rule {
        Some(rule) => line.insert("rule".into(), rule_json(rule)),
        None => {
            let target = json!({ "target": change.target.kind(), "value": change.target.to_string() });
            line.insert("remove".into(), target)
        }
    };
    Value::Object(line)
}

fn read_line(line: &str) -> Result<RuleChange, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("is not JSON: {error}"))?;
    read_change(&value)
}

/// Reads what `change_json` wrote.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn read_change(value: &Value) -> Result<RuleChange, String> {
    let scope = read_scope(value)?;
    match (value.get("rule"), value.get("remove")) {
        (Some(rule), None) => {
            let rule = one_rule(&rule.to_string())?;
            Ok(RuleChange { scope, target: rule.target, rule: Some(rule) })
        }
        (None, Some(target)) => {
            Ok(RuleChange { scope, target: one_configuration(&target.to_string())?, rule: None })
        }
        (_, _) => Err("says neither `rule` nor `remove`".into()),
    }
}

/// The scope that an object names by `user`, `account` or `zone`.
fn read_scope(value: &Value) -> Result<RuleScope, String> {
    let name = |key: &str| value.get(key).map(|id| ScopeName::new(id.as_str().unwrap_or_default()));
    match (value.get("user"), name("account"), name("zone")) {
        (Some(Value::Bool(true)), None, None) => Ok(RuleScope::User),
        (None, Some(Ok(id)), None) => Ok(RuleScope::Account(id)),
        (None, None, Some(Ok(id))) => Ok(RuleScope::Zone(id)),
        (None, Some(Err(why)), None) | (None, None, Some(Err(why))) => Err(why.into()),
        (_, _, _) => Err("names no scope: one of `zone`, `account` (an id) and `user` (true)".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn change(text: &str) -> RuleChange {
        read_line(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    const BLOCK: &str = r#"{"zone":"z","rule":{"id":"1","mode":"block","configuration":{"target":"ip","value":"192.0.2.1"},"notes":"\"q\""}}"#;
    const ALLOW: &str =
        r#"{"zone":"z","rule":{"mode":"whitelist","configuration":{"target":"ip","value":"192.0.2.1"}}}"#;
    const REMOVE: &str = r#"{"account":"a","remove":{"target":"country","value":"DE"}}"#;
    const USER: &str = r#"{"user":true,"remove":{"target":"asn","value":"AS7"}}"#;

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        for text in [BLOCK, ALLOW, REMOVE, USER] {
            assert_eq!(line_of(&change(text)).trim_end(), text);
        }
        for (wrong, why) in [
            ("{", "not JSON"),
            (r#"{"remove":{"target":"asn","value":"AS7"}}"#, "no scope"),
            (r#"{"zone":"a b","remove":{"target":"asn","value":"AS7"}}"#, "an id is"),
            (r#"{"zone":"a"}"#, "neither"),
            (r#"{"zone":"a","remove":{"target":"ip","value":"x"}}"#, "IPv4 address"),
        ] {
            let said = read_line(wrong).expect_err(wrong);
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }

    #[test]
    fn what_was_appended_is_there_again_and_of_one_target_the_last_counts() {
        let folder = std::env::temp_dir().join(format!("byway-journal-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(NAME);
        let mut journal = RuleJournal::open(&folder).expect("none yet");
        journal.append(&[change(BLOCK), change(REMOVE)]).expect("written");
        journal.append(&[change(ALLOW)]).expect("written");
        fs::write(&path, fs::read_to_string(&path).expect("there") + r#"{"zone":"cut"#).expect("written");
        let again = RuleJournal::open(&folder).expect("right but for the cut line");
        assert_eq!(again.changes().cloned().collect::<Vec<_>>(), [change(REMOVE), change(ALLOW)]);
        assert_eq!(
            fs::read_to_string(&path).expect("there").lines().count(),
            2,
            "written anew without the first"
        );
        fs::write(&path, "nonsense\n").expect("written");
        assert!(matches!(RuleJournal::open(&folder), Err(JournalError::Line(_, 1, _))));
        fs::remove_dir_all(&folder).expect("removed");
        assert!(matches!(journal.append(&[change(BLOCK)]), Err(JournalError::Io(..))));
        assert!(matches!(RuleJournal::default().append(&[change(BLOCK)]), Err(JournalError::Off)));
    }
}

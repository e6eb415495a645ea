//! From a table file to something that can be published: read, parsed, compiled, cross-checked, stored. Runs beside
//! the control loop, since a million rules take seconds; whatever fails here leaves traffic untouched.

use super::config::Problem;
use super::config::tables::{self, TableErrors};
use super::event_log::AppFacts;
use super::store::{Store, read_text};
use crate::base::limits::{APPS_MAX, RULES_MAX};
use crate::base::{AppSlot, RuleSlot};
use crate::snapshot::{Compiled, Compiler, LimitError, LiveSpec};
use crate::table::Reserved;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where a table came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The table file.
    File,
    /// The stored last good table, because the file was bad at start.
    LastGood {
        /// When it was stored, in seconds since the Unix epoch.
        unix_s: u64,
    },
}

/// A table that passed every check and is not yet in force.
#[derive(Debug)]
pub struct Loaded {
    /// What the operator wrote.
    pub spec: LiveSpec,
    /// What it compiled to.
    pub compiled: Compiled,
    /// Words for the log.
    pub warnings: Vec<String>,
    /// Where it came from.
    pub source: Source,
    /// What the event log says of each app in force.
    pub facts: Vec<(AppSlot, AppFacts)>,
    /// Names of rules in force that have counters of their own.
    pub rule_names: HashMap<RuleSlot, String>,
}

/// Why a table could not be brought in force.
#[derive(Debug)]
pub enum LoadError {
    /// The file could not be read.
    Read(PathBuf, io::Error),
    /// The text is wrong.
    Bad(PathBuf, Vec<Problem>),
    /// A limit was met.
    Limit(PathBuf, LimitError),
    /// The table is right, but could not be stored as the last good one.
    Store(PathBuf, io::Error),
}

impl LoadError {
    /// One line for each thing that is wrong.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Read(path, error) => vec![format!("{}: {error}", path.display())],
            Self::Bad(path, problems) => {
                problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect()
            }
            Self::Limit(path, limit) => vec![format!("{}: {limit}", path.display())],
            Self::Store(path, error) => vec![format!("{}: cannot be stored: {error}", path.display())],
        }
    }
}

/// Everything that loading needs; it moves to a helper thread and back.
pub struct Workshop {
    path: PathBuf,
    store: Store,
    /// What the boot config has taken.
    pub reserved: Reserved,
    rule_counters: u32,
    /// Keeps slots stable over reloads.
    pub compiler: Compiler,
}

impl Workshop {
    /// For the table file at `path`; `secret` keys its hash tables.
    pub fn new(path: &Path, store: Store, reserved: Reserved, rule_counters: u32, secret: [u64; 2]) -> Self {
        let compiler = Compiler::new(secret, APPS_MAX as u32, RULES_MAX as u32);
        Self { path: path.to_owned(), store, reserved, rule_counters, compiler }
    }

    /// The table file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads and compiles the table file, and stores its text as the last good one.
    ///
    /// # Errors
    /// See `LoadError`; nothing has changed then.
    pub fn load_file(&mut self) -> Result<Loaded, LoadError> {
        let (loaded, text) = self.read_file()?;
        self.store.save(&text).map_err(|error| LoadError::Store(self.store.path(), error))?;
        Ok(loaded)
    }

    /// Reads and compiles the table file, and stores nothing: `byway check`.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn try_file(&mut self) -> Result<Loaded, LoadError> {
        self.read_file().map(|(loaded, _)| loaded)
    }

    fn read_file(&mut self) -> Result<(Loaded, String), LoadError> {
        let path = self.path.clone();
        let text = read_text(&path).map_err(|error| LoadError::Read(path.clone(), error))?;
        let loaded = self.load_text(&path, &text, Source::File)?;
        Ok((loaded, text))
    }

    /// Reads and compiles the stored last good table; `None` where there is none.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn load_last_good(&mut self) -> Result<Option<Loaded>, LoadError> {
        let path = self.store.path();
        let stored = self.store.load().map_err(|error| LoadError::Read(path.clone(), error))?;
        let Some(stored) = stored else { return Ok(None) };
        self.load_text(&path, &stored.text, Source::LastGood { unix_s: stored.unix_s }).map(Some)
    }

    fn load_text(&mut self, path: &Path, text: &str, source: Source) -> Result<Loaded, LoadError> {
        let parsed = tables::read(text.as_bytes(), &self.reserved);
        let parsed = parsed.map_err(|errors| LoadError::Bad(path.to_owned(), problems(errors)))?;
        let compiled = self.compiler.compile(&parsed.spec);
        let compiled = compiled.map_err(|limit| LoadError::Limit(path.to_owned(), limit))?;
        let facts = facts(&parsed.spec, &compiled);
        let rule_names = self.rule_names(&parsed.spec);
        let warnings = parsed.messages.iter().map(ToString::to_string).collect();
        Ok(Loaded { spec: parsed.spec, compiled, warnings, source, facts, rule_names })
    }

    fn rule_names(&self, spec: &LiveSpec) -> HashMap<RuleSlot, String> {
        let counted = self.compiler.rules_in_force(spec).filter(|(slot, _)| slot.0 < self.rule_counters);
        let name = |rule: &crate::firewall::RuleSpec| match &rule.id {
            Some(id) => id.to_string(),
            None => format!("{} {} {}", rule.mode.name(), rule.target.kind(), rule.target),
        };
        counted.map(|(slot, rule)| (slot, format!("{}: {}", rule.scope, name(rule.rule)))).collect()
    }
}

fn problems(errors: TableErrors) -> Vec<Problem> {
    let mut list: Vec<Problem> = errors.list.into_iter().map(Problem::from).collect();
    if errors.more > 0 {
        let text = format!("and {} more things wrong", errors.more);
        list.push(Problem { place: String::new(), line: None, text });
    }
    list
}

/// What the event log says of the apps in force.
fn facts(spec: &LiveSpec, compiled: &Compiled) -> Vec<(AppSlot, AppFacts)> {
    let apps = spec.zones().flat_map(|(_, zone)| &zone.apps);
    let placed = apps.zip(&compiled.apps).filter_map(|(app, report)| report.slot.map(|slot| (slot, app)));
    let facts = |app: &crate::table::AppSpec| AppFacts {
        id: app.id.to_string(),
        tls: app.tls.name(),
        proxy_protocol: app.proxy_protocol.name(),
    };
    placed.map(|(slot, app)| (slot, facts(app))).collect()
}

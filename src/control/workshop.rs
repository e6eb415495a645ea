//! From a table file to something that can be published: read, parsed, compiled, cross-checked, stored. Runs beside
//! the control loop, since a million rules take seconds; whatever fails here leaves traffic untouched.

use super::certificates::CertificateStore;
use super::config::Problem;
use super::config::boot::GeoSpec;
use super::config::tables::{self, TableErrors};
use super::edge_pool::{Book, EdgePool};
use super::event_log::AppFacts;
use super::geo::GeoFiles;
use super::install::{Keep, Lowered};
use super::log;
use super::rule_journal::RuleJournal;
use super::store::{Store, read_text};
use super::trial::Trials;
use super::watch::{FileWatch, FilesWatch, Look, look};
use crate::base::limits::{APPS_MAX, RULES_MAX};
use crate::base::{AppSlot, RuleSlot};
use crate::firewall::RuleSpec;
use crate::snapshot::{
    Acting, AppChange, AppsEdited, Compiled, Compiler, LimitError, LiveSpec, NoEdit, RuleChange, Whole,
};
use crate::table::{AppId, AppSpec, AppState, EdgeIps, OriginBook, Reserved};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rules that are named where some are not in force.
const IDLE_NAMED_MAX: usize = 5;

/// Where a table came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The table file.
    File,
    /// The API's store.
    Api,
    /// A table on trial, in the place of the table file.
    Trial {
        /// When its time is over, in seconds since the Unix epoch.
        until_unix_s: u64,
    },
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
    /// What is wrong with databases of where addresses come from.
    pub geo_problems: Vec<String>,
    /// Certificates, keys and authorities that cannot be read any more and stay in force as they were.
    pub certificate_problems: Vec<String>,
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
    /// The table is right, but the API's store did not keep it.
    Keep(PathBuf, String),
    /// The table is right, and was to be tried alone: what would become of the apps that were asked for.
    Tried(Vec<(AppId, AppState)>),
}

impl Loaded {
    /// An app of the table.
    pub fn app(&self, id: AppId) -> Option<&AppSpec> {
        let (zone, place) = self.compiled.apps.place(id)?;
        self.spec.zones().nth(zone.index())?.1.apps.get(place)
    }
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
            Self::Keep(_, why) => vec![why.clone()],
            Self::Tried(_) => Vec::new(),
        }
    }
}

impl LoadError {
    /// The same without the path, for those who do not own this machine.
    pub fn problems(&self) -> Vec<Problem> {
        let one = |text| vec![Problem { place: String::new(), line: None, text, code: None }];
        match self {
            Self::Read(_, error) | Self::Store(_, error) => one(error.to_string()),
            Self::Bad(_, problems) => problems.clone(),
            Self::Limit(_, limit) => one(limit.to_string()),
            Self::Keep(_, why) => one(why.clone()),
            Self::Tried(_) => Vec::new(),
        }
    }
}

/// Everything that loading needs; it moves to a helper thread and back.
pub struct Workshop {
    path: PathBuf,
    /// How the table file looked before it was read last.
    seen: Look,
    store: Store,
    pool: EdgePool,
    /// What the boot config has taken.
    pub reserved: Reserved,
    rule_counters: u32,
    /// Databases of where addresses come from.
    geo: GeoFiles,
    /// Rules changed one by one, over those of the table file.
    pub journal: RuleJournal,
    /// A table on trial, in the place of the table file.
    pub trials: Trials,
    certificates: CertificateStore,
    /// What the API put in force last; `None` where the table file rules.
    of_api: Option<Lowered>,
    /// Keeps slots stable over reloads.
    pub compiler: Compiler,
}

impl Workshop {
    /// For the table file at `path`; `secret` keys its hash tables.
    pub fn new(path: &Path, store: Store, reserved: Reserved, rule_counters: u32, secret: [u64; 2]) -> Self {
        let mut compiler = Compiler::new(secret, APPS_MAX as u32, RULES_MAX as u32);
        compiler.origins =
            Arc::new(OriginBook { resolves: true, reserved: reserved.clone(), ..OriginBook::default() });
        let certificates = CertificateStore::beside(path);
        let (geo, journal) = (GeoFiles::default(), RuleJournal::default());
        let pool = EdgePool::new(store.folder());
        let seen = look(path);
        Self {
            path: path.to_owned(),
            seen,
            store,
            pool,
            reserved,
            rule_counters,
            geo,
            journal,
            trials: Trials::default(),
            certificates,
            of_api: None,
            compiler,
        }
    }

    /// Takes databases of where addresses come from; they are read with the next load.
    pub fn set_geo(&mut self, geo: GeoSpec) {
        self.geo = GeoFiles::new(geo);
    }

    /// Watches the files of those databases from what was read of them on.
    pub fn geo_watches(&self) -> Vec<FileWatch> {
        self.geo.watches()
    }

    /// Certificates are where `certificates` says, and not beside the table file.
    #[must_use]
    pub fn with_certificates(mut self, certificates: CertificateStore) -> Self {
        self.certificates = certificates;
        self
    }

    /// The table file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Watches the table file from what was read of it on: what changed while ports were set up is a change too.
    /// Nothing where the API rules.
    pub fn watch(&self) -> FileWatch {
        match self.of_api {
            None => FileWatch::since(&self.path, self.seen),
            Some(_) => FileWatch::new(Path::new("")),
        }
    }

    /// Watches the certificates, keys and authorities that the last load wanted; `None` where there was none since.
    pub fn watch_certificates(&mut self) -> Option<FilesWatch> {
        self.certificates.take_seen().map(|seen| FilesWatch::since(&seen))
    }

    /// Whether the API rules, and no table file.
    pub const fn is_of_api(&self) -> bool {
        self.of_api.is_some()
    }

    /// Loads once more whatever rules: the table file or what is on trial in its place, or what the API put in force last
    /// (databases and certificates may have changed).
    ///
    /// # Errors
    /// See `LoadError`; nothing has changed then.
    pub fn load_anew(&mut self) -> Result<Loaded, LoadError> {
        match self.of_api.clone() {
            None => self.load_tables(),
            Some(whole) => {
                // What it loads is what is in force: nobody gives anything back, on trial or not.
                self.hold_addresses(true);
                self.load_spec(&self.path.clone(), (whole(), Vec::new()), (Source::Api, true))
            }
        }
    }

    /// Reads and compiles the table file, and stores its text as the last good one.
    ///
    /// # Errors
    /// See `LoadError`; nothing has changed then.
    pub fn load_file(&mut self) -> Result<Loaded, LoadError> {
        let (loaded, text) = self.read_file(true)?;
        self.store.save(&text).map_err(|error| LoadError::Store(self.store.path(), error))?;
        Ok(loaded)
    }

    /// Reads and compiles the table file, and stores nothing: `byway check`.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn try_file(&mut self) -> Result<Loaded, LoadError> {
        self.read_file(false).map(|(loaded, _)| loaded)
    }

    fn read_file(&mut self, keep: bool) -> Result<(Loaded, String), LoadError> {
        let path = self.path.clone();
        self.seen = look(&path);
        let text = read_text(&path).map_err(|error| LoadError::Read(path.clone(), error))?;
        let loaded = self.load_text(&path, &text, (Source::File, keep))?;
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
        self.load_text(&path, &stored.text, (Source::LastGood { unix_s: stored.unix_s }, false)).map(Some)
    }

    /// `keep` says whether dynamic addresses that are handed out go on record.
    pub(super) fn load_text(
        &mut self,
        path: &Path,
        text: &str,
        (source, keep): (Source, bool),
    ) -> Result<Loaded, LoadError> {
        let parsed = tables::read(text.as_bytes(), &self.reserved);
        let mut parsed = parsed.map_err(|errors| LoadError::Bad(path.to_owned(), problems(errors)))?;
        let changes: Vec<RuleChange> = self.journal.changes().cloned().collect();
        let waiting = changes.len() - parsed.spec.change_rules(&changes).len();
        let mut messages: Vec<String> = parsed.messages.iter().map(ToString::to_string).collect();
        if waiting > 0 {
            messages.push(format!(
                "{waiting} change(s) of rules in the journal wait for their zone or account, which is not in the table"
            ));
        }
        self.load_spec(path, (parsed.spec, messages), (source, keep))
    }

    /// Whether what the API puts in force next is on trial, so that dynamic addresses that nobody wants then are not given back.
    pub const fn hold_addresses(&mut self, on_trial: bool) {
        self.pool.hold(on_trial);
    }

    /// Compiles what the API holds, and then keeps it with `keep`: a store that fails leaves all as it was.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn install(&mut self, whole: Lowered, keep: Keep) -> Result<Loaded, LoadError> {
        let installed = self.compile_and_keep(whole, keep);
        if installed.is_err() {
            self.compiler.abandon();
        }
        installed
    }

    fn compile_and_keep(&mut self, whole: Lowered, keep: Keep) -> Result<Loaded, LoadError> {
        let path = self.path.clone();
        let (loaded, book) = self.compile(&path, (whole(), Vec::new()), Source::Api)?;
        let laid = book.map(|book| self.pool.lay(book)).transpose();
        let laid = laid.map_err(|error| LoadError::Store(self.pool.path(), error))?;
        keep().map_err(|why| LoadError::Keep(path, why))?;
        self.of_api = Some(whole);
        // Addresses move with the change or not at all. One that is kept is not to be refused any more.
        if let Some(Err(error)) = laid.map(|laid| self.pool.take(laid)) {
            log::error(format_args!("{}: {error}", self.pool.path().display()));
        }
        Ok(loaded)
    }

    /// Compiles what the API would hold, and keeps nothing.
    ///
    /// # Errors
    /// See `LoadError`.
    pub fn try_spec(&mut self, spec: LiveSpec) -> Result<Loaded, LoadError> {
        let (path, certificates) = (self.path.clone(), self.certificates.clone());
        let tried = self.compile(&path, (spec, Vec::new()), Source::Api);
        // Zones that would go keep their ticket keys, and slots are for what is in force.
        self.certificates = certificates;
        self.compiler.abandon();
        tried.map(|(loaded, _)| loaded)
    }

    /// Compiles changes of apps of `loaded`, which is in force, and nothing else. `keep_edit` is to follow.
    ///
    /// # Errors
    /// See `NoEdit`; nothing has changed then.
    pub fn edit(&mut self, loaded: &Loaded, changes: &[AppChange]) -> Result<AppsEdited, NoEdit> {
        let of_pool = |app: &AppSpec| match app.edge_ips {
            EdgeIps::Static(_) => false,
            EdgeIps::Dynamic(_) => self.reserved.edge_pool.is_some(),
        };
        let moves = |change: &AppChange| loaded.app(change.id).into_iter().chain(&change.app).any(of_pool);
        if changes.iter().any(moves) {
            return Err(NoEdit::Whole(Whole::Pool));
        }
        self.compiler.edit_apps(&loaded.compiled, &loaded.spec, changes)
    }

    /// Keeps an edit, after which `whole` is in force; one that is not kept is as if it had never been.
    ///
    /// # Errors
    /// `LoadError::Keep`.
    pub fn keep_edit(
        &mut self,
        edited: AppsEdited,
        whole: Lowered,
        keep: Keep,
    ) -> Result<AppsEdited, LoadError> {
        match keep() {
            Ok(()) => {
                self.of_api = Some(whole);
                Ok(edited)
            }
            Err(why) => {
                self.compiler.abandon_apps(&edited);
                Err(LoadError::Keep(self.path.clone(), why))
            }
        }
    }

    fn load_spec(
        &mut self,
        path: &Path,
        spec: (LiveSpec, Vec<String>),
        (source, keep): (Source, bool),
    ) -> Result<Loaded, LoadError> {
        let (loaded, book) = self.compile(path, spec, source)?;
        // A trial hands out what would follow, and the same follows once it is confirmed; going back moves nothing.
        let is_trial = matches!(source, Source::Trial { .. });
        if let Some(book) = book.filter(|_| !is_trial) {
            let kept = self.pool.keep(book, keep);
            kept.map_err(|error| LoadError::Store(self.pool.path(), error))?;
        }
        Ok(loaded)
    }

    /// The common road of both sources, with what would be handed out of the pool.
    fn compile(
        &mut self,
        path: &Path,
        (mut spec, messages): (LiveSpec, Vec<String>),
        source: Source,
    ) -> Result<(Loaded, Option<Book>), LoadError> {
        let (book, pool_warnings) =
            self.lease(&mut spec).map_err(|list| LoadError::Bad(path.to_owned(), list))?;
        self.geo.refresh();
        self.compiler.set_whences(self.geo.map().clone());
        let read = self.certificates.read(&spec);
        let read = read.map_err(|problems| LoadError::Bad(path.to_owned(), problems))?;
        let compiled = self.compiler.compile_with(&spec, Some(&read.material));
        let compiled = compiled.map_err(|limit| LoadError::Limit(path.to_owned(), limit))?;
        let facts = facts(&spec, &compiled);
        let rule_names = self.rule_names(&spec);
        let geo_problems = self.geo.problems().to_vec();
        let rules = idle_rules(&spec, &compiled);
        let certificate_problems = read.stale;
        let problems = geo_problems.iter().chain(&certificate_problems).cloned();
        let warnings = messages.into_iter().chain(read.warnings).chain(pool_warnings).chain(problems);
        let warnings = warnings.chain(rules).collect();
        let loaded = Loaded {
            spec,
            compiled,
            warnings,
            source,
            facts,
            rule_names,
            geo_problems,
            certificate_problems,
        };
        Ok((loaded, book))
    }

    /// Gives dynamic apps their addresses; with words for the log. Nothing where the pool is not known.
    fn lease(&mut self, spec: &mut LiveSpec) -> Result<(Option<Book>, Vec<String>), Vec<Problem>> {
        let mut warnings = Vec::new();
        let Some(nets) = &self.reserved.edge_pool else { return Ok((None, warnings)) };
        let book = self.pool.lease(nets, spec, &mut warnings)?;
        Ok((Some(book), warnings))
    }

    fn rule_names(&self, spec: &LiveSpec) -> HashMap<RuleSlot, String> {
        let counted = self.compiler.rules_in_force(spec).filter(|(slot, _)| slot.0 < self.rule_counters);
        counted.map(|(slot, rule)| (slot, rule_name(rule.scope, rule.rule))).collect()
    }

    /// Carries `changes` out: in the journal, in the spec of `loaded` and in what is compiled of it; all that takes its
    /// time by the number of changes but for one pass over the rules of each scope. `false`: the spec has them and the
    /// table is to be loaded anew, for more than rules changes.
    ///
    /// # Errors
    /// What is wrong, in one line; nothing has changed then.
    pub fn change_rules(&mut self, loaded: &mut Loaded, changes: &[RuleChange]) -> Result<bool, String> {
        for change in changes {
            if loaded.spec.scope_number(&change.scope).is_none() {
                return Err(format!("there is no {}", change.scope));
            }
        }
        self.journal.append(changes).map_err(|error| error.to_string())?;
        let changed = loaded.spec.change_rules(changes);
        // A limit that was met is told of by the load that follows.
        let Ok(Some(edited)) = self.compiler.edit(&loaded.compiled, &changed) else { return Ok(false) };
        (loaded.compiled.snapshot, loaded.compiled.rules) = (edited.snapshot, edited.rules);
        for change in changes {
            let number = loaded.spec.scope_number(&change.scope);
            let held = number.and_then(|number| loaded.compiled.snapshot.rules.find(number, change.target));
            if let (Some(rule), Some((slot, _))) = (&change.rule, held)
                && slot.0 < self.rule_counters
            {
                loaded.rule_names.insert(slot, rule_name(change.scope.id(), rule));
            }
        }
        Ok(true)
    }
}

fn rule_name(scope: &str, rule: &RuleSpec) -> String {
    match &rule.id {
        Some(id) => format!("{scope}: {id}"),
        None => format!("{scope}: {} {} {}", rule.mode.name(), rule.target.kind(), rule.target),
    }
}

fn problems(errors: TableErrors) -> Vec<Problem> {
    let mut list: Vec<Problem> = errors.list.into_iter().map(Problem::from).collect();
    if errors.more > 0 {
        let text = format!("and {} more things wrong", errors.more);
        list.push(Problem { place: String::new(), line: None, text, code: None });
    }
    list
}

/// Rules that are not in force, by what keeps them out: how many, and the first few by name.
fn idle_rules(spec: &LiveSpec, compiled: &Compiled) -> Vec<String> {
    let sources = compiled.snapshot.whences.sources();
    let told = |acting: Acting, count: usize, why: &str| {
        let idle = spec.rules().filter(|(_, rule)| Acting::of(rule, sources) == acting);
        let named: Vec<String> =
            idle.take(IDLE_NAMED_MAX).map(|(scope, rule)| format!("{scope}: {}", rule.target)).collect();
        let dots = if count > IDLE_NAMED_MAX { ", ..." } else { "" };
        (count > 0).then(|| format!("{count} access rule(s) {why} ({}{dots})", named.join(", ")))
    };
    let report = compiled.rules;
    let without =
        "by ASN or country are not in force: their data source is missing, see [geo] of the boot config";
    let challenges = "with a challenge mode are kept and do not act at layer 4";
    let lines = [
        told(Acting::WithoutSource, report.without_source, without),
        told(Acting::Challenge, report.challenges, challenges),
    ];
    lines.into_iter().flatten().collect()
}

/// What the event log says of the apps in force.
fn facts(spec: &LiveSpec, compiled: &Compiled) -> Vec<(AppSlot, AppFacts)> {
    let apps = spec.zones().flat_map(|(_, zone)| zone.apps.iter().map(move |app| (zone.id.as_str(), app)));
    let placed = apps.zip(&compiled.apps).filter_map(|(app, report)| report.slot.map(|slot| (slot, app)));
    placed.map(|(slot, (zone, app))| (slot, AppFacts::of(zone, app))).collect()
}

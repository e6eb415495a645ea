//! The road of a config change, seen from the loop.
//!
//! ```text
//!  asked --> loading (beside the loop) --> published --> confirmed by all pages --> done
//!    ^            | wrong: said, the old table stays
//!    `------------' asked again meanwhile
//! ```
//!
//! Changes of apps by the API are compiled here and now, since only what changed is; keeping them is what is done beside
//! the loop then.

use super::ask::refusal;
use super::event_log::AppFacts;
use super::fleet::Fleet;
use super::install::{Client, Install, Installed};
use super::merges::Merging;
use super::watch::FilesWatch;
use super::workshop::{LoadError, Loaded, Source, Workshop};
use super::{log, privileges};
use crate::base::{AppSlot, Epoch, Instant, OsClock, RuleSlot, Span};
use crate::snapshot::{AppsEdited, NoEdit, RuleChange, Snapshot};
use crate::table::{AppId, Missing, OriginBook};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Workers that have not taken a snapshot after this long are named in the log.
const CONFIRM: Span = Span::from_secs(5);
/// A removed app's slot is given away this long after its sessions were reset at the latest.
const SLOT_REST: Span = Span::from_secs(60);
/// Problems of a bad file that are kept for `byway show status`.
const PROBLEMS_KEPT_MAX: usize = 100;

/// Changes of rules that wait for the end of a load.
const WAITING_MAX: usize = 1_024;
/// Warnings of one table that are logged.
const WARNINGS_SAID_MAX: usize = 50;

type Loading = JoinHandle<(Workshop, Result<Done, LoadError>)>;

/// What was done beside the loop.
#[derive(Debug)]
pub enum Done {
    /// A whole table was compiled.
    Table(Box<Loaded>),
    /// An edit of apps was kept.
    Apps(AppsEdited),
}

struct Confirming {
    epoch: Epoch,
    since: Instant,
    warned: bool,
    /// Whether more than single rules is new.
    whole: bool,
    clients: Vec<Client>,
}

/// The table in force, and the one that may follow.
pub struct Reloads {
    pub(super) workshop: Option<Workshop>,
    loading: Option<Loading>,
    loading_for: Vec<Client>,
    again: Option<Vec<Client>>,
    /// Changes of rules that came during a load.
    waiting: Vec<(Vec<RuleChange>, Client)>,
    /// Tables of the API's that came during a load.
    installs: VecDeque<Install>,
    /// Edits on their way into bases of their own.
    pub(super) merging: Merging,
    confirming: Option<Confirming>,
    /// Whether the load under way was asked for alone: where it fails, nothing else is wrong.
    trying: bool,
    pub(super) loaded: Loaded,
    facts: Vec<Option<AppFacts>>,
    retired: HashMap<AppId, Instant>,
    removed_app_drain: Span,
    /// What is wrong with the file, where its last state could not be brought in force.
    problems: Vec<String>,
    /// Wall time in seconds at which the table in force was made.
    in_force_unix_s: u64,
    failures: u64,
    reloads: u64,
}

impl Reloads {
    /// `loaded` is in force from the start; `problems` say why, where it is not the file's.
    pub fn new(workshop: Workshop, loaded: Loaded, problems: Vec<String>, removed_app_drain: Span) -> Self {
        let in_force_unix_s = match loaded.source {
            Source::File | Source::Api | Source::Trial { .. } => OsClock::unix_micros() / 1_000_000,
            Source::LastGood { unix_s } => unix_s,
        };
        let mut reloads = Self {
            workshop: Some(workshop),
            loading: None,
            loading_for: Vec::new(),
            again: None,
            waiting: Vec::new(),
            installs: VecDeque::new(),
            merging: Merging::default(),
            confirming: None,
            trying: false,
            loaded,
            facts: Vec::new(),
            retired: HashMap::new(),
            removed_app_drain,
            problems,
            in_force_unix_s,
            failures: 0,
            reloads: 0,
        };
        reloads.failures = u64::from(reloads.is_stale());
        reloads.learn_facts();
        reloads
    }

    /// The table in force.
    pub const fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The workshop, when it is not at work.
    pub const fn workshop(&self) -> Option<&Workshop> {
        self.workshop.as_ref()
    }

    /// A new watch over the certificates and keys, where the last load read them.
    pub fn watch_certificates(&mut self) -> Option<FilesWatch> {
        self.workshop.as_mut()?.watch_certificates()
    }

    /// What the event log says of the app at `slot`, in force or removed.
    pub fn facts(&self, slot: AppSlot) -> Option<&AppFacts> {
        self.facts.get(slot.index())?.as_ref()
    }

    /// The name of the rule at `slot`.
    pub fn rule_name(&self, slot: RuleSlot) -> Option<&String> {
        self.loaded.rule_names.get(&slot)
    }

    /// Whether the table in force is not what the file says.
    pub fn is_stale(&self) -> bool {
        !self.problems.is_empty()
    }

    /// What is wrong with the file.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Wall time in seconds at which the table in force was made.
    pub const fn in_force_unix_s(&self) -> u64 {
        self.in_force_unix_s
    }

    /// Reloads done, and tables refused.
    pub const fn counts(&self) -> (u64, u64) {
        (self.reloads, self.failures)
    }

    /// Reads the file now; `client` hears of the end.
    pub(super) fn start(&mut self, client: Option<Client>) {
        let Some(mut workshop) = self.workshop.take() else {
            self.again.get_or_insert_default().extend(client);
            return;
        };
        self.loading_for = client.into_iter().collect();
        self.loading = Some(tokio::task::spawn_blocking(move || {
            // Reading and compiling want no rights; where there are none to give up, nothing is lost.
            let _ = privileges::shed();
            let result = workshop.load_anew().map(|loaded| Done::Table(Box::new(loaded)));
            (workshop, result)
        }));
    }

    /// Does `job` beside the loop; `client` hears of the end, and where it fails everything is as it was.
    pub(super) fn try_out(
        &mut self,
        client: Client,
        job: impl FnOnce(&mut Workshop) -> Result<Loaded, LoadError> + Send + 'static,
    ) {
        let Some(mut workshop) = self.workshop.take() else {
            refuse(vec![client], "a reload is under way: ask again");
            return;
        };
        (self.loading_for, self.trying) = (vec![client], true);
        self.loading = Some(tokio::task::spawn_blocking(move || {
            let _ = privileges::shed();
            let result = job(&mut workshop).map(|loaded| Done::Table(Box::new(loaded)));
            (workshop, result)
        }));
    }

    /// Goes back where a table on trial was not confirmed in time; to be called about once a second.
    pub fn tend_trial(&mut self, now_unix_s: u64) {
        let trial = self.workshop.as_ref().and_then(|workshop| workshop.trials.held());
        if trial.is_some_and(|trial| trial.is_over(now_unix_s)) {
            self.start(None);
        }
    }

    /// Waits for the load under way; for ever when there is none. Cancel-safe.
    pub async fn finished(&mut self) -> Result<Done, LoadError> {
        let Some(loading) = &mut self.loading else { return std::future::pending().await };
        let (workshop, result) = loading.await.expect("loading does not panic");
        self.loading = None;
        self.workshop = Some(workshop);
        result
    }

    /// Takes the end of a load: publishes it, or keeps the old table and says why.
    pub fn settle(&mut self, result: Result<Done, LoadError>, fleet: &mut Fleet, now: Instant) {
        let clients = std::mem::take(&mut self.loading_for);
        let trying = std::mem::take(&mut self.trying);
        match result {
            Ok(Done::Table(loaded)) => self.publish(*loaded, clients, fleet, now),
            Ok(Done::Apps(edited)) => self.publish_apps(edited, clients, fleet, now),
            Err(error) if trying => refuse(clients, &error.lines().join("; ")),
            Err(error) => self.refuse(&error, clients),
        }
        for (changes, client) in std::mem::take(&mut self.waiting) {
            self.change_rules(changes, client, fleet, now);
        }
        if let Some(clients) = self.again.take() {
            self.start(None);
            self.loading_for.extend(clients);
        }
        if let Some(install) = self.installs.pop_front() {
            self.install(install);
        }
    }

    /// Puts a table of the API's in force, after a load under way.
    pub fn install(&mut self, install: Install) {
        let Some(mut workshop) = self.workshop.take() else {
            self.installs.push_back(install);
            return;
        };
        let Install { whole, apps, keep, on_trial, asked, reply } = install;
        if keep.is_some() {
            workshop.hold_addresses(on_trial);
        }
        let trial = if keep.is_none() { asked.clone() } else { Vec::new() };
        self.loading_for = vec![Client::Api(asked, reply)];
        let edited = apps.and_then(|apps| match workshop.edit(&self.loaded, &apps) {
            Ok(edited) => Some(edited),
            Err(NoEdit::Whole(why)) => {
                log::info(format_args!("the table is compiled whole: {why}"));
                None
            }
            Err(NoEdit::Limit(limit)) => {
                log::warning(format_args!("an edit of apps: {limit}; the table is compiled whole"));
                None
            }
        });
        self.loading = Some(tokio::task::spawn_blocking(move || {
            let _ = privileges::shed();
            let result = match (edited, keep) {
                (Some(edited), Some(keep)) => workshop.keep_edit(edited, whole, keep).map(Done::Apps),
                (None, Some(keep)) => {
                    workshop.install(whole, keep).map(|loaded| Done::Table(Box::new(loaded)))
                }
                (Some(edited), None) => {
                    workshop.compiler.abandon_apps(&edited);
                    Err(LoadError::Tried(edited.states(&trial)))
                }
                (None, None) => workshop
                    .try_spec(whole())
                    .and_then(|loaded| Err(LoadError::Tried(loaded.compiled.apps.states(&trial)))),
            };
            (workshop, result)
        }));
    }

    /// Publishes an edit of apps that was kept.
    fn publish_apps(&mut self, edited: AppsEdited, clients: Vec<Client>, fleet: &mut Fleet, now: Instant) {
        let epoch = edited.snapshot.epoch;
        fleet.publish(edited.snapshot.clone());
        if let Some(workshop) = &mut self.workshop {
            workshop.compiler.commit_apps(&edited);
        }
        for (slot, zone, app) in edited.in_force() {
            let Some((_, zone)) = self.loaded.spec.zones().nth(zone.index()) else { continue };
            learn(&mut self.facts, slot, AppFacts::of(zone.id.as_str(), app));
        }
        edited.apply(&mut self.loaded.spec, &mut self.loaded.compiled);
        self.in_force_unix_s = OsClock::unix_micros() / 1_000_000;
        self.reloads += 1;
        self.await_confirmation(epoch, (false, clients), now);
    }

    fn publish(&mut self, loaded: Loaded, clients: Vec<Client>, fleet: &mut Fleet, now: Instant) {
        let epoch = loaded.compiled.snapshot.epoch;
        fleet.publish(loaded.compiled.snapshot.clone());
        if let Some(workshop) = &mut self.workshop {
            workshop.compiler.commit(&loaded.compiled);
        }
        self.loaded = loaded;
        self.learn_facts();
        self.problems.clear();
        self.in_force_unix_s = OsClock::unix_micros() / 1_000_000;
        self.reloads += 1;
        self.await_confirmation(epoch, (true, clients), now);
    }

    /// A reload on the heels of another: the newer epoch confirms both.
    fn await_confirmation(&mut self, epoch: Epoch, (whole, mut clients): (bool, Vec<Client>), now: Instant) {
        let before = self.confirming.take();
        let whole = whole || before.as_ref().is_some_and(|before| before.whole);
        clients.extend(before.into_iter().flat_map(|confirming| confirming.clients));
        self.confirming = Some(Confirming { epoch, since: now, warned: false, whole, clients });
    }

    /// Carries out changes of rules, which `client` hears of when all workers have them. A load under way is waited for.
    pub(super) fn change_rules(
        &mut self,
        changes: Vec<RuleChange>,
        client: Client,
        fleet: &mut Fleet,
        now: Instant,
    ) {
        let Some(workshop) = &mut self.workshop else {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.push((changes, client));
            } else {
                refuse(vec![client], "a reload is under way, and many changes wait for its end");
            }
            return;
        };
        match workshop.change_rules(&mut self.loaded, &changes) {
            Err(why) => refuse(vec![client], &why),
            Ok(false) => self.start(Some(client)),
            Ok(true) => {
                log::info(format_args!("{} access rule(s) changed", changes.len()));
                let snapshot = self.loaded.compiled.snapshot.clone();
                self.publish_rules(snapshot, vec![client], fleet, now);
            }
        }
    }

    /// Publishes a snapshot that differs from the last one in its rules, or in how it holds what it says.
    pub(super) fn publish_rules(
        &mut self,
        snapshot: Arc<Snapshot>,
        clients: Vec<Client>,
        fleet: &mut Fleet,
        now: Instant,
    ) {
        if let Some(workshop) = &mut self.workshop {
            workshop.compiler.commit_epoch(&snapshot);
        }
        fleet.publish(snapshot.clone());
        let epoch = snapshot.epoch;
        self.loaded.compiled.snapshot = snapshot;
        self.await_confirmation(epoch, (false, clients), now);
    }

    /// Brings new knowledge of origins in force, where it changes anything; `false` while a load is under way (come
    /// again: what it compiles knows only what was known when it began).
    pub fn reorigin(
        &mut self,
        learn: impl FnOnce(&OriginBook) -> OriginBook,
        fleet: &mut Fleet,
        now: Instant,
    ) -> bool {
        let Some(workshop) = &mut self.workshop else { return false };
        let (compiler, loaded) = (&mut workshop.compiler, &mut self.loaded);
        let book = Arc::new(learn(&compiler.origins));
        if let Some(snapshot) = compiler.reorigin(book, &loaded.spec, &loaded.compiled) {
            let epoch = snapshot.epoch;
            fleet.publish(snapshot.clone());
            loaded.compiled.snapshot = snapshot;
            self.await_confirmation(epoch, (false, Vec::new()), now);
        }
        true
    }

    fn refuse(&mut self, error: &LoadError, clients: Vec<Client>) {
        if let LoadError::Tried(states) = error {
            let right =
                |client: Client| client.answer(&json!({ "ok": true }), |_| Installed::Right(states.clone()));
            return clients.into_iter().for_each(right);
        }
        let lines = error.lines();
        if let LoadError::Keep(_, why) = error {
            log::error(why);
            clients.into_iter().for_each(|client| {
                client.answer(&refusal(why.as_str()), |_| Installed::NotKept(why.clone()))
            });
            return;
        }
        let of_api = clients.iter().any(|client| matches!(client, Client::Api(..)));
        if of_api {
            // The table in force is whole and newest: only its change was refused.
            clients.into_iter().for_each(|client| {
                client.answer(&refusal(lines.join("; ")), |_| Installed::Refused(error.problems()));
            });
            return;
        }
        lines.iter().take(PROBLEMS_KEPT_MAX).for_each(log::error);
        log::error(format_args!(
            "the table file has {} thing(s) wrong; the old table stays in force",
            lines.len()
        ));
        self.failures += 1;
        let reply = json!({ "ok": false, "error": lines.join("; "), "problems": lines });
        clients
            .into_iter()
            .for_each(|client| client.answer(&reply, |_| Installed::Refused(error.problems())));
        self.problems = lines;
        self.problems.truncate(PROBLEMS_KEPT_MAX);
    }

    fn learn_facts(&mut self) {
        for (slot, facts) in std::mem::take(&mut self.loaded.facts) {
            learn(&mut self.facts, slot, facts);
        }
    }

    /// Whether somebody waits for workers that are not late yet.
    pub fn is_confirming(&self) -> bool {
        self.confirming
            .as_ref()
            .is_some_and(|confirming| !confirming.warned && !confirming.clients.is_empty())
    }

    /// Looks whether all workers run the published epoch; to be called at every tick.
    pub fn confirm(&mut self, fleet: &Fleet, now: Instant) {
        let Some(confirming) = &mut self.confirming else { return };
        let epoch = confirming.epoch;
        if fleet.runs(epoch) {
            let (whole, clients) = (confirming.whole, std::mem::take(&mut confirming.clients));
            self.confirming = None;
            self.done(epoch, whole, clients);
        } else if !confirming.warned && now.since(confirming.since) >= CONFIRM {
            confirming.warned = true;
            let (api, rest) = std::mem::take(&mut confirming.clients)
                .into_iter()
                .partition(|client| matches!(client, Client::Api(..)));
            confirming.clients = rest;
            Vec::into_iter(api)
                .for_each(|client: Client| client.answer(&Value::Null, |_| Installed::NotConfirmed));
            let late: Vec<String> = fleet
                .pages
                .iter()
                .filter(|page| page.epoch() < epoch)
                .map(|page| page.worker().to_string())
                .collect();
            log::warning(format_args!("epoch {epoch} is not yet taken by worker(s) {}", late.join(", ")));
        }
    }

    fn done(&mut self, epoch: Epoch, whole: bool, clients: Vec<Client>) {
        if whole && self.loaded.source != Source::Api {
            say_loaded(&self.loaded);
        }
        let reports = &self.loaded.compiled.apps;
        let reply = json!({ "ok": true, "epoch": epoch.0, "summary": summary(&self.loaded) });
        for client in clients {
            client.answer(&reply, |asked| Installed::InForce { epoch, states: reports.states(asked) });
        }
    }

    /// Gives slots of apps and rules back that nobody can refer to any more; to be called about once a second.
    pub fn tidy(&mut self, now: Instant) {
        let Some(workshop) = &mut self.workshop else { return };
        if self.confirming.is_none() {
            workshop.compiler.release_retired_rules();
        }
        let retired: HashSet<AppId> = workshop.compiler.retired_apps().map(|(id, _)| id).collect();
        self.retired.retain(|id, _| retired.contains(id));
        let rest = self.removed_app_drain.nanos() + SLOT_REST.nanos();
        for id in retired {
            self.retired.entry(id).or_insert(now);
        }
        let rested = self.retired.iter().filter(|(_, since)| now.since(**since).nanos() >= rest);
        let rested: Vec<AppId> = rested.map(|(id, _)| *id).collect();
        workshop.compiler.release_apps(&rested);
    }

    /// A snapshot that drains, for the end of the process; `None` while a load is under way (ask again).
    pub fn draining(&mut self) -> Option<Arc<Snapshot>> {
        let last = &self.loaded.compiled.snapshot;
        self.workshop.as_mut().map(|workshop| workshop.compiler.drain(last))
    }

    /// Takes the end of a load that nobody will publish any more.
    pub fn settle_leaving(&mut self, result: Result<Done, LoadError>) {
        let clients = std::mem::take(&mut self.loading_for);
        match result {
            Ok(_) => clients
                .into_iter()
                .for_each(|client| client.answer(&refusal("byway drains"), |_| Installed::KeptNotPublished)),
            Err(error) => self.refuse(&error, clients),
        }
    }

    /// Tells whoever still waits that there will be no reload.
    pub fn give_up(&mut self) {
        let mut clients = self.again.take().unwrap_or_default();
        // What the API waits for is compiled and kept all the same: `settle_leaving` tells.
        let (api, sockets) = std::mem::take(&mut self.loading_for)
            .into_iter()
            .partition(|client| matches!(client, Client::Api(..)));
        self.loading_for = api;
        clients.extend(Vec::into_iter(sockets));
        clients.extend(std::mem::take(&mut self.waiting).into_iter().map(|(_, client)| client));
        refuse(clients, "byway drains; no reload");
        self.installs.drain(..).for_each(|install| drop(install.reply.send(Installed::Ending)));
    }
}

fn learn(known: &mut Vec<Option<AppFacts>>, slot: AppSlot, facts: AppFacts) {
    if known.len() <= slot.index() {
        known.resize(slot.index() + 1, None);
    }
    known[slot.index()] = Some(facts);
}

fn refuse(clients: Vec<Client>, why: &str) {
    let reply = refusal(why);
    clients.into_iter().for_each(|client| client.answer(&reply, |_| Installed::Ending));
}

/// Says what came in force, what did not and why; of many reasons the first ones.
pub fn say_loaded(loaded: &Loaded) {
    let missing = loaded.compiled.apps.iter().flat_map(|report| {
        let state = report.state.name();
        let text = move |missing: &Missing| {
            format!("app {} is {state}: {}: {}", report.id, missing.field(), missing.text())
        };
        report.state.missing().iter().map(text)
    });
    let mut all = loaded.warnings.iter().cloned().chain(missing);
    all.by_ref().take(WARNINGS_SAID_MAX).for_each(log::warning);
    let more = all.count();
    if more > 0 {
        log::warning(format_args!("and {more} more; `byway show apps` has those of apps"));
    }
    log::info(format_args!("table in force: {}", summary(loaded)));
}

/// A table in one line.
pub fn summary(loaded: &Loaded) -> String {
    let in_force = loaded.compiled.apps.in_force();
    let out = loaded.compiled.apps.len() - in_force;
    let rules = loaded.compiled.rules;
    format!(
        "epoch {}, {} prefixes, {in_force} apps in force, {out} not in force, {} access rules in force, {} not",
        loaded.compiled.snapshot.epoch,
        loaded.spec.prefixes.len(),
        rules.in_force,
        rules.without_source + rules.challenges,
    )
}

//! The part that asks: tasks of the control thread, a bounded number at a time, and the file that outlives a restart.

use super::cache::{Kept, OriginCache};
use super::hickory::NameServers;
use super::lookup::{Answer, LookupError, resolve};
use super::names::{NameNews, NameState, NameTerms, Names};
use crate::base::limits::DNS_QUESTIONS_IN_FLIGHT_MAX;
use crate::base::{Instant, OsClock, Span};
use crate::control::config::boot::DnsSpec;
use crate::control::log;
use crate::snapshot::{LiveSpec, Reports};
use crate::table::{OriginName, OriginRecord, OriginSpec, Resolved};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The least time between two writes of the cache file after a change, and after answers that only became younger.
const SAVE: Span = Span::from_secs(1);
const SAVE_YOUNGER: Span = Span::from_secs(300);

type Settled = (OriginName, Result<Answer, LookupError>);

/// Questions and answers since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// Good answers.
    pub good: u64,
    /// Answers that there is nothing.
    pub nothing: u64,
    /// Questions without a usable answer.
    pub failed: u64,
}

/// Keeps the answers young.
pub struct Resolver {
    names: Names,
    servers: Option<Arc<NameServers>>,
    spec: DnsSpec,
    sender: mpsc::Sender<Settled>,
    settled: mpsc::Receiver<Settled>,
    cache: OriginCache,
    saving: Option<JoinHandle<()>>,
    /// When the file was written, and what has changed since.
    saved_at: Instant,
    changed: bool,
    younger: bool,
    asked: Asked,
}

impl Resolver {
    /// For the boot config's name servers; `kept` is what the cache holds. Asks nobody before `turn`.
    pub fn new(spec: DnsSpec, cache: OriginCache, kept: Vec<Kept>, seed: u64) -> Self {
        let (sender, settled) = mpsc::channel(DNS_QUESTIONS_IN_FLIGHT_MAX);
        let names = Names::new(NameTerms::of(&spec), kept, seed);
        let (saving, saved_at) = (None, Instant::ZERO);
        let (changed, younger, asked) = (false, false, Asked::default());
        Self { names, servers: None, spec, sender, settled, cache, saving, saved_at, changed, younger, asked }
    }

    /// The names of the table in force.
    pub fn want(&mut self, spec: &LiveSpec, reports: &Reports, now: Instant) {
        let mut wanted: HashMap<OriginName, Option<Span>> = HashMap::new();
        let apps = spec.zones().flat_map(|(_, zone)| &zone.apps).zip(reports.iter());
        for (app, _) in apps.filter(|(_, report)| report.slot.is_some()) {
            let OriginSpec::Dns { name, ttl_s, kind } = &app.origin else { continue };
            let question = OriginName { name: name.clone(), kind: *kind };
            let ttl = ttl_s.map(|ttl_s| Span::from_secs(u64::from(ttl_s)));
            // Of two apps the more impatient one decides.
            let known = wanted.entry(question).or_insert(ttl);
            *known = [*known, ttl].into_iter().flatten().min();
        }
        self.names.want(&wanted, now, unix_s());
    }

    /// Puts the questions that are due, takes the answers that came; whether the compiler is to be told. Runs within
    /// the runtime.
    pub fn turn(&mut self, now: Instant) -> bool {
        let mut changed = false;
        while let Ok((question, result)) = self.settled.try_recv() {
            changed |= self.settle(&question, result, now);
        }
        while let Some(question) = self.names.next_due(now) {
            self.ask(question);
        }
        self.save(now);
        changed
    }

    /// What the compiler is told.
    pub fn answers(&self) -> HashMap<OriginName, Resolved> {
        self.names.answers()
    }

    /// How a name stands.
    pub fn state(&self, question: &OriginName) -> Option<&NameState> {
        self.names.state(question)
    }

    /// Names, those of them that live on an old answer, and those without any.
    pub fn levels(&self) -> (u64, u64, u64) {
        self.names.states().fold((0, 0, 0), |(all, stale, none), state| {
            (all + 1, stale + u64::from(state.is_stale()), none + u64::from(state.records.is_none()))
        })
    }

    /// Questions and answers since the start.
    pub const fn asked(&self) -> Asked {
        self.asked
    }

    fn ask(&mut self, question: OriginName) {
        let sender = self.sender.clone();
        let servers = self.servers();
        tokio::spawn(async move {
            let result = match servers {
                Ok(servers) => resolve(&*servers, &question).await,
                Err(why) => Err(LookupError::Ours(why)),
            };
            // No more questions are under way than the channel holds; a control loop that is gone hears nothing.
            let _ = sender.send((question, result)).await;
        });
    }

    /// The name servers; made at the first question, since hickory wants a runtime around it.
    fn servers(&mut self) -> Result<Arc<NameServers>, String> {
        if let Some(servers) = &self.servers {
            return Ok(servers.clone());
        }
        let made = NameServers::new(&self.spec.resolvers, self.spec.timeout, self.spec.attempts);
        let servers = self.servers.insert(Arc::new(made?));
        Ok(servers.clone())
    }

    fn settle(&mut self, question: &OriginName, result: Result<Answer, LookupError>, now: Instant) -> bool {
        match &result {
            Ok(_) => self.asked.good += 1,
            Err(LookupError::Nothing) => self.asked.nothing += 1,
            Err(LookupError::NoAnswer(_) | LookupError::Ours(_)) => self.asked.failed += 1,
        }
        self.younger |= result.is_ok();
        let first = self.names.state(question).is_some_and(|state| state.failures == 0);
        let news = self.names.settle(question, result, now, unix_s());
        let Some(state) = self.names.state(question) else { return false };
        let error = state.error.as_deref().unwrap_or_default();
        let name = &question.name;
        match news {
            NameNews::Same => return false,
            NameNews::Resolved | NameNews::Changed => {
                let records = state.records.as_deref().unwrap_or_default();
                log::info(format_args!("origin {name}: {}", list(records)));
                if state.left_out > 0 {
                    let kept = records.len();
                    log::warning(format_args!(
                        "origin {name}: {} records more than the {kept} used",
                        state.left_out
                    ));
                }
            }
            NameNews::Stale => {
                log::warning(format_args!("origin {name}: {error}; the last good answer is used on"));
                return false;
            }
            NameNews::Gone if first => {
                log::warning(format_args!("origin {name}: {error}; it has no address"))
            }
            NameNews::Gone => {}
        }
        self.changed = true;
        true
    }

    fn save(&mut self, now: Instant) {
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return;
        }
        let since = now.since(self.saved_at);
        if !(self.changed && since >= SAVE || self.younger && since >= SAVE_YOUNGER) {
            return;
        }
        (self.saved_at, self.changed, self.younger) = (now, false, false);
        let (cache, kept) = (self.cache.clone(), self.names.kept());
        self.saving = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = cache.save(&kept) {
                log::warning(format_args!("{}: cannot be stored: {error}", cache.path().display()));
            }
        }));
    }
}

/// Records in one line, the first few of them.
fn list(records: &[OriginRecord]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = records.iter().take(SHOWN).map(|record| record.addr.to_string()).collect();
    let more = records.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

fn unix_s() -> u64 {
    OsClock::unix_micros() / 1_000_000
}

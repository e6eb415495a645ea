//! The live spec -> a snapshot and a report. The only thing that can fail here is a limit.

use super::cross_check::{Disagreement, cross_check};
use super::frozen::Snapshot;
use super::live_spec::{LiveSpec, ScopeKind, ZoneSpec};
use super::reports::{AppReport, Reports};
use crate::base::frozen_map::Crowded;
use crate::base::limits::ACCOUNTS_MAX;
use crate::base::{AccountSlot, AppSlot, Epoch, RuleSlot};
use crate::firewall::{self, Mode, RuleSpec, ScopeRules, Sources, Target, WhenceMap, ZoneScopes};
use crate::table::{
    self, AppId, AppState, BookFull, OriginBook, Placed, PrefixMap, PrefixSpec, ScopeName, SlotBook,
};
use crate::tls::{Material, TlsTable};
use siphasher::sip::SipHasher13;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

/// Compiles specs one after another: keeps slots stable and shares what did not change. Control owns one.
#[derive(Debug)]
pub struct Compiler {
    pub(super) secret: [u64; 2],
    pub(super) apps: SlotBook<AppId>,
    accounts: SlotBook<ScopeName>,
    /// By a keyed hash of (scope, target); two rules that hash alike would share a counter and nothing else.
    pub(super) rules: SlotBook<u64>,
    prefixes: (Vec<PrefixSpec>, Arc<PrefixMap>),
    /// Where addresses come from: in every snapshot from the next compile on.
    whences: Arc<WhenceMap>,
    pub(super) epoch: Epoch,
    /// What is known of origins: answers of name servers, origins that are down. Taken up by the next compile.
    pub origins: Arc<OriginBook>,
}

/// What came out of one compile. Nothing is in force before it is published and `Compiler::commit` is called.
#[derive(Debug)]
pub struct Compiled {
    /// To be published.
    pub snapshot: Arc<Snapshot>,
    /// What became of each app.
    pub apps: Reports,
    /// What became of the access rules.
    pub rules: RuleReport,
    /// What the TLS of apps was made from.
    pub material: Option<Arc<Material>>,
}

/// What became of the access rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RuleReport {
    /// Rules in force.
    pub in_force: usize,
    /// ASN and country rules whose data source is missing: not in force.
    pub without_source: usize,
    /// Challenge modes: they do not act at layer 4.
    pub challenges: usize,
}

/// Why a spec could not be compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LimitError {
    /// All app slots are held, some perhaps by removed apps whose sessions still drain.
    AppSlots(BookFull),
    /// All account slots are held, some perhaps by removed accounts whose sessions still drain.
    AccountSlots(BookFull),
    /// All rule slots are held.
    RuleSlots(BookFull),
    /// One key repeats, which the spec should have refused.
    Crowded,
    /// The compiled table answers otherwise than the naive model: a defect of byway, nothing was published.
    Disagreement(Box<Disagreement>),
}

/// The rule slot of whose rule, and what the rule says: for `where` and for counters' names.
#[derive(Clone, Copy, Debug)]
pub struct RuleRef<'a> {
    /// `user`, or the id of the account or zone.
    pub scope: &'a str,
    /// The rule.
    pub rule: &'a RuleSpec,
}

impl Compiler {
    /// A compiler with room for `app_slots` apps and `rule_slots` rules (retired ones count); `secret` is the boot's.
    pub fn new(secret: [u64; 2], app_slots: u32, rule_slots: u32) -> Self {
        Self {
            secret,
            apps: SlotBook::new(app_slots),
            accounts: SlotBook::new(ACCOUNTS_MAX as u32),
            rules: SlotBook::new(rule_slots),
            prefixes: (Vec::new(), Arc::new(PrefixMap::empty())),
            whences: Arc::default(),
            epoch: Epoch(0),
            origins: Arc::default(),
        }
    }

    /// Takes other databases of where addresses come from, for every compile from now on.
    pub fn set_whences(&mut self, whences: Arc<WhenceMap>) {
        self.whences = whences;
    }

    /// Compiles `spec` under the next epoch and asks the result some hundred questions.
    ///
    /// # Errors
    /// See `LimitError`. Nothing has changed then.
    pub fn compile(&mut self, spec: &LiveSpec) -> Result<Compiled, LimitError> {
        self.compile_with(spec, None)
    }

    /// The same, with certificates: apps with TLS are served only where `material` has what they need.
    ///
    /// # Errors
    /// See `LimitError`. Nothing has changed then.
    pub fn compile_with(
        &mut self,
        spec: &LiveSpec,
        material: Option<&Material>,
    ) -> Result<Compiled, LimitError> {
        self.apps.begin();
        self.accounts.begin();
        self.rules.begin();
        let reports = self.place(spec)?;
        let table = Arc::new(self.table(spec, &reports)?);
        let (rules, rule_report) = self.rules(spec)?;
        let epoch = Epoch(self.epoch.0 + 1);
        let tls = Arc::new(material.map(|material| tls_table(spec, &reports, material)).unwrap_or_default());
        let snapshot = Snapshot {
            epoch,
            judging: epoch,
            table,
            rules: Arc::new(rules),
            whences: self.whences.clone(),
            tls,
            ..Snapshot::empty()
        };
        cross_check(spec, &reports, &snapshot, self.secret[0] ^ epoch.0)
            .map_err(|disagreement| LimitError::Disagreement(Box::new(disagreement)))?;
        let material = material.map(|material| Arc::new(material.clone()));
        Ok(Compiled { snapshot: Arc::new(snapshot), apps: reports, rules: rule_report, material })
    }

    /// The last compile is not to be published: slots that it claimed are as they were.
    pub fn abandon(&mut self) {
        self.apps.abandon();
        self.accounts.abandon();
        self.rules.abandon();
    }

    /// The last compile was published: its slots are in force, and whoever is not in it is retired.
    pub fn commit(&mut self, compiled: &Compiled) {
        self.apps.commit();
        self.accounts.commit();
        self.rules.commit();
        self.epoch = compiled.snapshot.epoch;
    }

    /// `last` once more under the next epoch, draining: to be published when the process ends.
    pub fn drain(&mut self, last: &Snapshot) -> Arc<Snapshot> {
        self.epoch.0 += 1;
        Arc::new(Snapshot { epoch: self.epoch, draining: true, ..last.clone() })
    }

    /// Slots of apps that are gone from the table but perhaps not from the workers.
    pub fn retired_apps(&self) -> impl Iterator<Item = (AppId, AppSlot)> {
        self.apps.retired().map(|(id, slot)| (*id, AppSlot(slot)))
    }

    /// No worker holds a session of these apps any more: their slots may be given to others. How many were.
    pub fn release_apps(&mut self, apps: &[AppId]) -> usize {
        let released = apps.iter().filter(|app| self.apps.release(app)).count();
        if released > 0 && self.apps.retired().next().is_none() {
            // Sessions of a removed account belong to removed apps: none is left.
            self.accounts.release_where(|_, _| true);
        }
        released
    }

    /// All workers run the last published epoch and their older events are read: slots of removed rules may be given
    /// to others.
    pub fn release_retired_rules(&mut self) {
        self.rules.release_where(|_, _| true);
    }

    /// All rules of `spec` in force with their slots, in one pass.
    pub fn rules_in_force<'a>(&'a self, spec: &'a LiveSpec) -> impl Iterator<Item = (RuleSlot, RuleRef<'a>)> {
        spec.scopes().flat_map(move |(kind, scope, rules)| {
            let slot = move |rule: &RuleSpec| {
                self.rules.find(&self.rule_key(kind, scope, rule.target)).map(RuleSlot)
            };
            rules.iter().filter_map(move |rule| slot(rule).map(|slot| (slot, RuleRef { scope, rule })))
        })
    }

    /// The rule that holds `slot` in `spec`. Looks at all rules; for people, not for the road.
    pub fn rule_at<'a>(&self, spec: &'a LiveSpec, slot: RuleSlot) -> Option<RuleRef<'a>> {
        spec.scopes().find_map(|(kind, scope, rules)| {
            let holds =
                |rule: &&RuleSpec| self.rules.find(&self.rule_key(kind, scope, rule.target)) == Some(slot.0);
            rules.iter().find(holds).map(|rule| RuleRef { scope, rule })
        })
    }

    fn place(&mut self, spec: &LiveSpec) -> Result<Reports, LimitError> {
        let sources = self.whences.sources();
        let blind = |rules: &[RuleSpec]| rules.iter().any(|rule| blocks_blindly(rule, sources));
        let by_user = blind(&spec.access_rules);
        let accounts = self.accounts_of_zones(spec)?;
        let mut reports = Reports::default();
        for ((account, zone), slot) in spec.zones().zip(accounts) {
            let by_zone = by_user || blind(&account.access_rules) || blind(&zone.access_rules);
            self.place_zone((zone, slot), (by_zone, spec.allow_partial), &mut reports)?;
        }
        Ok(reports)
    }

    fn place_zone(
        &mut self,
        (spec, account): (&ZoneSpec, AccountSlot),
        (blocks_blindly, allow_partial): (bool, bool),
        reports: &mut Reports,
    ) -> Result<(), LimitError> {
        let zone = reports.open(account, blocks_blindly);
        for app in &spec.apps {
            let state = AppState::of(app, blocks_blindly, allow_partial, self.origins.resolves);
            let slot = match state.is_in_force() {
                true => Some(AppSlot(self.apps.claim(app.id).map_err(LimitError::AppSlots)?)),
                false => None,
            };
            reports.put(AppReport { id: app.id, zone, slot, state });
        }
        Ok(())
    }

    fn table(&mut self, spec: &LiveSpec, reports: &Reports) -> Result<table::Table, LimitError> {
        if self.prefixes.0 != spec.prefixes {
            let map = PrefixMap::build(&spec.prefixes, self.secret)?;
            self.prefixes = (spec.prefixes.clone(), Arc::new(map));
        }
        let apps = spec.zones().flat_map(|(_, zone)| &zone.apps);
        let placed = apps.zip(reports.iter()).filter_map(|(app, report)| {
            let (zone, account) = (report.zone, reports.zone(report.zone)?.account);
            report.slot.map(|slot| Placed { spec: app, addrs: app.edge_addrs(), slot, account, zone })
        });
        let (map, placed) = (self.prefixes.1.clone(), placed.collect::<Vec<_>>());
        Ok(table::compile(map, &placed, &self.origins, self.secret)?)
    }

    /// The account of each zone, in the order of their `ZoneSlot`s.
    fn accounts_of_zones(&mut self, spec: &LiveSpec) -> Result<Vec<AccountSlot>, LimitError> {
        let mut of_zones = Vec::new();
        for account in &spec.accounts {
            let slot =
                AccountSlot(self.accounts.claim(account.id.clone()).map_err(LimitError::AccountSlots)?);
            of_zones.extend(account.zones.iter().map(|_| slot));
        }
        Ok(of_zones)
    }

    fn rules(&mut self, spec: &LiveSpec) -> Result<(firewall::Rules, RuleReport), LimitError> {
        let mut report = RuleReport::default();
        let mut lists = Vec::new();
        for (kind, scope, rules) in spec.scopes() {
            lists.push(self.scope_slots((kind, scope), rules, &mut report)?);
        }
        // `scopes` lists the user first, then each account followed by its zones.
        let mut zones = Vec::new();
        let mut next = 1;
        for account in &spec.accounts {
            let own = (next + 1)..(next + 1 + account.zones.len());
            zones.extend(own.clone().map(|zone| ZoneScopes { zone, account: next, user: 0 }));
            next = own.end;
        }
        Ok((firewall::compile(&zones, &lists, self.secret)?, report))
    }

    fn scope_slots<'a>(
        &mut self,
        (kind, scope): (ScopeKind, &str),
        rules: &'a [RuleSpec],
        report: &mut RuleReport,
    ) -> Result<ScopeRules<'a>, LimitError> {
        let mut slots = Vec::with_capacity(rules.len());
        for rule in rules {
            let slot = match Acting::of(rule, self.whences.sources()) {
                Acting::InForce => {
                    report.in_force += 1;
                    let key = self.rule_key(kind, scope, rule.target);
                    Some(RuleSlot(self.rules.claim(key).map_err(LimitError::RuleSlots)?))
                }
                Acting::Challenge => {
                    report.challenges += 1;
                    None
                }
                Acting::WithoutSource => {
                    report.without_source += 1;
                    None
                }
            };
            slots.push(slot);
        }
        Ok(ScopeRules { rules, slots })
    }

    pub(super) fn rule_key(&self, kind: ScopeKind, scope: &str, target: Target) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
        hasher.write_u8(kind as u8);
        hasher.write(scope.as_bytes());
        hasher.write_u8(0xff);
        match target {
            Target::Net(net) => {
                hasher.write_u128(net.first().bits());
                hasher.write_u8(net.length());
            }
            Target::Asn(number) => hasher.write_u32(number.0),
            Target::Country(country) => hasher.write(country.as_str().as_bytes()),
        }
        hasher.finish()
    }
}

/// The TLS of all apps in force that ask for it and can have it.
fn tls_table(spec: &LiveSpec, reports: &Reports, material: &Material) -> TlsTable {
    let apps = spec.zones().flat_map(|(_, zone)| zone.apps.iter().map(move |app| (zone, app)));
    let placed = apps.zip(reports.iter()).filter_map(|((zone, app), report)| {
        let wanted = app.wanted_tls(material.min_tls)?;
        Some((report.slot?, material.app(zone.id.as_str(), &wanted).ok()?))
    });
    TlsTable::new(placed.collect())
}

/// Whether a rule is in force, and what keeps it out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acting {
    /// It blocks or lets in.
    InForce,
    /// Its mode does not act at layer 4.
    Challenge,
    /// Nobody says which addresses its ASN or country has.
    WithoutSource,
}

impl Acting {
    /// Of one rule.
    pub fn of(rule: &RuleSpec, sources: Sources) -> Self {
        Self::of_mode(rule.target, rule.mode, sources)
    }

    /// Of a rule about `target` with this mode.
    pub fn of_mode(target: Target, mode: Mode, sources: Sources) -> Self {
        let known = match target {
            Target::Net(_) => true,
            Target::Asn(_) => sources.asn,
            Target::Country(country) => sources.know(country),
        };
        match (mode.acts(), known) {
            (false, _) => Self::Challenge,
            (true, true) => Self::InForce,
            (true, false) => Self::WithoutSource,
        }
    }

    /// The word for it in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Challenge => "challenge_does_not_act_at_layer_4",
            Self::WithoutSource => "data_source_missing",
        }
    }
}

/// Whether a rule would block and nobody says which addresses it means.
fn blocks_blindly(rule: &RuleSpec, sources: Sources) -> bool {
    rule.mode == Mode::Block && Acting::of(rule, sources) == Acting::WithoutSource
}

impl From<Crowded> for LimitError {
    fn from(_: Crowded) -> Self {
        Self::Crowded
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AppSlots(full) => write!(f, "no slot for another app: all {} are held", full.capacity),
            Self::AccountSlots(full) => {
                write!(f, "no slot for another account: all {} are held", full.capacity)
            }
            Self::RuleSlots(full) => {
                write!(f, "no slot for another access rule: all {} are held", full.capacity)
            }
            Self::Crowded => f.write_str("the same prefix, edge address or range repeats"),
            Self::Disagreement(disagreement) => write!(f, "byway's own check failed: {disagreement}"),
        }
    }
}

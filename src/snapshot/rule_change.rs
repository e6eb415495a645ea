//! A few access rules changed among many: first in the spec, then in the compiled snapshot, without compiling anew.
//!
//! ```text
//!  RuleChange --LiveSpec::change_rules--> RuleChanged --Compiler::edit--> the next snapshot
//!                                             `-- not by an edit: apps change state, or too many: compile it all
//! ```

use super::compile::{Acting, Compiled, Compiler, LimitError, RuleReport};
use super::cross_check::Disagreement;
use super::frozen::Snapshot;
use super::live_spec::{LiveSpec, ScopeKind};
use crate::base::frozen_map::Crowded;
use crate::base::limits::RULE_EDITS_MAX;
use crate::base::{Epoch, RuleSlot};
use crate::firewall::{Mode, RuleEdit, RuleSpec, Rules, Sources, Target};
use crate::table::ScopeName;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// Whose rule it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RuleScope {
    /// The user's.
    User,
    /// This account's.
    Account(ScopeName),
    /// This zone's.
    Zone(ScopeName),
}

/// One rule put in the place of whatever its scope says of its target, or taken away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleChange {
    /// Whose rule.
    pub scope: RuleScope,
    /// Whom it is about.
    pub target: Target,
    /// The rule; `None`: there is to be none.
    pub rule: Option<RuleSpec>,
}

/// A change as it was carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleChanged {
    /// Whose rule.
    pub scope: RuleScope,
    /// The scope's place in the spec's list of scopes.
    pub number: u32,
    /// Whom it is about.
    pub target: Target,
    /// The mode of the rule that was there before.
    pub old: Option<Mode>,
    /// The mode of the rule that is there now.
    pub new: Option<Mode>,
}

/// What an edit came to.
#[derive(Clone, Debug)]
pub struct Edited {
    /// To be published.
    pub snapshot: Arc<Snapshot>,
    /// What is in force and what is not.
    pub rules: RuleReport,
}

/// A base with the edits of `since` in it.
#[derive(Debug)]
pub struct Merged {
    since: Arc<Rules>,
    rules: Result<Rules, Crowded>,
}

impl RuleScope {
    /// Its kind.
    pub const fn kind(&self) -> ScopeKind {
        match self {
            Self::User => ScopeKind::User,
            Self::Account(_) => ScopeKind::Account,
            Self::Zone(_) => ScopeKind::Zone,
        }
    }

    /// Its id in the list of scopes.
    pub fn id(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Account(id) | Self::Zone(id) => id.as_str(),
        }
    }
}

impl fmt::Display for RuleScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Account(id) => write!(f, "account {}", id.as_str()),
            Self::Zone(id) => write!(f, "zone {}", id.as_str()),
        }
    }
}

impl LiveSpec {
    /// The place of a scope in the list of scopes; `None` where there is no such account or zone.
    pub fn scope_number(&self, scope: &RuleScope) -> Option<u32> {
        let wanted = (scope.kind(), scope.id());
        self.scopes().position(|(kind, id, _)| (kind, id) == wanted).map(|place| place as u32)
    }

    /// Carries out `changes` in their order, one pass over each scope's rules. A change of a scope that is not there is
    /// left out.
    pub fn change_rules(&mut self, changes: &[RuleChange]) -> Vec<RuleChanged> {
        let mut by_scope: HashMap<&RuleScope, Vec<&RuleChange>> = HashMap::new();
        for change in changes {
            by_scope.entry(&change.scope).or_default().push(change);
        }
        let mut done = Vec::with_capacity(changes.len());
        for (scope, changes) in by_scope {
            let Some(number) = self.scope_number(scope) else { continue };
            let Some(rules) = self.rules_of(scope) else { continue };
            change_scope(rules, number, &changes, &mut done);
        }
        done
    }

    fn rules_of(&mut self, scope: &RuleScope) -> Option<&mut Vec<RuleSpec>> {
        match scope {
            RuleScope::User => Some(&mut self.access_rules),
            RuleScope::Account(id) => {
                let account = self.accounts.iter_mut().find(|account| account.id == *id)?;
                Some(&mut account.access_rules)
            }
            RuleScope::Zone(id) => {
                let mut zones = self.accounts.iter_mut().flat_map(|account| &mut account.zones);
                Some(&mut zones.find(|zone| zone.id == *id)?.access_rules)
            }
        }
    }
}

fn change_scope(
    rules: &mut Vec<RuleSpec>,
    number: u32,
    changes: &[&RuleChange],
    done: &mut Vec<RuleChanged>,
) {
    let wanted: HashSet<Target> = changes.iter().map(|change| change.target).collect();
    let here = rules.iter().enumerate().filter(|(_, rule)| match changes {
        [one] => one.target == rule.target,
        [..] => wanted.contains(&rule.target),
    });
    let mut places: HashMap<Target, usize> = here.map(|(place, rule)| (rule.target, place)).collect();
    for change in changes {
        let place = places.get(&change.target).copied();
        let old = place.map(|place| rules[place].mode);
        match (place, &change.rule) {
            (Some(place), Some(rule)) => rules[place] = rule.clone(),
            (None, Some(rule)) => {
                places.insert(change.target, rules.len());
                rules.push(rule.clone());
            }
            (Some(place), None) => {
                places.remove(&change.target);
                rules.swap_remove(place);
                if let Some(moved) = rules.get(place).and_then(|rule| places.get_mut(&rule.target)) {
                    *moved = place;
                }
            }
            (None, None) => {}
        }
        let (scope, target, new) =
            (change.scope.clone(), change.target, change.rule.as_ref().map(|rule| rule.mode));
        done.push(RuleChanged { scope, number, target, old, new });
    }
}

impl RuleChanged {
    /// Whether it puts apps in or out of force: a block that cannot be carried out comes or goes.
    fn turns_apps(&self, sources: Sources) -> bool {
        let blind = |mode: Option<Mode>| {
            mode == Some(Mode::Block)
                && Acting::of_mode(self.target, Mode::Block, sources) == Acting::WithoutSource
        };
        blind(self.old) != blind(self.new)
    }
}

impl RuleReport {
    fn count(&mut self, acting: Acting, add: bool) {
        let number = match acting {
            Acting::InForce => &mut self.in_force,
            Acting::Challenge => &mut self.challenges,
            Acting::WithoutSource => &mut self.without_source,
        };
        *number = if add { *number + 1 } else { number.saturating_sub(1) };
    }
}

impl Compiler {
    /// `last`, which is in force, after `changed`, which its spec already shows. Costs by the number of changes since the
    /// last compile. `None` when that is no matter of rules alone, or there were too many: compile the whole.
    ///
    /// # Errors
    /// See `LimitError`. The spec is then ahead of what is in force.
    pub fn edit(&mut self, last: &Compiled, changed: &[RuleChanged]) -> Result<Option<Edited>, LimitError> {
        let (rules, sources) = (&last.snapshot.rules, last.snapshot.whences.sources());
        let too_many = rules.edits_len() + changed.len() > RULE_EDITS_MAX;
        if too_many || changed.iter().any(|changed| changed.turns_apps(sources)) {
            return Ok(None);
        }
        let (mut report, mut edits) = (last.rules, Vec::with_capacity(changed.len()));
        for changed in changed {
            edits.push(self.edit_of(changed, sources, &mut report)?);
        }
        let rules = rules.edited(&edits, self.secret)?;
        hold_edits(&rules, &edits)?;
        Ok(Some(Edited { snapshot: self.with_rules(&last.snapshot, rules), rules: report }))
    }

    fn edit_of(
        &mut self,
        changed: &RuleChanged,
        sources: Sources,
        report: &mut RuleReport,
    ) -> Result<RuleEdit, LimitError> {
        let acting = |mode: Option<Mode>| mode.map(|mode| Acting::of_mode(changed.target, mode, sources));
        let (old, new) = (acting(changed.old), acting(changed.new));
        old.into_iter().for_each(|acting| report.count(acting, false));
        new.into_iter().for_each(|acting| report.count(acting, true));
        let key = self.rule_key(changed.scope.kind(), changed.scope.id(), changed.target);
        let verdict = match new {
            Some(Acting::InForce) => {
                let slot = RuleSlot(self.rules.claim_live(key).map_err(LimitError::RuleSlots)?);
                Some((slot, changed.new == Some(Mode::Whitelist)))
            }
            Some(Acting::Challenge | Acting::WithoutSource) | None => {
                self.rules.retire(&key);
                None
            }
        };
        Ok(RuleEdit { scope: changed.number, target: changed.target, verdict })
    }

    /// `last` with other rules under the next epoch: after an edit, or over another base.
    fn with_rules(&self, last: &Snapshot, rules: Rules) -> Arc<Snapshot> {
        let epoch = Epoch(self.epoch.0 + 1);
        let (judging, edited, rules) = (epoch, Arc::new([]) as Arc<[_]>, Arc::new(rules));
        Arc::new(Snapshot { epoch, judging, edited, rules, ..last.clone() })
    }

    /// A snapshot of `edit` or `rebase` was published.
    pub fn commit_epoch(&mut self, snapshot: &Snapshot) {
        self.epoch = snapshot.epoch;
    }

    /// The work of putting all edits of `last` into a base of their own, for a thread beside the road.
    pub fn merge_job(&self, last: &Snapshot) -> impl FnOnce() -> Merged + Send + use<> {
        let (since, secret) = (last.rules.clone(), self.secret);
        move || {
            let rules = since.merged(secret);
            Merged { since, rules }
        }
    }

    /// `last` over the base of `merged`, with what was edited meanwhile; `None` when everything was compiled anew
    /// meanwhile.
    ///
    /// # Errors
    /// See `LimitError`.
    pub fn rebase(&self, last: &Snapshot, merged: Merged) -> Result<Option<Arc<Snapshot>>, LimitError> {
        let rebased = last.rules.rebased(&merged.rules?, &merged.since, self.secret)?;
        Ok(rebased.map(|rules| self.with_rules(last, rules)))
    }
}

/// Each edit's rule answers as it was written; of several on one target the last counts.
fn hold_edits(rules: &Rules, edits: &[RuleEdit]) -> Result<(), LimitError> {
    let mut seen = HashSet::new();
    for edit in edits.iter().rev().filter(|edit| seen.insert((edit.scope, edit.target))) {
        let found = rules.find(edit.scope, edit.target);
        if found != edit.verdict {
            return Err(LimitError::Disagreement(Box::new(Disagreement {
                question: format!("the rule of scope {} about {}", edit.scope, edit.target),
                compiled: format!("{found:?}"),
                naive: format!("{:?}", edit.verdict),
            })));
        }
    }
    Ok(())
}

//! Access rules of an account or a zone. The list of a zone has those of its account and user, too: only a scope's own are
//! taken. However many there are, those that are here are looked through once an import.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use super::report::{About, Fate};
use super::tenants::Accounts;
use crate::api::answer::Failure;
use crate::api::rules::{payer, within};
use crate::control::config::tables::read_one_rule;
use crate::estate::{Entity, Estate, Id, Kind, Rule, RuleHolder};
use crate::firewall::{Mode, RuleSpec, Target};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where the rules of the token's user are.
const USERS: &str = "user/firewall/access_rules/rules";

/// Rules as an import finds and makes them.
pub struct Rules<'l> {
    lists: &'l Lists,
    /// By whose they are and what they are about; by id.
    twins: HashMap<(RuleHolder, Target), Vec<Id>>,
    /// How many are held against whose quota.
    held: HashMap<RuleHolder, usize>,
}

impl<'l> Rules<'l> {
    /// Over those that are here; no zone may go to another account until the last is taken in.
    pub fn beside(estate: &Estate, lists: &'l Lists) -> Self {
        let mut rules = Self { lists, twins: HashMap::new(), held: HashMap::new() };
        estate.rules.iter().for_each(|rule| rules.note(estate, rule));
        rules
    }

    fn note(&mut self, estate: &Estate, rule: &Rule) {
        self.twins.entry((rule.holder, rule.spec.target)).or_default().push(rule.id);
        *self.held.entry(payer(estate, rule.holder)).or_default() += 1;
    }

    /// Takes in the rules of `path`, whose own scope there is `scope`.
    pub fn take(&mut self, draft: &mut Draft<'_>, (path, scope): (&str, &str), holder: RuleHolder) {
        for row in self.lists.rows(path) {
            if of(row, "id").is_none_or(|of| of == scope) {
                self.rule(draft, row, holder);
            }
        }
    }

    /// Takes in the rules of the user whose token was used, as those of the user here who owns what is made: there as here
    /// they act on the accounts that the user owns.
    pub fn take_users(&mut self, draft: &mut Draft<'_>, accounts: &Accounts) {
        let lists = self.lists;
        let rows = || lists.rows(USERS).filter(|row| of(row, "type").is_none_or(|of| of == "user"));
        let Some(first) = rows().next() else { return };
        let owner = draft.wants.owner;
        let email = |id| draft.estate.users.get(id).map_or_else(String::new, |user| user.email.clone());
        let ours = email(owner);
        let strange: BTreeMap<Id, String> = accounts
            .values()
            .filter_map(|id| draft.estate.accounts.get(*id).filter(|account| account.owner != owner))
            .map(|account| (account.id, format!("{} of {}", account.name, email(account.owner))))
            .collect();
        let what = (Kind::User, of(first, "id").unwrap_or(""), of(first, "email").unwrap_or(""));
        let why =
            format!("its access rules are those of {ours} here, and act on all accounts that are theirs");
        draft.report.note(About::Mapped, what, why);
        for (id, name) in strange {
            let why = format!("the user's access rules do not act on it: they are those of {ours}");
            draft.report.note(About::NotInForce, (Kind::Account, &id.to_string(), &name), why);
        }
        rows().for_each(|row| self.rule(draft, row, RuleHolder::User(owner)));
    }

    fn rule(&mut self, draft: &mut Draft<'_>, row: &Row, holder: RuleHolder) {
        let value = row.get("configuration").and_then(|target| target.get("value")).and_then(Value::as_str);
        let (own, name) = (text(row, "id"), value.unwrap_or(""));
        let what = (Kind::Rule, own, name);
        if row.get("paused").and_then(Value::as_bool) == Some(true) {
            return draft.report.leave_out(what, "it is paused there");
        }
        let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
        let spec = match read_one_rule(Value::Object(row.clone()).to_string().as_bytes()) {
            Ok(spec) => RuleSpec { id: None, ..spec },
            Err(errors) => return draft.refuse(what, &Failure::from(errors)),
        };
        let old = draft.estate.rules.get(id).cloned();
        if old.as_ref().is_some_and(|old| old.holder != holder) {
            return draft.report.leave_out(what, "its id is that of a rule of another scope");
        }
        if let Some(twin) = self.twin(&draft.estate, (holder, spec.target), id) {
            if twin.spec.mode == spec.mode {
                return draft.report.count(Kind::Rule, Fate::Same);
            }
            return draft.report.leave_out(
                what,
                format!("rule {} is about the same and says {}", twin.id, twin.spec.mode.name()),
            );
        }
        if old.as_ref().is_some_and(|old| old.spec.target != spec.target) {
            return draft.report.leave_out(what, "its id is that of a rule about something else");
        }
        let held = self.held.get(&payer(&draft.estate, holder)).copied().unwrap_or(0);
        if old.is_none()
            && let Err(failure) = within(held, (1, draft.terms.rules_per_account))
        {
            return draft.refuse(what, &failure);
        }
        let idle = match spec.mode {
            Mode::Challenge | Mode::JsChallenge | Mode::ManagedChallenge => true,
            Mode::Block | Mode::Whitelist => false,
        };
        let mode = spec.mode.name();
        let stamps = old.as_ref().map(|old| (old.created_on, old.modified_on));
        let (created_on, modified_on) =
            stamps.unwrap_or((stamp(row, "created_on", draft.now), stamp(row, "modified_on", draft.now)));
        let mut new = Rule { id, holder, spec, created_on, modified_on };
        if old.as_ref().is_some_and(|old| **old != new) {
            new.modified_on = draft.now;
        }
        if old.is_none() {
            self.note(&draft.estate, &new);
        }
        draft.settle(old.map(Entity::Rule), new.into(), name);
        if idle {
            draft.report.note(About::NotInForce, what, format!("mode {mode} does nothing at layer 4"));
        }
    }

    /// The first other rule of the same about the same.
    fn twin<'e>(&self, estate: &'e Estate, of: (RuleHolder, Target), id: Id) -> Option<&'e Arc<Rule>> {
        let twin = self.twins.get(&of)?.iter().find(|twin| **twin != id)?;
        estate.rules.get(*twin)
    }
}

/// A field of a rule's scope.
fn of<'r>(row: &'r Row, key: &str) -> Option<&'r str> {
    row.get("scope").and_then(|scope| scope.get(key)).and_then(Value::as_str)
}

//! Access rules in words, a page at a time: `byway rules list`.

use super::ask::RulesPage;
use super::workshop::{Loaded, Workshop};
use crate::firewall::RuleSpec;
use crate::snapshot::{Acting, RuleScope, ScopeKind};
use crate::table::ScopeName;
use serde_json::{Value, json};

/// The rules of `loaded` from `page.cursor` on, counted over all scopes, and where to go on.
pub fn answer(page: RulesPage, loaded: &Loaded, workshop: Option<&Workshop>) -> Value {
    let (mut skip, mut rows) = (page.cursor as usize, Vec::new());
    for (kind, id, rules) in loaded.spec.scopes() {
        let from = skip.min(rules.len());
        skip -= from;
        let left = page.limit as usize - rows.len();
        rows.extend(rules[from..].iter().take(left).map(|rule| row((kind, id), rule, loaded, workshop)));
    }
    let total = loaded.spec.scopes().map(|(_, _, rules)| rules.len()).sum::<usize>();
    let next = page.cursor as usize + rows.len();
    json!({ "ok": true, "rules": rows, "total": total, "next": (next < total).then_some(next) })
}

fn scope_of((kind, id): (ScopeKind, &str)) -> Option<RuleScope> {
    let name = || ScopeName::new(id).ok();
    match kind {
        ScopeKind::User => Some(RuleScope::User),
        ScopeKind::Account => name().map(RuleScope::Account),
        ScopeKind::Zone => name().map(RuleScope::Zone),
    }
}

/// What the operator says of a rule.
pub fn value(of: (ScopeKind, &str), rule: &RuleSpec) -> Value {
    json!({
        "scope": scope_of(of).map(|scope| scope.to_string()),
        "mode": rule.mode.name(),
        "target": rule.target.kind(),
        "value": rule.target.to_string(),
        "id": rule.id.as_ref().map(|id| id.as_str()),
        "notes": rule.notes.as_ref().map(|notes| notes.as_str()),
    })
}

fn row(of: (ScopeKind, &str), rule: &RuleSpec, loaded: &Loaded, workshop: Option<&Workshop>) -> Value {
    let scope = scope_of(of);
    let journal = workshop.map(|workshop| &workshop.journal);
    let edited = scope.as_ref().zip(journal).map(|(scope, journal)| journal.holds(scope, rule.target));
    let mut row = value(of, rule);
    row["state"] = Acting::of(rule, loaded.compiled.snapshot.whences.sources()).name().into();
    row["from"] = edited.map(|edited| if edited { "journal" } else { "table" }).into();
    row
}

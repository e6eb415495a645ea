//! Rules in force -> the frozen maps.

use super::rule_spec::{Mode, RuleSpec, Target};
use super::rules::{Book, RuleKey, Rules, SCOPES_MAX, Scope, Verdict, Zone, rule_key};
use crate::base::RuleSlot;
use crate::base::frozen_map::{Crowded, FrozenKey};
use std::sync::Arc;

/// The rules of one scope and the slots of those that act; the two lists are of one length.
#[derive(Clone, Debug)]
pub struct ScopeRules<'a> {
    /// The rules.
    pub rules: &'a [RuleSpec],
    /// For each rule its slot; a rule that does not act has none.
    pub slots: Vec<Option<RuleSlot>>,
}

/// The scopes of one zone, as places in the list of scopes.
#[derive(Clone, Copy, Debug)]
pub struct ZoneScopes {
    /// The zone's own.
    pub zone: usize,
    /// Its account's.
    pub account: usize,
    /// The user's.
    pub user: usize,
}

/// Compiles `scopes` for `zones` (by `ZoneSlot`). `secret` keys the hash.
///
/// # Errors
/// `Crowded` when one target repeats within a scope (the spec refuses that), or with more scopes than a key numbers.
pub fn compile(zones: &[ZoneScopes], scopes: &[ScopeRules<'_>], secret: [u64; 2]) -> Result<Rules, Crowded> {
    if scopes.len() > SCOPES_MAX {
        return Err(Crowded);
    }
    let mut used: Vec<Scope> =
        (0_u32..).take(scopes.len()).map(|number| Scope { number, ..Scope::default() }).collect();
    let (mut narrow, mut wide) = (Vec::new(), Vec::new());
    // Rules that let in go first: of two on one range the first is found.
    for pass in [Mode::Whitelist, Mode::Block] {
        for (scope, used) in scopes.iter().zip(&mut used) {
            for (target, slot) in acting(scope, pass) {
                let verdict = Verdict::new(slot, pass == Mode::Whitelist);
                used.note(target);
                match rule_key(used.number, target) {
                    RuleKey::Narrow(key) => narrow.push(key.entry(verdict.0)),
                    RuleKey::Wide(key) => wide.push(key.entry(verdict.0)),
                }
            }
        }
    }
    let scopes_of = |zone: &ZoneScopes| [used[zone.zone], used[zone.account], used[zone.user]];
    let zones = zones.iter().map(|zone| Zone::new(scopes_of(zone))).collect();
    Ok(Rules { zones, base: Arc::new(Book::build(&narrow, &wide, secret)?), edits: None })
}

/// The rules of `scope` that act with this mode, with their slots.
fn acting<'a>(scope: &'a ScopeRules<'_>, mode: Mode) -> impl Iterator<Item = (Target, RuleSlot)> + 'a {
    let of_mode = scope.rules.iter().zip(&scope.slots).filter(move |(rule, _)| rule.mode == mode);
    of_mode.filter_map(|(rule, slot)| slot.map(|slot| (rule.target, slot)))
}

impl Scope {
    /// Notes that a rule of this kind and length is in use; whether that is new.
    pub(super) fn note(&mut self, target: Target) -> bool {
        let (word, bit) = match target {
            Target::Asn(_) => return !std::mem::replace(&mut self.asn, true),
            Target::Country(_) => return !std::mem::replace(&mut self.country, true),
            Target::Net(net) if net.first().is_v4() => (&mut self.v4_lengths, net.length()),
            Target::Net(net) => (&mut self.v6_lengths[usize::from(net.length()) / 64], net.length() % 64),
        };
        let before = *word;
        *word |= 1 << bit;
        *word != before
    }
}

//! Rules in force -> the frozen maps.

use super::rule_spec::{Mode, RuleNet, RuleSpec, Target};
use super::rules::{Rules, SCOPES_MAX, Scope, Verdict, v4_key, v6_key};
use crate::base::RuleSlot;
use crate::base::frozen_map::{Crowded, FrozenKey, FrozenMap};

/// The rules of one scope and the slots of those that act; the two lists are of one length.
#[derive(Clone, Debug)]
pub struct ScopeRules<'a> {
    /// The rules.
    pub rules: &'a [RuleSpec],
    /// For each rule its slot; a rule that does not act needs none.
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
/// `Crowded` when one range repeats within a scope (the spec refuses that), or with more scopes than a key numbers.
pub fn compile(zones: &[ZoneScopes], scopes: &[ScopeRules<'_>], secret: [u64; 2]) -> Result<Rules, Crowded> {
    if scopes.len() > SCOPES_MAX {
        return Err(Crowded);
    }
    let mut used: Vec<Scope> =
        (0_u32..).take(scopes.len()).map(|number| Scope { number, ..Scope::default() }).collect();
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    // Rules that let in go first: of two on one range the first is found.
    for pass in [Mode::Whitelist, Mode::Block] {
        for (scope, used) in scopes.iter().zip(&mut used) {
            for (net, slot) in acting(scope, pass) {
                let verdict = Verdict::new(slot, pass == Mode::Whitelist);
                let length = u32::from(net.length());
                match net.first().to_v4_bits() {
                    Some(bits) => {
                        used.v4_lengths |= 1 << length;
                        v4.push(v4_key(used.number, length, bits).entry(verdict.0));
                    }
                    None => {
                        used.v6_lengths[length as usize / 64] |= 1 << (length % 64);
                        v6.push(v6_key(used.number, length, net.first().bits()).entry(verdict.0));
                    }
                }
            }
        }
    }
    let zones = zones.iter().map(|zone| [used[zone.zone], used[zone.account], used[zone.user]]).collect();
    Ok(Rules { zones, v4: FrozenMap::build(&v4, secret)?, v6: FrozenMap::build(&v6, secret)? })
}

/// The address rules of `scope` with this mode, with their slots.
fn acting<'a>(scope: &'a ScopeRules<'_>, mode: Mode) -> impl Iterator<Item = (RuleNet, RuleSlot)> + 'a {
    let of_mode = scope.rules.iter().zip(&scope.slots).filter(move |(rule, _)| rule.mode == mode);
    of_mode.filter_map(|(rule, slot)| match rule.target {
        Target::Net(net) => slot.map(|slot| (net, slot)),
        Target::Asn(_) | Target::Country(_) => None,
    })
}

//! A few rules changed among a million: the base stays, and a small book of edits is made anew.
//!
//! ```text
//!              edited                    edited                      rebased
//!  base + 0 ---------> base + 1 edit ... ---------> base + n edits ------------> merged + those since
//!                            |                                          ^
//!                            `--- merged (elsewhere, takes a while) ----'
//! ```
//!
//! An edit costs by the number of edits, not of rules: 4,096 of them are a book of a hundred kilobytes. Control side.

use super::rule_spec::Target;
use super::rules::{Book, GONE, RuleKey, Rules, Scope, Verdict, Zone, rule_key};
use crate::base::RuleSlot;
use crate::base::frozen_map::{Crowded, FrozenKey, FrozenMap, WideEntry};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// One rule put in force, changed or taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RuleEdit {
    /// The number of its scope: its place in the list that was compiled.
    pub scope: u32,
    /// Whom it is about.
    pub target: Target,
    /// Its slot and whether it lets in; `None`: it is no more, or does not act.
    pub verdict: Option<(RuleSlot, bool)>,
}

type Entries = (Vec<[u32; 3]>, Vec<WideEntry>);

impl Rules {
    /// These rules after `edits`, of which the last on one target counts. The base is shared.
    ///
    /// # Errors
    /// `Crowded` does not happen with distinct keys but for a hash that was chosen against us.
    pub fn edited(&self, edits: &[RuleEdit], secret: [u64; 2]) -> Result<Self, Crowded> {
        let (mut narrow, mut wide) = self.edit_entries();
        for edit in edits {
            let value = edit.verdict.map_or(GONE, |(slot, allows)| Verdict::new(slot, allows).0);
            match rule_key(edit.scope, edit.target) {
                RuleKey::Narrow(key) => narrow.push(key.entry(value)),
                RuleKey::Wide(key) => wide.push(key.entry(value)),
            }
        }
        let edits_book = Book::build(
            &newest(narrow, |entry| (entry[0], entry[1])),
            &newest(wide, WideEntry::key_words),
            secret,
        )?;
        Ok(Self { zones: self.zones_with(edits), base: self.base.clone(), edits: Some(Arc::new(edits_book)) })
    }

    /// How many edits lie over the base.
    pub fn edits_len(&self) -> usize {
        self.edits.as_ref().map_or(0, |edits| edits.len())
    }

    /// The same rules with all edits in a base of their own. Takes as long as a compile.
    ///
    /// # Errors
    /// See `edited`.
    pub fn merged(&self, secret: [u64; 2]) -> Result<Self, Crowded> {
        let Some(edits) = &self.edits else { return Ok(self.clone()) };
        let narrow = over(&self.base.narrow, &edits.narrow);
        let wide = over(&self.base.wide, &edits.wide);
        Ok(Self {
            zones: self.zones.clone(),
            base: Arc::new(Book::build(&narrow, &wide, secret)?),
            edits: None,
        })
    }

    /// These rules over the base of `merged`, which was made of `since`, an earlier state of these: only what was
    /// edited after `since` lies over it. `None` when `since` is no earlier state of these.
    ///
    /// # Errors
    /// See `edited`.
    pub fn rebased(&self, merged: &Self, since: &Self, secret: [u64; 2]) -> Result<Option<Self>, Crowded> {
        if !Arc::ptr_eq(&self.base, &since.base) {
            return Ok(None);
        }
        let ((mut narrow, mut wide), old) = (self.edit_entries(), since.edits.as_deref());
        retain_newer(&mut narrow, old.map(|old| &old.narrow));
        retain_newer(&mut wide, old.map(|old| &old.wide));
        let edits = if narrow.is_empty() && wide.is_empty() {
            None
        } else {
            Some(Arc::new(Book::build(&narrow, &wide, secret)?))
        };
        Ok(Some(Self { zones: self.zones.clone(), base: merged.base.clone(), edits }))
    }

    fn edit_entries(&self) -> Entries {
        let entries = |book: &Arc<Book>| {
            (book.narrow.entries().copied().collect(), book.wide.entries().copied().collect())
        };
        self.edits.as_ref().map(entries).unwrap_or_default()
    }

    /// The zones' scopes with the lengths and kinds that `edits` use; shared where none is new.
    fn zones_with(&self, edits: &[RuleEdit]) -> Arc<[Zone]> {
        let mut fresh: HashMap<u32, Vec<Target>> = HashMap::new();
        for edit in edits.iter().filter(|edit| edit.verdict.is_some()) {
            fresh.entry(edit.scope).or_default().push(edit.target);
        }
        let is_new = |scope: &Scope| {
            let mut scope = *scope;
            fresh.get(&scope.number).is_some_and(|targets| targets.iter().any(|target| scope.note(*target)))
        };
        if !self.zones.iter().flat_map(|zone| &zone.scopes).any(is_new) {
            return self.zones.clone();
        }
        let noted = |mut scope: Scope| {
            for target in fresh.get(&scope.number).into_iter().flatten() {
                scope.note(*target);
            }
            scope
        };
        self.zones.iter().map(|zone| Zone::new(zone.scopes.map(noted))).collect()
    }
}

/// Of entries with one key the last.
fn newest<E: Copy, K: Eq + Hash>(entries: Vec<E>, key: impl Fn(&E) -> K) -> Vec<E> {
    let mut by_key = HashMap::with_capacity(entries.len());
    for entry in entries {
        by_key.insert(key(&entry), entry);
    }
    by_key.into_values().collect()
}

/// Keeps of `entries` those that `old` has not, or with another value.
fn retain_newer<K: FrozenKey>(entries: &mut Vec<K::Entry>, old: Option<&FrozenMap<K>>) {
    let Some(old) = old else { return };
    entries.retain(|entry| old.find(K::of(entry)) != Some(K::value(entry)));
}

/// The base's entries that no edit touches, and the edits' that are in force.
fn over<K: FrozenKey>(base: &FrozenMap<K>, edits: &FrozenMap<K>) -> Vec<K::Entry> {
    let untouched = base.entries().filter(|entry| edits.find(K::of(entry)).is_none());
    let in_force = edits.entries().filter(|entry| K::value(entry) != GONE);
    untouched.chain(in_force).copied().collect()
}

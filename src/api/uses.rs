//! When tokens were used last: exactly while byway runs, and to the hour in the store, so that a restart does not lose it and
//! no request costs a write.

use crate::estate::{Estate, Id, Stamp};
use std::collections::HashMap;

/// A token's last use is written when it is so much younger than what the store has, in microseconds.
const COARSE_US: u64 = 3_600_000_000;

/// The last uses.
#[derive(Debug, Default)]
pub struct Uses(HashMap<Id, Use>);

#[derive(Clone, Copy, Debug)]
struct Use {
    last: Stamp,
    kept: Option<Stamp>,
}

impl Uses {
    /// As the store has them.
    pub fn of(kept: impl IntoIterator<Item = (Id, Stamp)>) -> Self {
        let known = kept.into_iter().map(|(token, at)| (token, Use { last: at, kept: Some(at) }));
        Self(known.collect())
    }

    /// A token is used.
    pub fn note(&mut self, token: Id, now: Stamp) {
        self.0.entry(token).or_insert(Use { last: now, kept: None }).last = now;
    }

    /// When it was used last.
    pub fn last(&self, token: Id) -> Option<Stamp> {
        self.0.get(&token).map(|one| one.last)
    }

    /// What the store is to have: of each token at most once an hour, or (`is_end`) all that is newer. Tokens that are gone
    /// are forgotten.
    pub fn due(&mut self, estate: &Estate, is_end: bool) -> Vec<(Id, Stamp)> {
        self.0.retain(|token, _| estate.tokens.get(*token).is_some());
        let is_due = |one: &Use| match one.kept {
            None => true,
            Some(kept) if is_end => one.last > kept,
            Some(kept) => one.last.0.saturating_sub(kept.0) >= COARSE_US,
        };
        self.0.iter().filter(|(_, one)| is_due(one)).map(|(token, one)| (*token, one.last)).collect()
    }

    /// The store has these.
    pub fn kept(&mut self, uses: &[(Id, Stamp)]) {
        for (token, at) in uses {
            if let Some(one) = self.0.get_mut(token) {
                one.kept = Some(*at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Token;

    #[test]
    fn a_tokens_use_is_written_once_an_hour_at_the_end_and_not_when_it_is_gone() {
        let (one, gone) = (Id::from_bits(1), Id::from_bits(2));
        let mut estate = Estate::default();
        estate.put(Token::root(one, Id::from_bits(9), String::new(), Stamp(0)).into());
        let hours = |count: u64| Stamp(count * COARSE_US + 5);
        let mut uses = Uses::of([(one, hours(1))]);
        uses.note(gone, hours(1));
        uses.note(one, Stamp(hours(2).0 - 1));
        assert_eq!(uses.due(&estate, false), [], "not an hour yet");
        assert_eq!(uses.last(gone), None, "it is no token any more");
        uses.note(one, hours(2));
        let due = uses.due(&estate, false);
        assert_eq!(due, [(one, hours(2))]);
        assert_eq!(uses.due(&estate, false), due, "until the store has it");
        uses.kept(&due);
        uses.note(one, Stamp(hours(2).0 + 1));
        assert_eq!(uses.due(&estate, false), []);
        assert_eq!(uses.due(&estate, true), [(one, Stamp(hours(2).0 + 1))]);
    }
}

//! A change: edits that belong together, each knowing what was there before, so that a change can be undone and told.

use super::entity::{Entity, Kind};
use super::id::Id;
use std::collections::HashMap;

/// Which entity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
}

/// One entity made (`before` is empty), changed, or removed (`after` is empty).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// Which one.
    pub key: Key,
    /// As it was.
    pub before: Option<Entity>,
    /// As it will be.
    pub after: Option<Entity>,
}

/// Edits that are in force together or not at all, one an entity: whoever edits one twice has edited it once, from what it
/// was first to what it became last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    edits: Vec<Edit>,
    /// Where each entity's is.
    places: HashMap<Key, usize>,
}

impl Key {
    /// Of an entity.
    pub fn of(entity: &Entity) -> Self {
        Self { kind: entity.kind(), id: entity.id() }
    }
}

impl Change {
    /// The edits, in the order of being made.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// An entity is made.
    pub fn make(&mut self, entity: impl Into<Entity>) {
        let after = entity.into();
        self.note(Edit { key: Key::of(&after), before: None, after: Some(after) });
    }

    /// An entity becomes another; nothing is noted where they are equal.
    pub fn turn(&mut self, before: Entity, after: impl Into<Entity>) {
        let after = after.into();
        debug_assert_eq!(Key::of(&before), Key::of(&after), "an entity keeps its kind and id");
        self.note(Edit { key: Key::of(&after), before: Some(before), after: Some(after) });
    }

    /// An entity is removed.
    pub fn remove(&mut self, entity: Entity) {
        self.note(Edit { key: Key::of(&entity), before: Some(entity), after: None });
    }

    fn note(&mut self, edit: Edit) {
        let place = self.places.get(&edit.key).copied();
        match place {
            Some(place) => self.edits[place].after = edit.after,
            None if edit.before == edit.after => return,
            None => {
                self.places.insert(edit.key, self.edits.len());
                self.edits.push(edit);
            }
        }
        if let Some(place) = place.filter(|place| self.edits[*place].before == self.edits[*place].after) {
            self.forget(place);
        }
    }

    /// An entity is again what it was: a rare thing, which costs a look at all edits.
    fn forget(&mut self, place: usize) {
        let gone = self.edits.remove(place);
        self.places.remove(&gone.key);
        self.places.values_mut().filter(|other| **other > place).for_each(|other| *other -= 1);
    }

    /// What takes this change back.
    #[must_use]
    pub fn undone(&self) -> Self {
        let undo =
            |edit: &Edit| Edit { key: edit.key, before: edit.after.clone(), after: edit.before.clone() };
        let edits: Vec<Edit> = self.edits.iter().rev().map(undo).collect();
        let places = edits.iter().enumerate().map(|(place, edit)| (edit.key, place)).collect();
        Self { edits, places }
    }

    /// Whether what the workers know of may change.
    pub fn moves_tables(&self) -> bool {
        self.edits.iter().any(|edit| edit.key.kind.moves_tables())
    }
}

impl Kind {
    /// Whether what the workers know of may change with an entity of this kind.
    pub const fn moves_tables(self) -> bool {
        match self {
            Self::User
            | Self::Token
            | Self::LoaDocument
            | Self::BgpPrefix
            | Self::Delegation
            | Self::DnsRecord => false,
            Self::Account
            | Self::Zone
            | Self::Prefix
            | Self::Binding
            | Self::Certificate
            | Self::AddressMap
            | Self::App
            | Self::Rule => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::entity::{Stamp, User};
    use super::*;

    fn user(id: u128, email: &str) -> Entity {
        let user = User { id: Id::from_bits(id), email: email.into(), key_hash: None, created_on: Stamp(0) };
        user.into()
    }

    fn told(change: &Change) -> Vec<(Option<Entity>, Option<Entity>)> {
        change.edits().iter().map(|edit| (edit.before.clone(), edit.after.clone())).collect()
    }

    #[test]
    fn an_entity_that_is_edited_twice_has_one_edit_from_first_to_last() {
        let mut change = Change::default();
        change.turn(user(1, "a"), user(1, "b"));
        change.make(user(2, "x"));
        change.turn(user(1, "b"), user(1, "c"));
        change.turn(user(2, "x"), user(2, "y"));
        let (first, second) = ((Some(user(1, "a")), Some(user(1, "c"))), (None, Some(user(2, "y"))));
        assert_eq!(told(&change), [first, second]);
        let undo = [(Some(user(2, "y")), None), (Some(user(1, "c")), Some(user(1, "a")))];
        assert_eq!(told(&change.undone()), undo);
        change.remove(user(1, "c"));
        assert_eq!(told(&change)[0], (Some(user(1, "a")), None));
    }

    #[test]
    fn what_is_again_what_it_was_is_no_edit() {
        let mut change = Change::default();
        change.turn(user(1, "a"), user(1, "b"));
        change.make(user(2, "x"));
        change.turn(user(3, "c"), user(3, "d"));
        change.turn(user(1, "b"), user(1, "a"));
        change.remove(user(2, "x"));
        change.turn(user(3, "d"), user(3, "e"));
        change.turn(user(4, "f"), user(4, "f"));
        assert_eq!(told(&change), [(Some(user(3, "c")), Some(user(3, "e")))]);
    }
}

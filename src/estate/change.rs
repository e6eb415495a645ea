//! A change: edits that belong together, each knowing what was there before, so that a change can be undone and told.

use super::entity::{Entity, Kind};
use super::id::Id;

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

/// Edits that are in force together or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    edits: Vec<Edit>,
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
        self.edits.push(Edit { key: Key::of(&after), before: None, after: Some(after) });
    }

    /// An entity becomes another; nothing is noted where they are equal.
    pub fn turn(&mut self, before: Entity, after: impl Into<Entity>) {
        let after = after.into();
        debug_assert_eq!(Key::of(&before), Key::of(&after), "an entity keeps its kind and id");
        if before != after {
            self.edits.push(Edit { key: Key::of(&after), before: Some(before), after: Some(after) });
        }
    }

    /// An entity is removed.
    pub fn remove(&mut self, entity: Entity) {
        self.edits.push(Edit { key: Key::of(&entity), before: Some(entity), after: None });
    }

    /// What takes this change back.
    #[must_use]
    pub fn undone(&self) -> Self {
        let undo =
            |edit: &Edit| Edit { key: edit.key, before: edit.after.clone(), after: edit.before.clone() };
        Self { edits: self.edits.iter().rev().map(undo).collect() }
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

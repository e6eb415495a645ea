//! All entities of one kind by id. Copies share whatever neither of them changed.

use super::id::Id;
use crate::base::SharedMap;
use std::sync::Arc;

/// Entities of one kind.
#[derive(Debug)]
pub struct Shelf<T>(SharedMap<Id, Arc<T>>);

impl<T> Shelf<T> {
    /// The one with this id.
    pub fn get(&self, id: Id) -> Option<&Arc<T>> {
        self.0.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.iter().map(|(_, entity)| entity)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts one in, or takes one away.
    pub(super) fn set(&mut self, id: Id, entity: Option<Arc<T>>) {
        match entity {
            Some(entity) => self.0.insert(id, entity),
            None => self.0.remove(&id),
        };
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(SharedMap::default())
    }
}

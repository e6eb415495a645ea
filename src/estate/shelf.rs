//! All entities of one kind by id. A copy shares everything until one of the two changes.

use super::id::Id;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entities of one kind.
#[derive(Debug)]
pub struct Shelf<T>(Arc<BTreeMap<Id, Arc<T>>>);

impl<T> Shelf<T> {
    /// The one with this id.
    pub fn get(&self, id: Id) -> Option<&Arc<T>> {
        self.0.get(&id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<T>> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts one in, or takes one away; a shared map is copied first (pointers only).
    pub(super) fn set(&mut self, id: Id, entity: Option<Arc<T>>) {
        let map = Arc::make_mut(&mut self.0);
        match entity {
            Some(entity) => map.insert(id, entity),
            None => map.remove(&id),
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
        Self(Arc::default())
    }
}

//! Values by app slot, in pages that copies share: a table of a hundred thousand apps with one app changed costs the copy
//! of one page and of the list of pages.
//!
//! A look-up takes two loads more than a plain array's: the page's place and the page.

use super::AppSlot;
use std::sync::Arc;

/// Slots of a page.
const PAGE: usize = 256;

type Page<T> = [Option<Arc<T>>; PAGE];

/// The values; holes are slots without one.
#[derive(Debug)]
pub struct SlotPages<T>(Box<[Arc<Page<T>>]>);

impl<T> SlotPages<T> {
    /// Of these values; of two for one slot the last counts.
    pub fn new(values: impl IntoIterator<Item = (AppSlot, Arc<T>)>) -> Self {
        let mut pages = Vec::new();
        values.into_iter().for_each(|(slot, value)| set(&mut pages, slot, Some(value)));
        Self(pages.into())
    }

    /// The value at `slot`.
    #[inline]
    pub fn get(&self, slot: AppSlot) -> Option<&Arc<T>> {
        self.0.get(slot.index() / PAGE)?[slot.index() % PAGE].as_ref()
    }

    /// All values, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.iter().flat_map(|page| page.iter().flatten())
    }

    /// The same with these values, or with none at a slot; untouched pages are shared.
    #[must_use]
    pub fn with(&self, changes: impl IntoIterator<Item = (AppSlot, Option<Arc<T>>)>) -> Self {
        let mut pages = self.0.to_vec();
        changes.into_iter().for_each(|(slot, value)| set(&mut pages, slot, value));
        Self(pages.into())
    }
}

fn set<T>(pages: &mut Vec<Arc<Page<T>>>, slot: AppSlot, value: Option<Arc<T>>) {
    let at = slot.index() / PAGE;
    if pages.len() <= at {
        pages.resize_with(at + 1, || Arc::new([const { None }; PAGE]));
    }
    Arc::make_mut(&mut pages[at])[slot.index() % PAGE] = value;
}

impl<T> Clone for SlotPages<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for SlotPages<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_copy_shares_the_other_pages_and_leaves_the_old_one_as_it_was() {
        let pages = SlotPages::new([0, 255, 256, 1_000].map(|slot| (AppSlot(slot), Arc::new(slot))));
        assert_eq!(pages.iter().map(|value| **value).collect::<Vec<_>>(), [0, 255, 256, 1_000]);
        let changes = [(255, None), (2_000, Some(Arc::new(7)))];
        let next = pages.with(changes.map(|(slot, value)| (AppSlot(slot), value)));
        let at = |pages: &SlotPages<u32>, slot| pages.get(AppSlot(slot)).map(|value| **value);
        assert_eq!(
            [0, 255, 256, 2_000, 1 << 20].map(|slot| at(&next, slot)),
            [Some(0), None, Some(256), Some(7), None]
        );
        assert_eq!([255, 2_000].map(|slot| at(&pages, slot)), [Some(255), None]);
        assert!(Arc::ptr_eq(&pages.0[1], &next.0[1]) && !Arc::ptr_eq(&pages.0[0], &next.0[0]));
    }
}

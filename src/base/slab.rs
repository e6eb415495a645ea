//! A fixed number of slots, made at launch, and keys that tell an old tenant from a new one.
//!
//! All memory is taken by `with_capacity`; nothing here grows, and a full slab gives the value back. Free slots form
//! a stack inside the slots themselves, so that the slot freed last, the warm one, is used next.

/// Where a value lies, and which tenant of that slot it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The slot, `0..capacity`. Wheels and flow records name a tenant by it.
    pub index: u32,
    /// How often the slot was given out before; wraps after 2^32 tenants.
    pub generation: u32,
}

/// The end of the stack of free slots.
const NONE: u32 = u32::MAX;

struct Slot<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

/// Values in slots that never move.
pub struct Slab<T> {
    slots: Box<[Slot<T>]>,
    free: u32,
    len: u32,
}

impl<T> Slab<T> {
    /// A slab of `capacity` slots, all free; slot 0 is given out first. Panics at 2^32 - 1 slots or more.
    pub fn with_capacity(capacity: usize) -> Self {
        assert!(capacity < NONE as usize, "a slab is indexed by 32 bits");
        let slot = |index| {
            let next = index + 1;
            let next_free = if next == capacity { NONE } else { next as u32 };
            Slot { generation: 0, next_free, value: None }
        };
        let free = if capacity == 0 { NONE } else { 0 };
        Self { slots: (0..capacity).map(slot).collect(), free, len: 0 }
    }

    /// Puts `value` into a free slot; gives it back when there is none.
    #[inline]
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        let index = self.free;
        let Some(slot) = self.slots.get_mut(index as usize) else { return Err(value) };
        self.free = slot.next_free;
        self.len += 1;
        slot.value = Some(value);
        Ok(Key { index, generation: slot.generation })
    }

    /// The key that the next `insert` will give; `None` when full.
    #[inline]
    pub fn next_key(&self) -> Option<Key> {
        let slot = self.slots.get(self.free as usize)?;
        Some(Key { index: self.free, generation: slot.generation })
    }

    /// Takes the value out and frees its slot; `None` when the key is of an earlier tenant.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { self.remove_at(key.index) } else { None }
    }

    /// Takes out whatever lies at `index`.
    #[inline]
    pub fn remove_at(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = index;
        self.len -= 1;
        Some(value)
    }

    /// The value of `key`, if it is still there.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// The value of `key`, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// Whatever lies at `index`: for sweeps, and for callers that free a slot only when nobody names it any more.
    #[inline]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_ref()
    }

    /// Whatever lies at `index`, to be changed.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The key of the value at `index`; `None` for a free slot.
    #[inline]
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref()?;
        Some(Key { index, generation: slot.generation })
    }

    /// Values held.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether no value is held.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots, free and taken.
    #[inline]
    pub const fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// All values with their keys, in the order of their slots; looks at every slot.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let key = Key { index: index as u32, generation: slot.generation };
            slot.value.as_ref().map(|value| (key, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16),
        /// Removes the n-th key ever given, live or stale.
        Remove(usize),
        Change(usize, u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => any::<u16>().prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            1 => (any::<usize>(), any::<u16>()).prop_map(|(nth, value)| Step::Change(nth, value)),
        ];
        prop::collection::vec(step, 0..200)
    }

    fn insert(slab: &mut Slab<u16>, model: &mut HashMap<Key, u16>, value: u16) -> Option<Key> {
        let foreseen = slab.next_key();
        let full = model.len() == slab.capacity();
        let key = slab.insert(value).ok();
        assert_eq!(key, foreseen);
        assert_eq!(key.is_none(), full);
        if let Some(key) = key {
            assert!(model.insert(key, value).is_none(), "a live key was given twice");
        }
        key
    }

    proptest! {
        #[test]
        fn slab_agrees_with_a_map_of_all_keys_ever_given(capacity in 0usize..12, steps in steps()) {
            let mut slab = Slab::with_capacity(capacity);
            let mut model = HashMap::new();
            let mut given = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(value) => {
                        let key = insert(&mut slab, &mut model, value);
                        prop_assert!(key.is_none_or(|key| !given.contains(&key)), "a key came back");
                        given.extend(key);
                    }
                    Step::Remove(nth) if !given.is_empty() => {
                        let key = given[nth % given.len()];
                        prop_assert_eq!(slab.remove(key), model.remove(&key));
                    }
                    Step::Change(nth, value) if !given.is_empty() => {
                        let key = given[nth % given.len()];
                        prop_assert_eq!(slab.get_mut(key).map(|held| *held = value).is_some(), model.contains_key(&key));
                        model.entry(key).and_modify(|held| *held = value);
                    }
                    Step::Remove(_) | Step::Change(..) => {}
                }
                prop_assert_eq!(slab.len(), model.len());
                for key in &given {
                    prop_assert_eq!(slab.get(*key), model.get(key));
                }
                prop_assert_eq!(slab.iter().map(|(key, value)| (key, *value)).collect::<HashMap<_, _>>(), model.clone());
            }
        }
    }

    #[test]
    fn full_slab_gives_the_value_back() {
        let mut slab = Slab::with_capacity(1);
        let key = slab.insert("first").expect("room for one");
        assert_eq!(slab.insert("second"), Err("second"));
        assert_eq!(slab.key_at(0), Some(key));
        assert_eq!(slab.remove_at(0), Some("first"));
        assert_eq!(slab.key_at(0), None);
    }
}

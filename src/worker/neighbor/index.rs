//! A fixed hash index from (port, address) to hop: linear probing at load 1/2 at most, backward-shift removal.
//! Keyed by the boot secret, so that nobody outside can choose collisions.

use crate::base::limits::NEIGHBORS_MAX;
use crate::base::{Addr, Hop, PortId};
use ahash::RandomState;

const PLACES: usize = (2 * NEIGHBORS_MAX).next_power_of_two();

/// The index; never grows.
#[derive(Debug)]
pub struct Index {
    places: Box<[Option<(PortId, Addr, Hop)>]>,
    keys: RandomState,
}

impl Index {
    /// An empty index.
    pub fn new(secret: [u64; 4]) -> Self {
        let keys = RandomState::with_seeds(secret[0], secret[1], secret[2], secret[3]);
        Self { places: vec![None; PLACES].into_boxed_slice(), keys }
    }

    /// The hop of this host.
    pub fn find(&self, port: PortId, addr: Addr) -> Option<Hop> {
        let mut at = self.home(port, addr);
        while let Some((held_port, held_addr, hop)) = self.places[at] {
            if held_port == port && held_addr == addr {
                return Some(hop);
            }
            at = (at + 1) % PLACES;
        }
        None
    }

    /// Adds a host that is not there yet; the table above never holds more than half of the places.
    pub fn insert(&mut self, port: PortId, addr: Addr, hop: Hop) {
        let mut at = self.home(port, addr);
        while self.places[at].is_some() {
            at = (at + 1) % PLACES;
        }
        self.places[at] = Some((port, addr, hop));
    }

    /// Takes a host out and closes the gap behind it.
    pub fn remove(&mut self, port: PortId, addr: Addr) {
        let mut gap = self.home(port, addr);
        loop {
            let Some((held_port, held_addr, _)) = self.places[gap] else { return };
            if held_port == port && held_addr == addr {
                break;
            }
            gap = (gap + 1) % PLACES;
        }
        self.places[gap] = None;
        let mut at = (gap + 1) % PLACES;
        while let Some(held) = self.places[at] {
            let home = self.home(held.0, held.1);
            // The entry may move back when the gap lies between its home and where it is now.
            if (at + PLACES - home) % PLACES >= (at + PLACES - gap) % PLACES {
                self.places[gap] = Some(held);
                self.places[at] = None;
                gap = at;
            }
            at = (at + 1) % PLACES;
        }
    }

    fn home(&self, port: PortId, addr: Addr) -> usize {
        self.keys.hash_one((port, addr)) as usize % PLACES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_index_agrees_with_a_map_over_many_inserts_and_removals() {
        let mut index = Index::new([1, 2, 3, 4]);
        let mut model = HashMap::new();
        let mut state = 0x1234_5678_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (PortId((state >> 8) as u8 & 1), Addr::v4((state >> 16 & 0x3ff).to_be_bytes()));
            let hop = Hop(state as u16);
            if model.remove(&key).is_some() {
                index.remove(key.0, key.1);
            } else if model.len() < NEIGHBORS_MAX {
                model.insert(key, hop);
                index.insert(key.0, key.1, hop);
            }
            assert_eq!(index.find(key.0, key.1), model.get(&key).copied());
        }
        for ((port, addr), hop) in &model {
            assert_eq!(index.find(*port, *addr), Some(*hop));
        }
    }
}

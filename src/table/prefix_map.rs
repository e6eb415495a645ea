//! Which onboarded prefix holds an address: longest match.
//!
//! One frozen hash map over (length, first bits) and a list of the lengths in use, longest first. A look-up costs one
//! probe for each length in use (operators use one to three), whatever the number of prefixes. Whether there is one at all,
//! which is asked of every stranger's source, a set of bits tells for IPv4. Built only when
//! prefixes change, and shared between snapshots otherwise. A FIB of DPDK's could stand behind the same type; it
//! would cost 64 MiB and win nothing while a table has few lengths, because a frame of an app never asks: see `Table`.

use super::net_set::NetSet;
use super::prefix::{Prefix, PrefixSpec, Stretch};
use crate::base::frozen_map::{Crowded, FrozenKey, FrozenMap, WideKey};
use crate::base::{Addr, BlockSet};

/// A prefix's place in its map: the place in the list that the map was built from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PrefixSlot(pub u32);

/// All onboarded prefixes, compiled.
#[derive(Debug)]
pub struct PrefixMap {
    prefixes: Box<[Prefix]>,
    /// Mapped lengths (IPv4 lengths plus 96), longest first; IPv4 and IPv6 apart.
    v4_lengths: Box<[u8]>,
    v6_lengths: Box<[u8]>,
    /// What IPv4 prefixes hold.
    nets: NetSet,
    /// What belongs to another service, in order.
    elsewhere: Box<[Stretch]>,
    map: FrozenMap<WideKey>,
}

impl PrefixMap {
    /// Compiles `prefixes`; `secret` keys the hash.
    ///
    /// # Errors
    /// `Crowded` when one prefix repeats.
    pub fn build(prefixes: &[PrefixSpec], secret: [u64; 2]) -> Result<Self, Crowded> {
        let mut elsewhere: Vec<Stretch> = prefixes.iter().flat_map(|spec| spec.elsewhere.to_vec()).collect();
        elsewhere.sort_unstable();
        let prefixes: Box<[Prefix]> = prefixes.iter().map(|spec| spec.prefix).collect();
        let numbered = (0_u32..).zip(prefixes.iter());
        let entries: Vec<_> =
            numbered.map(|(at, prefix)| key(prefix.first(), mapped_length(*prefix)).entry(at)).collect();
        let lengths = |v4: bool| {
            let of_family = prefixes.iter().filter(|prefix| prefix.first().is_v4() == v4);
            let mut lengths: Vec<u8> = of_family.map(|prefix| mapped_length(*prefix)).collect();
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
            lengths.into_boxed_slice()
        };
        let map = FrozenMap::build(&entries, secret)?;
        let nets = NetSet::new(prefixes.iter());
        Ok(Self {
            v4_lengths: lengths(true),
            v6_lengths: lengths(false),
            nets,
            elsewhere: elsewhere.into(),
            prefixes,
            map,
        })
    }

    /// No prefix at all.
    pub fn empty() -> Self {
        Self::build(&[], [0; 2]).expect("nothing cannot crowd")
    }

    /// The longest prefix that holds `addr`.
    #[inline]
    pub fn find(&self, addr: Addr) -> Option<PrefixSlot> {
        let lengths = if addr.is_v4() { &self.v4_lengths } else { &self.v6_lengths };
        lengths.iter().find_map(|&length| self.map.find(key(addr, length))).map(PrefixSlot)
    }

    /// Whether a prefix holds `addr`.
    #[inline]
    pub fn covers(&self, addr: Addr) -> bool {
        match addr.to_v4_bits() {
            Some(bits) => self.nets.holds(bits),
            None => self.find(addr).is_some(),
        }
    }

    /// The blocks that prefixes of IPv4 have something in.
    pub const fn blocks(&self) -> &BlockSet {
        self.nets.blocks()
    }

    /// Whether `addr` belongs to another service than Spectrum.
    #[inline]
    pub fn is_elsewhere(&self, addr: Addr) -> bool {
        let behind = self.elsewhere.partition_point(|stretch| stretch.first <= addr);
        behind > 0 && self.elsewhere[behind - 1].contains(addr)
    }

    /// The prefix at `slot`.
    pub fn prefix(&self, slot: PrefixSlot) -> Option<Prefix> {
        self.prefixes.get(slot.0 as usize).copied()
    }

    /// All prefixes, in the order of their slots.
    pub fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }
}

fn mapped_length(prefix: Prefix) -> u8 {
    if prefix.first().is_v4() { prefix.length() + 96 } else { prefix.length() }
}

#[inline]
fn key(addr: Addr, length: u8) -> WideKey {
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) };
    WideKey { bits: addr.bits() & mask, tag: u32::from(length) }
}

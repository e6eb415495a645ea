//! The compiled rules: zone and source -> may it come in?
//!
//! All rules of a family are in one frozen hash map, keyed by (scope, length, first bits). Each scope knows which
//! lengths it uses, so that a judgement costs one probe for each length in use in the three scopes of a zone, and
//! nothing for a scope without rules: the number of rules does not matter. A lone address is the longest length.
//! Measured (`tests/bench/lookup.rs` under callgrind), three lengths of IPv4 and four of IPv6 in use: 250 to 270
//! instructions for IPv4 and 350 to 370 for IPv6, with ten rules as with a million. A million scattered addresses, a
//! quarter of them IPv6, take 20 MB and 39 MB while they are compiled (`tests/rules_memory.rs`).

use crate::base::frozen_map::{FrozenMap, NarrowKey, WideKey};
use crate::base::{Addr, RuleSlot, ZoneSlot};
use crate::telemetry::FirewallMatch;

/// What the rules say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// It may come in.
    Pass(FirewallMatch),
    /// It may not.
    Block(FirewallMatch),
}

/// The scopes whose rules act on one zone's apps: the zone, its account, the user.
pub(super) type Scopes = [Scope; 3];

/// One scope and the prefix lengths that its rules use, as bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scope {
    pub(super) number: u32,
    pub(super) v4_lengths: u64,
    pub(super) v6_lengths: [u64; 3],
}

/// All rules of all scopes, frozen.
#[derive(Debug)]
pub struct Rules {
    pub(super) zones: Box<[Scopes]>,
    pub(super) v4: FrozenMap<NarrowKey>,
    pub(super) v6: FrozenMap<WideKey>,
}

/// A verdict as the maps hold it: the rule's slot, and whether it lets in.
#[derive(Clone, Copy)]
pub(super) struct Verdict(pub(super) u32);

impl Verdict {
    pub(super) const fn new(slot: RuleSlot, allows: bool) -> Self {
        Self(slot.0 << 1 | allows as u32)
    }

    const fn slot(self) -> RuleSlot {
        RuleSlot(self.0 >> 1)
    }

    const fn allows(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Rules {
    /// No zone and no rule.
    pub fn empty() -> Self {
        let none = "nothing cannot crowd";
        Self {
            zones: Box::default(),
            v4: FrozenMap::build(&[], [0; 2]).expect(none),
            v6: FrozenMap::build(&[], [0; 2]).expect(none),
        }
    }

    /// Judges `src` by the rules of `zone`, its account and the user: all that match are gathered, and any that lets
    /// in wins. Of several that agree the zone's is named before the account's and the user's, and within a scope the
    /// longest.
    #[inline]
    pub fn judge(&self, zone: ZoneSlot, src: Addr) -> Judgement {
        let Some(scopes) = self.zones.get(zone.index()) else {
            return Judgement::Pass(FirewallMatch::Unknown);
        };
        let blocked = match src.to_v4_bits() {
            Some(bits) => self.gather_v4(scopes, bits),
            None => self.gather_v6(scopes, src.bits()),
        };
        match blocked {
            None => Judgement::Pass(FirewallMatch::Unknown),
            Some(verdict) if verdict.allows() => Judgement::Pass(FirewallMatch::WhitelistIp(verdict.slot())),
            Some(verdict) => Judgement::Block(FirewallMatch::BlockIp(verdict.slot())),
        }
    }

    fn gather_v4(&self, scopes: &Scopes, bits: u32) -> Option<Verdict> {
        let mut blocked = None;
        for scope in scopes {
            let mut lengths = scope.v4_lengths;
            while lengths != 0 {
                let length = 63 - lengths.leading_zeros();
                lengths ^= 1 << length;
                match self.v4.find(v4_key(scope.number, length, bits)).map(Verdict) {
                    Some(verdict) if verdict.allows() => return Some(verdict),
                    Some(verdict) => blocked = blocked.or(Some(verdict)),
                    None => {}
                }
            }
        }
        blocked
    }

    fn gather_v6(&self, scopes: &Scopes, bits: u128) -> Option<Verdict> {
        let mut blocked = None;
        for scope in scopes {
            for word in (0..3_u32).rev() {
                let mut lengths = scope.v6_lengths[word as usize];
                while lengths != 0 {
                    let bit = 63 - lengths.leading_zeros();
                    lengths ^= 1 << bit;
                    match self.v6.find(v6_key(scope.number, word * 64 + bit, bits)).map(Verdict) {
                        Some(verdict) if verdict.allows() => return Some(verdict),
                        Some(verdict) => blocked = blocked.or(Some(verdict)),
                        None => {}
                    }
                }
            }
        }
        blocked
    }

    /// How many addresses and ranges are in force, IPv4 and IPv6.
    pub fn len(&self) -> (usize, usize) {
        (self.v4.len(), self.v6.len())
    }

    /// Whether no rule is in force.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Bytes that the rules take on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.zones) + self.v4.heap_bytes() + self.v6.heap_bytes()
    }
}

/// Scopes that the 24 bits of a key's tag can number.
pub(super) const SCOPES_MAX: usize = 1 << 24;

/// The key of a range of IPv4 addresses; `length` 0 to 32.
#[inline]
pub(super) const fn v4_key(scope: u32, length: u32, bits: u32) -> NarrowKey {
    let mask = if length == 0 { 0 } else { u32::MAX << (32 - length) };
    NarrowKey { bits: bits & mask, tag: scope << 8 | length }
}

/// The key of a range of IPv6 addresses; `length` 0 to 128.
#[inline]
pub(super) const fn v6_key(scope: u32, length: u32, bits: u128) -> WideKey {
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    WideKey { bits: bits & mask, tag: scope << 8 | length }
}

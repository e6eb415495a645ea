//! The compiled rules: zone, source and where it comes from -> may it come in?
//!
//! ```text
//!  zones:  zone -> its three scopes, each with its number and the lengths and kinds in use, and what makes IPv4 keys of them
//!  edits:  the few rules changed since the base was made; a removed one is there as GONE
//!  base:   (scope, length, first bits), (scope, ASN), (scope, country) -> rule and verdict
//! ```
//!
//! Rules are in frozen hash maps. Each scope knows which lengths and kinds it uses, so that a judgement costs one probe
//! for each in use in the three scopes of a zone, and nothing for a scope without rules: the number of rules does not
//! matter. A lone address is the longest length. Edits, where there are any, are asked first. Measured
//! (`tests/bench/lookup.rs` under callgrind), three lengths of IPv4 and four of IPv6 in use: 300 instructions for IPv4
//! (416 with edits) and 447 for IPv6, with ten rules as with 100,000 (before keys were a list and maps were blocks). A million scattered addresses, a quarter of them
//! IPv6, take 27 MB and 51 MB while they are compiled (`tests/rules_memory.rs`).

use super::rule_spec::Target;
use super::whence_map::WhenceMap;
use crate::base::frozen_map::{Crowded, FrozenMap, NarrowKey, WideEntry, WideKey};
use crate::base::{Addr, AsNumber, Country, RuleSlot, ZoneSlot};
use crate::telemetry::FirewallMatch;
use std::sync::Arc;

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

/// One scope and what its rules use: prefix lengths as bits, and kinds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scope {
    pub(super) number: u32,
    pub(super) asn: bool,
    pub(super) country: bool,
    pub(super) v4_lengths: u64,
    pub(super) v6_lengths: [u64; 3],
}

/// One zone: its scopes, and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    pub(super) scopes: Scopes,
    /// The IPv4 lengths in use, in the order in which their rules count.
    probes: Box<[Probe]>,
    /// Whether a rule names an ASN or a country.
    asks_whence: bool,
}

/// A length of IPv4 prefixes that a scope uses, as what makes the key of an address.
#[derive(Clone, Copy, Debug)]
struct Probe {
    tag: u32,
    mask: u32,
}

/// Rules by key.
#[derive(Debug)]
pub(super) struct Book {
    /// IPv4 ranges, ASNs and countries.
    pub(super) narrow: FrozenMap<NarrowKey>,
    /// IPv6 ranges.
    pub(super) wide: FrozenMap<WideKey>,
}

/// All rules of all scopes, frozen.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) zones: Arc<[Zone]>,
    pub(super) base: Arc<Book>,
    pub(super) edits: Option<Arc<Book>>,
}

/// A verdict as the maps hold it: the rule's slot, and whether it lets in.
#[derive(Clone, Copy)]
pub(super) struct Verdict(pub(super) u32);

/// In the book of edits: this rule is no more.
pub(super) const GONE: u32 = u32::MAX;

/// The key of one rule.
#[derive(Clone, Copy)]
pub(super) enum RuleKey {
    Narrow(NarrowKey),
    Wide(WideKey),
}

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

impl Zone {
    pub(super) fn new(scopes: Scopes) -> Self {
        let probes = scopes.iter().flat_map(|scope| {
            let lengths = (0..=32_u32).rev().filter(|length| scope.v4_lengths >> length & 1 == 1);
            lengths.map(|length| {
                let NarrowKey { bits: mask, tag } = v4_key(scope.number, length, u32::MAX);
                Probe { tag, mask }
            })
        });
        let asks_whence = scopes.iter().any(|scope| scope.asn | scope.country);
        Self { scopes, probes: probes.collect(), asks_whence }
    }

    /// The keys under which rules about an IPv4 address are, the first that counts first.
    #[inline(always)]
    fn v4_keys(&self, bits: u32) -> impl Iterator<Item = NarrowKey> {
        self.probes.iter().map(move |probe| NarrowKey { bits: bits & probe.mask, tag: probe.tag })
    }
}

impl Book {
    pub(super) fn build(narrow: &[[u32; 3]], wide: &[WideEntry], secret: [u64; 2]) -> Result<Self, Crowded> {
        Ok(Self { narrow: FrozenMap::build(narrow, secret)?, wide: FrozenMap::build(wide, secret)? })
    }

    pub(super) fn len(&self) -> usize {
        self.narrow.len() + self.wide.len()
    }
}

impl Rules {
    /// No zone and no rule.
    pub fn empty() -> Self {
        let base = Book::build(&[], &[], [0; 2]).expect("nothing cannot crowd");
        Self { zones: Arc::new([]), base: Arc::new(base), edits: None }
    }

    /// Judges `src` by the rules of `zone`, its account and the user: all that match are gathered (addresses and ranges,
    /// ASN, country), and any that lets in wins. Of several that agree addresses and ranges are named before the ASN
    /// and that before the country; within a kind the zone's before the account's and the user's, and within a scope
    /// the longest. Where `src` comes from is looked up only when such a rule may act.
    #[inline]
    pub fn judge(&self, zone: ZoneSlot, src: Addr, whences: &WhenceMap) -> Judgement {
        let Some(zone) = self.zones.get(zone.index()) else {
            return Judgement::Pass(FirewallMatch::Unknown);
        };
        let by_addr = match src.to_v4_bits() {
            Some(bits) => self.gather_v4(zone, bits),
            None => self.gather_v6(&zone.scopes, src.bits()),
        };
        if let Some(verdict) = by_addr.filter(|verdict| verdict.allows()) {
            return Judgement::Pass(FirewallMatch::WhitelistIp(verdict.slot()));
        }
        let blocked = by_addr.map(|verdict| FirewallMatch::BlockIp(verdict.slot()));
        if zone.asks_whence {
            return self.judge_whence(&zone.scopes, src, (blocked, whences));
        }
        blocked.map_or(Judgement::Pass(FirewallMatch::Unknown), Judgement::Block)
    }

    /// Goes on with ASN and country, where no address or range lets in.
    fn judge_whence(
        &self,
        scopes: &Scopes,
        src: Addr,
        (mut blocked, whences): (Option<FirewallMatch>, &WhenceMap),
    ) -> Judgement {
        let whence = whences.find(src);
        for scope in scopes.iter().filter(|scope| scope.asn) {
            match self.narrow(asn_key(scope.number, whence.asn)) {
                Some(verdict) if verdict.allows() => {
                    return Judgement::Pass(FirewallMatch::WhitelistAsn(verdict.slot()));
                }
                Some(verdict) => blocked = blocked.or(Some(FirewallMatch::BlockAsn(verdict.slot()))),
                None => {}
            }
        }
        for scope in scopes.iter().filter(|scope| scope.country) {
            match self.narrow(country_key(scope.number, whence.country)) {
                Some(verdict) if verdict.allows() => {
                    return Judgement::Pass(FirewallMatch::WhitelistCountry(verdict.slot()));
                }
                Some(verdict) => blocked = blocked.or(Some(FirewallMatch::BlockCountry(verdict.slot()))),
                None => {}
            }
        }
        blocked.map_or(Judgement::Pass(FirewallMatch::Unknown), Judgement::Block)
    }

    /// Asks the cache for where the rules about `src`, of IPv4 and in host order, are looked up; for a `judge` to come.
    #[inline]
    pub fn prefetch(&self, zone: ZoneSlot, src: u32) {
        let Some(zone) = self.zones.get(zone.index()) else { return };
        zone.v4_keys(src).for_each(|key| self.base.narrow.prefetch(key));
    }

    #[inline]
    fn gather_v4(&self, zone: &Zone, bits: u32) -> Option<Verdict> {
        let mut blocked = None;
        for key in zone.v4_keys(bits) {
            match self.narrow(key) {
                Some(verdict) if verdict.allows() => return Some(verdict),
                Some(verdict) => blocked = blocked.or(Some(verdict)),
                None => {}
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
                    match self.wide(v6_key(scope.number, word * 64 + bit, bits)) {
                        Some(verdict) if verdict.allows() => return Some(verdict),
                        Some(verdict) => blocked = blocked.or(Some(verdict)),
                        None => {}
                    }
                }
            }
        }
        blocked
    }

    #[inline]
    fn narrow(&self, key: NarrowKey) -> Option<Verdict> {
        match self.edits.as_ref().and_then(|edits| edits.narrow.find(key)) {
            Some(GONE) => None,
            Some(verdict) => Some(Verdict(verdict)),
            None => self.base.narrow.find(key).map(Verdict),
        }
    }

    #[inline]
    fn wide(&self, key: WideKey) -> Option<Verdict> {
        match self.edits.as_ref().and_then(|edits| edits.wide.find(key)) {
            Some(GONE) => None,
            Some(verdict) => Some(Verdict(verdict)),
            None => self.base.wide.find(key).map(Verdict),
        }
    }

    /// The rule in force of the scope with this number that has just this target, and whether it lets in.
    pub fn find(&self, scope: u32, target: Target) -> Option<(RuleSlot, bool)> {
        let verdict = match rule_key(scope, target) {
            RuleKey::Narrow(key) => self.narrow(key),
            RuleKey::Wide(key) => self.wide(key),
        };
        verdict.map(|verdict| (verdict.slot(), verdict.allows()))
    }

    /// Whether nothing was ever in force.
    pub fn is_empty(&self) -> bool {
        self.base.len() + self.edits.as_ref().map_or(0, |edits| edits.len()) == 0
    }

    /// Bytes that the rules take on the heap.
    pub fn heap_bytes(&self) -> usize {
        let book = |book: &Book| book.narrow.heap_bytes() + book.wide.heap_bytes();
        let zones: usize = self.zones.iter().map(|zone| size_of_val(&*zone.probes)).sum();
        size_of_val(&*self.zones) + zones + book(&self.base) + self.edits.as_deref().map_or(0, book)
    }
}

/// Scopes that the 24 bits of a key's tag can number.
pub(super) const SCOPES_MAX: usize = 1 << 24;
/// Where a length stands in a tag, an ASN and a country have these.
const ASN: u32 = 0xfe;
const COUNTRY: u32 = 0xff;

/// The key of a rule.
pub(super) fn rule_key(scope: u32, target: Target) -> RuleKey {
    match target {
        Target::Net(net) => match net.first().to_v4_bits() {
            Some(bits) => RuleKey::Narrow(v4_key(scope, u32::from(net.length()), bits)),
            None => RuleKey::Wide(v6_key(scope, u32::from(net.length()), net.first().bits())),
        },
        Target::Asn(asn) => RuleKey::Narrow(asn_key(scope, asn)),
        Target::Country(country) => RuleKey::Narrow(country_key(scope, country)),
    }
}

/// The key of a range of IPv4 addresses; `length` 0 to 32.
#[inline]
const fn v4_key(scope: u32, length: u32, bits: u32) -> NarrowKey {
    let mask = if length == 0 { 0 } else { u32::MAX << (32 - length) };
    NarrowKey { bits: bits & mask, tag: scope << 8 | length }
}

/// The key of a range of IPv6 addresses; `length` 0 to 128.
#[inline]
const fn v6_key(scope: u32, length: u32, bits: u128) -> WideKey {
    let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
    WideKey { bits: bits & mask, tag: scope << 8 | length }
}

#[inline]
const fn asn_key(scope: u32, asn: AsNumber) -> NarrowKey {
    NarrowKey { bits: asn.0, tag: scope << 8 | ASN }
}

#[inline]
const fn country_key(scope: u32, country: Country) -> NarrowKey {
    NarrowKey { bits: country.bits(), tag: scope << 8 | COUNTRY }
}

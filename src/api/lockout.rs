//! Whether access rules leave an IPv4 client that may pass. The rules of a zone, of its account and of the account's owner act
//! together: all that match a client are gathered, and any that lets in wins (`firewall::Rules::judge`). An allow for an address of
//! IPv4, an ASN or a country lets somebody in; blocks of ASNs and countries are taken to leave somebody.

use crate::estate::{Estate, Id, Rule, RuleHolder};
use crate::firewall::{Mode, Target};
use std::collections::HashMap;
use std::sync::Arc;

/// Unicast space that clients may come from: 1.0.0.0 to 223.255.255.255 without loopback, first and last.
const CLIENTS: [(u64, u64); 2] = [(0x0100_0000, 0x7eff_ffff), (0x8000_0000, 0xdfff_ffff)];
/// Zones that are named.
const ZONES_NAMED_MAX: usize = 10;

/// Rules that act together.
#[derive(Debug, Default)]
struct Wall {
    /// Whether one of them lets somebody in.
    lets_in: bool,
    /// What they block: first and last, by the first.
    blocked: Vec<(u64, u64)>,
}

/// A word of warning where rules of `holder` act on a zone that no IPv4 client can reach any more.
pub fn warning(estate: &Estate, holder: RuleHolder) -> Vec<String> {
    let homes = homes(estate, holder);
    let (mut locked, mut nobody) = (Vec::new(), false);
    let own = rules_by_zone(estate, &homes);
    for (shared, zones) in &homes {
        let rules = shared.iter().flat_map(|holder| estate.rules_of(*holder));
        let wall = Wall::of(rules);
        if wall.lets_in {
            continue;
        }
        let gaps = wall.gaps();
        let is_locked = |zone: &&Id| {
            let own = Wall::of(own.get(zone).into_iter().flatten().copied());
            !own.lets_in && gaps.iter().all(|gap| own.covers(*gap))
        };
        locked.extend(zones.iter().filter(is_locked).filter_map(|zone| estate.zones.get(*zone)));
        nobody |= zones.is_empty() && gaps.is_empty();
    }
    if nobody && locked.is_empty() {
        return vec!["these rules block every IPv4 client: none could pass any more".to_owned()];
    }
    let mut names: Vec<&str> = locked.iter().map(|zone| zone.name.as_str()).collect();
    names.sort_unstable();
    let more = names.len().saturating_sub(ZONES_NAMED_MAX);
    names.truncate(ZONES_NAMED_MAX);
    let named = match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    };
    let text = format!(
        "the rules of zone, account and user together block every IPv4 client of {named}: none could pass any more"
    );
    (!names.is_empty()).then_some(text).into_iter().collect()
}

/// The own rules of all these zones, by one look at the rules that there are.
fn rules_by_zone<'e>(estate: &'e Estate, homes: &[Home]) -> HashMap<Id, Vec<&'e Arc<Rule>>> {
    let mut own: HashMap<Id, Vec<_>> =
        homes.iter().flat_map(|(_, zones)| zones).map(|zone| (*zone, Vec::new())).collect();
    for rule in estate.rules.iter() {
        if let RuleHolder::Zone(zone) = rule.holder
            && let Some(rules) = own.get_mut(&zone)
        {
            rules.push(rule);
        }
    }
    own
}

/// Zones, behind whoever else has rules for all of them.
type Home = (Vec<RuleHolder>, Vec<Id>);

/// The zones that rules of `holder` act on, with whoever else has rules for all of them.
fn homes(estate: &Estate, holder: RuleHolder) -> Vec<Home> {
    let shared = |account: Id| {
        let owner = estate.accounts.get(account).map(|account| RuleHolder::User(account.owner));
        [RuleHolder::Account(account)].into_iter().chain(owner).collect()
    };
    let zones = |account: Id| estate.zones_of(account).map(|zone| zone.id).collect();
    match holder {
        RuleHolder::Zone(zone) => {
            let shared = estate.account_of(zone).map(shared);
            vec![(shared.unwrap_or_default(), vec![zone])]
        }
        RuleHolder::Account(account) => vec![(shared(account), zones(account))],
        RuleHolder::User(user) => {
            let owned = estate.accounts.iter().filter(|account| account.owner == user);
            let homes: Vec<_> = owned.map(|account| (shared(account.id), zones(account.id))).collect();
            if homes.is_empty() { vec![(vec![holder], Vec::new())] } else { homes }
        }
    }
}

impl Wall {
    fn of<'r>(rules: impl Iterator<Item = &'r Arc<Rule>>) -> Self {
        let mut wall = Self::default();
        for rule in rules {
            match (rule.spec.mode, rule.spec.target) {
                (Mode::Whitelist, Target::Net(net)) => wall.lets_in |= net.first().is_v4(),
                (Mode::Whitelist, Target::Asn(_) | Target::Country(_)) => wall.lets_in = true,
                (Mode::Block, Target::Net(net)) if net.first().is_v4() => {
                    let first = u64::from(net.first().bits() as u32);
                    wall.blocked.push((first, first + (1 << (32 - net.length())) - 1));
                }
                (Mode::Block | Mode::Challenge | Mode::JsChallenge | Mode::ManagedChallenge, _) => {}
            }
        }
        wall.blocked.sort_unstable();
        let mut apart: Vec<(u64, u64)> = Vec::with_capacity(wall.blocked.len());
        for (first, last) in wall.blocked {
            match apart.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                Some(_) | None => apart.push((first, last)),
            }
        }
        Self { blocked: apart, ..wall }
    }

    /// What of the clients' space is not blocked.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        for (from, to) in CLIENTS {
            let mut next = from;
            for (first, last) in self.blocked.iter().filter(|(first, last)| *first <= to && *last >= from) {
                if *first > next {
                    gaps.push((next, first - 1));
                }
                next = next.max(last + 1);
            }
            if next <= to {
                gaps.push((next, to));
            }
        }
        gaps
    }

    /// Whether all of a stretch is blocked.
    fn covers(&self, (from, to): (u64, u64)) -> bool {
        let at = self.blocked.partition_point(|(first, _)| *first <= from);
        let before = at.checked_sub(1).and_then(|at| self.blocked.get(at));
        before.is_some_and(|(_, last)| *last >= to)
    }
}

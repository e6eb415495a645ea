//! The estate -> the spec that workers' tables are compiled from: the same one that a table file gives.

use super::change::{Change, Edit};
use super::entity::{App, Approval, Entity, Kind, Rule, RuleHolder, Service};
use super::holdings::Estate;
use super::id::Id;
use crate::base::Addr;
use crate::firewall::{Mode, RuleSpec, Target, Words};
use crate::snapshot::{AccountSpec, AppChange, CertificateSpec, LiveSpec, ZoneSpec};
use crate::table::{AppSpec, EdgeIps, PrefixSpec, Stretch, TlsMode};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is to be in force. A prefix that is not approved, or without a binding, is not in it. Zones are named by their
/// ids, accounts by theirs.
pub fn lower(estate: &Estate) -> LiveSpec {
    let mut rules: HashMap<RuleHolder, Vec<RuleSpec>> = HashMap::new();
    for rule in estate.rules.iter() {
        rules.entry(rule.holder).or_default().push(named(rule));
    }
    let mut zones: BTreeMap<Id, Vec<ZoneSpec>> = BTreeMap::new();
    let mut apps: HashMap<Id, Vec<_>> = HashMap::new();
    let nameless = nameless_by_account(estate);
    for app in estate.apps.iter() {
        let account = estate.account_of(app.zone);
        let names = account.and_then(|account| nameless.get(&account));
        apps.entry(app.zone).or_default().push(in_force(app, names.map_or(&[], Vec::as_slice)));
    }
    let mut certificates = certificates(estate);
    for zone in estate.zones.iter() {
        zones.entry(zone.account).or_default().push(ZoneSpec {
            id: zone.id.scope(),
            certificates: certificates.remove(&zone.id).unwrap_or_default(),
            apps: apps.remove(&zone.id).unwrap_or_default(),
            access_rules: rules.remove(&RuleHolder::Zone(zone.id)).unwrap_or_default(),
        });
    }
    let accounts = estate.accounts.iter().map(|account| {
        let own = rules.remove(&RuleHolder::Account(account.id)).unwrap_or_default();
        let users = rules.get(&RuleHolder::User(account.owner)).cloned().unwrap_or_default();
        AccountSpec {
            id: account.id.scope(),
            zones: zones.remove(&account.id).unwrap_or_default(),
            access_rules: merged(own, users),
        }
    });
    let accounts = accounts.collect();
    LiveSpec { prefixes: prefixes(estate), accounts, access_rules: Vec::new(), allow_partial: false }
}

/// What a change that leads to `estate` does to the spec, where it does nothing but to change apps within their zones.
pub fn app_changes(estate: &Estate, change: &Change) -> Option<Vec<AppChange>> {
    let mut changes = Vec::new();
    for edit in change.edits() {
        if edit.key.kind == Kind::App {
            changes.push(app_change(estate, edit)?);
        } else if edit.key.kind.moves_tables() {
            return None;
        }
    }
    Some(changes)
}

fn app_change(estate: &Estate, edit: &Edit) -> Option<AppChange> {
    let app = |entity: &Option<Entity>| match entity {
        Some(Entity::App(app)) => Some(app.clone()),
        Some(_) | None => None,
    };
    let (before, after) = (app(&edit.before), app(&edit.after));
    let zone = |app: &std::sync::Arc<App>| app.zone;
    let home = after.as_ref().or(before.as_ref()).map(zone)?;
    let stays = before.as_ref().is_none_or(|before| before.zone == home);
    let names = |app: &App| match estate.account_of(app.zone).filter(|_| app.spec.tls != TlsMode::Off) {
        Some(account) => nameless(estate, account),
        None => Vec::new(),
    };
    let (id, app) = (edit.key.id.app(), after.map(|app| in_force(&app, &names(&app))));
    stays.then(|| AppChange { zone: home.scope(), id, app })
}

/// Which name counts for a client without one, by the address that it speaks to.
type Nameless = Vec<(Addr, Box<str>)>;

/// What maps of each account say that act.
fn nameless_by_account(estate: &Estate) -> HashMap<Id, Nameless> {
    let accounts: HashSet<Id> = estate.address_maps.iter().map(|map| map.account).collect();
    accounts.into_iter().map(|account| (account, nameless(estate, account))).collect()
}

fn nameless(estate: &Estate, account: Id) -> Nameless {
    let maps = estate.address_maps.iter().filter(|map| map.account == account && map.enabled);
    let names = maps.filter_map(|map| Some((map, map.default_sni.as_deref()?)));
    names.flat_map(|(map, name)| map.ips.iter().map(move |one| (Addr::from(one.ip), name.into()))).collect()
}

/// An app's spec as it acts: with the names of its account's maps for addresses that it has or, where its addresses are dynamic,
/// may get.
fn in_force(app: &App, nameless: &[(Addr, Box<str>)]) -> AppSpec {
    let mut spec = app.spec.clone();
    if spec.tls != TlsMode::Off {
        let may_have = |addr: &Addr| match &spec.edge_ips {
            EdgeIps::Static(addrs) => addrs.contains(addr),
            EdgeIps::Dynamic(_) => true,
        };
        spec.nameless = nameless.iter().filter(|(addr, _)| may_have(addr)).cloned().collect();
    }
    spec
}

/// Certificates by zone; of those that hold a name the first is given to clients.
fn certificates(estate: &Estate) -> HashMap<Id, Vec<CertificateSpec>> {
    let mut all: Vec<_> = estate.certificates.iter().collect();
    all.sort_by_key(|certificate| {
        (Reverse(certificate.priority), Reverse(certificate.modified_on), certificate.id)
    });
    let mut by_zone: HashMap<Id, Vec<CertificateSpec>> = HashMap::new();
    for certificate in all {
        let spec = CertificateSpec::Held(certificate.held.clone());
        by_zone.entry(certificate.zone).or_default().push(spec);
    }
    by_zone
}

/// Prefixes in force.
pub(super) fn prefixes(estate: &Estate) -> Vec<PrefixSpec> {
    let in_use = estate.prefixes.iter().filter(|prefix| {
        prefix.approved == Approval::Approved && estate.bindings_of(prefix.id).next().is_some()
    });
    let spec = in_use.map(|prefix| PrefixSpec {
        elsewhere: elsewhere(estate, prefix.id).into(),
        description: Some(prefix.description.as_str()).filter(|text| !text.is_empty()).map(Into::into),
        ..PrefixSpec::plain(prefix.net)
    });
    spec.collect()
}

/// What of a prefix is bound to another service than Spectrum: bindings are laid over each other, the most specific last.
fn elsewhere(estate: &Estate, prefix: Id) -> Vec<Stretch> {
    let mut bindings: Vec<_> = estate.bindings_of(prefix).collect();
    bindings.sort_by_key(|binding| binding.cidr.prefix_len());
    let mut elsewhere: Vec<Stretch> = Vec::new();
    for binding in bindings {
        let here = Stretch::from(binding.cidr);
        elsewhere = elsewhere.into_iter().flat_map(|stretch| stretch.without(here)).collect();
        match binding.service {
            Service::Spectrum => {}
            Service::Cdn | Service::MagicTransit => elsewhere.push(here),
        }
    }
    elsewhere.sort_unstable();
    elsewhere
}

/// The rule under its id.
fn named(rule: &Rule) -> RuleSpec {
    RuleSpec { id: Some(Words::new(&rule.id.to_string())), ..rule.spec.clone() }
}

/// Rules of two scopes as one. A target that both have keeps the mode that counts: an allow, then what acts.
fn merged(own: Vec<RuleSpec>, others: Vec<RuleSpec>) -> Vec<RuleSpec> {
    if others.is_empty() {
        return own;
    }
    let mut all: BTreeMap<Target, RuleSpec> = own.into_iter().map(|rule| (rule.target, rule)).collect();
    for rule in others {
        let kept = all.entry(rule.target).or_insert_with(|| rule.clone());
        if weight(rule.mode) > weight(kept.mode) {
            *kept = rule;
        }
    }
    all.into_values().collect()
}

const fn weight(mode: Mode) -> u8 {
    match mode {
        Mode::Whitelist => 2,
        Mode::Block => 1,
        Mode::Challenge | Mode::JsChallenge | Mode::ManagedChallenge => 0,
    }
}

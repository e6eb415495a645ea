//! What holds between entities, whatever road they came by: references lead somewhere, nothing is there twice, ranges lie
//! in their prefixes, addresses of apps belong to them alone. The API's calls keep it so one by one; an import, and going
//! back, ask for all of it at once.

use super::below::delegates;
use super::change::Key;
use super::dns::{DnsRecord, RecordType};
use super::entity::{App, Approval, Entity, Kind, RuleHolder, Service};
use super::holdings::Estate;
use super::id::Id;
use super::said::is_dynamic;
use crate::base::Addr;
use crate::table::{EdgeIps, PortRange};
use ipnet::IpNet;
use std::collections::HashMap;
use std::fmt::Display;

/// One thing that does not hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Unsound {
    /// The entity.
    pub key: Key,
    /// What is wrong, for people.
    pub text: String,
}

/// Everything that does not hold, in the order of kinds and ids.
pub fn unsound(estate: &Estate) -> Vec<Unsound> {
    let mut faults = Faults::default();
    references(estate, &mut faults);
    doubles(estate, &mut faults);
    ranges(estate, &mut faults);
    prefixes(estate, &mut faults);
    apps(estate, &mut faults);
    edges(estate, &mut faults);
    records(estate, &mut faults);
    faults.0.sort();
    faults.0
}

#[derive(Default)]
struct Faults(Vec<Unsound>);

impl Faults {
    fn say(&mut self, kind: Kind, id: Id, text: impl Display) {
        self.0.push(Unsound { key: Key { kind, id }, text: text.to_string() });
    }
}

/// What an entity cannot be without.
fn needs(entity: &Entity) -> Vec<Key> {
    let key = |kind, id| Key { kind, id };
    match entity {
        Entity::User(_) => Vec::new(),
        Entity::Account(account) => vec![key(Kind::User, account.owner)],
        Entity::Zone(zone) => vec![key(Kind::Account, zone.account)],
        Entity::Token(token) => vec![key(Kind::User, token.user)],
        Entity::LoaDocument(letter) => vec![key(Kind::Account, letter.account)],
        Entity::Prefix(prefix) => {
            let loa = prefix.loa.map(|loa| key(Kind::LoaDocument, loa));
            [key(Kind::Account, prefix.account)].into_iter().chain(loa).collect()
        }
        Entity::Binding(binding) => vec![key(Kind::Prefix, binding.prefix)],
        Entity::BgpPrefix(route) => vec![key(Kind::Prefix, route.prefix)],
        Entity::Delegation(delegation) => {
            vec![key(Kind::Prefix, delegation.prefix), key(Kind::Account, delegation.account)]
        }
        Entity::AddressMap(map) => vec![key(Kind::Account, map.account)],
        Entity::Certificate(certificate) => vec![key(Kind::Zone, certificate.zone)],
        Entity::App(app) => vec![key(Kind::Zone, app.zone)],
        Entity::DnsRecord(record) => vec![key(Kind::Zone, record.zone)],
        Entity::Rule(rule) => vec![match rule.holder {
            RuleHolder::User(id) => key(Kind::User, id),
            RuleHolder::Account(id) => key(Kind::Account, id),
            RuleHolder::Zone(id) => key(Kind::Zone, id),
        }],
    }
}

fn references(estate: &Estate, faults: &mut Faults) {
    for entity in estate.all() {
        for need in needs(&entity).into_iter().filter(|need| estate.get(*need).is_none()) {
            faults.say(
                entity.kind(),
                entity.id(),
                format_args!("there is no {} {}", need.kind.name(), need.id),
            );
        }
    }
}

/// What no two entities share.
fn doubles(estate: &Estate, faults: &mut Faults) {
    let mut seen: HashMap<(Kind, String), Id> = HashMap::new();
    let mut hold = |kind: Kind, id: Id, what: String, faults: &mut Faults| {
        if let Some(first) = seen.insert((kind, what.clone()), id) {
            faults.say(kind, id, format_args!("{what} is that of {} {first}, too", kind.name()));
        }
    };
    for user in estate.users.iter() {
        hold(Kind::User, user.id, user.email.to_ascii_lowercase(), faults);
    }
    for zone in estate.zones.iter() {
        hold(Kind::Zone, zone.id, zone.name.clone(), faults);
    }
    for prefix in estate.prefixes.iter() {
        hold(Kind::Prefix, prefix.id, format!("{} of account {}", prefix.net, prefix.account), faults);
    }
    for binding in estate.bindings.iter() {
        hold(Kind::Binding, binding.id, format!("{} of prefix {}", binding.cidr, binding.prefix), faults);
    }
    for route in estate.bgp_prefixes.iter() {
        hold(Kind::BgpPrefix, route.id, format!("{} of prefix {}", route.cidr, route.prefix), faults);
    }
    for one in estate.delegations.iter() {
        let what = format!("{} of prefix {} for account {}", one.cidr, one.prefix, one.account);
        hold(Kind::Delegation, one.id, what, faults);
    }
    for rule in estate.rules.iter() {
        let holder = match rule.holder {
            RuleHolder::User(id) => format!("user {id}"),
            RuleHolder::Account(id) => format!("account {id}"),
            RuleHolder::Zone(id) => format!("zone {id}"),
        };
        hold(Kind::Rule, rule.id, format!("{} of {holder}", rule.spec.target), faults);
    }
}

/// DNS records lie in their zones, say nothing twice, and keep clear of the names of apps and of CNAMEs.
fn records(estate: &Estate, faults: &mut Faults) {
    let apps: HashMap<_, _> =
        estate.apps.iter().map(|app| ((app.zone, app.spec.dns.name.as_str()), app.spec.dns.kind)).collect();
    for app in estate.apps.iter() {
        let name = app.spec.dns.name.as_str();
        if apps.get(&(app.zone, name)) != Some(&app.spec.dns.kind) {
            faults.say(
                Kind::App,
                app.id,
                format_args!("{name} is that of an app of the other dns.type, too"),
            );
        }
    }
    let mut by_name: HashMap<(Id, &str), Vec<&DnsRecord>> = HashMap::new();
    for record in estate.dns_records.iter() {
        let name = record.name.as_str();
        let zone = estate.zones.get(record.zone);
        if zone.is_some_and(|zone| name != zone.name && !name.ends_with(&format!(".{}", zone.name))) {
            faults.say(Kind::DnsRecord, record.id, format_args!("{name} does not lie in its zone"));
        }
        if zone.is_some_and(|zone| is_dynamic(name, &zone.name)) {
            let why = format_args!("{name} is one of the names that dynamic apps lead to");
            faults.say(Kind::DnsRecord, record.id, why);
        }
        if let Some(nearer) = nearer(estate, name, record.zone)
            && !delegates(record, nearer)
        {
            faults.say(
                Kind::DnsRecord,
                record.id,
                format_args!("{name} lies in zone {nearer}, which is nearer"),
            );
        }
        by_name.entry((record.zone, name)).or_default().push(record);
    }
    for ((zone, name), records) in by_name {
        let is_proxiable = |record: &&&DnsRecord| record.data.kind().is_proxiable();
        let is_cname = |record: &&DnsRecord| record.data.kind() == RecordType::Cname;
        let mut hosts = records.iter().filter(is_proxiable);
        let of_app = apps.contains_key(&(zone, name));
        if of_app && let Some(record) = hosts.clone().next() {
            faults.say(Kind::DnsRecord, record.id, format_args!("{name} is the name of an app"));
        }
        let is_apex = estate.zones.get(zone).is_some_and(|zone| zone.name == name);
        let mut servers = records.iter().filter(|record| record.data.kind() == RecordType::Ns);
        if let Some(server) =
            servers.next().filter(|_| !is_apex && (of_app || hosts.clone().next().is_some()))
        {
            let why = format_args!("{name} is delegated, and has addresses or names beside that");
            faults.say(Kind::DnsRecord, server.id, why);
        }
        if hosts.clone().count() > 1
            && let Some(record) = hosts.find(|record| is_cname(record))
        {
            faults.say(
                Kind::DnsRecord,
                record.id,
                format_args!("{name} has other addresses or names beside it"),
            );
        }
        for record in &records {
            if estate.records_saying(zone, name, &record.data).any(|other| other.id < record.id) {
                faults.say(Kind::DnsRecord, record.id, format_args!("{name} says {} twice", record.data));
            }
        }
    }
}

/// The zone that a name of `zone` belongs to where that is another one, inside it.
fn nearer<'e>(estate: &'e Estate, name: &str, zone: Id) -> Option<&'e str> {
    let home = estate.home(name)?;
    let outer = &estate.zones.get(zone)?.name;
    // A name that does not lie in its zone at all is told as that.
    let inside = home.id != zone && home.name.len() > outer.len();
    inside.then_some(home.name.as_str())
}

/// Bindings, routes and delegations lie in their prefixes.
fn ranges(estate: &Estate, faults: &mut Faults) {
    let bindings = estate.bindings.iter().map(|one| (Kind::Binding, one.id, one.prefix, one.cidr));
    let routes = estate.bgp_prefixes.iter().map(|one| (Kind::BgpPrefix, one.id, one.prefix, one.cidr));
    let delegations = estate.delegations.iter().map(|one| (Kind::Delegation, one.id, one.prefix, one.cidr));
    let all: Vec<(Kind, Id, Id, IpNet)> = bindings.chain(routes).chain(delegations).collect();
    for (kind, id, prefix, cidr) in all {
        let Some(prefix) = estate.prefixes.get(prefix) else { continue };
        if !prefix.net.net().contains(&cidr) {
            faults.say(kind, id, format_args!("{cidr} does not lie in {}", prefix.net));
        }
    }
}

/// Approved prefixes do not overlap; one that is bound is approved, and bound as a whole.
fn prefixes(estate: &Estate, faults: &mut Faults) {
    let mut approved: Vec<_> =
        estate.prefixes.iter().filter(|prefix| prefix.approved == Approval::Approved).collect();
    // The wider one of two that begin at the same address comes first, so that neighbours in this order overlap if any do.
    approved.sort_by_key(|prefix| (prefix.net.net().network(), prefix.net.net().prefix_len()));
    for pair in approved.windows(2).filter(|pair| pair[0].net.overlaps(pair[1].net)) {
        faults.say(Kind::Prefix, pair[1].id, format_args!("{} overlaps {}", pair[1].net, pair[0].net));
    }
    let mut whole: HashMap<Id, bool> = HashMap::new();
    for binding in estate.bindings.iter() {
        let Some(prefix) = estate.prefixes.get(binding.prefix) else { continue };
        *whole.entry(prefix.id).or_default() |= binding.cidr == prefix.net.net();
        if prefix.approved == Approval::Pending {
            faults.say(Kind::Binding, binding.id, format_args!("{} is not approved", prefix.net));
        }
    }
    for (id, _) in whole.into_iter().filter(|(_, whole)| !whole) {
        faults.say(Kind::Prefix, id, "its bindings leave the prefix as a whole out");
    }
}

/// An app's name lies in its zone; its addresses are its account's, and Spectrum's.
fn apps(estate: &Estate, faults: &mut Faults) {
    for app in estate.apps.iter() {
        let Some(zone) = estate.zones.get(app.zone) else { continue };
        let name = app.spec.dns.name.as_str();
        if !name.strip_suffix(zone.name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
            faults.say(Kind::App, app.id, format_args!("{name} does not lie in zone {}", zone.name));
        }
        if let Some(nearer) = nearer(estate, name, zone.id) {
            faults.say(Kind::App, app.id, format_args!("{name} lies in zone {nearer}, which is nearer"));
        }
        for addr in statics(app) {
            if !estate.may_use(zone.account, *addr) {
                faults.say(Kind::App, app.id, format_args!("{addr} lies in no prefix of its account"));
            } else if estate.service_at(*addr) != Some(Service::Spectrum) {
                faults.say(Kind::App, app.id, format_args!("{addr} is not bound to Spectrum"));
            }
        }
    }
}

fn statics(app: &App) -> &[Addr] {
    match &app.spec.edge_ips {
        EdgeIps::Static(addrs) => addrs,
        EdgeIps::Dynamic(_) => &[],
    }
}

/// No two apps have a port of an address and protocol; an address is one zone's.
fn edges(estate: &Estate, faults: &mut Faults) {
    let mut taken = Vec::new();
    let mut zones: HashMap<Addr, Id> = HashMap::new();
    for app in estate.apps.iter() {
        for addr in statics(app) {
            taken.push(((*addr, app.spec.edge.protocol, app.spec.edge.ports), app.id));
            if *zones.entry(*addr).or_insert(app.zone) != app.zone {
                faults.say(Kind::App, app.id, format_args!("{addr} is in use by an app of another zone"));
            }
        }
    }
    taken.sort();
    let mut widest = None;
    for one in taken {
        let ((addr, protocol, ports), id) = one;
        let before = widest.filter(|((other, spoken, _), _)| (*other, *spoken) == (addr, protocol));
        if let Some((_, first)) =
            before.filter(|((_, _, theirs), _): &(_, Id)| PortRange::overlaps(*theirs, ports))
        {
            faults.say(Kind::App, id, format_args!("{addr} port {ports} is taken by app {first}"));
        }
        if before.is_none_or(|((_, _, theirs), _)| ports.last() > theirs.last()) {
            widest = Some(one);
        }
    }
}

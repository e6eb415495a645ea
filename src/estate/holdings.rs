//! All entities of a box. A copy costs a pointer a kind, so that a change is tried on a copy and thrown away where it
//! fails.

use super::account_index::{AccountIndex, Held};
use super::addressing::{AddressMap, BgpPrefix, Delegation, LoaDocument};
use super::app_index::{AppCount, AppIndex};
use super::change::{Change, Key};
use super::dns::{DnsRecord, RecordData, RecordType};
use super::entity::{
    Account, App, Approval, Binding, Certificate, Entity, Kind, Prefix, Rule, RuleHolder, Service, Token,
    User, Zone,
};
use super::id::Id;
use super::lower::prefixes;
use super::name_index::{NameIndex, ZoneIndex};
use super::record_index::RecordIndex;
use super::said::Said;
use super::shelf::Shelf;
use crate::base::Addr;
use crate::table::{AppSpec, EdgeIps, PrefixMap};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Everything that the API manages.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Users.
    pub users: Shelf<User>,
    /// Accounts.
    pub accounts: Shelf<Account>,
    /// Zones.
    pub zones: Shelf<Zone>,
    /// Tokens.
    pub tokens: Shelf<Token>,
    /// Prefixes.
    pub prefixes: Shelf<Prefix>,
    /// Service bindings.
    pub bindings: Shelf<Binding>,
    /// Letters of authorisation.
    pub loa_documents: Shelf<LoaDocument>,
    /// Routes of prefixes.
    pub bgp_prefixes: Shelf<BgpPrefix>,
    /// Delegations.
    pub delegations: Shelf<Delegation>,
    /// Address maps.
    pub address_maps: Shelf<AddressMap>,
    /// Certificates.
    pub certificates: Shelf<Certificate>,
    /// Apps.
    pub apps: Shelf<App>,
    /// Access rules.
    pub rules: Shelf<Rule>,
    /// DNS records, without those of apps.
    pub dns_records: Shelf<DnsRecord>,
    /// Where `apps` are.
    index: AppIndex,
    /// Where `dns_records` are.
    record_index: RecordIndex,
    /// Where `zones` are.
    zone_index: ZoneIndex,
    /// The host names of `apps` and `dns_records`.
    names: NameIndex,
    /// What the `zones` of each account hold of the last three.
    accounts_hold: AccountIndex,
    /// The prefixes that apps may have addresses of, made when somebody asks; copies share it until one changes them.
    ground: Arc<OnceLock<Arc<PrefixMap>>>,
}

impl Estate {
    /// The same with `change` in force.
    #[must_use]
    pub fn with(&self, change: &Change) -> Self {
        let mut next = self.clone();
        change.edits().iter().for_each(|edit| next.set(edit.key, edit.after.clone()));
        next
    }

    /// The prefixes that apps may have addresses of.
    pub fn prefix_map(&self) -> Arc<PrefixMap> {
        // No two are the same, so that the map cannot crowd.
        let made =
            || Arc::new(PrefixMap::build(&prefixes(self), [0; 2]).unwrap_or_else(|_| PrefixMap::empty()));
        self.ground.get_or_init(made).clone()
    }

    /// Puts an entity in, as it is read from the store.
    pub fn put(&mut self, entity: Entity) {
        self.set(Key::of(&entity), Some(entity));
    }

    /// Takes an entity away.
    pub fn take_out(&mut self, key: Key) {
        self.set(key, None);
    }

    /// An entity by kind and id.
    pub fn get(&self, Key { kind, id }: Key) -> Option<Entity> {
        match kind {
            Kind::User => self.users.get(id).cloned().map(Entity::User),
            Kind::Account => self.accounts.get(id).cloned().map(Entity::Account),
            Kind::Zone => self.zones.get(id).cloned().map(Entity::Zone),
            Kind::Token => self.tokens.get(id).cloned().map(Entity::Token),
            Kind::Prefix => self.prefixes.get(id).cloned().map(Entity::Prefix),
            Kind::Binding => self.bindings.get(id).cloned().map(Entity::Binding),
            Kind::LoaDocument => self.loa_documents.get(id).cloned().map(Entity::LoaDocument),
            Kind::BgpPrefix => self.bgp_prefixes.get(id).cloned().map(Entity::BgpPrefix),
            Kind::Delegation => self.delegations.get(id).cloned().map(Entity::Delegation),
            Kind::AddressMap => self.address_maps.get(id).cloned().map(Entity::AddressMap),
            Kind::Certificate => self.certificates.get(id).cloned().map(Entity::Certificate),
            Kind::App => self.apps.get(id).cloned().map(Entity::App),
            Kind::Rule => self.rules.get(id).cloned().map(Entity::Rule),
            Kind::DnsRecord => self.dns_records.get(id).cloned().map(Entity::DnsRecord),
        }
    }

    /// All entities, kinds that others need first.
    pub fn all(&self) -> Vec<Entity> {
        let users = self.users.iter().cloned().map(Entity::User);
        let accounts = self.accounts.iter().cloned().map(Entity::Account);
        let zones = self.zones.iter().cloned().map(Entity::Zone);
        let tokens = self.tokens.iter().cloned().map(Entity::Token);
        let prefixes = self.prefixes.iter().cloned().map(Entity::Prefix);
        let bindings = self.bindings.iter().cloned().map(Entity::Binding);
        let loas = self.loa_documents.iter().cloned().map(Entity::LoaDocument);
        let routes = self.bgp_prefixes.iter().cloned().map(Entity::BgpPrefix);
        let delegations = self.delegations.iter().cloned().map(Entity::Delegation);
        let maps = self.address_maps.iter().cloned().map(Entity::AddressMap);
        let apps = self.apps.iter().cloned().map(Entity::App);
        let rules = self.rules.iter().cloned().map(Entity::Rule);
        let records = self.dns_records.iter().cloned().map(Entity::DnsRecord);
        let all =
            users.chain(accounts).chain(zones).chain(tokens).chain(loas).chain(prefixes).chain(bindings);
        let all = all.chain(routes).chain(delegations).chain(maps);
        let certificates = self.certificates.iter().cloned().map(Entity::Certificate);
        all.chain(certificates).chain(apps).chain(rules).chain(records).collect()
    }

    /// The account of a zone.
    pub fn account_of(&self, zone: Id) -> Option<Id> {
        self.zones.get(zone).map(|zone| zone.account)
    }

    /// Zones of an account.
    pub fn zones_of(&self, account: Id) -> impl Iterator<Item = &Arc<Zone>> {
        self.zone_index.of_account(account).filter_map(|id| self.zones.get(id))
    }

    /// The zone with the longest name that `name` is or lies below.
    pub fn home(&self, name: &str) -> Option<&Arc<Zone>> {
        let parents = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
        std::iter::once(name).chain(parents).find_map(|domain| {
            let mut zones = self.zone_index.named(domain).filter_map(|id| self.zones.get(id));
            zones.find(|zone| zone.name == domain)
        })
    }

    /// How many apps and DNS records bear a host name of a zone.
    pub fn bearers(&self, zone: Id, name: &str) -> usize {
        self.names.bearers(zone, name)
    }

    /// How many host names the apps and DNS records of an account bear.
    pub fn name_count(&self, account: Id) -> usize {
        self.accounts_hold.of(account).names
    }

    /// Apps of a zone, in no order that means anything.
    pub fn apps_of(&self, zone: Id) -> impl Iterator<Item = &Arc<App>> {
        self.index.of_zone(zone).filter_map(|id| self.apps.get(id))
    }

    /// Apps of a zone under a host name.
    pub fn apps_named<'a>(&'a self, zone: Id, name: &'a str) -> impl Iterator<Item = &'a Arc<App>> {
        let apps = self.index.at_name(zone, name).filter_map(|id| self.apps.get(id));
        apps.filter(move |app| app.spec.dns.name.as_str() == name)
    }

    /// What an account has of apps in its zones.
    pub fn app_count(&self, account: Id) -> AppCount {
        self.accounts_hold.of(account).apps
    }

    /// Apps that share an address with `spec`, or its name where both have dynamic addresses; by id. `spec` is to be an
    /// app of `zone`; of all others none can be in its way.
    pub fn apps_beside(&self, spec: &AppSpec, zone: Id) -> impl Iterator<Item = &Arc<App>> {
        let ids: Vec<Id> = match &spec.edge_ips {
            EdgeIps::Static(addrs) => addrs.iter().flat_map(|addr| self.index.at_addr(*addr)).collect(),
            EdgeIps::Dynamic(_) => self.index.at_name(zone, spec.dns.name.as_str()).collect(),
        };
        let apps: BTreeMap<Id, &Arc<App>> =
            ids.into_iter().filter_map(|id| Some((id, self.apps.get(id)?))).collect();
        apps.into_values()
    }

    /// Apps of a zone that a DNS record follows from, by id, and what it says.
    pub fn apps_saying(&self, zone: Id, record: Id) -> impl Iterator<Item = (&Arc<App>, Said)> {
        let apps = self.index.at_record(record).filter_map(|(id, said)| Some((self.apps.get(id)?, said)));
        apps.filter(move |(app, _)| app.zone == zone)
    }

    /// Certificates of a zone.
    pub fn certificates_of(&self, zone: Id) -> impl Iterator<Item = &Arc<Certificate>> {
        self.certificates.iter().filter(move |certificate| certificate.zone == zone)
    }

    /// DNS records of a zone, without those of apps.
    pub fn records_of(&self, zone: Id) -> impl Iterator<Item = &Arc<DnsRecord>> {
        self.record_index.of_zone(zone).filter_map(|id| self.dns_records.get(id))
    }

    /// How many DNS records a zone has, without those of apps.
    pub fn record_count(&self, zone: Id) -> usize {
        self.record_index.count(zone)
    }

    /// DNS records of a type under a host name of a zone.
    pub fn records_named<'a>(
        &'a self,
        zone: Id,
        name: &'a str,
        kind: RecordType,
    ) -> impl Iterator<Item = &'a Arc<DnsRecord>> {
        let records = self.record_index.at_name(zone, name, kind);
        let records = records.filter_map(|(id, _)| self.dns_records.get(id));
        records.filter(move |record| record.name.as_str() == name)
    }

    /// DNS records under a host name of a zone that say the same.
    pub fn records_saying<'a>(
        &'a self,
        zone: Id,
        name: &'a str,
        data: &'a RecordData,
    ) -> impl Iterator<Item = &'a Arc<DnsRecord>> {
        let records = self.record_index.saying(zone, name, data).filter_map(|id| self.dns_records.get(id));
        records.filter(move |record| record.name.as_str() == name && record.data.is_same(data))
    }

    /// The bytes of all texts under a host name of a zone but those of one record.
    pub fn text_bytes(&self, zone: Id, name: &str, without: Id) -> usize {
        let texts = self.record_index.at_name(zone, name, RecordType::Txt);
        texts.filter(|(id, _)| *id != without).map(|(_, bytes)| bytes).sum()
    }

    /// Rules of a holder.
    pub fn rules_of(&self, holder: RuleHolder) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().filter(move |rule| rule.holder == holder)
    }

    /// Bindings of a prefix.
    pub fn bindings_of(&self, prefix: Id) -> impl Iterator<Item = &Arc<Binding>> {
        self.bindings.iter().filter(move |binding| binding.prefix == prefix)
    }

    /// Routes of a prefix.
    pub fn routes_of(&self, prefix: Id) -> impl Iterator<Item = &Arc<BgpPrefix>> {
        self.bgp_prefixes.iter().filter(move |route| route.prefix == prefix)
    }

    /// Delegations of a prefix.
    pub fn delegations_of(&self, prefix: Id) -> impl Iterator<Item = &Arc<Delegation>> {
        self.delegations.iter().filter(move |delegation| delegation.prefix == prefix)
    }

    /// The approved prefix that `addr` lies in: one that is not approved is nobody's.
    pub fn prefix_at(&self, addr: Addr) -> Option<&Arc<Prefix>> {
        let approved = |prefix: &&Arc<Prefix>| prefix.approved == Approval::Approved;
        self.prefixes.iter().filter(approved).find(|prefix| prefix.net.contains(addr))
    }

    /// Whether `account` may use `addr`: it lies in an approved prefix of its own, or was delegated to it.
    pub fn may_use(&self, account: Id, addr: Addr) -> bool {
        let Some(prefix) = self.prefix_at(addr) else { return false };
        let ip = addr.to_ip();
        let mut delegations = self.delegations_of(prefix.id);
        prefix.account == account
            || delegations.any(|delegation| delegation.account == account && delegation.cidr.contains(&ip))
    }

    /// The service of `addr`: that of the most specific binding of its prefix.
    pub fn service_at(&self, addr: Addr) -> Option<Service> {
        let (prefix, ip) = (self.prefix_at(addr)?, addr.to_ip());
        let bound = self.bindings_of(prefix.id).filter(|binding| binding.cidr.contains(&ip));
        bound.max_by_key(|binding| IpNet::prefix_len(&binding.cidr)).map(|binding| binding.service)
    }

    fn set(&mut self, Key { kind, id }: Key, entity: Option<Entity>) {
        if matches!(kind, Kind::Prefix | Kind::Binding) {
            self.ground = Arc::default();
        }
        match (kind, entity) {
            (Kind::User, None) => self.users.set(id, None),
            (Kind::Account, None) => self.accounts.set(id, None),
            (Kind::Zone, None) => self.set_zone(id, None),
            (Kind::Token, None) => self.tokens.set(id, None),
            (Kind::Prefix, None) => self.prefixes.set(id, None),
            (Kind::Binding, None) => self.bindings.set(id, None),
            (Kind::LoaDocument, None) => self.loa_documents.set(id, None),
            (Kind::BgpPrefix, None) => self.bgp_prefixes.set(id, None),
            (Kind::Delegation, None) => self.delegations.set(id, None),
            (Kind::AddressMap, None) => self.address_maps.set(id, None),
            (Kind::Certificate, None) => self.certificates.set(id, None),
            (Kind::App, None) => self.set_app(id, None),
            (Kind::Rule, None) => self.rules.set(id, None),
            (Kind::DnsRecord, None) => self.set_record(id, None),
            (_, Some(Entity::User(user))) => self.users.set(id, Some(user)),
            (_, Some(Entity::Account(account))) => self.accounts.set(id, Some(account)),
            (_, Some(Entity::Zone(zone))) => self.set_zone(id, Some(zone)),
            (_, Some(Entity::Token(token))) => self.tokens.set(id, Some(token)),
            (_, Some(Entity::Prefix(prefix))) => self.prefixes.set(id, Some(prefix)),
            (_, Some(Entity::Binding(binding))) => self.bindings.set(id, Some(binding)),
            (_, Some(Entity::LoaDocument(entity))) => self.loa_documents.set(id, Some(entity)),
            (_, Some(Entity::BgpPrefix(entity))) => self.bgp_prefixes.set(id, Some(entity)),
            (_, Some(Entity::Delegation(entity))) => self.delegations.set(id, Some(entity)),
            (_, Some(Entity::AddressMap(entity))) => self.address_maps.set(id, Some(entity)),
            (_, Some(Entity::Certificate(certificate))) => self.certificates.set(id, Some(certificate)),
            (_, Some(Entity::App(app))) => self.set_app(id, Some(app)),
            (_, Some(Entity::Rule(rule))) => self.rules.set(id, Some(rule)),
            (_, Some(Entity::DnsRecord(record))) => self.set_record(id, Some(record)),
        }
    }

    fn set_app(&mut self, id: Id, app: Option<Arc<App>>) {
        if let Some(old) = self.apps.get(id).cloned() {
            self.turn(old.zone, |estate| {
                estate.names.leave(old.zone, old.spec.dns.name.as_str());
                estate.index.turn(Some(&old), None);
            });
        }
        if let Some(new) = &app {
            self.turn(new.zone, |estate| {
                estate.names.take(new.zone, new.spec.dns.name.as_str());
                estate.index.turn(None, Some(new));
            });
        }
        self.apps.set(id, app);
    }

    fn set_record(&mut self, id: Id, record: Option<Arc<DnsRecord>>) {
        if let Some(old) = self.dns_records.get(id).cloned() {
            self.turn(old.zone, |estate| estate.names.leave(old.zone, old.name.as_str()));
        }
        if let Some(new) = &record {
            self.turn(new.zone, |estate| estate.names.take(new.zone, new.name.as_str()));
        }
        self.record_index.turn(self.dns_records.get(id).map(Arc::as_ref), record.as_deref());
        self.dns_records.set(id, record);
    }

    fn set_zone(&mut self, id: Id, zone: Option<Arc<Zone>>) {
        let (old, held) = (self.zones.get(id).map(Arc::as_ref), self.held(id));
        if let Some(old) = old {
            self.accounts_hold.turn(old.account, held, Held::default());
        }
        if let Some(new) = &zone {
            self.accounts_hold.turn(new.account, Held::default(), held);
        }
        self.zone_index.turn(old, zone.as_deref());
        self.zones.set(id, zone);
    }

    /// Changes what the indexes have of one zone, and with it what its account holds.
    fn turn(&mut self, zone: Id, turn: impl FnOnce(&mut Self)) {
        let before = self.held(zone);
        turn(self);
        if let Some(account) = self.account_of(zone) {
            self.accounts_hold.turn(account, before, self.held(zone));
        }
    }

    /// What a zone holds, whoever's it is.
    fn held(&self, zone: Id) -> Held {
        Held { names: self.names.count(zone), apps: self.index.count(zone) }
    }
}

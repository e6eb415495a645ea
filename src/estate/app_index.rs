//! Where apps are: by zone and host name, by static edge address, by the DNS records that follow from them, and how many each
//! zone has, with how many origins. So that one more app is held against its like, and not against all of them.

use super::entity::App;
use super::id::Id;
use super::said::{Said, said, said_id};
use crate::base::{Addr, SharedMap};
use crate::table::{EdgeIps, OriginSpec};
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};

/// Ids of apps by what finds them.
#[derive(Clone, Debug, Default)]
pub struct AppIndex {
    /// Zone, hash of the host name, app.
    homes: SharedMap<(Id, u64, Id), ()>,
    /// Static address, app.
    addrs: SharedMap<(Addr, Id), ()>,
    /// Record, app.
    records: SharedMap<(Id, Id), Said>,
    /// Of each zone that has any.
    counts: SharedMap<Id, AppCount>,
}

/// How many apps there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AppCount {
    /// Apps.
    pub apps: usize,
    /// Their origins; a name is one.
    pub origins: usize,
}

impl AppIndex {
    /// An app was put in the place of another, or one of the two is none.
    pub fn turn(&mut self, old: Option<&App>, new: Option<&App>) {
        if let Some(old) = old {
            self.homes.remove(&home(old));
            for addr in addrs(old) {
                self.addrs.remove(&(*addr, old.id));
            }
            for said in said(old) {
                self.records.remove(&(record(old, said), old.id));
            }
            let AppCount { apps, origins } = self.count(old.zone);
            let (apps, origins) = (apps.saturating_sub(1), origins.saturating_sub(origins_in(old)));
            self.set_count(old.zone, AppCount { apps, origins });
        }
        if let Some(new) = new {
            self.homes.insert(home(new), ());
            for addr in addrs(new) {
                self.addrs.insert((*addr, new.id), ());
            }
            for said in said(new) {
                self.records.insert((record(new, said), new.id), said);
            }
            let AppCount { apps, origins } = self.count(new.zone);
            self.set_count(new.zone, AppCount { apps: apps + 1, origins: origins + origins_in(new) });
        }
    }

    fn set_count(&mut self, zone: Id, count: AppCount) {
        match count.apps {
            0 => self.counts.remove(&zone),
            _ => self.counts.insert(zone, count),
        };
    }

    /// How many apps a zone has.
    pub fn count(&self, zone: Id) -> AppCount {
        self.counts.get(&zone).copied().unwrap_or_default()
    }

    /// The apps of a zone, in no order that means anything.
    pub fn of_zone(&self, zone: Id) -> impl Iterator<Item = Id> {
        let from = (zone, 0, Id::from_bits(0));
        self.homes
            .iter_from(&from)
            .map(|(key, ())| *key)
            .take_while(move |key| key.0 == zone)
            .map(|key| key.2)
    }

    /// The apps of a zone under a host name, and now and then another one.
    pub fn at_name(&self, zone: Id, name: &str) -> impl Iterator<Item = Id> {
        let hash = hashed(name);
        let from = (zone, hash, Id::from_bits(0));
        let here = self.homes.iter_from(&from).map(|(key, ())| *key);
        here.take_while(move |key| (key.0, key.1) == (zone, hash)).map(|key| key.2)
    }

    /// The apps with a static address.
    pub fn at_addr(&self, addr: Addr) -> impl Iterator<Item = Id> {
        let here = self.addrs.iter_from(&(addr, Id::from_bits(0))).map(|(key, ())| *key);
        here.take_while(move |key| key.0 == addr).map(|key| key.1)
    }

    /// The apps that a record follows from, by id, and what it says.
    pub fn at_record(&self, record: Id) -> impl Iterator<Item = (Id, Said)> {
        let here = self.records.iter_from(&(record, Id::from_bits(0))).map(|(key, said)| (*key, *said));
        here.take_while(move |(key, _)| key.0 == record).map(|(key, said)| (key.1, said))
    }
}

fn record(app: &App, said: Said) -> Id {
    said_id(app.zone, app.spec.dns.name.as_str(), said)
}

fn addrs(app: &App) -> &[Addr] {
    match &app.spec.edge_ips {
        EdgeIps::Static(addrs) => addrs,
        EdgeIps::Dynamic(_) => &[],
    }
}

fn home(app: &App) -> (Id, u64, Id) {
    (app.zone, hashed(app.spec.dns.name.as_str()), app.id)
}

/// How many origins an app names; a name is one.
fn origins_in(app: &App) -> usize {
    match &app.spec.origin {
        OriginSpec::Direct(entries) => entries.len(),
        OriginSpec::Dns { .. } => 1,
    }
}

/// What hashes alike only costs the time to tell it apart.
pub(super) fn hashed<T: Hash + ?Sized>(what: &T) -> u64 {
    let mut hasher = SipHasher13::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::tables::read;
    use crate::table::Reserved;

    fn app(id: u128, zone: u128, name: &str, ips: &str) -> App {
        let text = format!(
            r#"{{"prefixes":["203.0.113.0/24"],"apps":[{{"protocol":"tcp/22","dns":{{"type":"ADDRESS","name":"{name}"}},"origin_direct":["tcp://192.0.2.1:22"],"edge_ips":{{"type":"static","ips":[{ips}]}}}}]}}"#
        );
        let origin_allow = vec!["192.0.2.0/24".parse().expect("a net")];
        let read = read(text.as_bytes(), &Reserved { lab: true, origin_allow, ..Reserved::default() });
        let mut spec = read.unwrap_or_else(|errors| panic!("{errors}")).spec;
        App {
            id: Id::from_bits(id),
            zone: Id::from_bits(zone),
            spec: spec.accounts[0].zones[0].apps.remove(0),
        }
    }

    #[test]
    fn an_app_is_found_by_what_it_is_now_and_not_by_what_it_was() {
        let mut index = AppIndex::default();
        let old = app(1, 10, "a.example.net", r#""203.0.113.1","203.0.113.2""#);
        let new = app(1, 11, "b.example.net", r#""203.0.113.2","203.0.113.3""#);
        let other = app(2, 10, "a.example.net", r#""203.0.113.1""#);
        index.turn(None, Some(&old));
        index.turn(None, Some(&other));
        index.turn(Some(&old), Some(&new));
        let at = |host| index.at_addr(Addr::v4([203, 0, 113, host])).map(Id::bits).collect::<Vec<_>>();
        assert_eq!([1, 2, 3, 4].map(at), [vec![2], vec![1], vec![1], vec![]]);
        let of = |zone| {
            (
                index.of_zone(Id::from_bits(zone)).map(Id::bits).collect::<Vec<_>>(),
                index.count(Id::from_bits(zone)).origins,
            )
        };
        assert_eq!([9, 10, 11].map(of), [(vec![], 0), (vec![2], 1), (vec![1], 1)]);
        let named = |zone, app: &App| {
            index.at_name(Id::from_bits(zone), app.spec.dns.name.as_str()).map(Id::bits).collect::<Vec<_>>()
        };
        assert_eq!([named(10, &old), named(11, &old), named(11, &new)], [vec![2], vec![], vec![1]]);
        index.turn(Some(&other), None);
        assert_eq!((index.count(Id::from_bits(10)).apps, index.addrs.len()), (0, 2));
    }
}

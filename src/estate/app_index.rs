//! Where apps are: by zone and host name, by static edge address, and how many each zone has, with how many origins. So that
//! one more app is held against its like, and not against all of them.

use super::entity::App;
use super::id::Id;
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
            addrs(old).iter().for_each(|addr| drop(self.addrs.remove(&(*addr, old.id))));
            let AppCount { apps, origins } = self.count(old.zone);
            let left = AppCount { apps: apps - 1, origins: origins - origins_in(old) };
            self.set_count(old.zone, left);
        }
        if let Some(new) = new {
            self.homes.insert(home(new), ());
            addrs(new).iter().for_each(|addr| drop(self.addrs.insert((*addr, new.id), ())));
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
pub fn origins_in(app: &App) -> usize {
    match &app.spec.origin {
        OriginSpec::Direct(entries) => entries.len(),
        OriginSpec::Dns { .. } => 1,
    }
}

/// Names that hash alike only cost the time to tell them apart.
fn hashed(name: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    hasher.finish()
}

//! Which zones there are, by account and by name, and the host names that apps and DNS records of a zone have. So that a
//! name finds its zone, and the names of a zone are known without counting them.

use super::app_index::hashed;
use super::entity::Zone;
use super::id::Id;
use crate::base::SharedMap;

/// Ids of zones by what finds them.
#[derive(Clone, Debug, Default)]
pub struct ZoneIndex {
    /// Account, zone.
    of_account: SharedMap<(Id, Id), ()>,
    /// Hash of the name, zone.
    names: SharedMap<(u64, Id), ()>,
}

/// How many apps and records bear a host name, and how many names each zone has. Names of one zone that hash alike count as
/// one.
#[derive(Clone, Debug, Default)]
pub struct NameIndex {
    /// By zone and hash of the name.
    bearers: SharedMap<(Id, u64), usize>,
    /// Names of each zone that has any.
    counts: SharedMap<Id, usize>,
}

impl ZoneIndex {
    /// A zone was put in the place of another, or one of the two is none.
    pub fn turn(&mut self, old: Option<&Zone>, new: Option<&Zone>) {
        if let Some(old) = old {
            self.of_account.remove(&(old.account, old.id));
            self.names.remove(&(hashed(old.name.as_str()), old.id));
        }
        if let Some(new) = new {
            self.of_account.insert((new.account, new.id), ());
            self.names.insert((hashed(new.name.as_str()), new.id), ());
        }
    }

    /// The zones of an account, by id.
    pub fn of_account(&self, account: Id) -> impl Iterator<Item = Id> {
        let from = (account, Id::from_bits(0));
        let all = self.of_account.iter_from(&from).map(|(key, ())| *key);
        all.take_while(move |key| key.0 == account).map(|key| key.1)
    }

    /// The zones of a name, and now and then another one.
    pub fn named(&self, name: &str) -> impl Iterator<Item = Id> {
        let hash = hashed(name);
        let all = self.names.iter_from(&(hash, Id::from_bits(0))).map(|(key, ())| *key);
        all.take_while(move |key| key.0 == hash).map(|key| key.1)
    }
}

impl NameIndex {
    /// One more bears a name of a zone.
    pub fn take(&mut self, zone: Id, name: &str) {
        let bearers = self.bearers(zone, name);
        self.bearers.insert((zone, hashed(name)), bearers + 1);
        if bearers == 0 {
            self.counts.insert(zone, self.count(zone) + 1);
        }
    }

    /// One bears it no more.
    pub fn leave(&mut self, zone: Id, name: &str) {
        let (bearers, key) = (self.bearers(zone, name), (zone, hashed(name)));
        if bearers > 1 {
            self.bearers.insert(key, bearers - 1);
            return;
        }
        self.bearers.remove(&key);
        match self.count(zone) {
            0 | 1 => self.counts.remove(&zone),
            count => self.counts.insert(zone, count - 1),
        };
    }

    /// How many bear a name of a zone.
    pub fn bearers(&self, zone: Id, name: &str) -> usize {
        self.bearers.get(&(zone, hashed(name))).copied().unwrap_or_default()
    }

    /// How many names of a zone are borne.
    pub fn count(&self, zone: Id) -> usize {
        self.counts.get(&zone).copied().unwrap_or_default()
    }
}

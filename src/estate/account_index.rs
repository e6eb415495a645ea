//! What the zones of each account hold together, so that an account's quotas are held without walking through its zones.
//! Things of a zone that is none are nobody's, until it is there.

use super::app_index::AppCount;
use super::id::Id;
use crate::base::SharedMap;

/// What there is in a zone, or in all zones of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Host names that apps and DNS records bear.
    pub names: usize,
    /// Apps, and their origins.
    pub apps: AppCount,
}

/// See the file's header.
#[derive(Clone, Debug, Default)]
pub struct AccountIndex {
    /// Of each account whose zones hold anything.
    held: SharedMap<Id, Held>,
}

impl AccountIndex {
    /// What the zones of an account hold.
    pub fn of(&self, account: Id) -> Held {
        self.held.get(&account).copied().unwrap_or_default()
    }

    /// A zone of an account holds `after` where it held `before`; a zone that comes or goes held or holds nothing.
    pub fn turn(&mut self, account: Id, before: Held, after: Held) {
        if before == after {
            return;
        }
        let all = self.of(account).without(before).with(after);
        match all == Held::default() {
            true => self.held.remove(&account),
            false => self.held.insert(account, all),
        };
    }
}

impl Held {
    fn with(self, more: Self) -> Self {
        let (apps, origins) = (self.apps.apps + more.apps.apps, self.apps.origins + more.apps.origins);
        Self { names: self.names + more.names, apps: AppCount { apps, origins } }
    }

    fn without(self, less: Self) -> Self {
        let apps = self.apps.apps.saturating_sub(less.apps.apps);
        let origins = self.apps.origins.saturating_sub(less.apps.origins);
        Self { names: self.names.saturating_sub(less.names), apps: AppCount { apps, origins } }
    }
}

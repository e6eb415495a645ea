//! Who holds how much of one bounded thing (sessions, half-open slots, UDP flows, resting source ports), so that one app
//! or account cannot take it all.
//!
//! Below four fifths of the capacity everybody is let in; above, an app that holds its share already is refused, and so
//! is an account. Two counters move at the beginning and two at the end of a holding: about 30 instructions together.

use crate::base::limits::{ACCOUNTS_MAX, APPS_MAX};
use crate::base::{AccountSlot, AppSlot, DropReason};

/// Tenths of the capacity from which shares are looked at.
const CROWDED_TENTHS: u64 = 8;

/// How much of everything one app and one account may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharePercents {
    /// An app; 100: all.
    pub app: u8,
    /// An account; 100: all.
    pub account: u8,
}

impl SharePercents {
    /// Nobody is kept from anything.
    pub const ALL: Self = Self { app: 100, account: 100 };
}

/// Who holds something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// The app.
    pub app: AppSlot,
    /// Its account.
    pub account: AccountSlot,
}

/// The holdings of one thing on one worker.
pub struct Share {
    crowded: u32,
    app_max: u32,
    account_max: u32,
    used: u32,
    apps: Box<[u32]>,
    accounts: Box<[u32]>,
}

impl Share {
    /// Nobody holds any of `capacity`. Zeroed memory for all slots that there may be, touched as slots are used.
    pub fn new(capacity: u32, percents: SharePercents) -> Self {
        let part = |of: u64, all: u64| (u64::from(capacity) * of / all).max(1) as u32;
        let most = |percent: u8| if percent >= 100 { u32::MAX } else { part(percent.into(), 100) };
        Self {
            crowded: part(CROWDED_TENTHS, 10),
            app_max: most(percents.app),
            account_max: most(percents.account),
            used: 0,
            apps: vec![0; APPS_MAX].into_boxed_slice(),
            accounts: vec![0; ACCOUNTS_MAX].into_boxed_slice(),
        }
    }

    /// Why `tenant` may not have one more; `None` when it may.
    #[inline]
    pub fn refusal(&self, tenant: Tenant) -> Option<DropReason> {
        if self.used < self.crowded {
            return None;
        }
        if self.held_by(tenant.app) >= self.app_max {
            return Some(DropReason::AppShare);
        }
        let account = self.accounts.get(tenant.account.index()).copied().unwrap_or(0);
        (account >= self.account_max).then_some(DropReason::AccountShare)
    }

    /// Notes that `tenant` has one more.
    #[inline]
    pub fn take(&mut self, tenant: Tenant) {
        self.used += 1;
        if let Some(count) = self.apps.get_mut(tenant.app.index()) {
            *count += 1;
        }
        if let Some(count) = self.accounts.get_mut(tenant.account.index()) {
            *count += 1;
        }
    }

    /// Notes that `tenant` has one less.
    #[inline]
    pub fn give_back(&mut self, tenant: Tenant) {
        self.used = self.used.saturating_sub(1);
        if let Some(count) = self.apps.get_mut(tenant.app.index()) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.accounts.get_mut(tenant.account.index()) {
            *count = count.saturating_sub(1);
        }
    }

    /// What an app holds.
    #[inline]
    pub fn held_by(&self, app: AppSlot) -> u32 {
        self.apps.get(app.index()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(app: u32, account: u32) -> Tenant {
        Tenant { app: AppSlot(app), account: AccountSlot(account) }
    }

    fn fill(share: &mut Share, tenant: Tenant, count: usize) -> usize {
        (0..count)
            .take_while(|_| share.refusal(tenant).is_none().then(|| share.take(tenant)).is_some())
            .count()
    }

    #[test]
    fn an_app_has_a_quarter_and_an_account_half_once_most_is_used() {
        let mut share = Share::new(100, SharePercents { app: 25, account: 50 });
        assert_eq!(fill(&mut share, tenant(0, 0), 100), 80, "alone it may have four fifths");
        assert_eq!(share.refusal(tenant(0, 0)), Some(DropReason::AppShare));
        assert_eq!(share.refusal(tenant(1, 0)), Some(DropReason::AccountShare));
        assert_eq!(fill(&mut share, tenant(2, 1), 20), 20, "another account has what is left, unto full");
        (0..60).for_each(|_| share.give_back(tenant(0, 0)));
        assert_eq!(fill(&mut share, tenant(1, 0), 100), 40, "below the mark everybody is let in");
        assert_eq!(share.refusal(tenant(0, 0)), Some(DropReason::AccountShare));
    }

    #[test]
    fn a_whole_share_refuses_nobody() {
        let mut share = Share::new(10, SharePercents::ALL);
        assert_eq!(fill(&mut share, tenant(7, 7), 10), 10);
    }

    #[test]
    fn nothing_leaks_however_often_it_is_taken_and_given_back() {
        let mut share = Share::new(4, SharePercents { app: 25, account: 50 });
        for round in 0..1_000 {
            share.take(tenant(round % 3, 0));
            share.give_back(tenant(round % 3, 0));
        }
        assert_eq!((share.used, share.held_by(AppSlot(0))), (0, 0));
        assert_eq!(fill(&mut share, tenant(0, 0), 4), 3);
    }
}

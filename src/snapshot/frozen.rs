//! One snapshot: the value that a worker holds until the next one comes.

use crate::base::limits::JUDGED_APPS_MAX;
use crate::base::{Addr, AppSlot, Epoch};
use crate::firewall::{Judgement, Rules, WhenceMap};
use crate::table::{App, Table};
use crate::telemetry::FirewallMatch;
use crate::tls::TlsTable;
use std::collections::BTreeSet;
use std::sync::Arc;

/// All that a worker reads of the live config. Parts that did not change are shared with the one before.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its number.
    pub epoch: Epoch,
    /// The number of the last one that may say something else of any live session.
    pub judging: Epoch,
    /// Apps that were edited since: of their sessions it may, too. Sorted, and `JUDGED_APPS_MAX` at most.
    pub edited: Arc<[AppSlot]>,
    /// Prefixes and apps.
    pub table: Arc<Table>,
    /// Access rules.
    pub rules: Arc<Rules>,
    /// Where addresses come from.
    pub whences: Arc<WhenceMap>,
    /// Certificates and trust of apps with TLS.
    pub tls: Arc<TlsTable>,
    /// Whether the process drains: no new connection is taken (`DropReason::Draining`), old ones finish. Publishing a
    /// snapshot with this set is how control starts the drain.
    pub draining: bool,
}

impl Snapshot {
    /// Epoch 0: nothing onboarded, what workers start with.
    pub fn empty() -> Self {
        let (table, rules) = (Arc::new(Table::empty()), Arc::new(Rules::empty()));
        Self {
            epoch: Epoch(0),
            judging: Epoch(0),
            edited: Arc::new([]),
            table,
            rules,
            whences: Arc::default(),
            tls: Arc::default(),
            draining: false,
        }
    }

    /// Whether a session of `app` that was judged under `epoch` is to be judged again.
    #[inline]
    pub fn judges(&self, app: AppSlot, epoch: Epoch) -> bool {
        epoch != self.judging || self.edited.binary_search(&app).is_ok()
    }

    /// What it says of live sessions, once `slots` were edited besides.
    pub(super) fn with_edited(self, slots: impl Iterator<Item = AppSlot>) -> Self {
        let all: BTreeSet<AppSlot> = self.edited.iter().copied().chain(slots).collect();
        match all.len() <= JUDGED_APPS_MAX {
            true => Self { edited: all.into_iter().collect(), ..self },
            false => Self { edited: Arc::new([]), judging: self.epoch, ..self },
        }
    }

    /// What the access rules say of a client of `app`; nothing where its `ip_firewall` is off.
    #[inline]
    pub fn judge(&self, app: &App, src: Addr) -> Judgement {
        match app.ip_firewall {
            true => self.rules.judge(app.zone, src, &self.whences),
            false => Judgement::Pass(FirewallMatch::Unknown),
        }
    }
}

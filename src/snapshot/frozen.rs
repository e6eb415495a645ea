//! One snapshot: the value that a worker holds until the next one comes.

use crate::base::{Addr, Epoch};
use crate::firewall::{Judgement, Rules, WhenceMap};
use crate::table::{App, Table};
use crate::telemetry::FirewallMatch;
use crate::tls::TlsTable;
use std::sync::Arc;

/// All that a worker reads of the live config. Parts that did not change are shared with the one before.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its number.
    pub epoch: Epoch,
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
        Self { epoch: Epoch(0), table, rules, whences: Arc::default(), tls: Arc::default(), draining: false }
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

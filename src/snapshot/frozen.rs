//! One snapshot: the value that a worker holds until the next one comes.

use crate::base::Epoch;
use crate::firewall::Rules;
use crate::table::Table;
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
    /// Whether the process drains: no new connection is taken (`DropReason::Draining`), old ones finish. Publishing a
    /// snapshot with this set is how control starts the drain.
    pub draining: bool,
}

impl Snapshot {
    /// Epoch 0: nothing onboarded, what workers start with.
    pub fn empty() -> Self {
        let (table, rules) = (Arc::new(Table::empty()), Arc::new(Rules::empty()));
        Self { epoch: Epoch(0), table, rules, draining: false }
    }
}

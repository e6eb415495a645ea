//! New origins for a table in force: an answer of the name servers changed, or an origin went down or came back.
//! Only the apps concerned are made anew; everything else is shared with the snapshot before.

use super::compile::{Compiled, Compiler};
use super::frozen::Snapshot;
use super::live_spec::LiveSpec;
use crate::base::{AppSlot, Epoch};
use crate::table::{OriginBook, Origins};
use std::sync::Arc;

impl Compiler {
    /// Takes `book` up, and makes a snapshot of the next epoch for it where it changes an app of `last`, which is in
    /// force and came of `spec`; `None` where nothing changes. To be published at once: there is nothing to commit.
    pub fn reorigin(
        &mut self,
        book: Arc<OriginBook>,
        spec: &LiveSpec,
        last: &Compiled,
    ) -> Option<Arc<Snapshot>> {
        self.origins = book;
        let table = &last.snapshot.table;
        let apps = spec.zones().flat_map(|(_, zone)| &zone.apps).zip(last.apps.iter());
        let moving = apps.filter(|(app, _)| OriginBook::moves(app));
        let changes: Vec<(AppSlot, Origins)> = moving
            .filter_map(|(app, report)| {
                let old = table.app(report.slot?)?;
                let new = self.origins.origins(app, table.prefixes());
                let same = old.origins == new.list && old.weights == new.weights && old.no_origin == new.none;
                (!same).then_some((old.slot, new))
            })
            .collect();
        if changes.is_empty() {
            return None;
        }
        self.epoch = Epoch(self.epoch.0 + 1);
        let table = Arc::new(table.with_origins(changes));
        Some(Arc::new(Snapshot { epoch: self.epoch, table, ..Snapshot::clone(&last.snapshot) }))
    }
}

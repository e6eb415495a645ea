//! Edits that lie over what was compiled are worked into bases of their own, beside the loop, before they are many.

use super::fleet::Fleet;
use super::log;
use super::reloads::Reloads;
use crate::base::Instant;
use crate::base::limits::RULE_EDITS_MERGE;
use crate::snapshot::{LimitError, Merged, Snapshot};
use crate::table::{Fill, MergedPlaces};
use std::sync::Arc;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// What is on its way.
#[derive(Default)]
pub(super) struct Merging {
    rules: Option<oneshot::Receiver<Merged>>,
    places: Option<oneshot::Receiver<MergedPlaces>>,
}

impl Reloads {
    /// Starts what is due, and publishes what is done; to be called at every tick.
    pub fn merge(&mut self, fleet: &mut Fleet, now: Instant) {
        let Some(workshop) = &self.workshop else { return };
        let last = &self.loaded.compiled.snapshot;
        if self.merging.rules.is_none() && last.rules.edits_len() >= RULE_EDITS_MERGE {
            self.merging.rules = Some(beside(workshop.compiler.merge_job(last)));
        }
        if self.merging.places.is_none() && last.table.fill() != Fill::Little {
            self.merging.places = Some(beside(workshop.compiler.merge_places_job(last)));
        }
        if let Some(merged) = done(&mut self.merging.rules) {
            self.take(workshop.compiler.rebase(last, merged), fleet, now);
        }
        let Some(workshop) = &self.workshop else { return };
        let last = &self.loaded.compiled.snapshot;
        if let Some(merged) = done(&mut self.merging.places) {
            self.take(workshop.compiler.rebase_places(last, merged), fleet, now);
        }
    }

    fn take(&mut self, rebased: Result<Option<Arc<Snapshot>>, LimitError>, fleet: &mut Fleet, now: Instant) {
        match rebased {
            Ok(Some(snapshot)) => self.publish_rules(snapshot, Vec::new(), fleet, now),
            // Everything was compiled anew meanwhile.
            Ok(None) => {}
            Err(limit) => {
                log::error(format_args!("edits: {limit}; the table is compiled whole"));
                self.start(None);
            }
        }
    }
}

fn beside<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, merging) = oneshot::channel();
    // Whoever waits may have gone: the process ends.
    tokio::task::spawn_blocking(move || drop(done.send(job())));
    merging
}

/// What a job came to, once it has ended.
fn done<T>(merging: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    match merging.as_mut()?.try_recv() {
        Err(TryRecvError::Empty) => None,
        Err(TryRecvError::Closed) => {
            *merging = None;
            None
        }
        Ok(merged) => {
            *merging = None;
            Some(merged)
        }
    }
}

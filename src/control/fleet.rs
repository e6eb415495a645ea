//! All workers as control sees them: pages, mail, and the way for snapshots.

use crate::base::{Epoch, WorkerId};
use crate::snapshot::{Command, ControlMail, Snapshot, SnapshotPublisher};
use crate::telemetry::{Counter, Event, Gauge, PageReader};
use std::sync::Arc;

/// The threads behind the workers; whoever launched them knows.
pub trait Crew: Send {
    /// A worker whose thread is over, and why, in words; the first one.
    fn fallen(&mut self) -> Option<(WorkerId, String)>;
    /// Whether all threads are over.
    fn all_gone(&mut self) -> bool;
}

/// All workers.
pub struct Fleet {
    /// Their numbers, by id.
    pub pages: Vec<PageReader>,
    mails: Vec<ControlMail>,
    publisher: SnapshotPublisher,
    crew: Box<dyn Crew>,
}

impl Fleet {
    /// Pages and mails in the order of the workers' ids.
    pub fn new(
        pages: Vec<PageReader>,
        mails: Vec<ControlMail>,
        publisher: SnapshotPublisher,
        crew: Box<dyn Crew>,
    ) -> Self {
        assert_eq!(pages.len(), mails.len(), "every worker has a page and a mailbox");
        Self { pages, mails, publisher, crew }
    }

    /// Sends a snapshot to all.
    pub fn publish(&mut self, snapshot: Arc<Snapshot>) {
        self.publisher.publish(snapshot);
    }

    /// Drops what the workers gave back.
    pub fn collect(&mut self) {
        self.publisher.collect();
    }

    /// Whether every worker turns under `epoch` or a newer one.
    pub fn runs(&self, epoch: Epoch) -> bool {
        self.pages.iter().all(|page| page.epoch() >= epoch && page.turns() > 0)
    }

    /// Sends a command to all; the ids of those whose mailbox was full.
    pub fn tell_all(&self, command: Command) -> Vec<WorkerId> {
        let full = |(id, mail): (u8, &ControlMail)| mail.send(command).is_err().then_some(WorkerId(id));
        (0..).zip(&self.mails).filter_map(full).collect()
    }

    /// One worker's mail.
    pub fn mail(&self, worker: usize) -> Option<&ControlMail> {
        self.mails.get(worker)
    }

    /// Everything that workers reported, oldest first for each worker; at most `max`.
    pub fn events(&self, max: usize) -> impl Iterator<Item = Event> + '_ {
        let each = self.mails.iter().flat_map(|mail| std::iter::from_fn(|| mail.event()));
        each.take(max)
    }

    /// Sessions of all workers, UDP's among them.
    pub fn sessions(&self) -> u64 {
        self.pages.iter().map(|page| page.gauge(Gauge::Sessions) + page.gauge(Gauge::UdpSessions)).sum()
    }

    /// Events that workers could not send.
    pub fn lost_events(&self) -> u64 {
        const LOST: [Counter; 4] =
            [Counter::LostConnects, Counter::LostDisconnects, Counter::LostFiltered, Counter::LostErrors];
        self.pages.iter().flat_map(|page| LOST.map(|counter| page.counter(counter))).sum()
    }

    /// A worker whose thread is over.
    pub fn fallen(&mut self) -> Option<(WorkerId, String)> {
        self.crew.fallen()
    }

    /// Whether all threads are over.
    pub fn all_gone(&mut self) -> bool {
        self.crew.all_gone()
    }
}

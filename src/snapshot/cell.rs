//! How a snapshot reaches the workers: no lock, no allocation, and the last drop is always control's.
//!
//! ```text
//!               epoch word (one for all) ------------------------> poll: one load when nothing moved
//!  control      queue of new snapshots, one a worker ------------>  worker
//!  (publish)    queue of old snapshots, one a worker <------------  (poll)
//! ```
//!
//! Snapshots in a worker's keeping are bounded: `SNAPSHOTS_IN_FLIGHT_MAX` waiting and the one it holds; when it does
//! not look, the oldest waiting one is taken back. Control empties the way home before each publish, so that the queue
//! of old snapshots cannot be full.

use super::frozen::Snapshot;
use crate::base::Epoch;
use crate::base::limits::SNAPSHOTS_IN_FLIGHT_MAX;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Old snapshots on their way home: all that waited and the one that was held, twice over.
const HOME_SLOTS: usize = 2 * (SNAPSHOTS_IN_FLIGHT_MAX + 1);

/// What one worker and control share.
#[derive(Debug)]
struct Lane {
    new: ArrayQueue<Arc<Snapshot>>,
    old: ArrayQueue<Arc<Snapshot>>,
}

/// Control's end.
#[derive(Debug)]
pub struct SnapshotPublisher {
    epoch: Arc<AtomicU64>,
    lanes: Box<[Arc<Lane>]>,
}

/// A worker's end.
#[derive(Debug)]
pub struct SnapshotReader {
    epoch: Arc<AtomicU64>,
    lane: Arc<Lane>,
    seen: u64,
    held: Arc<Snapshot>,
}

/// A cell for `workers` workers that all hold `first`.
pub fn cell(first: Snapshot, workers: usize) -> (SnapshotPublisher, Vec<SnapshotReader>) {
    let epoch = Arc::new(AtomicU64::new(first.epoch.0));
    let first = Arc::new(first);
    let lane = || {
        let (new, old) = (ArrayQueue::new(SNAPSHOTS_IN_FLIGHT_MAX), ArrayQueue::new(HOME_SLOTS));
        Arc::new(Lane { new, old })
    };
    let lanes: Box<[Arc<Lane>]> = (0..workers).map(|_| lane()).collect();
    let reader = |lane: &Arc<Lane>| SnapshotReader {
        epoch: epoch.clone(),
        lane: lane.clone(),
        seen: first.epoch.0,
        held: first.clone(),
    };
    let readers = lanes.iter().map(reader).collect();
    (SnapshotPublisher { epoch, lanes }, readers)
}

impl SnapshotPublisher {
    /// Sends `snapshot` to every worker. Its epoch must be newer than the last one's.
    pub fn publish(&mut self, snapshot: Arc<Snapshot>) {
        let epoch = snapshot.epoch.0;
        assert!(epoch > self.epoch.load(Ordering::Relaxed), "epochs only grow");
        self.collect();
        for lane in &self.lanes {
            drop(lane.new.force_push(snapshot.clone()));
        }
        // Release: whoever sees the new number finds the snapshot in its queue.
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Drops the snapshots that workers gave back; to be called now and then, so that old tables do not linger.
    pub fn collect(&mut self) {
        for lane in &self.lanes {
            while lane.old.pop().is_some() {}
        }
    }

    /// The last epoch that was published. Whether a worker took it, its page tells.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }
}

impl SnapshotReader {
    /// Takes the newest snapshot; `true` when it is another one than before. One load when nothing moved.
    #[inline]
    pub fn poll(&mut self) -> bool {
        let epoch = self.epoch.load(Ordering::Acquire);
        epoch != self.seen && self.take()
    }

    /// Whether `poll` has something to look for. One load.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.epoch.load(Ordering::Acquire) != self.seen
    }

    #[cold]
    fn take(&mut self) -> bool {
        let mut moved = false;
        while let Some(snapshot) = self.lane.new.pop() {
            let old = std::mem::replace(&mut self.held, snapshot);
            // Never full (see above); were it ever, the drop happens here.
            drop(self.lane.old.push(old));
            moved = true;
        }
        self.seen = self.held.epoch.0;
        moved
    }

    /// The snapshot in force. Whoever clones the `Arc` must not be the last to drop it on a worker.
    #[inline]
    pub const fn current(&self) -> &Arc<Snapshot> {
        &self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn numbered(epoch: u64) -> Snapshot {
        Snapshot { epoch: Epoch(epoch), ..Snapshot::empty() }
    }

    #[test]
    fn a_reader_sees_the_newest_and_gives_the_old_ones_back() {
        let (mut publisher, mut readers) = cell(numbered(0), 2);
        assert!(!readers[0].poll());
        let published: Vec<_> = (1..=20).map(|epoch| Arc::new(numbered(epoch))).collect();
        for snapshot in &published {
            publisher.publish(snapshot.clone());
        }
        assert!(readers[0].poll() && !readers[0].poll());
        assert_eq!(readers[0].current().epoch, Epoch(20));
        // The second worker never looked: four wait for it, the others went back to control.
        publisher.collect();
        let holders: Vec<_> = published.iter().map(|snapshot| Arc::strong_count(snapshot) - 1).collect();
        assert_eq!(holders[..16].iter().sum::<usize>(), 0);
        assert_eq!(holders[16..], [1, 1, 1, 2]);
    }

    #[test]
    fn the_last_drop_is_never_a_workers() {
        let (mut publisher, readers) = cell(numbered(0), 2);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for mut reader in readers {
                let stop = &stop;
                scope.spawn(move || {
                    let mut last = Epoch(0);
                    while !stop.load(Ordering::Relaxed) {
                        if reader.poll() {
                            let epoch = reader.current().epoch;
                            assert!(epoch > last, "epochs went back");
                            last = epoch;
                        }
                        std::thread::yield_now();
                    }
                    reader.poll();
                    assert_eq!(reader.current().epoch, Epoch(5_000));
                });
            }
            for epoch in 1..=5_000 {
                let snapshot = Arc::new(numbered(epoch));
                let watch = Arc::downgrade(&snapshot);
                publisher.publish(snapshot);
                assert!(watch.upgrade().is_some(), "workers hold what was just published");
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}

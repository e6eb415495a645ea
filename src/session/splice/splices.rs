//! All spliced sessions of one worker: records, their timers, and which are free. Made at launch.

use super::record::Record;
use crate::base::{Instant, Wheel};
use crate::flow::{LegRef, Side};
use crate::wire::FlowKey;
use dpdk_sys::cpu;

/// The spliced sessions of one worker.
pub struct Splices {
    pub(in crate::session) records: Box<[Record]>,
    pub(in crate::session) free: Vec<u32>,
    pub(in crate::session) wheel: Wheel,
    pub(in crate::session) sweep_cursor: u32,
}

impl Splices {
    /// Room for `count` sessions.
    pub fn new(count: u32, now: Instant) -> Self {
        Self {
            records: (0..count).map(|_| Record::vacant()).collect(),
            free: (0..count).rev().collect(),
            wheel: Wheel::with_capacity(count as usize, now),
            sweep_cursor: 0,
        }
    }

    /// Whether this leg's frames bear this key.
    #[inline(always)]
    pub fn hold(&self, leg: LegRef, key: &FlowKey) -> bool {
        let record = self.records.get(leg.session() as usize);
        record.is_some_and(|record| record.is_of(leg.side(), key))
    }

    /// Asks the cache for a session's record.
    #[inline]
    pub fn prefetch(&self, id: u32) {
        if let Some(record) = self.records.get(id as usize) {
            cpu::prefetch(record);
            cpu::prefetch(&record.lanes[Side::Client.index()]);
            cpu::prefetch(&record.moved_at);
        }
    }

    /// Slots, taken or not.
    pub fn slots(&self) -> u32 {
        self.records.len() as u32
    }

    /// Sessions alive.
    pub fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }
}

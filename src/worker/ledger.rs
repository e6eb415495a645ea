//! The balance of frames: each one taken in has exactly one fate, each one pushed out is sent, waits or is counted.
//!
//! ```text
//!  in:   received + taken       == sent + absorbed + handed + dropped
//!  out:  sent + made            == transmitted + waiting (queues, neighbours) + lost
//! ```

use crate::base::{DropReason, Fate};

/// One worker's frames since launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Frames received from ports.
    pub received: u64,
    /// Frames taken from the hand-over ring.
    pub taken: u64,
    /// Received frames that went out again.
    pub sent: u64,
    /// Received frames that were read and done with.
    pub absorbed: u64,
    /// Received frames given to another worker.
    pub handed: u64,
    /// Received frames dropped by name.
    pub dropped: u64,
    /// Frames that this worker made.
    pub made: u64,
    /// Frames that a port took for transmission.
    pub transmitted: u64,
    /// Outgoing frames lost: transmit queue full, neighbour unresolved.
    pub lost: u64,
}

/// Received frames that are dropped one after the other for one reason, booked together.
#[derive(Debug)]
pub struct Drops {
    reason: DropReason,
    count: u64,
}

impl Drops {
    /// None yet.
    pub const NONE: Self = Self { reason: DropReason::NoApp, count: 0 };

    /// Counts one more; `settle` is given those that were for another reason, with their number.
    #[inline]
    pub fn count(&mut self, reason: DropReason, settle: impl FnOnce(DropReason, u64)) {
        if reason != self.reason {
            self.settle(settle);
            self.reason = reason;
        }
        self.count += 1;
    }

    /// Gives what was counted to `settle`, and begins anew.
    pub fn settle(&mut self, settle: impl FnOnce(DropReason, u64)) {
        let count = std::mem::take(&mut self.count);
        if count != 0 {
            settle(self.reason, count);
        }
    }
}

impl Ledger {
    /// Books the end of one received frame.
    #[inline]
    pub fn book(&mut self, fate: Fate) {
        match fate {
            Fate::Sent => self.sent += 1,
            Fate::Absorbed => self.absorbed += 1,
            Fate::HandedOver(_) => self.handed += 1,
            Fate::Dropped(_) => self.dropped += 1,
        }
    }

    /// Whether every frame taken in has its one fate; true between turns.
    pub const fn inward_balances(&self) -> bool {
        self.received + self.taken == self.sent + self.absorbed + self.handed + self.dropped
    }

    /// Whether every frame pushed out is accounted for, when `waiting` of them are still held.
    pub const fn outward_balances(&self, waiting: u64) -> bool {
        self.sent + self.made == self.transmitted + waiting + self.lost
    }
}

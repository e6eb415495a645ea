//! What became of a frame. Every frame that a worker takes in ends in exactly one fate; the ledger balances them.

use super::{DropReason, WorkerId};

/// The end of one received frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Its buffer went out again (an echo reply, a neighbour answer, a spliced segment).
    Sent,
    /// Read and done with: a session, the neighbour table or a counter took what it said.
    Absorbed,
    /// Handed to the worker that owns its flow.
    HandedOver(WorkerId),
    /// Dropped, by name.
    Dropped(DropReason),
}

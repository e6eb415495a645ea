//! How workers speak to each other: frames whose flow lives elsewhere, and what worker 0 learns of neighbours.
//!
//! ```text
//!             frames (bounded, full = HandoverFull)
//!  worker a ------------------------------------------> worker b's inbox
//!             notices (bounded apart, so that a flood of frames loses no neighbour)
//! ```
//!
//! An inbox has many writers and one reader. Nothing waits: a full queue is an answer.

use crate::base::limits::{HANDOVER_SLOTS_MAX, NEIGHBORS_MAX};
use crate::base::{Addr, PortId, WorkerId};
use crate::wire::Parsed;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

/// A received frame with what `wire` found in it, so that its owner does not parse it again.
#[derive(Debug)]
pub struct Arrival<F> {
    /// The frame.
    pub frame: F,
    /// Where it came in.
    pub port: PortId,
    /// What it carries.
    pub parsed: Parsed,
}

/// A word between workers that is not a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Worker 0 to all: this host has this hardware address, or does not answer.
    Neighbor(NeighborUpdate),
    /// To worker 0: `from` needs this host.
    Resolve {
        /// Who asks.
        from: WorkerId,
        /// The port it is reached through.
        port: PortId,
        /// The on-link host.
        addr: Addr,
    },
}

/// What worker 0 found out about an on-link host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborUpdate {
    /// The port it is reached through.
    pub port: PortId,
    /// The host.
    pub addr: Addr,
    /// Its hardware address; `None` when it does not answer.
    pub mac: Option<[u8; 6]>,
}

/// Everything that one worker may say to another.
#[derive(Debug)]
pub enum Handover<F> {
    /// A frame whose flow the receiver owns.
    Frame(Arrival<F>),
    /// A word about neighbours.
    Notice(Notice),
}

#[derive(Debug)]
struct Inbox<F> {
    frames: ArrayQueue<Arrival<F>>,
    notices: ArrayQueue<Notice>,
}

/// One worker's ends of all rings: its own inbox, and the way into the others'.
#[derive(Debug)]
pub struct HandoverEnds<F> {
    own: WorkerId,
    inboxes: Arc<[Inbox<F>]>,
}

/// The ends for `workers` workers, in their order.
pub fn handover_rings<F>(workers: u8) -> Vec<HandoverEnds<F>> {
    let slots = if workers > 1 { HANDOVER_SLOTS_MAX } else { 1 };
    let inboxes: Arc<[Inbox<F>]> = (0..workers)
        .map(|_| Inbox { frames: ArrayQueue::new(slots), notices: ArrayQueue::new(NEIGHBORS_MAX) })
        .collect();
    (0..workers).map(|id| HandoverEnds { own: WorkerId(id), inboxes: Arc::clone(&inboxes) }).collect()
}

impl<F> HandoverEnds<F> {
    /// Says `message` to worker `to`; gives it back when its queue is full.
    pub fn send(&self, to: WorkerId, message: Handover<F>) -> Result<(), Handover<F>> {
        let inbox = &self.inboxes[to.index()];
        match message {
            Handover::Frame(arrival) => inbox.frames.push(arrival).map_err(Handover::Frame),
            Handover::Notice(notice) => inbox.notices.push(notice).map_err(Handover::Notice),
        }
    }

    /// The next frame from another worker.
    #[inline]
    pub fn next_frame(&self) -> Option<Arrival<F>> {
        taken(&self.inboxes[self.own.index()].frames)
    }

    /// The next word from another worker.
    #[inline]
    pub fn next_notice(&self) -> Option<Notice> {
        taken(&self.inboxes[self.own.index()].notices)
    }

    /// The other workers.
    pub fn peers(&self) -> impl Iterator<Item = WorkerId> + use<F> {
        let own = self.own;
        (0..self.inboxes.len() as u8).map(WorkerId).filter(move |id| *id != own)
    }

    /// How many frames wait in the own inbox (a gauge).
    pub fn waiting(&self) -> usize {
        self.inboxes[self.own.index()].frames.len()
    }
}

/// What waits first. A look before it is taken, for taking from an empty queue costs a fence, and they are empty in most
/// turns.
#[inline]
fn taken<T>(queue: &ArrayQueue<T>) -> Option<T> {
    if queue.is_empty() { None } else { queue.pop() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(number: u16) -> Handover<u16> {
        Handover::Frame(Arrival { frame: number, port: PortId(0), parsed: Parsed::Arp { offset: 14 } })
    }

    #[test]
    fn a_full_inbox_gives_the_frame_back_and_still_takes_notices() {
        let ends = handover_rings::<u16>(2);
        for number in 0..HANDOVER_SLOTS_MAX as u16 {
            ends[0].send(WorkerId(1), arrival(number)).expect("room");
        }
        assert!(matches!(ends[0].send(WorkerId(1), arrival(7)), Err(Handover::Frame(_))));
        let notice = Notice::Resolve { from: WorkerId(0), port: PortId(0), addr: Addr::v4([10, 0, 0, 1]) };
        ends[0].send(WorkerId(1), Handover::Notice(notice)).expect("room for notices");
        assert_eq!(ends[1].next_notice(), Some(notice));
        assert_eq!(ends[1].next_frame().map(|arrival| arrival.frame), Some(0));
        assert!(ends[0].next_frame().is_none());
        assert_eq!(ends[0].peers().collect::<Vec<_>>(), [WorkerId(1)]);
    }
}

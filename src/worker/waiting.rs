//! Frames that wait for a next hop's answer: few per hop (`NEIGHBOR_QUEUE_MAX`), few in all.
//!
//! When a hop's places are full its oldest frame makes room (RFC 1122 2.3.2.2 keeps the latest).

use crate::base::Hop;
use crate::base::limits::{NEIGHBOR_QUEUE_MAX, NEIGHBOR_WAITING_MAX};

/// The frames in waiting, in the order they came.
#[derive(Debug)]
pub struct Waiting<F> {
    frames: Vec<(Hop, F)>,
}

impl<F> Waiting<F> {
    /// All memory at once.
    pub fn new() -> Self {
        Self { frames: Vec::with_capacity(NEIGHBOR_WAITING_MAX) }
    }

    /// Keeps a frame for `hop`; what had to make room for it comes back, perhaps the frame itself.
    pub fn keep(&mut self, hop: Hop, frame: F) -> Option<F> {
        let of_hop = self.frames.iter().filter(|(held, _)| *held == hop).count();
        let loser = if of_hop >= NEIGHBOR_QUEUE_MAX { self.next_for(hop) } else { None };
        if self.frames.len() == NEIGHBOR_WAITING_MAX {
            return Some(frame);
        }
        self.frames.push((hop, frame));
        loser
    }

    /// The oldest frame that waits for `hop`.
    pub fn next_for(&mut self, hop: Hop) -> Option<F> {
        let at = self.frames.iter().position(|(held, _)| *held == hop)?;
        Some(self.frames.remove(at).1)
    }

    /// Frames in waiting.
    pub fn len(&self) -> usize {
        self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_frame_of_a_hop_makes_room_and_order_is_kept() {
        let mut waiting = Waiting::new();
        for frame in 0..NEIGHBOR_QUEUE_MAX {
            assert_eq!(waiting.keep(Hop(1), frame), None);
        }
        assert_eq!(waiting.keep(Hop(1), 99), Some(0));
        let out: Vec<_> = std::iter::from_fn(|| waiting.next_for(Hop(1))).collect();
        assert_eq!(out.last(), Some(&99));
        assert!(out.is_sorted());
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn no_more_than_the_bound_wait_in_all() {
        let mut waiting = Waiting::new();
        let kept = (0..1_000).filter(|frame| waiting.keep(Hop(*frame), *frame).is_none()).count();
        assert_eq!(kept, NEIGHBOR_WAITING_MAX);
    }
}

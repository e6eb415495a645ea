//! What a session has only while it is used: its seat, which a parked one has given up.
//!
//! A seat is, for each leg, a one-socket set with its receive buffer, a transmit ring and a sender. All are made at launch
//! and go from session to session. Who sits where is an array of its own, so that a leg's sender is found, and asked of the
//! cache, without a look at its session.

use super::Settings;
use super::sender::{Boards, Ring, Sender};
use super::stack::{self, Set};
use crate::flow::LegRef;
use dpdk_sys::cpu;
use smoltcp::socket::tcp::Socket;

/// The mark of a session without a seat.
const NONE: u32 = u32::MAX;

/// Two legs' senders, transmit buffers and sockets: the client's, the origin's. Eight cache lines.
#[repr(C, align(64))]
pub struct Seat {
    /// What is known of what was sent.
    pub senders: [Sender; 2],
    /// Bytes that wait to be sent or acknowledged.
    pub rings: [Ring; 2],
    /// Sockets with their receive buffers.
    pub sets: [Set; 2],
}

impl Seat {
    /// With buffers as large as the settings say. Allocates; only at launch.
    fn new(settings: &Settings) -> Self {
        let set = || stack::socket_set(settings.rx_buffer_bytes);
        let ring = || Ring::new(settings.tx_buffer_bytes);
        Self { senders: [Sender::vacant(), Sender::vacant()], rings: [ring(), ring()], sets: [set(), set()] }
    }
}

/// All seats of a worker, and who has which.
pub struct Seats {
    of: Box<[u32]>,
    seats: Box<[Seat]>,
    free: Vec<u32>,
}

impl Seats {
    /// `seats` for at most `sessions`, all free.
    pub fn new(sessions: usize, seats: usize, settings: &Settings) -> Self {
        Self {
            of: vec![NONE; sessions].into_boxed_slice(),
            seats: (0..seats).map(|_| Seat::new(settings)).collect(),
            free: (0..seats as u32).rev().collect(),
        }
    }

    /// A session's seat; `None` where it has none.
    #[inline]
    pub fn get(&self, id: u32) -> Option<&Seat> {
        self.seats.get(self.of[id as usize] as usize)
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Seat> {
        self.seats.get_mut(self.of[id as usize] as usize)
    }

    /// Asks the cache for a leg's sender.
    #[inline]
    pub fn prefetch(&self, at: LegRef) {
        if let Some(seat) = self.get(at.session()) {
            cpu::prefetch(&seat.senders[at.side().index()]);
        }
    }

    /// Whether a session has a seat.
    #[inline]
    pub fn has(&self, id: u32) -> bool {
        self.of[id as usize] != NONE
    }

    /// Whether all are taken.
    #[inline]
    pub const fn are_taken(&self) -> bool {
        self.free.is_empty()
    }

    /// Gives a session that has none a seat; `false` when all are taken.
    pub fn take(&mut self, id: u32) -> bool {
        let Some(seat) = self.free.pop() else { return false };
        self.of[id as usize] = seat;
        true
    }

    /// Drops what a leg's socket and sender hold, where it has them.
    pub fn clear(&mut self, at: LegRef, boards: &mut Boards) {
        if let Some(seat) = self.get_mut(at.session()) {
            seat.sets[at.side().index()].get_mut::<Socket>(stack::only()).abort();
            seat.senders[at.side().index()].end(boards);
        }
    }

    /// Takes a session's seat back, whose legs were cleared; `false` where it had none.
    pub fn leave(&mut self, id: u32) -> bool {
        let seat = std::mem::replace(&mut self.of[id as usize], NONE);
        if seat == NONE {
            return false;
        }
        self.free.push(seat);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::edge;

    #[test]
    fn a_seat_is_eight_cache_lines() {
        assert_eq!(size_of::<Seat>(), 512);
    }

    #[test]
    fn a_seat_goes_from_one_session_to_another_and_never_to_two() {
        let settings = edge::session_settings();
        let mut seats = Seats::new(3, 2, &settings);
        assert!(seats.take(0) && seats.take(2) && !seats.take(1) && seats.are_taken());
        assert!(seats.get(1).is_none() && seats.get_mut(1).is_none());
        let place = seats.of[2];
        assert_ne!(seats.of[0], place);
        assert!(seats.leave(2) && !seats.leave(2));
        assert!(!seats.has(2) && seats.take(1) && !seats.take(2));
        assert_eq!(seats.of[1], place);
    }
}

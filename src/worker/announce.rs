//! Telling the link who we are: gratuitous ARP (RFC 5227 2.3) and unsolicited neighbour advertisements (RFC 4861
//! 7.2.6) for the ports' own addresses and the egress addresses, at start and when a link comes up. Twice each, a
//! second apart; never for whole prefixes. A few a turn, so that hundreds of addresses do not hold the loop up.

use super::locals::Locals;
use crate::base::limits::ANNOUNCEMENTS_PER_TURN_MAX;
use crate::base::{Addr, Instant, PortId, Span};
use arrayvec::ArrayVec;

/// How often each address is announced (RFC 5227 1.1: ANNOUNCE_NUM).
const ROUNDS: u8 = 2;
/// Between two rounds; RFC 4861 10: RETRANS_TIMER.
const INTERVAL: Span = Span::from_secs(1);

/// What one turn announces.
pub(super) type Batch = ArrayVec<(PortId, Addr), ANNOUNCEMENTS_PER_TURN_MAX>;

/// How far each port's announcements are.
#[derive(Debug)]
pub(super) struct Announcements {
    ports: Vec<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    rounds_left: u8,
    /// Addresses of this round that are announced already.
    done: usize,
    due: Instant,
}

impl Announcements {
    /// Every port is due now.
    pub fn new(ports: usize, now: Instant) -> Self {
        Self { ports: vec![Progress { rounds_left: ROUNDS, done: 0, due: now }; ports] }
    }

    /// The link of `port` came up: all of its addresses again.
    pub fn restart(&mut self, port: PortId, now: Instant) {
        self.ports[port.index()] = Progress { rounds_left: ROUNDS, done: 0, due: now };
    }

    /// When the next is due; `None` when all is said.
    pub fn deadline(&self) -> Option<Instant> {
        self.ports.iter().filter(|port| port.rounds_left > 0).map(|port| port.due).min()
    }

    /// The addresses to announce in this turn.
    pub fn next(&mut self, locals: &Locals, now: Instant) -> Batch {
        let mut batch = Batch::new();
        for (index, progress) in self.ports.iter_mut().enumerate() {
            if progress.rounds_left == 0 || now < progress.due {
                continue;
            }
            let port = PortId(index as u8);
            let room = batch.remaining_capacity();
            let addrs = locals.announced_on(port).skip(progress.done).take(room);
            batch.extend(addrs.map(|addr| (port, addr)));
            progress.advance(room - batch.remaining_capacity(), room, now);
        }
        batch
    }
}

impl Progress {
    fn advance(&mut self, said: usize, room: usize, now: Instant) {
        if said == room {
            self.done += said;
            return;
        }
        *self = Self { rounds_left: self.rounds_left - 1, done: 0, due: now + INTERVAL };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::PortSettings;

    #[test]
    fn every_address_is_announced_twice_a_few_a_turn_and_again_when_the_link_comes_up() {
        let egress: Vec<Addr> = (0..40).map(|host| Addr::v4([10, 0, 0, 10 + host])).collect();
        let port = PortSettings {
            addresses: vec!["10.0.0.1/24".parse().expect("a net")],
            answer_neighbors_for_prefixes: true,
            static_neighbors: Vec::new(),
        };
        let locals = Locals::new(&[port], vec![None], &egress);
        let mut announcements = Announcements::new(1, Instant::ZERO);
        let at = |s| Instant::ZERO + Span::from_secs(s);
        let said = |announcements: &mut Announcements, s| -> usize {
            (0..10).map(|_| announcements.next(&locals, at(s)).len()).sum()
        };
        assert_eq!(said(&mut announcements, 0), 41);
        assert_eq!(announcements.deadline(), Some(at(1)));
        assert_eq!(said(&mut announcements, 1), 41);
        assert_eq!(announcements.deadline(), None);
        assert_eq!(said(&mut announcements, 9), 0);
        announcements.restart(PortId(0), at(20));
        assert_eq!(said(&mut announcements, 20), 41);
    }
}

//! A network on a virtual clock: machines with scripted clients and origins, links with faults, real workers.

mod chat;
mod datagrams;
mod host;
mod packet;
mod peer;
mod seal;
mod talk;
mod world;

pub use chat::{Answer, Chat, Form, Service};
pub use datagrams::{Datagrams, Tally};
pub use host::{Absence, Host};
pub use peer::{Outcome, Peer, Speech};
pub use seal::Seal;
pub use talk::{Ending, HEADER_LEN, Talk};
pub use world::{SimPort, Towards, Watch, World};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, Instant};

    const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

    /// Two hosts on one cable, no edge between them: the kit itself must be sound.
    #[test]
    fn every_ending_comes_to_its_end_over_a_bare_cable() {
        let mut client = Host::new(A, B, |addr| addr.is_v4(), false, 1);
        let mut origin = Host::new(B, A, |addr| addr.is_v4(), true, 2);
        let mut now = Instant::ZERO;
        let far = Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: 80 };
        for (id, ending) in (0..40).flat_map(|id| Ending::ALL.map(|ending| (id, ending))) {
            let near = Endpoint { addr: Addr::v4([10, 0, ending as u8, id as u8]), port: 4_000 };
            let talk = Talk { id, up: id * 501, down: id * 1_007, ending };
            client.connect(near, far, talk, now);
        }
        for _ in 0..20_000 {
            let frames: Vec<_> = client.sent().collect();
            frames.iter().for_each(|frame| origin.receive(frame, now));
            let frames: Vec<_> = origin.sent().collect();
            frames.iter().for_each(|frame| client.receive(frame, now));
            let Some(next) = [client.deadline(), origin.deadline()].into_iter().flatten().min() else {
                break;
            };
            now = now.max(next);
            client.tick(now);
            origin.tick(now);
        }
        assert_eq!(client.live().count() + origin.live().count(), 0);
        assert_eq!(client.ended.len(), 160);
        for (talk, outcome) in client.ended.iter().chain(&origin.ended) {
            let in_order = talk.is_some_and(|talk| talk.ending.in_order());
            assert!(!matches!(outcome, Outcome::Wrong(_) | Outcome::Talking), "{talk:?} {outcome:?}");
            assert!(*outcome == Outcome::Complete || !in_order, "{talk:?} {outcome:?}");
        }
    }
}

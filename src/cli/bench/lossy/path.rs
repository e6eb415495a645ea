//! A path from the edge to clients: a queue before a bottleneck, a delay, and chance.

use super::segment::Heard;
use crate::base::{Instant, Rng, Span};
use std::collections::VecDeque;

/// What a path is like.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Bits a second of the bottleneck.
    pub bits_per_s: u64,
    /// One way, behind the bottleneck.
    pub delay: Span,
    /// Bytes that wait for the bottleneck at most.
    pub queue_bytes: u64,
    /// Frames that get lost behind it, in a million.
    pub loss_ppm: u32,
}

/// Frames under way.
pub struct Path {
    terms: Terms,
    rng: Rng,
    /// When the bottleneck has sent all that waits.
    free_at: Instant,
    under_way: VecDeque<(Instant, Heard)>,
}

impl Path {
    /// An empty one.
    pub fn new(terms: Terms, seed: u64) -> Self {
        Self { terms, rng: Rng::new(seed), free_at: Instant::ZERO, under_way: VecDeque::new() }
    }

    /// Takes a frame, or loses it: where the queue is full, or by chance.
    pub fn carry(&mut self, heard: Heard, now: Instant) {
        let begins = self.free_at.max(now);
        let waiting = begins.since(now).nanos() * self.terms.bits_per_s / 8 / 1_000_000_000;
        if waiting + heard.wire_bytes > self.terms.queue_bytes {
            return;
        }
        self.free_at =
            begins + Span::from_nanos(heard.wire_bytes * 8 * 1_000_000_000 / self.terms.bits_per_s);
        if !self.rng.chance_ppm(self.terms.loss_ppm) {
            self.under_way.push_back((self.free_at + self.terms.delay, heard));
        }
    }

    /// When the next frame arrives.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// A frame that has arrived.
    pub fn arrived(&mut self, now: Instant) -> Option<Heard> {
        (self.next()? <= now).then(|| self.under_way.pop_front()).flatten().map(|(_, heard)| heard)
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::write;
    use super::*;
    use crate::base::{Addr, Endpoint};
    use crate::port::Frame;
    use crate::port::mem::{self, MemOptions};
    use crate::wire::{TcpEmit, TcpFlags};

    fn heard(payload_len: u16) -> Heard {
        let end = |last, port| Endpoint { addr: Addr::v4([192, 0, 2, last]), port };
        let said = TcpEmit {
            payload_len,
            ..TcpEmit::bare(end(1, 80), end(2, 1_024), TcpFlags(TcpFlags::ACK), (1, 1))
        };
        let (wire, _ports) = mem::link(MemOptions::default());
        let mut frame = wire.allocate().expect("a fresh pool has frames");
        write(&said, [2; 6], &mut frame);
        Heard::read(frame.bytes()).expect("a sound segment")
    }

    const TERMS: Terms =
        Terms { bits_per_s: 8_000_000, delay: Span::from_millis(10), queue_bytes: 2_000, loss_ppm: 0 };

    #[test]
    fn a_frame_arrives_after_its_bytes_and_the_delay() {
        let mut path = Path::new(TERMS, 1);
        let (frame, now) = (heard(922), Instant::ZERO);
        assert_eq!(frame.wire_bytes, 1_000);
        path.carry(frame, now);
        assert_eq!(path.next(), Some(now + Span::from_millis(11)));
        assert!(path.arrived(now + Span::from_millis(10)).is_none());
        assert!(path.arrived(now + Span::from_millis(11)).is_some());
    }

    #[test]
    fn what_does_not_fit_the_queue_is_lost() {
        let mut path = Path::new(TERMS, 1);
        (0..5).for_each(|_| path.carry(heard(922), Instant::ZERO));
        let late = Instant::ZERO + Span::from_secs(1);
        let arrived = std::iter::from_fn(|| path.arrived(late)).count();
        assert_eq!(arrived, 2);
    }

    #[test]
    fn chance_loses_its_share() {
        let mut path = Path::new(Terms { loss_ppm: 100_000, ..TERMS }, 7);
        let mut now = Instant::ZERO;
        for _ in 0..10_000 {
            now += Span::from_millis(1);
            path.carry(heard(922), now);
        }
        let arrived = std::iter::from_fn(|| path.arrived(now + Span::from_secs(1))).count();
        assert!((8_800..9_200).contains(&arrived), "{arrived} of 10,000");
    }
}

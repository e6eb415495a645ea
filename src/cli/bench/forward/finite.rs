//! One pass through the capture, held against what the plain road makes of the same frames: byte for byte.

use super::super::wire::Wire;
use super::crowd::{Crowd, Road};
use super::scenario::{MTU, Scenario};
use super::staged::StageHands;
use crate::base::Span;
use crate::base::limits::BURST_FRAMES_MAX;
use crate::port::mem::{self, MemOptions, MemPort};
use crate::port::{ChecksumOffload, Frame};
use crate::wire::{RxHints, parse};
use std::collections::HashSet;
use std::ops::Range;

/// The hardware address that DPDK's pcap driver gives its first port.
pub const PCAP_MAC: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00];
/// Flows that are compared: managed sessions are large.
pub const FLOWS_COMPARED_MAX: usize = 1_024;

/// The capture's frames, for a worker on a port in memory takes them as one on a capture does.
pub fn frames(scenario: Scenario, flows: usize) -> Vec<Vec<u8>> {
    Crowd::gather(scenario, flows, Road::Quick, port()).frames
}

/// What the plain road sends when each frame comes once.
pub fn plain_output(scenario: Scenario, flows: usize) -> Vec<Vec<u8>> {
    let Crowd { mut worker, frames, mut now, held } = Crowd::gather(scenario, flows, Road::Plain, port());
    let (mut hands, mut sent) = (StageHands, Vec::new());
    for burst in frames.chunks(BURST_FRAMES_MAX) {
        burst.iter().for_each(|frame| hands.put(&mut worker, frame));
        now += Span::from_micros(10);
        worker.turn(now);
        while let Some(frame) = hands.take(&mut worker) {
            sent.push(frame.bytes().to_vec());
        }
    }
    drop(held);
    of_capture(scenario, sent)
}

/// What became of the capture's frames, without what a worker says on its own account. Of the answers to SYNs that are sound,
/// what has to differ is left out: the number that is a cookie, the time, and so the checksum.
pub fn of_capture(scenario: Scenario, mut sent: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    const NUMBER: Range<usize> = 38..42;
    const CHECKSUM: Range<usize> = 50..52;
    const TIME: Range<usize> = 62..66;
    sent.retain(|frame| frame.len() == usize::from(scenario.frame_bytes()));
    let is_sound = |frame: &&mut Vec<u8>| parse(frame, &RxHints::default()).is_ok();
    if scenario == Scenario::Synflood {
        for frame in sent.iter_mut().filter(is_sound) {
            [NUMBER, CHECKSUM, TIME].into_iter().for_each(|field| frame[field].fill(0));
        }
    }
    sent
}

/// How two outputs differ; `None`: in nothing but their order.
pub fn difference(quick: &[Vec<u8>], plain: &[Vec<u8>]) -> Option<String> {
    let (ours, theirs): (HashSet<_>, HashSet<_>) = (quick.iter().collect(), plain.iter().collect());
    if quick.len() == plain.len() && ours == theirs {
        return None;
    }
    let (a, b) = (ours.difference(&theirs).next(), theirs.difference(&ours).next());
    Some(format!("{} frames against {}; {a:02x?} has no equal, nor has {b:02x?}", quick.len(), plain.len()))
}

fn port() -> MemPort {
    let checksum = ChecksumOffload::default();
    let options = MemOptions { mac: PCAP_MAC, mtu: MTU, checksum, ..MemOptions::default() };
    mem::link(options).1.remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spliced_relayed_and_answered_frames_are_those_of_the_plain_road() {
        for scenario in [Scenario::Splice, Scenario::Udp, Scenario::Synflood] {
            let flows = 64;
            let mut crowd = Crowd::gather(scenario, flows, Road::Quick, port());
            let mut sent = Vec::new();
            for round in 0..2 {
                sent.clear();
                for burst in crowd.frames.chunks(BURST_FRAMES_MAX) {
                    burst.iter().for_each(|frame| StageHands.put(&mut crowd.worker, frame));
                    crowd.worker.turn(crowd.now);
                }
                while let Some(frame) = StageHands.take(&mut crowd.worker) {
                    sent.push(frame.bytes().to_vec());
                }
                sent = of_capture(scenario, sent);
                assert_eq!(sent.len(), flows, "{scenario:?}");
                assert_eq!(
                    difference(&sent, &plain_output(scenario, flows)),
                    None,
                    "{scenario:?} in round {round}"
                );
            }
        }
    }

    #[test]
    fn outputs_that_differ_in_a_byte_are_told_apart() {
        let (a, b) = (vec![vec![1, 2]], vec![vec![1, 3]]);
        assert_eq!(difference(&a, &a), None);
        assert!(difference(&a, &b).is_some());
        assert!(difference(&a, &[]).is_some());
    }
}

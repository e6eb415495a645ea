//! The same talks twice over wires that lose: once with a port that cuts long segments as a card does, once without. Both
//! deliver the same bytes, and no frame on the wire is longer than the path takes. And twice again, once with segments judged
//! one by one, once with those that follow each other judged once: every frame is the same.

use crate::twice::plan;
use byway::base::{Instant, PortId, Rng, Span};
use byway::port::ChecksumOffload;
use byway::port::mem::{MemOptions, MemPort, link};
use byway::telemetry::Counter;
use byway::testkit::apps::spec;
use byway::testkit::edge::{EDGE_MAC, GATEWAY_MAC, edge, is_outside, settings};
use byway::testkit::net::{Host, Outcome, Towards, World};
use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

/// Seeds, every second of which loses one frame in a hundred.
const SEEDS: u64 = 24;
/// The longest frame: an Ethernet header and the MTU.
const FRAME_BYTES_MAX: usize = 1_514;
/// The clock's span within which everything has ended.
const LENGTH_MAX: Span = Span::from_secs(3_600);

/// What a run came to.
struct Ended {
    /// What became of the ends of each talk, in the order of their numbers.
    outcomes: Vec<(u32, String)>,
    frames: u64,
    segments: u64,
    merged: u64,
    /// A hash of all that the edge sent, and when.
    sent: u64,
}

#[test]
fn a_port_that_cuts_delivers_what_one_that_does_not_delivers() {
    let (mut frames, mut segments) = (0, 0);
    for seed in 0..SEEDS {
        let (whole, cut) = (run(seed, 0, true), run(seed, 16_384, true));
        assert_eq!((whole.frames, whole.segments), (0, 0), "seed {seed}");
        assert_eq!(cut.outcomes, whole.outcomes, "seed {seed}");
        (frames, segments) = (frames + cut.frames, segments + cut.segments);
    }
    println!("{frames} long segments were cut into {segments}");
    assert!(frames > SEEDS && segments >= 2 * frames, "{frames} were cut into {segments}");
}

#[test]
fn segments_judged_once_and_one_by_one_are_answered_alike() {
    let mut merged = 0;
    for seed in 0..SEEDS {
        let (together, alone) = (run(seed, 0, true), run(seed, 0, false));
        assert_eq!(alone.merged, 0, "seed {seed}");
        assert_eq!((together.sent, together.outcomes), (alone.sent, alone.outcomes), "seed {seed}");
        merged += together.merged;
    }
    println!("{merged} segments followed others");
    assert!(merged > 100 * SEEDS, "{merged}");
}

fn run(seed: u64, tso_bytes: u16, gro: bool) -> Ended {
    let mut rng = Rng::new(seed);
    let all = ChecksumOffload { rx_ip: true, rx_tcp: true, tx_ip: true, tx_tcp: true };
    let options =
        MemOptions { mac: EDGE_MAC, frames: 4_096, checksum: all, tso_bytes, ..MemOptions::default() };
    let (wire, mut ports) = link(options);
    let mut settings = settings(1);
    settings.gro = gro;
    let (workers, mut control) = edge::<MemPort>(&settings, vec![vec![ports.remove(0)]], &spec(true, &[]));
    control.material = None;
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    let sent = Rc::new(Cell::new((0, 0)));
    let seen = Rc::clone(&sent);
    world.watch = Some(Box::new(move |now, towards, frame| {
        if matches!(towards, Towards::Hosts) {
            let (longest, before) = seen.get();
            let mut hash = DefaultHasher::new();
            (before, now.nanos(), frame).hash(&mut hash);
            seen.set((frame.len().max(longest), hash.finish()));
        }
    }));
    let mut chance = Rng::new(!seed);
    world.loses = (seed % 2 == 1).then(|| Box::new(move |_: &[u8]| chance.below(100) == 0) as _);
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, seed)));
    let plans: Vec<_> = plan(&mut rng).into_iter().filter(|plan| plan.talk.ending.in_order()).collect();
    let (mut waiting, end) = (plans.iter().peekable(), world.now + LENGTH_MAX);
    loop {
        while let Some(plan) = waiting.next_if(|plan| plan.at <= world.now) {
            world.hosts[0].1.connect(plan.near, plan.far, plan.talk, world.now);
        }
        world.step().unwrap_or_else(|fault| panic!("seed {seed}, {tso_bytes}: {fault}"));
        let at_rest = world.workers.iter().all(|worker| worker.sessions() == 0);
        if waiting.peek().is_none() && world.hosts[0].1.peers().next().is_none() && at_rest {
            break;
        }
        assert!(world.now < end, "seed {seed}, {tso_bytes}: somebody still talks");
    }
    let (longest, sent) = sent.get();
    assert!(longest <= FRAME_BYTES_MAX, "seed {seed}: a frame of {longest} bytes");
    let told = |outcome: &Outcome| format!("{outcome:?}");
    let ended = world.hosts[0].1.ended.iter();
    let mut outcomes: Vec<_> = ended.filter_map(|(talk, end)| Some(((*talk)?.id, told(end)))).collect();
    outcomes.sort();
    let count = |counter| control.pages.iter().map(|page| page.counter(counter)).sum();
    let (frames, segments) = (count(Counter::TsoFrames), count(Counter::TsoSegments));
    Ended { outcomes, frames, segments, merged: count(Counter::GroMerged), sent }
}

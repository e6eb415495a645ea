//! The same talks twice, with the same seed and the same faults: once with sessions spliced where they can be, once with
//! every session managed. Both runs deliver the same bytes, in order, and tell of the same ends.
//!
//! Which frames are lost differs, for the frames do. So only what does not hang on that is compared: what every end of
//! every talk came to, and the status of its end.

use crate::scene::{by_source_port, faults, splice_handshake, splice_quiesce_after, watch};
use byway::base::{Addr, Endpoint, Instant, PortId, Rng, Span};
use byway::port::fault::FaultPort;
use byway::port::mem::{MemOptions, link};
use byway::telemetry::{Counter, EventKind, Status};
use byway::testkit::apps::{RANGE, RANGE_PORTS, spec};
use byway::testkit::edge::{Control, EDGE_IPS, EDGE_MAC, GATEWAY_MAC, addr, edge, is_outside, settings};
use byway::testkit::net::{Ending, Host, Outcome, SimPort, Talk, World};
use std::collections::{BTreeMap, HashMap};

/// Talks of one run.
const TALKS: u32 = 36;
/// Seeds of a usual run.
const SEEDS: u64 = 200;
/// Sessions of a hundred that are spliced at least. Short answers go out in one flight, with the FIN behind them, so that
/// some sessions are over before they were ever quiet.
const SPLICED_PERCENT_MIN: u64 = 65;
/// Of a talk whose client vanishes, the bytes that it has heard by then.
const HEARD_BEFORE_VANISHING: u64 = 20_000;
/// Shifts of the windows that clients and origins tell.
const WINDOW_SHIFTS: [u8; 7] = [0, 0, 1, 3, 6, 10, 14];
/// When the peers' clocks turn, in two runs of three: while most talk.
const CLOCKS_TURN_MS: u32 = 400;
/// The clock's span within which everything has ended.
const LENGTH_MAX: Span = Span::from_secs(3_600);

/// What became of one talk.
#[derive(Default, PartialEq, Eq, Debug)]
struct Ended {
    /// Of its ends that are over; no end of a client that vanished is.
    outcomes: Vec<String>,
    /// Status numbers of its ends' events.
    statuses: Vec<u16>,
}

/// What a run came to, by the number of the talk.
type Ends = BTreeMap<u32, Ended>;

/// One talk, and when it begins.
pub struct Plan {
    /// What is said.
    pub talk: Talk,
    /// The client's end.
    pub near: Endpoint,
    /// The edge's.
    pub far: Endpoint,
    /// When it begins.
    pub at: Instant,
    vanishes: bool,
}

#[test]
fn spliced_and_managed_sessions_deliver_the_same_bytes_and_the_same_ends() {
    let one = std::env::var("BYWAY_SIM_SEED").ok().map(|text| text.parse().expect("a number"));
    let count = std::env::var("BYWAY_SIM_SEEDS").map_or(SEEDS, |text| text.parse().expect("a number"));
    let seeds = one.map_or(0..count, |seed: u64| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let part = |part: u64| {
        let seeds = seeds.clone().filter(move |seed| seed % threads == part);
        seeds.map(compare).fold(([0; 3], Vec::new()), |sum, one| (add(sum.0, one.0), [sum.1, one.1].concat()))
    };
    let (mut counts, mut faults) = ([0; 3], Vec::new());
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|number| scope.spawn(move || part(number))).collect();
        for part in parts {
            let (some, differ) = part.join().expect("no panic");
            counts = add(counts, some);
            faults.extend(differ);
        }
    });
    let [spliced, rested, could] = counts;
    println!("{spliced} of {could} sessions were spliced, {rested} of them brought to rest for it");
    assert!(faults.is_empty(), "{} of {seeds:?} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(spliced * 100 > could * SPLICED_PERCENT_MIN, "{spliced} of {could} sessions were spliced");
    assert!(rested > 0 || one.is_some(), "none was brought to rest");
}

fn add(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|at| a[at] + b[at])
}

/// Runs a seed both ways: how many sessions were spliced, how many of those because they were brought to rest, of how many
/// in all; and which talks came to something else.
fn compare(seed: u64) -> ([u64; 3], Vec<String>) {
    let (managed, none) = run(seed, false);
    let (both, [some, rested]) = run(seed, true);
    assert_eq!(none, [0, 0], "seed {seed}: splicing is off");
    let differ = both.iter().filter(|(id, ended)| managed.get(id) != Some(ended));
    let told = differ.map(|(id, ended)| {
        format!("seed {seed}, talk {id}: spliced {ended:?}, managed {:?}", managed.get(id))
    });
    ([some, rested, both.len() as u64], told.collect())
}

/// Runs a seed; what became of its talks, and how many sessions were spliced, and how many of those because they were
/// brought to rest.
fn run(seed: u64, splices: bool) -> (Ends, [u64; 2]) {
    let mut rng = Rng::new(seed);
    let (mut world, control) = stage(&mut rng, seed, splices);
    let plans = plan(&mut rng);
    let talks: HashMap<Endpoint, u32> = plans.iter().map(|plan| (plan.near, plan.talk.id)).collect();
    let mut ends: Ends = plans.iter().map(|plan| (plan.talk.id, Ended::default())).collect();
    let (mut waiting, end) = (plans.iter().peekable(), world.now + LENGTH_MAX);
    loop {
        while let Some(plan) = waiting.next_if(|plan| plan.at <= world.now) {
            world.hosts[0].1.connect(plan.near, plan.far, plan.talk, world.now);
        }
        world.step().unwrap_or_else(|fault| panic!("seed {seed}, splices: {splices}: {fault}"));
        vanish(&mut world, &plans);
        read_events(&control, &talks, &mut ends);
        let unplugged = world.hosts[0].1.unplugged.clone();
        let host = &mut world.hosts[0].1;
        let live = host.peers().filter(|peer| !unplugged.contains(&peer.near.addr)).count();
        let at_rest = world.workers.iter().all(|worker| worker.sessions() == 0);
        if waiting.peek().is_none() && live == 0 && at_rest {
            break;
        }
        if world.now >= end {
            ends.retain(|_, ended| ended.statuses.is_empty());
            panic!("seed {seed}, splices: {splices}: {live} still talk, of {:?}", ends.keys());
        }
    }
    for (talk, outcome) in &world.hosts[0].1.ended {
        assert!(
            !matches!(outcome, Outcome::Wrong(_)),
            "seed {seed}, splices: {splices}: {talk:?} {outcome:?}"
        );
        let Some(talk) = talk else { continue };
        // Whether a reset comes before or behind the last byte hangs on what was lost.
        let seen = match outcome {
            Outcome::Complete if !talk.ending.in_order() => &Outcome::WasReset,
            outcome => outcome,
        };
        ends.get_mut(&talk.id).expect("it was planned").outcomes.push(format!("{seen:?}"));
    }
    ends.values_mut().for_each(|ended| ended.outcomes.sort());
    let count = |counter| control.pages.iter().map(|page| page.counter(counter)).sum();
    (ends, [count(Counter::SessionsSpliced), count(Counter::QuiescesSpliced)])
}

/// An edge of one or two workers behind faulty links.
fn stage(rng: &mut Rng, seed: u64, splices: bool) -> (World, Control) {
    let workers = 1 + (seed % 2) as u8;
    let options = MemOptions {
        mac: EDGE_MAC,
        workers: u16::from(workers),
        rx_queues: u16::from(workers),
        frames: 4_096,
        spread: by_source_port,
        ..MemOptions::default()
    };
    let (wire, ports) = link(options);
    let rates = faults(rng, seed);
    let faulty = |(number, port)| vec![FaultPort::new(port, rates, rates, seed * 8 + number)];
    let ports: Vec<Vec<SimPort>> = (0..).zip(ports).map(faulty).collect();
    let mut settings = settings(workers);
    settings.session.spliced_max = if splices { 1_024 } else { 0 };
    settings.session.splice_handshake = splice_handshake(seed);
    settings.session.splice_quiesce_after = splice_quiesce_after(seed);
    if !splices && seed.is_multiple_of(2) {
        settings.session.parked_max = 1_024;
        settings.session.park_after = Span::from_millis(2);
    }
    let (workers, mut control) = edge(&settings, ports, &spec(true, &[]));
    control.material = None;
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    world.watch = std::env::var("BYWAY_SIM_WATCH").ok().map(watch);
    let mut host = Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, seed);
    // Clients of even address and all origins but the range's use timestamps.
    host.stamped = |own| own.bits() & 1 == 0 || own == addr("192.0.2.1") || own == addr("2001:2:2::1");
    // Their clocks wrap, turn from what is less by RFC 7323 5.2 to what is more, or neither while they talk.
    host.clock_ahead = [0, 0_u32.wrapping_sub(CLOCKS_TURN_MS), (1 << 31) - CLOCKS_TURN_MS][seed as usize % 3];
    host.window_shift =
        Box::new(move |own| WINDOW_SHIFTS[(own.bits() as u64 / 2 + seed) as usize % WINDOW_SHIFTS.len()]);
    world.hosts.push((PortId(0), host));
    (world, control)
}

/// The talks of a run.
pub fn plan(rng: &mut Rng) -> Vec<Plan> {
    let mut at = Instant::ZERO + Span::from_millis(100);
    (0..TALKS).map(|id| one(rng, id, &mut at)).collect()
}

fn one(rng: &mut Rng, id: u32, at: &mut Instant) -> Plan {
    *at += Span::from_micros(rng.below(30_000));
    // IPv4 to the IPv4 origins and IPv6 to the IPv6 one, so that most can be spliced.
    let v6 = rng.below(3) == 0;
    let port = match (v6, rng.below(8)) {
        (false, 0) => RANGE + rng.below(u64::from(RANGE_PORTS)) as u16,
        (false, _) => 80,
        (true, _) => 81,
    };
    let vanishes = id % 12 == 11;
    let large = vanishes || rng.below(6) == 0;
    let bytes = |rng: &mut Rng| rng.below(if large { 120_000 } else { 3_000 }) as u32;
    let (up, down) = (bytes(rng), bytes(rng) + if vanishes { 200_000 } else { 0 });
    let ending = if vanishes { Ending::OriginFirst } else { Ending::ALL[rng.below(4) as usize] };
    let base = if v6 { addr("2001:2:1::") } else { addr("10.0.0.0") };
    let near = Endpoint { addr: Addr::from_bits(base.bits() | u128::from(id + 1)), port: 2_000 + id as u16 };
    let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port };
    Plan { talk: Talk { id, up, down, ending }, near, far, at: *at, vanishes }
}

/// Unplugs the clients whose time has come.
fn vanish(world: &mut World, plans: &[Plan]) {
    let host = &mut world.hosts[0].1;
    let due: Vec<_> = host
        .peers()
        .filter(|peer| peer.heard() >= HEARD_BEFORE_VANISHING)
        .filter(|peer| plans.iter().any(|plan| plan.vanishes && plan.near == peer.near))
        .map(|peer| peer.near.addr)
        .collect();
    host.unplugged.extend(due);
}

fn read_events(control: &Control, talks: &HashMap<Endpoint, u32>, ends: &mut Ends) {
    for mail in &control.mails {
        while let Some(event) = mail.event() {
            let Some(id) = talks.get(&event.client) else { continue };
            // Who is gone leaves bytes unacknowledged or probes unanswered, as it happens.
            let status = match event.status {
                Status::ClientUnreachable => Status::ClientTimedOut,
                status => status,
            };
            if event.kind != EventKind::Connect {
                ends.get_mut(id).expect("it was planned").statuses.push(status as u16);
            }
        }
        while mail.reply().is_some() {}
    }
}

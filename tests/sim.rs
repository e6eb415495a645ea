//! Seeded simulation: real workers on a virtual clock, clients and origins that check every byte, ports that lose,
//! repeat, reorder, corrupt, cut and stall, strangers that send nonsense, and a control side that reloads. The laws of
//! `testkit::laws` are checked after every step.
//!
//! `BYWAY_SIM_SEED=n` runs that seed alone, `BYWAY_SIM_SEEDS=n` the first n; `BYWAY_SIM_WATCH=text` prints the frames
//! whose line holds the text.

use byway::base::{Addr, Endpoint, Instant, PortId, Rng, Span, WorkerId};
use byway::port::fault::{FaultPort, FaultRates, Ppm};
use byway::port::mem::{MemOptions, Spread, link};
use byway::snapshot::LiveSpec;
use byway::telemetry::Counter;
use byway::testkit::edge::{
    Control, EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LAB_APPS, addr, edge, is_outside, live_spec, settings,
};
use byway::testkit::net::{Ending, Host, Outcome, SimPort, Talk, Watch, World};
use byway::testkit::pretty::pretty;

/// Sessions of one seed.
const SESSIONS: u32 = 1_000;
/// Seeds of a usual run.
const SEEDS: u64 = 200;
/// Sessions that talk at once.
const LIVE_MAX: usize = 100;
/// Sessions between two reloads.
const RELOAD_EVERY: u32 = 90;
/// The clock's span within which everything must be said; and then forgotten.
const TALKING_MAX: Span = Span::from_secs(3_600);
const FORGETTING_MAX: Span = Span::from_secs(1_200);

/// One run and what it needs.
struct Sim {
    rng: Rng,
    world: World,
    control: Control,
    started: u32,
    reloads: u32,
    watched: Option<String>,
}

#[test]
fn the_laws_hold_over_all_seeds() {
    let one = std::env::var("BYWAY_SIM_SEED").ok().map(|text| text.parse().expect("a number"));
    let count = std::env::var("BYWAY_SIM_SEEDS").map_or(SEEDS, |text| text.parse().expect("a number"));
    let seeds = one.map_or(0..count, |seed: u64| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for part in 0..threads {
            let seeds = seeds.clone().filter(move |seed| seed % threads == part);
            scope.spawn(move || {
                seeds.for_each(|seed| run(seed).map_or((), |fault| panic!("seed {seed}: {fault}")))
            });
        }
    });
}

#[test]
fn a_seed_runs_the_same_twice() {
    let numbers = |seed| {
        let mut sim = Sim::new(seed);
        sim.talk_all().expect("the laws hold");
        let pages = sim.control.pages.iter();
        let counts: Vec<u64> =
            pages.flat_map(|page| Counter::ALL.iter().map(|counter| page.counter(*counter))).collect();
        (sim.world.now, sim.world.steps(), counts)
    };
    assert_eq!(numbers(3), numbers(3));
}

/// A gateway that fails over to another card: the hop stays, its address changes, and so live sessions go on.
#[test]
fn live_sessions_follow_a_gateway_to_its_new_card() {
    let mut sim = Sim::new(0);
    let card = [0x02, 0, 0, 0, 0, 0x22];
    for _ in 0..50 {
        sim.start();
    }
    (0..20).for_each(|_| sim.world.step().expect("the laws hold"));
    let host = &mut sim.world.hosts[0].1;
    assert!(host.live().count() > 0, "some are in the middle of their talk");
    host.mac = card;
    host.announce([198, 18, 0, 2]);
    let silent = |world: &mut World| world.hosts[0].1.live().count() == 0;
    assert_eq!(sim.world.run(Span::from_secs(90), silent), Ok(true), "{}", sim.state());
    sim.judge().expect("every byte arrived");
    assert!(sim.world.workers[0].neighbors().any(|neighbor| neighbor.mac == Some(card)));
}

/// Runs one seed; what went wrong, if anything did.
fn run(seed: u64) -> Option<String> {
    let mut sim = Sim::new(seed);
    let outcome = sim.talk_all().and_then(|()| sim.judge()).and_then(|()| sim.forget());
    outcome.err().map(|fault| format!("{fault}\n{}", sim.state()))
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let workers = 1 + (seed % 3) as u8;
        let queues = 1 + u16::from(workers > 1 && seed.is_multiple_of(2));
        let options = MemOptions {
            mac: EDGE_MAC,
            workers: u16::from(workers),
            rx_queues: queues,
            frames: 4_096,
            spread: by_source_port,
            ..MemOptions::default()
        };
        let (wire, ports) = link(options);
        let rates = faults(&mut rng, seed);
        let faulty = |(number, port)| vec![FaultPort::new(port, rates, rates, seed * 8 + number)];
        let ports: Vec<Vec<SimPort>> = (0..).zip(ports).map(faulty).collect();
        let (workers, control) = edge(&settings(workers), ports, &specs()[0]);
        let mut world = World::new(workers, vec![wire], Instant::ZERO);
        world.sessions_max = 1024;
        world.watch = std::env::var("BYWAY_SIM_WATCH").ok().map(watch);
        world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, seed)));
        Self { rng, world, control, started: 0, reloads: 0, watched: std::env::var("BYWAY_SIM_WATCH").ok() }
    }

    /// Starts all talks, some at a time, and waits until each has said everything.
    fn talk_all(&mut self) -> Result<(), String> {
        let end = self.world.now + TALKING_MAX;
        while self.world.now < end {
            let live = self.world.hosts[0].1.live().count();
            if self.started == SESSIONS && live == 0 {
                return Ok(());
            }
            for _ in live / 2..LIVE_MAX.min((SESSIONS - self.started) as usize + live / 2) {
                self.start();
            }
            self.disturb();
            self.world.step()?;
            self.read_events();
        }
        let live: Vec<_> =
            self.world.hosts[0].1.live().map(|peer| (peer.near, peer.far, peer.talk())).collect();
        Err(format!("{} of {} ends still talk: {:?}", live.len(), self.started, live.first()))
    }

    /// Reads what the workers tell, and prints it for whoever watches.
    fn read_events(&mut self) {
        for mail in &self.control.mails {
            while let Some(event) = mail.event() {
                let line = format!("{event:?}");
                if self.watched.as_ref().is_some_and(|wanted| line.contains(wanted)) {
                    println!("{line}");
                }
            }
        }
    }

    fn start(&mut self) {
        let id = self.started;
        self.started += 1;
        let v6 = self.rng.below(2) == 1;
        let client = if v6 { addr("2001:2:1::") } else { addr("10.0.0.0") };
        let near = Endpoint {
            addr: Addr::from_bits(client.bits() | u128::from(id % 200 + 1)),
            port: 2_000 + id as u16,
        };
        let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port: 80 + self.rng.below(2) as u16 };
        let large = self.rng.below(50) == 0;
        let bytes = |rng: &mut Rng| rng.below(if large { 60_000 } else { 3_000 }) as u32;
        let (up, down) = (bytes(&mut self.rng), bytes(&mut self.rng));
        let ending = Ending::ALL[self.rng.below(4) as usize];
        let now = self.world.now;
        self.world.hosts[0].1.connect(near, far, Talk { id, up, down, ending }, now);
        if id % RELOAD_EVERY == RELOAD_EVERY - 1 {
            self.reloads += 1;
            self.control.publish(&specs()[self.reloads as usize % 2]);
        }
    }

    /// What strangers send: noise, and every now and then a claim of the gateway's address.
    fn disturb(&mut self) {
        if self.rng.below(20) == 0 {
            let len = 14 + self.rng.below(120) as usize;
            let mut frame: Vec<u8> = (0..len).map(|_| self.rng.next_u32() as u8).collect();
            frame[..6].copy_from_slice(&EDGE_MAC);
            let kinds = [[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06], [0x81, 0x00]];
            frame[12..14].copy_from_slice(&kinds[self.rng.below(4) as usize]);
            self.world.wires[0].send(&frame);
        }
        if self.rng.below(2_000) == 0 {
            self.world.wires[0].send(&false_claim());
        }
    }

    /// Every talk that ends in order was said and heard completely, by both ends; no byte was wrong.
    fn judge(&mut self) -> Result<(), String> {
        let host = &self.world.hosts[0].1;
        let ended: Vec<_> = host
            .ended
            .iter()
            .copied()
            .chain(host.peers().map(|peer| (peer.talk(), peer.outcome())))
            .collect();
        let mut complete = 0;
        for (talk, outcome) in ended {
            let in_order = talk.is_some_and(|talk| talk.ending.in_order());
            match outcome {
                Outcome::Wrong(at) => return Err(format!("byte {at} of {talk:?} is wrong")),
                Outcome::Complete => complete += u32::from(in_order),
                Outcome::Talking | Outcome::HungUp | Outcome::WasReset if !in_order => {}
                Outcome::Talking | Outcome::HungUp | Outcome::WasReset => {
                    return Err(format!("{talk:?} ended with {outcome:?}"));
                }
            }
        }
        let twice = complete.is_multiple_of(2);
        if twice { Ok(()) } else { Err("one end of a talk is complete, the other is not".into()) }
    }

    /// All sessions end and every frame goes home.
    fn forget(&mut self) -> Result<(), String> {
        let quiet = |world: &mut World| {
            world.hosts[0].1.is_quiet() && world.workers.iter().all(|worker| worker.sessions() == 0)
        };
        if !self.world.run(FORGETTING_MAX, quiet)? {
            return Err("sessions are left over".into());
        }
        self.world.workers.clear();
        while self.world.wires[0].receive().is_some() {}
        let held = self.world.wires[0].frames_held() as u64;
        let unread = self.world.wires[0].stats();
        if held > 0 { Err(format!("{held} frames leaked: {unread:?}")) } else { Ok(()) }
    }

    fn state(&self) -> String {
        let mut lines =
            format!("now {:?}, {} steps, {} reloads", self.world.now, self.world.steps(), self.reloads);
        for (id, page) in self.control.pages.iter().enumerate() {
            let counters =
                Counter::ALL.iter().map(|counter| (format!("{counter:?}"), page.counter(*counter)));
            let drops = byway::base::DropReason::ALL
                .iter()
                .map(|reason| (reason.name().to_owned(), page.dropped(*reason)));
            let moved: Vec<_> = counters.chain(drops).filter(|(_, value)| *value > 0).collect();
            lines += &format!("\n{:?}: {moved:?}", WorkerId(id as u8));
        }
        lines
    }
}

/// The tables that reloads alternate between: the second has one app less and one rule more, and neither concerns the
/// talks.
fn specs() -> [LiveSpec; 2] {
    [live_spec(&LAB_APPS, &[]), live_spec(&LAB_APPS[..2], &[addr("10.9.9.9")])]
}

fn watch(wanted: String) -> Watch {
    Box::new(move |now, towards, frame| {
        let line = pretty(frame);
        if line.contains(&wanted) {
            println!("{:>12} us to {towards:?}: {line}", now.nanos() / 1_000);
        }
    })
}

fn faults(rng: &mut Rng, seed: u64) -> FaultRates {
    if seed.is_multiple_of(10) {
        return FaultRates::default();
    }
    let mut up_to = |ppm: u64| Ppm(rng.below(ppm) as u32);
    FaultRates {
        lose: up_to(20_000),
        repeat: up_to(10_000),
        reorder: up_to(30_000),
        delay: up_to(10_000),
        corrupt: up_to(5_000),
        truncate: up_to(2_000),
        stall: up_to(500),
        delay_turns_max: 8,
        stall_turns_max: 20,
    }
}

/// Spreads by the lowest bits of a frame's source port, which is not how byway steers.
fn by_source_port(frame: &[u8]) -> Spread {
    let at = if frame.get(12) == Some(&0x08) { 35 } else { 55 };
    Spread { queue: u16::from(frame.get(at).copied().unwrap_or(0)), rss_hash: None }
}

/// A gratuitous ARP by somebody else for the gateway's address.
fn false_claim() -> Vec<u8> {
    let thief = [0x02, 0xbad_u16 as u8, 0, 0, 0, 9];
    let mut frame = vec![0xff; 6];
    frame.extend_from_slice(&thief);
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend_from_slice(&thief);
    frame.extend_from_slice(&[198, 18, 0, 2, 0, 0, 0, 0, 0, 0, 198, 18, 0, 2]);
    frame
}

//! Seeded simulation: real workers on a virtual clock, clients and origins that check every byte, over TCP, TLS and
//! UDP; ports that lose, repeat, reorder, corrupt, cut and stall; strangers that send nonsense and floods; an origin
//! that goes and comes back; and a control side that reloads and changes rules. The laws of `testkit::laws` are checked
//! after every step, those of `testkit::net::Datagrams` with every datagram, those of `judge` at the end.
//!
//! `BYWAY_SIM_SEED=n` runs that seed alone, `BYWAY_SIM_SEEDS=n` the first n; `BYWAY_SIM_WATCH=text` prints the frames
//! whose line holds the text. Lengths on the wire are the same in every run of a seed, though the keys of TLS are not:
//! its certificates are RSA's, whose signatures have one length.

mod cut;
mod flood;
mod judge;
mod rule;
mod scene;
mod talks;
mod twice;

use byway::base::{Addr, DropReason, Instant, PortId, Rng, Span, WorkerId};
use byway::port::fault::FaultPort;
use byway::port::mem::{MemOptions, link};
use byway::session::tls::{CryptoSettings, crypto};
use byway::snapshot::{Compiled, LiveSpec};
use byway::telemetry::Counter;
use byway::testkit::apps::{SEALED_ORIGIN_PORTS, services, spec};
use byway::testkit::edge::{Control, EDGE_MAC, GATEWAY_MAC, addr, edge, is_outside};
use byway::testkit::frames::eth;
use byway::testkit::net::{Datagrams, Host, SimPort, World};
use byway::testkit::tls::{EDGE_RSA, client, material, server};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use scene::{by_source_port, edge_settings, faults, watch};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

/// Sessions of one seed.
const SESSIONS: u32 = 1_000;
/// Seeds of a usual run.
const SEEDS: u64 = 200;
/// Sessions that talk at once.
const LIVE_MAX: usize = 100;
/// The clock's span within which everything must be said.
const TALKING_MAX: Span = Span::from_secs(3_600);
/// Seeds that together have seen everything of `SEEN`.
const SEEDS_SEEING: u64 = 40;

/// One run and what it needs.
pub struct Sim {
    seed: u64,
    /// Whether its links are without faults.
    is_clean: bool,
    rng: Rng,
    world: World,
    control: Control,
    spec: LiveSpec,
    compiled: Option<Compiled>,
    /// Clients of TLS 1.3 and 1.2; each keeps its tickets.
    tls_clients: [Arc<ClientConfig>; 2],
    started: u32,
    reloads: u32,
    /// The client and the edge port of each connection.
    places: Vec<(Addr, u16)>,
    blocked: Vec<Addr>,
    ever_blocked: HashSet<Addr>,
    told: judge::Told,
    flooded_most: usize,
    watched: Option<String>,
}

/// Names of what happened, with how often.
type Seen = BTreeMap<String, u64>;

/// What the seeds of a usual run must have brought about, so that no law holds for want of its case.
const SEEN: &[&str] = &[
    "ClosedByFirewall",
    "SecondOrigins",
    "SessionsSpliced",
    "QuiescesSpliced",
    "QuiescesReleased",
    "UnsplicedForRoom",
    "SessionsParked",
    "SessionsUnparked",
    "UnparkedForTls",
    "UnparkedForBytes",
    "UnparkedForClosing",
    "CookiesReceived",
    "CookiesForged",
    "syn_cookie_bad",
    "TlsHandshakes",
    "TlsResumptions",
    "UdpAnswered",
    "UdpProven",
    "UdpFragmented",
    "UdpClosedByIdleTimeout",
    "UdpClosedUnanswered",
    "UdpClosedByEviction",
    "UdpClosedByOriginRefused",
    "UdpClosedByClientRefused",
    "UdpClosedByFirewall",
    "UdpClosedByAppRemoval",
    "firewall_blocked",
    "app_share",
    "app_connections",
    "app_rate_limited",
    "amplification_limited",
    "proxy_header_bad",
    "datagram_too_long",
    "out_of_state",
    "told_too_long",
];

#[test]
fn the_laws_hold_over_all_seeds() {
    let one = std::env::var("BYWAY_SIM_SEED").ok().map(|text| text.parse().expect("a number"));
    let count = std::env::var("BYWAY_SIM_SEEDS").map_or(SEEDS, |text| text.parse().expect("a number"));
    let seeds = one.map_or(0..count, |seed: u64| seed..seed + 1);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let (seen, faults) = (Mutex::new(Seen::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for part in 0..threads {
            let seeds = seeds.clone().filter(move |seed| seed % threads == part);
            let (seen, faults) = (&seen, &faults);
            scope.spawn(move || {
                for seed in seeds {
                    let fault = run(seed, seen);
                    faults
                        .lock()
                        .expect("no panic")
                        .extend(fault.map(|fault| format!("seed {seed}: {fault}")));
                }
            });
        }
    });
    let faults: Vec<String> = faults.into_inner().expect("no panic");
    assert!(faults.is_empty(), "{} of {seeds:?} fail:\n{}", faults.len(), faults.join("\n"));
    let seen = seen.into_inner().expect("no panic");
    println!("{seen:?}");
    let missing: Vec<_> =
        SEEN.iter().filter(|name| seen.get(**name).is_none_or(|count| *count == 0)).collect();
    let enough = seeds.end - seeds.start >= SEEDS_SEEING;
    assert!(!enough || missing.is_empty(), "never seen: {missing:?}");
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
    sim.world.wires[0].send(&advertised(card));
    sim.world.datagrams.as_mut().expect("there").mac = card;
    let silent = |world: &mut World| world.hosts[0].1.live().count() == 0;
    assert_eq!(sim.world.run(Span::from_secs(90), silent), Ok(true), "{}", sim.state());
    sim.judge().expect("every byte arrived");
    assert!(sim.world.workers[0].neighbors().any(|neighbor| neighbor.mac == Some(card)));
}

/// What a gateway says to all IPv6 hosts of its new card (RFC 4861 7.2.6).
fn advertised(card: [u8; 6]) -> Vec<u8> {
    let gateway = addr("2001:2:0:1::2");
    let target = [&gateway.bits().to_be_bytes()[..], &[2, 1], &card].concat();
    let to_all = eth().dst([0x33, 0x33, 0, 0, 0, 1]).src(card).ip6(gateway, "ff02::1");
    to_all.hops(255).icmp(136, 0, [0x20, 0, 0, 0], &target).bytes()
}

/// Runs one seed; what went wrong, if anything did. What it saw is added to `seen`.
fn run(seed: u64, seen: &Mutex<Seen>) -> Option<String> {
    let mut sim = Sim::new(seed);
    let outcome = sim.talk_all().and_then(|()| sim.judge()).and_then(|()| sim.forget());
    sim.add_to(&mut seen.lock().expect("no panic"));
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
        let spec = spec(true, &[]);
        let (workers, mut control) = edge(&edge_settings(workers, seed), ports, &spec);
        control.material = Some(material(&[EDGE_RSA]));
        let settings = CryptoSettings { jobs_max: 256, handshake_timeout: Span::from_secs(60) };
        let (crypto, lanes) = crypto(workers.len(), settings);
        let workers = workers.into_iter().zip(lanes).map(|(worker, lane)| worker.with_crypto(lane)).collect();
        let mut world = World::new(workers, vec![wire], Instant::ZERO);
        world.crypto = Some(crypto);
        world.sessions_max = 1024;
        world.watch = std::env::var("BYWAY_SIM_WATCH").ok().map(watch);
        let mut host = Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, seed);
        let origin = server(EDGE_RSA, &[&TLS13, &TLS12], &[]);
        host.sealed_ports = SEALED_ORIGIN_PORTS.map(|port| (port, origin.clone())).into();
        world.hosts.push((PortId(0), host));
        let mut datagrams = Datagrams::new(GATEWAY_MAC, EDGE_MAC, services());
        datagrams.link_repeats = rates.repeat.0 > 0;
        world.datagrams = Some(datagrams);
        let mut sim = Self {
            seed,
            is_clean: seed.is_multiple_of(10),
            rng,
            world,
            control,
            spec,
            compiled: None,
            tls_clients: [client(&[&TLS13], &[]), client(&[&TLS12], &[])],
            started: 0,
            reloads: 0,
            places: Vec::new(),
            blocked: Vec::new(),
            ever_blocked: HashSet::new(),
            told: judge::Told::default(),
            flooded_most: 0,
            watched: std::env::var("BYWAY_SIM_WATCH").ok(),
        };
        sim.publish();
        sim
    }

    /// Starts all talks, some at a time, and waits until each has said everything.
    fn talk_all(&mut self) -> Result<(), String> {
        let end = self.world.now + TALKING_MAX;
        while self.world.now < end {
            let live = self.world.hosts[0].1.live().count();
            let quiet = self.world.datagrams.as_ref().is_none_or(Datagrams::is_quiet);
            if self.started == SESSIONS && live == 0 && quiet {
                return Ok(());
            }
            for _ in live / 2..LIVE_MAX.min((SESSIONS - self.started) as usize + live / 2) {
                self.start();
            }
            self.disturb();
            self.world.step()?;
            self.read_mail()?;
        }
        let live: Vec<_> =
            self.world.hosts[0].1.live().map(|peer| (peer.near, peer.far, peer.talk())).collect();
        Err(format!("{} of {} ends still talk: {:?}", live.len(), self.started, live.first()))
    }

    /// Adds what happened to `seen`: counters and drops that moved, what clients were told.
    fn add_to(&self, seen: &mut Seen) {
        let mut add = |name: String, count: u64| *seen.entry(name).or_default() += count;
        for page in &self.control.pages {
            Counter::ALL.iter().for_each(|counter| add(format!("{counter:?}"), page.counter(*counter)));
            let told = |reason: &DropReason| page.dropped(*reason) + page.refused(*reason);
            DropReason::ALL.iter().for_each(|reason| add(reason.name().to_owned(), told(reason)));
        }
        let tally = self.world.datagrams.as_ref().map(|datagrams| datagrams.tally).unwrap_or_default();
        add("told_too_long".to_owned(), tally.too_long);
        let most = seen.entry("flooded_most".to_owned()).or_default();
        *most = (*most).max(self.flooded_most as u64);
    }

    fn state(&self) -> String {
        let mut lines =
            format!("now {:?}, {} steps, {} reloads", self.world.now, self.world.steps(), self.reloads);
        for (id, page) in self.control.pages.iter().enumerate() {
            let counters =
                Counter::ALL.iter().map(|counter| (format!("{counter:?}"), page.counter(*counter)));
            let drops =
                DropReason::ALL.iter().map(|reason| (reason.name().to_owned(), page.dropped(*reason)));
            let refused = DropReason::ALL
                .iter()
                .map(|reason| (format!("refused {}", reason.name()), page.refused(*reason)));
            let moved: Vec<_> =
                counters.chain(drops).chain(refused).filter(|(_, value)| *value > 0).collect();
            lines += &format!("\n{:?}: {moved:?}", WorkerId(id as u8));
        }
        lines
    }
}

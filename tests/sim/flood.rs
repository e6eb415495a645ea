//! A flood of first SYNs from addresses that never answer, to an app that real clients use all the while: it fills
//! nothing, and none of them notices, over several changes of the cookies' secrets.

use byway::base::{Endpoint, Instant, PortId, Rng, Span};
use byway::port::fault::{FaultPort, FaultRates, Ppm};
use byway::port::mem::{MemOptions, link};
use byway::session::SynCookies;
use byway::telemetry::{Counter, Gauge};
use byway::testkit::apps::spec;
use byway::testkit::edge::{Control, EDGE_IPS, EDGE_MAC, GATEWAY_MAC, addr, edge, is_outside, settings};
use byway::testkit::frames::eth;
use byway::testkit::net::{Ending, Host, Outcome, SimPort, Talk, World};

/// Real connections, one each second: so the secrets change three times.
const TALKS: u32 = 220;
/// SYNs of the flood in each of ten parts of a second.
const SYNS: u32 = 40;
/// The most sessions of the worker, half-open ones, and half-open ones with memory for the flood.
const SESSIONS: u32 = 64;
const HALF_OPEN: u32 = 32;
const THRESHOLD: u32 = 16;

fn world(rates: FaultRates, syn_cookies: SynCookies) -> (World, Control) {
    let (wire, ports) = link(MemOptions { mac: EDGE_MAC, frames: 4_096, ..MemOptions::default() });
    let mut settings = settings(1);
    settings.session.sessions_max = SESSIONS;
    settings.session.half_open_max = HALF_OPEN;
    settings.session.half_open_timeout = Span::from_secs(10);
    settings.session.spliced_max = SESSIONS;
    settings.session.syn_cookies = syn_cookies;
    // So few may have memory that the flood would take them all.
    settings.rates.syn_per_s = 50;
    let ports: Vec<Vec<SimPort>> =
        ports.into_iter().map(|port| vec![FaultPort::new(port, rates, rates, 1)]).collect();
    let (workers, control) = edge(&settings, ports, &spec(true, &[]));
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    world.sessions_max = 2 * SESSIONS as usize;
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, 3)));
    (world, control)
}

/// Runs the real clients beside the flood; how many ends of them were served while it lasted, and how many in all.
fn run(rates: FaultRates, syn_cookies: SynCookies) -> ([usize; 2], Control) {
    let (mut world, control) = world(rates, syn_cookies);
    let mut rng = Rng::new(5);
    for id in 0..TALKS {
        let v6 = id % 2 == 1;
        let client = if v6 { "2001:2:1::7" } else { "10.0.0.7" };
        let near = Endpoint { addr: addr(client), port: 2_000 + id as u16 };
        let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port: 80 };
        let talk = Talk { id, up: 2_000, down: 6_000, ending: Ending::ALL[id as usize % 2] };
        let now = world.now;
        world.hosts[0].1.connect(near, far, talk, now);
        for _ in 0..10 {
            flood(&mut world, &mut rng);
            world.run(Span::from_millis(100), |_| false).expect("the laws hold");
            while control.mails[0].event().is_some() {}
            let page = &control.pages[0];
            let half_open = page.gauge(Gauge::HalfOpen);
            assert!(half_open <= u64::from(HALF_OPEN), "{half_open} are half-open");
            if let SynCookies::Auto { half_open: most } = syn_cookies {
                // A client out of TIME-WAIT would be one more; there is none.
                assert!(half_open <= u64::from(most), "{half_open} are half-open");
            }
            if syn_cookies == SynCookies::Always {
                assert_eq!(half_open, 0);
            }
        }
    }
    let served = |world: &World| {
        let ended = &world.hosts[0].1.ended;
        ended.iter().filter(|(_, outcome)| *outcome == Outcome::Complete).count()
    };
    let meanwhile = served(&world);
    world.run(Span::from_secs(120), |world| world.hosts[0].1.is_quiet()).expect("the laws hold");
    ([meanwhile, served(&world)], control)
}

fn flood(world: &mut World, rng: &mut Rng) {
    for _ in 0..SYNS {
        // No host of these nets answers.
        let source = addr("203.0.112.0").bits() | u128::from(rng.below(512));
        let source = byway::base::Addr::from_bits(source);
        let syn = eth().ip4(source, EDGE_IPS[0]).tcp(1_024 + rng.below(60_000) as u16, 80);
        world.wires[0].send(&syn.seq(rng.next_u32()).syn().payload(b"flood!").bytes());
    }
}

#[test]
fn real_clients_are_all_served_while_a_flood_of_syns_lasts_and_it_fills_nothing() {
    for syn_cookies in [SynCookies::Always, SynCookies::Auto { half_open: THRESHOLD }] {
        let (served, control) = run(FaultRates::default(), syn_cookies);
        let page = &control.pages[0];
        assert_eq!(served[1], 2 * TALKS as usize, "{syn_cookies:?}");
        // The last ones are still in TIME-WAIT when the flood ends.
        assert!(served[0] > 2 * (TALKS as usize - 20), "{syn_cookies:?}: {served:?}");
        let dropped: Vec<_> = byway::base::DropReason::ALL
            .iter()
            .map(|reason| (reason.name(), page.dropped(*reason) + page.refused(*reason)))
            .filter(|(name, count)| *count > 0 && *name != "neighbor_unresolved")
            .collect();
        assert!(dropped.is_empty(), "{syn_cookies:?}: {dropped:?}");
        assert!(page.counter(Counter::CookiesReceived) > u64::from(TALKS) / 2);
        assert!(page.counter(Counter::CookiesSent) > 50_000);
    }
}

#[test]
fn a_lossy_path_makes_no_difference_to_that() {
    let rates =
        FaultRates { lose: Ppm(20_000), reorder: Ppm(20_000), delay_turns_max: 6, ..FaultRates::default() };
    let (served, control) = run(rates, SynCookies::Auto { half_open: THRESHOLD });
    assert_eq!(served[1], 2 * TALKS as usize);
    assert!(control.pages[0].counter(Counter::CookiesReceived) > u64::from(TALKS) / 2);
}

/// The same flood against a worker without cookies: what the tests above hold is not there by itself.
#[test]
fn without_cookies_most_clients_of_the_same_flood_are_kept_out() {
    let (served, control) = run(FaultRates::default(), SynCookies::Off);
    assert!(served[0] < TALKS as usize, "{served:?} ends were served");
    assert_eq!(control.pages[0].counter(Counter::CookiesSent), 0);
}

//! Seeded simulation: real workers on a virtual clock, clients and origins that check every byte, ports that lose,
//! repeat, reorder and corrupt, and a control side that reloads. The laws are checked after every step.
//!
//! `BYWAY_SIM_SEED=n` runs one seed, `BYWAY_SIM_SEEDS=n` that many.

use byway::base::{Endpoint, PortId, Span};
use byway::port::fault::{FaultPort, FaultRates};
use byway::port::mem::{MemOptions, link};
use byway::testkit::edge::{EDGE_MAC, GATEWAY_MAC, LAB_APPS, addr, edge, is_outside, live_spec, settings};
use byway::testkit::net::{Ending, Host, Outcome, Talk, World};

#[test]
fn one_connection_is_relayed_byte_by_byte() {
    let settings = settings(1);
    let options = MemOptions { mac: EDGE_MAC, ..MemOptions::default() };
    let (wire, ports) = link(options);
    let ports = ports
        .into_iter()
        .map(|port| vec![FaultPort::new(port, FaultRates::default(), FaultRates::default(), 1)])
        .collect();
    let (workers, _control) = edge(&settings, ports, &live_spec(&LAB_APPS, &[]));
    let mut world = World::new(workers, vec![wire], byway::base::Instant::ZERO);
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, 1)));
    let near = Endpoint { addr: addr("10.0.0.7"), port: 4_000 };
    let far = Endpoint { addr: addr("198.51.100.10"), port: 80 };
    let talk = Talk { id: 1, up: 10_000, down: 30_000, ending: Ending::ClientFirst };
    let now = world.now;
    world.hosts[0].1.connect(near, far, talk, now);
    let done = world.run(Span::from_secs(30), |world| world.hosts[0].1.is_quiet()).expect("the laws hold");
    assert!(done);
    let ended = &world.hosts[0].1.ended;
    assert_eq!(*ended, [(Some(talk), Outcome::Complete); 2]);
}

//! No allocation on the road: a counting allocator around every turn of a worker, from the first turn on. Sessions
//! open and close, clients are blocked, neighbours asked for, tables reloaded, frames lost: nothing is allocated and
//! nothing freed.

use byway::base::{Addr, Endpoint, Instant, PortId, Span};
use byway::port::fault::{FaultPort, FaultRates};
use byway::port::mem::{MemOptions, link};
use byway::testkit::edge::{EDGE_MAC, GATEWAY_MAC, LAB_APPS, addr, edge, is_outside, live_spec, settings};
use byway::testkit::frames::eth;
use byway::testkit::net::{Ending, Host, SimPort, Talk, World};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TALKS: u32 = 400;

fn operations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.deallocations + stats.reallocations
}

#[test]
fn a_worker_neither_allocates_nor_frees_after_launch() {
    let (wire, ports) =
        link(MemOptions { mac: EDGE_MAC, workers: 2, frames: 4_096, ..MemOptions::default() });
    let clean = FaultRates::default();
    let ports: Vec<Vec<SimPort>> =
        ports.into_iter().map(|port| vec![FaultPort::new(port, clean, clean, 1)]).collect();
    let blocked = addr("10.0.0.66");
    let specs = [live_spec(&LAB_APPS, &[blocked]), live_spec(&LAB_APPS[..3], &[blocked])];
    let (workers, mut control) = edge(&settings(2), ports, &specs[0]);
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, 1)));
    let before = operations();
    drop(std::hint::black_box(Box::new(before)));
    assert_eq!(operations(), before + 2, "the meter counts");
    world.meter = Some(operations);
    for id in 0..TALKS {
        let near = Endpoint { addr: Addr::v4([10, 0, 1, id as u8]), port: 2_000 + id as u16 };
        let far = Endpoint { addr: addr("198.51.100.10"), port: 80 + (id % 2) as u16 };
        let ending = Ending::ALL[id as usize % 4];
        let talk = Talk { id, up: 3_000, down: 9_000, ending };
        let now = world.now;
        world.hosts[0].1.connect(near, far, talk, now);
        world.wires[0].send(&eth().ip4("10.0.0.66", "198.51.100.10").tcp(1, 22).syn().bytes());
        world.wires[0].send(&eth().ip4("10.0.0.67", "198.51.100.10").echo(1, 1, b"hi").bytes());
        world.wires[0].send(&eth().ip4("10.0.0.67", "198.51.100.10").udp(1, 80).bytes());
        if id % 50 == 49 {
            control.publish(&specs[id as usize / 50 % 2]);
        }
        world.step().expect("the laws hold");
        while control.mails.iter().any(|mail| mail.event().is_some()) {}
    }
    let quiet = |world: &mut World| {
        world.hosts[0].1.is_quiet() && world.workers.iter().all(|worker| worker.sessions() == 0)
    };
    assert!(world.run(Span::from_secs(300), quiet).expect("the laws hold"), "talks are left over");
    assert_eq!(world.hosts[0].1.ended.len(), 2 * TALKS as usize);
    assert_eq!(world.metered, 0, "allocations and frees in {} steps", world.steps());
}

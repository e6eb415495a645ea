//! A thousand reloads under load: no connection is lost, every worker confirms every epoch it is given time for, and
//! no old table lingers.

use byway::base::{Addr, Endpoint, Epoch, Instant, PortId, Span};
use byway::port::fault::{FaultPort, FaultRates};
use byway::port::mem::{MemOptions, link};
use byway::snapshot::LiveSpec;
use byway::testkit::edge::{
    EDGE_IPS, EDGE_MAC, GATEWAY_MAC, LAB_APPS, LabApp, addr, edge, is_outside, live_spec, settings,
};
use byway::testkit::net::{Ending, Host, Outcome, SimPort, Talk, World};
use std::sync::Arc;

const RELOADS: u32 = 1_000;
const LIVE: usize = 60;

/// Tables that differ in everything but the two apps that carry the load.
fn spec(number: u32) -> LiveSpec {
    let port = 1_000 + number as u16;
    let newcomer = LabApp { port, origin: "192.0.2.9", origin_port: 9, ip_firewall: true, ..LabApp::WEB };
    let blocked = Addr::v4([172, 16, (number >> 8) as u8, number as u8]);
    live_spec(&[LAB_APPS[0], LAB_APPS[1], newcomer], &[blocked])
}

#[test]
fn a_thousand_reloads_under_load_lose_no_connection() {
    let (wire, ports) =
        link(MemOptions { mac: EDGE_MAC, workers: 2, frames: 4_096, ..MemOptions::default() });
    let clean = FaultRates::default();
    let ports: Vec<Vec<SimPort>> =
        ports.into_iter().map(|port| vec![FaultPort::new(port, clean, clean, 1)]).collect();
    let (workers, mut control) = edge(&settings(2), ports, &spec(0));
    let mut world = World::new(workers, vec![wire], Instant::ZERO);
    world.hosts.push((PortId(0), Host::new(GATEWAY_MAC, EDGE_MAC, is_outside, true, 1)));
    let mut started = 0_u32;
    let mut watches = Vec::new();
    for number in 1..=RELOADS {
        while world.hosts[0].1.live().count() < 2 * LIVE {
            start(&mut world, started);
            started += 1;
        }
        let snapshot = control.publish(&spec(number));
        watches.push(Arc::downgrade(&snapshot));
        for _ in 0..3 {
            world.step().expect("the laws hold");
        }
        while control.mails.iter().any(|mail| mail.event().is_some()) {}
        let confirmed = control.pages.iter().all(|page| page.epoch() == Epoch(u64::from(number) + 1));
        assert!(confirmed, "reload {number} is not in force everywhere");
    }
    let quiet = |world: &mut World| world.hosts[0].1.is_quiet();
    assert!(world.run(Span::from_secs(300), quiet).expect("the laws hold"), "talks are left over");
    let ended = &world.hosts[0].1.ended;
    assert_eq!(ended.len(), 2 * started as usize);
    let lost: Vec<_> = ended.iter().filter(|(_, outcome)| *outcome != Outcome::Complete).collect();
    assert!(lost.is_empty(), "{} of {started} connections lost: {:?}", lost.len(), lost.first());
    control.publisher.collect();
    let lingering = watches.iter().filter(|watch| watch.strong_count() > 0).count();
    assert_eq!(lingering, 1, "only the last snapshot is held");
}

fn start(world: &mut World, id: u32) {
    let v6 = id % 2 == 1;
    let client = if v6 { addr("2001:2:1::") } else { addr("10.0.0.0") };
    let near = Endpoint {
        addr: Addr::from_bits(client.bits() | u128::from(id % 250 + 1)),
        port: 2_000 + (id % 50_000) as u16,
    };
    let far = Endpoint { addr: addr(EDGE_IPS[usize::from(v6)]), port: 80 + (id / 2 % 2) as u16 };
    let ending = if id.is_multiple_of(3) { Ending::OriginFirst } else { Ending::ClientFirst };
    let talk = Talk { id, up: 2_000 + id % 7_000, down: 5_000 + id % 11_000, ending };
    let now = world.now;
    world.hosts[0].1.connect(near, far, talk, now);
}

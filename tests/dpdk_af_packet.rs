//! DPDK ports over AF_PACKET and veth: frames cross, links flap, interfaces vanish and come back, hidden loss is
//! counted, errors are sentences. Needs root; makes a network namespace a test.
#![cfg(feature = "dpdk")]

mod dpdk_common;

use byway::port::dpdk::{DeviceSpec, PortError, PortEvent};
use byway::port::{Port, RssReport};
use dpdk_common::*;

#[test]
fn frames_cross_a_veth_both_ways_and_are_counted() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 1500), spec("net_af_packet,iface=far", 1500)];
    let mut opened = open(&ports, 1);
    let mut worker = opened.workers.remove(0);
    let (mut b, mut a) = (worker.remove(1), worker.remove(0));
    send(&mut a, 0..100, 60);
    send(&mut b, 200..300, 1514);
    let at_b = receive(&mut b, 100);
    assert_eq!(at_b, (0..100).map(|n| (n, 60)).collect::<Vec<_>>());
    let at_a = receive(&mut a, 100);
    assert_eq!(at_a, (200..300).map(|n| (n, 1514)).collect::<Vec<_>>());
    assert!(opened.controls[0].tend().is_none(), "nothing changed");
    let sample = opened.controls[0].sample();
    assert!(sample.link_up);
    assert_eq!((sample.stats.tx_frames, sample.stats.rx_lost), (100, 0));
    assert!(sample.stats.rx_frames >= 100);
    let report = opened.reports[0].to_string();
    assert!(report.contains("driver net_af_packet") && report.contains("mtu 1500"), "{report}");
    assert!(report.contains("in software: rx ip, rx tcp, tx ip, tx tcp"), "{report}");
}

#[test]
fn a_kernel_peer_is_heard() {
    own_namespace();
    veth("near", "far");
    ip("addr add 198.18.0.2/24 dev far");
    let ports = [spec("net_af_packet,iface=near", 1500)];
    let mut opened = open(&ports, 1);
    let mut port = opened.workers.remove(0).remove(0);
    ip("neigh flush all");
    let pinged = std::net::UdpSocket::bind("198.18.0.2:0").expect("a socket");
    pinged.send_to(b"x", "198.18.0.1:9").expect("sent into the void");
    let asks_for_us =
        |bytes: &[u8]| bytes.len() >= 42 && bytes[12..14] == [8, 6] && bytes[38..42] == [198, 18, 0, 1];
    assert!(receive_until(&mut port, asks_for_us), "an ARP request for 198.18.0.1");
}

#[test]
fn a_link_that_flaps_recovers_without_a_restart() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 1500), spec("net_af_packet,iface=far", 1500)];
    let mut opened = open(&ports, 1);
    let mut worker = opened.workers.remove(0);
    let (mut b, mut a) = (worker.remove(1), worker.remove(0));
    for round in 0..3 {
        ip("link set far down");
        let control = &mut opened.controls[0];
        assert!(tend_until(control, &mut a, |event| matches!(event, PortEvent::LinkDown)), "round {round}");
        assert!(!control.sample().link_up);
        ip("link set near down");
        ip("link set near up");
        ip("link set far up");
        assert!(tend_until(control, &mut a, |event| matches!(event, PortEvent::LinkUp)), "round {round}");
        send(&mut a, 0..50, 60);
        send(&mut b, 50..100, 60);
        assert_eq!(receive(&mut b, 50).len(), 50, "round {round}");
        assert_eq!(receive(&mut a, 50).len(), 50, "round {round}");
    }
    assert_eq!(opened.controls[0].sample().vanished, 0);
}

#[test]
fn an_interface_that_vanishes_is_reopened_when_it_is_back_with_its_old_address() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 1500)];
    let mut opened = open(&ports, 1);
    let mut a = opened.workers.remove(0).remove(0);
    let mac = a.info().mac;
    send(&mut a, 0..10, 60);
    ip("link del far");
    let control = &mut opened.controls[0];
    assert!(tend_until(control, &mut a, |event| matches!(event, PortEvent::Vanished)));
    veth("near", "far");
    assert!(tend_until(control, &mut a, |event| matches!(event, PortEvent::Reopened)));
    let sample = control.sample();
    assert_eq!((sample.vanished, sample.reopened), (1, 1));
    assert_eq!(sample.stats.tx_frames, 10, "counts go on over the gap");
    let text =
        std::process::Command::new("ip").args(["-br", "link", "show", "near"]).output().expect("ip runs");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let wanted = mac.map(|byte| format!("{byte:02x}")).join(":");
    assert!(text.contains(&wanted), "{text} has {wanted}");
    let peers = [spec("net_af_packet,iface=far", 1500)];
    let mut peer = open(&peers, 1);
    let b = &mut peer.workers[0][0];
    send(&mut a, 0..50, 60);
    assert_eq!(receive(b, 50).len(), 50);
    send(b, 0..50, 60);
    assert_eq!(receive(&mut a, 50).len(), 50);
}

#[test]
fn frames_that_the_driver_loses_silently_are_counted() {
    own_namespace();
    veth("near", "far");
    let small = "net_af_packet,iface=near,qpairs=1,blocksz=65536,framesz=2048,framecnt=64";
    let ports = [spec(small, 1500), spec("net_af_packet,iface=far", 1500)];
    let mut opened = open(&ports, 1);
    let mut worker = opened.workers.remove(0);
    let (mut b, mut a) = (worker.remove(1), worker.remove(0));
    send(&mut b, 0..1000, 60);
    std::thread::sleep(std::time::Duration::from_millis(100));
    let mut got = 0;
    loop {
        let mut batch = byway::port::FrameBatch::new();
        a.receive(&mut batch);
        if batch.is_empty() {
            break;
        }
        got += batch.len();
    }
    assert!(got < 200, "a ring of 64 frames cannot hold 1,000: {got}");
    opened.controls[0].tend();
    let stats = opened.controls[0].sample().stats;
    assert_eq!(stats.rx_frames + stats.rx_lost, 1000, "{stats:?}");
}

#[test]
fn two_workers_share_a_port_and_together_miss_nothing() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 1500), spec("net_af_packet,iface=far", 1500)];
    let mut opened = open(&ports, 2);
    assert_eq!(opened.reports[0].info.rx_queues, 2);
    assert_eq!(opened.reports[0].info.rss, RssReport::Foreign);
    let (mut second, mut first) = (opened.workers.remove(1), opened.workers.remove(0));
    send(&mut first[1], 0..50, 60);
    send(&mut second[1], 50..100, 60);
    let mut got = Vec::new();
    for _ in 0..500 {
        for worker in [&mut first, &mut second] {
            let mut batch = byway::port::FrameBatch::new();
            worker[0].receive(&mut batch);
            got.extend(batch.iter().filter_map(|frame| number(byway::port::Frame::bytes(frame))));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    got.sort_unstable();
    assert_eq!(got, (0..100).collect::<Vec<_>>());
}

#[test]
fn jumbo_frames_cross_where_the_port_is_set_to_them() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 9000), spec("net_af_packet,iface=far", 9000)];
    let mut opened = open(&ports, 1);
    let mut worker = opened.workers.remove(0);
    let (mut b, mut a) = (worker.remove(1), worker.remove(0));
    send(&mut a, 0..20, 9014);
    assert_eq!(receive(&mut b, 20), (0..20).map(|n| (n, 9014)).collect::<Vec<_>>());
}

#[test]
fn what_the_operator_must_mend_is_one_sentence() {
    own_namespace();
    let missing = [spec("net_af_packet,iface=no-such", 1500)];
    let error = byway::port::dpdk::Dpdk::start(&plan(&missing, 1)).expect_err("no interface");
    assert!(matches!(error, PortError::InterfaceMissing { .. }));
    assert!(error.to_string().starts_with("interface no-such does not exist"), "{error}");

    let huge = [spec("net_null", 1500)];
    let mut plan = plan(&huge, 1);
    (plan.hugepages, plan.frames) = (byway::port::dpdk::Hugepages::Require, 400_000_000 / 64);
    let error = byway::port::dpdk::Dpdk::start(&plan).expect_err("nobody has that many hugepages");
    assert!(error.to_string().contains("sysctl vm.nr_hugepages="), "{error}");

    let error = DeviceSpec::parse("net_foo0,iface=near").expect_err("no such driver");
    assert!(error.to_string().starts_with("driver net_foo is unknown"), "{error}");
}

#[test]
fn missing_rights_are_told_before_dpdk_is_asked() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near", 1500)];
    let without = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            caps::clear(None, caps::CapSet::Effective).expect("a thread may give its rights up");
            byway::port::dpdk::Dpdk::start(&plan(&ports, 1)).map(drop).expect_err("no rights")
        });
        thread.join().expect("no panic")
    });
    assert!(matches!(without, PortError::NotPermitted { .. }));
    assert!(without.to_string().contains("CAP_NET_RAW"), "{without}");
}

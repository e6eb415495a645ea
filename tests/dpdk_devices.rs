//! DPDK's other software devices through the same `Port`: tap towards this kernel, memif and AF_XDP between two ports,
//! virtio-user against a vhost of our own. Needs root; makes a network namespace a test.
#![cfg(feature = "dpdk")]

mod dpdk_common;

use byway::base::{Addr, Endpoint};
use byway::port::dpdk::{DpdkPort, Opened};
use byway::port::{Frame, FrameBatch, Port, TxBatch, TxMeta};
use byway::wire::{TcpEmit, TcpFlags, checksum};
use dpdk_common::*;

/// A path below the temporary folder, of this process alone.
fn socket(name: &str) -> String {
    std::env::temp_dir().join(format!("bw-h1-{name}-{}.sock", std::process::id())).display().to_string()
}

/// Both ports, with their links up.
fn linked(near: &str, far: &str) -> [Opened; 2] {
    let mut opened = [open(&[spec(near, 1500)], 1), open(&[spec(far, 1500)], 1)];
    for control in opened.iter_mut().flat_map(|opened| &mut opened.controls) {
        let until = std::time::Instant::now() + WAIT;
        while !control.sample().link_up && std::time::Instant::now() < until {
            control.tend();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(control.sample().link_up, "{}: link up", control.info().name);
    }
    opened
}

/// Frames cross from the first port to the second and back.
fn cross(near: &str, far: &str) {
    let mut opened = linked(near, far);
    let [mut near, mut far] = opened.each_mut().map(|opened| opened.workers.remove(0).remove(0));
    // A memif client offers its buffers when it first looks for frames.
    for port in [&mut near, &mut far] {
        port.receive(&mut FrameBatch::new());
    }
    send(&mut near, 0..64, 60);
    assert_eq!(receive(&mut far, 64).len(), 64, "{}", opened[0].reports[0]);
    send(&mut far, 0..64, 1514);
    assert_eq!(receive(&mut near, 64).len(), 64, "{}", opened[1].reports[0]);
    opened.iter().for_each(|opened| println!("{}", opened.reports[0]));
}

/// Sends a segment of `payload` bytes that the device is to cut into ones of 1,448.
fn send_long(port: &mut DpdkPort, payload: u16) {
    let end = |last| Endpoint { addr: Addr::v4([198, 18, 0, last]), port: 999 };
    let mut emit = TcpEmit::bare(end(1), end(2), TcpFlags(TcpFlags::ACK | TcpFlags::PSH), (7, 8));
    emit.options.timestamp = Some((1, 2));
    emit.payload_len = payload;
    let mut frame = port.allocate_long().expect("the device cuts long segments");
    assert!(frame.set_len(14 + emit.packet_len()));
    frame.bytes_mut()[..14].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 0]);
    emit.emit(&mut frame.bytes_mut()[14..]).expect("it fits").fill(0x5a);
    assert_eq!(checksum::pseudo_l4(&mut frame.bytes_mut()[14..]), checksum::L4Fill::Device);
    checksum::fill_ip(&mut frame.bytes_mut()[14..]);
    let asked = TxMeta { tcp_checksum: true, segment: 1_448, ..TxMeta::default() };
    frame.set_tx_meta(TxMeta { l2_len: 14, l3_len: 20, l4_len: 32, ..asked });
    let mut batch: TxBatch<_> = std::iter::once(frame).collect();
    port.transmit(&mut batch);
    assert!(batch.is_empty(), "the device takes it");
}

#[test]
fn a_tap_device_is_given_no_long_segments_which_its_driver_would_keep_for_ever() {
    own_namespace();
    let mut opened = open(&[spec("net_tap,iface=bwcut", 1500)], 1);
    println!("{}", opened.reports[0]);
    assert_eq!(opened.reports[0].info.tso_bytes, 0);
    assert!(opened.workers.remove(0).remove(0).allocate_long().is_none());
}

#[test]
fn virtio_user_takes_long_segments_where_its_vhost_does() {
    own_namespace();
    let path = socket("vhost-tso");
    let near = format!("net_vhost,iface={path},tso=1");
    let mut opened = linked(&near, &format!("net_virtio_user,path={path}"));
    opened.iter().for_each(|opened| println!("{}", opened.reports[0]));
    let [mut host, mut guest] = opened.each_mut().map(|opened| opened.workers.remove(0).remove(0));
    send_long(&mut guest, 9_000);
    let until = std::time::Instant::now() + WAIT;
    let mut batch = FrameBatch::new();
    while batch.is_empty() && std::time::Instant::now() < until {
        host.receive(&mut batch);
    }
    // It comes whole, in several buffers: the wire begins behind the host.
    assert!(
        batch
            .iter()
            .any(|frame| frame.rx_meta().multi_segment && frame.bytes()[16..18] == 9_052u16.to_be_bytes())
    );
}

#[test]
fn a_tap_device_reaches_this_machines_kernel() {
    own_namespace();
    let ports = [spec("net_tap,iface=bwtap", 1500)];
    let mut opened = open(&ports, 1);
    let mut port = opened.workers.remove(0).remove(0);
    ip("link set bwtap up");
    ip("addr add 198.18.0.2/24 dev bwtap");
    let pinged = std::net::UdpSocket::bind("198.18.0.2:0").expect("a socket");
    pinged.send_to(b"x", "198.18.0.1:9").expect("sent into the void");
    let asks_for_us =
        |bytes: &[u8]| bytes.len() >= 42 && bytes[12..14] == [8, 6] && bytes[38..42] == [198, 18, 0, 1];
    assert!(receive_until(&mut port, asks_for_us), "an ARP request for 198.18.0.1");
    send(&mut port, 0..8, 60);
    opened.controls[0].tend();
    assert_eq!(opened.controls[0].sample().stats.tx_frames, 8);
    println!("{}", opened.reports[0]);
}

#[test]
fn two_tap_queues_serve_two_workers() {
    own_namespace();
    let ports = [spec("net_tap,iface=bwtap2", 1500)];
    let opened = open(&ports, 2);
    assert_eq!(opened.reports[0].info.rx_queues, 2);
    assert!(opened.workers.iter().all(|worker| worker[0].receives()));
    println!("{}", opened.reports[0]);
}

#[test]
fn memif_carries_frames_between_two_ports() {
    own_namespace();
    let path = socket("memif");
    let device = |role: &str| format!("net_memif,role={role},id=0,socket-abstract=no,socket={path}");
    cross(&device("server"), &device("client"));
}

#[test]
fn af_xdp_carries_frames_over_veth() {
    own_namespace();
    veth("near", "far");
    cross("net_af_xdp,iface=near", "net_af_xdp,iface=far");
    veth("east", "west");
    let both = open(&[spec("net_af_xdp,iface=east", 1500), spec("net_af_xdp,iface=west", 1500)], 1);
    assert_eq!(both.controls.len(), 2, "each has frame buffers of its own");
}

#[test]
fn virtio_user_carries_frames_to_vhost() {
    own_namespace();
    let path = socket("vhost");
    cross(&format!("net_vhost,iface={path}"), &format!("net_virtio_user,path={path}"));
}

#[test]
fn virtio_user_wakes_its_worker_and_af_packet_says_that_it_cannot() {
    own_namespace();
    let path = socket("wake");
    let mut opened = linked(&format!("net_vhost,iface={path}"), &format!("net_virtio_user,path={path}"));
    let [mut host, mut guest] = opened.each_mut().map(|opened| opened.workers.remove(0).remove(0));
    send(&mut host, 0..8, 60);
    assert_eq!(receive(&mut guest, 8).len(), 8);
    assert!(guest.arm(), "virtio has receive interrupts");
    let waker = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        send(&mut host, 0..8, 60);
        host
    });
    // Without an interrupt this would wait a minute, the longest that fits.
    let (began, whole) = (std::time::Instant::now(), byway::base::Span::from_secs(60));
    guest.wait(whole);
    assert!(began.elapsed() < WAIT, "the frames ended the wait");
    guest.disarm();
    assert_eq!(receive(&mut guest, 8).len(), 8);
    drop(waker.join());
    veth("near", "far");
    let mut packet = open(&[spec("net_af_packet,iface=near", 1500)], 1);
    assert!(!packet.workers[0][0].arm(), "AF_PACKET has none");
}

#[test]
fn a_worker_beyond_the_devices_queues_has_no_receive_queue_and_still_sends() {
    own_namespace();
    veth("near", "far");
    let ports = [spec("net_af_packet,iface=near,qpairs=1", 1500), spec("net_af_packet,iface=far", 1500)];
    let mut opened = open(&ports, 2);
    assert!(opened.workers[0][0].receives() && !opened.workers[1][0].receives());
    assert!(opened.reports[0].notes.iter().any(|note| note.contains("1 of 2 workers")));
    let (mut second, mut first) = (opened.workers.remove(1), opened.workers.remove(0));
    send(&mut second[0], 0..64, 60);
    let mut got = receive(&mut first[1], 64).len();
    if got < 64 {
        got += receive(&mut second[1], 64 - got).len();
    }
    assert_eq!(got, 64);
    assert_eq!(first[0].info().rx_queues, 1);
}

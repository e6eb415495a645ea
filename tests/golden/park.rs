//! Parked sessions: bytes that find every socket in use, and what control does to them.

use crate::bench::Bench;
use byway::base::{DropReason, Span};
use byway::port::RxMeta;
use byway::snapshot::{Command, Reply};
use byway::telemetry::{Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, LabApp, addr, live_spec};
use byway::testkit::frames::{Tcp, eth};
use byway::worker::Settings;

const CLIENT: &str = "10.0.0.7";

/// A client's segment.
fn client(port: u16) -> Tcp {
    eth().ip4(CLIENT, EDGE_IPS[0]).tcp(port, 80)
}

/// The word behind `name` in a frame's line, as a number.
fn number(line: &str, name: &str) -> u32 {
    let word = line.split_whitespace().skip_while(|word| *word != name).nth(1).expect("a word");
    word.rsplit(':').next().and_then(|digits| digits.parse().ok()).expect("a number")
}

fn send(bench: &mut Bench, frame: &[u8]) -> Vec<String> {
    bench.inject(frame, RxMeta::default());
    bench.turns().0
}

/// Opens a session of the client at port 4000, whose origin's first number is 900; the next number that it expects.
fn open(bench: &mut Bench) -> u32 {
    let out = send(bench, &client(4_000).seq(7).syn().bytes());
    let ours = number(&out[0], "seq").wrapping_add(1);
    let out = send(bench, &client(4_000).seq(8).ack(ours).bytes());
    let (port, isn) = (number(&out[0], "TCP") as u16, number(&out[0], "seq"));
    let answer =
        eth().ip4("192.0.2.1", "198.18.0.10").tcp(8_080, port).seq(900).ack(isn.wrapping_add(1)).syn();
    send(bench, &answer.bytes());
    ours
}

/// A worker with one socket pair and one session, which has given it up; the next number that its client expects.
fn parked() -> (Bench, u32) {
    let config = |settings: &mut Settings| {
        (settings.session.sessions_max, settings.session.parked_max) = (1, 4);
        settings.session.park_after = Span::from_secs(3);
    };
    let mut bench = Bench::new(config, &LAB_APPS, &[]);
    let ours = open(&mut bench);
    (0..4).for_each(|_| drop(bench.turns()));
    assert_eq!((gauge(&bench, Gauge::Sessions), gauge(&bench, Gauge::ParkedSessions)), (1, 1));
    (bench, ours)
}

fn gauge(bench: &Bench, gauge: Gauge) -> u64 {
    bench.control.pages[0].gauge(gauge)
}

/// Whether both peers are reset within these lines.
fn resets_both(out: &[String]) -> bool {
    let to = |whom: &str| out.iter().any(|line| line.contains(whom) && line.contains("[R"));
    to("> 10.0.0.7:4000") && to("> 192.0.2.1:8080")
}

#[test]
fn bytes_for_a_parked_session_wait_until_sockets_are_free() {
    let (mut bench, ours) = parked();
    let page = bench.control.pages[0].clone();
    assert_eq!(page.counter(Counter::SessionsParked), 1);
    send(&mut bench, &client(4_001).seq(7).syn().bytes());
    assert_eq!(page.gauge(Gauge::Sessions), 2);
    send(&mut bench, &client(4_002).seq(7).syn().bytes());
    assert_eq!(page.dropped(DropReason::SessionsFull), 1, "there are slots, and no sockets");
    let data = client(4_000).seq(8).ack(ours).payload(b"hello").bytes();
    assert!(send(&mut bench, &data).iter().all(|line| !line.contains("192.0.2.1")));
    let counted = (page.dropped(DropReason::SocketsFull), page.gauge(Gauge::ParkedSessions));
    assert_eq!(counted, (1, 1));
    // What asks for no socket is answered meanwhile: a keep-alive probe.
    let out = send(&mut bench, &client(4_000).seq(7).ack(ours).bytes());
    assert!(out.iter().any(|line| line.contains("> 10.0.0.7:4000")), "{out:?}");
    // The other client gives up.
    send(&mut bench, &client(4_001).seq(8).rst().bytes());
    let out = send(&mut bench, &data);
    assert!(out.iter().any(|line| line.contains("> 192.0.2.1:8080") && line.contains("len 5")), "{out:?}");
    let counted = (page.gauge(Gauge::ParkedSessions), page.counter(Counter::SessionsUnparked));
    assert_eq!(counted, (0, 1));
}

#[test]
fn a_parked_session_of_a_removed_app_goes_on_for_its_grace_and_is_reset_from_its_record() {
    let (mut bench, ours) = parked();
    bench.control.publish(&live_spec(&LAB_APPS[1..], &[]));
    bench.turns();
    let out = send(&mut bench, &client(4_000).seq(8).ack(ours).payload(b"last").bytes());
    assert!(out.iter().any(|line| line.contains("> 192.0.2.1:8080") && line.contains("len 4")), "{out:?}");
    let acked = eth().ip4("192.0.2.1", "198.18.0.10").tcp(8_080, number(&out[0], "TCP") as u16);
    send(&mut bench, &acked.seq(901).ack(number(&out[0], "seq").wrapping_add(4)).bytes());
    (0..5).for_each(|_| drop(bench.turns()));
    assert_eq!(gauge(&bench, Gauge::ParkedSessions), 1, "it is parked again meanwhile");
    let out: Vec<String> = (0..30).flat_map(|_| bench.turns().0).collect();
    assert!(resets_both(&out), "{out:?}");
    assert_eq!((gauge(&bench, Gauge::Sessions), gauge(&bench, Gauge::ParkedSessions)), (0, 0));
    // The seat is free, and so is the slot.
    send(&mut bench, &eth().ip4(CLIENT, EDGE_IPS[0]).tcp(4_009, 81).seq(7).syn().bytes());
    assert_eq!(gauge(&bench, Gauge::Sessions), 1);
}

#[test]
fn a_new_rule_ends_a_parked_session_that_it_blocks() {
    let (mut bench, _) = parked();
    let walled = LabApp { ip_firewall: true, ..LAB_APPS[0] };
    bench.control.publish(&live_spec(&[walled], &[addr(CLIENT)]));
    let out: Vec<String> = (0..2).flat_map(|_| bench.turns().0).collect();
    assert!(resets_both(&out), "{out:?}");
    assert_eq!((gauge(&bench, Gauge::Sessions), gauge(&bench, Gauge::ParkedSessions)), (0, 0));
}

#[test]
fn a_parked_session_is_woken_while_draining_and_listed_and_reset_at_its_end() {
    let (mut bench, ours) = parked();
    let last = bench.control.publish(&live_spec(&LAB_APPS, &[]));
    bench.control.publisher.publish(bench.control.compiler.drain(&last));
    bench.control.mails[0].send(Command::ListSessions { request: 1, cursor: 0, rows_max: 10 }).expect("room");
    bench.turns();
    let rows: Vec<_> = std::iter::from_fn(|| bench.control.mails[0].reply()).collect();
    assert!(matches!(&rows[0], Reply::Session(1, row) if row.phase == "parked"), "{rows:?}");
    let out = send(&mut bench, &client(4_000).seq(8).ack(ours).payload(b"hello").bytes());
    assert!(out.iter().any(|line| line.contains("> 192.0.2.1:8080") && line.contains("len 5")), "{out:?}");
    assert_eq!(gauge(&bench, Gauge::ParkedSessions), 0);
    let acked = eth().ip4("192.0.2.1", "198.18.0.10").tcp(8_080, number(&out[0], "TCP") as u16);
    send(&mut bench, &acked.seq(901).ack(number(&out[0], "seq").wrapping_add(5)).bytes());
    (0..5).for_each(|_| drop(bench.turns()));
    assert_eq!(gauge(&bench, Gauge::ParkedSessions), 1);
    bench.control.mails[0].send(Command::ResetAll).expect("room");
    let out: Vec<String> = (0..2).flat_map(|_| bench.turns().0).collect();
    assert!(resets_both(&out), "{out:?}");
    assert_eq!((gauge(&bench, Gauge::Sessions), gauge(&bench, Gauge::ParkedSessions)), (0, 0));
}

//! Origins that come and go while a worker runs: names without an address, new answers.

use crate::bench::Bench;
use byway::base::{AppSlot, DropReason, Instant};
use byway::port::RxMeta;
use byway::snapshot::LiveSpec;
use byway::table::{
    DnsName, NoOrigin, OriginBook, OriginDnsKind, OriginName, OriginRecord, OriginSpec, Reserved, Resolved,
};
use byway::telemetry::{AppCounter, Counter, Event, EventKind, Status};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, addr, live_spec, settings};
use byway::testkit::frames::eth;
use byway::wire::{Parsed, RxHints, TcpFlags, TcpSegment, parse};

fn question() -> OriginName {
    OriginName { name: DnsName::new("o.example.com").expect("a name"), kind: OriginDnsKind::Both }
}

/// The laboratory's apps; that on port 80 goes to a name.
fn named() -> LiveSpec {
    let mut spec = live_spec(&LAB_APPS, &[]);
    let app = &mut spec.accounts[0].zones[0].apps[0];
    let OriginName { name, kind } = question();
    app.origin_port = byway::table::PortRange::one(8080);
    app.origin = OriginSpec::Dns { name, ttl_s: None, kind };
    spec
}

fn book(resolved: Option<Resolved>) -> std::sync::Arc<OriginBook> {
    let origin_allow = settings(1).origin_allow;
    let reserved = Reserved { origin_allow, ..Reserved::default() };
    let answers = resolved.map(|resolved| (question(), resolved)).into_iter().collect();
    OriginBook { resolves: true, answers, reserved, ..OriginBook::default() }.into()
}

fn good(list: &[&str]) -> Resolved {
    let record = |text: &&str| OriginRecord { priority: 0, addr: addr(text), port: None, weight: 0 };
    Resolved::Good(list.iter().map(record).collect())
}

/// A client that shakes hands with port 80; what came out and what was told after the handshake.
fn visit(bench: &mut Bench, port: u16) -> (Vec<String>, Vec<Event>) {
    let from = |flags: u32| eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(port, 80).seq(flags);
    bench.inject(&from(7).syn().bytes(), RxMeta::default());
    bench.worker.turn(bench.now);
    let answer = std::iter::from_fn(|| bench.wire.receive()).find_map(|frame| segment(&frame));
    let answer = answer.expect("a SYN-ACK");
    assert!(answer.flags.has(TcpFlags::SYN));
    bench.inject(&from(8).ack(answer.seq.wrapping_add(1)).bytes(), RxMeta::default());
    bench.turns()
}

fn segment(frame: &[u8]) -> Option<TcpSegment> {
    match parse(frame, &RxHints::default()) {
        Ok(Parsed::Tcp(segment)) => Some(segment),
        _ => None,
    }
}

#[test]
fn a_client_of_a_name_without_an_address_is_reset_and_told_of_by_its_reason() {
    for (none, status, kind, counter) in [
        (None, Status::OriginUnresolved, EventKind::ResolveOrigin, Counter::ClosedByOriginUnresolved),
        (
            Some(NoOrigin::Unresolved),
            Status::OriginUnresolved,
            EventKind::ResolveOrigin,
            Counter::ClosedByOriginUnresolved,
        ),
        (
            Some(NoOrigin::Failed),
            Status::ResolveInternal,
            EventKind::ResolveOrigin,
            Counter::ClosedByOriginUnresolved,
        ),
        (
            Some(NoOrigin::Forbidden),
            Status::OriginBlocked,
            EventKind::OriginError,
            Counter::ClosedByOriginForbidden,
        ),
    ] {
        let mut bench = Bench::new(|_| {}, &LAB_APPS, &[]);
        bench.control.compiler.origins = book(none.map(Resolved::Nothing));
        bench.control.publish(&named());
        bench.turns();
        let (out, events) = visit(&mut bench, 4_000);
        assert!(out.len() == 1 && out[0].contains("[R"), "{none:?}: {out:?}");
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.status, event.origin)).collect();
        assert_eq!(told, [(kind, status, None)], "{none:?}");
        let page = &bench.control.pages[0];
        assert_eq!((page.counter(counter), page.app(AppSlot(0), AppCounter::Connections)), (1, 0));
        assert_eq!(page.refused(DropReason::OriginUnresolved), 1);
    }
}

#[test]
fn new_answers_reach_new_sessions_alone_and_share_the_rest_of_the_table() {
    let mut bench = Bench::new(|_| {}, &LAB_APPS, &[]);
    let spec = named();
    bench.control.compiler.origins = book(Some(good(&["192.0.2.1"])));
    let compiled = bench.control.compiler.compile(&spec).expect("compiles");
    bench.control.publisher.publish(compiled.snapshot.clone());
    bench.control.compiler.commit(&compiled);
    bench.turns();
    let calls = |out: &[String], to: &str| out.iter().any(|line| line.contains(&format!("> {to}")));
    assert!(calls(&visit(&mut bench, 4_000).0, "192.0.2.1:8080"));
    assert!(bench.control.compiler.reorigin(book(Some(good(&["192.0.2.1"]))), &spec, &compiled).is_none());
    let next = bench.control.compiler.reorigin(book(Some(good(&["192.0.2.9"]))), &spec, &compiled);
    let next = next.expect("another origin");
    assert_eq!(next.epoch.0, compiled.snapshot.epoch.0 + 1);
    let (old, new) = (&compiled.snapshot.table, &next.table);
    let same = |slot| std::ptr::eq(old.app(slot).expect("there"), new.app(slot).expect("there"));
    assert!(same(AppSlot(1)) && same(AppSlot(2)) && !same(AppSlot(0)));
    assert!(std::sync::Arc::ptr_eq(old.prefixes(), new.prefixes()));
    bench.control.publisher.publish(next);
    let (out, _) = bench.turns();
    assert!(out.iter().all(|line| !line.contains("[R")), "the live session keeps its origin: {out:?}");
    assert!(calls(&visit(&mut bench, 4_001).0, "192.0.2.9:8080"));
    assert!(bench.now > Instant::ZERO);
}

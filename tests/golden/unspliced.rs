//! Sessions that stay managed though the edge splices: each counted by what is in the way, and each carries its bytes.

use crate::bench::Bench;
use crate::pair::{CLIENT, CLIENTS, ORIGIN, Pair, USUAL, app, segment_of, splices};
use byway::telemetry::{Counter, Gauge};
use byway::testkit::edge::LAB_APPS;
use byway::wire::TcpFlags;

const REASONS: [Counter; 6] = [
    Counter::UnsplicedForFamily,
    Counter::UnsplicedForTimestamps,
    Counter::UnsplicedForSack,
    Counter::UnsplicedForMss,
    Counter::UnsplicedForBusy,
    Counter::UnsplicedForRoom,
];

/// How often each reason was counted that was.
fn reasons(pair: &Pair) -> Vec<(Counter, u64)> {
    let counted = REASONS.map(|reason| (reason, pair.counted(reason)));
    counted.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What the origin gets of a client's bytes, which byway acknowledges itself.
fn is_relayed(pair: &mut Pair) -> bool {
    let out = pair.turn(Some(&pair.segment(CLIENT).payload(b"hello").bytes()));
    let to_origin = pair.ends[ORIGIN].key.reversed();
    out.iter().map(|frame| segment_of(frame)).any(|sent| sent.key == to_origin && sent.payload_len() == 5)
}

#[test]
fn a_session_between_families_stays_managed_and_is_counted() {
    for family in [0, 1] {
        let bench = Bench::new(splices, &LAB_APPS, &[]);
        let mut pair = Pair::call(bench, (family, CLIENTS[family], 4_000), app(1 - family).port, false);
        pair.accept(&USUAL);
        assert_eq!(reasons(&pair), [(Counter::UnsplicedForFamily, 1)]);
        assert!(is_relayed(&mut pair));
        assert_eq!((pair.counted(Counter::SessionsSpliced), pair.gauge(Gauge::SplicedSessions)), (0, 0));
        assert_eq!(reasons(&pair), [(Counter::UnsplicedForFamily, 1)], "it is asked once");
    }
}

#[test]
fn a_session_for_which_there_is_no_record_stays_managed_and_is_counted() {
    for family in [0, 1] {
        let bench = Bench::new(|settings| settings.session.spliced_max = 1, &LAB_APPS, &[]);
        let mut first = Pair::call(bench, (family, CLIENTS[family], 4_000), app(family).port, false);
        first.accept(&USUAL);
        first.say(CLIENT, b"spliced");
        let mut second = Pair::call(first.bench, (family, CLIENTS[family], 4_001), app(family).port, false);
        second.accept(&USUAL);
        assert_eq!(reasons(&second), [(Counter::UnsplicedForRoom, 1)]);
        assert!(is_relayed(&mut second));
        let counted = (second.counted(Counter::SessionsSpliced), second.gauge(Gauge::SplicedSessions));
        assert_eq!((counted, second.gauge(Gauge::Sessions)), ((1, 1), 2));
    }
}

/// A client that has said everything and closed before its origin is there is never quiet.
#[test]
fn a_session_that_ends_before_it_was_ever_quiet_is_counted_as_busy() {
    for family in [0, 1] {
        let bench = Bench::new(splices, &LAB_APPS, &[]);
        let mut pair = Pair::call(bench, (family, CLIENTS[family], 4_000), app(family).port, false);
        let fin = TcpFlags(TcpFlags::ACK | TcpFlags::FIN);
        pair.turn(Some(&pair.segment(CLIENT).flags(fin).payload(b"all of it").bytes()));
        let out = pair.accept(&USUAL);
        assert!(out.iter().any(|frame| segment_of(frame).payload_len() == 9), "{} frames", out.len());
        assert_eq!(reasons(&pair), [], "it lives");
        pair.turn(Some(&pair.segment(ORIGIN).rst().bytes()));
        assert_eq!((pair.gauge(Gauge::Sessions), pair.counted(Counter::ClosedByOriginReset)), (0, 1));
        assert_eq!(reasons(&pair), [(Counter::UnsplicedForBusy, 1)]);
        assert_eq!(pair.counted(Counter::SessionsSpliced), 0);
    }
}

/// One that never met its origin was not to be spliced, and neither is one of an edge that splices nothing.
#[test]
fn a_session_that_was_not_to_be_spliced_is_not_counted() {
    let bench = Bench::new(splices, &LAB_APPS, &[]);
    let mut refused = Pair::call(bench, (0, CLIENTS[0], 4_000), 80, false);
    refused.turn(Some(&refused.segment(ORIGIN).rst().bytes()));
    assert_eq!((refused.gauge(Gauge::Sessions), reasons(&refused)), (0, vec![]));
    let mut managed = Pair::call(Bench::new(|_| {}, &LAB_APPS, &[]), (0, CLIENTS[0], 4_000), 81, false);
    managed.accept(&USUAL);
    managed.turn(Some(&managed.segment(CLIENT).rst().bytes()));
    assert_eq!((managed.gauge(Gauge::Sessions), reasons(&managed)), (0, vec![]));
}

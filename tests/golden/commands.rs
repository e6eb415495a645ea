//! What control asks of a worker, answered in bounded steps.

use crate::bench::Bench;
use byway::base::limits::SWEEP_PER_TURN_MAX;
use byway::port::RxMeta;
use byway::snapshot::{Command, Reply, SessionRow};
use byway::telemetry::{Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, addr, udp_settings};
use byway::testkit::frames::eth;

const SLOTS: usize = 10_000;

/// A worker with ten thousand slots and three sessions, of clients 10.0.0.1 to 10.0.0.3.
fn bench() -> Bench {
    let mut bench = Bench::new(|settings| settings.session.sessions_max = SLOTS as u32, &LAB_APPS, &[]);
    for client in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
        let syn = eth().ip4(client, EDGE_IPS[0]).tcp(4_000, 80).seq(7).syn().bytes();
        bench.inject(&syn, RxMeta::default());
    }
    bench.turns();
    bench
}

/// Turns until `Done`: how many, the rows, and where the list goes on.
fn list(bench: &mut Bench, cursor: u32, rows_max: u32) -> (usize, Vec<SessionRow>, Option<u32>) {
    let ask = Command::ListSessions { request: 9, cursor, rows_max };
    bench.control.mails[0].send(ask).expect("room");
    let mut rows = Vec::new();
    for turn in 1..=2 * SLOTS {
        let busy = bench.worker.turn(bench.now).busy;
        while let Some(reply) = bench.control.mails[0].reply() {
            match reply {
                Reply::Session(9, row) => rows.push(row),
                Reply::Done { request: 9, cursor } => return (turn, rows, cursor),
                Reply::Session(..) | Reply::Neighbor(..) | Reply::Done { .. } => {
                    panic!("not asked: {reply:?}")
                }
            }
        }
        assert!(busy, "a listing under way lets no worker nap");
    }
    panic!("the listing never ends");
}

#[test]
fn a_listing_looks_at_few_slots_a_turn_however_empty_they_are() {
    let mut bench = bench();
    let (turns, rows, next) = list(&mut bench, 0, 1_000);
    let all = SLOTS + udp_settings().sessions_max as usize;
    assert_eq!((turns, next), (all.div_ceil(SWEEP_PER_TURN_MAX), None));
    let mut clients: Vec<_> = rows.iter().map(|row| row.client.addr).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(addr));
}

#[test]
fn a_listing_in_pages_shows_each_session_once() {
    let mut bench = bench();
    let (mut slots, mut cursor) = (Vec::new(), Some(0));
    while let Some(from) = cursor {
        let (_, rows, next) = list(&mut bench, from, 2);
        assert!(rows.len() <= 2);
        slots.extend(rows.iter().map(|row| row.slot));
        cursor = next;
    }
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), 3);
    let (turns, rows, next) = list(&mut bench, SLOTS as u32 + udp_settings().sessions_max + 7, 2);
    assert_eq!((turns, rows.len(), next), (1, 0, None), "a cursor beyond the end");
}

#[test]
fn a_listing_waits_for_room_and_loses_no_row() {
    let mut bench = bench();
    let ask = Command::ListSessions { request: 1, cursor: 0, rows_max: 1_000 };
    bench.control.mails[0].send(ask).expect("room");
    // Nobody takes the answers of neighbours: the queue fills up.
    for request in 2..2_100 {
        bench.control.mails[0].send(Command::ListNeighbors { request }).expect("room");
        bench.worker.turn(bench.now);
    }
    let replies: Vec<_> = std::iter::from_fn(|| bench.control.mails[0].reply()).collect();
    let rows = replies.iter().filter(|reply| matches!(reply, Reply::Session(1, _))).count();
    let done = replies.iter().filter(|reply| matches!(reply, Reply::Done { request: 1, .. })).count();
    assert_eq!((rows, done), (3, 1));
}

#[test]
fn all_sessions_are_reset_when_control_says_so() {
    let mut bench = bench();
    bench.control.mails[0].send(Command::ResetAll).expect("room");
    for _ in 0..=SLOTS.div_ceil(SWEEP_PER_TURN_MAX) {
        bench.worker.turn(bench.now);
    }
    let page = &bench.control.pages[0];
    assert_eq!((page.gauge(Gauge::Sessions), page.counter(Counter::ClosedByDrain)), (0, 3));
}

#[test]
fn neighbours_are_listed_and_a_word_to_stop_is_obeyed() {
    let mut bench = bench();
    bench.control.mails[0].send(Command::ListNeighbors { request: 5 }).expect("room");
    bench.control.mails[0].send(Command::Stop).expect("room");
    assert!(bench.worker.turn(bench.now).stop);
    let replies: Vec<_> = std::iter::from_fn(|| bench.control.mails[0].reply()).collect();
    let gateways = replies.iter().filter(|reply| matches!(reply, Reply::Neighbor(5, _))).count();
    assert_eq!(gateways, 2);
    assert!(matches!(replies.last(), Some(Reply::Done { request: 5, cursor: None })));
}

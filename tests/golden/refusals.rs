//! What a refused client hears, by config: nothing, an RST, an ICMP error; and what is told of it.

use crate::bench::Moved::{App, Count, Drop, Event, Rule};
use crate::bench::{Row, row};
use byway::base::DropReason::*;
use byway::telemetry::AppCounter::Refused;
use byway::telemetry::Counter::*;
use byway::testkit::edge::{EDGE_IPS, addr};
use byway::testkit::frames::{Tcp, eth};
use byway::worker::Refusal;

fn tcp4(port: u16) -> Tcp {
    eth().ip4("10.0.0.7", EDGE_IPS[0]).tcp(4_000, port).seq(7)
}

fn reset(row: Row) -> Row {
    row.counts(ResetsSent).counts(SoftwareChecksums)
}

/// Port 22 is the third app of the laboratory; here it stands alone, as app 0.
const SSH: &[byway::testkit::edge::LabApp] = &[byway::testkit::edge::LAB_APPS[2]];

pub fn rows() -> Vec<Row> {
    [unused(), blocked(), out_of_state(), datagrams()].into_iter().flatten().collect()
}

fn unused() -> Vec<Row> {
    let rst = |row: Row| reset(row).config(|settings| settings.unused_tcp = Refusal::Rst);
    vec![
        rst(row("unused_tcp = rst: a SYN to a port without an app", vec![tcp4(443).syn().bytes()]))
            .drops(NoAppPort)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.51.100.10:443 > 10.0.0.7:4000 [R.] seq 0 ack 8 win 0 len 0"]),
        rst(row("unused_tcp = rst: an ACK to a port without an app", vec![tcp4(443).ack(99).bytes()]))
            .drops(NoAppPort)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.51.100.10:443 > 10.0.0.7:4000 [R] seq 99 ack 0 win 0 len 0"]),
        row("unused_tcp = rst: an RST is never answered", vec![tcp4(443).rst().bytes()])
            .config(|settings| settings.unused_tcp = Refusal::Rst)
            .drops(NoAppPort),
        row("unused_tcp = rst: resets over the rate are not sent", vec![tcp4(443).syn().bytes(); 9])
            .config(|settings| (settings.unused_tcp, settings.rates.rst_per_s) = (Refusal::Rst, 1))
            .moves(Drop(NoAppPort), 9)
            .moves(Count(ResetsSent), 8)
            .moves(Count(SoftwareChecksums), 8)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.51.100.10:443 > 10.0.0.7:4000 [R.] seq 0 ack 8 win 0 len 0"; 8]),
    ]
}

fn blocked() -> Vec<Row> {
    let client = addr("10.0.0.7");
    vec![
        row("a blocked SYN is dropped, counted by rule and app, and told of once", vec![tcp4(22).syn().bytes(); 5])
            .apps(SSH)
            .blocks(client)
            .moves(Drop(FirewallBlocked), 5)
            .moves(App(Refused), 5)
            .moves(Rule, 5)
            .moves(Event, 1),
        reset(row("blocked_tcp = rst: a blocked SYN gets RST", vec![tcp4(22).syn().bytes()]))
            .config(|settings| settings.blocked_tcp = Refusal::Rst)
            .apps(SSH)
            .blocks(client)
            .drops(FirewallBlocked)
            .moves(App(Refused), 1)
            .moves(Rule, 1)
            .moves(Event, 1)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.51.100.10:22 > 10.0.0.7:4000 [R.] seq 0 ack 8 win 0 len 0"]),
    ]
}

fn out_of_state() -> Vec<Row> {
    let origin = eth().ip4("192.0.2.1", "198.18.0.10").tcp(8080, 50_000).seq(5).ack(6).bytes();
    vec![
        reset(row("data for no session to a live app gets RST", vec![tcp4(80).ack(99).payload(b"hello").bytes()]))
            .drops(OutOfState)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.51.100.10:80 > 10.0.0.7:4000 [R] seq 99 ack 0 win 0 len 0"]),
        reset(row("an origin's segment for no session gets RST", vec![origin]))
            .drops(OutOfState)
            .out(&["02:00:00:00:00:01 > 02:00:00:00:00:02 TCP 198.18.0.10:50000 > 192.0.2.1:8080 [R] seq 6 ack 0 win 0 len 0"]),
        row("an RST for no session is dropped", vec![tcp4(80).rst().bytes()]).drops(OutOfState),
    ]
}

fn datagrams() -> Vec<Row> {
    let datagram = |port| vec![eth().ip4("10.0.0.7", EDGE_IPS[0]).udp(4_000, port).payload(b"hello").bytes()];
    vec![
        row("a datagram to a port without an app dies in silence", datagram(99)).drops(NoAppPort),
        row("a datagram to a TCP app does, too", datagram(80)).drops(WrongProtocol),
    ]
}

//! Golden rows: a sentence, a config, frames in, frames out, counters moved. A counter that moved unasked is a failure.

mod bench;
mod commands;
mod cookies;
mod drops;
mod firewall;
mod headers;
mod lifetime;
mod limits;
mod link;
mod origins;
mod pair;
mod park;
mod probes;
mod refusals;
mod room;
mod splice;
mod udp;
mod unspliced;

use bench::Row;
use byway::base::DropReason;
use std::collections::HashSet;

fn rows() -> Vec<Row> {
    [link::rows(), drops::rows(), refusals::rows()].into_iter().flatten().collect()
}

#[test]
fn every_row_comes_out_as_it_says() {
    let faults: Vec<_> = rows().iter().filter_map(Row::run).collect();
    assert!(faults.is_empty(), "{} rows fail:\n{}", faults.len(), faults.join("\n"));
}

/// What dies inside a session is held by the TCP scripts, what needs a full table or ring by `lifetime` and `room`, what
/// needs a UDP session by `udp`.
#[test]
fn every_reason_of_the_worker_has_a_row() {
    use DropReason::*;
    let elsewhere = [
        SequenceUnacceptable,
        RstUnacceptable,
        SynInSession,
        // `park` has the session that wants some.
        SocketsFull,
        PawsOld,
        TimeWait,
        FlowsFull,
        EgressExhausted,
        HandoverFull,
        NeighborUnresolved,
        TxFull,
        NoFrame,
        Draining,
        SessionsFull,
        AppShare,
        AccountShare,
        AppConnections,
        ClientConnections,
        AppRateLimited,
        ClientRateLimited,
        OriginForbidden,
        OriginUnresolved,
        UdpSessionsFull,
        AmplificationLimited,
        ProxyHeaderBad,
        DatagramTooLong,
        TtlExpired,
        SegmentTooLong,
        SynCookieBad,
        SynCookieRateLimited,
        // `tests/tls` has the crypto threads that these want.
        CryptoFull,
        HandshakeRateLimited,
        NoCertificate,
    ];
    let rows = rows();
    let moved = rows.iter().flat_map(|row| &row.moved);
    let held: HashSet<_> = moved
        .filter_map(|(moved, _)| match moved {
            bench::Moved::Drop(reason) => Some(*reason),
            _ => None,
        })
        .chain(elsewhere)
        .collect();
    let missing: Vec<_> = DropReason::ALL.iter().filter(|reason| !held.contains(reason)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

//! Shares and limits: who is kept out, by which name, and that what is given back can be had again.

use crate::bench::Bench;
use byway::base::{AppSlot, DropClass, DropReason, Instant};
use byway::flow::SharePercents;
use byway::port::RxMeta;
use byway::table::ConnectionLimits;
use byway::telemetry::{AppCounter, Counter, Gauge};
use byway::testkit::edge::{EDGE_IPS, LAB_APPS, LabApp, live_spec};
use byway::testkit::frames::eth;
use byway::worker::Settings;
use std::ops::Range;

/// Injects a first SYN from `client` to `port` from each of `ports`, and turns.
fn knock(bench: &mut Bench, client: &str, port: u16, ports: Range<u16>) {
    let ip = if client.contains(':') { EDGE_IPS[1] } else { EDGE_IPS[0] };
    for from in ports {
        let syn = eth().ip(client, ip).tcp(from, port).seq(7).syn().bytes();
        bench.inject(&syn, RxMeta::default());
    }
    bench.turns();
}

/// Resets what `knock` opened.
fn leave(bench: &mut Bench, client: &str, port: u16, ports: Range<u16>) {
    for from in ports {
        bench.inject(&eth().ip4(client, EDGE_IPS[0]).tcp(from, port).seq(8).rst().bytes(), RxMeta::default());
    }
    bench.turns();
}

fn bench(config: fn(&mut Settings)) -> Bench {
    Bench::new(config, &LAB_APPS, &[])
}

/// Drops by `reason`, sessions alive, and refusals of app 0.
fn told(bench: &Bench, reason: DropReason) -> (u64, u64, u64) {
    let page = &bench.control.pages[0];
    (page.dropped(reason), page.gauge(Gauge::Sessions), page.app(AppSlot(0), AppCounter::Refused))
}

#[test]
fn an_app_keeps_to_its_share_of_sessions_once_most_are_in_use_and_another_still_comes_in() {
    let mut bench = bench(|settings| {
        settings.session.sessions_max = 20;
        settings.session.shares = SharePercents { app: 25, account: 100 };
    });
    knock(&mut bench, "10.0.0.7", 80, 4_000..4_018);
    assert_eq!(told(&bench, DropReason::AppShare), (2, 16, 2));
    knock(&mut bench, "10.0.0.8", 81, 1..5);
    assert_eq!(told(&bench, DropReason::AppShare), (2, 20, 2), "the fifth that is kept is for others");
    knock(&mut bench, "10.0.0.8", 81, 5..6);
    assert_eq!(bench.control.pages[0].dropped(DropReason::SessionsFull), 1);
    leave(&mut bench, "10.0.0.7", 80, 4_000..4_016);
    knock(&mut bench, "10.0.0.9", 80, 1..8);
    assert_eq!(told(&bench, DropReason::AppShare), (2, 11, 2), "what was given back can be had again");
}

#[test]
fn an_account_keeps_to_its_share_of_half_open_slots() {
    let mut bench = bench(|settings| {
        settings.session.half_open_max = 10;
        settings.session.shares = SharePercents { app: 100, account: 50 };
    });
    knock(&mut bench, "10.0.0.7", 80, 1..6);
    knock(&mut bench, "10.0.0.7", 81, 1..6);
    assert_eq!(told(&bench, DropReason::AccountShare), (2, 8, 0));
}

#[test]
fn limits_of_connections_hold_per_app_and_client_and_are_let_go_of() {
    let mut bench = bench(|settings| {
        settings.session.limits =
            ConnectionLimits { connections: 5, client_connections: 3, ..ConnectionLimits::OFF };
    });
    knock(&mut bench, "10.0.0.7", 80, 1..6);
    assert_eq!(told(&bench, DropReason::ClientConnections), (2, 3, 2));
    knock(&mut bench, "10.0.0.8", 80, 1..5);
    assert_eq!(told(&bench, DropReason::AppConnections), (2, 5, 4));
    leave(&mut bench, "10.0.0.7", 80, 1..4);
    let counted = bench.control.pages[0].counter(Counter::ClosedByClientReset);
    assert_eq!(counted, 3, "who leaves before the handshake is over is counted, too");
    knock(&mut bench, "10.0.0.7", 80, 10..12);
    assert_eq!(told(&bench, DropReason::ClientConnections), (2, 4, 4));
}

#[test]
fn new_connections_a_second_hold_per_app_and_client_and_an_apps_own_limits_win() {
    let mut bench = bench(|settings| {
        settings.session.limits =
            ConnectionLimits { new_per_s: 5, client_new_per_s: 3, ..ConnectionLimits::OFF };
    });
    knock(&mut bench, "2001:2:1::7", 80, 1..6);
    assert_eq!(told(&bench, DropReason::ClientRateLimited), (2, 3, 2));
    // At the same moment once more: `turns` moves on by a second.
    bench.now = Instant::from_nanos(bench.now.nanos() - 1_000_000_000);
    knock(&mut bench, "10.0.0.8", 80, 1..4);
    assert_eq!(told(&bench, DropReason::AppRateLimited), (1, 5, 3));
    let mut spec = live_spec(&LAB_APPS, &[]);
    spec.accounts[0].zones[0].apps[0].limits = Some(ConnectionLimits::OFF);
    bench.control.publish(&spec);
    knock(&mut bench, "10.0.0.9", 80, 1..20);
    assert_eq!(told(&bench, DropReason::AppRateLimited), (1, 24, 3));
    assert_eq!(bench.control.pages[0].counter(Counter::UncountedClients), 0);
}

/// Each refusal for want of room, by a share, a limit or a rate has a name of its own, in Spectrum's class of its kind.
#[test]
fn every_refusal_by_a_limit_has_spectrums_class_of_its_kind() {
    use DropReason::*;
    let full = [
        SessionsFull,
        SocketsFull,
        UdpSessionsFull,
        HalfOpenFull,
        FlowsFull,
        AppShare,
        AccountShare,
        AppConnections,
        ClientConnections,
        EgressExhausted,
        CryptoFull,
        Draining,
    ];
    let fast = [
        AppRateLimited,
        ClientRateLimited,
        SynRateLimited,
        SynCookieRateLimited,
        HandshakeRateLimited,
        IcmpRateLimited,
        NeighborRateLimited,
        AmplificationLimited,
        HandoverFull,
        TxFull,
        NoFrame,
    ];
    let not_there = [
        ProtocolUnknown,
        NoPrefix,
        OtherService,
        NoApp,
        NoAppPort,
        WrongProtocol,
        NoCertificate,
        OriginUnresolved,
    ];
    let of = |class: DropClass| -> Vec<DropReason> {
        let all = DropReason::ALL.iter().copied();
        all.filter(|reason| reason.class() == class).collect()
    };
    let same = |class: DropClass, list: &[DropReason]| {
        let (told, listed) = (of(class), list.to_vec());
        assert!(
            told.iter().all(|reason| listed.contains(reason)) && told.len() == listed.len(),
            "{class:?}: {told:?}"
        );
    };
    same(DropClass::ConnectionLimited, &full);
    same(DropClass::RateLimited, &fast);
    same(DropClass::NotFound, &not_there);
}

#[test]
fn udp_sessions_keep_to_shares_and_a_flood_gives_way_within_its_own() {
    let config = |settings: &mut Settings| {
        settings.udp.sessions_max = 20;
        settings.udp.shares = SharePercents { app: 25, account: 100 };
    };
    let other = LabApp { port: 54, origin_port: 54, ..LabApp::DNS };
    let mut bench = Bench::new(config, &[LabApp::DNS, other], &[]);
    let send = |bench: &mut Bench, port: u16, from: Range<u16>| {
        for from in from {
            let datagram = eth().ip4("10.0.0.7", EDGE_IPS[0]).udp(from, port).payload(b"?").bytes();
            bench.inject(&datagram, RxMeta::default());
        }
        bench.turns();
        let page = &bench.control.pages[0];
        (page.gauge(Gauge::UdpSessions), page.counter(Counter::UdpClosedByEviction))
    };
    assert_eq!(send(&mut bench, 53, 1..17), (16, 0), "four fifths are anybody's");
    assert_eq!(send(&mut bench, 53, 17..20), (16, 3), "more of them push out their own");
    assert_eq!(send(&mut bench, 54, 1..5), (20, 3), "the fifth that is kept is for others");
    let page = &bench.control.pages[0];
    assert_eq!((page.dropped(DropReason::AppShare), page.dropped(DropReason::UdpSessionsFull)), (0, 0));
}

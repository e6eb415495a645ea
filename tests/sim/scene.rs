//! What a run is set in: how its edge is set up, faulty links, a stranger's claim.

use byway::base::{Rng, Span};
use byway::flow::SharePercents;
use byway::port::fault::{FaultRates, Ppm};
use byway::port::mem::Spread;
use byway::session::{SpliceHandshake, SynCookies};
use byway::table::ConnectionLimits;
use byway::testkit::edge::settings;
use byway::testkit::net::Watch;
use byway::testkit::pretty::pretty;
use byway::worker::{Refusal, Settings};

/// UDP sessions of a worker.
pub const UDP_SESSIONS: u32 = 512;

/// Connections of one app that a worker of a limited run takes at once.
pub const CONNECTIONS_MAX: u32 = 12;

/// One run in four limits connections: who is kept out knocks until there is room.
pub const fn is_limited(seed: u64) -> bool {
    seed % 4 == 2
}

/// Half-open sessions of a worker from which on some runs answer by cookies.
const HALF_OPEN: u32 = 2;

/// Spliced sessions of a worker, in runs that have some.
pub const SPLICED: u32 = 12;

/// One run in three splices what it can.
pub const fn is_spliced(seed: u64) -> bool {
    seed % 3 == 1
}

/// Half of the runs that splice let the origin's handshake wait for a round trip of the client.
pub const fn splice_handshake(seed: u64) -> SpliceHandshake {
    if seed % 2 == 1 { SpliceHandshake::ClientRtt } else { SpliceHandshake::Immediate }
}

/// They bring to rest what has been under way for one to five milliseconds.
pub const fn splice_quiesce_after(seed: u64) -> Span {
    Span::from_millis(1 + seed / 2 % 3 * 2)
}

/// Parked sessions of a worker, in runs that have some.
pub const PARKED: u32 = 256;

/// One run in two parks what has been quiet for two milliseconds.
pub const fn is_parked(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

/// One run in five answers every SYN by a cookie, one those that come while a few sessions are half-open. Not where
/// connections are limited: who is kept out there knocks longer than a cookie lives.
pub const fn syn_cookies(seed: u64) -> SynCookies {
    match seed % 5 {
        _ if is_limited(seed) => SynCookies::Off,
        1 => SynCookies::Always,
        3 => SynCookies::Auto { half_open: HALF_OPEN },
        _ => SynCookies::Off,
    }
}

/// Blocked connections are refused in so many words, so that their clients come to an end.
pub fn edge_settings(workers: u8, seed: u64) -> Settings {
    let mut settings = settings(workers);
    if is_limited(seed) {
        settings.session.limits =
            ConnectionLimits { connections: CONNECTIONS_MAX, new_per_s: 120, ..ConnectionLimits::OFF };
    }
    if is_spliced(seed) {
        settings.session.spliced_max = SPLICED;
        settings.session.splice_handshake = splice_handshake(seed);
        settings.session.splice_quiesce_after = splice_quiesce_after(seed);
    }
    if is_parked(seed) {
        settings.session.parked_max = PARKED;
        settings.session.park_after = Span::from_millis(2);
    }
    settings.session.syn_cookies = syn_cookies(seed);
    settings.blocked_tcp = Refusal::Rst;
    settings.udp.sessions_max = UDP_SESSIONS;
    settings.udp.shares = SharePercents { app: 25, account: 50 };
    settings.udp.removed_app_grace = Span::from_secs(10);
    settings
}

/// One seed in ten has clean links; in one of four links never repeat a frame, so that bytes can be counted exactly.
pub fn faults(rng: &mut Rng, seed: u64) -> FaultRates {
    if seed.is_multiple_of(10) {
        return FaultRates::default();
    }
    let mut up_to = |ppm: u64| Ppm(rng.below(ppm) as u32);
    let rates = FaultRates {
        lose: up_to(20_000),
        repeat: up_to(10_000),
        reorder: up_to(30_000),
        delay: up_to(10_000),
        corrupt: up_to(5_000),
        truncate: up_to(2_000),
        stall: up_to(500),
        delay_turns_max: 8,
        stall_turns_max: 20,
    };
    if seed % 4 == 1 { FaultRates { repeat: Ppm::NEVER, ..rates } } else { rates }
}

/// Prints the frames whose line holds the text.
pub fn watch(wanted: String) -> Watch {
    Box::new(move |now, towards, frame| {
        let line = pretty(frame);
        if line.contains(&wanted) {
            println!("{:>12} us to {towards:?}: {line}", now.nanos() / 1_000);
        }
    })
}

/// Spreads by the lowest bits of a frame's source port, which is not how byway steers.
pub fn by_source_port(frame: &[u8]) -> Spread {
    let at = if frame.get(12) == Some(&0x08) { 35 } else { 55 };
    Spread { queue: u16::from(frame.get(at).copied().unwrap_or(0)), rss_hash: None }
}

/// A gratuitous ARP by somebody else for the gateway's address.
pub fn false_claim() -> Vec<u8> {
    let thief = [0x02, 0xad, 0, 0, 0, 9];
    let mut frame = vec![0xff; 6];
    frame.extend_from_slice(&thief);
    frame.extend_from_slice(&[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend_from_slice(&thief);
    frame.extend_from_slice(&[198, 18, 0, 2, 0, 0, 0, 0, 0, 0, 198, 18, 0, 2]);
    frame
}

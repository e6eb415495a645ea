//! TLS in memory: handshakes of all modes and their failures, records, endings, tickets; rustls on both far ends.

mod attacks;
mod duo;
mod scene;
mod statuses;

use byway::base::Addr;
use byway::flow::Side;
use byway::session::tls::{Failure, Shut};
use byway::telemetry::{TlsStatus, TlsVersion};
use byway::testkit::tls::{self, EDGE, EDGE_RSA, EXPIRED, OTHER, Pems, SELF};
use byway::tls::{AppTls, Certificate, CertificateFault, MinTls, Mode, Trust, TrustFault, Wanted};
use duo::{Duo, Far, LEG_BYTES};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind, SupportedProtocolVersion};
use std::io::Read;
use std::sync::Arc;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NAME: &str = "lab.example.com";

fn app(mode: Mode) -> Arc<AppTls> {
    tls::app(&tls::material(&[EDGE]), mode, MinTls::Tls12)
}

fn client(name: &'static str, versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
    let name = ServerName::try_from(name).expect("a name");
    ClientConnection::new(tls::client(versions, &[]), name).expect("a client")
}

fn duo(mode: Mode, origin: Pems, versions: &[&'static SupportedProtocolVersion]) -> Duo {
    let origin = (mode != Mode::Flexible).then(|| tls::server(origin, versions, &[]));
    Duo::new(client(NAME, versions), &app(mode), origin)
}

fn pattern(len: usize, step: usize) -> Vec<u8> {
    (0..len).map(|at| (at * step % 251) as u8).collect()
}

#[test]
fn bytes_pass_whole_and_in_order_in_every_mode_and_version_through_small_buffers() {
    let (up, down) = (pattern(300_001, 7), pattern(500_003, 13));
    for mode in [Mode::Flexible, Mode::Full, Mode::Strict] {
        for versions in [&BOTH[..1], &BOTH[1..]] {
            let mut duo = duo(mode, EDGE, versions);
            duo.shake().expect("good handshakes");
            let (at_origin, at_client) = duo.exchange(&up, &down);
            assert!(at_origin == up && at_client == down, "{mode:?} {versions:?}");
            assert!(duo.wires.most.iter().all(|most| *most <= LEG_BYTES));
        }
    }
}

#[test]
fn a_full_leg_stops_the_taking_of_bytes() {
    let mut duo = duo(Mode::Full, EDGE, BOTH);
    duo.shake().expect("good handshakes");
    let flood = pattern(1 << 20, 3);
    let mut said = 0;
    for _ in 0..200 {
        said += std::io::Write::write(&mut duo.client.writer(), &flood[said..]).expect("memory");
        while duo.client.wants_write() {
            duo.client.write_tls(&mut duo.wires.came[0]).expect("memory");
        }
        duo.carry().expect("good TLS");
    }
    // Nobody reads at the origin: what was taken is what the leg holds and two records more, in the flow.
    let taken = said - duo.wires.came[0].len().min(said);
    assert!(taken <= LEG_BYTES + 3 * 17 * 1024, "{taken} bytes were taken");
}

#[test]
fn names_choose_certificates_exactly_then_by_wildcard_and_none_means_the_apps_own() {
    let material = tls::material(&[OTHER, EDGE]);
    let app = tls::app(&material, Mode::Flexible, MinTls::Tls12);
    for (name, expected) in [(NAME, EDGE), ("other.example.com", OTHER), ("a.wild.example.com", EDGE)] {
        let mut duo = Duo::new(client(name, BOTH), &app, None);
        duo.shake().expect("a certificate for the name");
        let shown = duo.client.peer_certificates().expect("a chain")[0].clone();
        let (chain, key) = expected;
        let expected = Certificate::from_pem(chain, key).expect("good");
        assert_eq!(shown, expected.key().cert[0], "{name}");
    }
    let mut config = Arc::unwrap_or_clone(tls::client(BOTH, &[]));
    config.enable_sni = false;
    let nameless = ClientConnection::new(config.into(), ServerName::try_from(NAME).expect("a name"));
    let mut duo = Duo::new(nameless.expect("a client"), &app, None);
    duo.shake().expect("the app's own certificate");
}

#[test]
fn a_client_without_a_name_is_met_as_its_edge_address_says() {
    let material = tls::material(&[OTHER, EDGE]);
    let here = Addr::v4(duo::EDGE_ADDR);
    for (addr, name, expected) in [
        (here, "other.example.com", OTHER),
        (Addr::v4([198, 51, 100, 11]), "other.example.com", EDGE),
        (here, "nobody.example.com", EDGE),
    ] {
        let nameless = [(addr, name.into())];
        let wanted = Wanted {
            mode: Mode::Flexible,
            min_tls: MinTls::Tls12,
            name: NAME,
            nameless: &nameless,
            origin_name: NAME,
        };
        let app = Arc::new(material.app("default", &wanted).expect("a certificate"));
        let mut config = Arc::unwrap_or_clone(tls::client(BOTH, &[]));
        config.enable_sni = false;
        let asked = if expected == OTHER { "other.example.com" } else { NAME };
        let nameless = ClientConnection::new(config.into(), ServerName::try_from(asked).expect("a name"));
        let mut duo = Duo::new(nameless.expect("a client"), &app, None);
        duo.shake().unwrap_or_else(|failure| panic!("{addr} {name}: {failure:?}"));
        let mut named = Duo::new(client(NAME, BOTH), &app, None);
        named.shake().expect("a name that is said counts");
    }
}

#[test]
fn an_unknown_name_gets_an_alert_and_is_named_in_the_facts() {
    for name in ["nobody.example.com", "a.b.wild.example.com", "wild.example.com"] {
        let mut duo = Duo::new(client(name, BOTH), &app(Mode::Full), Some(tls::server(EDGE, BOTH, &[])));
        assert_eq!(duo.shake(), Err(Failure::BadSni), "{name}");
        let facts = &duo.pair.as_ref().expect("kept").facts;
        assert_eq!((&facts.sni[..], facts.client.status), (name, TlsStatus::InvalidSni));
        duo.talk();
        let alert = duo.client.process_new_packets().expect_err("an alert");
        assert!(format!("{alert:?}").contains("UnrecognisedName"), "{alert:?}");
    }
}

#[test]
fn strict_asks_for_chain_and_name_and_full_for_nothing() {
    for origin in [SELF, OTHER, EXPIRED] {
        let mut strict = duo(Mode::Strict, origin, BOTH);
        assert_eq!(strict.shake(), Err(Failure::OriginCertificate));
        let facts = &strict.pair.as_ref().expect("kept").facts;
        assert_eq!(facts.origin.status, TlsStatus::HandshakeFailed);
        duo(Mode::Full, origin, BOTH).shake().expect("unchecked");
    }
}

#[test]
fn the_facts_tell_both_legs() {
    let mut duo = duo(Mode::Strict, EDGE_RSA, &BOTH[1..]);
    let mut facts = None;
    for _ in 0..20 {
        duo.talk();
        let Some(mut pair) = duo.pair.take() else { break };
        for side in [0, 1] {
            pair.inbox[side].append(&mut duo.wires.came[side]);
        }
        pair.step(pair.has_hello()).expect("good");
        for side in [0, 1] {
            duo.wires.goes[side].append(&mut pair.outbox[side]);
        }
        facts = Some(pair.facts.clone());
        duo.pair = (!pair.is_done()).then_some(pair);
    }
    let facts = facts.expect("facts");
    assert_eq!((facts.client.version, facts.client.status), (TlsVersion::Tls12, TlsStatus::Ok));
    assert_eq!(facts.client.cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    assert_eq!(
        (facts.origin.version, facts.origin.cipher),
        (TlsVersion::Tls12, "ECDHE-RSA-AES256-GCM-SHA384")
    );
    assert_eq!(&facts.sni[..], NAME);
    assert!(facts.fingerprint.is_some_and(|print| print != [0; 32]));
}

#[test]
fn the_clients_protocols_reach_the_origin_and_its_choice_the_client() {
    type Offer = (&'static [&'static [u8]], &'static [&'static [u8]], Option<&'static [u8]>);
    let offers: &[Offer] = &[
        (&[b"h2", b"http/1.1"], &[b"http/1.1"], Some(b"http/1.1")),
        (&[b"h2", b"http/1.1"], &[b"h2", b"http/1.1"], Some(b"h2")),
        (&[b"h2"], &[], None),
        (&[], &[b"h2"], None),
    ];
    for (client, origin, chosen) in offers {
        let name = ServerName::try_from(NAME).expect("a name");
        let client = ClientConnection::new(tls::client(BOTH, client), name).expect("a client");
        let mut duo = Duo::new(client, &app(Mode::Strict), Some(tls::server(EDGE, BOTH, origin)));
        duo.shake().expect("good handshakes");
        assert_eq!(duo.client.alpn_protocol(), *chosen);
        let Far::Sealed(origin) = &duo.far else { panic!("a TLS origin") };
        assert_eq!(origin.alpn_protocol(), *chosen);
    }
}

#[test]
fn old_versions_are_refused_by_name() {
    let app = tls::app(&tls::material(&[EDGE]), Mode::Flexible, MinTls::Tls13);
    let mut duo = Duo::new(client(NAME, &BOTH[1..]), &app, None);
    assert_eq!(duo.shake(), Err(Failure::OldVersion(Side::Client)));
    Duo::new(client(NAME, &BOTH[..1]), &app, None).shake().expect("TLS 1.3");
}

#[test]
fn what_is_no_tls_is_refused_on_either_side() {
    let mut duo = duo(Mode::Full, EDGE, BOTH);
    let mut pair = duo.pair.take().expect("a pair");
    pair.inbox[0].extend(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(pair.step(false), Err(Failure::BadMessage(Side::Client)));
    assert!(!pair.outbox[0].is_empty(), "an alert goes out");
    let mut duo = self::duo(Mode::Full, EDGE, BOTH);
    duo.talk();
    let mut pair = duo.pair.take().expect("a pair");
    pair.inbox[0].append(&mut duo.wires.came[0]);
    pair.step(false).expect("a hello");
    pair.step(true).expect("a hello for the origin");
    pair.inbox[1].extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(pair.step(true), Err(Failure::BadMessage(Side::Origin)));
}

#[test]
fn tickets_resume_within_a_zone_in_both_versions_and_not_beyond_it() {
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let config = tls::client(versions, &[]);
        let (zone, other_zone) = (tls::material(&[EDGE]), tls::material(&[EDGE]));
        let again = |material| {
            let name = ServerName::try_from(NAME).expect("a name");
            let client = ClientConnection::new(config.clone(), name).expect("a client");
            let mut duo = Duo::new(client, &tls::app(material, Mode::Flexible, MinTls::Tls12), None);
            duo.shake().expect("a handshake");
            duo.exchange(b"x", b"y");
            duo.client.handshake_kind()
        };
        assert_eq!(again(&zone), Some(HandshakeKind::Full));
        assert_eq!(again(&zone), Some(HandshakeKind::Resumed), "{versions:?}");
        // The app is made anew, as by a reload; the zone's keys stay.
        assert_eq!(again(&zone), Some(HandshakeKind::Resumed), "{versions:?}");
        assert_eq!(again(&other_zone), Some(HandshakeKind::Full), "{versions:?}");
    }
}

#[test]
fn a_closed_stream_ends_the_other_one_and_a_cut_one_does_not() {
    let mut duo = duo(Mode::Full, EDGE, BOTH);
    duo.shake().expect("good handshakes");
    duo.exchange(b"up", b"down");
    let shut = |duo: &mut Duo, side| duo.flow.as_mut().expect("established").shut(side);
    assert_eq!(shut(&mut duo, Side::Client), Shut::Open);
    duo.client.send_close_notify();
    duo.talk();
    duo.carry().expect("good TLS");
    assert_eq!(shut(&mut duo, Side::Client), Shut::Ended);
    assert_eq!(shut(&mut duo, Side::Origin), Shut::Open, "the other way stays open");
    let (put, done) = duo.flow.as_mut().expect("established").tell_end(Side::Origin, &mut duo.wires);
    assert!(put > 0 && done);
    duo.talk();
    let Far::Sealed(origin) = &mut duo.far else { panic!("a TLS origin") };
    let mut rest = Vec::new();
    origin.reader().read_to_end(&mut rest).expect("a clean end: close_notify came");
    // What follows close_notify is taken and dropped, so that it blocks nothing.
    duo.wires.came[0].extend([0; 5_000]);
    duo.carry().expect("ignored");
    assert!(duo.wires.came[0].is_empty());
}

#[test]
fn a_broken_record_ends_the_flow_with_an_alert() {
    let mut duo = duo(Mode::Flexible, EDGE, BOTH);
    duo.shake().expect("good handshakes");
    duo.wires.came[0].extend([23, 3, 3, 0, 32]);
    duo.wires.came[0].extend([7; 32]);
    assert_eq!(duo.carry(), Err(Failure::BadMessage(Side::Client)));
    assert!(!duo.wires.goes[0].is_empty(), "an alert goes out");
}

#[test]
fn what_an_origin_says_first_is_not_lost() {
    let mut duo = duo(Mode::Full, EDGE, BOTH);
    if let Far::Sealed(origin) = &mut duo.far {
        std::io::Write::write_all(&mut origin.writer(), b"220 ready\r\n").expect("memory");
    }
    duo.shake().expect("good handshakes");
    let (_, at_client) = duo.exchange(b"", b"220 ready\r\n");
    assert!(at_client.starts_with(b"220 ready\r\n"), "{at_client:?}");
}

#[test]
fn bad_files_are_named() {
    let (chain, key) = EDGE;
    let read = |chain: &[u8], key: &[u8]| Certificate::from_pem(chain, key).map(drop);
    assert_eq!(read(b"", key), Err(CertificateFault::NoCertificate));
    assert_eq!(read(chain, b"x"), Err(CertificateFault::NoKey));
    assert_eq!(read(chain, OTHER.1), Err(CertificateFault::KeyOfAnother));
    assert_eq!(read(tls::AUTHORITY, key), Err(CertificateFault::NoName));
    let nameless = Certificate::from_pem_of_any(tls::AUTHORITY, key).map(drop);
    assert_eq!(nameless, Err(CertificateFault::KeyOfAnother), "but for its key it would do for a listener");
    assert_eq!(read(&chain.repeat(17), key), Err(CertificateFault::ChainTooLong));
    assert_eq!(Trust::new(Some(b"nothing")).map(drop), Err(TrustFault::Empty));
    assert!(!format!("{:?}", Certificate::from_pem(chain, key)).contains("PRIVATE"));
}

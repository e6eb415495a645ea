//! How connections of apps with TLS end: event, status, counters, and what the client reads.

use crate::scene::{BOTH, STEPS, Scene, good, seconds};
use byway::base::DropReason;
use byway::session::tls::CryptoSettings;
use byway::table::TlsMode::{Flexible, Full, Strict};
use byway::telemetry::Counter;
use byway::telemetry::EventKind::{Disconnect, OriginError, TlsError};
use byway::telemetry::Status;
use byway::telemetry::TlsStatus::{HandshakeFailed, InternalError, InvalidSni, Ok as Good, Unknown};
use byway::testkit::line::{Answer, CRYPTO};
use byway::testkit::tls::{self, EDGE, EXPIRED, OTHER, SELF};
use rustls::AlertDescription as Alert;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

const NO_RECORD: &[u8] = b"this is no record of TLS at all";

#[test]
fn a_client_that_breaks_tls_after_the_handshake_ends_as_490_and_reads_an_alert() {
    for (mode, origin) in [(Flexible, Unknown), (Full, Good), (Strict, Good)] {
        let mut scene = good(mode, BOTH);
        let end = scene.client.end;
        scene.line.say(end, NO_RECORD);
        scene.run(STEPS);
        let counters = [Counter::ClosedByClientTls, Counter::TlsClientBadMessage];
        scene.ended_as((Disconnect, Status::ClientTlsError, Good, origin), &counters);
        assert!(scene.alert().is_some(), "{:?}", scene.client.fault);
    }
}

#[test]
fn an_origin_that_breaks_tls_after_the_handshake_ends_as_447() {
    for mode in [Full, Strict] {
        let mut scene = good(mode, BOTH);
        let end = scene.line.origin().expect("called");
        scene.line.say(end, NO_RECORD);
        scene.run(STEPS);
        let counters = [Counter::ClosedByOriginTls, Counter::TlsOriginBadMessage];
        scene.ended_as((Disconnect, Status::OriginWriteFailed, Good, Good), &counters);
        let origin = scene.origin.as_ref().and_then(|origin| origin.fault.clone());
        assert!(matches!(origin, Some(rustls::Error::AlertReceived(_))), "{origin:?}");
    }
}

#[test]
fn an_unknown_name_is_400() {
    let mut scene = Scene::new(Full, EDGE);
    let name = ServerName::try_from("nobody.example.com").expect("a name");
    scene.client.tls = ClientConnection::new(tls::client(BOTH, &[]), name).expect("a client").into();
    scene.run(STEPS);
    let counters = [Counter::ClosedByBadSni, Counter::TlsBadSni];
    scene.ended_as((TlsError, Status::BadSni, InvalidSni, Unknown), &counters);
    assert_eq!(scene.alert(), Some(Alert::UnrecognisedName));
    assert_eq!(scene.line.origin(), None, "the origin never hears of it");
}

#[test]
fn a_client_that_speaks_no_tls_is_443_at_once() {
    let mut scene = Scene::new(Full, EDGE);
    scene.line.say(scene.client.end, b"GET / HTTP/1.1\r\n\r\n");
    scene.line.run(STEPS);
    let counters = [Counter::ClosedByClientHandshake, Counter::TlsClientBadMessage];
    scene.ended_as((TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown), &counters);
}

#[test]
fn a_client_of_an_older_version_is_443_and_reads_protocol_version() {
    // A hello of TLS 1.1, as openssl writes it: no extensions but the name.
    let suites = [0, 2, 0xc0, 0x13];
    let body = [&[3, 2][..], &[7; 32], &[0], &suites, &[1, 0]].concat();
    let hello = [&[22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8][..], &body].concat();
    let mut scene = Scene::new(Full, EDGE);
    scene.line.say(scene.client.end, &hello);
    scene.line.run(STEPS);
    assert_eq!(scene.line.ends[scene.client.end].heard, [21, 3, 3, 0, 2, 2, 70]);
    let counters = [Counter::ClosedByClientHandshake, Counter::TlsClientOldVersion];
    scene.ended_as((TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown), &counters);
}

#[test]
fn a_client_that_closes_in_the_middle_of_its_hello_is_443() {
    let mut scene = Scene::new(Full, EDGE);
    scene.line.say(scene.client.end, &[22, 3, 1, 2, 0, 1, 0]);
    scene.line.close(scene.client.end);
    scene.line.run(STEPS);
    let counters = [Counter::ClosedByClientHandshake];
    scene.ended_as((TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown), &counters);
}

#[test]
fn a_hello_of_one_byte_a_second_is_443_when_its_time_is_over() {
    let mut scene = Scene::new(Full, EDGE);
    let hello = scene.client.answer(&mut scene.line);
    for byte in &hello[..9] {
        scene.line.say(scene.client.end, &[*byte]);
        scene.line.after(seconds(1));
        scene.line.run(5);
    }
    assert_eq!(scene.told(), [], "within its time it is borne");
    scene.line.after(seconds(2));
    scene.line.run(5);
    let counters = [Counter::ClosedByClientHandshake];
    scene.ended_as((TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown), &counters);
}

#[test]
fn an_origin_with_a_bad_certificate_is_521_and_the_client_reads_why_there_is_nothing() {
    for certificate in [SELF, EXPIRED, OTHER] {
        let mut scene = Scene::new(Strict, certificate);
        scene.run(STEPS);
        let counters = [Counter::ClosedByOriginHandshake, Counter::TlsOriginCertificate];
        scene.ended_as((OriginError, Status::OriginRefused, Unknown, HandshakeFailed), &counters);
        assert_eq!(scene.alert(), Some(Alert::InternalError));
        let origin = scene.origin.as_ref().and_then(|origin| origin.fault.clone());
        assert!(matches!(origin, Some(rustls::Error::AlertReceived(_))), "{origin:?}");
    }
}

#[test]
fn an_origin_that_speaks_no_tls_or_closes_is_521() {
    let mut scene = Scene::new(Full, EDGE);
    while scene.line.origin().is_none() {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    scene.line.say(1, NO_RECORD);
    scene.run(STEPS);
    let counters = [Counter::ClosedByOriginHandshake, Counter::TlsOriginBadMessage];
    scene.ended_as((OriginError, Status::OriginRefused, Unknown, HandshakeFailed), &counters);
    assert_eq!(scene.alert(), Some(Alert::InternalError));

    let mut scene = Scene::new(Full, EDGE);
    while scene.line.origin().is_none() {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    scene.line.close(1);
    for _ in 0..STEPS {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    scene.ended_as(
        (OriginError, Status::OriginRefused, Unknown, HandshakeFailed),
        &[Counter::ClosedByOriginHandshake],
    );
    assert_eq!(scene.alert(), Some(Alert::InternalError));
}

#[test]
fn an_origin_that_never_ends_its_handshake_is_522() {
    let mut scene = Scene::new(Full, EDGE);
    for _ in 0..STEPS {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    assert!(scene.line.origin().is_some_and(|origin| !scene.line.ends[origin].heard.is_empty()));
    scene.line.after(seconds(11));
    for _ in 0..STEPS {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    let counters = [Counter::ClosedByOriginHandshakeTimeout];
    scene.ended_as((OriginError, Status::OriginConnectTimeout, Unknown, HandshakeFailed), &counters);
    assert_eq!(scene.alert(), Some(Alert::InternalError));
}

#[test]
fn an_origin_that_cannot_be_connected_to_is_told_to_the_client_by_an_alert_too() {
    let ends = [
        (Answer::Refuse, 0, Status::OriginRefused, Counter::ClosedByOriginRefused),
        (Answer::Silence, 61, Status::OriginConnectTimeout, Counter::ClosedByConnectTimeout),
    ];
    for (answer, wait, status, counter) in ends {
        let mut scene = Scene::new(Full, EDGE);
        scene.line.answer = answer;
        scene.run(STEPS);
        scene.line.after(seconds(wait));
        scene.run(STEPS);
        scene.ended_as((OriginError, status, Unknown, Unknown), &[counter]);
        assert_eq!(scene.alert(), Some(Alert::InternalError), "{answer:?}");
    }
}

#[test]
fn a_handshake_without_room_at_the_crypto_threads_is_500_and_named() {
    let crypto = CryptoSettings { jobs_max: 4, ..CRYPTO };
    let mut scene = Scene::with(Flexible, EDGE, BOTH, crypto, |_| {});
    scene.line.crypto_works = false;
    let mut others: Vec<_> =
        (0..3).map(|_| crate::scene::caller(&mut scene.line, &tls::client(BOTH, &[]))).collect();
    for _ in 0..STEPS {
        scene.client.talk(&mut scene.line);
        scene.line.step();
        others.iter_mut().for_each(|other| other.talk(&mut scene.line));
    }
    // Three of four places are for new ones; whoever came last has none.
    let told: Vec<_> = scene.told();
    assert_eq!(told, [(TlsError, Status::Internal, InternalError, Unknown)]);
    assert_eq!(scene.refused(DropReason::CryptoFull), 1);
    assert_eq!(scene.line.count(Counter::ClosedByCryptoBusy), 1);
    assert_eq!((scene.line.worker.sessions(), scene.line.count(Counter::TlsExpired)), (3, 1));
    // Those that had room go on.
    scene.line.crypto_works = true;
    for _ in 0..STEPS {
        others.iter_mut().for_each(|other| other.talk(&mut scene.line));
        scene.run(1);
    }
    let done = others.iter().chain([&scene.client]).filter(|stack| !stack.tls.is_handshaking());
    assert_eq!(done.count(), 3);
}

#[test]
fn more_handshakes_than_their_rate_are_dropped_by_name() {
    // The first of a second come as a burst of eight; the scene's own client is one of them.
    let mut scene = Scene::with(Flexible, EDGE, BOTH, CRYPTO, |settings| settings.rates.handshake_per_s = 1);
    let mut others: Vec<_> =
        (0..11).map(|_| crate::scene::caller(&mut scene.line, &tls::client(BOTH, &[]))).collect();
    for _ in 0..STEPS {
        others.iter_mut().for_each(|other| other.talk(&mut scene.line));
        scene.run(1);
    }
    assert_eq!(scene.line.control.pages[0].dropped(DropReason::HandshakeRateLimited), 4);
    let done = others.iter().chain([&scene.client]).filter(|stack| !stack.tls.is_handshaking());
    assert_eq!(done.count(), 8);
}

#[test]
fn a_handshake_without_time_at_the_crypto_threads_is_500() {
    let mut scene = Scene::new(Full, EDGE);
    scene.line.crypto_works = false;
    scene.run(STEPS);
    scene.line.after(seconds(11));
    scene.line.run(STEPS);
    scene.ended_as((TlsError, Status::Internal, InternalError, Unknown), &[Counter::ClosedByCryptoBusy]);
    // What comes home late belongs to nobody, and its place is free again.
    scene.line.crypto_works = true;
    scene.line.run(STEPS);
    assert_eq!(scene.told(), []);
    let mut again = crate::scene::caller(&mut scene.line, &tls::client(BOTH, &[]));
    std::mem::swap(&mut scene.client, &mut again);
    scene.run(STEPS);
    assert!(!scene.client.tls.is_handshaking(), "{:?}", scene.client.fault);
}

#[test]
fn a_job_that_a_crypto_thread_finds_too_late_is_500() {
    let mut scene = Scene::new(Full, EDGE);
    scene.line.crypto_works = false;
    scene.run(STEPS);
    // The worker sleeps over the deadline: the crypto thread is first to see that it has passed.
    scene.line.now += seconds(11);
    scene.line.crypto_works = true;
    scene.line.step();
    scene.line.run(STEPS);
    let told = scene.told();
    assert_eq!((told.len(), told[0].0, told[0].1), (1, TlsError, Status::Internal));
    assert_eq!(scene.line.count(Counter::ClosedByCryptoBusy), 1);
}

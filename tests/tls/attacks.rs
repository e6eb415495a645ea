//! What strangers and half-broken peers do to TLS: each ends in a bound, a name and room for the next.

use crate::scene::{BOTH, STEPS, Scene, caller, good, seconds, told};
use byway::base::DropReason;
use byway::session::tls::CryptoSettings;
use byway::table::TlsMode::{Flexible, Full, Strict};
use byway::telemetry::EventKind::{Connect, Disconnect, OriginError, TlsError};
use byway::telemetry::TlsStatus::{HandshakeFailed, Ok as Good, Unknown};
use byway::telemetry::{Counter, Status};
use byway::testkit::edge::LabApp;
use byway::testkit::line::{CRYPTO, Line, spec};
use byway::testkit::tls::{self, EDGE, EDGE_RSA, OTHER};
use rustls::AlertDescription as Alert;
use rustls::version::TLS12;
use std::io::Read;

/// The records of `message`, a whole handshake message, cut to `len` bytes each.
fn records(message: &[u8], len: usize) -> Vec<u8> {
    let record = |part: &[u8]| [&[22, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat();
    message.chunks(len).flat_map(record).collect()
}

/// What the client refuses to do until its hello was sent in another way.
fn with_hello(mut scene: Scene, send: impl Fn(&mut Line, usize, &[u8])) -> Scene {
    let hello = scene.client.answer(&mut scene.line);
    send(&mut scene.line, scene.client.end, &hello);
    scene.run(STEPS);
    scene
}

#[test]
fn a_hello_in_records_and_segments_of_one_byte_is_heard_out() {
    let scene = with_hello(Scene::new(Strict, EDGE), |line, end, hello| {
        line.say(end, &records(&hello[5..], 1));
        line.run(STEPS);
    });
    assert!(!scene.client.tls.is_handshaking(), "{:?}", scene.client.fault);
    let mut scene = with_hello(Scene::new(Strict, EDGE), |line, end, hello| {
        for byte in hello {
            line.say(end, &[*byte]);
            line.step();
        }
    });
    assert_eq!(scene.told(), [(Connect, Status::Opened, Good, Good)]);
}

#[test]
fn a_hello_without_end_is_refused_before_it_takes_memory() {
    let refused = (TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown);
    // 60,000 bytes are a length that rustls would wait for.
    let long = [&[1, 0, 0xea, 0x60][..], &[7; 40_000]].concat();
    let mut scene = Scene::new(Full, EDGE);
    scene.line.say(scene.client.end, &records(&long, 16_000));
    scene.line.run(STEPS);
    assert_eq!(
        scene.line.ends[scene.client.end].heard,
        [21, 3, 3, 0, 2, 2, u8::from(Alert::IllegalParameter)]
    );
    scene.ended_as(refused, &[Counter::TlsClientBadMessage]);
    // And 16 MiB one that it would not.
    let mut scene = Scene::new(Full, EDGE);
    scene.line.say(scene.client.end, &records(&[1, 0xff, 0xff, 0xff, 3, 3], 16_000));
    scene.line.run(STEPS);
    scene.ended_as(refused, &[Counter::TlsClientBadMessage]);
}

#[test]
fn records_that_mean_nothing_are_refused_before_and_after_the_handshake() {
    let bombs: [&[u8]; 4] =
        [&[22, 3, 1, 0, 0], &[20, 3, 3, 0, 1, 1], &[21, 3, 3, 0, 2, 1, 90], &[23, 3, 3, 0, 0]];
    for bomb in bombs {
        let mut scene = Scene::new(Full, EDGE);
        scene.line.say(scene.client.end, &bomb.repeat(2_000));
        scene.line.run(STEPS * 10);
        let told = scene.told();
        assert_eq!(told, [(TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Unknown)], "{bomb:?}");
        let mut scene = good(Full, BOTH);
        scene.line.say(scene.client.end, &bomb.repeat(2_000));
        scene.line.run(STEPS * 10);
        assert_eq!(scene.told(), [(Disconnect, Status::ClientTlsError, Good, Good)], "{bomb:?}");
    }
}

#[test]
fn a_flood_of_key_updates_ends_the_session() {
    let mut scene = good(Full, &BOTH[..1]);
    for _ in 0..10 {
        scene.client.tls.refresh_traffic_keys().expect("TLS 1.3");
        scene.run(2);
    }
    scene.client.say(b"a few are in order");
    scene.run(STEPS);
    assert_eq!(scene.origin.as_ref().map(|origin| &origin.heard[..]), Some(&b"a few are in order"[..]));
    for _ in 0..100 {
        if scene.client.tls.refresh_traffic_keys().is_ok() {
            scene.run(2);
        }
    }
    scene.run(STEPS);
    let counters = [Counter::ClosedByClientTls, Counter::TlsClientBadMessage];
    scene.ended_as((Disconnect, Status::ClientTlsError, Good, Good), &counters);
}

#[test]
fn close_notify_in_the_middle_ends_one_way_and_not_the_other() {
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let mut scene = good(Full, versions);
        scene.client.say(b"up");
        scene.client.tls.send_close_notify();
        scene.run(STEPS);
        // What follows means nothing.
        scene.line.say(scene.client.end, &[0; 3_000]);
        scene.line.close(scene.client.end);
        scene.run(STEPS);
        let origin = scene.origin.as_mut().expect("called");
        assert_eq!(&origin.heard[..], b"up");
        assert_eq!(origin.tls.reader().read(&mut [0; 9]).expect("a clean end"), 0, "close_notify came");
        origin.say(b"down");
        origin.tls.send_close_notify();
        let end = origin.end;
        scene.run(STEPS);
        assert_eq!(&scene.client.heard[..], b"down");
        scene.line.close(end);
        scene.run(STEPS);
        assert_eq!(scene.told(), [(Disconnect, Status::NormalClose, Good, Good)]);
        assert_eq!(scene.line.count(Counter::TlsCutStreams), 0);
    }
}

#[test]
fn a_client_that_never_ends_its_handshake_is_443() {
    let mut scene = Scene::new(Full, EDGE);
    let hello = scene.client.answer(&mut scene.line);
    scene.line.say(scene.client.end, &hello);
    for _ in 0..STEPS {
        scene.talk_origin();
        scene.line.step();
    }
    assert!(!scene.line.ends[scene.client.end].heard.is_empty(), "the edge has answered");
    scene.line.after(seconds(11));
    scene.line.run(5);
    let failed = (TlsError, Status::ClientHandshakeFailed, HandshakeFailed, Good);
    scene.ended_as(failed, &[Counter::ClosedByClientHandshake]);
}

#[test]
fn an_origin_whose_handshake_has_no_end_is_521() {
    let mut scene = Scene::new(Full, EDGE);
    while scene.line.origin().is_none() {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    scene.line.say(1, &records(&[2, 0xff, 0xff, 0xff, 3, 3], 16_000));
    for _ in 0..STEPS {
        scene.client.talk(&mut scene.line);
        scene.line.step();
    }
    let counters = [Counter::ClosedByOriginHandshake, Counter::TlsOriginBadMessage];
    scene.ended_as((OriginError, Status::OriginRefused, Unknown, HandshakeFailed), &counters);
    assert_eq!(scene.alert(), Some(Alert::InternalError));
}

#[test]
fn hundreds_of_half_done_handshakes_go_as_they_came_and_leave_room() {
    const HALF_DONE: usize = 600;
    let crypto = CryptoSettings { jobs_max: 64, ..CRYPTO };
    let mut scene = Scene::with(Full, EDGE, BOTH, crypto, |_| {});
    scene.run(STEPS);
    assert_eq!(scene.told(), [(Connect, Status::Opened, Good, Good)]);
    for _ in 0..HALF_DONE {
        let mut half = caller(&mut scene.line, &tls::client(BOTH, &[]));
        let hello = half.answer(&mut scene.line);
        scene.line.say(half.end, &hello[..hello.len() / 2]);
        scene.line.step();
    }
    scene.line.run(STEPS);
    assert_eq!(scene.line.worker.sessions(), HALF_DONE + 1);
    // Those who are under way do not feel it.
    scene.client.say(b"still there");
    scene.run(STEPS);
    assert_eq!(scene.origin.as_ref().map(|origin| &origin.heard[..]), Some(&b"still there"[..]));
    scene.line.after(seconds(11));
    scene.run(STEPS);
    let ended = scene.told();
    assert_eq!(ended.len(), HALF_DONE);
    assert!(ended.iter().all(|told| told.1 == Status::ClientHandshakeFailed));
    assert_eq!(scene.line.worker.sessions(), 1);
}

#[test]
fn a_reload_while_handshakes_are_away_changes_nothing_for_them() {
    let table = spec(&[(LabApp::WEB, Strict)]);
    let mut scene = Scene::new(Strict, EDGE);
    scene.line.crypto_works = false;
    scene.run(STEPS);
    // Another certificate, other ticket keys, another object for each app.
    scene.line.material = tls::material(&[EDGE_RSA]);
    scene.line.publish(&table);
    scene.run(STEPS);
    scene.line.crypto_works = true;
    scene.run(STEPS);
    assert_eq!(scene.told(), [(Connect, Status::Opened, Good, Good)]);
    let shown = scene.client.tls.peer_certificates().expect("a chain")[0].clone();
    let old = byway::tls::Certificate::from_pem(EDGE.0, EDGE.1).expect("good");
    assert_eq!(shown, old.key().cert[0]);
}

#[test]
fn an_app_that_goes_while_its_handshake_is_away_takes_the_session_along() {
    let mut scene = Scene::new(Strict, EDGE);
    scene.line.crypto_works = false;
    scene.run(STEPS);
    scene.line.publish(&spec(&[]));
    scene.line.after(seconds(11));
    scene.line.run(STEPS);
    assert_eq!(scene.told().len(), 1);
    scene.line.crypto_works = true;
    scene.line.run(STEPS);
    assert_eq!((scene.line.worker.sessions(), scene.told()), (0, vec![]));
}

#[test]
fn a_certificate_that_is_gone_refuses_new_clients_and_leaves_the_live_ones() {
    let table = spec(&[(LabApp::WEB, Flexible)]);
    let mut scene = Scene::new(Flexible, EDGE).established();
    scene.line.material = tls::material(&[OTHER]);
    scene.line.publish(&table);
    scene.client.say(b"still served");
    scene.run(STEPS);
    let origin = scene.line.origin().expect("called");
    assert_eq!(&scene.line.ends[origin].heard[..], b"still served");
    let late = caller(&mut scene.line, &tls::client(BOTH, &[]));
    scene.line.run(STEPS);
    assert!(!scene.line.ends[late.end].up);
    assert_eq!(scene.line.control.pages[0].dropped(DropReason::NoCertificate), 1);
    // The certificate comes back, and with it new clients.
    scene.line.material = tls::material(&[EDGE]);
    scene.line.publish(&table);
    let mut back = caller(&mut scene.line, &tls::client(&[&TLS12], &[]));
    for _ in 0..STEPS {
        back.talk(&mut scene.line);
        scene.line.step();
    }
    assert!(!back.tls.is_handshaking(), "{:?}", back.fault);
    assert_eq!(
        scene.line.events().iter().map(told).next_back(),
        Some((Connect, Status::Opened, Good, Unknown))
    );
}

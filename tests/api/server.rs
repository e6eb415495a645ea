//! The API's own listeners: what a stop leaves of calls under way.

use crate::stand::{Outside, terms};
use byway::api::{AdminSocket, ApiListeners, start};
use byway::control::desk::{Desk, Inquiry, Readiness};
use byway::estate::Estate;
use byway::table::Reserved;
use byway::vault::SqliteVault;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn calls_under_way_are_answered_after_a_stop_over_the_admin_socket_and_the_net() {
    let folder = std::env::temp_dir().join(format!("byway-api-server-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("a store");
    let opened = byway::analytics::open(&folder.join("analytics"), "test", "FRA").expect("opened");
    let (recorder, reader, clerk) = opened;
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = tcp.local_addr().expect("an address");
    tcp.set_nonblocking(true).expect("set");
    let path = folder.join("api.sock");
    let socket = AdminSocket::bind(&path).expect("bound");
    let listeners = ApiListeners { tcp: Some(tcp), tls: None, socket };
    let terms = terms(Reserved::default(), &Arc::new(Outside::default()), reader);
    let (desk, mut inquiries) = Desk::open();
    let stop = start(listeners, (Box::new(vault), Estate::default()), terms, clerk)(desk).expect("started");
    let local = UnixStream::connect(&path).expect("connected");
    let net = std::net::TcpStream::connect(address).expect("connected");
    let clients = [thread::spawn(move || ready(local)), thread::spawn(move || ready(net))];
    // A control loop that takes its time, and is asked by both.
    let (asked, both_asked) = channel();
    let control = thread::spawn(move || {
        let mut replies = Vec::new();
        while let Some(Inquiry::Ready(reply)) = inquiries.blocking_recv() {
            replies.push(reply);
            if replies.len() == 2 {
                break;
            }
        }
        asked.send(()).expect("somebody waits");
        thread::sleep(Duration::from_millis(300));
        replies.into_iter().for_each(|reply| drop(reply.send(Readiness::Ready)));
    });
    both_asked.recv_timeout(Duration::from_secs(10)).expect("both ask");
    drop(recorder);
    stop();
    control.join().expect("no panic");
    for client in clients {
        let answer = client.join().expect("no panic");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"ready\""), "{answer:?}");
    }
    assert!(!path.exists(), "the socket goes");
    std::fs::remove_dir_all(&folder).expect("gone");
}

/// Asks whether byway is ready, and reads until the connection ends.
fn ready(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

//! The API's own listeners: what a stop leaves of calls under way.

use crate::stand::{Outside, terms};
use byway::api::{AdminSocket, ApiListeners, start};
use byway::control::desk::{Desk, Inquiry, Readiness};
use byway::estate::Estate;
use byway::table::Reserved;
use byway::vault::SqliteVault;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn calls_under_way_are_answered_after_a_stop_over_the_admin_socket_and_the_net() {
    let local = stopped_under_way("local", |path, _| Box::new(UnixStream::connect(path).expect("connected")));
    let net =
        stopped_under_way("net", |_, address| Box::new(TcpStream::connect(address).expect("connected")));
    for answer in [local, net] {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"ready\""), "{answer:?}");
    }
}

trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// What one call is answered that is under way when byway stops, and nobody else asks anything.
fn stopped_under_way(name: &str, connect: fn(&Path, SocketAddr) -> Box<dyn Line>) -> String {
    let folder = std::env::temp_dir().join(format!("byway-api-server-{name}-{}", std::process::id()));
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
    let line = connect(&path, address);
    let client = thread::spawn(move || ready(line));
    // A control loop that takes its time.
    let (asked, is_asked) = channel();
    let control = thread::spawn(move || {
        let reply = loop {
            match inquiries.blocking_recv().expect("one call") {
                Inquiry::Ready(reply) => break reply,
                // That there is no trial is told at the start.
                Inquiry::Trial(_) | Inquiry::ListenerTls(_) => {}
                Inquiry::Ask(..) | Inquiry::Metrics(_) | Inquiry::Install(_) => panic!("one call"),
            }
        };
        asked.send(()).expect("somebody waits");
        thread::sleep(Duration::from_millis(300));
        drop(reply.send(Readiness::Ready));
    });
    is_asked.recv_timeout(Duration::from_secs(10)).expect("it asks");
    drop(recorder);
    stop();
    control.join().expect("no panic");
    assert!(!path.exists(), "the socket goes");
    std::fs::remove_dir_all(&folder).expect("gone");
    client.join().expect("no panic")
}

/// Asks whether byway is ready, and reads until the connection ends.
fn ready(mut stream: Box<dyn Line>) -> String {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

//! How many may come to the API's listeners, with how much, and how many changes may wait.

use crate::stand::{Outside, Stand, terms};
use axum::http::Method;
use byway::api::{AdminSocket, ApiListeners, start};
use byway::base::limits::{
    API_CHANGES_WAITING_MAX, API_CHANGES_WAITING_PER_USER_MAX, API_CONNECTIONS_MAX,
    API_CONNECTIONS_PER_NET_MAX, API_LOCAL_CONNECTIONS_MAX,
};
use byway::control::ApiStop;
use byway::control::desk::{Desk, Inquiry, Readiness};
use byway::estate::Estate;
use byway::table::Reserved;
use byway::vault::SqliteVault;
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one looks whether there is none.
const GLANCE: Duration = Duration::from_millis(300);
const ASKS: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// An API on loopback and a socket, without credentials that would open it.
struct Served {
    folder: PathBuf,
    address: SocketAddr,
    stop: Option<ApiStop>,
}

impl Served {
    fn open(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("byway-api-bounds-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("a store");
        let (_, reader, clerk) =
            byway::analytics::open(&folder.join("analytics"), "test", "FRA").expect("opened");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = tcp.local_addr().expect("an address");
        tcp.set_nonblocking(true).expect("set");
        let socket = AdminSocket::bind(&folder.join("api.sock")).expect("bound");
        let terms = terms(Reserved::default(), &Arc::new(Outside::default()), reader);
        let (desk, mut inquiries) = Desk::open();
        thread::spawn(move || {
            while let Some(inquiry) = inquiries.blocking_recv() {
                if let Inquiry::Ready(reply) = inquiry {
                    drop(reply.send(Readiness::Ready));
                }
            }
        });
        let listeners = ApiListeners { tcp: Some(tcp), tls: None, socket };
        let stop = start(listeners, (Box::new(vault), Estate::default()), terms, clerk)(desk);
        Self { folder, address, stop: Some(stop.expect("started")) }
    }

    /// A connection from one of loopback's addresses.
    fn connect(&self, from: u8) -> TcpStream {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(([127, 0, 0, from], 0).into()).expect("an address");
            socket.connect(self.address).await.expect("the system's queue has room")
        });
        let stream = stream.into_std().expect("a stream");
        stream.set_nonblocking(false).expect("set");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    fn connect_local(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.join("api.sock")).expect("the system's queue has room");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    /// Connections that were answered and stay.
    fn fill(&self, from: u8) -> Vec<TcpStream> {
        let answered = |_| {
            let mut stream = self.connect(from);
            assert!(is_answered(&mut stream), "from 127.0.0.{from}");
            stream
        };
        (0..API_CONNECTIONS_PER_NET_MAX).map(answered).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether one that asks is answered before the connection ends.
fn is_answered(stream: &mut (impl Read + Write)) -> bool {
    // It may have ended before.
    let _ = stream.write_all(ASKS.as_bytes());
    read(stream).is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}

fn read(stream: &mut impl Read) -> std::io::Result<String> {
    let mut bytes = [0; 4_096];
    stream.read(&mut bytes).map(|len| String::from_utf8_lossy(&bytes[..len]).into_owned())
}

#[test]
fn a_net_has_so_many_connections_to_the_api_and_others_come_in_beside_it() {
    let served = Served::open("net");
    let mut there = served.fill(1);
    assert!(!is_answered(&mut served.connect(1)), "one more");
    assert!(is_answered(&mut served.connect(2)), "another net");
    drop(there.pop());
    let until = Instant::now() + PATIENCE;
    while !is_answered(&mut served.connect(1)) {
        assert!(Instant::now() < until, "a place that is free again");
    }
}

#[test]
fn in_all_the_api_has_so_many_connections_and_those_beyond_wait_while_the_admin_socket_answers() {
    let served = Served::open("all");
    let nets = (API_CONNECTIONS_MAX / API_CONNECTIONS_PER_NET_MAX) as u8;
    let mut there: Vec<_> = (1..=nets).flat_map(|from| served.fill(from)).collect();
    let mut late = served.connect(nets + 1);
    late.write_all(ASKS.as_bytes()).expect("sent");
    late.set_read_timeout(Some(GLANCE)).expect("set");
    assert_eq!(read(&mut late).expect_err("no place yet").kind(), ErrorKind::WouldBlock);
    assert!(is_answered(&mut served.connect_local()), "no stranger shuts the admin socket");
    drop(there.pop());
    late.set_read_timeout(Some(PATIENCE)).expect("set");
    assert!(read(&mut late).expect("an answer").starts_with("HTTP/1.1 200"));
}

#[test]
fn connections_that_the_admin_socket_has_no_room_for_wait_until_one_leaves() {
    let served = Served::open("local");
    let mut there: Vec<_> = (0..API_LOCAL_CONNECTIONS_MAX).map(|_| served.connect_local()).collect();
    assert!(there.iter_mut().all(is_answered));
    let mut late = served.connect_local();
    late.write_all(ASKS.as_bytes()).expect("sent");
    late.set_read_timeout(Some(GLANCE)).expect("set");
    assert_eq!(read(&mut late).expect_err("no place yet").kind(), ErrorKind::WouldBlock);
    drop(there.pop());
    late.set_read_timeout(Some(PATIENCE)).expect("set");
    assert!(read(&mut late).expect("an answer").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_head_of_a_request_is_bounded_and_so_are_streams_of_a_connection() {
    let served = Served::open("head");
    let with = |bytes: usize| {
        let mut stream = served.connect(1);
        let filler = "a".repeat(bytes);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Filler: {filler}\r\n\r\n");
        // It may be refused before it is there.
        let _ = stream.write_all(head.as_bytes());
        read(&mut stream).unwrap_or_default()
    };
    assert!(with(16 << 10).starts_with("HTTP/1.1 200"));
    let long = with(64 << 10);
    assert!(long.is_empty() || long.starts_with("HTTP/1.1 431"), "{long}");
    let told = settings(served.connect(1));
    // RFC 9113 6.5.2: MAX_CONCURRENT_STREAMS and MAX_HEADER_LIST_SIZE.
    assert!(told.contains(&(3, 64)) && told.contains(&(6, 32 << 10)), "{told:?}");
}

/// What a server says of itself when HTTP/2 begins: the first frame is SETTINGS (RFC 9113 3.4), pairs of 2 and 4 bytes.
fn settings(mut stream: TcpStream) -> Vec<(u16, u32)> {
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("a frame");
    assert_eq!(head[3], 4, "SETTINGS");
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).expect("its payload");
    let pair = |pair: &[u8]| {
        let value = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
        (u16::from_be_bytes([pair[0], pair[1]]), value)
    };
    payload.chunks_exact(6).map(pair).collect()
}

#[test]
fn changes_beyond_those_that_may_wait_are_refused_and_change_nothing() {
    let stand = Stand::new();
    let account = stand.post("/accounts", json!({"name": "two"})).result()["id"].clone();
    let account = format!("/accounts/{}", account.as_str().expect("an id"));
    let ((start, started), (answer, answered)) = (channel(), channel());
    let slow = stand.begin(move || {
        start.send(()).expect("somebody waits for it");
        answered.recv_timeout(PATIENCE).expect("the queue is full");
    });
    while started.try_recv().is_err() {
        stand.go_on();
    }
    let waiting: Vec<_> = (0..API_CHANGES_WAITING_MAX).map(|_| stand.begin(|| {})).collect();
    stand.go_on();
    let beyond = stand.begin_call(&stand.root, Method::DELETE, &account);
    assert_eq!(stand.end_call(beyond), 503);
    answer.send(()).expect("the plan goes on");
    assert!(stand.end(slow) && waiting.into_iter().all(|change| stand.end(change)));
    stand.get(&account).result();
}

#[test]
fn one_user_leaves_places_in_the_queue_of_changes_for_others() {
    let stand = Stand::new();
    let ((start, started), (answer, answered)) = (channel(), channel());
    let slow = stand.begin(move || {
        start.send(()).expect("somebody waits for it");
        answered.recv_timeout(PATIENCE).expect("the user's places are taken");
    });
    while started.try_recv().is_err() {
        stand.go_on();
    }
    let nobody = format!("/accounts/{}", "0".repeat(32));
    let own = || stand.begin_call(&stand.root, Method::DELETE, &nobody);
    let waiting: Vec<_> = (0..API_CHANGES_WAITING_PER_USER_MAX).map(|_| own()).collect();
    stand.go_on();
    assert_eq!(stand.end_call(own()), 503, "one more");
    let others = stand.begin(|| {});
    answer.send(()).expect("the plan goes on");
    assert!(stand.end(slow) && stand.end(others));
    assert!(waiting.into_iter().all(|call| stand.end_call(call) == 404));
    assert_eq!(stand.end_call(own()), 404);
}

//! The certificate of the API's listener: renewed, broken and mended while byway runs.

use crate::stand::{Outside, terms};
use byway::api::{AdminSocket, ApiListeners, ListenerTls, start};
use byway::control::ApiStop;
use byway::control::desk::{Desk, Inquiry, Readiness};
use byway::estate::Estate;
use byway::table::Reserved;
use byway::testkit::tls::{EDGE, EDGE_RSA, OTHER, client};
use byway::vault::SqliteVault;
use nix::sys::signal::{Signal, raise};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, DEFAULT_VERSIONS, StreamOwned};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long news of a pair may take.
const PATIENCE: Duration = Duration::from_secs(20);

type Line = StreamOwned<ClientConnection, TcpStream>;

/// An API with TLS, and what it tells of its pair.
struct Served {
    folder: PathBuf,
    address: SocketAddr,
    news: Receiver<Option<String>>,
    stop: Option<ApiStop>,
}

impl Served {
    fn with(name: &str, pair: (&[u8], &[u8])) -> Self {
        let folder = std::env::temp_dir().join(format!("byway-api-tls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        put(&folder, pair);
        let vault = SqliteVault::open(&folder.join("store"), [7; 32], "test").expect("a store");
        let opened = byway::analytics::open(&folder.join("analytics"), "test", "FRA").expect("opened");
        let (_recorder, reader, clerk) = opened;
        let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = tcp.local_addr().expect("an address");
        tcp.set_nonblocking(true).expect("set");
        let tls = ListenerTls::read(&folder.join("chain.pem"), &folder.join("key.pem")).expect("a pair");
        let socket = AdminSocket::bind(&folder.join("api.sock")).expect("bound");
        let listeners = ApiListeners { tcp: Some(tcp), tls: Some(tls), socket };
        let terms = terms(Reserved::default(), &Arc::new(Outside::default()), reader);
        let (desk, mut inquiries) = Desk::open();
        let (told, news) = channel();
        // A control loop that is always ready; it ends with the API.
        thread::spawn(move || {
            while let Some(inquiry) = inquiries.blocking_recv() {
                match inquiry {
                    Inquiry::Ready(reply) => drop(reply.send(Readiness::Ready)),
                    Inquiry::ListenerTls(problem) => drop(told.send(problem)),
                    Inquiry::Trial(_) => {}
                    Inquiry::Ask(..) | Inquiry::Metrics(_) | Inquiry::Install(_) => panic!("none of these"),
                }
            }
        });
        let api = start(listeners, (Box::new(vault), Estate::default()), terms, clerk);
        let stop = Some(api(desk).expect("started"));
        Self { folder, address, news, stop }
    }

    /// Waits until a pair is told of that is right.
    fn hear_good(&self) {
        while self.news.recv_timeout(PATIENCE).expect("it is told").is_some() {}
    }

    /// Waits until a pair is told of that has this wrong with it; what is said of it. A look between two files that change
    /// may tell of something else before.
    fn hear_bad(&self, why: &str) -> String {
        loop {
            let told = self.news.recv_timeout(PATIENCE).expect("it is told");
            if let Some(told) = told.filter(|told| told.contains(why)) {
                return told;
            }
        }
    }

    /// Connects, and says which certificate was shown.
    fn connect(&self, name: &'static str) -> (Line, CertificateDer<'static>) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        let config = client(DEFAULT_VERSIONS, &[]);
        let name = ServerName::try_from(name).expect("a name");
        let mut connection = ClientConnection::new(config, name).expect("a client");
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).expect("a handshake that its client trusts");
        }
        let shown = connection.peer_certificates().expect("shown")[0].clone().into_owned();
        (StreamOwned::new(connection, stream), shown)
    }

    /// Waits until new connections are shown this certificate.
    fn wait(&self, chain: &[u8], name: &'static str) {
        let until = Instant::now() + PATIENCE;
        while self.connect(name).1 != first(chain) {
            assert!(Instant::now() < until, "the pair never came in force");
            thread::yield_now();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn first(chain: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(chain).expect("a certificate")
}

/// Puts a pair in place as tools for certificates do: a new file and a rename, one after the other.
fn put(folder: &Path, pair: (&[u8], &[u8])) {
    put_with(folder, pair, 0o640);
}

fn put_with(folder: &Path, (chain, key): (&[u8], &[u8]), mode: u32) {
    for (name, bytes) in [("chain.pem", chain), ("key.pem", key)] {
        let new = folder.join("new");
        fs::write(&new, bytes).expect("written");
        fs::set_permissions(&new, Permissions::from_mode(mode)).expect("set");
        fs::rename(&new, folder.join(name)).expect("renamed");
    }
}

/// Asks over an open connection.
fn is_answered(line: &mut Line) {
    line.write_all(b"GET /readyz HTTP/1.1\r\nHost: lab.example.com\r\n\r\n").expect("sent");
    let mut answer = [0; 4_096];
    let len = line.read(&mut answer).expect("an answer");
    assert!(answer[..len].starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer[..len]));
}

#[test]
fn a_renewed_pair_of_the_api_is_shown_without_a_restart_and_open_connections_go_on() {
    let api = Served::with("renewed", EDGE);
    let (mut line, shown) = api.connect("lab.example.com");
    assert_eq!(shown, first(EDGE.0));
    is_answered(&mut line);
    for (pair, name) in [(EDGE_RSA, "lab.example.com"), (OTHER, "other.example.com")] {
        put(&api.folder, pair);
        api.hear_good();
        api.wait(pair.0, name);
        is_answered(&mut line);
    }
}

#[test]
fn a_pair_of_the_api_that_does_not_do_leaves_the_old_one_in_force_and_is_told_with_what_would_be_right() {
    let api = Served::with("bad", EDGE);
    let key = api.folder.join("key.pem");
    let spoil: [(&dyn Fn(), &str); 4] = [
        (&|| put(&api.folder, (EDGE_RSA.0, OTHER.1)), "key.pem: is not the key of the certificate"),
        (&|| put(&api.folder, (b"half a fi", EDGE.1)), "holds no certificate in PEM form"),
        (
            &|| put_with(&api.folder, EDGE_RSA, 0o644),
            "key.pem: the key is open to others (mode 644): chmod 640",
        ),
        (&|| (fs::remove_file(&key), fs::create_dir(&key)).1.expect("made"), "key.pem: is not a plain file"),
    ];
    for (spoil, why) in spoil {
        spoil();
        let told = api.hear_bad(why);
        assert!(told.starts_with("[api] certificate and key: "), "{told}");
        assert!(
            told.contains("what was read before stays in force: wanted are a chain and its own key"),
            "{told}"
        );
        assert_eq!(api.connect("lab.example.com").1, first(EDGE.0), "{why}");
    }
    fs::remove_dir(&key).expect("gone");
    put(&api.folder, EDGE_RSA);
    api.hear_good();
    api.wait(EDGE_RSA.0, "lab.example.com");
}

#[test]
fn the_pair_of_the_api_is_read_again_at_a_signal() {
    let api = Served::with("signal", EDGE);
    put(&api.folder, (EDGE_RSA.0, OTHER.1));
    let why = "is not the key of the certificate";
    api.hear_bad(why);
    // Nothing has changed since: only the signal has it read again.
    raise(Signal::SIGHUP).expect("sent");
    api.hear_bad(why);
}

//! What the TLS benches are made of: a worker with its queue of handshakes, a table with an app for each mode, and the
//! configs of clients and origins. Certificates are those of the tests: they protect nothing.

use super::super::{make, peer};
use crate::base::{Span, WorkerId};
use crate::port::mem::{MemPort, MemWire};
use crate::session::tls::{Crypto, CryptoSettings, crypto};
use crate::tls::{Certificate, Material, MinTls, Tickets, Trust, ZoneCertificates, ZoneMaterial};
use crate::worker::{Settings, Worker};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// A plain app, one in `flexible` and one in `full`, to one origin.
const TABLES: &str = r#"{
  "prefixes": [{"cidr": "198.51.100.0/24"}],
  "certificates": [{"cert": "edge.pem", "key": "edge.key"}],
  "apps": [{"id": "4590376cf2994d72cee36828ec4eff19", "protocol": "tcp/80",
            "dns": {"type": "ADDRESS", "name": "lab.example.com"}, "origin_direct": ["tcp://198.18.0.2:80"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}},
           {"id": "5590376cf2994d72cee36828ec4eff19", "protocol": "tcp/443", "tls": "flexible",
            "dns": {"type": "ADDRESS", "name": "lab.example.com"}, "origin_direct": ["tcp://198.18.0.2:80"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}},
           {"id": "6590376cf2994d72cee36828ec4eff19", "protocol": "tcp/444", "tls": "full",
            "dns": {"type": "ADDRESS", "name": "lab.example.com"}, "origin_direct": ["tcp://198.18.0.2:80"],
            "edge_ips": {"type": "static", "ips": ["198.51.100.10"]}}]
}"#;
/// The name of the apps and of the certificates.
const NAME: &str = "lab.example.com";
/// Who signed the certificates.
const AUTHORITY: &[u8] = include_bytes!("../../../../tests/certs/ca.pem");
/// Bytes of each of a session's four buffers: the boot config's default.
pub const BUFFER_BYTES: usize = 65_536;
/// Handshakes that may be with the crypto threads at once: the boot config's default.
const JOBS_MAX: usize = 1_024;

/// How far TLS reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Mode {
    /// Nowhere.
    Off,
    /// To the edge.
    Flexible,
    /// To the origin too.
    Full,
}

impl Mode {
    /// As rows are named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Flexible => "flexible",
            Self::Full => "full",
        }
    }

    /// The edge port of the app in this mode.
    pub const fn port(self) -> u16 {
        match self {
            Self::Off => peer::EDGE_PORT,
            Self::Flexible => 443,
            Self::Full => 444,
        }
    }
}

/// What the edge signs with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// ECDSA over P-256.
    P256,
    /// RSA of 2048 bits.
    Rsa2048,
}

impl Key {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rsa2048, Self::P256];

    /// As rows and `openssl speed` name it.
    pub const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::P256 => ("p256", "ecdsap256"),
            Self::Rsa2048 => ("rsa2048", "rsa2048"),
        }
    }

    /// Certificate and key.
    const fn pems(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::P256 => (
                include_bytes!("../../../../tests/certs/edge.pem"),
                include_bytes!("../../../../tests/certs/edge.key"),
            ),
            Self::Rsa2048 => (
                include_bytes!("../../../../tests/certs/edge-rsa.pem"),
                include_bytes!("../../../../tests/certs/edge-rsa.key"),
            ),
        }
    }
}

/// A worker, the other end of its port, and the crypto threads' end of its queue.
pub struct Edge {
    /// The worker.
    pub worker: Worker<MemPort>,
    /// Its port's other end.
    pub wire: MemWire,
    /// Takes its handshakes.
    pub crypto: Crypto,
    /// What the worker must not outlive.
    _held: Box<dyn Any>,
}

impl Edge {
    /// A worker for `sessions` sessions with buffers of so many bytes, whose apps sign with `key`, and that takes as many
    /// handshakes as come.
    pub fn new(sessions: usize, buffer_bytes: usize, key: Key) -> Self {
        Self::tuned(sessions, buffer_bytes, key, take_all)
    }

    /// The same with the rate of handshakes that the boot config gives by itself.
    pub fn limited(sessions: usize, buffer_bytes: usize, key: Key) -> Self {
        Self::tuned(sessions, buffer_bytes, key, rest_shortly)
    }

    fn tuned(sessions: usize, buffer_bytes: usize, key: Key, tune: fn(&mut Settings)) -> Self {
        let snapshot = make::snapshot(TABLES, Some(&material(key)));
        let shape = make::Shape {
            tcp_sessions: sessions,
            spliced_sessions: 0,
            udp_sessions: 0,
            offload: true,
            buffer_bytes,
            snapshot,
            rules: make::RULES,
            tune,
        };
        let (worker, wire, held) = make::equip(shape);
        let settings = CryptoSettings { jobs_max: JOBS_MAX, handshake_timeout: Span::from_secs(3_600) };
        let (crypto, mut lanes) = crypto(1, settings);
        let worker = worker.with_crypto(lanes.remove(WorkerId(0).index()));
        Self { worker, wire, crypto, _held: held }
    }
}

fn take_all(settings: &mut Settings) {
    rest_shortly(settings);
    settings.rates.handshake_per_s = 1 << 30;
}

/// Many thousands of connections come and go here within seconds.
fn rest_shortly(settings: &mut Settings) {
    settings.session.egress.quarantine = Span::from_secs(1);
    settings.session.egress.quarantine_max = 65_536;
}

fn material(key: Key) -> Material {
    let (chain, secret) = key.pems();
    let certificate = Certificate::from_pem(chain, secret).expect("the bench's certificate is good");
    let certificates = Arc::new(ZoneCertificates::new(vec![certificate]));
    let zone = ZoneMaterial { certificates, tickets: Tickets::draw().expect("the system has randomness") };
    let trust = Trust::new(None).expect("the web's authorities are good");
    Material { zones: HashMap::from([("default".into(), zone)]), trust, min_tls: MinTls::Tls12 }
}

/// The configs of the peers: TLS 1.3 with TLS_AES_128_GCM_SHA256 and X25519, which any client of today offers.
pub struct Peers {
    client: Arc<ClientConfig>,
    origin: Arc<ServerConfig>,
}

impl Peers {
    /// Clients that trust the bench's authority, origins with the P-256 certificate.
    pub fn new() -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(AUTHORITY).expect("the bench's authority is good");
        roots.add(authority).expect("the bench's authority is good");
        let client = ClientConfig::builder_with_provider(provider());
        let client = client.with_protocol_versions(&[&TLS13]).expect("TLS 1.3 is there");
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.resumption = rustls::client::Resumption::disabled();
        let (chain, secret) = Key::P256.pems();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let secret = PrivateKeyDer::from_pem_slice(secret).expect("the bench's key is good");
        let origin = ServerConfig::builder_with_provider(provider());
        let origin =
            origin.with_protocol_versions(&[&TLS13]).expect("TLS 1.3 is there").with_no_client_auth();
        let origin = origin.with_single_cert(chain.expect("the bench's certificate is good"), secret);
        Self { client: Arc::new(client), origin: Arc::new(origin.expect("the key is the certificate's")) }
    }

    /// A client that is about to say hello.
    pub fn client(&self) -> ClientConnection {
        let name = ServerName::try_from(NAME).expect("a host name");
        ClientConnection::new(self.client.clone(), name).expect("the bench's client config is good")
    }

    /// An origin that waits for a hello.
    pub fn origin(&self) -> ServerConnection {
        ServerConnection::new(self.origin.clone()).expect("the bench's origin config is good")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    })
}

/// The address of client `index`, and its port.
pub const fn client_end(index: usize) -> (u32, u16) {
    let host = u32::from_be_bytes([10, 1, 0, 0]) + (index / 50_000) as u32;
    (host, 1_024 + (index % 50_000) as u16)
}

/// Which client this address and port are.
pub const fn client_index((addr, port): (u32, u16)) -> usize {
    let host = addr.wrapping_sub(u32::from_be_bytes([10, 1, 0, 0])) as usize;
    host * 50_000 + port as usize - 1_024
}

/// The edge's end of apps in this mode.
pub const fn edge_end(mode: Mode) -> (u32, u16) {
    (peer::EDGE, mode.port())
}

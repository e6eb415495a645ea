//! The handshakes of one session's two legs, as far as crypto threads make them. Free of I/O: bytes come in and go out
//! through `inbox` and `outbox`; `step` is the one verb.
//!
//! The client's hello is read first, then the origin is met with the protocols that the client offers (ALPN, RFC 7301),
//! then the client is accepted with the one that the origin chose. In `flexible` no protocol is chosen.

use super::failure::Failure;
use super::flow::{End, Flow};
use crate::base::Addr;
use crate::flow::Side;
use crate::telemetry::{SNI_BYTES_MAX, TlsFacts, TlsLeg, TlsStatus, TlsVersion};
use crate::tls::AppTls;
use arrayvec::ArrayString;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::server::{Accepted, AcceptedAlert, Acceptor};
use rustls::{
    AlertDescription as Alert, CipherSuite, ClientConnection, Connection, HandshakeKind, ProtocolVersion,
    SupportedCipherSuite,
};
use std::sync::Arc;

/// Bytes that one trip to a crypto thread takes along for a leg.
pub const INBOX_BYTES_MAX: usize = 32 * 1024;
/// Protocols that a client may offer (ALPN).
const ALPN_MAX: usize = 32;
/// The longest hello that is heard out, records and all. Real ones are below 4 KiB; TLS would allow 16 MiB.
const HELLO_BYTES_MAX: usize = 16 * 1024;

/// Both handshakes.
pub struct Pair {
    app: Arc<AppTls>,
    /// The address that the client speaks to.
    edge: Addr,
    client: Client,
    origin: Option<Connection>,
    /// Bytes of the client's hello so far.
    heard: usize,
    /// Received and not yet read, by side.
    pub inbox: [Vec<u8>; 2],
    /// To be sent, by side.
    pub outbox: [Vec<u8>; 2],
    /// What there is to tell.
    pub facts: TlsFacts,
    /// Whether the client resumed an earlier session.
    pub resumed: bool,
    /// Whether something is new since the last step.
    pub fresh: bool,
}

/// How far the client leg is.
enum Client {
    /// Its hello is not complete.
    Awaited(Box<Acceptor>),
    /// Its hello is complete and good; the origin comes first.
    Met(Box<Accepted>),
    /// Its handshake is under way, or done.
    Up(Box<Connection>),
    /// It failed.
    Gone,
}

impl Pair {
    /// Nothing was heard yet of the client that speaks to `edge`.
    pub fn new(app: Arc<AppTls>, edge: Addr) -> Self {
        Self {
            app,
            edge,
            client: Client::Awaited(Box::default()),
            origin: None,
            heard: 0,
            inbox: [Vec::new(), Vec::new()],
            outbox: [Vec::new(), Vec::new()],
            facts: TlsFacts::default(),
            resumed: false,
            fresh: false,
        }
    }

    /// Whether the client's hello is there and the origin may be called.
    pub const fn has_hello(&self) -> bool {
        !matches!(self.client, Client::Awaited(_))
    }

    /// Whether both handshakes are done.
    pub fn is_done(&self) -> bool {
        match &self.client {
            Client::Up(client) => !client.is_handshaking(),
            Client::Awaited(_) | Client::Met(_) | Client::Gone => false,
        }
    }

    /// Whether the handshake waits for bytes of this side.
    pub fn wants(&self, side: Side) -> bool {
        match (side, &self.client) {
            (Side::Client, Client::Awaited(_)) => true,
            (Side::Client, Client::Up(client)) => client.is_handshaking(),
            (Side::Client, Client::Met(_) | Client::Gone) => false,
            (Side::Origin, _) => self.origin.as_ref().is_some_and(|origin| origin.is_handshaking()),
        }
    }

    /// Goes on as far as the bytes in hand reach. `origin_up` says that the origin's TCP connection is there.
    ///
    /// # Errors
    /// Why the session cannot be; alerts are in `outbox`, and `facts` tell it.
    pub fn step(&mut self, origin_up: bool) -> Result<(), Failure> {
        self.fresh = false;
        let result = self.advance(origin_up);
        self.note_facts();
        if let Err(failure) = result {
            self.note_failure(failure);
        }
        result
    }

    /// Tells a client whose hello is not answered yet that no session will come of it, through no fault of its own;
    /// whether there was anything to tell. Once it is answered, alerts would want the keys of a half-made handshake.
    pub(super) fn turn_away(&mut self) -> bool {
        let waits = matches!(self.client, Client::Met(_));
        if waits {
            self.client = Client::Gone;
            self.outbox[0].extend(fatal(Alert::InternalError));
        }
        waits
    }

    fn advance(&mut self, origin_up: bool) -> Result<(), Failure> {
        if matches!(self.client, Client::Awaited(_)) {
            self.hear_hello()?;
        }
        if origin_up && matches!(self.client, Client::Met(_)) && self.meet_origin()? {
            self.accept()?;
        }
        if let Client::Up(client) = &mut self.client {
            feed(client, &mut self.inbox[0], &mut self.outbox[0])
                .map_err(|error| Failure::of(&error, Side::Client))?;
            self.resumed = client.handshake_kind() == Some(HandshakeKind::Resumed);
        }
        Ok(())
    }

    fn hear_hello(&mut self) -> Result<(), Failure> {
        let Client::Awaited(acceptor) = &mut self.client else { return Ok(()) };
        while !self.inbox[0].is_empty() {
            let read = acceptor.read_tls(&mut &self.inbox[0][..]).unwrap_or(0);
            self.inbox[0].drain(..read);
            self.heard += read;
            match acceptor.accept() {
                Ok(Some(hello)) => return self.greet(hello),
                Ok(None) if read == 0 || self.heard > HELLO_BYTES_MAX => {
                    self.outbox[0].extend(fatal(Alert::IllegalParameter));
                    return Err(Failure::BadMessage(Side::Client));
                }
                Ok(None) => {}
                Err((error, alert)) => return Err(self.refuse(&error, alert)),
            }
        }
        Ok(())
    }

    /// Writes why a hello is refused.
    fn refuse(&mut self, error: &rustls::Error, mut alert: AcceptedAlert) -> Failure {
        let failure = Failure::of(error, Side::Client);
        match failure {
            // RFC 5246 E.1: protocol_version. rustls says handshake_failure to a hello without extensions.
            Failure::OldVersion(_) => self.outbox[0].extend(fatal(Alert::ProtocolVersion)),
            Failure::BadSni
            | Failure::NothingInCommon(_)
            | Failure::BadMessage(_)
            | Failure::Alert(_)
            | Failure::OriginCertificate
            | Failure::Expired => {
                // Writing into memory does not fail.
                let _ = alert.write_all(&mut self.outbox[0]);
            }
        }
        self.client = Client::Gone;
        failure
    }

    fn greet(&mut self, hello: Accepted) -> Result<(), Failure> {
        let name = hello.client_hello().server_name().map(str::to_owned);
        self.facts.sni = kept(name.as_deref().unwrap_or_default());
        if !self.app.knows(name.as_deref()) {
            self.client = Client::Gone;
            self.outbox[0].extend(fatal(Alert::UnrecognisedName));
            return Err(Failure::BadSni);
        }
        self.client = Client::Met(Box::new(hello));
        Ok(())
    }

    /// Makes the origin's handshake; `true` when it is done, or none is to be made.
    fn meet_origin(&mut self) -> Result<bool, Failure> {
        let Some((config, name)) = self.app.origin() else { return Ok(true) };
        if self.origin.is_none() {
            let made = ClientConnection::new_with_alpn(config, name, self.offered());
            self.origin = Some(made.map_err(|error| Failure::of(&error, Side::Origin))?.into());
        }
        let Some(origin) = &mut self.origin else { return Ok(false) };
        feed(origin, &mut self.inbox[1], &mut self.outbox[1])
            .map_err(|error| Failure::of(&error, Side::Origin))?;
        Ok(!origin.is_handshaking())
    }

    /// The protocols that the client offers.
    fn offered(&self) -> Vec<Vec<u8>> {
        let Client::Met(hello) = &self.client else { return Vec::new() };
        let offered = hello.client_hello();
        offered.alpn().into_iter().flatten().take(ALPN_MAX).map(<[u8]>::to_vec).collect()
    }

    fn accept(&mut self) -> Result<(), Failure> {
        let alpn = self.origin.as_ref().and_then(|origin| origin.alpn_protocol());
        let Client::Met(hello) = std::mem::replace(&mut self.client, Client::Gone) else { return Ok(()) };
        let has_name = hello.client_hello().server_name().is_some();
        let config = self.app.server(alpn, self.app.nameless_at(self.edge).filter(|_| !has_name));
        match hello.into_connection(config) {
            Ok(client) => self.client = Client::Up(Box::new(client.into())),
            Err((error, alert)) => return Err(self.refuse(&error, alert)),
        }
        Ok(())
    }

    /// Both handshakes are done: what carries records from here on.
    ///
    /// # Panics
    /// When they are not.
    pub fn into_flow(self) -> Flow {
        let Client::Up(client) = self.client else { panic!("the client's handshake is done") };
        let origin = self.origin.map_or(End::Plain, |origin| End::Sealed(Box::new(origin)));
        Flow::new(End::Sealed(client), origin, self.inbox)
    }

    fn note_facts(&mut self) {
        if let Client::Up(client) = &self.client {
            self.facts.client = leg(client);
        }
        if let Some(origin) = &self.origin {
            self.facts.origin = leg(origin);
            let first = origin.peer_certificates().and_then(|chain| chain.first());
            if let Some(certificate) = first.filter(|_| self.facts.fingerprint.is_none()) {
                self.facts.fingerprint = sha256(certificate);
            }
        }
    }

    /// Puts a failure into the facts.
    pub(super) fn note_failure(&mut self, failure: Failure) {
        match failure {
            Failure::BadSni => self.facts.client.status = TlsStatus::InvalidSni,
            Failure::Expired => self.facts.client.status = TlsStatus::InternalError,
            Failure::OriginCertificate => self.facts.origin.status = TlsStatus::HandshakeFailed,
            Failure::OldVersion(side)
            | Failure::NothingInCommon(side)
            | Failure::BadMessage(side)
            | Failure::Alert(side) => match side {
                Side::Client => self.facts.client.status = TlsStatus::HandshakeFailed,
                Side::Origin => self.facts.origin.status = TlsStatus::HandshakeFailed,
            },
        }
    }
}

/// A fatal alert in clear, as it is before any keys (RFC 8446 6 and B.2).
fn fatal(alert: Alert) -> [u8; 7] {
    [21, 3, 3, 0, 2, 2, alert.into()]
}

/// Reads what there is, as long as the handshake lasts, and writes what is to be said.
fn feed(connection: &mut Connection, inbox: &mut Vec<u8>, outbox: &mut Vec<u8>) -> Result<(), rustls::Error> {
    let mut result = Ok(());
    while !inbox.is_empty() && connection.is_handshaking() && result.is_ok() {
        let Ok(read @ 1..) = connection.read_tls(&mut &inbox[..]) else { break };
        inbox.drain(..read);
        result = connection.process_new_packets().map(drop);
    }
    while connection.wants_write() {
        // Writing into memory does not fail.
        let _ = connection.write_tls(outbox);
    }
    result
}

/// A name as it may be shown: bounded, and nothing in it that could be mistaken for something else.
fn kept(name: &str) -> ArrayString<SNI_BYTES_MAX> {
    let plain = |letter: &char| letter.is_ascii_alphanumeric() || ['.', '-', '_'].contains(letter);
    let mut kept = ArrayString::new();
    for letter in name.chars().filter(plain).take(SNI_BYTES_MAX) {
        kept.push(letter);
    }
    kept
}

fn leg(connection: &Connection) -> TlsLeg {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
        _ => TlsVersion::None,
    };
    let cipher = connection.negotiated_cipher_suite().map_or("UNK", |suite| cipher_name(suite.suite()));
    let status = if connection.is_handshaking() { TlsStatus::Unknown } else { TlsStatus::Ok };
    TlsLeg { version, cipher, status }
}

/// OpenSSL's name of a suite, as Spectrum's log has it.
const fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => "UNK",
    }
}

fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else { return None };
    suite.common.hash_provider.hash(bytes).as_ref().try_into().ok()
}

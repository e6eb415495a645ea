//! A worker with one app, a client and an origin of rustls' own over TCP in memory: how connections end, as operators
//! and peers are told.

use byway::base::{DropReason, Span};
use byway::session::tls::CryptoSettings;
use byway::table::TlsMode;
use byway::telemetry::{Counter, Event, EventKind, Status, TlsStatus};
use byway::testkit::edge::LabApp;
use byway::testkit::line::{self, Line, Stack};
use byway::testkit::tls::{self, EDGE, Pems};
use byway::worker::Settings;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::sync::Arc;

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
pub const NAME: &str = "lab.example.com";
/// Steps within which whatever can happen without a pause has happened.
pub const STEPS: usize = 40;

pub struct Scene {
    pub line: Line,
    pub client: Stack,
    pub origin: Option<Stack>,
    server: Arc<ServerConfig>,
    sealed: bool,
}

/// What one event says, as far as these tests ask.
pub type Told = (EventKind, Status, TlsStatus, TlsStatus);

impl Scene {
    /// One app of this mode, an origin with this certificate, and a client that has just called.
    pub fn new(mode: TlsMode, origin: Pems) -> Self {
        Self::with(mode, origin, BOTH, line::CRYPTO, |_| {})
    }

    pub fn with(
        mode: TlsMode,
        origin: Pems,
        versions: &[&'static SupportedProtocolVersion],
        crypto: CryptoSettings,
        config: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut line = Line::new(&line::spec(&[(LabApp::WEB, mode)]), config, crypto);
        let client = caller(&mut line, &tls::client(versions, &[]));
        let (server, sealed) = (tls::server(origin, versions, &[]), mode != TlsMode::Flexible);
        Self { line, client, origin: None, server, sealed }
    }

    /// Everybody talks for so many steps.
    pub fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.client.talk(&mut self.line);
            self.talk_origin();
            self.line.step();
        }
    }

    /// The origin's part of a step.
    pub fn talk_origin(&mut self) {
        let place = self.line.origin().filter(|_| self.sealed);
        let Some(place) = place else { return };
        if self.origin.as_ref().is_none_or(|origin| origin.end != place) {
            let server = ServerConnection::new(self.server.clone()).expect("a server");
            self.origin = Some(Stack::new(place, server));
        }
        if let Some(origin) = &mut self.origin {
            origin.talk(&mut self.line);
        }
    }

    /// Both handshakes are made and `connect` is told.
    pub fn established(mut self) -> Self {
        self.run(STEPS);
        assert!(!self.client.tls.is_handshaking(), "{:?}", self.client.fault);
        let ok = if self.sealed { TlsStatus::Ok } else { TlsStatus::Unknown };
        assert_eq!(self.told(), [(EventKind::Connect, Status::Opened, TlsStatus::Ok, ok)]);
        self
    }

    pub fn told(&mut self) -> Vec<Told> {
        self.line.events().iter().map(told).collect()
    }

    /// This end and no other came of it, and these counters moved by one.
    pub fn ended_as(&mut self, told: Told, counters: &[Counter]) {
        assert_eq!(self.told(), [told]);
        for counter in counters {
            assert_eq!(self.line.count(*counter), 1, "{counter:?}");
        }
        assert_eq!(self.line.worker.sessions(), 0, "the session is over");
        assert!(self.line.ends[self.client.end].reset, "the client is told by RST");
    }

    /// The alert that the client read; `None` where it read none.
    pub fn alert(&self) -> Option<rustls::AlertDescription> {
        match self.client.fault {
            Some(rustls::Error::AlertReceived(alert)) => Some(alert),
            Some(_) | None => None,
        }
    }

    pub fn refused(&self, reason: DropReason) -> u64 {
        self.line.control.pages[0].refused(reason)
    }
}

pub fn told(event: &Event) -> Told {
    let tls = event.tls.as_deref().cloned().unwrap_or_default();
    (event.kind, event.status, tls.client.status, tls.origin.status)
}

/// A client that has just called.
pub fn caller(line: &mut Line, config: &Arc<ClientConfig>) -> Stack {
    let name = ServerName::try_from(NAME).expect("a name");
    let client = ClientConnection::new(config.clone(), name).expect("a client");
    Stack::new(line.call(80), client)
}

/// A good scene whose client wants TLS 1.3 or 1.2.
pub fn good(mode: TlsMode, versions: &[&'static SupportedProtocolVersion]) -> Scene {
    Scene::with(mode, EDGE, versions, line::CRYPTO, |_| {}).established()
}

pub const fn seconds(count: u64) -> Span {
    Span::from_secs(count)
}

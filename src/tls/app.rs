//! One app's TLS: with which certificates clients are met, and how the origin is.

use super::origin::Trust;
use super::zone::{Tickets, ZoneCertificates};
use crate::base::Addr;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::sync::Arc;

/// How far TLS reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// To the edge only.
    Flexible,
    /// To the origin too, unchecked.
    Full,
    /// To the origin too, checked.
    Strict,
}

/// The oldest version that clients may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum MinTls {
    /// TLS 1.2 (RFC 5246), with ephemeral keys and authenticated encryption only.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl MinTls {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Tls12, Self::Tls13];

    /// The word for it in configs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// What an app asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// How far TLS reaches.
    pub mode: Mode,
    /// The oldest version of clients.
    pub min_tls: MinTls,
    /// The app's host name: which certificate a client without a name gets.
    pub name: &'a str,
    /// Other names for clients without one, by the edge address that they speak to (`default_sni` of address maps).
    pub nameless: &'a [(Addr, Box<str>)],
    /// Whose certificate the origin must show.
    pub origin_name: &'a str,
}

/// Why an app's TLS cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// No certificate of the zone holds the app's name.
    NoCertificate,
    /// The origin's name is none that certificates can hold.
    OriginName,
    /// The TLS library refused its own defaults: a defect.
    Refused,
}

/// One app's TLS, ready for connections.
pub struct AppTls {
    mode: Mode,
    name: Box<str>,
    /// Those that a certificate of the zone holds.
    nameless: Box<[(Addr, Box<str>)]>,
    zone: Arc<ZoneCertificates>,
    server: Arc<ServerConfig>,
    origin: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl AppTls {
    /// For an app of `zone`.
    ///
    /// # Errors
    /// See `Wrong`.
    pub fn new(
        wanted: &Wanted<'_>,
        zone: &Arc<ZoneCertificates>,
        tickets: &Tickets,
        trust: &Trust,
    ) -> Result<Self, Wrong> {
        if !zone.covers(wanted.name) {
            return Err(Wrong::NoCertificate);
        }
        let config = match wanted.mode {
            Mode::Flexible => None,
            Mode::Full => Some(&trust.full),
            Mode::Strict => Some(&trust.strict),
        };
        let origin = match config {
            Some(config) => Some((config.clone(), origin_name(wanted.origin_name)?)),
            None => None,
        };
        let server = Arc::new(server_config(wanted, zone, tickets)?);
        let nameless = wanted.nameless.iter().filter(|(_, name)| zone.covers(name)).cloned().collect();
        let (mode, name) = (wanted.mode, wanted.name.into());
        Ok(Self { mode, name, nameless, zone: zone.clone(), server, origin })
    }

    /// How far TLS reaches.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a client that asks for `name` (or for none) can be met.
    pub fn knows(&self, name: Option<&str>) -> bool {
        self.zone.covers(name.unwrap_or(&self.name))
    }

    /// The name for a client without one that speaks to `edge`, where it is not the app's own.
    pub fn nameless_at(&self, edge: Addr) -> Option<&str> {
        self.nameless.iter().find(|(addr, _)| *addr == edge).map(|(_, name)| &**name)
    }

    /// What meets a client, with `alpn` as the only protocol on offer, or none; one without a name as if it had asked for
    /// `nameless`, or for the app's own.
    pub fn server(&self, alpn: Option<&[u8]>, nameless: Option<&str>) -> Arc<ServerConfig> {
        if alpn.is_none() && nameless.is_none() {
            return self.server.clone();
        }
        let mut config = ServerConfig::clone(&self.server);
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        if let Some(name) = nameless {
            config.cert_resolver = Arc::new(ByName { zone: self.zone.clone(), nameless: name.into() });
        }
        Arc::new(config)
    }

    /// What meets the origin, and whom it must prove to be; `None` where it is met in clear.
    pub fn origin(&self) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        self.origin.clone()
    }
}

fn origin_name(text: &str) -> Result<ServerName<'static>, Wrong> {
    ServerName::try_from(text.to_owned()).map_err(|_| Wrong::OriginName)
}

fn server_config(
    wanted: &Wanted<'_>,
    zone: &Arc<ZoneCertificates>,
    tickets: &Tickets,
) -> Result<ServerConfig, Wrong> {
    let versions: &[&rustls::SupportedProtocolVersion] = match wanted.min_tls {
        MinTls::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinTls::Tls13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(versions).map_err(|_| Wrong::Refused)?;
    let by_name = ByName { zone: zone.clone(), nameless: wanted.name.into() };
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(by_name));
    config.ticketer = tickets.producer();
    // Tickets are all there is to resume by, so that every worker can; 0-RTT stays off (`max_early_data_size` is 0).
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// Chooses by the name that the client asks for, or the app's own.
struct ByName {
    zone: Arc<ZoneCertificates>,
    nameless: Box<str>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.zone.choose(hello.server_name().unwrap_or(&self.nameless), hello.signature_schemes())
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByName").field(&self.nameless).finish()
    }
}

impl fmt::Debug for AppTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppTls").field("mode", &self.mode).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "no certificate of the zone holds the app's name",
            Self::OriginName => "the origin's name is none that a certificate can hold",
            Self::Refused => "the TLS library refused its own defaults: a defect of byway",
        })
    }
}

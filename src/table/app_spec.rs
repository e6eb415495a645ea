//! An app as the operator wrote it: all fields of Spectrum's application object, each valid by itself and with the
//! others. What a field means is told in Spectrum's words (`reference/spectrum.md`, section 1).

use super::connection_limits::ConnectionLimits;
use super::name::DnsName;
use super::origin_spec::{OriginSpec, PortRange};
use crate::base::Addr;
use crate::tls::{self, MinTls};
use crate::wire::Protocol;
use arrayvec::ArrayString;
use std::fmt;
use std::net::IpAddr;

/// An app's id: 1 to 32 letters, digits, `-` and `_`; 32 lower-case hex digits where byway makes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(ArrayString<32>);

impl AppId {
    /// Reads an id; `None` when it is empty, longer than 32 or has other characters.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = !text.is_empty() && text.bytes().all(plain);
        fits.then(|| ArrayString::from(text).ok()).flatten().map(Self)
    }

    /// An id of 32 hex digits.
    pub fn from_bits(bits: u128) -> Self {
        Self::new(&format!("{bits:032x}")).expect("32 hex digits are an id")
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `protocol`: `tcp/22`, `udp/1000-2000`, or a short word, which is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EdgePorts {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port or ports at the edge.
    pub ports: PortRange,
    /// `ssh` or `rdp`, where the operator wrote the short word.
    pub word: Option<&'static str>,
}

/// `dns.type`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DnsKind {
    /// `ADDRESS`: goes with static edge addresses.
    Address,
    /// `CNAME`: goes with dynamic ones.
    Cname,
}

/// `dns`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dns {
    /// The kind of record.
    pub kind: DnsKind,
    /// The app's host name.
    pub name: DnsName,
}

/// `proxy_protocol`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProxyProtocol {
    /// No header.
    Off,
    /// PROXY protocol version 1 (TCP).
    V1,
    /// PROXY protocol version 2.
    V2,
    /// Simple Proxy Protocol (UDP).
    Simple,
}

/// `tls`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TlsMode {
    /// Bytes pass as they are.
    Off,
    /// TLS to the edge only.
    Flexible,
    /// TLS to the origin too, unchecked.
    Full,
    /// TLS to the origin too, checked.
    Strict,
}

/// `origin_tls_name`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OriginTlsName {
    /// The app's own host name.
    #[default]
    App,
    /// The name of `origin_dns`.
    Origin,
}

/// `traffic_type`. (`https` and `worker` are refused: there is nothing behind them.)
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TrafficType {
    /// Layer 4.
    Direct,
    /// HTTP; carried as plain TCP, with a message.
    Http,
}

/// `edge_ips.connectivity` of dynamic addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Connectivity {
    /// Both families.
    All,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

/// `edge_ips`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EdgeIps {
    /// Addresses of onboarded prefixes: at least one, none twice.
    Static(Box<[Addr]>),
    /// Addresses out of a pool.
    Dynamic(Connectivity),
}

/// byway's own fields for UDP apps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UdpOptions {
    /// `amplification_limit`: bytes that may go to a client for each byte from it, until the client has proven that its
    /// address is its own; zero: without limit.
    pub amplification_limit: u16,
    /// `proxy_every_datagram`: a version 2 header ahead of every datagram, not only of a session's first.
    pub proxy_every_datagram: bool,
}

impl UdpOptions {
    /// The limit where the app names none.
    pub const AMPLIFICATION_LIMIT: u16 = 3;
    /// The largest limit; more is no limit.
    pub const AMPLIFICATION_LIMIT_MAX: u16 = 10_000;
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self { amplification_limit: Self::AMPLIFICATION_LIMIT, proxy_every_datagram: false }
    }
}

/// An app's own word on active probes of its origins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AppProbe {
    /// They are probed, however many.
    On,
    /// They are not, and what probes for other apps find is not heeded.
    Off,
}

/// One app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppSpec {
    /// `id`: the operator's, or made (see `control::config::tables`).
    pub id: AppId,
    /// `protocol`.
    pub edge: EdgePorts,
    /// `dns`.
    pub dns: Dns,
    /// `origin_direct` or `origin_dns`.
    pub origin: OriginSpec,
    /// `origin_port`; beside `origin_direct` it is kept and the entry's own port wins.
    pub origin_port: Option<PortRange>,
    /// `ip_firewall`.
    pub ip_firewall: bool,
    /// `proxy_protocol`, with the older booleans folded in.
    pub proxy_protocol: ProxyProtocol,
    /// byway's own fields for UDP apps.
    pub udp: UdpOptions,
    /// `tls`.
    pub tls: TlsMode,
    /// byway's own `min_tls`: the oldest version of clients; `None`: the boot config's.
    pub min_tls: Option<MinTls>,
    /// byway's own `origin_tls_name`: whose certificate `strict` asks of the origin.
    pub origin_tls_name: OriginTlsName,
    /// `traffic_type`.
    pub traffic_type: TrafficType,
    /// `edge_ips`.
    pub edge_ips: EdgeIps,
    /// Its static addresses as they were written, where one of them is not as byway writes it: a client that finds its own
    /// words changed would want to change them back for ever. They act on nothing.
    pub edge_spelled: Option<Box<[Box<str>]>>,
    /// What dynamic edge addresses it was given; never written, and empty as read.
    pub leased: Box<[Addr]>,
    /// Which name counts for clients without one, by edge address: `default_sni` of the account's address maps. Never written,
    /// and empty as read.
    pub nameless: Box<[(Addr, Box<str>)]>,
    /// byway's own `probe`: whether its origins are probed; `None`: as the boot config says.
    pub probe: Option<AppProbe>,
    /// `argo_smart_routing`: kept and shown, acts on nothing.
    pub argo_smart_routing: bool,
    /// byway's own switch: carry the app even without the fields that this build does not act on.
    pub allow_partial: bool,
    /// byway's own `limits` of connections; `None`: those of the boot config.
    pub limits: Option<ConnectionLimits>,
    /// `created_on`, as the operator wrote it.
    pub created_on: Option<Box<str>>,
    /// `modified_on`, as the operator wrote it.
    pub modified_on: Option<Box<str>>,
}

impl AppSpec {
    /// What the app asks of TLS; `None` where bytes pass as they are. `min_tls` is for an app that does not say.
    pub fn wanted_tls(&self, min_tls: MinTls) -> Option<tls::Wanted<'_>> {
        let mode = match self.tls {
            TlsMode::Off => return None,
            TlsMode::Flexible => tls::Mode::Flexible,
            TlsMode::Full => tls::Mode::Full,
            TlsMode::Strict => tls::Mode::Strict,
        };
        let name = self.dns.name.as_str();
        let origin_name = match (self.origin_tls_name, &self.origin) {
            (OriginTlsName::Origin, OriginSpec::Dns { name, .. }) => name.as_str(),
            (OriginTlsName::App | OriginTlsName::Origin, _) => name,
        };
        Some(tls::Wanted {
            mode,
            min_tls: self.min_tls.unwrap_or(min_tls),
            name,
            nameless: &self.nameless,
            origin_name,
        })
    }

    /// The static addresses as texts: as they were written, unless they became others since.
    pub fn edge_texts(&self) -> Vec<String> {
        let EdgeIps::Static(addrs) = &self.edge_ips else { return Vec::new() };
        let means = |text: &str| text.parse::<IpAddr>().ok().map(Addr::from);
        let spelled = self.edge_spelled.iter().flatten().map(|text| (text.to_string(), means(text)));
        let (texts, meant): (Vec<String>, Vec<Option<Addr>>) = spelled.unzip();
        match meant.iter().copied().eq(addrs.iter().copied().map(Some)) {
            true => texts,
            false => addrs.iter().map(ToString::to_string).collect(),
        }
    }

    /// The edge addresses: the static ones, or what dynamic ones it was given.
    pub fn edge_addrs(&self) -> &[Addr] {
        match &self.edge_ips {
            EdgeIps::Static(addrs) => addrs,
            EdgeIps::Dynamic(_) => &self.leased,
        }
    }
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal,)+ }) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Spectrum's word for it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words!(DnsKind { Address = "ADDRESS", Cname = "CNAME", });
words!(ProxyProtocol { Off = "off", V1 = "v1", V2 = "v2", Simple = "simple", });
words!(TlsMode { Off = "off", Flexible = "flexible", Full = "full", Strict = "strict", });
words!(OriginTlsName { App = "app", Origin = "origin", });
words!(AppProbe { On = "on", Off = "off", });
words!(TrafficType { Direct = "direct", Http = "http", });
words!(Connectivity { All = "all", Ipv4 = "ipv4", Ipv6 = "ipv6", });

impl fmt::Display for EdgePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word, self.protocol) {
            (Some(word), _) => f.write_str(word),
            (None, Protocol::Tcp) => write!(f, "tcp/{}", self.ports),
            (None, Protocol::Udp) => write!(f, "udp/{}", self.ports),
        }
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! What a worker tells control of a connection, as a value of fixed size (Logpush `spectrum_events`).

use super::TlsFacts;
use crate::base::{AppSlot, DropReason, Endpoint, Instant, RuleSlot, Span, Whence, WorkerId};
use std::sync::Arc;

/// Spectrum's event names that layer 4 without DNS can bring about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventKind {
    /// Both legs are up.
    Connect,
    /// An established session is over.
    Disconnect,
    /// An access rule blocked the client (aggregated: `count` packets).
    ClientFiltered,
    /// The client's TLS handshake did not come about.
    TlsError,
    /// The origin could not be reached.
    OriginError,
    /// The origin's name has no address that could be used.
    ResolveOrigin,
}

impl EventKind {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::ClientFiltered => "clientFiltered",
            Self::TlsError => "tlsError",
            Self::OriginError => "originError",
            Self::ResolveOrigin => "resolveOrigin",
        }
    }
}

/// What a connection is made of (`ClientProto`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The status codes of Spectrum's event log that byway brings about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Status {
    /// Both legs opened.
    Opened = 0,
    /// Closed by both sides in order.
    NormalClose = 200,
    /// The client asked for a name that no certificate holds.
    BadSni = 400,
    /// Refused by an access rule.
    FirewallDeny = 403,
    /// The client's TLS handshake failed.
    ClientHandshakeFailed = 443,
    /// The origin sent RST.
    OriginReset = 444,
    /// The established origin timed out.
    OriginTimedOut = 445,
    /// The origin's keep-alive expired.
    OriginKeepAliveExpired = 446,
    /// A datagram to the origin of a live session was refused (ECONNREFUSED), or an established origin broke TLS.
    OriginWriteFailed = 447,
    /// The client broke TLS after its handshake.
    ClientTlsError = 490,
    /// A datagram to the client of a live session was refused (ECONNREFUSED).
    ClientRefused = 495,
    /// The client's keep-alive expired (EHOSTUNREACH).
    ClientUnreachable = 496,
    /// The established client timed out.
    ClientTimedOut = 497,
    /// The client sent RST.
    ClientReset = 499,
    /// byway itself ended the session (drain, removed app, lack of room).
    Internal = 500,
    /// The origin refused the connection.
    OriginRefused = 521,
    /// The origin did not answer in time.
    OriginConnectTimeout = 522,
    /// The origin's network is unreachable (ICMP).
    OriginNetUnreachable = 523,
    /// The connection could not be made for a reason of ours: no egress port, no route.
    OriginConnectInternal = 524,
    /// The origin's name could not be asked for: an error of ours.
    ResolveInternal = 530,
    /// The origin's name does not resolve.
    OriginUnresolved = 531,
    /// The origin is one that may never be connected to.
    OriginBlocked = 532,
}

/// What the firewall said of a client (`ClientMatchedIpFirewall`), and which rule decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirewallMatch {
    /// The firewall is off for the app, or no rule matched.
    Unknown,
    /// Blocked by an address or range.
    BlockIp(RuleSlot),
    /// Blocked by autonomous system.
    BlockAsn(RuleSlot),
    /// Blocked by country.
    BlockCountry(RuleSlot),
    /// Allowed by an address or range.
    WhitelistIp(RuleSlot),
    /// Allowed by autonomous system.
    WhitelistAsn(RuleSlot),
    /// Allowed by country.
    WhitelistCountry(RuleSlot),
}

impl FirewallMatch {
    /// Spectrum's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::BlockIp(_) => "BLOCK_IP",
            Self::BlockAsn(_) => "BLOCK_ASN",
            Self::BlockCountry(_) => "BLOCK_COUNTRY",
            Self::WhitelistIp(_) => "WHITELIST_IP",
            Self::WhitelistAsn(_) => "WHITELIST_ASN",
            Self::WhitelistCountry(_) => "WHITELIST_COUNTRY",
        }
    }

    /// The rule that decided; `None` where none did.
    #[inline]
    pub const fn rule(self) -> Option<RuleSlot> {
        match self {
            Self::Unknown => None,
            Self::BlockIp(rule) | Self::BlockAsn(rule) | Self::BlockCountry(rule) => Some(rule),
            Self::WhitelistIp(rule) | Self::WhitelistAsn(rule) | Self::WhitelistCountry(rule) => Some(rule),
        }
    }
}

/// One event of one connection, or of many refused packets.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The code that says why.
    pub status: Status,
    /// Which worker saw it.
    pub worker: WorkerId,
    /// When, on the workers' clock.
    pub at: Instant,
    /// TCP or UDP, on both legs.
    pub transport: Transport,
    /// The app.
    pub app: AppSlot,
    /// The client.
    pub client: Endpoint,
    /// Where the client comes from (`ClientAsn`, `ClientCountry`).
    pub whence: Whence,
    /// The edge address and port that the client reached.
    pub edge: Endpoint,
    /// The origin, where one was chosen.
    pub origin: Option<Endpoint>,
    /// Our own end of the origin leg, where there is one.
    pub egress: Option<Endpoint>,
    /// Bytes read from the client.
    pub client_bytes: u64,
    /// Bytes read from the origin.
    pub origin_bytes: u64,
    /// When both legs were up.
    pub connected_at: Option<Instant>,
    /// Round-trip time of the client leg, measured over its handshake.
    pub client_rtt: Option<Span>,
    /// Round-trip time of the origin leg, measured over its handshake.
    pub origin_rtt: Option<Span>,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// Whether the firewall was on for the app.
    pub ip_firewall: bool,
    /// Whether the client has shown that its address is its own; what others bring about is gathered when it is much.
    pub proven: bool,
    /// How many packets or sessions this event stands for; more than one only where it is gathered.
    pub count: u32,
    /// The drop reason behind it, where one frame brought it about.
    pub reason: Option<DropReason>,
    /// What is known of its TLS; made once a connection, beside the event.
    pub tls: Option<Arc<TlsFacts>>,
}

impl Event {
    /// Whether it tells of a source net's packets or sessions, perhaps many, and not of one connection.
    pub const fn is_aggregate(&self) -> bool {
        !self.proven && self.egress.is_none()
    }
}

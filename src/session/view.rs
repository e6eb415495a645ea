//! What passes over the border of the room beside frames: admissions in, views and verdicts out.

use super::Offer;
use crate::base::{AccountSlot, Addr, AppSlot, Endpoint, Epoch, Hop, Instant, Whence};
use crate::flow::Tenant;
use crate::table::{ConnectionLimits, ProxyProtocol};
use crate::telemetry::{FirewallMatch, Status};
use crate::tls::AppTls;
use crate::wire::Protocol;
use std::sync::Arc;

/// What table and firewall said of a first SYN.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The app that the edge address and port belong to.
    pub app: AppSlot,
    /// Its account.
    pub account: AccountSlot,
    /// The app's own limits, where it has some.
    pub limits: Option<ConnectionLimits>,
    /// What the origin is told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// Whether the firewall was on.
    pub ip_firewall: bool,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// Where the client comes from.
    pub whence: Whence,
    /// The snapshot that said so.
    pub epoch: Epoch,
    /// The way back to the client.
    pub client_hop: Hop,
    /// What meets clients of an app with TLS; `None` where bytes pass as they are.
    pub tls: Option<Arc<AppTls>>,
    /// What the client is offered; `None`: everything.
    pub offer: Option<Offer>,
    /// Whether the session may become a mere translation of headers.
    pub splice: bool,
}

impl Admission {
    /// On whose account the session runs.
    #[inline]
    pub const fn tenant(&self) -> Tenant {
        Tenant { app: self.app, account: self.account }
    }
}

/// How far a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The client's handshake is not finished.
    HalfOpen,
    /// A TLS handshake is under way, the client's or the origin's.
    Securing,
    /// The client is there, the origin has not answered yet.
    Connecting,
    /// Both legs are up.
    Open,
    /// At least one side has said that it sends no more.
    Closing,
}

impl Phase {
    /// The word for it in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::Securing => "securing",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Closing => "closing",
        }
    }
}

/// A session as listings and judges see it.
#[derive(Clone, Copy, Debug)]
pub struct SessionView {
    /// TCP or UDP: slots are counted apart.
    pub protocol: Protocol,
    /// Its slot, also the cursor of `rows`.
    pub slot: u32,
    /// How far it is.
    pub phase: Phase,
    /// Whether byway does no more for it than translate headers.
    pub spliced: bool,
    /// Whether it has no sockets.
    pub parked: bool,
    /// The app.
    pub app: AppSlot,
    /// The client.
    pub client: Endpoint,
    /// The edge address and port that the client reached.
    pub edge: Endpoint,
    /// The origin; `None` before it is chosen.
    pub origin: Option<Endpoint>,
    /// Our end of the origin leg; `None` before the connect.
    pub egress: Option<Endpoint>,
    /// The snapshot that judged it last.
    pub epoch: Epoch,
    /// Whether the firewall was on.
    pub ip_firewall: bool,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// When the first SYN came.
    pub opened_at: Instant,
    /// When both legs were up.
    pub connected_at: Option<Instant>,
    /// Bytes read from the client.
    pub client_bytes: u64,
    /// Bytes read from the origin.
    pub origin_bytes: u64,
}

/// Where a frame goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// The next hop.
    pub hop: Hop,
    /// The destination.
    pub to: Addr,
}

/// What a new snapshot means for a live session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It goes on under the new epoch.
    Keep,
    /// Its app is gone: it may go on for the grace that the settings give, then it is reset.
    Drain,
    /// It ends now, with RST to both sides and this status.
    End(Status),
    /// It ends now, because this rule blocks its client.
    Filtered(FirewallMatch),
}

/// What an ICMP error says of the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathError {
    /// A packet of ours was larger than `mtu` bytes allow (RFC 1191, RFC 8201); zero from an old router.
    TooBig {
        /// The next hop's MTU, as reported.
        mtu: u16,
    },
    /// The destination cannot be reached: network, host, protocol, port or by policy.
    Unreachable,
}

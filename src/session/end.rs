//! Why a session ended: the status that its event tells, and the counter that moves.

use crate::flow::Side;
use crate::table::NoOrigin;
use crate::telemetry::{Counter, EventKind, Status};

/// What ended a session. A half-open one that times out is no end: nobody was there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Both sides closed in order.
    InOrder,
    /// This peer sent RST.
    Reset(Side),
    /// The origin refused the connection.
    OriginRefused,
    /// The origin did not answer our SYN in time.
    ConnectTimeout,
    /// An ICMP error said that the origin cannot be reached.
    OriginUnreachable,
    /// The origin is one that may never be connected to.
    OriginForbidden,
    /// The app has no origin, for this reason.
    NoOrigin(NoOrigin),
    /// No egress tuple was free towards the origin.
    EgressExhausted,
    /// No route, or no room in the flow table, for the origin leg.
    LackOfRoom,
    /// No byte moved for too long, and it was this peer's turn.
    Idle(Side),
    /// A half-closed session stood still, and this peer owed something.
    FinTimeout(Side),
    /// This peer did not acknowledge what we sent.
    Unanswered(Side),
    /// This peer answered no keep-alive probe.
    Silent(Side),
    /// A new access rule matches the client.
    Firewall,
    /// Its app is gone and its grace over.
    AppRemoved,
    /// byway goes.
    Drain,
    /// The client asked for a name that no certificate holds.
    BadSni,
    /// The client's TLS handshake failed or was not finished in time.
    ClientHandshake,
    /// The origin's TLS handshake failed.
    OriginHandshake,
    /// The origin's TLS handshake was not finished in time.
    OriginHandshakeTimeout,
    /// The client broke TLS after its handshake.
    ClientTls,
    /// The origin broke TLS after its handshake.
    OriginTls,
    /// The crypto threads had no room or no time for the handshake.
    CryptoBusy,
}

impl End {
    /// What a judge's status means as an end.
    pub const fn judged(status: Status) -> Self {
        match status {
            Status::FirewallDeny => Self::Firewall,
            Status::OriginBlocked => Self::OriginForbidden,
            Status::OriginUnresolved => Self::NoOrigin(NoOrigin::Unresolved),
            Status::ResolveInternal => Self::NoOrigin(NoOrigin::Failed),
            Status::Opened
            | Status::NormalClose
            | Status::OriginReset
            | Status::OriginTimedOut
            | Status::OriginKeepAliveExpired
            | Status::OriginWriteFailed
            | Status::ClientRefused
            | Status::ClientUnreachable
            | Status::ClientTimedOut
            | Status::ClientReset
            | Status::Internal
            | Status::OriginRefused
            | Status::OriginConnectTimeout
            | Status::OriginNetUnreachable
            | Status::OriginConnectInternal
            | Status::BadSni
            | Status::ClientHandshakeFailed
            | Status::ClientTlsError => Self::AppRemoved,
        }
    }

    /// Spectrum's code.
    pub const fn status(self) -> Status {
        match self {
            Self::InOrder => Status::NormalClose,
            Self::Reset(Side::Client) => Status::ClientReset,
            Self::Reset(Side::Origin) => Status::OriginReset,
            Self::OriginRefused => Status::OriginRefused,
            Self::ConnectTimeout => Status::OriginConnectTimeout,
            Self::OriginUnreachable => Status::OriginNetUnreachable,
            Self::OriginForbidden | Self::NoOrigin(NoOrigin::Forbidden) => Status::OriginBlocked,
            Self::NoOrigin(NoOrigin::Unresolved) => Status::OriginUnresolved,
            Self::NoOrigin(NoOrigin::Failed) => Status::ResolveInternal,
            Self::EgressExhausted | Self::LackOfRoom => Status::OriginConnectInternal,
            Self::Idle(Side::Client) | Self::FinTimeout(Side::Client) | Self::Unanswered(Side::Client) => {
                Status::ClientTimedOut
            }
            Self::Idle(Side::Origin) | Self::FinTimeout(Side::Origin) | Self::Unanswered(Side::Origin) => {
                Status::OriginTimedOut
            }
            Self::Silent(Side::Client) => Status::ClientUnreachable,
            Self::Silent(Side::Origin) => Status::OriginKeepAliveExpired,
            Self::Firewall => Status::FirewallDeny,
            Self::AppRemoved | Self::Drain | Self::CryptoBusy => Status::Internal,
            Self::BadSni => Status::BadSni,
            Self::ClientHandshake => Status::ClientHandshakeFailed,
            Self::OriginHandshake => Status::OriginRefused,
            Self::OriginHandshakeTimeout => Status::OriginConnectTimeout,
            Self::ClientTls => Status::ClientTlsError,
            Self::OriginTls => Status::OriginWriteFailed,
        }
    }

    /// The counter of such ends.
    pub const fn counter(self) -> Counter {
        match self {
            Self::InOrder => Counter::ClosedInOrder,
            Self::Reset(Side::Client) => Counter::ClosedByClientReset,
            Self::Reset(Side::Origin) => Counter::ClosedByOriginReset,
            Self::OriginRefused => Counter::ClosedByOriginRefused,
            Self::ConnectTimeout => Counter::ClosedByConnectTimeout,
            Self::OriginUnreachable => Counter::ClosedByOriginUnreachable,
            Self::OriginForbidden | Self::NoOrigin(NoOrigin::Forbidden) => Counter::ClosedByOriginForbidden,
            Self::NoOrigin(NoOrigin::Unresolved | NoOrigin::Failed) => Counter::ClosedByOriginUnresolved,
            Self::EgressExhausted => Counter::ClosedByEgressExhausted,
            Self::LackOfRoom => Counter::ClosedByLackOfRoom,
            Self::Idle(_) => Counter::ClosedByIdleTimeout,
            Self::FinTimeout(_) => Counter::ClosedByFinTimeout,
            Self::Unanswered(Side::Client) => Counter::ClosedByClientTimeout,
            Self::Unanswered(Side::Origin) => Counter::ClosedByOriginTimeout,
            Self::Silent(Side::Client) => Counter::ClosedByClientKeepalive,
            Self::Silent(Side::Origin) => Counter::ClosedByOriginKeepalive,
            Self::Firewall => Counter::ClosedByFirewall,
            Self::AppRemoved => Counter::ClosedByAppRemoval,
            Self::Drain => Counter::ClosedByDrain,
            Self::BadSni => Counter::ClosedByBadSni,
            Self::ClientHandshake => Counter::ClosedByClientHandshake,
            Self::OriginHandshake => Counter::ClosedByOriginHandshake,
            Self::OriginHandshakeTimeout => Counter::ClosedByOriginHandshakeTimeout,
            Self::ClientTls => Counter::ClosedByClientTls,
            Self::OriginTls => Counter::ClosedByOriginTls,
            Self::CryptoBusy => Counter::ClosedByCryptoBusy,
        }
    }

    /// The event that tells of a session whose client was there and whose origin never answered.
    pub const fn origin_event(self) -> EventKind {
        match self {
            Self::NoOrigin(NoOrigin::Unresolved | NoOrigin::Failed) => EventKind::ResolveOrigin,
            Self::NoOrigin(NoOrigin::Forbidden)
            | Self::OriginRefused
            | Self::ConnectTimeout
            | Self::OriginUnreachable
            | Self::OriginForbidden
            | Self::EgressExhausted
            | Self::LackOfRoom
            | Self::OriginHandshake
            | Self::OriginHandshakeTimeout => EventKind::OriginError,
            Self::InOrder
            | Self::Reset(_)
            | Self::Idle(_)
            | Self::FinTimeout(_)
            | Self::Unanswered(_)
            | Self::Silent(_)
            | Self::Firewall
            | Self::AppRemoved
            | Self::Drain
            | Self::BadSni
            | Self::ClientHandshake
            | Self::ClientTls
            | Self::OriginTls
            | Self::CryptoBusy => EventKind::Disconnect,
        }
    }

    /// Whether it is the client's handshake that did not come about.
    pub const fn is_tls_error(self) -> bool {
        matches!(self, Self::BadSni | Self::ClientHandshake | Self::CryptoBusy)
    }
}

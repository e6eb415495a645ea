//! Why a UDP session ended: the event that tells of it, and the counter that moves.

use super::elders::Trust;
use super::record::Session;
use crate::session::OriginNews;
use crate::telemetry::{Counter, EventKind, Status};

/// Client datagrams without an answer that are worth an event: fewer may be a passer-by with a forged address.
const UNANSWERED_TOLD_MIN: u32 = 3;

/// What ended a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// No datagram passed for too long: how UDP ends in order.
    Idle,
    /// The origin never answered.
    Unanswered,
    /// It made room for another.
    Evicted,
    /// The origin's host says that nobody is on that port.
    OriginRefused,
    /// The client's host says that nobody is on that port any more.
    ClientRefused,
    /// A new access rule matches the client.
    Firewall,
    /// A new snapshot forbids its origin.
    OriginForbidden,
    /// Its app is gone and its grace over.
    AppRemoved,
    /// byway goes.
    Drain,
}

impl End {
    /// What a judge's status means as an end.
    pub fn judged(status: Status) -> Self {
        if status == Status::FirewallDeny {
            Self::Firewall
        } else if status == Status::OriginBlocked {
            Self::OriginForbidden
        } else {
            Self::AppRemoved
        }
    }

    /// The event and status that tell of it; `None` where nobody is told.
    pub fn told(self, session: &Session) -> Option<(EventKind, Status)> {
        if session.trust == Trust::Unanswered {
            self.told_of_unanswered(session)
        } else {
            Some(self.told_of_answered())
        }
    }

    /// No connect was told of, so no disconnect is.
    fn told_of_unanswered(self, session: &Session) -> Option<(EventKind, Status)> {
        match self {
            Self::OriginRefused => Some((EventKind::OriginError, Status::OriginRefused)),
            Self::Unanswered => (session.datagrams >= UNANSWERED_TOLD_MIN)
                .then_some((EventKind::OriginError, Status::OriginConnectTimeout)),
            Self::Firewall => Some((EventKind::ClientFiltered, Status::FirewallDeny)),
            Self::Idle
            | Self::Evicted
            | Self::ClientRefused
            | Self::OriginForbidden
            | Self::AppRemoved
            | Self::Drain => None,
        }
    }

    const fn told_of_answered(self) -> (EventKind, Status) {
        match self {
            Self::Idle | Self::Unanswered => (EventKind::Disconnect, Status::NormalClose),
            Self::OriginRefused => (EventKind::Disconnect, Status::OriginWriteFailed),
            Self::ClientRefused => (EventKind::Disconnect, Status::ClientRefused),
            Self::Firewall => (EventKind::ClientFiltered, Status::FirewallDeny),
            Self::OriginForbidden => (EventKind::Disconnect, Status::OriginBlocked),
            Self::Evicted | Self::AppRemoved | Self::Drain => (EventKind::Disconnect, Status::Internal),
        }
    }

    /// What the keeper of origins hears. Silence alone says nothing: a stranger could bring it about with nonsense.
    pub fn news(self, session: &Session) -> OriginNews {
        if session.trust != Trust::Unanswered {
            OriginNews::Left
        } else if self == Self::OriginRefused {
            OriginNews::Refused
        } else {
            OriginNews::GaveUp
        }
    }

    /// The counter of such ends.
    pub const fn counter(self) -> Counter {
        match self {
            Self::Idle => Counter::UdpClosedByIdleTimeout,
            Self::Unanswered => Counter::UdpClosedUnanswered,
            Self::Evicted => Counter::UdpClosedByEviction,
            Self::OriginRefused => Counter::UdpClosedByOriginRefused,
            Self::ClientRefused => Counter::UdpClosedByClientRefused,
            Self::Firewall => Counter::UdpClosedByFirewall,
            Self::OriginForbidden => Counter::UdpClosedByOriginForbidden,
            Self::AppRemoved => Counter::UdpClosedByAppRemoval,
            Self::Drain => Counter::UdpClosedByDrain,
        }
    }
}

//! An active probe of an origin as it passes between control and a worker: the order, and what came of it.

use super::{Endpoint, Span};

/// What a worker is to try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProbeOrder {
    /// Comes back with the outcome.
    pub id: u32,
    /// The origin to call.
    pub origin: Endpoint,
    /// Whether it expects PROXY version 2: then it gets the LOCAL header.
    pub proxy_v2: bool,
    /// How long it may take to answer.
    pub timeout: Span,
}

/// What came of a probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeOutcome {
    /// The origin took the connection, this long after it was called.
    Connected(Span),
    /// It refused the connection.
    Refused,
    /// It said nothing in time.
    TimedOut,
    /// An ICMP error said that it cannot be reached.
    Unreachable,
    /// No probe went out, for a reason of ours: a forbidden address, no route, no egress tuple, too many under way.
    NotSent,
}

impl ProbeOutcome {
    /// How long the origin took, where it answered.
    pub const fn rtt(self) -> Option<Span> {
        match self {
            Self::Connected(rtt) => Some(rtt),
            Self::Refused | Self::TimedOut | Self::Unreachable | Self::NotSent => None,
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected(_) => "connected",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::NotSent => "not_sent",
        }
    }
}

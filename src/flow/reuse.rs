//! A source tuple that was used: by whom, and when the next connection may have it.
//!
//! A tuple rests after use so that its origin's TIME-WAIT is over, and segments of the old connection are gone, before
//! the next one begins. A connection that ended in order may be followed sooner, as in Linux (`tcp_tw_reuse`), by one
//! whose numbers are above all of the old one's: an origin in TIME-WAIT takes such a SYN (RFC 6191 by its timestamp,
//! RFC 1122 4.2.2.13 by its sequence number), and what is late of the old connection is out of the new one's windows.

use super::Tenant;
use crate::base::{Endpoint, Instant, Span};

/// How long a tuple rests at least, as in Linux: a whole tick of a clock of seconds, and longer than paths reorder.
const REST_MIN: Span = Span::from_secs(1);

/// Under which terms a tuple may be used again before it has rested to the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EarlyReuse {
    /// From when on.
    pub from: Instant,
    /// Only by a connection that offers timestamps.
    pub needs_timestamps: bool,
}

impl EarlyReuse {
    /// For a connection that ended at `now`, and whose numbers the next one's pass after `wait`.
    pub fn new(now: Instant, wait: Span, needs_timestamps: bool) -> Self {
        Self { from: now + wait.max(REST_MIN), needs_timestamps }
    }

    /// Whether a connection that offers `timestamps`, or does not, may begin now.
    #[inline]
    pub fn serves(self, timestamps: bool, now: Instant) -> bool {
        self.from <= now && (timestamps || !self.needs_timestamps)
    }
}

/// A tuple whose flow is gone.
#[derive(Clone, Copy, Debug)]
pub struct UsedTuple {
    /// On whose account it was used.
    pub tenant: Option<Tenant>,
    /// The origin's end.
    pub origin: Endpoint,
    /// Our end.
    pub egress: Endpoint,
    /// `None`: it rests to the end, as after a reset or a timeout, when nobody knows what the origin holds.
    pub early: Option<EarlyReuse>,
}

/// A flow that wants a tuple.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The origin's end.
    pub origin: Endpoint,
    /// Whether its SYN offers timestamps.
    pub timestamps: bool,
}

/// A tuple for a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// Our end.
    pub egress: Endpoint,
    /// Whether it was at rest, and was woken.
    pub woken: bool,
}

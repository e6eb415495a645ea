//! What a session keeps of its TLS.

use super::flow::Flow;
use super::pair::Pair;
use crate::telemetry::TlsFacts;
use std::sync::Arc;

/// A session's TLS, from its client's arrival on.
pub struct SessionTls {
    /// How far it is.
    pub stage: Stage,
    /// What events tell, once the handshakes are done or failed.
    pub facts: Option<Arc<TlsFacts>>,
}

/// How far a session's TLS is.
pub enum Stage {
    /// Handshakes, between two trips.
    Here(Box<Pair>),
    /// With a crypto thread, under this number.
    Away(u64),
    /// Established.
    Open(Box<Flow>),
}

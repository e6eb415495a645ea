//! What one worker's UDP sessions are told at launch: plain values, already checked by the boot config.

use crate::base::Span;
use crate::flow::{EgressPool, SharePercents};
use crate::session::ComesHome;

/// One worker's UDP sessions.
#[derive(Clone)]
pub struct Settings {
    /// Sessions at once.
    pub sessions_max: u32,
    /// How long a session may carry no datagram.
    pub idle_timeout: Span,
    /// The same while the origin has not answered.
    pub unanswered_timeout: Span,
    /// How long the sessions of a removed app may go on.
    pub removed_app_grace: Span,
    /// Whether clients may have special-purpose addresses (private, documentation and so on): a laboratory.
    pub special_sources: bool,
    /// How much of sessions and source ports one app and one account may hold once most are in use.
    pub shares: SharePercents,
    /// Our own ends of origin legs.
    pub egress: EgressPool,
    /// Set where the device spreads flows by a hash of ours; `None` where every port is as good.
    pub comes_home: Option<ComesHome>,
}

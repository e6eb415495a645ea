//! What one worker's sessions are told at launch: plain values, already checked by the boot config.

use crate::base::Span;
use crate::flow::{EgressPool, SharePercents};
use crate::table::ConnectionLimits;
use crate::wire::FlowKey;
use std::sync::Arc;

/// The smallest MSS worth obeying; smoltcp and Linux have the same floor.
pub const MSS_MIN: u16 = 48;

/// How much a leg's sender has in flight, and how fast it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Congestion {
    /// A model of the path (BBR, draft-ietf-ccwg-bbr): loss by chance does not slow it down. The default.
    #[default]
    Bbr,
    /// CUBIC (RFC 9438): every loss slows it down.
    Cubic,
    /// None but the peer's window and our transmit buffer: for a clean path of our own, harmful on a shared one.
    None,
}

/// When a first SYN is answered by a cookie, without memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SynCookies {
    /// Never.
    #[default]
    Off,
    /// While there are so many half-open sessions or more.
    Auto {
        /// Half-open sessions.
        half_open: u32,
    },
    /// Always.
    Always,
}

/// When the origin's handshake is completed, of a session that is to be spliced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SpliceHandshake {
    /// As soon as its SYN-ACK is here.
    #[default]
    Immediate,
    /// A round trip of the client later: the origin measures the path that its bytes will take, not that to byway.
    ClientRtt,
}

/// Whether a reply of this flow arrives on this worker's own queue.
pub type ComesHome = Arc<dyn Fn(&FlowKey) -> bool + Send + Sync>;

/// One worker's sessions.
#[derive(Clone)]
pub struct Settings {
    /// Sessions at once, half-open ones included.
    pub sessions_max: u32,
    /// Sessions whose client has not finished its handshake.
    pub half_open_max: u32,
    /// When SYNs are answered by cookies.
    pub syn_cookies: SynCookies,
    /// Parked sessions beside those.
    pub parked_max: u32,
    /// How long a session may be quiet before it gives up its sockets; zero: for ever.
    pub park_after: Span,
    /// Spliced sessions beside those; zero: none is spliced.
    pub spliced_max: u32,
    /// When the origin's handshake is completed.
    pub splice_handshake: SpliceHandshake,
    /// How long a session that is to be spliced may be under way before it is brought to rest for that; zero: for ever.
    pub splice_quiesce_after: Span,
    /// Flows remembered in TIME-WAIT.
    pub time_wait_max: u32,
    /// Receive buffer of a leg, in bytes.
    pub rx_buffer_bytes: usize,
    /// Transmit buffer of a leg, in bytes.
    pub tx_buffer_bytes: usize,
    /// The window shift offered in every handshake (RFC 7323 2.2), 0 to 14.
    pub window_shift: u8,
    /// Whether timestamps are offered and accepted (RFC 7323 3).
    pub timestamps: bool,
    /// Congestion control of both legs.
    pub congestion: Congestion,
    /// MTUs of the ports; the usual path MTUs below them are added.
    pub port_mtus: Vec<u16>,
    /// The largest MSS we announce and use, where set.
    pub mss_max: Option<u16>,
    /// How long the origin may take to answer our SYN.
    pub connect_timeout: Span,
    /// How long the client may take to finish its handshake.
    pub half_open_timeout: Span,
    /// How long a session may carry no byte.
    pub idle_timeout: Span,
    /// How long a half-closed session may carry no byte, and a FIN may stay unacknowledged.
    pub fin_timeout: Span,
    /// Silence of a peer after which it is probed.
    pub keepalive: Span,
    /// How long sent data or probes may stay unanswered.
    pub user_timeout: Span,
    /// How long a closed flow is remembered (RFC 9293 3.4.2).
    pub time_wait: Span,
    /// How long the sessions of a removed app may go on.
    pub removed_app_grace: Span,
    /// Challenge ACKs and RSTs of our own making in a second, all sessions together (RFC 5961 7).
    pub challenge_acks_per_s: u32,
    /// How much of sessions, half-open slots and source ports one app and one account may hold once most are in use.
    pub shares: SharePercents,
    /// The limits of apps that have none of their own.
    pub limits: ConnectionLimits,
    /// Our own ends of origin legs.
    pub egress: EgressPool,
    /// Set where the device spreads flows by a hash of ours; `None` where every port is as good.
    pub comes_home: Option<ComesHome>,
}

impl Settings {
    /// The window of a SYN or SYN-ACK, which is never scaled.
    pub fn syn_window(&self) -> u16 {
        self.rx_buffer_bytes.min(65_535) as u16
    }

    /// The largest MSS announced and used, as far as `mss_max` goes.
    pub fn mss_limit(&self) -> u16 {
        self.mss_max.unwrap_or(u16::MAX).max(MSS_MIN)
    }
}

//! What is forwarded or dropped, and how it is to compare with `macswap` on the same capture.

use crate::base::DropReason;

/// What the frames of the capture meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Scenario {
    /// Spliced TCP sessions: data of clients and origins in turn.
    Splice,
    /// UDP sessions: datagrams of clients and origins in turn.
    Udp,
    /// Access rules: SYNs of 65,536 blocked sources among 1,000,000 rules.
    Blocked,
    /// No app: SYNs to an edge address that has none.
    Noapp,
    /// A flood: SYNs as Linux sends them for a live app, each answered by a cookie.
    Synflood,
}

/// Flows from which on a capture wants small buffers: each of its frames holds one.
const SMALL_BUFFERS_FROM: usize = 100_000;

impl Scenario {
    /// As rows and arguments name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Udp => "udp",
            Self::Blocked => "blocked",
            Self::Noapp => "noapp",
            Self::Synflood => "synflood",
        }
    }

    /// Flows where none are asked for: one frame of each is in the capture.
    pub const fn flows(self) -> usize {
        match self {
            Self::Splice | Self::Udp | Self::Noapp | Self::Synflood => 1_024,
            Self::Blocked => 65_536,
        }
    }

    /// The design's bound: the least share of `macswap`'s rate.
    pub const fn least(self, flows: usize) -> f64 {
        match self {
            Self::Splice if flows >= SMALL_BUFFERS_FROM => 0.30,
            Self::Splice => 0.45,
            Self::Udp | Self::Blocked => 0.40,
            Self::Noapp => 0.60,
            Self::Synflood => 0.25,
        }
    }

    /// Bytes of its frames, and of what is sent for them, without their FCS: for 60 bytes a frame is one of 64 on the wire.
    pub const fn frame_bytes(self) -> u16 {
        match self {
            Self::Splice | Self::Udp | Self::Blocked | Self::Noapp => 60,
            // With MSS, SACK, timestamps and a window shift.
            Self::Synflood => 74,
        }
    }

    /// Why its frames are dropped; `None`: they go on, or are answered.
    pub const fn drops(self) -> Option<DropReason> {
        match self {
            Self::Splice | Self::Udp | Self::Synflood => None,
            Self::Blocked => Some(DropReason::FirewallBlocked),
            Self::Noapp => Some(DropReason::NoApp),
        }
    }
}

/// Bytes of a frame buffer, headroom of 128 included: both contenders' `--mbuf-size`.
pub const fn mbuf_bytes(flows: usize) -> u16 {
    if flows >= SMALL_BUFFERS_FROM { 384 } else { 2_176 }
}

/// The ports' MTU: sessions agree on segments of it, though a bench's frames are short and its buffers may be.
pub const MTU: u16 = 1_500;

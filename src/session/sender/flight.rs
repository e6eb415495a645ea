//! What a sender is told, and what it keeps of a flight, as values.

use super::board::Tally;
use crate::base::Instant;
use crate::wire::SackBlocks;

/// A leg's numbers as the sender needs them.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Oldest unacknowledged number.
    pub una: u32,
    /// One past the highest number sent.
    pub max: u32,
    /// Bytes of a segment.
    pub mss: u32,
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// When it came.
    pub now: Instant,
    /// The oldest unacknowledged number before it.
    pub before_una: u32,
    /// Its SACK blocks.
    pub sack: &'a SackBlocks,
    /// Whether it only repeats the one before (RFC 5681 2).
    pub is_repeat: bool,
    /// Whether nothing waited to be sent when it came.
    pub app_limited: bool,
}

/// Why something is sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Again {
    /// What came after it arrived.
    Fast,
    /// The tail was silent.
    Probe,
    /// The timeout passed.
    Timeout,
}

/// What is known of the bytes behind all that the peer has.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// One past the last of them that was sent again.
    pub sent_to: u32,
    /// Whether they are lost, up to `Sender::tail_lost_to`.
    pub lost: bool,
}

/// What of the flight is no longer under way: a board's tally, in few bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// Bytes that have arrived behind a gap.
    pub sacked: u32,
    /// One past the last of them.
    pub high: u32,
    /// Bytes lost and not sent again.
    pub lost: u32,
    /// When the first gap that is not lost became known; zero: there is none.
    pub waits_since: Instant,
}

impl Flight {
    /// All of it is.
    pub const ALL: Self = Self { sacked: 0, high: 0, lost: 0, waits_since: Instant::ZERO };

    /// Of a board.
    pub fn of(tally: &Tally) -> Self {
        Self {
            sacked: tally.sacked,
            high: tally.high.unwrap_or(0),
            lost: tally.lost,
            waits_since: tally.waits_since.unwrap_or(Instant::ZERO),
        }
    }
}

/// What time makes a sender do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    /// The pace lets the next segment out.
    Pace,
    /// A gap has been there for too long to be disorder.
    Disorder,
    /// The tail is probed.
    Probe,
    /// All in flight is lost.
    Timeout,
}

//! Congestion control: which of the three a leg has, behind one face.

use super::bbr::Bbr;
use super::cubic::Cubic;
use super::rate::Sample;
use crate::base::Instant;
use crate::session::Congestion;

/// RFC 6928: segments of the first flight.
pub const INITIAL_SEGMENTS: u32 = 10;

/// What an acknowledgement told.
#[derive(Clone, Copy, Debug)]
pub struct AckNews {
    /// When it came.
    pub now: Instant,
    /// Bytes that the peer has and was not known to have.
    pub delivered: u32,
    /// Bytes found lost.
    pub lost: u32,
    /// Bytes in flight now.
    pub in_flight: u32,
    /// A round trip that it ended.
    pub sample: Option<Sample>,
    /// Whether fewer bytes were in flight than might have been.
    pub app_limited: bool,
    /// Whether lost bytes are being sent again.
    pub recovers: bool,
}

/// One leg's congestion control.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// The peer's window alone.
    None,
    /// CUBIC.
    Cubic(Cubic),
    /// BBR.
    Bbr(Bbr),
}

impl Control {
    /// Of the kind that the settings ask for, for segments of `mss` bytes.
    pub fn new(kind: Congestion, mss: u16) -> Self {
        match kind {
            Congestion::None => Self::None,
            Congestion::Cubic => Self::Cubic(Cubic::new(mss)),
            Congestion::Bbr => Self::Bbr(Bbr::new(mss)),
        }
    }

    /// Bytes that may be in flight.
    #[inline]
    pub fn window(&self) -> u32 {
        match self {
            Self::None => u32::MAX,
            Self::Cubic(cubic) => cubic.window(),
            Self::Bbr(bbr) => bbr.window(),
        }
    }

    /// Bytes a second to send at; `None`: as fast as the window allows.
    pub fn pacing_rate(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Cubic(cubic) => cubic.pacing_rate(),
            Self::Bbr(bbr) => bbr.pacing_rate(),
        }
    }

    /// Takes an acknowledgement.
    #[inline]
    pub fn hear(&mut self, news: &AckNews) {
        match self {
            Self::None => {}
            Self::Cubic(cubic) => cubic.hear(news),
            Self::Bbr(bbr) => bbr.hear(news),
        }
    }

    /// Something goes out, and nothing was in flight.
    #[inline]
    pub fn begins_again(&mut self, now: Instant) {
        match self {
            Self::None | Self::Cubic(_) => {}
            Self::Bbr(bbr) => bbr.begins_again(now),
        }
    }

    /// Something was lost, for the first time since all of an earlier loss was repaired.
    pub fn lost(&mut self) {
        match self {
            Self::None | Self::Bbr(_) => {}
            Self::Cubic(cubic) => cubic.lost(),
        }
    }

    /// A timeout.
    pub fn timed_out(&mut self) {
        match self {
            Self::None => {}
            Self::Cubic(cubic) => cubic.timed_out(),
            Self::Bbr(bbr) => bbr.timed_out(),
        }
    }
}

//! A session's leg in 32 bits, as the flow table holds it.

use super::Slot;

/// Which end of a session a leg talks to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Side {
    /// The client, who opened it.
    Client = 0,
    /// The origin, to whom we opened it.
    Origin = 1,
}

impl Side {
    /// The other end.
    #[inline]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Origin,
            Self::Origin => Self::Client,
        }
    }

    /// As an index into a pair.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One leg of one session. Lives no longer than its entry in the flow table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LegRef(u32);

impl LegRef {
    /// Sessions that a leg reference can tell apart.
    pub const SESSIONS_MAX: u32 = 1 << 31;

    /// The leg of session slot `session` on `side`.
    #[inline]
    pub const fn new(session: u32, side: Side) -> Self {
        Self(session << 1 | side as u32)
    }

    /// The session's slot.
    #[inline]
    pub const fn session(self) -> u32 {
        self.0 >> 1
    }

    /// Which end of the session.
    #[inline]
    pub const fn side(self) -> Side {
        if self.0 & 1 == 0 { Side::Client } else { Side::Origin }
    }

    /// The session's other leg.
    #[inline]
    pub const fn other(self) -> Self {
        Self(self.0 ^ 1)
    }
}

impl Slot for LegRef {
    fn to_bits(self) -> u32 {
        self.0
    }

    fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_knows_its_session_its_side_and_its_other() {
        let leg = LegRef::new(7, Side::Origin);
        assert_eq!((leg.session(), leg.side()), (7, Side::Origin));
        assert_eq!(leg.other(), LegRef::new(7, Side::Client));
        assert_eq!(leg.other().side(), leg.side().other());
        assert_eq!(LegRef::from_bits(leg.to_bits()), leg);
    }
}

//! What byway offers in a SYN-ACK or SYN, and what origins were seen to take of it.
//!
//! Only a session whose two sides speak one TCP can be spliced, so neither side is offered what the other one does not have:
//! ```text
//!  client's SYN ---> SYN-ACK: all that its origins were seen to take; before any was seen: everything
//!  SYN to the origin: what the client agreed to, its MSS and window shift among it
//!  origin's SYN-ACK ---> noted, by address and port, for some minutes
//! ```
//! Of what was not offered nothing is learnt. An origin that takes less than before makes one session stay managed and is
//! known from then on; one that takes more is noticed when its entry has grown old. With several origins what all of
//! them take is offered. The table is of a fixed size; where it is full the oldest entry nearby gives way.

use super::leg::{Leg, flag};
use crate::base::limits::{ORIGIN_OPTIONS_MAX, ORIGINS_FORESEEN_MAX};
use crate::base::{Addr, Endpoint, Instant, Span};
use crate::wire::TcpOptions;

/// How long an entry counts.
const LIFE: Span = Span::from_secs(600);
/// How many places an origin may lie away from its own.
const PROBES: usize = 4;

/// What one side is offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Timestamps (RFC 7323 3).
    pub timestamps: bool,
    /// Selective acknowledgements (RFC 2018 2).
    pub sack: bool,
    /// The shift of our windows (RFC 7323 2); `None`: windows are not scaled.
    pub shift: Option<u8>,
    /// The largest MSS that may be announced.
    pub mss_max: u16,
}

/// What a worker knows of origins' TCP.
pub struct OriginOptions {
    known: Box<[Known]>,
    /// How often something was learnt.
    learnt: u32,
}

#[derive(Clone, Copy)]
struct Known {
    origin: Endpoint,
    until: Instant,
    mss: u16,
    timestamps: bool,
    sack: bool,
    /// Whether it scales windows, and by how much where that was seen.
    scales: bool,
    shift: Option<u8>,
}

const UNKNOWN: Known = Known {
    origin: Endpoint { addr: Addr::v4([0; 4]), port: 0 },
    until: Instant::ZERO,
    mss: u16::MAX,
    timestamps: true,
    sack: true,
    scales: true,
    shift: None,
};

impl Default for OriginOptions {
    fn default() -> Self {
        Self { known: vec![UNKNOWN; ORIGIN_OPTIONS_MAX].into_boxed_slice(), learnt: 0 }
    }
}

impl OriginOptions {
    /// What a client of address `client` is offered, of `all`, whose connection goes to one of `origins`. Origins of another
    /// family take nothing away: no session with them is spliced.
    #[inline]
    pub fn narrow(
        &self,
        all: Offer,
        origins: impl Iterator<Item = Endpoint>,
        client: Addr,
        shift_max: u8,
        now: Instant,
    ) -> Offer {
        let near = |origin: &Endpoint| origin.addr.is_v4() == client.is_v4();
        let mut offer = all;
        for origin in origins.take(ORIGINS_FORESEEN_MAX).filter(near) {
            let Some(known) = self.find(origin, now) else { continue };
            offer.timestamps &= known.timestamps;
            offer.sack &= known.sack;
            offer.mss_max = offer.mss_max.min(known.mss);
            let shift = known.shift.map(|shift| shift.min(shift_max));
            offer.shift = offer.shift.filter(|_| known.scales).map(|own| shift.unwrap_or(own));
        }
        offer
    }

    /// Changes with everything that is learnt.
    #[inline]
    pub const fn learnt(&self) -> u32 {
        self.learnt
    }

    /// Notes what an origin answered to what its leg had offered.
    pub fn learn(&mut self, offered: &Leg, answered: &TcpOptions, mss: u16, now: Instant) {
        let origin = offered.key.src_endpoint();
        self.learnt = self.learnt.wrapping_add(1);
        let at = self.place(origin, now);
        let known = &mut self.known[at];
        if known.origin != origin || known.until <= now {
            *known = Known { origin, until: now + LIFE, ..UNKNOWN };
        }
        known.mss = mss;
        if offered.is(flag::TIMESTAMPS) {
            known.timestamps = answered.timestamp.is_some();
        }
        if offered.is(flag::SACK) {
            known.sack = answered.sack_permitted;
        }
        if offered.is(flag::SCALES) {
            (known.scales, known.shift) = (answered.window_shift.is_some(), answered.window_shift);
        }
    }

    fn find(&self, origin: Endpoint, now: Instant) -> Option<&Known> {
        self.near(origin)
            .map(|at| &self.known[at])
            .find(|known| known.origin == origin)
            .filter(|known| now < known.until)
    }

    /// Its own place, or else that of the entry nearby that ends first.
    fn place(&self, origin: Endpoint, now: Instant) -> usize {
        let own = self.near(origin).find(|at| self.known[*at].origin == origin);
        let oldest = || self.near(origin).min_by_key(|at| self.known[*at].until.max(now));
        own.or_else(oldest).unwrap_or(0)
    }

    fn near(&self, origin: Endpoint) -> impl Iterator<Item = usize> + use<> {
        let bits = origin.addr.bits();
        let mixed = (bits as u64 ^ (bits >> 64) as u64 ^ u64::from(origin.port) << 48)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (first, mask) = ((mixed >> 40) as usize, self.known.len() - 1);
        (0..PROBES).map(move |step| (first + step) & mask)
    }
}

impl Leg {
    /// Offers this to the peer, who has not answered yet.
    pub const fn offer(&mut self, offer: Offer) {
        self.clear(flag::TIMESTAMPS | flag::SACK | flag::SCALES);
        if offer.timestamps {
            self.set(flag::TIMESTAMPS);
        }
        if offer.sack {
            self.set(flag::SACK);
        }
        if let Some(shift) = offer.shift {
            self.set(flag::SCALES);
            self.shift = shift;
        }
        self.mss_max = offer.mss_max;
    }

    /// Offers the other side's peer what this side's has agreed to, as far as `offer` goes.
    pub fn pass_on_offer(&self, offer: Offer, shift_max: u8) -> Offer {
        let shift = self.is(flag::SCALES).then_some(self.peer_shift.min(shift_max));
        Offer {
            timestamps: offer.timestamps && self.is(flag::TIMESTAMPS),
            sack: offer.sack && self.is(flag::SACK),
            shift: offer.shift.and(shift),
            mss_max: offer.mss_max.min(self.peer_mss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offer = Offer { timestamps: true, sack: true, shift: Some(7), mss_max: 1460 };
    const ANSWER: TcpOptions = TcpOptions {
        mss: Some(1400),
        window_shift: Some(9),
        sack_permitted: true,
        timestamp: Some((1, 2)),
        ..TcpOptions::NONE
    };

    fn origin(n: u32) -> Endpoint {
        Endpoint { addr: Addr::v4(n.to_be_bytes()), port: 22 }
    }

    fn leg(origin: Endpoint, offer: Offer) -> Leg {
        let mut leg = Leg::vacant();
        (leg.key.src, leg.key.src_port) = (origin.addr, origin.port);
        leg.offer(offer);
        leg
    }

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Span::from_secs(100 + secs)
    }

    fn narrow(options: &OriginOptions, origins: &[Endpoint], secs: u64) -> Offer {
        options.narrow(ALL, origins.iter().copied(), origin(9).addr, 10, at(secs))
    }

    #[test]
    fn before_anything_is_known_everything_is_offered() {
        assert_eq!(narrow(&OriginOptions::default(), &[origin(1)], 0), ALL);
    }

    #[test]
    fn what_an_origin_does_not_take_is_not_offered_for_a_while() {
        let mut options = OriginOptions::default();
        let bare = TcpOptions { mss: Some(1000), ..TcpOptions::NONE };
        options.learn(&leg(origin(1), ALL), &bare, 1000, at(0));
        let least = Offer { timestamps: false, sack: false, shift: None, mss_max: 1000 };
        assert_eq!(narrow(&options, &[origin(1)], 1), least);
        assert_eq!(narrow(&options, &[origin(2)], 1), ALL, "another one");
        assert_eq!(narrow(&options, &[origin(1)], 600), ALL, "old");
    }

    #[test]
    fn of_what_was_not_offered_nothing_is_learnt() {
        let mut options = OriginOptions::default();
        options.learn(&leg(origin(1), ALL), &ANSWER, 1400, at(0));
        let known = Offer { shift: Some(9), mss_max: 1400, ..ALL };
        assert_eq!(narrow(&options, &[origin(1)], 1), known);
        let least = Offer { timestamps: false, sack: false, shift: None, mss_max: 1460 };
        options.learn(&leg(origin(1), least), &TcpOptions::NONE, 1400, at(2));
        assert_eq!(narrow(&options, &[origin(1)], 3), known);
        options.learn(&leg(origin(1), ALL), &TcpOptions { timestamp: None, ..ANSWER }, 1400, at(4));
        assert_eq!(narrow(&options, &[origin(1)], 5), Offer { timestamps: false, ..known });
    }

    #[test]
    fn with_several_origins_what_all_take_is_offered() {
        let mut options = OriginOptions::default();
        options.learn(&leg(origin(1), ALL), &TcpOptions { timestamp: None, ..ANSWER }, 1400, at(0));
        options.learn(&leg(origin(2), ALL), &TcpOptions { sack_permitted: false, ..ANSWER }, 1300, at(0));
        let both = narrow(&options, &[origin(1), origin(2), origin(3)], 1);
        assert_eq!(both, Offer { timestamps: false, sack: false, shift: Some(9), mss_max: 1300 });
    }

    #[test]
    fn origins_of_another_family_take_nothing_away() {
        let mut options = OriginOptions::default();
        let far = Endpoint { addr: Addr::v6([7; 16]), port: 22 };
        options.learn(&leg(far, ALL), &TcpOptions::NONE, 536, at(0));
        assert_eq!(narrow(&options, &[far], 1), ALL);
    }

    #[test]
    fn more_origins_than_places_push_the_oldest_out() {
        let mut options = OriginOptions::default();
        for n in 0..2 * ORIGIN_OPTIONS_MAX as u32 {
            options.learn(&leg(origin(n), ALL), &TcpOptions::NONE, 536, at(u64::from(n) / 100));
        }
        let last = 2 * ORIGIN_OPTIONS_MAX as u32 - 1;
        assert_eq!(narrow(&options, &[origin(last)], u64::from(last) / 100).mss_max, 536);
    }

    #[test]
    fn an_origin_is_offered_what_the_client_agreed_to() {
        let client = leg(origin(1), Offer { timestamps: false, sack: true, shift: Some(7), mss_max: 1460 });
        let agreed = Leg { peer_shift: 14, peer_mss: 1300, ..client };
        let offer = agreed.pass_on_offer(ALL, 10);
        assert_eq!(offer, Offer { timestamps: false, sack: true, shift: Some(10), mss_max: 1300 });
    }
}

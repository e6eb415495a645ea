//! A session that is to be spliced but never falls quiet is brought to it: bulk whose first flight was disturbed would stay managed
//! for as long as it lasts.
//!
//! ```text
//!  open, wanted, under way for a while --> frozen: neither side is given more --all is acknowledged--> spliced; both sides are
//!     ^                                      |   window than it was promised                            told the other's window
//!     `--- later, TRIES_MAX in all ----------' too long, or a FIN: windows open again
//! ```
//! Nobody is asked to take back or to send again. Who sends goes on until its promised window is used up, which the other side
//! acknowledges meanwhile, and stands still for about a round trip.

use super::hand_over::{is_plain, windows_may_fit};
use crate::base::{Instant, Span};
use crate::flow::{LegRef, Side};
use crate::session::leg::flag;
use crate::session::packet;
use crate::session::pair::{Session, SpliceWish};
use crate::session::{Net, Sessions, Settings};
use crate::telemetry::Counter;
use crate::wire::TcpFlags;

/// How long windows stay as they are at most: twice as long as a session may be under way first, but not longer than this.
const PATIENCE_MAX: Span = Span::from_millis(2_000);
/// How often that is tried, each time after four times as long: by default last when it has been open for four and a half hours.
const TRIES_MAX: u8 = 8;

impl Session {
    /// Whether its peers are given no more window for now.
    #[inline]
    pub(in crate::session) const fn is_frozen(&self) -> bool {
        self.legs[0].is(flag::FROZEN)
    }

    /// When its windows open again, if they are frozen.
    #[inline]
    pub(in crate::session) fn thaws_at(&self, settings: &Settings) -> Option<Instant> {
        let began =
            self.quiesce_due(self.quiesces.saturating_sub(1), settings).filter(|_| self.is_frozen())?;
        Some(began + patience(settings))
    }

    /// When the try of this number is due.
    #[inline]
    fn quiesce_due(&self, number: u8, settings: &Settings) -> Option<Instant> {
        let after = settings.splice_quiesce_after;
        let tries = number < TRIES_MAX && after != Span::ZERO;
        let after = Span::from_nanos(after.nanos() << (2 * number.min(TRIES_MAX)));
        self.connected_at.filter(|_| tries).map(|at| at + after)
    }
}

fn patience(settings: &Settings) -> Span {
    Span::from_nanos(settings.splice_quiesce_after.nanos() * 2).min(PATIENCE_MAX)
}

impl Sessions {
    /// Freezes the windows of a session that was just tended and is not quiet, or opens them where that went on for too long.
    #[inline]
    pub(super) fn quiesce<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        let session = &self.sessions[id as usize];
        if let Some(until) = session.thaws_at(&self.settings) {
            if until <= now || session.splice != SpliceWish::Wanted || !is_plain(session) {
                self.thaw(id, now, net);
            }
        } else if let Some(due) = session.quiesce_due(session.quiesces, &self.settings)
            && due <= now
        {
            self.freeze(id, due, now);
        }
    }

    /// Freezes the windows of a session, but not where that was due too long ago: it was silent then.
    #[cold]
    fn freeze(&mut self, id: u32, due: Instant, now: Instant) {
        let session = &self.sessions[id as usize];
        let wanted = session.splice == SpliceWish::Wanted && is_plain(session);
        let patience = patience(&self.settings);
        let in_time = now.since(due).nanos() < patience.nanos() / 2;
        let may = wanted && in_time && windows_may_fit(session) && self.could_be_spliced(session);
        let session = &mut self.sessions[id as usize];
        session.quiesces += 1;
        if may {
            session.legs.iter_mut().for_each(|leg| leg.set(flag::FROZEN));
            self.arm_by(id, due + patience);
        }
    }

    /// Opens the windows of a frozen session again.
    #[cold]
    pub(in crate::session) fn thaw<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        for side in [Side::Client, Side::Origin] {
            let at = LegRef::new(id, side);
            self.leg_mut(at).clear(flag::FROZEN);
            // Only a socket tells of a window that has opened.
            if self.leg(at).is(flag::ASLEEP) && self.leg(at).is(flag::PLAIN) {
                self.wake(at, now);
            }
        }
        net.page().count(Counter::QuiescesReleased);
        self.mark(id);
    }

    /// Tells both sides of a frozen session that is about to be spliced how far they may send now: each what the other's
    /// window allows, for nothing else would.
    #[cold]
    pub(super) fn tell_windows<N: Net>(&mut self, id: u32, now: Instant, net: &mut N) {
        for side in [Side::Client, Side::Origin] {
            let session = &self.sessions[id as usize];
            let (leg, other) = (session.leg(side), session.leg(side.other()));
            let mut ack = packet::of_leg(leg, TcpFlags::ACK, leg.snd_max, now);
            // What the other side gave counts from what it has acknowledged.
            let given = other.window().saturating_sub(other.in_flight());
            let window = (given >> leg.shift).min(u32::from(u16::MAX)) as u16;
            ack.window = ack.window.max(window);
            packet::send(&ack, leg.hop, net);
        }
        net.page().count(Counter::QuiescesSpliced);
    }
}

//! What the session room needs of the world around it. The worker gives it.

use super::balance::{Choice, NoChoice, OriginNews, OriginPlace};
use crate::base::{Addr, AppSlot, DropReason, Endpoint, Hop};
use crate::telemetry::{Event, PageWriter};

/// The way out for packets, events and refusals.
///
/// smoltcp must never be refused a transmit token (a fast retransmit that finds none hangs its flow for ever), so
/// sessions ask `room` first and poll egress only with at least one frame in hand.
pub trait Net {
    /// The next hop towards `to` by the static routes; `None` without a route. Starts neighbour resolution.
    fn route(&mut self, to: Addr) -> Option<Hop>;

    /// The largest IP packet that fits through `hop`'s port.
    fn mtu(&self, hop: Hop) -> usize;

    /// How many `emit` calls will surely succeed in this turn.
    fn room(&mut self) -> usize;

    /// Sends one IP packet of `len` bytes towards `hop`. `fill` writes the whole packet, checksums left zero: the
    /// worker fills those in, in software or by the device. Frames towards an unresolved hop wait or are dropped
    /// by name there. Only after `room() > 0`.
    fn emit<R>(&mut self, hop: Hop, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R;

    /// The longest packet over IPv4 that `emit_long` takes towards `hop` now, in bytes; zero: none, as where the port cuts none.
    fn cuts(&mut self, hop: Hop) -> usize {
        let _ = hop;
        0
    }

    /// As `emit`, for a segment over IPv4 that the port cuts into ones of `segment` bytes of payload; only of up to `cuts` bytes.
    fn emit_long<R>(
        &mut self,
        hop: Hop,
        (len, segment): (usize, u16),
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let _ = segment;
        self.emit(hop, len, fill)
    }

    /// The origin for a connection to `port` of `app`, by the newest snapshot and by what the worker knows of origins;
    /// never `tried`, and never one that no origin may be, because what was allowed at load may not be any more.
    fn choose_origin(&mut self, app: AppSlot, port: u16, tried: Option<Endpoint>)
    -> Result<Choice, NoChoice>;

    /// What became of an origin chosen; `true` when it is left alone for a while from now on.
    fn origin_news(&mut self, place: OriginPlace, news: OriginNews) -> bool;

    /// Hands an event to control; never waits (a full queue is counted).
    fn event(&mut self, event: Event);

    /// Counts a refusal that is not the fate of the frame at hand.
    fn refused(&mut self, reason: DropReason);

    /// Where sessions count what happens to them (`Counter`, `AppCounter`, set-up times).
    fn page(&self) -> &PageWriter;
}

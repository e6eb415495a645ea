//! The quick road of a datagram: between two addresses of one family, of a proven client, with nothing put in or taken
//! off. Only the tuple changes, in the frame that it came in; whatever is not that plain is left to `relay`.
//!
//! Cost: some 150 instructions, the header's rewrite among them, of 590 in the whole turn (`byway bench session --udp`).

use super::elders::Trust;
use super::outgoing::{Datagram, Prefix, never_none};
use super::record::Session;
use super::sessions::Sessions;
use crate::base::{DropReason, Epoch, Instant};
use crate::flow::{LegRef, Side};
use crate::session::{Tally, Way, bytes_from};
use crate::telemetry::{Counter, PageWriter};
use crate::wire::checksum::Change;
use crate::wire::{Fixed4, Readdress, Readdress4, ethernet, may_be_fragmented};

impl Session {
    /// Notes which of its datagrams are plain, after anything that this depends on has changed.
    pub fn settle_plain(&mut self) {
        let [v4, origin_v4] = [Side::Client, Side::Origin].map(|side| self.tuples[side.index()].is_v4());
        let plain = v4 == origin_v4 && self.trust == Trust::Proven;
        self.plain = [plain && self.prefix == Prefix::None, plain && self.prefix != Prefix::Simple];
        self.plain4 = self.plain.map(|plain| plain && v4 && self.live);
    }

    /// Takes note of a plain datagram that goes on.
    #[inline(always)]
    const fn note(&mut self, side: Side, payload_len: u64, now: Instant) {
        self.moved_at = now;
        self.bytes[side.index()] += payload_len;
    }
}

impl Sessions {
    /// Rewrites a datagram of a live session that was judged under the newest snapshot, and says where it goes, or why it
    /// dies; `None`, and nothing changed, for one that `relay` has to look at.
    #[inline(always)]
    pub fn pass(
        &mut self,
        at: LegRef,
        frame: &mut [u8],
        datagram: Datagram,
        (epoch, now): (Epoch, Instant),
        page: &PageWriter,
    ) -> Option<Result<Way, DropReason>> {
        let side = at.side();
        let (here, there) = (side.index(), side.other().index());
        let session = &mut self.sessions[at.session() as usize];
        let fits = datagram.ip_len() <= usize::from(session.mtus[there]);
        if !(session.plain[here] && session.epoch == epoch && fits) {
            return None;
        }
        let (to, packet) = (&session.key(side.other()), frame.get_mut(ethernet::HEADER_LEN..)?);
        let fragment_id = if to.src.is_v4() { next_id(&mut self.fragment_id, packet) } else { None };
        let len = datagram.ip_len() as u16;
        if let Err(reason) = (Readdress { to, len, fragment_id }).write(packet) {
            return Some(Err(reason));
        }
        bring_up_to_date(frame, datagram, session.changes[here]);
        session.note(side, datagram.payload_len() as u64, now);
        page.count(datagrams_from(side));
        page.add_app(session.app, bytes_from(side), datagram.payload_len() as u64);
        Some(Ok(Way { hop: session.hops[there], to: to.src }))
    }

    /// The same over IPv4 where the headers stand at fixed places, and where the leg that the flow table named is this datagram's;
    /// `None` for everything else, be it to be dropped. A datagram of the leg's own tuple is sound.
    #[inline(always)]
    pub fn pass_fixed(
        &mut self,
        at: LegRef,
        fixed: Fixed4,
        frame: &mut [u8],
        (epoch, now): (Epoch, Instant),
        (tally, page): (&mut Tally, &PageWriter),
    ) -> Option<Way> {
        let (here, there) = (at.side().index(), at.side().other().index());
        let session = self.sessions.get_mut(at.session() as usize)?;
        let head = frame.first_chunk_mut::<{ Fixed4::PAYLOAD_OFFSET as usize }>()?;
        let its_own = session.tuples[here].v4() == fixed.tuple(head)?;
        let plain = session.plain4[here] && session.epoch == epoch;
        if !(its_own && plain) || fixed.ip_len() > session.mtus[there] {
            return None;
        }
        let packet = head[ethernet::HEADER_LEN..].first_chunk_mut()?;
        if !Readdress4::may_go(packet) {
            return None;
        }
        let fragment_id = next_id(&mut self.fragment_id, packet);
        let to = session.tuples[there].v4().reversed();
        Readdress4 { to, fragment_id }.write(packet);
        let field = head.last_chunk_mut::<2>()?;
        let old = u16::from_be_bytes(*field);
        if old != 0 {
            *field = never_none(session.changes[here].apply(old)).to_be_bytes();
        }
        let payload_len = u64::from(fixed.end - Fixed4::PAYLOAD_OFFSET);
        session.note(at.side(), payload_len, now);
        tally.datagram((at.side(), session.app), payload_len, page);
        Some(Way { hop: session.hops[there], to: to.dst() })
    }
}

/// The counter of datagrams that `side` sent.
const fn datagrams_from(side: Side) -> Counter {
    match side {
        Side::Client => Counter::UdpFromClients,
        Side::Origin => Counter::UdpFromOrigins,
    }
}

/// The next identification, for a packet that routers may fragment (RFC 6864 4).
#[inline(always)]
fn next_id(last: &mut u16, packet: &[u8]) -> Option<u16> {
    may_be_fragmented(packet).then(|| {
        *last = last.wrapping_add(1);
        *last
    })
}

/// The checksum under another tuple; one that the sender left out stays out.
#[inline]
fn bring_up_to_date(frame: &mut [u8], datagram: Datagram, change: Change) {
    let head = frame.get_mut(..usize::from(datagram.payload_offset));
    let Some(field) = head.and_then(|head| head.last_chunk_mut::<2>()) else { return };
    let old = u16::from_be_bytes(*field);
    if old != 0 {
        *field = never_none(change.apply(old)).to_be_bytes();
    }
}

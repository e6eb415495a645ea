//! Segments with bytes: what goes out next, and what an acknowledgement makes of it. About 300 instructions a segment beside
//! its bytes.
//!
//! What is lost goes before what is new. A segment is never cut short while something is in flight, but for the last one of
//! what there is (RFC 9293 3.8.6.2.1), and a FIN rides on the last bytes.

use super::boards::Boards;
use super::flight::{Again, Due, Heard};
use super::ring::Ring;
use super::state::Sender;
use crate::base::{Instant, Span};
use crate::flow::LegRef;
use crate::session::leg::{Leg, before, flag};
use crate::session::packet;
use crate::session::pair::PROBES;
use crate::session::seats::Seat;
use crate::session::{Net, Sessions};
use crate::telemetry::Counter;
use crate::wire::{SackBlocks, TcpFlags};
use smoltcp::socket::tcp::State;

/// Segments that one leg may send in one turn before others have theirs.
const SEGMENTS_MAX: usize = 64;

/// Bytes of the headers of IPv4 and TCP without options.
const HEADERS_V4: usize = 40;

/// What a segment acknowledges.
#[derive(Clone, Copy, Debug)]
pub struct Ack<'a> {
    /// Its number, never before the leg's oldest unacknowledged one.
    pub number: u32,
    /// Its SACK blocks.
    pub sack: &'a SackBlocks,
    /// Whether it only repeats the one before (RFC 5681 2).
    pub is_repeat: bool,
}

/// Numbers to go out.
#[derive(Clone, Copy, Debug)]
struct Piece {
    seq: u32,
    /// One past the last; with our FIN, one past that.
    end: u32,
    /// Why it goes out again.
    again: Option<Again>,
}

/// What a leg sends next.
enum Next {
    /// Nothing before something happens.
    Nothing,
    /// Something, but not before this time.
    Later(Instant),
    /// This.
    Segment(Piece),
}

impl Sessions {
    /// Takes an acknowledgement; whether something waits to be sent.
    #[inline]
    pub(in crate::session) fn hear_ack(&mut self, at: LegRef, ack: &Ack<'_>, now: Instant) -> bool {
        let leg = &mut self.sessions[at.session() as usize].legs[at.side().index()];
        let before_una = leg.snd_una;
        let unsent = leg.unsent();
        if ack.number == before_una && ack.sack.is_empty() && !ack.is_repeat {
            return unsent != 0 || leg.is(flag::PROBING_WINDOW);
        }
        let Some(Seat { senders, rings, .. }) = self.seats.get_mut(at.session()) else { return false };
        let sender = &mut senders[at.side().index()];
        let fin_alone = leg.is(flag::FIN_OUT) && before_una == leg.write_seq;
        if ack.number != before_una {
            rings[at.side().index()].drop_front(ack.number.wrapping_sub(before_una));
            leg.acknowledged(ack.number, now);
            if leg.is(flag::FIN_OUT) && ack.number == leg.write_seq.wrapping_add(1) {
                leg.fin_acknowledged();
                if fin_alone && sender.is_plain() {
                    sender.hear_end();
                    return leg.is(flag::PROBING_WINDOW);
                }
            }
        }
        let heard =
            Heard { now, before_una, sack: ack.sack, is_repeat: ack.is_repeat, app_limited: unsent == 0 };
        let sent = leg.sent();
        if ack.sack.is_empty() && sender.is_plain() && ack.number != before_una {
            sender.hear_plain(&sent, &heard);
        } else {
            sender.hear(&sent, &heard, &mut self.boards);
        }
        let (waits, due) =
            (unsent != 0 || sender.has_lost() || leg.is(flag::PROBING_WINDOW), sender.disorder_due());
        if let Some(due) = due {
            self.arm_by(at.session(), due);
        }
        waits
    }

    /// Whether a leg has something to send that it may not have sent for want of room or time.
    #[inline]
    pub(in crate::session) fn has_to_send(&self, at: LegRef) -> bool {
        let leg = self.leg(at);
        // What is lost is in flight.
        let lost =
            || self.seats.get(at.session()).is_some_and(|seat| seat.senders[at.side().index()].has_lost());
        leg.unsent() != 0 || leg.is(flag::PROBING_WINDOW) || leg.in_flight() != 0 && lost()
    }

    /// Sends what a leg may send now; `false` when frames ran out first.
    pub(in crate::session) fn send<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) -> bool {
        let Some(mut sending) = self.sending(at) else { return true };
        sending.look_at_window(now);
        for _ in 0..SEGMENTS_MAX {
            let longest = sending.longest(net);
            match sending.next(now, longest) {
                Next::Nothing => return true,
                Next::Later(until) => {
                    self.arm_by(at.session(), until);
                    return true;
                }
                Next::Segment(_) if net.room() == 0 => return false,
                Next::Segment(piece) => {
                    sending.emit(&piece, now, net);
                    if sending.is_done() {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// All that sends for one leg, where it has a seat.
    #[inline]
    fn sending(&mut self, at: LegRef) -> Option<Sending<'_>> {
        let Seat { rings, senders, .. } = self.seats.get_mut(at.session())?;
        Some(Sending {
            leg: &mut self.sessions[at.session() as usize].legs[at.side().index()],
            ring: &rings[at.side().index()],
            sender: &mut senders[at.side().index()],
            boards: &mut self.boards,
        })
    }

    /// When something of a leg's sender is due, and what.
    pub(in crate::session) fn sender_deadline(&self, at: LegRef, now: Instant) -> Option<(Instant, Due)> {
        let leg = self.leg(at);
        let sender = &self.seats.get(at.session())?.senders[at.side().index()];
        if !leg.is(flag::LIVE) || !leg.is_synchronised() || leg.state == State::TimeWait {
            return None;
        }
        if leg.is(flag::PROBING_WINDOW) {
            // RFC 9293 3.8.6.1: who answers is not given up, so it is asked often enough to show that it does.
            let within = Span::from_nanos(self.settings.user_timeout.nanos() / PROBES);
            return Some((sender.window_probe_at(within), Due::Timeout));
        }
        let paced = if leg.unsent() != 0 || sender.has_lost() { sender.pace.wait(now) } else { None };
        let paced = paced.map(|until| (until, Due::Pace));
        if leg.in_flight() == 0 {
            return paced;
        }
        let probes = leg.is(flag::SACK) && leg.snd_una != leg.write_seq;
        let due = sender.deadline(&leg.sent(), probes);
        Some(paced.map_or(due, |paced| due.min(paced)))
    }

    /// Carries out what is due of a leg's sender; what is to be sent goes out when the session is tended.
    pub(in crate::session) fn tend_sender<N: Net>(&mut self, at: LegRef, now: Instant, net: &mut N) {
        let Some((_, due)) = self.sender_deadline(at, now).filter(|(when, _)| *when <= now) else { return };
        let Some(mut sending) = self.sending(at) else { return };
        if due == Due::Timeout && sending.leg.window() == 0 {
            return sending.probe_window(now, net);
        }
        if sending.leg.is(flag::PROBING_WINDOW) {
            return sending.look_at_window(now);
        }
        sending.sender.act_on(due, &sending.leg.sent(), sending.boards, now);
    }

    /// Sends all that is in flight again: it was too long for the path.
    pub(in crate::session) fn resend_all(&mut self, at: LegRef) {
        if let Some(Sending { leg, sender, boards, .. }) = self.sending(at) {
            sender.lose_all(&leg.sent(), boards);
        }
    }
}

/// The shortest segment that a port is asked to cut: devices have a least length of their own (256 of some), and frames that
/// are refused after they were counted as sent would be lost time and again.
const CUT_MSS_MIN: u32 = 512;

/// A leg with its transmit buffer and sender.
struct Sending<'a> {
    leg: &'a mut Leg,
    ring: &'a Ring,
    sender: &'a mut Sender,
    boards: &'a mut Boards,
}

impl Sending<'_> {
    /// Ends the probing of a closed window that has opened.
    fn look_at_window(&mut self, now: Instant) {
        if self.leg.is(flag::PROBING_WINDOW) && self.leg.window() != 0 {
            self.leg.clear(flag::PROBING_WINDOW);
            self.sender.window_opened(&self.leg.sent(), self.boards, now);
        }
    }

    /// The longest segment that a leg may write now: where there is more to send than one of the usual length, one that the port
    /// cuts, of what the pace lets out in a millisecond.
    #[inline]
    fn longest<N: Net>(&self, net: &mut N) -> u32 {
        let leg = &self.leg;
        let mss = u32::from(leg.mss.max(1));
        if leg.unsent() <= mss || mss < CUT_MSS_MIN || !leg.key.src.is_v4() {
            return mss;
        }
        let options = if leg.is(flag::TIMESTAMPS) { 12 } else { 0 };
        let fits = net.cuts(leg.hop).saturating_sub(HEADERS_V4 + options) as u32;
        let most = fits.min(self.sender.pace.quantum().max(2 * mss));
        (most - most % mss).max(mss)
    }

    /// Whether nothing is left that could be sent now or later.
    #[inline]
    fn is_done(&self) -> bool {
        self.leg.unsent() == 0 && !self.leg.is(flag::PROBING_WINDOW) && !self.sender.has_lost()
    }

    fn next(&mut self, now: Instant, longest: u32) -> Next {
        let Self { leg, sender, boards, .. } = self;
        let sent = leg.sent();
        let in_flight = sender.in_flight(&sent);
        let room = sender.control.window().saturating_sub(in_flight);
        let waits = sender.pace.wait(now);
        if sender.has_lost()
            && let Some((seq, end, why)) = sender.next_again(&sent, boards)
        {
            let forced = why == Again::Probe || in_flight == 0;
            return match waits {
                _ if room < sent.mss && !forced => Next::Nothing,
                Some(until) if !forced => Next::Later(until),
                Some(_) | None => Next::Segment(leg.again(seq, end, why)),
            };
        }
        let Some(piece) = leg.fresh(room.min(window_left(leg)), longest) else {
            if leg.unsent() != 0 && leg.in_flight() == 0 && leg.window() == 0 && !leg.is(flag::PROBING_WINDOW)
            {
                return Next::Segment(leg.probe_window(sender, now));
            }
            return Next::Nothing;
        };
        match waits {
            Some(until) => Next::Later(until),
            None => Next::Segment(piece),
        }
    }

    fn emit<N: Net>(&mut self, piece: &Piece, now: Instant, net: &mut N) {
        let Self { leg, ring, sender, boards } = self;
        let (seq, end) = (piece.seq, piece.end);
        let fin = leg.is(flag::FIN_OUT) && before(leg.write_seq, end);
        let len = end.wrapping_sub(seq).wrapping_sub(fin.into());
        let mut flags = TcpFlags::ACK;
        if fin {
            flags |= TcpFlags::FIN;
        } else if end == leg.write_seq {
            flags |= TcpFlags::PSH;
        }
        let mut segment = packet::of_leg(leg, flags, seq, now);
        segment.payload_len = len as u16;
        let offset = seq.wrapping_sub(leg.snd_una);
        let write = |packet: &mut [u8]| {
            if let Some(payload) = segment.emit(packet) {
                ring.copy(offset, payload);
            }
        };
        match segment.payload_len > leg.mss.max(1) {
            true => net.emit_long(leg.hop, (segment.packet_len(), leg.mss), write),
            false => net.emit(leg.hop, segment.packet_len(), write),
        }
        let (sent, idle) = (leg.sent(), leg.in_flight() == 0);
        leg.note_sent(seq, end.wrapping_sub(seq), now);
        leg.acked_to = leg.rcv_nxt;
        leg.clear(flag::ACK_NOW);
        if let Some(why) = piece.again {
            sender.note_again((seq, end), why, (&sent, now), boards);
            net.page().count(Counter::RetransmitsSent);
            net.page().count(why.counter());
        }
        sender.note_sent(len, end, piece.again.is_none(), now, idle);
        if leg.unsent() == 0 {
            sender.round.ran_out();
        }
    }

    /// Sends one byte into a closed window (RFC 9293 3.8.6.1): also where the window closed over what was in flight, or a
    /// FIN met it closed, since nothing else would make the peer speak.
    fn probe_window<N: Net>(&mut self, now: Instant, net: &mut N) {
        if self.leg.in_flight() == 0 && self.leg.unsent() == 0 {
            // The peer took the last of it and still gives no window: there is nothing to ask it for.
            self.leg.clear(flag::PROBING_WINDOW);
            return;
        }
        if self.leg.window() != 0 {
            return;
        }
        let piece = self.leg.probe_window(self.sender, now);
        if net.room() != 0 {
            self.emit(&piece, now, net);
        }
    }
}

impl Leg {
    /// One number for a window that is closed.
    fn probe_window(&mut self, sender: &mut Sender, now: Instant) -> Piece {
        self.set(flag::PROBING_WINDOW);
        sender.probed_window(now);
        let again = if self.in_flight() != 0 { Some(Again::Timeout) } else { None };
        Piece { seq: self.snd_una, end: self.snd_una.wrapping_add(1), again }
    }

    /// Lost numbers as a segment; where they are the last that were sent, new ones fill it up.
    fn again(&self, seq: u32, end: u32, why: Again) -> Piece {
        let full = seq.wrapping_add(u32::from(self.mss.max(1)));
        let edge = self.snd_una.wrapping_add(self.window());
        let stream_end = self.write_seq.wrapping_add(self.is(flag::FIN_OUT).into());
        let is_last = end == self.snd_max && before(end, stream_end);
        let end = if is_last { earlier(stream_end, later(end, edge)) } else { end };
        // A FIN takes no room.
        let over = self.is(flag::FIN_OUT) && end == stream_end && full == self.write_seq;
        let end = if over { end } else { earlier(end, full) };
        Piece { seq, end, again: Some(why) }
    }

    /// New numbers as a segment that takes at most `room` bytes, or as one of up to `longest` that is whole segments together, but
    /// for the last of what there is; `None` where it is better to wait.
    fn fresh(&self, room: u32, longest: u32) -> Option<Piece> {
        let unsent = self.unsent();
        let fin = self.is(flag::FIN_OUT);
        let bytes = unsent.wrapping_sub(fin.into());
        if unsent == 0 {
            return None;
        }
        let mss = u32::from(self.mss.max(1));
        let len = bytes.min(room).min(longest.max(mss));
        let len = if len < bytes && len > mss { len - len % mss } else { len };
        let cut = len < bytes && len < u32::from(self.mss);
        let worth = len != 0 && (self.in_flight() == 0 || len >= self.peer_window_max / 2);
        if bytes != 0 && len == 0 || cut && !worth {
            return None;
        }
        let end = self.snd_max.wrapping_add(len + u32::from(fin && len == bytes));
        Some(Piece { seq: self.snd_max, end, again: None })
    }
}

impl Again {
    const fn counter(self) -> Counter {
        match self {
            Self::Fast => Counter::RetransmitsFast,
            Self::Probe => Counter::RetransmitsProbe,
            Self::Timeout => Counter::RetransmitsTimeout,
        }
    }
}

/// Bytes that the peer still has room for.
fn window_left(leg: &Leg) -> u32 {
    let edge = leg.snd_una.wrapping_add(leg.window());
    if before(leg.snd_max, edge) { edge.wrapping_sub(leg.snd_max) } else { 0 }
}

const fn earlier(a: u32, b: u32) -> u32 {
    if before(a, b) { a } else { b }
}

const fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

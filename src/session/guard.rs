//! The guard in front of smoltcp: which segments of a synchronised leg it may see, and in what form.
//!
//! smoltcp closes on any RST inside the window, is silent on SYNs, drops data whose acknowledgement is old, and believes in
//! a window that it never sent after a SYN. Here a segment is judged by byway's own numbers first (RFC 9293 3.10.7.4, RFC 5961 3 to 5, RFC 7323 5), so that only
//! what is acceptable and harmless gets in. Cost: about 70 instructions for a segment in order.

use super::leg::{Leg, before, flag};
use crate::base::{DropReason, Instant, Span};
use crate::wire::{TcpFlags, TcpOptions, TcpSegment};
use smoltcp::socket::tcp;

/// RFC 7323 5.5: a timestamp that is this old proves nothing.
const TIMESTAMP_LIFE: Span = Span::from_secs(24 * 86_400);

/// What the peer is told about a segment that smoltcp does not get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Nothing.
    Silence,
    /// An ACK, whatever the limits: the peer needs it to go on (RFC 9293 3.8.6.1, 3.10.7.4).
    Ack,
    /// A challenge ACK, if the limits allow (RFC 5961 7).
    Challenge,
}

/// The form in which smoltcp gets a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patch {
    /// Sequence number.
    pub seq: u32,
    /// Window field.
    pub window: u16,
    /// Bytes of payload, from the front.
    pub payload_len: u16,
    /// Whether FIN stays.
    pub fin: bool,
}

/// The guard's word on a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// smoltcp gets it as it came.
    Pass,
    /// smoltcp gets a copy with these numbers.
    Rewrite(Patch),
    /// A true reset by the peer.
    Reset,
    /// Nothing new in it for smoltcp; the peer was heard, and is answered where it asked for an answer.
    Absorb(Answer),
    /// It dies here.
    Refuse(DropReason, Answer),
}

/// A segment's timestamp value where it has no other options; `Err` when only a full parse can tell.
#[inline(always)]
pub fn plain_timestamp(options: &[u8]) -> Result<Option<u32>, ()> {
    match options {
        [] => Ok(None),
        &[1, 1, 8, 10, a, b, c, d, _, _, _, _] => Ok(Some(u32::from_be_bytes([a, b, c, d]))),
        _ => Err(()),
    }
}

/// Whether a segment is the usual one: nothing but ACK and PSH, exactly the next bytes and all within the window, an
/// acknowledgement of something sent, no duplicate, a timestamp that is not old. Such a segment passes unchanged.
#[inline(always)]
pub fn is_plain(leg: &Leg, segment: &TcpSegment, timestamp: Option<u32>) -> bool {
    const MATTER: u8 = TcpFlags::SYN | TcpFlags::RST | TcpFlags::FIN | TcpFlags::ACK;
    let payload = u32::from(segment.payload_len());
    let acked = segment.ack.wrapping_sub(leg.snd_una);
    segment.flags.0 & MATTER == TcpFlags::ACK
        && leg.is(flag::PLAIN)
        && segment.seq == leg.rcv_nxt
        && acked <= leg.in_flight()
        && (acked != 0 || payload != 0 || leg.in_flight() == 0)
        && payload <= leg.window_left()
        && timestamp.is_none_or(|value| !before(value, leg.ts_recent) || !leg.is(flag::TIMESTAMPS))
}

/// Takes note of a plain segment, but for what it acknowledges.
#[inline(always)]
pub fn accept_plain(leg: &mut Leg, segment: &TcpSegment, timestamp: Option<u32>, now: Instant) {
    leg.heard = now;
    leg.probes = 0;
    if segment.window != leg.peer_window {
        leg.set_peer_window(segment.window);
    }
    if let Some(value) = timestamp
        && leg.is(flag::TIMESTAMPS)
        && !before(leg.acked_to, segment.seq)
    {
        leg.ts_recent = value;
    }
}

/// Judges a segment of a leg that has sent its SYN and seen the peer's.
#[inline]
pub fn judge(leg: &Leg, segment: &TcpSegment, options: &TcpOptions, now: Instant) -> Verdict {
    let flags = segment.flags;
    if flags.0 & (TcpFlags::SYN | TcpFlags::RST) != 0 {
        return judge_control(leg, segment);
    }
    if !flags.has(TcpFlags::ACK) {
        return Verdict::Refuse(DropReason::SequenceUnacceptable, Answer::Silence);
    }
    if is_old_by_timestamp(leg, options, now) {
        return Verdict::Refuse(DropReason::PawsOld, Answer::Challenge);
    }
    // RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
    if before(leg.snd_max, segment.ack) || before(segment.ack, leg.snd_una.wrapping_sub(leg.peer_window_max))
    {
        return Verdict::Refuse(DropReason::SequenceUnacceptable, Answer::Challenge);
    }
    let mut patch = Patch {
        seq: segment.seq,
        window: segment.window,
        payload_len: segment.payload_len(),
        fin: flags.has(TcpFlags::FIN),
    };
    if let Some(verdict) = check_place(leg, &mut patch) {
        return verdict;
    }
    if before(segment.ack, leg.snd_una) {
        // Overtaken by what acknowledged more: its window is old.
        patch.window = leg.peer_window;
    }
    let unchanged = patch.seq == segment.seq
        && patch.window == segment.window
        && patch.payload_len == segment.payload_len();
    if unchanged { Verdict::Pass } else { Verdict::Rewrite(patch) }
}

/// RFC 5961 3.2 and 4.2: a reset counts only at exactly the next number; a SYN never counts.
fn judge_control(leg: &Leg, segment: &TcpSegment) -> Verdict {
    if !segment.flags.has(TcpFlags::RST) {
        return Verdict::Refuse(DropReason::SynInSession, Answer::Challenge);
    }
    if leg.state == tcp::State::TimeWait {
        // RFC 1337 3: both ends have said all; what one of them said may still be on its way to the other leg.
        return Verdict::Refuse(DropReason::TimeWait, Answer::Silence);
    }
    if segment.seq == leg.rcv_nxt {
        return Verdict::Reset;
    }
    let in_window = !before(segment.seq, leg.rcv_nxt) && before(segment.seq, leg.rcv_right);
    let answer = if in_window { Answer::Challenge } else { Answer::Silence };
    Verdict::Refuse(DropReason::RstUnacceptable, answer)
}

/// PAWS (RFC 7323 5.3), with the exception for a TS.Recent that has outlived its meaning.
#[inline]
fn is_old_by_timestamp(leg: &Leg, options: &TcpOptions, now: Instant) -> bool {
    match options.timestamp {
        Some((value, _)) => {
            leg.is(flag::TIMESTAMPS) && before(value, leg.ts_recent) && now.since(leg.heard) < TIMESTAMP_LIFE
        }
        None => false,
    }
}

/// The acceptability test of RFC 9293 3.10.7.4, with data cut to the window that was announced.
#[inline]
fn check_place(leg: &Leg, patch: &mut Patch) -> Option<Verdict> {
    let payload = u32::from(patch.payload_len);
    if patch.seq == leg.rcv_nxt && payload == 0 && !(patch.fin && leg.is(flag::FIN_IN)) {
        return None;
    }
    if payload == 0 && !patch.fin {
        return check_bare_place(leg, patch);
    }
    let end = patch.seq.wrapping_add(payload);
    if !before(leg.rcv_nxt, end.wrapping_add(u32::from(patch.fin))) {
        // All of it was received before: its ACK was lost, or it probes (RFC 9293 3.8.4).
        return Some(Verdict::Absorb(Answer::Ack));
    }
    if leg.is(flag::FIN_IN) {
        return Some(Verdict::Refuse(DropReason::SequenceUnacceptable, Answer::Challenge));
    }
    if payload == 0 {
        let in_window = !before(patch.seq, leg.rcv_nxt) && !before(leg.rcv_right, patch.seq);
        return (!in_window).then_some(Verdict::Refuse(DropReason::SequenceUnacceptable, Answer::Challenge));
    }
    if !before(patch.seq, leg.rcv_right) {
        // RFC 9293 3.8.6.1: a probe of a closed window sits exactly at its edge and must be answered.
        let answer = if patch.seq == leg.rcv_nxt { Answer::Ack } else { Answer::Challenge };
        return Some(Verdict::Refuse(DropReason::SequenceUnacceptable, answer));
    }
    if before(leg.rcv_right, end) {
        patch.payload_len = leg.rcv_right.wrapping_sub(patch.seq) as u16;
        patch.fin = false;
    }
    None
}

/// The same for a bare ACK that is not exactly at the next number.
fn check_bare_place(leg: &Leg, patch: &mut Patch) -> Option<Verdict> {
    if patch.seq == leg.rcv_nxt.wrapping_sub(1) && !before(patch.seq, leg.irs) {
        // RFC 9293 3.8.4: a keep-alive probe asks for an ACK.
        return Some(Verdict::Absorb(Answer::Ack));
    }
    if before(patch.seq, leg.acked_to) || before(leg.rcv_right, patch.seq) {
        return Some(Verdict::Refuse(DropReason::SequenceUnacceptable, Answer::Challenge));
    }
    if before(patch.seq, leg.rcv_nxt) {
        // Overtaken by data that was sent after it: what it acknowledges counts, its window is old.
        patch.window = leg.peer_window;
    }
    patch.seq = leg.rcv_nxt;
    None
}

/// Takes note of a segment that is acceptable, but for what it acknowledges.
#[inline]
pub fn accept(
    leg: &mut Leg,
    segment: &TcpSegment,
    options: &TcpOptions,
    patch: Option<&Patch>,
    now: Instant,
) {
    leg.heard = now;
    leg.probes = 0;
    leg.set_peer_window(patch.map_or(segment.window, |patch| patch.window));
    if let Some((value, _)) = options.timestamp
        && leg.is(flag::TIMESTAMPS)
        && !before(leg.acked_to, segment.seq)
        && !before(value, leg.ts_recent)
    {
        // RFC 7323 4.3 (2): only what covers Last.ACK.sent moves TS.Recent.
        leg.ts_recent = value;
    }
    if segment.payload_len() != 0 && before(leg.rcv_nxt, segment.seq) {
        let end = segment.seq.wrapping_add(u32::from(segment.payload_len()));
        if !leg.is(flag::HOLES) || before(leg.holes_to, end) {
            leg.holes_to = end;
        }
        leg.set(flag::HOLES);
    }
    let fin = segment.flags.has(TcpFlags::FIN) && patch.is_none_or(|patch| patch.fin);
    if fin && before(leg.rcv_nxt, segment.seq) {
        leg.fin_at = segment.seq.wrapping_add(u32::from(segment.payload_len()));
        leg.set(flag::FIN_EARLY);
    }
}

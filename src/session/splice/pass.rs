//! The road of a spliced segment: judged by a few compares, its header translated where it stands.
//!
//! What may be odd about a segment (a flag that matters, options beside timestamps, numbers outside the windows, a session
//! judged under an older snapshot) is left to `odd.rs`.
//!
//! Cost: 685 instructions a frame in the whole turn (`byway bench session`, rows `spliced_*`), some 110 of which are the
//! in-memory port's; beside `macswap`, `byway bench forward --scenario splice`.

use super::Splices;
use super::options;
use super::record::{Fin, HEADERS_LEN, Lane, Record, STAMPED_LEN, heard};
use crate::base::{DropReason, Epoch, Instant};
use crate::flow::{LegRef, Side};
use crate::session::{Tally, Way, bytes_from};
use crate::telemetry::{Counter, PageWriter};
use crate::wire::checksum::Change;
use crate::wire::{Fixed4, FlowKey, Readdress, Readdress4, TcpFlags, TcpSegment, ethernet, tcp};

/// How far behind the window a segment may lie that was sent again; it moves nothing.
const SEQ_BEHIND_MAX: u32 = 1 << 30;
/// How far behind what is acknowledged already an acknowledgement may lie (RFC 5961 5.2 says MAX.SND.WND; what is in flight may
/// be that much, and the other end knows it better).
const ACK_BEHIND_MAX: u32 = 1 << 24;
/// Bytes of a TCP header without options.
const TCP_LEN: usize = tcp::HEADER_LEN;
/// Where TCP's fields lie in its header (RFC 9293 3.1).
const SEQ_AT: usize = 4;
const FLAGS_AT: usize = 13;
const WINDOW_AT: usize = 14;
const CHECKSUM_AT: usize = 16;
const URGENT_AT: usize = 18;

/// What becomes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passed {
    /// It goes on.
    On(Way),
    /// It goes on, and was the first to end its side's stream: timers have to be set by that.
    Closes(Way),
    /// It was the session's last one, and goes on.
    Last(Way),
    /// It is dropped by name.
    Dropped(DropReason),
    /// `odd` has to look at it; nothing changed.
    Odd,
}

impl Splices {
    /// Translates a usual segment of a session that was judged under the newest snapshot.
    #[inline(always)]
    pub fn pass(
        &mut self,
        at: LegRef,
        segment: &TcpSegment,
        frame: &mut [u8],
        (epoch, now): (Epoch, Instant),
        page: &PageWriter,
    ) -> Passed {
        let record = &mut self.records[at.session() as usize];
        let usual = is_usual(segment, 0) && record.epoch == epoch;
        let stamps = match (record.stamped, segment.payload_offset - segment.tcp_offset) {
            (false, 20) => None,
            (true, 32) => match stamps_in(frame.get(segment.options().0..).unwrap_or(&[])) {
                Some(stamps) => Some(stamps),
                None => return Passed::Odd,
            },
            _ => return Passed::Odd,
        };
        if !usual || !record.accepts(at.side(), segment) {
            return Passed::Odd;
        }
        match record.forward(at.side(), segment, frame, stamps, now, page) {
            Ok(way) => record.passed(way),
            Err(reason) => Passed::Dropped(reason),
        }
    }
}

impl Splices {
    /// The same over IPv4 where the headers stand at fixed places, and where the leg that the flow table named is this segment's;
    /// `None`, and nothing changed, for everything else, be it to be dropped. A segment of the leg's own tuple, of usual flags and
    /// length, is sound, so that nobody need have asked.
    #[inline(always)]
    pub fn pass_fixed(
        &mut self,
        at: LegRef,
        fixed: Fixed4,
        frame: &mut [u8],
        (epoch, now): (Epoch, Instant),
        (tally, page): (&mut Tally, &PageWriter),
    ) -> Option<Passed> {
        let session = at.session() as usize;
        if session >= self.records.len() {
            return None;
        }
        let record = &mut self.records[session];
        let (head, options) = frame.split_first_chunk_mut::<HEADERS_LEN>()?;
        let (side, segment) = (at.side(), fixed.segment(head)?);
        let its_own = record.tuple4(side) == fixed.tuple(head)?;
        if !(its_own && is_usual(&segment, TcpFlags::FIN) && record.epoch == epoch) {
            return None;
        }
        // Nobody has asked yet whether its header ends within it, and lengths are reckoned from that.
        let usual_at = record.lanes[side.index()].usual_at;
        if segment.payload_offset != usual_at || usual_at > fixed.end {
            return None;
        }
        let closes = segment.flags.has(TcpFlags::FIN);
        if closes && record.has_closed_elsewhere(side, &segment) {
            return None;
        }
        let to = record.tuple4(side.other()).reversed();
        let (lane, back) = record.lanes_of(side);
        if fixed.ip_len() > lane.mtu || !lane.accepts(back, &segment) {
            return None;
        }
        let stamped = usize::from(segment.payload_offset) == STAMPED_LEN;
        let stamps = if stamped { Some(stamps_in(options)?) } else { None };
        if !Readdress4::may_go(head[ethernet::HEADER_LEN..].first_chunk()?) {
            return None;
        }
        // What is in registers from the tests comes first.
        let hop = lane.hop;
        let moved = lane.note(back, &segment, now);
        let change = match stamps {
            Some(stamps) => {
                lane.see_stamp(stamps.0, segment.seq.wrapping_add(segment.seq_len()));
                translate_stamps(lane, back, options, stamps)
            }
            None => Change::NONE,
        };
        translate(lane, back, &segment, head.last_chunk_mut()?, change);
        Readdress4 { to, fragment_id: None }.write(head[ethernet::HEADER_LEN..].first_chunk_mut()?);
        record.moved(side, moved, now);
        tally.segment((side, record.app), moved.bytes, page);
        let way = Way { hop, to: to.dst() };
        Some(if closes && record.close(side, now) { Passed::Closes(way) } else { record.passed(way) })
    }
}

/// Whether a segment has none of the flags that matter but ACK, and those that `may` be.
#[inline(always)]
const fn is_usual(segment: &TcpSegment, may: u8) -> bool {
    const MATTER: u8 = TcpFlags::SYN | TcpFlags::RST | TcpFlags::FIN | TcpFlags::ACK | TcpFlags::URG;
    segment.flags.0 & MATTER & !may == TcpFlags::ACK
}

impl Lane {
    /// As `Record::accepts`, of a segment of this lane's.
    #[inline(always)]
    fn accepts(&self, back: &Self, segment: &TcpSegment) -> bool {
        self.right.wrapping_sub(segment.seq.wrapping_add(segment.payload_len().into())) < SEQ_BEHIND_MAX
            && back.nxt.wrapping_sub(segment.ack.wrapping_sub(back.seq_add))
                < back.in_flight() + ACK_BEHIND_MAX
    }

    /// Takes note of what an accepted segment of this lane's says.
    #[inline(always)]
    fn note(&mut self, back: &mut Self, segment: &TcpSegment, now: Instant) -> Moved {
        let end = segment.seq.wrapping_add(segment.seq_len());
        let ahead = end.wrapping_sub(self.nxt);
        let advance = if (ahead as i32) > 0 { ahead } else { 0 };
        self.nxt = self.nxt.wrapping_add(advance);
        (self.heard, self.probes) = (heard(now), 0);
        if self.counts(end) {
            let ack = segment.ack.wrapping_sub(back.seq_add);
            if (ack.wrapping_sub(back.una) as i32) > 0 {
                back.una = ack;
            }
            let right = ack.wrapping_add(u32::from(segment.window) << self.shift);
            if (right.wrapping_sub(back.right) as i32) > 0 {
                back.right = right;
            }
        }
        let bytes = advance - u32::from(advance != 0 && segment.flags.has(TcpFlags::FIN));
        self.bytes += u64::from(bytes);
        Moved { further: advance != 0, bytes }
    }
}

/// What a segment moved.
#[derive(Clone, Copy)]
struct Moved {
    /// Whether its side's stream came further, be it by a FIN.
    further: bool,
    /// Bytes that had not passed before.
    bytes: u32,
}

impl Record {
    /// Whether a segment's payload lies in the window, or was sent before, and it acknowledges nothing that was not sent.
    #[inline(always)]
    pub fn accepts(&self, side: Side, segment: &TcpSegment) -> bool {
        self.lanes[side.index()].accepts(&self.lanes[side.other().index()], segment)
    }

    /// Whether a segment asks for a closed window by the byte behind it (RFC 9293 3.8.6.1). The other end alone knows whether it
    /// has opened, and that it said so may be what was lost.
    pub fn is_window_probe(&self, side: Side, segment: &TcpSegment) -> bool {
        segment.payload_len() == 1
            && segment.seq == self.lanes[side.index()].right
            && !segment.flags.has(TcpFlags::FIN)
            && self.accepts(side, &TcpSegment { ip_end: segment.payload_offset, ..*segment })
    }

    /// Whether a segment says that its side's stream ends elsewhere than it said before, or before what has passed already: a
    /// stranger's, who guessed a number behind the window, would set the timers of a closing session.
    pub fn has_closed_elsewhere(&self, side: Side, segment: &TcpSegment) -> bool {
        let lane = &self.lanes[side.index()];
        let beyond = segment.seq.wrapping_add(segment.seq_len()).wrapping_sub(lane.nxt);
        if lane.fin.passed() { beyond != 0 } else { (beyond as i32) < 0 }
    }

    /// Takes note of a FIN that went on; whether it was its side's first.
    #[inline]
    pub fn close(&mut self, side: Side, now: Instant) -> bool {
        if self.lanes[side.index()].fin.passed() {
            return false;
        }
        self.lanes[side.index()].fin = if self.is_closing() { Fin::Second } else { Fin::First };
        self.moved_at = now;
        true
    }

    /// What to say of a segment that went on.
    #[inline(always)]
    pub fn passed(&self, way: Way) -> Passed {
        if self.is_closing() && self.is_over() { Passed::Last(way) } else { Passed::On(way) }
    }

    /// Translates a segment that was accepted, and notes what it says. With its timestamps, where it has those and
    /// nothing else; other options are translated one by one.
    ///
    /// # Errors
    /// Why it cannot go on; nothing changed then.
    #[inline(always)]
    pub fn forward(
        &mut self,
        side: Side,
        segment: &TcpSegment,
        frame: &mut [u8],
        stamps: Option<(u32, u32)>,
        now: Instant,
        page: &PageWriter,
    ) -> Result<Way, DropReason> {
        let to = self.key(side.other());
        let way = Way { hop: self.lanes[side.index()].hop, to: to.src };
        if segment.ip_end - segment.ip_offset > self.lanes[side.index()].mtu {
            return Err(DropReason::SegmentTooLong);
        }
        readdress(&to, segment, frame)?;
        let advance = self.note(side, segment, now);
        page.count(Counter::SplicedFrames);
        page.add_app(self.app, bytes_from(side), advance.into());
        let (lane, back) = self.lanes_of(side);
        let tcp = frame.get_mut(usize::from(segment.tcp_offset)..usize::from(segment.payload_offset));
        if let Some((header, rest)) = tcp.and_then(|tcp| tcp.split_first_chunk_mut()) {
            let end = segment.seq.wrapping_add(segment.seq_len());
            let change = match stamps {
                Some(stamps) => {
                    lane.see_stamp(stamps.0, end);
                    translate_stamps(lane, back, rest, stamps)
                }
                None if !rest.is_empty() => options::translate(lane, back, rest, end),
                None => Change::NONE,
            };
            translate(lane, back, segment, header, change);
        }
        Ok(way)
    }

    /// Takes note of what a segment moves; bytes that had not passed before.
    #[inline(always)]
    fn note(&mut self, side: Side, segment: &TcpSegment, now: Instant) -> u32 {
        let (lane, back) = self.lanes_of(side);
        let moved = lane.note(back, segment, now);
        self.moved(side, moved, now);
        moved.bytes
    }

    #[inline(always)]
    fn moved(&mut self, side: Side, moved: Moved, now: Instant) {
        if moved.further {
            self.moved_at = now;
            self.last_from = side;
        }
    }
}

/// Numbers, window and checksum of a TCP header, whose options changed the sum by `change`. The urgent pointer means nothing
/// here, as to smoltcp: flag and field are cleared.
#[inline(always)]
fn translate(lane: &Lane, back: &Lane, segment: &TcpSegment, header: &mut [u8; TCP_LEN], change: Change) {
    let (seq, ack) = (segment.seq.wrapping_add(lane.seq_add), segment.ack.wrapping_sub(back.seq_add));
    let [old, new] = [(segment.seq, segment.ack), (seq, ack)]
        .map(|(seq, ack)| (u64::from(seq) << 32 | u64::from(ack)).to_be());
    let mut change = change.folded(lane.change).raw64(old, new);
    header[SEQ_AT..SEQ_AT + 8].copy_from_slice(&new.to_ne_bytes());
    if lane.shift != lane.told_shift {
        let window = (u32::from(segment.window) << lane.shift >> lane.told_shift).min(0xffff) as u16;
        change = change.word(segment.window, window);
        header[WINDOW_AT..WINDOW_AT + 2].copy_from_slice(&window.to_be_bytes());
    }
    let urgent = u16::from_be_bytes([header[URGENT_AT], header[URGENT_AT + 1]]);
    if urgent != 0 || segment.flags.has(TcpFlags::URG) {
        change = change.word(u16::from(header[FLAGS_AT]), u16::from(header[FLAGS_AT] & !TcpFlags::URG));
        change = change.word(urgent, 0);
        header[FLAGS_AT] &= !TcpFlags::URG;
        header[URGENT_AT..URGENT_AT + 2].fill(0);
    }
    let sum = u16::from_be_bytes([header[CHECKSUM_AT], header[CHECKSUM_AT + 1]]);
    header[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&change.apply(sum).to_be_bytes());
}

/// Writes what becomes of timestamps that stand alone among the options.
#[inline(always)]
fn translate_stamps(lane: &Lane, back: &Lane, options: &mut [u8], (value, echo): (u32, u32)) -> Change {
    let (new, new_echo) = (value.wrapping_add(lane.stamp_add), echo.wrapping_sub(back.stamp_add));
    let [old, new] = [(value, echo), (new, new_echo)]
        .map(|(value, echo)| (u64::from(value) << 32 | u64::from(echo)).to_be());
    if let Some([_, _, _, _, fields @ ..]) = options.first_chunk_mut::<12>() {
        *fields = new.to_ne_bytes();
    }
    Change::NONE.raw64(old, new)
}

/// Timestamps that stand alone, behind two NOPs (RFC 7323 appendix A).
#[inline(always)]
fn stamps_in(options: &[u8]) -> Option<(u32, u32)> {
    match options.first_chunk::<12>()? {
        &[1, 1, 8, 10, a, b, c, d, e, f, g, h] => {
            Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
        }
        _ => None,
    }
}

#[inline(always)]
fn readdress(to: &FlowKey, segment: &TcpSegment, frame: &mut [u8]) -> Result<(), DropReason> {
    let len = segment.ip_end - segment.ip_offset;
    let packet = frame.get_mut(ethernet::HEADER_LEN..).ok_or(DropReason::FrameTruncated)?;
    Readdress { to, len, fragment_id: None }.write(packet)
}

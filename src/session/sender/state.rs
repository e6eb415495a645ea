//! What one leg's sender knows beside its numbers: what of its flight has arrived, what is lost, how fast to go on.
//!
//! ```text
//!  Open --something is lost--> Fast --all that was in flight then is acknowledged--> Open
//!   |                            |
//!   `-----timeout----> Timeout <-'      (what is lost is sent again in the order of its numbers, by the window)
//! ```
//! Loss is found by SACK blocks (`board`), by three equal acknowledgements where the peer has none of these, by a probe of
//! a silent tail (RFC 8985 7), and by the timeout of RFC 6298. Nothing here knows of sockets, frames or bytes.

use super::board::{Gap, Rule};
use super::boards::{BoardId, Boards};
use super::control::{AckNews, Control};
use super::flight::{Again, Due, Flight, Heard, Sent, Tail};
use super::pace::Pace;
use super::rate::Round;
use super::rtt::Rtt;
use crate::base::{Instant, Span};
use crate::session::Congestion;
use crate::session::leg::before;
use crate::wire::SackBlocks;

/// Equal acknowledgements that tell of a loss (RFC 5681 3.2).
const DUP_THRESH: u8 = 3;
/// How long a gap is given to be mere disorder, at least and before a round trip is known.
const DISORDER_MIN: Span = Span::from_millis(1);
const DISORDER_UNKNOWN: Span = Span::from_millis(250);
/// Recoveries after which a path that was seen to reorder is taken for one that does not (RFC 8985 6.2,
/// `RACK.reo_wnd_persist`).
const REORDERS_FOR: u8 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Recovery {
    Open,
    Fast,
    Timeout,
}

/// One leg's sender.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Round trips.
    pub rtt: Rtt,
    pub(super) control: Control,
    pub(super) pace: Pace,
    pub(super) round: Round,
    board: BoardId,
    recovery: Recovery,
    repeats: u8,
    /// For how many more recoveries the path is taken for one that reorders; it was not seen to when zero.
    reorders: u8,
    /// Whether the tail was probed since something new was acknowledged.
    probed: bool,
    /// Whether a probe is to be sent now.
    probe_due: bool,
    /// Behind the last range that the peer has, or behind `una` where it has none; lost up to `tail_lost_to`.
    tail: Tail,
    tail_lost_to: u32,
    /// Where recovery ends.
    recover: u32,
    flight: Flight,
    /// Bytes that have arrived in all, and when the last of them were told of.
    delivered: u32,
    delivered_at: Instant,
    /// From when on the retransmission timeout counts, and when something was last sent.
    timer_from: Instant,
    sent_at: Instant,
}

impl Sender {
    /// Of a leg that has sent nothing.
    pub const fn vacant() -> Self {
        Self {
            rtt: Rtt::NONE,
            control: Control::None,
            pace: Pace::FREE,
            round: Round::NONE,
            board: BoardId::NONE,
            recovery: Recovery::Open,
            repeats: 0,
            reorders: 0,
            probed: false,
            probe_due: false,
            tail: Tail { sent_to: 0, lost: false },
            tail_lost_to: 0,
            recover: 0,
            flight: Flight::ALL,
            delivered: 0,
            delivered_at: Instant::ZERO,
            timer_from: Instant::ZERO,
            sent_at: Instant::ZERO,
        }
    }

    /// Begins: the handshake is done, and took `rtt` where that is known.
    pub fn begin(&mut self, kind: Congestion, sent: &Sent, rtt: Option<Span>) {
        debug_assert!(self.board == BoardId::NONE, "a leg gives its board back when it goes");
        *self = Self { control: Control::new(kind, sent.mss as u16), ..Self::vacant() };
        (self.tail.sent_to, self.tail_lost_to, self.recover) = (sent.una, sent.una, sent.una);
        if let Some(rtt) = rtt.filter(|rtt| *rtt != Span::ZERO) {
            self.rtt.sample(rtt);
        }
    }

    /// Lets go of what it holds.
    pub fn end(&mut self, boards: &mut Boards) {
        boards.give_back(&mut self.board);
    }

    /// Bytes in flight: sent, and neither known to have arrived nor held for lost.
    #[inline]
    pub fn in_flight(&self, sent: &Sent) -> u32 {
        let all = sent.max.wrapping_sub(sent.una);
        if self.is_plain() { all } else { all.saturating_sub(self.flight.sacked + self.lost()) }
    }

    /// Whether there is nothing to be sent again, nor any sign that there will be.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.recovery == Recovery::Open && self.board == BoardId::NONE
    }

    /// Whether something waits to be sent again.
    #[inline]
    pub fn has_lost(&self) -> bool {
        self.probe_due || !self.is_plain() && self.lost() != 0
    }

    /// Lost bytes that were not sent again.
    fn lost(&self) -> u32 {
        let from = self.tail.sent_to;
        self.flight.lost
            + if before(from, self.tail_lost_to) { self.tail_lost_to.wrapping_sub(from) } else { 0 }
    }

    /// Takes the acknowledgement of a FIN alone, where nothing was lost: nothing is left to be sent, at whatever rate.
    #[inline]
    pub fn hear_end(&mut self) {
        (self.probed, self.probe_due, self.repeats) = (false, false, 0);
    }

    /// Takes an acknowledgement of something new that has no SACK blocks, where nothing was lost.
    #[inline]
    pub fn hear_plain(&mut self, sent: &Sent, heard: &Heard<'_>) {
        self.note_progress(sent, heard);
        let news = self.news(sent, heard, sent.una.wrapping_sub(heard.before_una), 0);
        self.control.hear(&news);
        self.repace(&news);
    }

    /// Takes any other acknowledgement.
    pub fn hear(&mut self, sent: &Sent, heard: &Heard<'_>, boards: &mut Boards) {
        if self.is_plain() && heard.sack.is_empty() && sent.una != heard.before_una {
            return self.hear_plain(sent, heard);
        }
        if self.board != BoardId::NONE && boards.find(self.board).is_none() {
            self.forget_board(heard.before_una);
        }
        let mut delivered = sent.una.wrapping_sub(heard.before_una);
        if delivered != 0 {
            self.note_progress(sent, heard);
        } else if heard.is_repeat {
            self.repeats = self.repeats.saturating_add(1);
        }
        delivered = self.note_blocks(sent, heard, boards, delivered);
        let lost = self.find_lost(sent, heard, boards);
        let news = self.news(sent, heard, delivered, lost);
        self.control.hear(&news);
        self.repace(&news);
        if self.recovery == Recovery::Open && self.flight == Flight::ALL {
            boards.give_back(&mut self.board);
        }
    }

    #[inline]
    fn note_progress(&mut self, sent: &Sent, heard: &Heard<'_>) {
        (self.timer_from, self.repeats) = (heard.now, 0);
        (self.probed, self.probe_due) = (false, false);
        self.rtt.progress();
        if self.is_plain() {
            self.flight = Flight::ALL;
            (self.tail.sent_to, self.tail_lost_to) = (sent.una, sent.una);
            return;
        }
        if before(self.tail.sent_to, sent.una) {
            self.tail.sent_to = sent.una;
        }
        if before(self.tail_lost_to, sent.una) {
            self.tail_lost_to = sent.una;
        }
    }

    #[inline]
    fn news(&mut self, sent: &Sent, heard: &Heard<'_>, delivered: u32, lost: u32) -> AckNews {
        if delivered != 0 {
            self.delivered = self.delivered.wrapping_add(delivered);
            self.delivered_at = heard.now;
        }
        let arrived = self.arrived_to(sent);
        let sample = self.round.arrived(arrived, self.delivered, heard.now);
        if let Some(rtt) = sample.and_then(|sample| sample.rtt) {
            self.rtt.sample(rtt);
        }
        AckNews {
            now: heard.now,
            delivered,
            lost,
            in_flight: self.in_flight(sent),
            sample,
            app_limited: heard.app_limited,
            recovers: self.recovery != Recovery::Open,
        }
    }

    /// One past the highest byte that is known to have arrived.
    fn arrived_to(&self, sent: &Sent) -> u32 {
        let is_behind = self.flight.sacked != 0 && before(sent.una, self.flight.high);
        if is_behind { self.flight.high } else { sent.una }
    }

    /// A new rate is set when a round trip has told one.
    #[inline]
    fn repace(&mut self, news: &AckNews) {
        if news.sample.is_some() {
            self.pace.set_rate(self.control.pacing_rate());
        }
    }

    /// Another leg was given its board: what the peer has beyond `una` is not known any more. Losses are found as without SACK
    /// until new blocks come; after a timeout all is sent again in order (RFC 2018 8).
    const fn forget_board(&mut self, una: u32) {
        (self.board, self.flight, self.tail.sent_to) = (BoardId::NONE, Flight::ALL, una);
        match self.recovery {
            Recovery::Timeout => {}
            Recovery::Open | Recovery::Fast => (self.tail_lost_to, self.tail.lost) = (una, false),
        }
    }

    const fn note_disorder(&mut self, seen: bool) {
        if seen {
            self.reorders = REORDERS_FOR;
        }
    }

    /// Takes the SACK blocks; how many bytes are now known to have arrived, of which `acked` are acknowledged.
    fn note_blocks(&mut self, sent: &Sent, heard: &Heard<'_>, boards: &mut Boards, acked: u32) -> u32 {
        let mut delivered = acked;
        if let Some(board) = boards.find(self.board)
            && acked != 0
        {
            let gone = board.advance(heard.before_una, sent.una);
            delivered -= gone.bytes.min(delivered);
            self.note_disorder(gone.reordered);
        }
        for (start, end) in heard.sack.as_slice().iter().copied() {
            if !before(sent.una, end) || before(sent.max, end) || !before(start, end) {
                // RFC 2883: what was received twice stands in front. Something was sent again in vain.
                self.note_disorder(before(start, end) && !before(sent.una, end));
                continue;
            }
            if before(start, sent.una) {
                continue;
            }
            if self.board == BoardId::NONE {
                self.board = boards.take();
            }
            if let Some(board) = boards.find(self.board) {
                let (sent_to, mark) = (self.tail.sent_to, sent.max);
                let mut tail = Gap { sent_to, mark, lost: self.tail.lost, ..Gap::FRESH };
                let news = board.insert((start, end), sent.una, &mut tail, heard.now);
                self.tail.sent_to = tail.sent_to;
                delivered += news.bytes;
                self.note_disorder(news.reordered);
            }
        }
        delivered
    }

    /// Looks for what is lost, and enters or leaves recovery; bytes found lost.
    fn find_lost(&mut self, sent: &Sent, heard: &Heard<'_>, boards: &mut Boards) -> u32 {
        if self.recovery != Recovery::Open && !before(sent.una, self.recover) {
            self.recovery = Recovery::Open;
            self.reorders = self.reorders.saturating_sub(1);
            (self.tail.lost, self.tail_lost_to) = (false, self.tail.sent_to);
        }
        let rule = Rule {
            mss: sent.mss,
            reorders: self.reorders != 0,
            repeated: self.repeats >= DUP_THRESH,
            known_before: Instant::from_nanos(heard.now.nanos().saturating_sub(self.disorder_span().nanos())),
        };
        let mut lost = 0;
        match boards.find(self.board) {
            Some(board) => {
                let tally = board.tally(sent.una, &rule);
                (self.flight, lost) = (Flight::of(&tally), tally.newly_lost);
            }
            None => {
                self.flight = Flight::ALL;
                let partial = self.recovery == Recovery::Fast && sent.una != heard.before_una;
                if partial || self.recovery == Recovery::Open && rule.repeated {
                    lost = self.lose_first(sent);
                }
                // RFC 6582 3.2: each repetition tells that a segment has left the path.
                let left = u32::from(self.repeats) * sent.mss;
                self.flight.high = sent.una;
                self.flight.sacked = left.min(sent.max.wrapping_sub(sent.una).saturating_sub(sent.mss));
            }
        }
        if lost != 0 && self.recovery == Recovery::Open {
            (self.recovery, self.recover) = (Recovery::Fast, sent.max);
            self.control.lost();
        }
        lost
    }

    /// Without a board: the oldest segment is lost (RFC 6582 3.2).
    fn lose_first(&mut self, sent: &Sent) -> u32 {
        let len = sent.max.wrapping_sub(sent.una).min(sent.mss);
        self.tail.sent_to = sent.una;
        self.tail_lost_to = sent.una.wrapping_add(len);
        len
    }

    /// How long a gap may be mere disorder (RFC 8985 6.2: a quarter of the round trip).
    fn disorder_span(&self) -> Span {
        match self.rtt.smoothed_us() {
            Some(us) => Span::from_micros(u64::from(us / 4).max(DISORDER_MIN.micros())),
            None => DISORDER_UNKNOWN,
        }
    }

    /// Holds all that is in flight for lost, but for what is known to have arrived.
    pub fn lose_all(&mut self, sent: &Sent, boards: &mut Boards) {
        (self.recovery, self.recover) = (Recovery::Timeout, sent.max);
        self.tail_lost_to = sent.max;
        (self.tail.sent_to, self.tail.lost) = (sent.una, true);
        if let Some(board) = boards.find(self.board) {
            if self.rtt.timeouts() > 1 {
                // RFC 2018 8: the peer may have thrown away what it told of.
                board.clear();
            }
            board.lose_all(sent.una);
            self.tail.sent_to = board.high().unwrap_or(sent.una);
        }
        self.retally(sent, boards);
    }

    fn retally(&mut self, sent: &Sent, boards: &mut Boards) {
        let rule = Rule {
            mss: sent.mss,
            reorders: self.reorders != 0,
            repeated: self.repeats >= DUP_THRESH,
            known_before: Instant::ZERO,
        };
        let tally = boards.find(self.board).map(|board| board.tally(sent.una, &rule));
        self.flight = tally.as_ref().map_or(Flight::ALL, Flight::of);
    }

    /// The first bytes to be sent again, and why.
    pub fn next_again(&self, sent: &Sent, boards: &mut Boards) -> Option<(u32, u32, Again)> {
        let why = if self.recovery == Recovery::Timeout { Again::Timeout } else { Again::Fast };
        if let Some((start, end)) = boards.find(self.board).and_then(|board| board.next_lost()) {
            return Some((start, end, why));
        }
        if before(self.tail.sent_to, self.tail_lost_to) {
            return Some((self.tail.sent_to, self.tail_lost_to, why));
        }
        if self.probe_due {
            let len = sent.max.wrapping_sub(sent.una).min(sent.mss);
            return Some((sent.max.wrapping_sub(len), sent.max, Again::Probe));
        }
        None
    }

    /// Takes note that `seq..end` goes out again.
    pub fn note_again(
        &mut self,
        (seq, end): (u32, u32),
        why: Again,
        (sent, now): (&Sent, Instant),
        boards: &mut Boards,
    ) {
        self.round.sent_again(seq, end);
        if seq == sent.una || why == Again::Probe {
            // What answers this cannot come before a round trip from now (RFC 6298 5.1, RFC 8985 7.3).
            self.timer_from = now;
        }
        if why == Again::Probe {
            self.probe_due = false;
            return;
        }
        match boards.find(self.board) {
            Some(board) if board.high().is_some_and(|high| before(seq, high)) => {
                board.sent_again(end, sent.max);
                self.retally(sent, boards);
            }
            Some(_) | None => self.tail.sent_to = end,
        }
    }

    /// Takes note of a segment that goes out, up to `end`; `new` tells whether for the first time.
    #[inline]
    pub fn note_sent(&mut self, len: u32, end: u32, new: bool, now: Instant, idle: bool) {
        if idle {
            (self.timer_from, self.delivered_at) = (now, now);
            self.control.begins_again(now);
        }
        self.sent_at = now;
        if new {
            self.round.begin(end, (self.delivered, self.delivered_at), now);
        }
        self.pace.spend(len, now);
    }

    /// After how long something could be due at the earliest.
    #[inline]
    pub fn soonest(&self, probes: bool) -> Span {
        self.rtt.soonest(probes)
    }

    /// What is due next while something is in flight, or waits for a window; and when.
    pub fn deadline(&self, sent: &Sent, probes: bool) -> (Instant, Due) {
        let mut next = (self.timer_from + self.rtt.timeout(), Due::Timeout);
        if let Some(due) = self.disorder_due() {
            next = next.min((due, Due::Disorder));
        }
        // RFC 6675 4, RescueRxt: in recovery, too, a tail of which nothing is heard is asked for once.
        let silent =
            self.recovery != Recovery::Timeout && !self.probed && self.flight.sacked == 0 && self.lost() == 0;
        let alone = sent.max.wrapping_sub(sent.una) <= sent.mss;
        if let Some(span) = self.rtt.probe_timeout(alone).filter(|_| silent && probes) {
            next = next.min((self.sent_at.max(self.timer_from) + span, Due::Probe));
        }
        next
    }

    /// When a gap that may be reordering is held for a loss.
    #[inline]
    pub fn disorder_due(&self) -> Option<Instant> {
        let waits_since = self.flight.waits_since;
        (waits_since != Instant::ZERO).then(|| waits_since + self.disorder_span())
    }

    /// Carries out what is due.
    pub fn act_on(&mut self, due: Due, sent: &Sent, boards: &mut Boards, now: Instant) {
        match due {
            Due::Pace => {}
            Due::Probe => (self.probed, self.probe_due) = (true, true),
            Due::Disorder => {
                let heard = Heard {
                    now,
                    before_una: sent.una,
                    sack: &SackBlocks::NONE,
                    is_repeat: false,
                    app_limited: false,
                };
                self.hear(sent, &heard, boards);
            }
            Due::Timeout => {
                self.rtt.timed_out();
                self.timer_from = now;
                self.control.timed_out();
                self.lose_all(sent, boards);
            }
        }
    }

    /// A closed window was probed.
    pub fn probed_window(&mut self, now: Instant) {
        self.rtt.timed_out();
        self.timer_from = now;
    }

    /// A closed window opened: what probed it was for nothing.
    pub fn window_opened(&mut self, sent: &Sent, boards: &mut Boards, now: Instant) {
        self.rtt.progress();
        self.timer_from = now;
        if sent.max != sent.una {
            self.lose_all(sent, boards);
        }
    }

    /// When a closed window is probed: `within` so long of the last time, at the latest.
    pub fn window_probe_at(&self, within: Span) -> Instant {
        self.timer_from + self.rtt.timeout().min(within)
    }
}

#[cfg(test)]
mod tests;

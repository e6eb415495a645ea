//! The scoreboard: which ranges behind the oldest unacknowledged byte the peer has (RFC 2018), and what of the gaps
//! between them is lost (RFC 6675 4, RFC 8985 6).
//!
//! ```text
//!   una          first.start      first.end     second.start    second.end       snd_max
//!    |---- gap ------|== has ==========|----- gap ----|== has =======|----- tail ----|
//!    |-- again --|                                     (`Sender` knows of the tail)
//!             sent_to
//! ```
//! No time is kept for each segment, as RACK has it: bytes are sent in order, so that what lies before a range the peer
//! has was sent before it, and `mark`, the end of what had been sent when a gap was sent again, tells what was sent after.
//! A worker has a pool of boards; a leg takes one when the peer first has something behind a gap.

use crate::base::Instant;
use crate::session::leg::before;

/// Ranges of one board; what finds no room is sent again sooner or later.
pub const RANGES_MAX: usize = 32;
/// RFC 6675 4: so many ranges behind a gap, or more than the bytes of one segment less, tell that it is lost.
const DUP_THRESH: u32 = 3;

/// What is known of bytes that the peer has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// One past the last byte of it that was sent again; at or before its start: none was.
    pub sent_to: u32,
    /// The highest number sent when the last of it was sent again.
    pub mark: u32,
    /// When something behind it first reached the peer.
    pub since: Instant,
    /// Whether it is held for lost.
    pub lost: bool,
}

impl Gap {
    /// Of bytes that are on their way.
    pub const FRESH: Self = Self { sent_to: 0, mark: 0, since: Instant::ZERO, lost: false };
}

/// Bytes that the peer has, and the gap in front of them.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: u32,
    end: u32,
    gap: Gap,
}

impl Range {
    const fn len(&self) -> u32 {
        self.end.wrapping_sub(self.start)
    }
}

/// What a change of the board told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct News {
    /// Bytes concerned.
    pub bytes: u32,
    /// Whether a gap filled of which nothing was sent again: the path reorders.
    pub reordered: bool,
}

/// One leg's board.
#[derive(Clone, Debug)]
pub struct Board {
    ranges: [Range; RANGES_MAX],
    len: usize,
}

/// When a gap is lost.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Bytes of a segment.
    pub mss: u32,
    /// Whether the path was seen to reorder: then time alone tells.
    pub reorders: bool,
    /// Whether the peer has repeated itself often enough for the first gap.
    pub repeated: bool,
    /// Gaps that became known before this time are lost.
    pub known_before: Instant,
}

/// What a look over all gaps found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Bytes that the peer has behind gaps.
    pub sacked: u32,
    /// Bytes lost and not sent again.
    pub lost: u32,
    /// Bytes found lost just now.
    pub newly_lost: u32,
    /// When the first gap that is not lost became known.
    pub waits_since: Option<Instant>,
    /// One past the highest byte that the peer has, where it has any.
    pub high: Option<u32>,
}

impl Tally {
    /// Of an empty board.
    pub const NONE: Self = Self { sacked: 0, lost: 0, newly_lost: 0, waits_since: None, high: None };
}

impl Board {
    /// An empty one.
    pub const fn new() -> Self {
        let range = Range { start: 0, end: 0, gap: Gap::FRESH };
        Self { ranges: [range; RANGES_MAX], len: 0 }
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// One past the highest byte that the peer has.
    pub fn high(&self) -> Option<u32> {
        self.ranges[..self.len].last().map(|range| range.end)
    }

    /// Takes note that the peer has `start..end`. `una` and `tail` are where the first gap begins and what is known of the
    /// last one.
    pub fn insert(&mut self, (start, end): (u32, u32), una: u32, tail: &mut Gap, now: Instant) -> News {
        let ranges = &self.ranges[..self.len];
        let from = ranges.partition_point(|range| before(range.end, start));
        let to = from + ranges[from..].partition_point(|range| !before(end, range.start));
        if from != to {
            return self.merge((start, end), (from, to), una, tail);
        }
        if self.len == RANGES_MAX {
            return News::default();
        }
        let (begin, is_last) = (self.begin(from, una), from == self.len);
        let behind = if is_last { tail } else { &mut self.ranges[from].gap };
        let reordered = !is_last && !before(begin, behind.sent_to);
        let since = if is_last { now } else { behind.since };
        let gap = Gap { since, sent_to: earlier(start, later(begin, behind.sent_to)), ..*behind };
        behind.sent_to = later(behind.sent_to, end);
        self.ranges.copy_within(from..self.len, from + 1);
        self.ranges[from] = Range { start, end, gap };
        self.len += 1;
        News { bytes: end.wrapping_sub(start), reordered }
    }

    /// Makes one of the ranges `from..to` and of `start..end`, which touches each of them.
    fn merge(
        &mut self,
        (start, end): (u32, u32),
        (from, to): (usize, usize),
        una: u32,
        tail: &mut Gap,
    ) -> News {
        let (first, last) = (self.ranges[from], self.ranges[to - 1]);
        let had: u32 = self.ranges[from..to].iter().map(Range::len).sum();
        let untouched = |at: usize| !before(self.begin(at, una), self.ranges[at].gap.sent_to);
        let reordered = before(start, first.start) && untouched(from) || (from + 1..to).any(untouched);
        let (start, end) = (earlier(first.start, start), later(end, last.end));
        let gap = Gap { sent_to: earlier(start, first.gap.sent_to), ..first.gap };
        self.ranges[from] = Range { start, end, gap };
        self.ranges.copy_within(to..self.len, from + 1);
        self.len -= to - from - 1;
        let behind = if from + 1 == self.len { tail } else { &mut self.ranges[from + 1].gap };
        behind.sent_to = later(behind.sent_to, end);
        News { bytes: end.wrapping_sub(start) - had, reordered }
    }

    /// Where the gap in front of the `at`th range begins.
    fn begin(&self, at: usize, una: u32) -> u32 {
        if at == 0 { una } else { self.ranges[at - 1].end }
    }

    /// Forgets what lies before `una`, which was `before_una`; the bytes of it that the peer was known to have.
    pub fn advance(&mut self, before_una: u32, una: u32) -> News {
        let gone = self.ranges[..self.len].partition_point(|range| before(range.start, una));
        let bytes = self.ranges[..gone].iter().map(Range::len).sum();
        let untouched = |at: usize| !before(self.begin(at, before_una), self.ranges[at].gap.sent_to);
        let reordered = (0..gone).any(untouched);
        self.ranges.copy_within(gone..self.len, 0);
        self.len -= gone;
        News { bytes, reordered }
    }

    /// Looks over all gaps from `una` on. What was sent again and is lost again, because later bytes have arrived, is to
    /// be sent once more.
    pub fn tally(&mut self, una: u32, rule: &Rule) -> Tally {
        let Some(high) = self.high() else { return Tally::NONE };
        let mut tally = Tally { high: Some(high), ..Tally::NONE };
        let mut behind = 0;
        for at in (0..self.len).rev() {
            let begin = if at == 0 { una } else { self.ranges[at - 1].end };
            let range = &mut self.ranges[at];
            tally.sacked += range.len();
            behind += 1;
            let enough = behind >= DUP_THRESH || tally.sacked > (DUP_THRESH - 1) * rule.mss;
            let is_first = at == 0 && rule.repeated;
            let gap = &mut range.gap;
            let was_lost = gap.lost;
            gap.lost |= !rule.reorders && (enough || is_first) || gap.since <= rule.known_before;
            gap.sent_to = later(gap.sent_to, begin);
            if !gap.lost {
                tally.waits_since = Some(tally.waits_since.map_or(gap.since, |since| since.min(gap.since)));
                continue;
            }
            let again = gap.sent_to.wrapping_sub(begin);
            if again != 0 && before(gap.mark.wrapping_add((DUP_THRESH - 1) * rule.mss), high) {
                gap.sent_to = begin;
                tally.newly_lost += again;
            }
            tally.newly_lost += if was_lost { 0 } else { range.start.wrapping_sub(begin) };
            tally.lost += range.start.wrapping_sub(gap.sent_to);
        }
        tally
    }

    /// Holds all gaps for lost, none of which was sent again.
    pub fn lose_all(&mut self, una: u32) {
        let mut begin = una;
        for range in &mut self.ranges[..self.len] {
            (range.gap.lost, range.gap.sent_to) = (true, begin);
            begin = range.end;
        }
    }

    /// The first lost bytes that were not sent again.
    pub fn next_lost(&self) -> Option<(u32, u32)> {
        let lost = |range: &&Range| range.gap.lost && before(range.gap.sent_to, range.start);
        self.ranges[..self.len].iter().find(lost).map(|range| (range.gap.sent_to, range.start))
    }

    /// Takes note that bytes of a gap were sent again, up to `end`, when `mark` was one past the highest number sent.
    pub fn sent_again(&mut self, end: u32, mark: u32) {
        if let Some(range) = self.ranges[..self.len].iter_mut().find(|range| !before(range.start, end)) {
            (range.gap.sent_to, range.gap.mark) = (end, mark);
        }
    }
}

const fn earlier(a: u32, b: u32) -> u32 {
    if before(a, b) { a } else { b }
}

const fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_nanos(1_000_000_000);
    const RULE: Rule = Rule { mss: 100, reorders: false, repeated: false, known_before: Instant::ZERO };

    fn fresh(una: u32) -> Gap {
        Gap { sent_to: una, ..Gap::FRESH }
    }

    #[test]
    fn a_gap_is_lost_when_more_than_two_segments_behind_it_arrived() {
        let (mut board, mut tail) = (Board::new(), fresh(1_000));
        board.insert((1_100, 1_300), 1_000, &mut tail, NOW);
        let tally = board.tally(1_000, &RULE);
        assert_eq!((tally.sacked, tally.lost, tally.waits_since), (200, 0, Some(NOW)));
        board.insert((1_100, 1_400), 1_000, &mut tail, NOW);
        let tally = board.tally(1_000, &RULE);
        assert_eq!((tally.sacked, tally.lost, tally.newly_lost, tally.waits_since), (300, 100, 100, None));
        assert_eq!(board.next_lost(), Some((1_000, 1_100)));
        board.sent_again(1_100, 1_400);
        assert_eq!((board.next_lost(), board.tally(1_000, &RULE).lost), (None, 0));
    }

    #[test]
    fn time_alone_tells_where_the_path_reorders() {
        let (mut board, mut tail) = (Board::new(), fresh(0));
        board.insert((100, 900), 0, &mut tail, NOW);
        let reorders = Rule { reorders: true, ..RULE };
        assert_eq!(board.tally(0, &reorders).lost, 0);
        assert_eq!(board.tally(0, &Rule { known_before: NOW, ..reorders }).lost, 100);
    }

    #[test]
    fn what_was_sent_again_is_lost_again_when_later_bytes_arrive() {
        let (mut board, mut tail) = (Board::new(), fresh(0));
        board.insert((100, 500), 0, &mut tail, NOW);
        board.tally(0, &RULE);
        board.sent_again(100, 500);
        board.insert((500, 700), 0, &mut tail, NOW);
        assert_eq!(board.tally(0, &RULE).newly_lost, 0);
        board.insert((700, 800), 0, &mut tail, NOW);
        let tally = board.tally(0, &RULE);
        assert_eq!((tally.newly_lost, tally.lost), (100, 100));
        assert_eq!(board.next_lost(), Some((0, 100)));
    }

    #[test]
    fn a_gap_that_fills_though_nothing_was_sent_again_tells_of_disorder() {
        let (mut board, mut tail) = (Board::new(), fresh(0));
        assert!(!board.insert((100, 200), 0, &mut tail, NOW).reordered);
        assert!(!board.insert((300, 400), 0, &mut tail, NOW).reordered);
        assert_eq!(board.insert((200, 300), 0, &mut tail, NOW), News { bytes: 100, reordered: true });
        assert_eq!(board.advance(0, 400), News { bytes: 300, reordered: true });
        assert_eq!(board.high(), None);
    }

    #[test]
    fn ranges_agree_with_a_naive_set_of_bytes_across_the_wrap() {
        let base = u32::MAX - 150;
        let mut rng = crate::base::Rng::new(7);
        for _ in 0..300 {
            let (mut board, mut tail, mut una) = (Board::new(), fresh(base), 0u32);
            let mut has = [false; 1_000];
            for _ in 0..30 {
                let start = una + 1 + rng.below(200) as u32;
                let end = start + 1 + rng.below(60) as u32;
                let fresh_bytes = has[start as usize..end as usize].iter().filter(|has| !**has).count();
                has[start as usize..end as usize].fill(true);
                let edges = (base.wrapping_add(start), base.wrapping_add(end));
                let news = board.insert(edges, base.wrapping_add(una), &mut tail, NOW);
                assert_eq!(news.bytes as usize, fresh_bytes);
                if una < 600 && rng.below(4) == 0 {
                    let to = (una..1_000).find(|&at| !has[at as usize] && at > una + 5).unwrap_or(una);
                    let known = has[una as usize..to as usize].iter().filter(|has| **has).count();
                    let gone = board.advance(base.wrapping_add(una), base.wrapping_add(to));
                    assert_eq!(gone.bytes as usize, known);
                    una = to;
                }
                let sacked = has[una as usize..].iter().filter(|has| **has).count();
                assert_eq!(board.tally(base.wrapping_add(una), &RULE).sacked as usize, sacked);
            }
        }
    }
}

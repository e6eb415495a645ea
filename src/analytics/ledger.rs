//! All numbers in one hand: what was heard and is not on the disk yet, the last minute, and the book behind them.

use super::book::Book;
use super::cell::Cell;
use super::gather::{Gather, Place};
use super::plan::{Minute, Moments, Plan, Resolution, Segment, longest_for};
use super::query::Query;
use super::recent::{Current, CurrentAsk, Recent};
use super::table::{Builder, Table, TooMany};
use crate::base::limits::{ANALYTICS_INTERVALS_MAX, ANALYTICS_PENDING_MAX, ANALYTICS_SCAN_ROWS_MAX};
use crate::vault::VaultError;

/// How often what was heard goes to the disk, in seconds: a crash costs no more.
const KEEP_S: u64 = 20;
/// After how many rows it is asked whether the asker is still there.
const GLANCE_ROWS: u64 = 4_096;

/// Rows of a second, as control gathered them.
pub type Batch = Vec<(Place, Cell)>;

/// Everything.
pub struct Ledger {
    book: Book,
    pending: Gather,
    recent: Recent,
    heard_s: u64,
    kept_s: u64,
    failing: bool,
    failures: u64,
    unreadable: bool,
    trouble: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// More intervals than an answer may have.
    Intervals,
    /// Rows as short as the intervals, of days where there are none, are kept only from this minute on.
    TooFine(Resolution, Minute),
    /// More numbers than an answer may have.
    Numbers,
    /// More rows to read than one question may.
    Scan,
    /// The book cannot be read now; the operator is told why.
    Book,
    /// Too many questions wait.
    Busy,
    /// byway is ending.
    Ending,
}

impl Ledger {
    /// Over a book.
    pub fn new(book: Book, now_s: u64) -> Self {
        Self {
            book,
            pending: Gather::default(),
            recent: Recent::default(),
            heard_s: now_s,
            kept_s: now_s,
            failing: false,
            failures: 0,
            unreadable: false,
            trouble: None,
        }
    }

    /// Takes in what control has gathered.
    pub fn hear(&mut self, batch: Batch, now_s: u64) {
        self.heard_s = now_s;
        for (place, cell) in batch {
            self.recent.hear(&place, &cell, now_s);
            self.pending.merge(place, &cell);
        }
    }

    /// Keeps what was heard where it is time to; what is to be said of it.
    pub fn tend(&mut self, now_s: u64) -> Option<String> {
        let due = now_s.abs_diff(self.kept_s) >= KEEP_S;
        let early = self.pending.len() >= ANALYTICS_PENDING_MAX / 2 && now_s != self.kept_s;
        if due || early { self.keep(now_s) } else { None }
    }

    /// Keeps what was heard; what is to be said of it: that it fails, once, and that it works again.
    pub fn keep(&mut self, now_s: u64) -> Option<String> {
        self.kept_s = now_s;
        let cells = self.pending.iter();
        match self.book.keep(cells, Minute::of_unix_s(now_s)) {
            Ok(()) => {
                self.pending.take();
                let again = std::mem::take(&mut self.failing);
                again.then(|| "analytics are kept on the disk again".to_owned())
            }
            Err(error) => {
                self.failures += 1;
                let first = !std::mem::replace(&mut self.failing, true);
                first.then(|| {
                    format!(
                        "analytics: {error}; up to {ANALYTICS_PENDING_MAX} rows wait in memory, further ones are \
                         dropped and counted"
                    )
                })
            }
        }
    }

    /// Makes the book ready for use, which takes a look at all of it; what is to be said of it.
    pub fn begin(&mut self) -> Option<String> {
        let error = self.book.check().err()?;
        self.failing = true;
        Some(format!("analytics: {error}; byway tries again every {KEEP_S} s"))
    }

    /// Answers a question, unless nobody waits for it any more.
    ///
    /// # Errors
    /// See `Fault`.
    pub fn answer_unless(
        &mut self,
        query: &Query,
        now_s: u64,
        is_gone: &dyn Fn() -> bool,
    ) -> Result<Table, Fault> {
        let ready = self.book.check();
        if ready.is_err() {
            self.note(ready)?;
        }
        let floors = self.book.floors(query.zone, Minute::of_unix_s(now_s));
        let longest = longest_for(query.delta);
        let plan = floors.plan(query.moments, longest).map_err(|floor| Fault::TooFine(longest, floor))?;
        let Plan { moments, segments } = plan;
        let intervals = match query.delta {
            None => vec![moments],
            Some(delta) => delta.intervals(moments, ANALYTICS_INTERVALS_MAX).ok_or(Fault::Intervals)?,
        };
        let mut builder = Builder::new(query, intervals);
        self.read(query, &segments, &mut builder, is_gone)?;
        Ok(builder.finish(moments, now_s.saturating_sub(self.heard_s)))
    }

    /// Puts all cells of the segments into `builder`: those of the book, and those that wait for it.
    fn read(
        &mut self,
        query: &Query,
        segments: &[Segment],
        builder: &mut Builder<'_>,
        is_gone: &dyn Fn() -> bool,
    ) -> Result<(), Fault> {
        let (mut rows, mut too_many, mut gone) = (0_u64, Ok(()), false);
        let quantiles = query.metrics.iter().any(|metric| metric.is_quantile());
        for segment in segments {
            let read = self.book.read(query.zone, *segment, quantiles, &mut |place, cell| {
                rows += 1;
                too_many = builder.add(&place, &cell);
                gone = rows.is_multiple_of(GLANCE_ROWS) && is_gone();
                rows <= ANALYTICS_SCAN_ROWS_MAX && too_many.is_ok() && !gone
            });
            self.note(read)?;
            if gone {
                return Err(Fault::Ending);
            }
            too_many.map_err(|TooMany| Fault::Numbers)?;
            if rows > ANALYTICS_SCAN_ROWS_MAX {
                return Err(Fault::Scan);
            }
        }
        let covered = |minute: Minute| {
            let within = |moments: &Moments| (moments.from..moments.until).contains(&minute);
            segments.iter().any(|segment| within(&segment.moments))
        };
        let waiting =
            self.pending.iter().filter(|(place, _)| place.key.zone == query.zone && covered(place.minute));
        for (place, cell) in waiting {
            builder.add(place, cell).map_err(|TooMany| Fault::Numbers)?;
        }
        Ok(())
    }

    /// Notes for the operator what a tenant need not know: a file, and what is wrong with it.
    fn note(&mut self, read: Result<(), VaultError>) -> Result<(), Fault> {
        let was_unreadable = std::mem::replace(&mut self.unreadable, read.is_err());
        let Err(error) = read else { return Ok(()) };
        if !was_unreadable {
            self.trouble = Some(format!("analytics: {error}; questions are refused until it can be read"));
        }
        Err(Fault::Book)
    }

    /// The last minute, by app.
    pub fn current(&mut self, ask: &CurrentAsk, now_s: u64) -> Vec<Current> {
        self.recent.current(ask, now_s)
    }

    /// What is to be said of the book: that it cannot be read, once until it can, and that it is a new one.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.take().or_else(|| self.book.said())
    }

    /// Rows held on the disk by resolution, rows that wait for it, and what was lost.
    pub fn counts(&self) -> super::clerk::Counts {
        super::clerk::Counts {
            rows: self.book.rows(),
            waiting: self.pending.len() as u64,
            folded: self.pending.folded,
            dropped: self.pending.dropped,
            current_folded: self.recent.folded,
            current_dropped: self.recent.dropped,
            evicted: self.book.evicted(),
            failures: self.failures,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::TimeDelta;
    use super::super::gather::Fact;
    use super::super::tests::{Folder, NOON_S, batch, fact, query};
    use super::*;

    #[test]
    fn a_question_whose_asker_went_ends_in_the_middle() {
        let folder = Folder::new();
        let mut ledger = folder.ledger(NOON_S);
        let facts: Vec<Fact> =
            (0..100).flat_map(|app| (0..42).map(move |minute| fact(1, app, NOON_S - minute * 60))).collect();
        ledger.hear(batch(&facts), NOON_S);
        assert_eq!(ledger.keep(NOON_S), None);
        let question = Query { delta: Some(TimeDelta::Minute), ..query(1, NOON_S - 3_600, NOON_S + 1) };
        assert_eq!(ledger.answer_unless(&question, NOON_S, &|| true), Err(Fault::Ending));
        assert_eq!(ledger.answer(&question, NOON_S).expect("answered").totals[0].real(), 4_200.0);
    }
}

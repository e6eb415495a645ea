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
    /// The book cannot be read: what the store said.
    Book(String),
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

    /// Answers a question.
    ///
    /// # Errors
    /// See `Fault`.
    pub fn answer(&mut self, query: &Query, now_s: u64) -> Result<Table, Fault> {
        let floors = self.book.floors(query.zone, Minute::of_unix_s(now_s));
        let longest = longest_for(query.delta);
        let plan = floors.plan(query.moments, longest).map_err(|floor| Fault::TooFine(longest, floor))?;
        let Plan { moments, segments } = plan;
        let intervals = match query.delta {
            None => vec![moments],
            Some(delta) => delta.intervals(moments, ANALYTICS_INTERVALS_MAX).ok_or(Fault::Intervals)?,
        };
        let mut builder = Builder::new(query, intervals);
        self.read(query, &segments, &mut builder)?;
        Ok(builder.finish(moments, now_s.saturating_sub(self.heard_s)))
    }

    /// Puts all cells of the segments into `builder`: those of the book, and those that wait for it.
    fn read(&mut self, query: &Query, segments: &[Segment], builder: &mut Builder<'_>) -> Result<(), Fault> {
        let (mut rows, mut too_many) = (0, Ok(()));
        let quantiles = query.metrics.iter().any(|metric| metric.is_quantile());
        for segment in segments {
            let read = self.book.read(query.zone, *segment, quantiles, &mut |place, cell| {
                rows += 1;
                too_many = builder.add(&place, &cell);
                rows <= ANALYTICS_SCAN_ROWS_MAX && too_many.is_ok()
            });
            read.map_err(|error: VaultError| Fault::Book(error.to_string()))?;
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

    /// The last minute, by app.
    pub fn current(&mut self, ask: &CurrentAsk, now_s: u64) -> Vec<Current> {
        self.recent.current(ask, now_s)
    }

    /// Looks through the book, where that was not done yet: it may take a while.
    pub fn survey(&mut self) -> Option<String> {
        self.book.connect().err().map(|error| format!("analytics: {error}; byway tries again every 20 s"))
    }

    /// Rows held on the disk by resolution, rows that wait for it, and what was lost.
    pub fn counts(&self) -> super::clerk::Counts {
        super::clerk::Counts {
            rows: self.book.rows(),
            waiting: self.pending.len() as u64,
            folded: self.pending.folded,
            dropped: self.pending.dropped + self.recent.dropped,
            evicted: self.book.evicted(),
            failures: self.failures,
        }
    }
}

//! One page of numbers a worker: it alone writes, anybody with a reader reads, nobody waits.
//!
//! A count is a relaxed load and a relaxed store, three plain instructions; there is no read-modify-write, because
//! there is one writer. A reader may see one number moved and the next not yet. All memory is taken by `page`.

use super::catalog::{AppCounter, Counter, Gauge};
use super::histogram::SpanHistogram;
use crate::base::{AppSlot, DropReason, Epoch, RuleSlot, Span, WorkerId};
use dpdk_sys::cpu;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many apps and rules a page has room for; counts for slots beyond go to `Counter::UncountedSlots`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageSize {
    /// Apps, 32 bytes each.
    pub apps: usize,
    /// Rules, 8 bytes each.
    pub rules: usize,
}

type AppCells = [AtomicU64; AppCounter::COUNT];

/// The numbers; on cache lines (two, as CPUs fetch them in pairs) that no other worker's writes touch.
#[repr(align(128))]
struct Page {
    worker: WorkerId,
    counters: [AtomicU64; Counter::COUNT],
    dropped: [AtomicU64; DropReason::COUNT],
    refused: [AtomicU64; DropReason::COUNT],
    gauges: [AtomicU64; Gauge::COUNT],
    session_setup: SpanHistogram,
    apps: Box<[AppCells]>,
    rules: Box<[AtomicU64]>,
}

/// The worker's end of its page: the only one that writes. It goes to the worker's thread and stays there.
///
/// ```compile_fail,E0277
/// fn shared(_: impl Sync) {}
/// let size = byway::telemetry::PageSize { apps: 0, rules: 0 };
/// shared(byway::telemetry::page(byway::base::WorkerId(0), size).0);
/// ```
pub struct PageWriter {
    page: Arc<Page>,
    /// `Cell` is `Send` but not `Sync`: two threads never hold a writer at once.
    one_thread: PhantomData<Cell<()>>,
}

/// Anybody's view of a worker's page.
#[derive(Clone)]
pub struct PageReader {
    page: Arc<Page>,
}

/// A page of zeros: the end that writes and the end that reads.
pub fn page(worker: WorkerId, size: PageSize) -> (PageWriter, PageReader) {
    let page = Arc::new(Page {
        worker,
        counters: zeros(),
        dropped: zeros(),
        refused: zeros(),
        gauges: zeros(),
        session_setup: SpanHistogram::new(),
        apps: (0..size.apps).map(|_| zeros()).collect(),
        rules: (0..size.rules).map(|_| AtomicU64::new(0)).collect(),
    });
    (PageWriter { page: page.clone(), one_thread: PhantomData }, PageReader { page })
}

impl PageWriter {
    /// Whose page this is.
    #[inline]
    pub fn worker(&self) -> WorkerId {
        self.page.worker
    }

    /// Counts one.
    #[inline]
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        add(&self.page.counters[counter as usize], n);
    }

    /// Counts a received frame whose fate was to be dropped.
    #[inline]
    pub fn dropped(&self, reason: DropReason) {
        add(&self.page.dropped[reason as usize], 1);
    }

    /// Counts so many of them.
    #[inline]
    pub fn dropped_many(&self, reason: DropReason, count: u64) {
        add(&self.page.dropped[reason as usize], count);
    }

    /// Counts a refusal that is no received frame's fate: a connection, or a frame of our own.
    #[inline]
    pub fn refused(&self, reason: DropReason) {
        add(&self.page.refused[reason as usize], 1);
    }

    /// Reports a level.
    #[inline]
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.page.gauges[gauge as usize].store(value, Relaxed);
    }

    /// Counts `n` for an app.
    #[inline]
    pub fn add_app(&self, app: AppSlot, counter: AppCounter, n: u64) {
        match self.page.apps.get(app.index()) {
            Some(cells) => add(&cells[counter as usize], n),
            None => self.count(Counter::UncountedSlots),
        }
    }

    /// Counts a packet that an access rule decided over.
    #[inline]
    pub fn rule_hit(&self, rule: RuleSlot) {
        match self.page.rules.get(rule.index()) {
            Some(cell) => add(cell, 1),
            None => self.count(Counter::UncountedSlots),
        }
    }

    /// Asks the cache for a rule's count.
    #[inline]
    pub fn prefetch_rule(&self, rule: RuleSlot) {
        self.page.rules.get(rule.index()).into_iter().for_each(cpu::prefetch);
    }

    /// Notes how long a session took from its first SYN until both legs were up.
    #[inline]
    pub fn session_setup(&self, took: Span) {
        self.page.session_setup.record(took);
    }

    /// Another reader of this page.
    pub fn reader(&self) -> PageReader {
        PageReader { page: self.page.clone() }
    }
}

impl PageReader {
    /// Whose page this is.
    pub fn worker(&self) -> WorkerId {
        self.page.worker
    }

    /// A counter's value.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.page.counters[counter as usize].load(Relaxed)
    }

    /// Received frames dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.page.dropped[reason as usize].load(Relaxed)
    }

    /// Received frames dropped for any reason.
    pub fn dropped_total(&self) -> u64 {
        self.page.dropped.iter().map(|cell| cell.load(Relaxed)).sum()
    }

    /// Refusals for `reason` that were no received frame's fate.
    pub fn refused(&self, reason: DropReason) -> u64 {
        self.page.refused[reason as usize].load(Relaxed)
    }

    /// A level.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.page.gauges[gauge as usize].load(Relaxed)
    }

    /// An app's counter; zero for a slot beyond the page's capacity.
    pub fn app(&self, app: AppSlot, counter: AppCounter) -> u64 {
        self.page.apps.get(app.index()).map_or(0, |cells| cells[counter as usize].load(Relaxed))
    }

    /// Packets that a rule decided over; zero for a slot beyond the page's capacity.
    pub fn rule_hits(&self, rule: RuleSlot) -> u64 {
        self.page.rules.get(rule.index()).map_or(0, |cell| cell.load(Relaxed))
    }

    /// Room for apps and rules.
    pub fn size(&self) -> PageSize {
        PageSize { apps: self.page.apps.len(), rules: self.page.rules.len() }
    }

    /// How long sessions took to set up.
    pub fn session_setup(&self) -> &SpanHistogram {
        &self.page.session_setup
    }

    /// The heartbeat: turns of the worker's loop. A worker that lives moves it.
    pub fn turns(&self) -> u64 {
        self.counter(Counter::Turns)
    }

    /// The snapshot that the worker has in force.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.gauge(Gauge::Epoch))
    }
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    [const { AtomicU64::new(0) }; N]
}

#[inline]
fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_moves_alone() {
        let (writer, reader) = page(WorkerId(3), PageSize { apps: 2, rules: 2 });
        for (nth, counter) in Counter::ALL.iter().enumerate() {
            writer.add(*counter, nth as u64 + 1);
        }
        for (nth, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(reader.counter(*counter), nth as u64 + 1);
        }
        writer.dropped(DropReason::Land);
        writer.refused(DropReason::TxFull);
        assert_eq!((reader.dropped(DropReason::Land), reader.refused(DropReason::Land)), (1, 0));
        assert_eq!((reader.dropped(DropReason::TxFull), reader.refused(DropReason::TxFull)), (0, 1));
        assert_eq!(reader.dropped_total(), 1);
        writer.set(Gauge::Epoch, 7);
        assert_eq!((reader.epoch(), reader.gauge(Gauge::Sessions)), (Epoch(7), 0));
        assert_eq!(reader.worker(), WorkerId(3));
    }

    #[test]
    fn slots_beyond_the_page_are_counted_as_uncounted() {
        let (writer, reader) = page(WorkerId(0), PageSize { apps: 2, rules: 1 });
        writer.add_app(AppSlot(1), AppCounter::BytesIn, 1_460);
        writer.add_app(AppSlot(2), AppCounter::BytesIn, 1_460);
        writer.rule_hit(RuleSlot(0));
        writer.rule_hit(RuleSlot(1));
        assert_eq!(reader.app(AppSlot(1), AppCounter::BytesIn), 1_460);
        assert_eq!(reader.app(AppSlot(0), AppCounter::BytesIn), 0);
        assert_eq!((reader.rule_hits(RuleSlot(0)), reader.rule_hits(RuleSlot(1))), (1, 0));
        assert_eq!(reader.counter(Counter::UncountedSlots), 2);
    }

    #[test]
    fn reader_on_another_thread_sees_what_was_written() {
        let (writer, reader) = page(WorkerId(0), PageSize { apps: 0, rules: 0 });
        let counting = std::thread::spawn(move || (0..1_000).for_each(|_| writer.count(Counter::Turns)));
        counting.join().expect("the counting thread ends");
        assert_eq!(reader.turns(), 1_000);
    }
}

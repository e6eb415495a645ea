//! How busy each worker is, from the cycles on its page, and whether one is far busier than the others: a hot core.
//!
//! A share is of the time between two looks. One look proves nothing: a worker is hot, and cool again, after `LOOKS` of
//! them in a row.

use crate::base::WorkerId;
use crate::telemetry::{Counter, PageReader};

/// Looks in a row that agree.
const LOOKS: u8 = 4;
/// A hot core is at least this busy,
const HOT_SHARE: f64 = 0.6;
/// and by this much of its time busier than the others on average.
const HOT_LEAD: f64 = 0.4;

/// What a look found new.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum LoadNews {
    /// A worker is a hot core now.
    Hot {
        /// Which one.
        worker: WorkerId,
        /// Its busy share, 0 to 1.
        busy: f64,
        /// The mean of the others.
        others: f64,
    },
    /// It is none any more.
    Cooled {
        /// Which one.
        worker: WorkerId,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Core {
    all: u64,
    busy: u64,
    share: f64,
    hot: bool,
    /// Looks in a row that said the opposite of `hot`.
    doubts: u8,
}

/// The load of all workers.
#[derive(Debug)]
pub struct Load {
    cores: Vec<Core>,
    times_hot: u64,
}

impl Load {
    /// From what the pages say now on.
    pub fn new(pages: &[PageReader]) -> Self {
        let core = |page| {
            let (all, busy) = cycles(page);
            Core { all, busy, ..Core::default() }
        };
        Self { cores: pages.iter().map(core).collect(), times_hot: 0 }
    }

    /// Looks at all pages.
    pub fn look(&mut self, pages: &[PageReader]) -> Vec<LoadNews> {
        for (core, page) in self.cores.iter_mut().zip(pages) {
            let (all, busy) = cycles(page);
            let (passed, worked) = (all.saturating_sub(core.all), busy.saturating_sub(core.busy));
            core.share = if passed == 0 { 0.0 } else { (worked as f64 / passed as f64).min(1.0) };
            (core.all, core.busy) = (all, busy);
        }
        (0..self.cores.len()).filter_map(|at| self.judge(at, pages)).collect()
    }

    /// The busy share of a worker, 0 to 1; 0 where there is none.
    pub fn share(&self, worker: usize) -> f64 {
        self.cores.get(worker).map_or(0.0, |core| core.share)
    }

    /// Whether a worker is a hot core.
    pub fn is_hot(&self, worker: usize) -> bool {
        self.cores.get(worker).is_some_and(|core| core.hot)
    }

    /// How often a worker became one.
    pub fn times_hot(&self) -> u64 {
        self.times_hot
    }

    fn judge(&mut self, at: usize, pages: &[PageReader]) -> Option<LoadNews> {
        let others = self.mean_of_others(at)?;
        let core = &mut self.cores[at];
        let looks_hot = core.share >= HOT_SHARE && core.share - others >= HOT_LEAD;
        core.doubts = if looks_hot == core.hot { 0 } else { core.doubts + 1 };
        if core.doubts < LOOKS {
            return None;
        }
        (core.hot, core.doubts) = (looks_hot, 0);
        let (worker, busy) = (pages[at].worker(), core.share);
        self.times_hot += u64::from(looks_hot);
        Some(if looks_hot { LoadNews::Hot { worker, busy, others } } else { LoadNews::Cooled { worker } })
    }

    fn mean_of_others(&self, at: usize) -> Option<f64> {
        let others = self.cores.len().checked_sub(1).filter(|others| *others > 0)?;
        let sum: f64 = self.cores.iter().map(|core| core.share).sum();
        Some((sum - self.cores[at].share) / others as f64)
    }
}

fn cycles(page: &PageReader) -> (u64, u64) {
    (page.counter(Counter::Cycles), page.counter(Counter::BusyCycles))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{PageSize, PageWriter, page};

    fn workers(count: u8) -> (Vec<PageWriter>, Vec<PageReader>) {
        (0..count).map(|id| page(WorkerId(id), PageSize { apps: 0, rules: 0 })).unzip()
    }

    fn pass(writers: &[PageWriter], busy: &[u64]) {
        for (writer, busy) in writers.iter().zip(busy) {
            writer.add(Counter::Cycles, 1_000);
            writer.add(Counter::BusyCycles, *busy);
        }
    }

    #[test]
    fn the_share_is_that_of_the_time_since_the_last_look() {
        let (writers, readers) = workers(1);
        pass(&writers, &[1_000]);
        let mut load = Load::new(&readers);
        assert_eq!(load.share(0), 0.0);
        pass(&writers, &[250]);
        assert_eq!(load.look(&readers), []);
        assert_eq!(load.share(0), 0.25);
        assert_eq!(load.look(&readers), [], "a worker that did not turn was not busy");
        assert_eq!(load.share(0), 0.0);
    }

    #[test]
    fn a_core_far_busier_than_the_others_is_hot_after_some_looks_and_cools_likewise() {
        let (writers, readers) = workers(3);
        let mut load = Load::new(&readers);
        let mut heard = Vec::new();
        for busy in [[950, 100, 300]; 5].into_iter().chain([[400, 300, 300]; 5]) {
            pass(&writers, &busy);
            heard.push(load.look(&readers));
        }
        let hot = LoadNews::Hot { worker: WorkerId(0), busy: 0.95, others: 0.2 };
        let told: Vec<_> = heard.iter().enumerate().filter(|(_, news)| !news.is_empty()).collect();
        assert_eq!(told.len(), 2, "{heard:?}");
        assert_eq!((told[0].0, told[1].0), (3, 8));
        assert!(matches!(told[0].1[0], LoadNews::Hot { worker: WorkerId(0), busy: 0.95, .. }), "{hot:?}");
        assert_eq!(told[1].1[..], [LoadNews::Cooled { worker: WorkerId(0) }]);
        assert_eq!((load.times_hot(), load.is_hot(0)), (1, false));
    }

    #[test]
    fn busy_together_or_alone_is_not_hot() {
        for busy in [&[990, 980][..], &[990]] {
            let (writers, readers) = workers(busy.len() as u8);
            let mut load = Load::new(&readers);
            for _ in 0..10 {
                pass(&writers, busy);
                assert_eq!(load.look(&readers), []);
            }
        }
    }
}

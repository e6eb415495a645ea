//! From cells to an answer: grouped by dimensions and intervals, sorted, cut.

use super::cell::Cell;
use super::gather::Place;
use super::key::Value;
use super::plan::Moments;
use super::query::{Column, Number, Query, Sort};
use crate::base::limits::ANALYTICS_NUMBERS_MAX;
use std::cmp::Ordering;
use std::collections::HashMap;

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// The range in the rows that there are.
    pub moments: Moments,
    /// The intervals; one where none were asked for.
    pub intervals: Vec<Moments>,
    /// The rows.
    pub rows: Vec<TableRow>,
    /// The least of each metric over all rows and intervals.
    pub min: Vec<Number>,
    /// The most.
    pub max: Vec<Number>,
    /// Of each metric over everything.
    pub totals: Vec<Number>,
    /// Seconds since control was heard last.
    pub lag_s: u64,
}

/// A row of it.
#[derive(Clone, PartialEq, Debug)]
pub struct TableRow {
    /// What it is about, a word a dimension.
    pub dimensions: Vec<String>,
    /// Of each metric, a number an interval.
    pub metrics: Vec<Vec<Number>>,
}

/// More numbers than an answer may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

/// Cells on their way into an answer.
pub struct Builder<'a> {
    query: &'a Query,
    intervals: Vec<Moments>,
    groups: HashMap<Vec<Value>, Vec<Cell>>,
}

impl<'a> Builder<'a> {
    /// Without cells; what is asked for without a dimension has its one row in any case.
    pub fn new(query: &'a Query, intervals: Vec<Moments>) -> Self {
        let mut groups = HashMap::new();
        if query.dimensions.is_empty() {
            groups.insert(Vec::new(), vec![Cell::default(); intervals.len()]);
        }
        Self { query, intervals, groups }
    }

    /// Adds a cell that lies within the range.
    ///
    /// # Errors
    /// It would be one row too many.
    pub fn add(&mut self, place: &Place, cell: &Cell) -> Result<(), TooMany> {
        if self.query.filter.as_ref().is_some_and(|filter| !filter.wants(&place.key)) {
            return Ok(());
        }
        let dimensions = self.query.dimensions.iter();
        let group: Vec<Value> = dimensions.map(|dimension| dimension.of(&place.key)).collect();
        let (width, rows) = (self.intervals.len(), self.groups.len() + 1);
        let numbers = rows * width * self.query.metrics.len();
        if numbers > ANALYTICS_NUMBERS_MAX && !self.groups.contains_key(&group) {
            return Err(TooMany);
        }
        let interval = self.intervals.partition_point(|interval| interval.until <= place.minute);
        let cells = self.groups.entry(group).or_insert_with(|| vec![Cell::default(); width]);
        if let Some(sum) = cells.get_mut(interval) {
            sum.merge(cell);
        }
        Ok(())
    }

    /// The answer.
    pub fn finish(self, moments: Moments, lag_s: u64) -> Table {
        let Self { query, intervals, groups } = self;
        let numbers = |cell: &Cell| query.metrics.iter().map(|metric| metric.of(cell)).collect::<Vec<_>>();
        let (mut all, mut rows) = (Cell::default(), Vec::with_capacity(groups.len()));
        for (group, cells) in groups {
            let mut sum = Cell::default();
            cells.iter().for_each(|cell| sum.merge(cell));
            all.merge(&sum);
            let each: Vec<Vec<Number>> = cells.iter().map(numbers).collect();
            rows.push(Row { group, sums: numbers(&sum), each });
        }
        let extremes =
            |pick: Ordering| (0..query.metrics.len()).map(|at| extreme(&rows, at, pick)).collect::<Vec<_>>();
        let (min, max) = (extremes(Ordering::Less), extremes(Ordering::Greater));
        rows.sort_by(|one, other| compare(one, other, &query.sort));
        rows.truncate(query.limit);
        let rows = rows.into_iter().map(|row| row.told(query.metrics.len())).collect();
        Table { moments, intervals, rows, min, max, totals: numbers(&all), lag_s }
    }
}

/// A row before it is told.
struct Row {
    group: Vec<Value>,
    /// Of each metric over the range.
    sums: Vec<Number>,
    /// Of each interval, of each metric.
    each: Vec<Vec<Number>>,
}

impl Row {
    fn told(self, metrics: usize) -> TableRow {
        let of_metric = |at: usize| self.each.iter().map(|numbers| numbers[at]).collect();
        TableRow {
            dimensions: self.group.iter().map(ToString::to_string).collect(),
            metrics: (0..metrics).map(of_metric).collect(),
        }
    }
}

/// The least or the most of a metric; zero where there is no row.
fn extreme(rows: &[Row], metric: usize, pick: Ordering) -> Number {
    let numbers = rows.iter().flat_map(|row| row.each.iter().map(|numbers| numbers[metric]));
    let better = |one: Number, other: Number| if other.order(one) == pick { other } else { one };
    numbers.reduce(better).unwrap_or(Number::Whole(0))
}

fn compare(one: &Row, other: &Row, sorts: &[Sort]) -> Ordering {
    let step = |sort: &Sort| {
        let order = match sort.column {
            Column::Metric(at) => one.sums[at].order(other.sums[at]),
            Column::Dimension(at) => one.group[at].cmp(&other.group[at]),
        };
        if sort.descending { order.reverse() } else { order }
    };
    let first = sorts.iter().map(step).find(|order| order.is_ne());
    first.unwrap_or_else(|| one.group.cmp(&other.group))
}

//! What is asked for: metrics of a zone over a range, by dimensions, filtered, sorted.

use super::calendar::TimeDelta;
use super::cell::Cell;
use super::filter::Filter;
use super::key::{Dimension, Tag};
use super::plan::Moments;
use std::cmp::Ordering;

/// A number of an answer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    /// A count or a sum.
    Whole(u64),
    /// A time in milliseconds.
    Real(f64),
}

impl Number {
    /// Which is more.
    pub fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => one.cmp(&other),
            (one, other) => one.real().total_cmp(&other.real()),
        }
    }

    /// As a floating-point number.
    pub const fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

/// What is computed of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// Events.
    Count,
    /// Bytes from clients.
    BytesIngress,
    /// Bytes to clients.
    BytesEgress,
    /// Average duration.
    DurationAvg,
    /// Its median.
    DurationMedian,
    /// Its 90th percentile.
    Duration90th,
    /// Its 99th percentile.
    Duration99th,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Count,
        Self::BytesIngress,
        Self::BytesEgress,
        Self::DurationAvg,
        Self::DurationMedian,
        Self::Duration90th,
        Self::Duration99th,
    ];

    /// Spectrum's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::BytesIngress => "bytesIngress",
            Self::BytesEgress => "bytesEgress",
            Self::DurationAvg => "durationAvg",
            Self::DurationMedian => "durationMedian",
            Self::Duration90th => "duration90th",
            Self::Duration99th => "duration99th",
        }
    }

    /// By its word.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether it wants each duration, not their sum alone.
    pub const fn is_quantile(self) -> bool {
        match self {
            Self::Count | Self::BytesIngress | Self::BytesEgress | Self::DurationAvg => false,
            Self::DurationMedian | Self::Duration90th | Self::Duration99th => true,
        }
    }

    /// Of a cell; durations are zero where no connection ended.
    pub fn of(self, cell: &Cell) -> Number {
        let quantile = |share| Number::Real(cell.durations.quantile(share).unwrap_or(0) as f64);
        match self {
            Self::Count => Number::Whole(cell.count),
            Self::BytesIngress => Number::Whole(cell.ingress),
            Self::BytesEgress => Number::Whole(cell.egress),
            Self::DurationAvg => Number::Real(cell.duration_avg()),
            Self::DurationMedian => quantile(0.5),
            Self::Duration90th => quantile(0.9),
            Self::Duration99th => quantile(0.99),
        }
    }
}

/// By which column rows are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// A metric of the query, by its place; of the whole range.
    Metric(usize),
    /// A dimension of the query, by its place.
    Dimension(usize),
}

/// One step of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    /// By what.
    pub column: Column,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl Sort {
    /// Reads `name`, `+name` or `-name`; a blank stands for the `+` that it is written for in a URL.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str, metrics: &[Metric], dimensions: &[Dimension]) -> Result<Self, String> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text.strip_prefix(['+', ' ']).unwrap_or(text)),
        };
        let metric = metrics.iter().position(|metric| metric.name() == name).map(Column::Metric);
        let dimension = dimensions.iter().position(|dimension| dimension.name() == name);
        let column = metric.or(dimension.map(Column::Dimension)).ok_or_else(|| {
            let name = crate::base::outside::quoted(name);
            format!("{name} is none of the metrics and dimensions that are asked for")
        })?;
        Ok(Self { column, descending })
    }
}

/// A question.
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// Of which zone.
    pub zone: Tag,
    /// What is computed, at least one.
    pub metrics: Vec<Metric>,
    /// What rows are told apart by.
    pub dimensions: Vec<Dimension>,
    /// Which rows count; `None`: all.
    pub filter: Option<Filter>,
    /// In which order; ties, and everything without one, by dimensions.
    pub sort: Vec<Sort>,
    /// How many rows at most.
    pub limit: usize,
    /// When.
    pub moments: Moments,
    /// How long an interval is; `None`: the whole range is one.
    pub delta: Option<TimeDelta>,
}

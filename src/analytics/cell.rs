//! The numbers of one row.

use super::durations::Durations;

/// What is counted. Cells add up: of any parts, in any order, the whole comes out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cell {
    /// Events.
    pub count: u64,
    /// Bytes from clients.
    pub ingress: u64,
    /// Bytes to clients.
    pub egress: u64,
    /// Events that ended a connection.
    pub timed: u64,
    /// How long those lasted together, in milliseconds.
    pub duration_ms: u64,
    /// How long each of them lasted.
    pub durations: Durations,
}

impl Cell {
    /// Adds another.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.ingress = self.ingress.saturating_add(other.ingress);
        self.egress = self.egress.saturating_add(other.egress);
        self.timed = self.timed.saturating_add(other.timed);
        self.duration_ms = self.duration_ms.saturating_add(other.duration_ms);
        self.durations.merge(&other.durations);
    }

    /// The average duration in milliseconds; zero where nothing ended.
    pub fn duration_avg(&self) -> f64 {
        if self.timed == 0 { 0.0 } else { self.duration_ms as f64 / self.timed as f64 }
    }
}

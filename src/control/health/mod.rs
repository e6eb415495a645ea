//! Which origins answer: active probes through the workers, their verdicts, when to try again.

mod prober;
mod watched;

pub use prober::{Prober, Targets};
pub use watched::{HealthTerms, Verdict, Watched};

//! A port that fails on purpose: it loses, repeats, reorders, delays, corrupts, truncates and stalls, by rates and
//! from a seed. The same seed, rates and frames give the same faults.

mod faulty;
mod lane;
mod rates;

pub use faulty::{FaultFrame, FaultPort};
pub use rates::{FaultCounts, FaultRates, Ppm};

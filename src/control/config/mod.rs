//! What the operator wrote, made into values that are valid by construction.

pub mod boot;
mod problem;
pub mod tables;

pub use problem::{Problem, Problems};

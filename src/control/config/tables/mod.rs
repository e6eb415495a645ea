//! The live table file: JSON text -> values that are valid by construction, and back.

mod app;
mod certificates;
mod clash;
mod code;
mod faults;
mod file;
mod json;
mod origin;
mod prefixes;
mod print;
#[cfg(test)]
mod refusals;
mod rule;
#[cfg(test)]
mod tests;

pub use code::Code;
pub use faults::{Message, TableError, TableErrors};
pub use file::{Read, read};
pub use print::{app_json, live_json, prefix_json, rule_json};
pub use rule::{one_configuration, one_rule};

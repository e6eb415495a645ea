//! The live table file: JSON text -> values that are valid by construction, and back.

mod app;
mod certificates;
mod clash;
mod code;
mod faults;
mod file;
mod json;
mod one_app;
mod origin;
mod prefixes;
mod print;
#[cfg(test)]
mod refusals;
mod rule;
#[cfg(test)]
mod tests;

pub use clash::{EdgeClash, edge_clash};
pub use code::Code;
pub use faults::{Message, TableError, TableErrors};
pub use file::{Read, read};
pub use one_app::{AppGround, OneApp, one_app};
pub use print::{app_json, live_json, prefix_json, rule_json};
pub use rule::{one_configuration, one_rule, read_one_rule};

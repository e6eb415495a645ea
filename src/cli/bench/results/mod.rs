//! `byway bench report`: a folder of results as a table, plots, and what became worse since other results.

mod compare;
mod plot;
mod read;
mod table;
mod verb;

pub use verb::report;

//! What became of the connections of each zone, by app, event, IP version and site: counts, bytes and durations as rows of
//! minutes, hours and days. Control gathers, a thread of the API's keeps and answers; no worker knows of it.
//!
//! ```text
//!  control: events, samples --> Gather --a second--> Mailbox --> Clerk: recent, pending --20 s--> Book: rows in SQLite
//!  API: Query ------------------Reader-------------> Mailbox --> Clerk: Book + pending --> Table
//! ```

mod book;
mod calendar;
mod cell;
mod clerk;
mod durations;
mod file;
mod filter;
mod gather;
mod key;
mod ledger;
mod mailbox;
mod plan;
mod query;
mod recent;
mod row;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod turn;

pub use calendar::TimeDelta;
pub use clerk::{Clerk, Counts, Reader, Recorder, open};
pub use filter::Filter;
pub use gather::Fact;
pub use key::{Dimension, EventName, IpVersion, Key, Owner, Tag};
pub use ledger::Fault;
pub use plan::{Minute, Moments, Resolution};
pub use query::{Metric, Number, Query, Sort};
pub use recent::{Current, CurrentAsk};
pub use table::{Table, TableRow};

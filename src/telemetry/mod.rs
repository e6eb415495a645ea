//! Counting without sharing: one page a worker, one writer each; events as plain values.

mod event;

pub use event::{Event, EventKind, FirewallMatch, Status};

//! Counting without sharing: one page a worker, one writer each; events as plain values.

mod catalog;
mod event;
pub mod expose;
mod histogram;
mod page;
mod tls_facts;

pub use catalog::{AppCounter, Counter, Gauge, Meta};
pub use event::{Event, EventKind, FirewallMatch, Status, Transport};
pub use histogram::SpanHistogram;
pub use page::{PageReader, PageSize, PageWriter, page};
pub use tls_facts::{SNI_BYTES_MAX, TlsFacts, TlsLeg, TlsStatus, TlsVersion};

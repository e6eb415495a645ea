//! `byway bench session --tls`: what records, idle sessions and handshakes cost, with rustls peers around the edge.

mod edge;
mod flood;
mod handshakes;
mod host;
mod line;
mod lines;
mod records;
mod timed;

pub use records::{TlsProbe, bench_tls, run_tls_probe};
pub use timed::bench_handshakes;

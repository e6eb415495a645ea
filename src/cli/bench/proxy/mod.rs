//! `byway bench proxy`: byway beside HAProxy, nginx and a bare wire, as proxies between real clients and origins.
//!
//! ```text
//!  client ns (CPU A)                 one proxy at a time (CPU B)                 origin ns (CPU A)
//!  iperf3, wrk   c0 ── edge0 [byway ns: byway]                 edge1 ── o0   nginx, iperf3
//!                c1 ── edge0 [kernel ns: HAProxy, then nginx]  edge1 ── o1
//!                c2 ── edge0 [wire ns: testpmd io]             edge1 ── o2
//! ```
//! Every contender is started, asked all its figures and ended again before the next one, round by round, so that each
//! has its CPU alone and a busy machine slows all.

mod contender;
mod figure;
mod net;
mod run;

pub use run::{ProxyArgs, bench_proxy};

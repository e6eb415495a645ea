//! `byway bench goodput`: how much of a lossy path a connection gets through byway, beside a route without it.
//!
//! ```text
//!  client ns   c0 ── [lossy ns] ── a0 [slow ns] a1 ── edge0 [byway ns: byway]        edge1 ── o0   origin ns
//!  iperf3      c1 ── [lossy ns] ── b0 [slow ns] b1 ── edge0 [router ns: its kernel]  edge1 ── o1   iperf3
//! ```
//! The lossy host's nftables lose packets of both roads alike, in both directions; the slow wires hold every frame back
//! and have a bottleneck with a queue, alike as well. What byway splices recovers by the hosts' own means (BBR or CUBIC),
//! so that it should get as much as the direct route does.

mod net;
mod run;
mod slow_wire;

pub use run::{GoodputArgs, bench_goodput};

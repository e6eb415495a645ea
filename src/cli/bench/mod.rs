//! `byway bench`: instructions and bytes, counted under callgrind on in-memory ports; and what is timed beside a peer.

// Parts of some modules serve `forward` alone, which wants DPDK.
mod callgrind;
mod control;
#[cfg_attr(not(feature = "dpdk"), allow(dead_code))]
mod datagrams;
#[cfg(feature = "dpdk")]
mod forward;
mod goodput;
mod idle;
mod lab;
mod list;
mod lossy;
mod machine;
#[cfg_attr(not(feature = "dpdk"), allow(dead_code))]
mod make;
mod peer;
mod proxy;
mod rate;
#[cfg_attr(not(feature = "dpdk"), allow(dead_code))]
mod report;
mod results;
mod session;
mod siege;
mod syns;
mod tls;
#[cfg_attr(not(feature = "dpdk"), allow(dead_code))]
mod wire;
#[cfg_attr(not(feature = "dpdk"), allow(dead_code))]
mod world;

pub use control::{ControlArgs, ControlProbe, bench_control, run_control_probe};
pub use datagrams::{UdpProbe, bench_udp, run_udp_probe};
#[cfg(feature = "dpdk")]
pub use forward::{ForwardArgs, ForwardProbe, bench_forward, run_forward_probe};
pub use goodput::{GoodputArgs, bench_goodput};
pub use idle::{IdleArgs, IdleProbe, bench_idle, run_idle_probe};
pub use list::list;
pub use lossy::{LossyArgs, bench_lossy};
pub use proxy::{ProxyArgs, bench_proxy};
pub use rate::{BulkArgs, ConnectProbe, bench_bulk, bench_connect, run_connect_probe};
pub use report::Telling;
pub use results::report as report_results;
pub use session::{Probe, bench_session, run_probe};
pub use siege::bench_flood;
pub use syns::{SynProbe, run_syn_probe};
pub use tls::{TlsProbe, bench_handshakes, bench_tls, run_tls_probe};

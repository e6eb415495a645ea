//! Hosts on one machine for the benches that need real peers: namespaces, the wires between them, and processes in
//! them. Everything made here is named after this process, and goes when its value is dropped.

mod daemon;
mod edge;
mod error;
mod folder;
mod host;
mod iperf;

pub use daemon::{Daemon, Seat, own_program};
pub use edge::{EDGE, boot, start_byway, tables};
pub use error::LabError;
pub use folder::Folder;
pub use host::{Host, Nic, wire, within};
pub use iperf::{IPERF_PORT, start_iperf, stream};

//! Ports on DPDK devices: physical NICs by PCI address, and DPDK's software devices.
//!
//! `Dpdk::start` brings the environment up, `Dpdk::open` the ports; a worker gets a `DpdkPort` of each, control a
//! `PortControl` of each. Control side: everything but `adapter`. Road: `adapter` only.

mod adapter;
mod control;
mod device;
mod error;
mod interface;
mod memory;
mod open;
mod recipe;
mod report;

pub use adapter::{DpdkFrame, DpdkPort};
pub use control::{PortControl, PortEvent, PortSample};
pub use device::{DeviceSpec, Driver, Kind};
pub use error::PortError;
pub use memory::{FreePages, Hugepages, free_pages};
pub use open::{Dpdk, Opened, Plan, PortSpec};
pub use report::PortReport;

//! Frames in, frames out: the one seam to devices. A `Port` value is one worker's view of one port.

mod api;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod fault;
pub mod mem;
pub mod pcap;

pub use api::{
    ChecksumOffload, Frame, FrameBatch, Port, PortInfo, PortStats, RssReport, RxMeta, TxBatch, TxMeta,
};

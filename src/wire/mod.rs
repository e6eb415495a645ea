//! Bytes to values and back, one protocol a file. No allocation, no clock, no panic.

mod flow_key;
mod headers;

pub use flow_key::{FlowKey, Protocol};
pub use headers::{ChecksumState, Parsed, TcpFlags, TcpSegment};

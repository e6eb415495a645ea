//! Captures in the classic pcap format: read, write, record what passes a port, replay into one.

mod file;
mod record;
mod replay;

pub use file::{PcapError, PcapReader, PcapWriter, Record};
pub use record::RecordPort;
pub use replay::{Replay, ReplayCounts};

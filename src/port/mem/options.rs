//! What a port in memory claims to be.

use crate::base::PortId;
use crate::port::{ChecksumOffload, RssReport};

/// Where a frame from the wire goes, as a device's RSS would say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// The receive queue; taken modulo the number of queues.
    pub queue: u16,
    /// The hash that the device reports.
    pub rss_hash: Option<u32>,
}

/// The shape of a port in memory.
#[derive(Clone, Debug)]
pub struct MemOptions {
    /// Its place in the boot config.
    pub id: PortId,
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The largest IP packet, in bytes. Longer frames fit the buffers, so that tests can send them.
    pub mtu: u16,
    /// Workers: one `MemPort` each, with a transmit ring each.
    pub workers: u16,
    /// Receive queues; workers from this number on have none.
    pub rx_queues: u16,
    /// Frame buffers, for both directions together.
    pub frames: usize,
    /// Slots of each ring. A transmit ring that nobody takes from fills up, and the port refuses.
    pub ring_slots: usize,
    /// Checksum work that the port claims, and does: on reception when the wire sends, on transmission when the wire
    /// receives, so that none of it is counted as the worker's.
    pub checksum: ChecksumOffload,
    /// The longest IPv4 packet that the port cuts into segments, when the wire receives; zero: none.
    pub tso_bytes: u16,
    /// What the port says of its RSS.
    pub rss: RssReport,
    /// How frames spread over the receive queues.
    pub spread: fn(&[u8]) -> Spread,
}

impl Default for MemOptions {
    /// One worker, one queue, MTU 1500, 1,024 frames, no offloads.
    fn default() -> Self {
        Self {
            id: PortId(0),
            name: "mem0".into(),
            mac: [0x02, 0, 0, 0, 0, 0x01],
            mtu: 1500,
            workers: 1,
            rx_queues: 1,
            frames: 1024,
            ring_slots: 512,
            checksum: ChecksumOffload::default(),
            tso_bytes: 0,
            rss: RssReport::SingleQueue,
            spread: |_| Spread::default(),
        }
    }
}

//! The `Port` and `Frame` traits and what a port says of itself.

use crate::base::limits::{BURST_FRAMES_MAX, TX_FRAMES_MAX};
use crate::base::{PortId, Span};
use crate::wire::ChecksumState;
use arrayvec::ArrayVec;

/// Frames of one receive call.
pub type FrameBatch<F> = ArrayVec<F, BURST_FRAMES_MAX>;
/// Frames waiting for a transmit call.
pub type TxBatch<F> = ArrayVec<F, TX_FRAMES_MAX>;

/// What a device said of a received frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RxMeta {
    /// State of the IPv4 header checksum.
    pub ip_checksum: ChecksumState,
    /// State of the TCP or UDP checksum.
    pub l4_checksum: ChecksumState,
    /// The RSS hash, where the device computed one with our key.
    pub rss_hash: Option<u32>,
    /// Whether the frame is spread over several buffers.
    pub multi_segment: bool,
    /// Whether the device took a VLAN tag off.
    pub vlan_stripped: bool,
}

/// What a device is asked to do with a frame before it sends it. Lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TxMeta {
    /// Length of the Ethernet header.
    pub l2_len: u8,
    /// Length of the IP header.
    pub l3_len: u8,
    /// Whether the packet is IPv6.
    pub ipv6: bool,
    /// Fill in the IPv4 header checksum.
    pub ip_checksum: bool,
    /// Fill in the TCP checksum; the field holds the pseudo-header sum already.
    pub tcp_checksum: bool,
    /// Cut the segment, over IPv4, into ones of so many bytes of payload (TSO); zero: send it as it is.
    pub segment: u16,
    /// Length of the TCP header, where the segment is cut.
    pub l4_len: u8,
}

/// One frame buffer, owned by whoever holds it; given back to its pool on drop.
pub trait Frame: Send {
    /// The frame, from the Ethernet header on.
    fn bytes(&self) -> &[u8];
    /// The same, to be written.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Makes the frame `len` bytes long; `false`, and nothing changed, when that is more than `capacity`.
    fn set_len(&mut self, len: usize) -> bool;
    /// The longest frame that this buffer holds.
    fn capacity(&self) -> usize;
    /// What the device said at reception.
    fn rx_meta(&self) -> RxMeta;
    /// What the device said of the checksums of IP and of layer 4; `None` where it said anything else of the frame that matters.
    #[inline]
    fn rx_checked(&self) -> Option<(ChecksumState, ChecksumState)> {
        let meta = self.rx_meta();
        (!meta.multi_segment && !meta.vlan_stripped).then_some((meta.ip_checksum, meta.l4_checksum))
    }
    /// Asks the device for work at transmission.
    fn set_tx_meta(&mut self, meta: TxMeta);
}

/// Receive-side scaling of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RssReport {
    /// One queue: nothing to spread.
    SingleQueue,
    /// The device spreads flows by our Toeplitz key over our redirection table.
    Programmed {
        /// Entries of the redirection table.
        table_len: u16,
    },
    /// Several queues, but the device (or kernel) spreads by a rule of its own; hand-over rings bring flows home.
    Foreign,
}

/// Which checksums the device handles, by direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChecksumOffload {
    /// Verifies the IPv4 header checksum on reception.
    pub rx_ip: bool,
    /// Verifies TCP checksums on reception.
    pub rx_tcp: bool,
    /// Fills in the IPv4 header checksum.
    pub tx_ip: bool,
    /// Fills in TCP checksums.
    pub tx_tcp: bool,
}

/// What a port is, for the start-up report and for the worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortInfo {
    /// Its place in the boot config.
    pub id: PortId,
    /// Its name in the boot config.
    pub name: String,
    /// The driver's name (`net_af_packet`, `mem`, ...).
    pub driver: String,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The largest IP packet it carries, in bytes.
    pub mtu: u16,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
    /// Receive-side scaling.
    pub rss: RssReport,
    /// Checksum offloads.
    pub checksum: ChecksumOffload,
    /// The longest IPv4 packet that the device cuts into segments itself (TSO), in bytes; zero: none.
    pub tso_bytes: u16,
    /// NUMA node; `None` where the device has none.
    pub numa_node: Option<u8>,
}

/// Frames that a port or its driver lost or refused, since its start. Read by control, never on the road.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortStats {
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames lost before byway saw them: ring full, no buffer, or hidden by the driver (AF_PACKET).
    pub rx_lost: u64,
    /// Frames that came in with an error of the link.
    pub rx_errors: u64,
    /// Frames that the device failed to send.
    pub tx_errors: u64,
}

/// One worker's view of one port: its receive queue (if it has one) and its transmit queue.
pub trait Port: Send {
    /// The frame buffers of this port. Every port of a worker has the same kind.
    type Frame: Frame;

    /// What this port is.
    fn info(&self) -> &PortInfo;

    /// Appends up to `BURST_FRAMES_MAX` received frames to `batch` (empty at the call); never waits.
    fn receive(&mut self, batch: &mut FrameBatch<Self::Frame>);

    /// Sends frames from the front of `batch`; those that the device had no room for stay in it. Never waits.
    fn transmit(&mut self, batch: &mut TxBatch<Self::Frame>);

    /// Gives the buffers of all frames in `batch` back to their pools, and leaves it empty.
    fn free(&mut self, batch: &mut FrameBatch<Self::Frame>) {
        batch.clear();
    }

    /// A fresh buffer of length 0; `None` when the pool is empty (`mbuf` supply), which the caller counts.
    fn allocate(&mut self) -> Option<Self::Frame>;

    /// A fresh buffer of length 0 for a packet that the device cuts, `PortInfo::tso_bytes` long; `None` when there is none.
    fn allocate_long(&mut self) -> Option<Self::Frame> {
        None
    }

    /// Lets the device interrupt this thread when frames come; `false` where it cannot. Frames that came before are
    /// not told: whoever arms looks once more.
    fn arm(&mut self) -> bool {
        false
    }

    /// Takes `arm` back.
    fn disarm(&mut self) {}

    /// Waits until frames come to any armed port of this thread, for `limit` at most (whole milliseconds).
    fn wait(&mut self, limit: Span) {
        let _ = limit;
    }
}

//! How much memory a boot config will take when every table is full: told before it is taken.

use super::spec::BootSpec;
use std::fmt;

/// Memory of one session beside its buffers, in bytes: the bound that the bench holds.
const SESSION_BYTES: usize = 2_560;
/// Memory of one spliced session, in bytes: the bound that a test holds.
const SPLICED_SESSION_BYTES: usize = 320;
/// Memory of one UDP session, in bytes: the bound that the bench holds.
const UDP_SESSION_BYTES: usize = 512;
/// A frame buffer's own header and headroom in DPDK's pool, in bytes.
const FRAME_OVERHEAD_BYTES: usize = 384;

/// Bytes at full tables. Buffers are touched only when used, so an idle process stays far below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryEstimate {
    /// Frame pools of all ports and workers.
    pub frames_bytes: usize,
    /// Sessions of all workers without their buffers.
    pub sessions_bytes: usize,
    /// Receive and transmit buffers of all sessions.
    pub buffers_bytes: usize,
}

impl MemoryEstimate {
    /// For this config.
    pub fn of(spec: &BootSpec) -> Self {
        let workers = spec.workers.count();
        let sessions = workers * spec.tcp.sessions;
        let frame = |mtu: u16| usize::from(mtu) + 14 + FRAME_OVERHEAD_BYTES;
        let spliced = if spec.tcp.splice { workers * spec.tcp.spliced_sessions } else { 0 };
        let udp = workers * spec.udp.sessions;
        Self {
            frames_bytes: spec.ports.iter().map(|port| workers * spec.memory.frames * frame(port.mtu)).sum(),
            sessions_bytes: sessions * SESSION_BYTES
                + spliced * SPLICED_SESSION_BYTES
                + udp * UDP_SESSION_BYTES,
            buffers_bytes: sessions * 2 * (spec.tcp.rx_buffer_bytes + spec.tcp.tx_buffer_bytes),
        }
    }

    /// All of it.
    pub fn total_bytes(&self) -> usize {
        self.frames_bytes + self.sessions_bytes + self.buffers_bytes
    }
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        write!(
            f,
            "up to {} MiB with every table full (frames {}, sessions {}, their buffers {})",
            mib(self.total_bytes()),
            mib(self.frames_bytes),
            mib(self.sessions_bytes),
            mib(self.buffers_bytes)
        )
    }
}

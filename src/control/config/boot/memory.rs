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

/// A kind of sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP with two sockets and their buffers.
    Managed,
    /// TCP as a mere translation of headers.
    Spliced,
    /// UDP.
    Udp,
}

impl Kind {
    /// All of them, the largest first.
    pub const ALL: [Self; 3] = [Self::Managed, Self::Spliced, Self::Udp];

    /// Bytes of one session, its buffers included.
    pub fn bytes_each(self, spec: &BootSpec) -> usize {
        match self {
            Self::Managed => SESSION_BYTES + buffers_each(spec),
            Self::Spliced => SPLICED_SESSION_BYTES,
            Self::Udp => UDP_SESSION_BYTES,
        }
    }

    /// Sessions of one worker.
    pub fn sessions(self, spec: &BootSpec) -> usize {
        match self {
            Self::Managed => spec.tcp.sessions,
            Self::Spliced if spec.tcp.splice => spec.tcp.spliced_sessions,
            Self::Spliced => 0,
            Self::Udp => spec.udp.sessions,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Managed => "sessions",
            Self::Spliced => "spliced sessions",
            Self::Udp => "UDP sessions",
        }
    }
}

fn buffers_each(spec: &BootSpec) -> usize {
    2 * (spec.tcp.rx_buffer_bytes + spec.tcp.tx_buffer_bytes)
}

/// Sessions of one kind, over all workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindEstimate {
    /// Which.
    pub kind: Kind,
    /// How many.
    pub sessions: usize,
    /// Bytes of one.
    pub bytes_each: usize,
}

/// Bytes at full tables. Buffers are touched only when used, so an idle process stays far below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryEstimate {
    /// Frame pools of all ports and workers.
    pub frames_bytes: usize,
    /// Sessions of all workers without their buffers.
    pub sessions_bytes: usize,
    /// Receive and transmit buffers of all sessions.
    pub buffers_bytes: usize,
    /// Sessions by kind.
    pub kinds: [KindEstimate; 3],
    /// The budget in MiB, where there is one.
    pub budget_mib: Option<usize>,
}

impl MemoryEstimate {
    /// For this config.
    pub fn of(spec: &BootSpec) -> Self {
        let workers = spec.workers.count();
        let frame = |mtu: u16| usize::from(mtu) + 14 + FRAME_OVERHEAD_BYTES;
        let kinds = Kind::ALL.map(|kind| KindEstimate {
            kind,
            sessions: workers * kind.sessions(spec),
            bytes_each: kind.bytes_each(spec),
        });
        let buffers_bytes = workers * spec.tcp.sessions * buffers_each(spec);
        let all: usize = kinds.iter().map(|kind| kind.sessions * kind.bytes_each).sum();
        Self {
            frames_bytes: spec.ports.iter().map(|port| workers * spec.memory.frames * frame(port.mtu)).sum(),
            sessions_bytes: all - buffers_bytes,
            buffers_bytes,
            kinds,
            budget_mib: spec.memory.budget_mib,
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
            "up to {} MiB with every table full (frames {}, sessions {}, their buffers {}):",
            mib(self.total_bytes()),
            mib(self.frames_bytes),
            mib(self.sessions_bytes),
            mib(self.buffers_bytes)
        )?;
        for (nth, KindEstimate { kind, sessions, bytes_each }) in self.kinds.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma} {sessions} {} of {bytes_each} bytes", kind.name())?;
        }
        self.budget_mib.map_or(Ok(()), |mib| write!(f, "; the budget is {mib} MiB"))
    }
}

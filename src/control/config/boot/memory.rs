//! How much memory a boot config will take when every table is full: told before it is taken.

use super::spec::{BootSpec, MemorySpec, PortSpec};
use crate::base::Span;
use crate::base::limits::{
    ACCOUNTS_MAX, APPS_MAX, CLIENTS_COUNTED_MAX, COOKIES_SPENT_MAX, EVENTS_MAX, TSO_BYTES_MAX, TSO_FRAMES,
};
use std::fmt;

/// Memory of one session beside its buffers, in bytes: the bound that the bench holds.
const SESSION_BYTES: usize = 2_560;
/// Memory of one parked session, in bytes: the bound that the bench holds.
const PARKED_SESSION_BYTES: usize = 700;
/// Memory of one spliced session, in bytes: the bound that a test holds.
const SPLICED_SESSION_BYTES: usize = 320;
/// Memory of one UDP session, in bytes: the bound that the bench holds.
const UDP_SESSION_BYTES: usize = 512;
/// Memory of a TLS session beside its buffers, at most, in bytes: the bound that the bench holds. How many sessions have TLS
/// is the table's business.
const TLS_SESSION_BYTES: usize = 23_552;
/// Memory of a tuple in TIME-WAIT, and of a source port at rest, in bytes, the table that finds them left out: bounds
/// that tests hold.
const TIME_WAIT_BYTES: usize = 96;
const USED_PORT_BYTES: usize = 112;
/// A flow table has buckets of eight places, a cache line each, for a load of at most one half.
const BUCKET_PLACES: usize = 8;
const BUCKET_BYTES: usize = 64;
const PLACE_BYTES: usize = 2 * BUCKET_BYTES / BUCKET_PLACES;
/// Memory of what a page counts for an app and for a rule, in bytes.
const APP_COUNTER_BYTES: usize = 32;
const RULE_COUNTER_BYTES: usize = 8;
/// An event on its way to control, and a client that is counted, in bytes: bounds that a test holds.
const EVENT_BYTES: usize = 320;
const CLIENT_BYTES: usize = 32;
/// What a worker has whatever its config says: shares of five things by app and account, when apps may open again, clients,
/// cookies that were spent, events.
const FIXED_BYTES: usize = 5 * 4 * (APPS_MAX + ACCOUNTS_MAX)
    + 8 * APPS_MAX
    + CLIENT_BYTES * CLIENTS_COUNTED_MAX
    + 8 * COOKIES_SPENT_MAX
    + EVENT_BYTES * EVENTS_MAX;
/// A frame buffer's own header and headroom in DPDK's pool, in bytes.
const FRAME_OVERHEAD_BYTES: usize = 384;

/// A kind of sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP with two sockets and their buffers.
    Managed,
    /// TCP that is quiet, and has neither sockets nor buffers.
    Parked,
    /// TCP as a mere translation of headers.
    Spliced,
    /// UDP.
    Udp,
}

impl Kind {
    /// All of them, the largest first.
    pub const ALL: [Self; 4] = [Self::Managed, Self::Parked, Self::Spliced, Self::Udp];

    /// Bytes of one session, its buffers included.
    pub fn bytes_each(self, spec: &BootSpec) -> usize {
        match self {
            Self::Managed => SESSION_BYTES + buffers_each(spec),
            Self::Parked => PARKED_SESSION_BYTES,
            Self::Spliced => SPLICED_SESSION_BYTES,
            Self::Udp => UDP_SESSION_BYTES,
        }
    }

    /// Sessions of one worker.
    pub fn sessions(self, spec: &BootSpec) -> usize {
        match self {
            Self::Managed => spec.tcp.sessions,
            Self::Parked if spec.tcp.park_after != Span::ZERO => spec.tcp.parked_sessions,
            Self::Parked => 0,
            Self::Spliced if spec.tcp.splice => spec.tcp.spliced_sessions,
            Self::Spliced => 0,
            Self::Udp => spec.udp.sessions,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Managed => "sessions",
            Self::Parked => "parked sessions",
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
    /// Tuples in TIME-WAIT and source ports at rest, of all workers.
    pub resting_bytes: usize,
    /// Counters, shares, clients and events, of all workers.
    pub counters_bytes: usize,
    /// Sessions by kind.
    pub kinds: [KindEstimate; 4],
    /// The budget in MiB, where there is one.
    pub budget_mib: Option<usize>,
}

impl MemoryEstimate {
    /// For this config.
    pub fn of(spec: &BootSpec) -> Self {
        let workers = spec.workers.count();
        let frame = |mtu: u16| usize::from(mtu) + 14 + FRAME_OVERHEAD_BYTES;
        let long = |tso: bool| if tso { TSO_FRAMES as usize * frame(TSO_BYTES_MAX) } else { 0 };
        let of_port = |port: &PortSpec| workers * (spec.memory.frames * frame(port.mtu) + long(port.tso));
        let kinds = Kind::ALL.map(|kind| KindEstimate {
            kind,
            sessions: workers * kind.sessions(spec),
            bytes_each: kind.bytes_each(spec),
        });
        let buffers_bytes = workers * spec.tcp.sessions * buffers_each(spec);
        let all: usize = kinds.iter().map(|kind| kind.sessions * kind.bytes_each).sum();
        Self {
            frames_bytes: spec.ports.iter().map(of_port).sum(),
            sessions_bytes: all - buffers_bytes + workers * rounding_bytes(&kinds, workers),
            buffers_bytes,
            resting_bytes: workers * resting_bytes(spec),
            counters_bytes: workers * counters_bytes(spec),
            kinds,
            budget_mib: spec.memory.budget_mib,
        }
    }

    /// All of it.
    pub fn total_bytes(&self) -> usize {
        self.frames_bytes
            + self.sessions_bytes
            + self.buffers_bytes
            + self.resting_bytes
            + self.counters_bytes
    }

    /// What a session with TLS holds beside, which is in no total, in bytes.
    pub const fn tls_bytes_each(&self) -> usize {
        TLS_SESSION_BYTES
    }
}

/// What the flow tables of one worker, whose numbers of buckets are powers of two, have beyond the two places of each
/// session that its own bytes count.
fn rounding_bytes(kinds: &[KindEstimate], workers: usize) -> usize {
    let sessions = |tcp: bool| -> usize {
        let those = kinds.iter().filter(|of| (of.kind != Kind::Udp) == tcp);
        those.map(|of| of.sessions / workers.max(1)).sum()
    };
    let beyond = |sessions: usize| map(2 * sessions).saturating_sub(sessions * 2 * PLACE_BYTES);
    beyond(sessions(true)) + beyond(sessions(false))
}

/// A flow table for so many places.
fn map(places: usize) -> usize {
    (places * 2 / BUCKET_PLACES).next_power_of_two() * BUCKET_BYTES
}

/// Tables of one worker for what rests.
fn resting_bytes(spec: &BootSpec) -> usize {
    let (tcp, udp) = (spec.tcp.resting(), spec.udp.resting());
    tcp * (TIME_WAIT_BYTES + USED_PORT_BYTES) + 2 * map(tcp) + udp * USED_PORT_BYTES + map(udp)
}

fn counters_bytes(spec: &BootSpec) -> usize {
    let MemorySpec { app_counters, rule_counters, .. } = spec.memory;
    FIXED_BYTES + app_counters * APP_COUNTER_BYTES + rule_counters * RULE_COUNTER_BYTES
}

impl fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        write!(
            f,
            "up to {} MiB with every table full (frames {}, sessions {}, their buffers {}, tuples at rest {}, counters {}):",
            mib(self.total_bytes()),
            mib(self.frames_bytes),
            mib(self.sessions_bytes),
            mib(self.buffers_bytes),
            mib(self.resting_bytes),
            mib(self.counters_bytes)
        )?;
        for (nth, KindEstimate { kind, sessions, bytes_each }) in self.kinds.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma} {sessions} {} of {bytes_each} bytes", kind.name())?;
        }
        self.budget_mib.map_or(Ok(()), |mib| write!(f, "; the budget is {mib} MiB"))?;
        write!(f, "; not in it: up to {} bytes of a session with TLS", self.tls_bytes_each())
    }
}

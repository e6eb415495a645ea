//! Places of apps, frozen: one hash map for single ports, sorted runs for ranges.
//!
//! ```text
//!  map    (address, protocol, port) -> app, or GONE          one probe: what most frames need
//!         (address, 0, 0)           -> run, NO_RUN or GONE   the address has an app; where its ranges are
//!  runs   tcp .. udp .. end                                  places in `ranges`, per address that has any
//!  ranges [first last app] [first last app] ...              per address: TCP's, then UDP's, each by first port
//! ```
//!
//! A range is one entry, whatever it spans. It costs a second probe and a binary search among the ranges of its own
//! address and protocol: at most 15 steps, since ranges do not overlap and one of a single port is no range here.
//! `GONE` is in layers over another one alone (`edges`).

use super::edges::Edge;
use crate::base::frozen_map::{Crowded, FrozenKey, FrozenMap, WideEntry, WideKey};
use crate::base::{Addr, AppSlot};
use crate::wire::Protocol;

/// An address that has apps and no ranges.
const NO_RUN: u32 = u32::MAX;
/// What the layer below says of this is over.
pub(super) const GONE: u32 = u32::MAX - 1;

/// A frozen layer.
#[derive(Debug)]
pub(super) struct Layer {
    map: FrozenMap<WideKey>,
    runs: Box<[Run]>,
    ranges: Box<[Range]>,
}

/// Where the ranges of one address are.
#[derive(Clone, Copy, Debug)]
struct Run {
    tcp: u32,
    udp: u32,
    end: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first: u16,
    last: u16,
    app: u32,
}

/// What a layer is frozen from.
#[derive(Default)]
pub(super) struct Draft {
    entries: Vec<WideEntry>,
    runs: Vec<Run>,
    ranges: Vec<Range>,
}

impl Draft {
    /// A single port's app, or `None`: it is gone.
    pub fn single(&mut self, key: WideKey, app: Option<AppSlot>) {
        self.entries.push(key.entry(app.map_or(GONE, |app| app.0)));
    }

    /// An address that has apps, with its places of more than one port: TCP's first, each by first port.
    pub fn addr(&mut self, addr: Addr, spans: impl IntoIterator<Item = Edge>) {
        let tcp = self.ranges.len() as u32;
        let mut tcp_len = 0;
        self.ranges.extend(spans.into_iter().map(|edge| {
            tcp_len += u32::from(edge.protocol == Protocol::Tcp);
            Range { first: edge.ports.first(), last: edge.ports.last(), app: edge.app.0 }
        }));
        let end = self.ranges.len() as u32;
        let run = if end == tcp { NO_RUN } else { self.runs.len() as u32 };
        if end != tcp {
            self.runs.push(Run { tcp, udp: tcp + tcp_len, end });
        }
        self.entries.push(addr_key(addr).entry(run));
    }

    /// An address that has apps no more.
    pub fn addr_gone(&mut self, addr: Addr) {
        self.entries.push(addr_key(addr).entry(GONE));
    }

    /// What `layer` says of the keys that `keeps` names.
    pub fn carry(&mut self, layer: &Layer, keeps: impl Fn(WideKey) -> bool) {
        for entry in layer.map.entries().filter(|entry| keeps(WideKey::of(entry))) {
            let run = layer.runs.get(WideKey::value(entry) as usize).filter(|_| WideKey::of(entry).tag == 0);
            let Some(run) = run else {
                self.entries.push(*entry);
                continue;
            };
            let moved = self.ranges.len() as u32;
            let to = |at: u32| at - run.tcp + moved;
            self.entries.push(WideKey::of(entry).entry(self.runs.len() as u32));
            self.runs.push(Run { tcp: moved, udp: to(run.udp), end: to(run.end) });
            self.ranges.extend_from_slice(&layer.ranges[run.tcp as usize..run.end as usize]);
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Freezes it. `secret` keys the hash.
    ///
    /// # Errors
    /// `Crowded` when one address, protocol and port repeats.
    pub fn freeze(self, secret: [u64; 2]) -> Result<Layer, Crowded> {
        let map = FrozenMap::build(&self.entries, secret)?;
        Ok(Layer { map, runs: self.runs.into(), ranges: self.ranges.into() })
    }
}

impl Layer {
    /// Of sorted places that do not overlap (the spec made sure). `secret` keys the hash.
    ///
    /// # Errors
    /// See `Draft::freeze`.
    pub fn build(edges: &[Edge], secret: [u64; 2]) -> Result<Self, Crowded> {
        let mut draft = Draft::default();
        draft.entries.reserve(2 * edges.len());
        for here in edges.chunk_by(|one, two| one.addr == two.addr) {
            for edge in here.iter().filter(|edge| edge.ports.is_single()) {
                draft.single(edge_key(edge.addr, edge.protocol, edge.ports.first()), Some(edge.app));
            }
            draft.addr(here[0].addr, here.iter().copied().filter(|edge| !edge.ports.is_single()));
        }
        draft.freeze(secret)
    }

    /// What is said of a key: an app, a run, `NO_RUN` or `GONE`.
    #[inline]
    pub fn find(&self, key: WideKey) -> Option<u32> {
        self.map.find(key)
    }

    /// The app whose range of `run` holds `port`.
    pub fn in_run(&self, run: u32, protocol: Protocol, port: u16) -> Option<AppSlot> {
        let run = self.runs.get(run as usize)?;
        let (from, to) = match protocol {
            Protocol::Tcp => (run.tcp, run.udp),
            Protocol::Udp => (run.udp, run.end),
        };
        let ranges = self.ranges.get(from as usize..to as usize)?;
        let behind = ranges.partition_point(|range| range.first <= port);
        let range = ranges.get(behind.checked_sub(1)?)?;
        (port <= range.last).then_some(AppSlot(range.app))
    }

    /// Whether what is said of an address names ranges.
    pub fn has_ranges(&self, run: u32) -> bool {
        self.runs.get(run as usize).is_some()
    }

    /// All keys of which something is said.
    pub fn keys(&self) -> impl Iterator<Item = WideKey> {
        self.map.entries().map(WideKey::of)
    }

    /// Entries and ranges.
    pub fn len(&self) -> (usize, usize) {
        (self.map.len(), self.ranges.len())
    }
}

/// Where a map holds an app.
#[inline]
pub(super) const fn edge_key(addr: Addr, protocol: Protocol, port: u16) -> WideKey {
    WideKey { bits: addr.bits(), tag: (protocol as u32) << 16 | port as u32 }
}

/// Where a map holds that an address has an app; no protocol has number 0 here.
#[inline]
pub(super) const fn addr_key(addr: Addr) -> WideKey {
    WideKey { bits: addr.bits(), tag: 0 }
}

/// What `edge_key` or `addr_key` was made from.
pub(super) fn place_of(key: WideKey) -> (Addr, Option<(Protocol, u16)>) {
    let (addr, port) = (Addr::from_bits(key.bits), key.tag as u16);
    let protocol =
        [Protocol::Tcp, Protocol::Udp].into_iter().find(|protocol| *protocol as u32 == key.tag >> 16);
    (addr, protocol.map(|protocol| (protocol, port)))
}

//! Edge address, protocol and port -> app: one frozen hash map for single ports, sorted runs for ranges.
//!
//! ```text
//!  map    (address, protocol, port) -> app              one probe: what most frames need
//!         (address, 0, 0)           -> run, or NO_RUN   the address has an app; where its ranges are
//!  runs   tcp .. udp .. end                             places in `ranges`, per address that has any
//!  ranges [first last app] [first last app] ...         per address: TCP's, then UDP's, each by first port
//! ```
//!
//! Most addresses that strangers try have no app; a few bits by a hash of the address tell so before the map is asked.
//!
//! A range is one entry, whatever it spans. It costs a second probe and a binary search among the ranges of its own
//! address and protocol: at most 15 steps, since ranges do not overlap and one of a single port is no range here.

use super::origin_spec::PortRange;
use crate::base::frozen_map::{Crowded, FrozenKey, FrozenMap, WideKey};
use crate::base::{Addr, AppSlot};
use crate::wire::Protocol;

/// An address that has apps and no ranges.
const NO_RUN: u32 = u32::MAX;

/// One place of an app: an edge address, a protocol and its ports there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Edge {
    pub addr: Addr,
    pub protocol: Protocol,
    pub ports: PortRange,
    pub app: AppSlot,
}

/// All places of all apps.
#[derive(Debug)]
pub(super) struct Edges {
    map: FrozenMap<WideKey>,
    addrs: AddrSet,
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

#[derive(Clone, Copy, Debug)]
struct Range {
    first: u16,
    last: u16,
    app: u32,
}

impl Edges {
    /// Builds from places that do not overlap (the spec made sure). `secret` keys the hash.
    ///
    /// # Errors
    /// `Crowded` when one address, protocol and port repeats.
    pub fn build(mut edges: Vec<Edge>, secret: [u64; 2]) -> Result<Self, Crowded> {
        edges.sort_unstable();
        let (mut entries, mut runs, mut ranges) = (Vec::with_capacity(edges.len()), Vec::new(), Vec::new());
        for here in edges.chunk_by(|one, two| one.addr == two.addr) {
            let (singles, spans): (Vec<&Edge>, Vec<&Edge>) =
                here.iter().partition(|edge| edge.ports.is_single());
            let single =
                |edge: &&Edge| edge_key(edge.addr, edge.protocol, edge.ports.first()).entry(edge.app.0);
            entries.extend(singles.iter().map(single));
            let run = if spans.is_empty() { NO_RUN } else { runs.len() as u32 };
            entries.push(addr_key(here[0].addr).entry(run));
            if spans.is_empty() {
                continue;
            }
            let tcp = ranges.len() as u32;
            let udp = tcp + spans.iter().filter(|edge| edge.protocol == Protocol::Tcp).count() as u32;
            ranges.extend(spans.iter().map(|edge| Range {
                first: edge.ports.first(),
                last: edge.ports.last(),
                app: edge.app.0,
            }));
            runs.push(Run { tcp, udp, end: ranges.len() as u32 });
        }
        let addrs = AddrSet::new(edges.chunk_by(|one, two| one.addr == two.addr).map(|here| here[0].addr));
        let (map, runs, ranges) = (FrozenMap::build(&entries, secret)?, runs.into(), ranges.into());
        Ok(Self { map, addrs, runs, ranges })
    }

    /// The app there, where the port is a single one: one probe.
    #[inline]
    pub fn find_single(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        self.map.find(edge_key(addr, protocol, port)).map(AppSlot)
    }

    /// The app there, where the port lies in a range.
    pub fn find_range(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        if !self.addrs.may_hold(addr) {
            return None;
        }
        let run = self.runs.get(self.map.find(addr_key(addr))? as usize)?;
        let (from, to) = match protocol {
            Protocol::Tcp => (run.tcp, run.udp),
            Protocol::Udp => (run.udp, run.end),
        };
        let ranges = self.ranges.get(from as usize..to as usize)?;
        let behind = ranges.partition_point(|range| range.first <= port);
        let range = ranges.get(behind.checked_sub(1)?)?;
        (port <= range.last).then_some(AppSlot(range.app))
    }

    /// Whether an app has this address.
    #[inline]
    pub fn has_app(&self, addr: Addr) -> bool {
        self.may_have_app(addr) && self.map.find(addr_key(addr)).is_some()
    }

    /// Whether an app may have this address: one load, wrong in a case of eight at most.
    #[inline(always)]
    pub fn may_have_app(&self, addr: Addr) -> bool {
        self.addrs.may_hold(addr)
    }
}

/// Bits for each address of an `AddrSet`.
const BITS_PER_ADDR: usize = 8;

/// The addresses with apps, a bit each by a hash.
#[derive(Debug)]
struct AddrSet {
    words: Box<[u64]>,
    shift: u32,
}

impl AddrSet {
    fn new(addrs: impl Iterator<Item = Addr> + Clone) -> Self {
        let bits = (addrs.clone().count() * BITS_PER_ADDR).next_power_of_two().max(64);
        let mut set = Self { words: vec![0; bits / 64].into(), shift: 64 - bits.trailing_zeros() };
        for addr in addrs {
            let (word, bit) = set.place(addr);
            set.words[word] |= 1 << bit;
        }
        set
    }

    #[inline(always)]
    fn may_hold(&self, addr: Addr) -> bool {
        let (word, bit) = self.place(addr);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// By Fibonacci hashing: operators choose the addresses, so nobody can crowd them.
    #[inline(always)]
    fn place(&self, addr: Addr) -> (usize, u32) {
        let bits = addr.bits();
        let mixed = (bits as u64 ^ ((bits >> 64) as u64).rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bit = mixed >> self.shift;
        ((bit >> 6) as usize, bit as u32 & 63)
    }
}

/// Where the map holds an app.
#[inline]
const fn edge_key(addr: Addr, protocol: Protocol, port: u16) -> WideKey {
    WideKey { bits: addr.bits(), tag: (protocol as u32) << 16 | port as u32 }
}

/// Where the map holds that an address has an app; no protocol has number 0 here.
#[inline]
const fn addr_key(addr: Addr) -> WideKey {
    WideKey { bits: addr.bits(), tag: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(last: u8, protocol: Protocol, (first, end): (u16, u16), app: u32) -> Edge {
        let ports = PortRange::new(first, end).expect("a range");
        Edge { addr: Addr::v4([198, 51, 100, last]), protocol, ports, app: AppSlot(app) }
    }

    #[test]
    fn every_port_of_a_range_is_found_and_none_beside_it() {
        let edges = vec![
            edge(1, Protocol::Tcp, (1000, 2000), 1),
            edge(1, Protocol::Tcp, (2001, 2001), 2),
            edge(1, Protocol::Tcp, (2002, 65_535), 3),
            edge(1, Protocol::Udp, (1, 1000), 4),
            edge(1, Protocol::Udp, (1002, 1003), 5),
            edge(2, Protocol::Udp, (53, 53), 6),
        ];
        let table = Edges::build(edges.clone(), [1, 2]).expect("nothing repeats");
        assert_eq!((table.ranges.len(), table.runs.len(), table.map.len()), (4, 1, 4));
        for last in 1..=3 {
            let addr = Addr::v4([198, 51, 100, last]);
            assert_eq!(table.has_app(addr), last < 3);
            for (protocol, port) in
                [Protocol::Tcp, Protocol::Udp].into_iter().flat_map(|p| (0..=u16::MAX).map(move |n| (p, n)))
            {
                let here = |edge: &&Edge| {
                    edge.addr == addr
                        && edge.protocol == protocol
                        && (edge.ports.first()..=edge.ports.last()).contains(&port)
                };
                let naive = edges.iter().find(here).map(|edge| edge.app);
                let single = table.find_single(addr, protocol, port);
                assert_eq!(
                    single.or_else(|| table.find_range(addr, protocol, port)),
                    naive,
                    "{protocol:?} {port}"
                );
            }
        }
    }
}

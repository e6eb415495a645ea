//! Edge address, protocol and port -> app: a frozen base, and over it what was edited since (`layer` has their shape).
//!
//! ```text
//!  patch    a few hundred edits, frozen anew with each; absent after a compile or a merge      asked first
//!  base     all places as of the last compile or merge, shared by all snapshots since          asked where the patch is silent
//! ```
//!
//! Most addresses that strangers try have no app; a few bits by a hash of the address tell so before the maps are asked.
//! Of single ports the patch speaks one by one, of ranges address by address: it has all ranges of an address that an edit
//! touched.

use super::addr_set::AddrSet;
use super::layer::{Draft, GONE, Layer, addr_key, edge_key, place_of};
use super::origin_spec::PortRange;
use super::place_book::PlaceBook;
use crate::base::frozen_map::{Crowded, WideKey};
use crate::base::limits::{EDGE_EDITS_MAX, EDGE_EDITS_MERGE, RANGE_EDITS_MAX, RANGE_EDITS_MERGE};
use crate::base::{Addr, AppSlot};
use crate::wire::Protocol;
use std::collections::HashSet;
use std::sync::Arc;

/// One place of an app: an edge address, a protocol and its ports there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Edge {
    pub addr: Addr,
    pub protocol: Protocol,
    pub ports: PortRange,
    pub app: AppSlot,
}

/// All places of all apps.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    base: Arc<Layer>,
    patch: Option<Arc<Layer>>,
    addrs: AddrSet,
}

impl Edges {
    /// Builds from sorted places that do not overlap (the spec made sure). `secret` keys the hash.
    ///
    /// # Errors
    /// `Crowded` when one address, protocol and port repeats.
    pub fn build(edges: &[Edge], secret: [u64; 2]) -> Result<Self, Crowded> {
        let addrs = AddrSet::new(edges.chunk_by(|one, two| one.addr == two.addr).map(|here| here[0].addr));
        Ok(Self { base: Arc::new(Layer::build(edges, secret)?), patch: None, addrs })
    }

    /// The app there, where the port is a single one: one probe, two while something is edited.
    #[inline]
    pub fn find_single(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        let key = edge_key(addr, protocol, port);
        if let Some(patch) = &self.patch
            && let Some(value) = patch.find(key)
        {
            return (value != GONE).then_some(AppSlot(value));
        }
        self.base.find(key).map(AppSlot)
    }

    /// The app there, where the port lies in a range.
    pub fn find_range(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        if !self.addrs.may_hold(addr) {
            return None;
        }
        let (layer, run) = self.of_addr(addr)?;
        layer.in_run(run, protocol, port)
    }

    /// Whether an app has this address.
    #[inline]
    pub fn has_app(&self, addr: Addr) -> bool {
        self.may_have_app(addr) && self.of_addr(addr).is_some_and(|(_, value)| value != GONE)
    }

    /// Whether an app may have this address: one load, wrong in a case of eight at most.
    #[inline(always)]
    pub fn may_have_app(&self, addr: Addr) -> bool {
        self.addrs.may_hold(addr)
    }

    /// What is said of an address, and by which layer.
    #[inline]
    fn of_addr(&self, addr: Addr) -> Option<(&Layer, u32)> {
        let key = addr_key(addr);
        let patched = self.patch.as_deref().and_then(|patch| Some((patch, patch.find(key)?)));
        patched.or_else(|| Some((&*self.base, self.base.find(key)?)))
    }

    /// The same after `touched` came or went, as `book` has it by now; the base is shared. Costs by the size of the patch.
    ///
    /// # Errors
    /// As `build`.
    pub fn edited(&self, touched: &[Edge], book: &PlaceBook, secret: [u64; 2]) -> Result<Self, Crowded> {
        let addrs = touched.iter().map(|edge| addr_key(edge.addr));
        let singles = touched.iter().filter(|edge| edge.ports.is_single());
        let singles = singles.map(|edge| edge_key(edge.addr, edge.protocol, edge.ports.first()));
        let keys: HashSet<WideKey> = addrs.chain(singles).collect();
        let mut draft = Draft::default();
        if let Some(patch) = &self.patch {
            draft.carry(patch, |key| !keys.contains(&key));
        }
        keys.into_iter().for_each(|key| say(&mut draft, key, (&self.base, book)));
        let addrs = self.addrs.and(touched.iter().map(|edge| edge.addr));
        Ok(Self { base: self.base.clone(), patch: frozen(draft, secret)?, addrs })
    }

    /// This one, as `book` has it by now, over the base of `merged`; `None` where `since`, of which that was made, had
    /// another base.
    ///
    /// # Errors
    /// As `build`.
    pub fn rebased(
        &self,
        (merged, since): (&Self, &Self),
        book: &PlaceBook,
        secret: [u64; 2],
    ) -> Result<Option<Self>, Crowded> {
        if !Arc::ptr_eq(&self.base, &since.base) {
            return Ok(None);
        }
        // What was edited before the merge began and taken back since is in no patch of today's, and in the new base.
        let patches = [&self.patch, &since.patch].into_iter().flatten();
        let keys: HashSet<WideKey> = patches.flat_map(|patch| patch.keys()).collect();
        let mut draft = Draft::default();
        keys.iter().for_each(|key| say(&mut draft, *key, (&merged.base, book)));
        let addrs = keys.iter().map(|key| place_of(*key).0).filter(|addr| book.has_app(*addr));
        let addrs = merged.addrs.and(addrs);
        Ok(Some(Self { base: merged.base.clone(), patch: frozen(draft, secret)?, addrs }))
    }

    /// Whether nothing is edited.
    pub const fn is_whole(&self) -> bool {
        self.patch.is_none()
    }

    /// How much is edited.
    pub fn fill(&self) -> Fill {
        let (entries, ranges) = self.patch.as_ref().map_or((0, 0), |patch| patch.len());
        if entries >= EDGE_EDITS_MAX || ranges >= RANGE_EDITS_MAX {
            Fill::Full
        } else if entries >= EDGE_EDITS_MERGE || ranges >= RANGE_EDITS_MERGE {
            Fill::Much
        } else {
            Fill::Little
        }
    }
}

/// How much of a table is edited since it was compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// So little that nobody need care.
    Little,
    /// So much that it is to be merged.
    Much,
    /// So much that no further edit is taken.
    Full,
}

/// Says of `key` what `book` knows, where `base` says something else.
fn say(draft: &mut Draft, key: WideKey, (base, book): (&Layer, &PlaceBook)) {
    let (addr, port) = place_of(key);
    let known = base.find(key);
    match port {
        Some((protocol, port)) => {
            let app = book.single((addr, protocol, port));
            if known != app.map(|app| app.0) {
                draft.single(key, app);
            }
        }
        None if book.has_app(addr) => {
            let mut spans = book.spans(addr).peekable();
            // Ranges are not compared: where there are any, they are said again.
            if known.is_none_or(|run| base.has_ranges(run)) || spans.peek().is_some() {
                draft.addr(addr, spans);
            }
        }
        None if known.is_some() => draft.addr_gone(addr),
        None => {}
    }
}

fn frozen(draft: Draft, secret: [u64; 2]) -> Result<Option<Arc<Layer>>, Crowded> {
    if draft.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(draft.freeze(secret)?)))
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
        let table = Edges::build(&edges, [1, 2]).expect("nothing repeats");
        assert_eq!(table.base.len(), (4, 4));
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

    #[test]
    fn what_comes_and_goes_again_leaves_no_patch() {
        let edges = [edge(1, Protocol::Tcp, (80, 80), 1), edge(1, Protocol::Tcp, (90, 99), 2)];
        let base = Edges::build(&edges, [1, 2]).expect("nothing repeats");
        let mut book = PlaceBook::new(&edges);
        let new = edge(2, Protocol::Udp, (53, 53), 3);
        book.insert(&new).expect("free");
        let edited = base.edited(&[new], &book, [1, 2]).expect("nothing repeats");
        assert!(edited.has_app(new.addr) && !base.has_app(new.addr) && !edited.is_whole());
        book.remove(&new);
        let again = edited.edited(&[new], &book, [1, 2]).expect("nothing repeats");
        assert!(again.is_whole() && !again.has_app(new.addr));
        // The last place of an address goes: its ranges must not be found in the base.
        book.remove(&edges[1]);
        let less = again.edited(&[edges[1]], &book, [1, 2]).expect("nothing repeats");
        assert_eq!((less.find_range(new.addr, Protocol::Tcp, 95), less.has_app(edges[0].addr)), (None, true));
        assert_eq!(less.find_range(edges[1].addr, Protocol::Tcp, 95), None);
        assert_eq!(less.find_single(edges[0].addr, Protocol::Tcp, 80), Some(AppSlot(1)));
    }

    #[test]
    fn a_patch_says_how_full_it_is() {
        let base = Edges::build(&[], [1, 2]).expect("nothing cannot crowd");
        let (mut book, mut fill) = (PlaceBook::default(), Vec::new());
        for count in [10, EDGE_EDITS_MERGE, EDGE_EDITS_MAX] {
            let port = |at: usize| (1 + (at % 60_000) as u16, 1 + (at % 60_000) as u16);
            let many: Vec<Edge> = (0..count)
                .map(|at| edge(1 + (at / 60_000) as u8, Protocol::Tcp, port(at), at as u32))
                .collect();
            for edge in &many {
                // Those of the round before are there already.
                let _ = book.insert(edge);
            }
            fill.push(base.edited(&many, &book, [1, 2]).expect("nothing repeats").fill());
        }
        assert_eq!(fill, [Fill::Little, Fill::Much, Fill::Full]);
    }
}

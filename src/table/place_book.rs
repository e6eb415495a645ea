//! Who has which edge address, protocol and ports, sorted: what control edits, and what the hash maps of workers are made
//! from and held against. Workers never ask it. Copies share what did not change.

use super::edges::Edge;
use super::origin_spec::PortRange;
use crate::base::frozen_map::Crowded;
use crate::base::{Addr, AppSlot, SharedMap};
use crate::wire::Protocol;

/// Address, protocol and first port.
type Place = (Addr, Protocol, u16);

/// All places of all apps in force.
#[derive(Clone, Debug, Default)]
pub(super) struct PlaceBook {
    /// Of one port.
    singles: SharedMap<Place, AppSlot>,
    /// Of more, with the last port.
    spans: SharedMap<Place, (u16, AppSlot)>,
}

impl PlaceBook {
    /// Of sorted places; of two at one address, protocol and first port the first counts.
    pub fn new(edges: &[Edge]) -> Self {
        let (mut singles, mut spans) = (Vec::with_capacity(edges.len()), Vec::new());
        for edge in edges {
            match edge.ports.is_single() {
                true => singles.push((place(edge), edge.app)),
                false => spans.push((place(edge), (edge.ports.last(), edge.app))),
            }
        }
        singles.dedup_by_key(|(place, _)| *place);
        spans.dedup_by_key(|(place, _)| *place);
        Self { singles: SharedMap::from_sorted(singles), spans: SharedMap::from_sorted(spans) }
    }

    /// Puts a place in.
    ///
    /// # Errors
    /// `Crowded` where another one of as many ports, one or more, is there already.
    pub fn insert(&mut self, edge: &Edge) -> Result<(), Crowded> {
        let (place, last) = (place(edge), edge.ports.last());
        let taken = if edge.ports.is_single() {
            self.singles.insert(place, edge.app).is_some()
        } else {
            let within = |found: Option<(&Place, u16)>| {
                found.is_some_and(|(at, end)| {
                    (at.0, at.1) == (place.0, place.1) && at.2 <= last && end >= place.2
                })
            };
            let before = self.spans.before(&place).map(|(at, (end, _))| (at, *end));
            let behind = self.spans.iter_from(&place).next().map(|(at, (end, _))| (at, *end));
            let taken = within(before) || within(behind);
            self.spans.insert(place, (last, edge.app));
            taken
        };
        if taken { Err(Crowded) } else { Ok(()) }
    }

    /// Takes a place away.
    pub fn remove(&mut self, edge: &Edge) {
        if edge.ports.is_single() {
            self.singles.remove(&place(edge));
        } else {
            self.spans.remove(&place(edge));
        }
    }

    /// The app of a place of one port.
    pub fn single(&self, place: Place) -> Option<AppSlot> {
        self.singles.get(&place).copied()
    }

    /// The places of more than one port at an address, TCP's first.
    pub fn spans(&self, addr: Addr) -> impl Iterator<Item = Edge> {
        let here = self.spans.iter_from(&(addr, Protocol::Tcp, 0)).map(span);
        here.take_while(move |edge| edge.addr == addr)
    }

    /// Whether an address has any place.
    pub fn has_app(&self, addr: Addr) -> bool {
        let from = (addr, Protocol::Tcp, 0);
        let single = self.singles.iter_from(&from).next().is_some_and(|(place, _)| place.0 == addr);
        single || self.spans(addr).next().is_some()
    }

    /// The app at a port, whatever kind of place it has there.
    pub fn find(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        self.single((addr, protocol, port)).or_else(|| {
            let at = (addr, protocol, port);
            let here = self.spans.get(&at).map(|(last, app)| (at, *last, *app));
            let (from, last, app) =
                here.or_else(|| self.spans.before(&at).map(|(from, (last, app))| (*from, *last, *app)))?;
            ((from.0, from.1) == (addr, protocol) && port <= last).then_some(app)
        })
    }

    /// All places, sorted by address.
    pub fn edges(&self) -> Vec<Edge> {
        let singles = self.singles.iter().filter_map(|((addr, protocol, port), app)| {
            Some(Edge { addr: *addr, protocol: *protocol, ports: PortRange::one(*port)?, app: *app })
        });
        let mut edges: Vec<Edge> = singles.chain(self.spans.iter().map(span)).collect();
        edges.sort_unstable();
        edges
    }
}

fn place(edge: &Edge) -> Place {
    (edge.addr, edge.protocol, edge.ports.first())
}

fn span((place, (last, app)): (&Place, &(u16, AppSlot))) -> Edge {
    let (addr, protocol, first) = *place;
    let ports = PortRange::new(first, *last).expect("it was a range when it was put in");
    Edge { addr, protocol, ports, app: *app }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge((first, last): (u16, u16), app: u32) -> Edge {
        let ports = PortRange::new(first, last).expect("a range");
        Edge { addr: Addr::v4([198, 51, 100, 1]), protocol: Protocol::Tcp, ports, app: AppSlot(app) }
    }

    #[test]
    fn a_place_that_overlaps_another_is_refused_and_one_beside_it_is_not() {
        let book = PlaceBook::new(&[edge((5, 5), 1), edge((10, 20), 2), edge((30, 40), 3)]);
        for (ports, is_taken) in [
            ((5, 5), true),
            ((6, 9), false),
            ((6, 10), true),
            ((20, 21), true),
            ((21, 29), false),
            ((21, 30), true),
            ((12, 15), true),
            ((9, 50), true),
            ((41, 42), false),
        ] {
            assert_eq!(book.clone().insert(&edge(ports, 9)).is_err(), is_taken, "{ports:?}");
        }
        let mut book = book;
        book.remove(&edge((10, 20), 2));
        assert_eq!(book.insert(&edge((9, 29), 4)), Ok(()));
        let at = |port| book.find(Addr::v4([198, 51, 100, 1]), Protocol::Tcp, port).map(|app| app.0);
        assert_eq!([5, 8, 9, 29, 30, 41].map(at), [Some(1), None, Some(4), Some(4), Some(3), None]);
        assert_eq!(book.edges(), [edge((5, 5), 1), edge((9, 29), 4), edge((30, 40), 3)]);
    }
}

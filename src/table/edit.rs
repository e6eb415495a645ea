//! A few apps of a table put in the place of others: only they are made anew, everything else is shared.

use super::compile::{Placed, lower};
use super::edges::{Edge, Edges, Fill};
use super::lookup::Table;
use super::origin_book::OriginBook;
use crate::base::frozen_map::Crowded;
use crate::base::{Addr, AppSlot};
use crate::wire::Protocol;
use std::sync::Arc;

/// One app in the place of another, or one of the two is none.
#[derive(Clone, Copy, Debug)]
pub struct AppTurn<'a> {
    /// What was in force.
    pub old: Option<Placed<'a>>,
    /// What is to be.
    pub new: Option<Placed<'a>>,
}

/// The places of a table with all edits in a base of their own.
#[derive(Debug)]
pub struct MergedPlaces {
    since: Edges,
    edges: Result<Edges, Crowded>,
}

impl Table {
    /// The table after `turns`. Costs by their number, and by how much was edited since the last compile or merge.
    ///
    /// # Errors
    /// `Crowded` where a place is another app's (the spec refuses that).
    pub fn edited(
        &self,
        turns: &[AppTurn<'_>],
        origins: &OriginBook,
        secret: [u64; 2],
    ) -> Result<Self, Crowded> {
        let (mut book, mut touched) = (self.book.clone(), Vec::new());
        let edges = |placed: &Option<Placed<'_>>| {
            let mut edges: Vec<Edge> = placed.iter().flat_map(Placed::edges).collect();
            edges.sort_unstable();
            edges
        };
        let moved = turns.iter().map(|turn| (edges(&turn.old), edges(&turn.new)));
        let moved: Vec<_> = moved.filter(|(old, new)| old != new).collect();
        for edge in moved.iter().flat_map(|(old, _)| old) {
            book.remove(edge);
            touched.push(*edge);
        }
        for edge in moved.iter().flat_map(|(_, new)| new) {
            book.insert(edge)?;
            touched.push(*edge);
        }
        let edges = match touched.is_empty() {
            true => self.edges.clone(),
            false => self.edges.edited(&touched, &book, secret)?,
        };
        let gone = turns.iter().filter_map(|turn| Some((turn.old?.slot, None)));
        let made = turns.iter().filter_map(|turn| {
            let placed = turn.new?;
            let app = lower(&placed, origins.origins(placed.spec, &self.prefixes));
            Some((placed.slot, Some(Arc::new(app))))
        });
        let apps = self.apps.with(gone.chain(made));
        Ok(Self { prefixes: self.prefixes.clone(), apps, edges, book })
    }

    /// How much is edited since the last compile or merge.
    pub fn fill(&self) -> Fill {
        self.edges.fill()
    }

    /// Whether no edit lies over the compiled places.
    pub fn is_whole(&self) -> bool {
        self.edges.is_whole()
    }

    /// The work of putting all edits into a base of their own, for a thread beside the road. Takes as long as a compile.
    pub fn merge_job(&self, secret: [u64; 2]) -> impl FnOnce() -> MergedPlaces + Send + use<> {
        let (since, book) = (self.edges.clone(), self.book.clone());
        move || MergedPlaces { edges: Edges::build(&book.edges(), secret), since }
    }

    /// This table over the base of `merged`, with what was edited meanwhile; `None` when everything was compiled anew
    /// meanwhile.
    ///
    /// # Errors
    /// See `Edges::build`.
    pub fn rebased(&self, merged: MergedPlaces, secret: [u64; 2]) -> Result<Option<Self>, Crowded> {
        let over = merged.edges?;
        let edges = self.edges.rebased((&over, &merged.since), &self.book, secret)?;
        let (prefixes, apps, book) = (self.prefixes.clone(), self.apps.clone(), self.book.clone());
        Ok(edges.map(|edges| Self { prefixes, apps, edges, book }))
    }

    /// Who has a port of an address by the sorted book that edits are made from: what the maps that workers ask are held
    /// against.
    pub fn booked(&self, addr: Addr, protocol: Protocol, port: u16) -> Option<AppSlot> {
        self.book.find(addr, protocol, port)
    }

    /// Whether an address has an app by that book.
    pub fn booked_addr(&self, addr: Addr) -> bool {
        self.book.has_app(addr)
    }
}

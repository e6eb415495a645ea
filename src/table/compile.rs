//! Apps in force and prefixes -> the frozen table.

use super::app_spec::AppSpec;
use super::edges::{Edge, Edges};
use super::lookup::{App, Table};
use super::origin_book::{OriginBook, Origins};
use super::place_book::PlaceBook;
use super::prefix_map::PrefixMap;
use crate::base::frozen_map::Crowded;
use crate::base::{AccountSlot, Addr, AppSlot, SlotPages, ZoneSlot};
use std::sync::Arc;

/// An app in force and its places.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The app.
    pub spec: &'a AppSpec,
    /// Its edge addresses: static ones, or those that it was given.
    pub addrs: &'a [Addr],
    /// Its place in counters.
    pub slot: AppSlot,
    /// Its account's place in the snapshot.
    pub account: AccountSlot,
    /// Its zone's place in the snapshot.
    pub zone: ZoneSlot,
}

/// Compiles `apps`, all of them in force, with the origins that `origins` knows. `secret` keys the hash.
///
/// # Errors
/// `Crowded` when one address, protocol and port repeats (the spec refuses that).
pub fn compile(
    prefixes: Arc<PrefixMap>,
    apps: &[Placed<'_>],
    origins: &OriginBook,
    secret: [u64; 2],
) -> Result<Table, Crowded> {
    let mut edges: Vec<Edge> = apps.iter().flat_map(Placed::edges).collect();
    edges.sort_unstable();
    let book = PlaceBook::new(&edges);
    let edges = Edges::build(&edges, secret)?;
    let lowered = apps
        .iter()
        .map(|placed| (placed.slot, Arc::new(lower(placed, origins.origins(placed.spec, &prefixes)))));
    let apps = SlotPages::new(lowered);
    Ok(Table { prefixes, apps, edges, book })
}

impl Placed<'_> {
    /// All places of the app.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> + '_ {
        let (edge, app) = (self.spec.edge, self.slot);
        self.addrs.iter().map(move |&addr| Edge { addr, protocol: edge.protocol, ports: edge.ports, app })
    }
}

impl Table {
    /// The same table with these origins for these apps; everything else is shared.
    pub fn with_origins(&self, changes: Vec<(AppSlot, Origins)>) -> Self {
        let changes = changes.into_iter().filter_map(|(slot, origins)| {
            let Origins { list, weights, none } = origins;
            let app = App { origins: list, weights, no_origin: none, ..App::clone(self.app(slot)?) };
            Some((slot, Some(Arc::new(app))))
        });
        Self {
            prefixes: self.prefixes.clone(),
            apps: self.apps.with(changes),
            edges: self.edges.clone(),
            book: self.book.clone(),
        }
    }
}

pub(super) fn lower(placed: &Placed<'_>, origins: Origins) -> App {
    let spec = placed.spec;
    App {
        slot: placed.slot,
        id: spec.id,
        name: spec.dns.name.as_str().into(),
        account: placed.account,
        limits: spec.limits,
        zone: placed.zone,
        protocol: spec.edge.protocol,
        ports: spec.edge.ports,
        ip_firewall: spec.ip_firewall,
        proxy_protocol: spec.proxy_protocol,
        udp: spec.udp,
        tls: spec.tls,
        origins: origins.list,
        weights: origins.weights,
        no_origin: origins.none,
    }
}

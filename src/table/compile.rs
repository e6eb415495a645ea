//! Apps in force and prefixes -> the frozen table.

use super::app_spec::AppSpec;
use super::edges::{Edge, Edges};
use super::lookup::{App, Table};
use super::origin_book::{OriginBook, Origins};
use super::prefix_map::PrefixMap;
use crate::base::frozen_map::Crowded;
use crate::base::{AccountSlot, Addr, AppSlot, ZoneSlot};
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

/// Compiles `apps`, all of them in force, with the origins that `book` knows. `secret` keys the hash.
///
/// # Errors
/// `Crowded` when one address, protocol and port repeats (the spec refuses that).
pub fn compile(
    prefixes: Arc<PrefixMap>,
    apps: &[Placed<'_>],
    book: &OriginBook,
    secret: [u64; 2],
) -> Result<Table, Crowded> {
    let edges = apps.iter().flat_map(|placed| {
        let (edge, app) = (placed.spec.edge, placed.slot);
        placed.addrs.iter().map(move |&addr| Edge { addr, protocol: edge.protocol, ports: edge.ports, app })
    });
    let edges = Arc::new(Edges::build(edges.collect(), secret)?);
    let high = apps.iter().map(|placed| placed.slot.index() + 1).max().unwrap_or(0);
    let mut by_slot: Vec<Option<Arc<App>>> = (0..high).map(|_| None).collect();
    for placed in apps {
        let origins = book.origins(placed.spec, &prefixes);
        by_slot[placed.slot.index()] = Some(Arc::new(lower(placed, origins)));
    }
    Ok(Table { prefixes, apps: by_slot.into_boxed_slice(), edges })
}

impl Table {
    /// The same table with these origins for these apps; everything else is shared. Takes the time of copying a pointer
    /// for each app.
    pub fn with_origins(&self, changes: Vec<(AppSlot, Origins)>) -> Self {
        let mut apps = self.apps.clone();
        for (slot, origins) in changes {
            if let Some(app) = apps.get_mut(slot.index()).and_then(Option::as_mut) {
                let Origins { list, weights, none } = origins;
                *app = Arc::new(App { origins: list, weights, no_origin: none, ..App::clone(app) });
            }
        }
        Self { prefixes: self.prefixes.clone(), apps, edges: self.edges.clone() }
    }
}

fn lower(placed: &Placed<'_>, origins: Origins) -> App {
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

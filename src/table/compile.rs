//! Apps in force and prefixes -> the frozen table.

use super::app_spec::AppSpec;
use super::edges::{Edge, Edges};
use super::lookup::{App, Table};
use super::origin_spec::OriginSpec;
use super::prefix_map::PrefixMap;
use crate::base::frozen_map::Crowded;
use crate::base::{AccountSlot, Addr, AppSlot, Endpoint, ZoneSlot};
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

/// Compiles `apps`, all of them in force. `secret` keys the hash.
///
/// # Errors
/// `Crowded` when one address, protocol and port repeats (the spec refuses that).
pub fn compile(prefixes: Arc<PrefixMap>, apps: &[Placed<'_>], secret: [u64; 2]) -> Result<Table, Crowded> {
    let edges = apps.iter().flat_map(|placed| {
        let (edge, app) = (placed.spec.edge, placed.slot);
        placed.addrs.iter().map(move |&addr| Edge { addr, protocol: edge.protocol, ports: edge.ports, app })
    });
    let edges = Arc::new(Edges::build(edges.collect(), secret)?);
    let high = apps.iter().map(|placed| placed.slot.index() + 1).max().unwrap_or(0);
    let mut by_slot: Vec<Option<App>> = (0..high).map(|_| None).collect();
    for placed in apps {
        by_slot[placed.slot.index()] = Some(lower(placed));
    }
    Ok(Table { prefixes, apps: by_slot.into_boxed_slice(), edges })
}

fn lower(placed: &Placed<'_>) -> App {
    let spec = placed.spec;
    App {
        slot: placed.slot,
        id: spec.id,
        name: spec.dns.name.as_str().into(),
        account: placed.account,
        zone: placed.zone,
        protocol: spec.edge.protocol,
        ports: spec.edge.ports,
        ip_firewall: spec.ip_firewall,
        proxy_protocol: spec.proxy_protocol,
        tls: spec.tls,
        origins: origins(&spec.origin),
    }
}

fn origins(origin: &OriginSpec) -> Box<[Endpoint]> {
    match origin {
        OriginSpec::Direct(entries) => entries.iter().map(|entry| entry.endpoint()).collect(),
        OriginSpec::Dns { .. } => Box::default(),
    }
}

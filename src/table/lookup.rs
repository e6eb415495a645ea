//! The compiled table: edge address, protocol and port -> app.
//!
//! A frame of an app costs one probe of one frozen hash map, whatever the number of apps and prefixes: an edge address
//! always lies in an onboarded prefix (the spec made sure), so the prefix is asked for only when there is no app, to
//! name the drop. The same map holds each edge address once more under tag 0, for ICMP echo and for that naming.
//! Measured (`tests/bench/lookup.rs` under callgrind): 60 instructions to find an app among 10 as among 100,000, and 248
//! to find that there is none.

use super::app_spec::{AppId, ProxyProtocol, TlsMode};
use super::origin_spec::PortRange;
use super::prefix_map::PrefixMap;
use crate::base::frozen_map::{FrozenMap, WideKey};
use crate::base::{AccountSlot, Addr, AppSlot, DropReason, Endpoint, ZoneSlot};
use crate::wire::Protocol;
use std::sync::Arc;

/// An app in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its place in counters, the same over reloads.
    pub slot: AppSlot,
    /// Its id.
    pub id: AppId,
    /// Its host name.
    pub name: Box<str>,
    /// Its account: who shares its limits.
    pub account: AccountSlot,
    /// Its zone: the scope of access rules.
    pub zone: ZoneSlot,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its port at the edge.
    pub ports: PortRange,
    /// Whether access rules are asked.
    pub ip_firewall: bool,
    /// What the origin is told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// Who speaks TLS.
    pub tls: TlsMode,
    /// Where its connections go: at least one.
    pub origins: Box<[Endpoint]>,
}

/// Prefixes and apps, frozen.
#[derive(Debug)]
pub struct Table {
    pub(super) prefixes: Arc<PrefixMap>,
    /// By slot; holes are apps of other snapshots.
    pub(super) apps: Box<[Option<App>]>,
    pub(super) edges: FrozenMap<WideKey>,
}

impl Table {
    /// No prefix and no app.
    pub fn empty() -> Self {
        let edges = FrozenMap::build(&[], [0; 2]).expect("nothing cannot crowd");
        Self { prefixes: Arc::new(PrefixMap::empty()), apps: Box::default(), edges }
    }

    /// The app that `dst`, `protocol` and `port` belong to.
    ///
    /// # Errors
    /// `NoPrefix`, `NoApp`, `WrongProtocol`, `NoAppPort`: why there is none.
    #[inline]
    pub fn find(&self, dst: Addr, protocol: Protocol, port: u16) -> Result<AppSlot, DropReason> {
        match self.edges.find(edge_key(dst, protocol, port)) {
            Some(slot) => Ok(AppSlot(slot)),
            None => Err(self.why_none(dst, protocol, port)),
        }
    }

    #[cold]
    fn why_none(&self, dst: Addr, protocol: Protocol, port: u16) -> DropReason {
        let other = match protocol {
            Protocol::Tcp => Protocol::Udp,
            Protocol::Udp => Protocol::Tcp,
        };
        if !self.covers(dst) {
            DropReason::NoPrefix
        } else if !self.has_app(dst) {
            DropReason::NoApp
        } else if self.edges.find(edge_key(dst, other, port)).is_some() {
            DropReason::WrongProtocol
        } else {
            DropReason::NoAppPort
        }
    }

    /// Whether `addr` lies in an onboarded prefix.
    #[inline]
    pub fn covers(&self, addr: Addr) -> bool {
        self.prefixes.find(addr).is_some()
    }

    /// Whether an app in force has the edge address `addr`.
    #[inline]
    pub fn has_app(&self, addr: Addr) -> bool {
        self.edges.find(addr_key(addr)).is_some()
    }

    /// The app at `slot`; `None` when it is not in this table.
    #[inline]
    pub fn app(&self, slot: AppSlot) -> Option<&App> {
        self.apps.get(slot.index())?.as_ref()
    }

    /// All apps in force, by slot.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.iter().flatten()
    }

    /// The onboarded prefixes.
    pub const fn prefixes(&self) -> &Arc<PrefixMap> {
        &self.prefixes
    }
}

/// Where the map holds an app.
#[inline]
pub(super) const fn edge_key(addr: Addr, protocol: Protocol, port: u16) -> WideKey {
    WideKey { bits: addr.bits(), tag: (protocol as u32) << 16 | port as u32 }
}

/// Where the map holds that an address has an app; no protocol has number 0 here.
#[inline]
pub(super) const fn addr_key(addr: Addr) -> WideKey {
    WideKey { bits: addr.bits(), tag: 0 }
}

//! The compiled table: edge address, protocol and port -> app.
//!
//! A frame of an app costs one probe of one frozen hash map, whatever the number of apps and prefixes (two and a short
//! search in a range of ports, see `edges`): an edge address always lies in an onboarded prefix (the spec made sure),
//! so the prefix is asked for only when there is no app, to name the drop. While edits lie over the compiled places they are
//! asked first, which is one probe more.
//! Measured (`tests/bench/lookup.rs` under callgrind): 60 instructions to find an app among 10 as among 100,000 (before
//! maps were blocks, which cost some eight more).

use super::app_spec::{AppId, ProxyProtocol, TlsMode, UdpOptions};
use super::connection_limits::ConnectionLimits;
use super::edges::Edges;
use super::origin_book::NoOrigin;
use super::origin_spec::PortRange;
use super::place_book::PlaceBook;
use super::prefix_map::PrefixMap;
use crate::base::{AccountSlot, Addr, AppSlot, DropReason, Endpoint, SlotPages, ZoneSlot};
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
    /// Its own limits of connections, where it has some.
    pub limits: Option<ConnectionLimits>,
    /// Its zone: the scope of access rules.
    pub zone: ZoneSlot,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its port or ports at the edge.
    pub ports: PortRange,
    /// Whether access rules are asked.
    pub ip_firewall: bool,
    /// What the origin is told of the client.
    pub proxy_protocol: ProxyProtocol,
    /// What byway's own fields for UDP say.
    pub udp: UdpOptions,
    /// Who speaks TLS.
    pub tls: TlsMode,
    /// Where its connections go; empty while none is known.
    pub origins: Box<[Endpoint]>,
    /// The weight of each; empty where all weigh the same.
    pub weights: Box<[u16]>,
    /// Why there is no origin, where `origins` is empty.
    pub no_origin: NoOrigin,
}

/// Prefixes and apps, frozen.
#[derive(Debug)]
pub struct Table {
    pub(super) prefixes: Arc<PrefixMap>,
    /// By slot; holes are apps of other snapshots.
    pub(super) apps: SlotPages<App>,
    pub(super) edges: Edges,
    /// What `edges` says, sorted: control's, for the next edit.
    pub(super) book: PlaceBook,
}

impl Table {
    /// No prefix and no app.
    pub fn empty() -> Self {
        let edges = Edges::build(&[], [0; 2]).expect("nothing cannot crowd");
        let (apps, book) = (SlotPages::default(), PlaceBook::default());
        Self { prefixes: Arc::new(PrefixMap::empty()), apps, edges, book }
    }

    /// The app that `dst`, `protocol` and `port` belong to.
    ///
    /// # Errors
    /// `NoPrefix`, `OtherService`, `NoApp`, `WrongProtocol`, `NoAppPort`: why there is none.
    #[inline]
    pub fn find(&self, dst: Addr, protocol: Protocol, port: u16) -> Result<AppSlot, DropReason> {
        if !self.edges.may_have_app(dst) {
            return Err(self.unused(dst));
        }
        match self.edges.find_single(dst, protocol, port) {
            Some(slot) => Ok(slot),
            None => self.find_range(dst, protocol, port),
        }
    }

    #[inline(never)]
    fn find_range(&self, dst: Addr, protocol: Protocol, port: u16) -> Result<AppSlot, DropReason> {
        self.edges.find_range(dst, protocol, port).ok_or_else(|| self.why_none(dst, protocol, port))
    }

    #[cold]
    fn why_none(&self, dst: Addr, protocol: Protocol, port: u16) -> DropReason {
        let other = match protocol {
            Protocol::Tcp => Protocol::Udp,
            Protocol::Udp => Protocol::Tcp,
        };
        let found = |protocol| {
            let single = self.edges.find_single(dst, protocol, port);
            single.or_else(|| self.edges.find_range(dst, protocol, port))
        };
        if !self.has_app(dst) {
            self.unused(dst)
        } else if found(other).is_some() {
            DropReason::WrongProtocol
        } else {
            DropReason::NoAppPort
        }
    }

    /// Why nothing is at `dst`, an address without an app.
    #[inline]
    pub fn unused(&self, dst: Addr) -> DropReason {
        if !self.covers(dst) {
            DropReason::NoPrefix
        } else if self.prefixes.is_elsewhere(dst) {
            DropReason::OtherService
        } else {
            DropReason::NoApp
        }
    }

    /// Whether `addr` lies in an onboarded prefix.
    #[inline]
    pub fn covers(&self, addr: Addr) -> bool {
        self.prefixes.covers(addr)
    }

    /// Whether an app in force has the edge address `addr`.
    #[inline]
    pub fn has_app(&self, addr: Addr) -> bool {
        self.edges.has_app(addr)
    }

    /// The app at `slot`; `None` when it is not in this table.
    #[inline]
    pub fn app(&self, slot: AppSlot) -> Option<&App> {
        self.apps.get(slot).map(|app| &**app)
    }

    /// All apps in force, by slot.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.iter().map(|app| &**app)
    }

    /// The onboarded prefixes.
    pub const fn prefixes(&self) -> &Arc<PrefixMap> {
        &self.prefixes
    }
}

//! Where connections go: the apps of the newest snapshot, what no origin may be, and what this worker has seen of each.

use super::Settings;
use crate::base::{Addr, AppSlot, Endpoint, Instant};
use crate::session::{Balance, Choice, NoChoice, OriginNews, OriginPlace};
use crate::snapshot::Snapshot;
use crate::table::{Reserved, Subnet, forbidden_origin};
use std::sync::Arc;

/// What a choice of an origin is made from.
pub(super) struct Origins {
    /// A copy of what the worker's reader holds; put away before the reader takes another one, so that the last drop
    /// is never here.
    snapshot: Option<Arc<Snapshot>>,
    /// Where no origin may lie.
    reserved: Reserved,
    balance: Balance,
}

impl Origins {
    /// For a worker that holds no snapshot yet.
    pub fn new(settings: &Settings) -> Self {
        Self { snapshot: None, reserved: reserved(settings), balance: Balance::default() }
    }

    /// Puts the copy away.
    pub fn put_away(&mut self) {
        self.snapshot = None;
    }

    /// Takes a copy.
    pub fn take(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshot = Some(snapshot.clone());
    }

    /// See `session::Net::choose_origin`.
    pub fn choose(
        &mut self,
        (app, port): (AppSlot, u16),
        tried: Option<Endpoint>,
        now: Instant,
    ) -> Result<Choice, NoChoice> {
        let Self { snapshot, reserved, balance } = self;
        let table = &snapshot.as_ref().ok_or(NoChoice::AppGone)?.table;
        let app = table.app(app).ok_or(NoChoice::AppGone)?;
        let forbidden = |addr| forbidden_origin(addr, reserved, table.prefixes()).is_some();
        balance.choose((app, port), tried, forbidden, now)
    }

    /// Whether no origin may be there.
    pub fn forbids(&self, addr: Addr) -> bool {
        let judge = |snapshot: &Arc<Snapshot>| {
            forbidden_origin(addr, &self.reserved, snapshot.table.prefixes()).is_some()
        };
        self.snapshot.as_ref().is_none_or(judge)
    }

    /// See `session::Net::origin_news`.
    pub fn hear(&mut self, place: OriginPlace, news: OriginNews, now: Instant) -> bool {
        self.balance.hear(place, news, now)
    }
}

/// The addresses that the boot config has taken, and what it allows.
fn reserved(settings: &Settings) -> Reserved {
    let nets = settings.ports.iter().flat_map(|port| &port.addresses);
    let egress = &settings.session.egress;
    Reserved {
        subnets: nets.map(|net| Subnet { own: net.addr().into(), length: net.prefix_len() }).collect(),
        gateways: settings.routes.iter().filter_map(|route| route.via.map(Addr::from)).collect(),
        egress: egress.ipv4.iter().chain(&egress.ipv6).copied().collect(),
        origin_allow: settings.origin_allow.clone(),
        ..Reserved::default()
    }
}

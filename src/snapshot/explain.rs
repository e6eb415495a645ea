//! What a packet would meet, for `byway where`: prefix, app, rule, origins.

use super::frozen::Snapshot;
use crate::base::{AppSlot, DropReason, Endpoint, Whence};
use crate::firewall::Judgement;
use crate::table::{Forbidden, Prefix, Reserved, forbidden_origin};
use crate::wire::Protocol;

/// The answers of one snapshot to one packet.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The onboarded prefix that holds the destination.
    pub prefix: Option<Prefix>,
    /// The app, or why there is none.
    pub app: Result<AppSlot, DropReason>,
    /// What the access rules say; `None` when they are not asked (no app, or `ip_firewall` off).
    pub judgement: Option<Judgement>,
    /// Where the client comes from.
    pub whence: Whence,
    /// The app's origins, each with the reason why it may not be connected to.
    pub origins: Vec<(Endpoint, Option<Forbidden>)>,
    /// Whether new connections are refused because the process drains.
    pub draining: bool,
}

/// Asks `snapshot` as a worker would for a first SYN (or datagram) from `from` to `to`.
pub fn explain(
    snapshot: &Snapshot,
    reserved: &Reserved,
    (from, to): (Endpoint, Endpoint),
    protocol: Protocol,
) -> Explanation {
    let prefixes = snapshot.table.prefixes();
    let prefix = prefixes.find(to.addr).and_then(|slot| prefixes.prefix(slot));
    let found = snapshot.table.find(to.addr, protocol, to.port);
    let app = found.ok().and_then(|slot| snapshot.table.app(slot));
    let asked = app.filter(|app| app.ip_firewall);
    let judgement = asked.map(|app| snapshot.judge(app, from.addr));
    let origins = app.map_or(&[][..], |app| &app.origins);
    let origins = origins.iter().map(|origin| (*origin, forbidden_origin(origin.addr, reserved, prefixes)));
    let whence = snapshot.whences.find(from.addr);
    Explanation {
        prefix,
        app: found,
        judgement,
        whence,
        origins: origins.collect(),
        draining: snapshot.draining,
    }
}

//! What a snapshot says of a client: the access rules, and whether a live session still stands.

use super::core::Worker;
use super::exit::Exit;
use super::stranger::turn_away_blocked;
use crate::base::{AppSlot, DropReason};
use crate::firewall::Judgement;
use crate::flow::LegRef;
use crate::port::Port;
use crate::session::{SessionView, Standing};
use crate::snapshot::Snapshot;
use crate::table::{App, TlsMode};
use crate::telemetry::{Event, EventKind, FirewallMatch, Status, Transport};
use crate::tls::AppTls;
use crate::wire::{FlowKey, Protocol};
use std::sync::Arc;

/// Whether a live session stands under a new snapshot. Its origin stays what it was; its app must still own the edge
/// address and port, and no rule may block the client.
pub(super) fn standing(snapshot: &Snapshot, view: &SessionView) -> Standing {
    let found = snapshot.table.find(view.edge.addr, view.protocol, view.edge.port);
    let app = found.ok().filter(|slot| *slot == view.app).and_then(|slot| snapshot.table.app(slot));
    let Some(app) = app else { return Standing::Drain };
    match snapshot.judge(app, view.client.addr) {
        Judgement::Pass(_) => Standing::Keep,
        Judgement::Block(said) => Standing::Filtered(said),
    }
}

/// What meets the clients of an app with TLS. Such an app is never carried in clear.
pub(super) fn tls_of(snapshot: &Snapshot, app: &App) -> Result<Option<Arc<AppTls>>, DropReason> {
    match app.tls {
        TlsMode::Off => Ok(None),
        TlsMode::Flexible | TlsMode::Full | TlsMode::Strict => {
            snapshot.tls.app(app.slot).cloned().map(Some).ok_or(DropReason::NoCertificate)
        }
    }
}

/// What the access rules say; a block is counted and told of.
pub(super) fn pass_firewall<P: Port>(
    snapshot: &Snapshot,
    exit: &mut Exit<P>,
    app: &App,
    key: &FlowKey,
) -> Result<FirewallMatch, DropReason> {
    let (said, passes) = match snapshot.judge(app, key.src) {
        Judgement::Pass(said) => (said, true),
        Judgement::Block(said) => (said, false),
    };
    if !passes {
        turn_away_blocked(snapshot, exit, (app.slot, key), said);
        return Err(DropReason::FirewallBlocked);
    }
    said.rule().into_iter().for_each(|rule| exit.page.rule_hit(rule));
    Ok(said)
}

/// What is told of a packet that an access rule blocks.
#[cold]
pub(super) fn filtered_event<P: Port>(
    snapshot: &Snapshot,
    exit: &Exit<P>,
    (app, key): (AppSlot, &FlowKey),
    firewall: FirewallMatch,
) -> Event {
    Event {
        kind: EventKind::ClientFiltered,
        status: Status::FirewallDeny,
        worker: exit.id,
        at: exit.now,
        transport: transport(key.protocol),
        app,
        client: key.src_endpoint(),
        whence: snapshot.whences.find(key.src),
        edge: key.dst_endpoint(),
        origin: None,
        egress: None,
        client_bytes: 0,
        origin_bytes: 0,
        connected_at: None,
        client_rtt: None,
        origin_rtt: None,
        firewall,
        ip_firewall: true,
        proven: false,
        count: 1,
        reason: Some(DropReason::FirewallBlocked),
        tls: None,
    }
}

const fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    }
}

impl<P: Port> Worker<P> {
    /// Judges the next few live sessions that the newest snapshot may say something else of; `true` when all were.
    pub(super) fn sweep(&mut self) -> bool {
        let (snapshot, now) = (&**self.reader.current(), self.exit.now);
        let judge =
            |view: &SessionView| snapshot.judges(view.app, view.epoch).then(|| standing(snapshot, view));
        let udp = self.udp.sweep(snapshot.judging, now, judge, &mut self.exit);
        self.sessions.sweep(snapshot.judging, now, judge, &mut self.exit) && udp
    }

    /// Judges a session that the road met before the sweep did; `true` while it lives.
    #[cold]
    pub(super) fn rejudge(&mut self, leg: LegRef) -> bool {
        let (snapshot, now) = (&**self.reader.current(), self.exit.now);
        let Some(view) = self.sessions.view(leg) else { return false };
        let standing = standing(snapshot, &view);
        self.sessions.rejudge(leg, standing, snapshot.judging, now, &mut self.exit)
    }

    /// The same for a UDP session.
    #[cold]
    pub(super) fn rejudge_udp(&mut self, leg: LegRef) -> bool {
        let (snapshot, now) = (&**self.reader.current(), self.exit.now);
        let Some(view) = self.udp.view(leg) else { return false };
        let standing = standing(snapshot, &view);
        self.udp.rejudge(leg, standing, snapshot.judging, now, &mut self.exit)
    }
}

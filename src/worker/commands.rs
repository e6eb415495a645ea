//! What control says: a few commands a turn, answered over the worker's mail. What takes longer than a turn
//! (a listing, the end of all sessions) goes on from turn to turn.

use super::core::Worker;
use crate::base::limits::{COMMANDS_PER_TURN_MAX, SWEEP_PER_TURN_MAX};
use crate::base::{PortId, ProbeOrder, ProbeOutcome};
use crate::port::Port;
use crate::session::{Phase, SessionView};
use crate::snapshot::{Command, NeighborRow, Reply, SessionRow};
use crate::telemetry::Counter;

/// Work that control asked for and that is not done yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Errands {
    listing: Option<Listing>,
    ending_all: bool,
}

#[derive(Clone, Copy, Debug)]
struct Listing {
    request: u32,
    cursor: u32,
    rows_left: u32,
}

impl<P: Port> Worker<P> {
    /// Takes a few commands and goes on with what is under way; whether something still is.
    pub(super) fn take_commands(&mut self) -> bool {
        for _ in 0..COMMANDS_PER_TURN_MAX {
            let Some(command) = self.exit.mail.command() else { break };
            self.obey(command);
        }
        let Errands { listing, ending_all } = self.errands;
        let mut more = false;
        if let Some(listing) = listing {
            self.errands.listing = self.list_on(listing);
            // With a full queue it is control's turn.
            more = self.errands.listing.is_some() && self.exit.mail.room() > 1;
        }
        if ending_all {
            let done = self.sessions.end_all(self.exit.now, &mut self.exit);
            let udp_done = self.udp.end_all(self.exit.now, &mut self.exit);
            self.errands.ending_all = !(done && udp_done);
        }
        more || ending_all
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::LinkUp(port) => self.link_up(port),
            Command::ListSessions { request, cursor, rows_max } => {
                if let Some(Listing { request, cursor, .. }) = self.errands.listing {
                    self.answer(Reply::Done { request, cursor: Some(cursor) });
                }
                self.errands.listing = Some(Listing { request, cursor, rows_left: rows_max });
            }
            Command::Probe(order) => self.probe(order),
            Command::ListNeighbors { request } => self.list_neighbors(request),
            Command::ResetAll => self.errands.ending_all = true,
            Command::Stop => self.stop = true,
        }
    }

    /// Calls an origin, unless none may be there.
    fn probe(&mut self, order: ProbeOrder) {
        let allowed = !self.exit.origins.forbids(order.origin.addr);
        if !allowed || !self.sessions.send_probe(order, self.exit.now, &mut self.exit) {
            self.tell_probe(order.id, ProbeOutcome::NotSent);
        }
    }

    /// Tells control what came of probes.
    pub(super) fn tell_probes(&mut self) {
        while let Some((id, outcome)) = self.sessions.probed() {
            self.tell_probe(id, outcome);
        }
    }

    fn tell_probe(&self, id: u32, outcome: ProbeOutcome) {
        self.exit.page.count(match outcome {
            ProbeOutcome::Connected(_) => Counter::ProbesConnected,
            ProbeOutcome::Refused => Counter::ProbesRefused,
            ProbeOutcome::TimedOut => Counter::ProbesTimedOut,
            ProbeOutcome::Unreachable => Counter::ProbesUnreachable,
            ProbeOutcome::NotSent => Counter::ProbesNotSent,
        });
        if !self.exit.mail.probed(id, outcome) {
            self.exit.page.count(Counter::LostReplies);
        }
    }

    /// The link came back, perhaps to another switch: say who we are, and ask again who the others are.
    fn link_up(&mut self, port: PortId) {
        if port.index() < self.exit.faces.len() {
            self.announcements.restart(port, self.exit.now);
            self.exit.neighbors.doubt(port, self.exit.now);
        }
    }

    /// The next few slots; `None` when the listing is done. The last place in the queue is for `Done`.
    fn list_on(&mut self, listing: Listing) -> Option<Listing> {
        let Listing { request, cursor, rows_left } = listing;
        let slots = self.exit.mail.room().saturating_sub(1).min(SWEEP_PER_TURN_MAX).min(rows_left as usize);
        if slots == 0 && rows_left > 0 {
            return Some(listing);
        }
        let (mail, mut shown) = (&self.exit.mail, 0);
        let next = self.rows(cursor, slots, &mut |view| {
            shown += u32::from(mail.answer(Reply::Session(request, row(&view))));
        });
        match next {
            Some(cursor) if rows_left > shown => {
                Some(Listing { request, cursor, rows_left: rows_left - shown })
            }
            cursor => {
                self.answer(Reply::Done { request, cursor });
                None
            }
        }
    }

    fn list_neighbors(&mut self, request: u32) {
        let room = self.exit.mail.room().saturating_sub(1);
        let mail = &self.exit.mail;
        for view in self.exit.neighbors.views().take(room) {
            let row = NeighborRow {
                port: view.port,
                addr: view.addr,
                mac: view.mac,
                state: view.state.name(),
                confirmed_at: view.confirmed_at,
            };
            if !mail.answer(Reply::Neighbor(request, row)) {
                break;
            }
        }
        self.answer(Reply::Done { request, cursor: None });
    }

    /// Shows the sessions among the `slots` slots from `cursor` on; where to go on, `None` at the end. UDP's slots are
    /// counted behind TCP's.
    fn rows(&self, cursor: u32, slots: usize, show: &mut impl FnMut(SessionView)) -> Option<u32> {
        let base = self.sessions.slots();
        if cursor < base {
            return Some(self.sessions.rows(cursor, slots, show).unwrap_or(base));
        }
        let shift = &mut |view: SessionView| show(SessionView { slot: base + view.slot, ..view });
        self.udp.rows(cursor - base, slots, shift).map(|next| base + next)
    }

    fn answer(&self, reply: Reply) {
        if !self.exit.mail.answer(reply) {
            self.exit.page.count(Counter::LostReplies);
        }
    }
}

/// A spliced session's phase, as listings have it.
const fn spliced_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Closing => "spliced_closing",
        Phase::HalfOpen | Phase::Securing | Phase::Connecting | Phase::Open => "spliced",
    }
}

fn row(view: &SessionView) -> SessionRow {
    SessionRow {
        protocol: view.protocol,
        slot: view.slot,
        phase: match (view.spliced, view.parked) {
            (true, _) => spliced_name(view.phase),
            (false, true) => "parked",
            (false, false) => view.phase.name(),
        },
        app: view.app,
        client: view.client,
        edge: view.edge,
        origin: view.origin,
        egress: view.egress,
        epoch: view.epoch,
        firewall: view.firewall,
        opened_at: view.opened_at,
        connected_at: view.connected_at,
        client_bytes: view.client_bytes,
        origin_bytes: view.origin_bytes,
    }
}

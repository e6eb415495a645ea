//! What control says: a few commands a turn, answered over the worker's mail. What takes longer than a turn
//! (listings, the end of an app's sessions) goes on from turn to turn.

use super::core::Worker;
use crate::base::limits::{COMMANDS_PER_TURN_MAX, SWEEP_PER_TURN_MAX};
use crate::base::{AppSlot, PortId};
use crate::flow::{LegRef, Side};
use crate::port::Port;
use crate::session::{SessionView, Standing};
use crate::snapshot::{Command, NeighborRow, Reply, SessionRow};
use crate::telemetry::{Counter, Status};
use arrayvec::ArrayVec;

/// Work that control asked for and that is not done yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Errands {
    listing: Option<Listing>,
    /// The app whose sessions end, and the next slot to look at.
    ending: Option<(AppSlot, u32)>,
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
        let Errands { listing, ending, ending_all } = self.errands;
        if let Some(listing) = listing {
            self.errands.listing = self.list_on(listing);
        }
        if let Some((app, cursor)) = ending {
            self.errands.ending = self.end_on(app, cursor).map(|cursor| (app, cursor));
        }
        if ending_all {
            let done = self.sessions.end_all(Status::Internal, self.exit.now, &mut self.exit);
            self.errands.ending_all = !done;
        }
        ending.is_some() || ending_all
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
            Command::ListNeighbors { request } => self.list_neighbors(request),
            Command::ResetApp(app) => self.errands.ending = Some((app, 0)),
            Command::ResetAll => self.errands.ending_all = true,
            Command::Stop => self.stop = true,
        }
    }

    /// The link came back, perhaps to another switch: say who we are, and ask again who the others are.
    fn link_up(&mut self, port: PortId) {
        if port.index() < self.exit.faces.len() {
            self.announcements.restart(port, self.exit.now);
            self.exit.neighbors.doubt(port, self.exit.now);
        }
    }

    /// The next few rows; `None` when the listing is done. The last place in the queue is for `Done`.
    fn list_on(&mut self, listing: Listing) -> Option<Listing> {
        let Listing { request, cursor, rows_left } = listing;
        let room = self.exit.mail.room().saturating_sub(1).min(SWEEP_PER_TURN_MAX);
        if room == 0 {
            return Some(listing);
        }
        let rows_max = room.min(rows_left as usize);
        let (mail, mut shown) = (&self.exit.mail, 0);
        let next = self.sessions.rows(cursor, rows_max, &mut |view| {
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

    /// Ends the next few sessions of an app; where to go on, `None` at the end.
    fn end_on(&mut self, app: AppSlot, cursor: u32) -> Option<u32> {
        let mut slots = ArrayVec::<u32, SWEEP_PER_TURN_MAX>::new();
        let next = self.sessions.rows(cursor, SWEEP_PER_TURN_MAX, &mut |view| {
            if view.app == app {
                slots.push(view.slot);
            }
        });
        for slot in slots {
            let (leg, end) = (LegRef::new(slot, Side::Client), Standing::End(Status::Internal));
            self.sessions.rejudge(leg, end, self.epoch(), self.exit.now, &mut self.exit);
        }
        next
    }

    fn answer(&self, reply: Reply) {
        if !self.exit.mail.answer(reply) {
            self.exit.page.count(Counter::LostReplies);
        }
    }
}

fn row(view: &SessionView) -> SessionRow {
    SessionRow {
        slot: view.slot,
        phase: view.phase.name(),
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

//! Words between control and one worker: bounded queues, nobody ever waits.

use crate::base::limits::{COMMANDS_MAX, EVENTS_AGGREGATE_MAX, EVENTS_MAX, NEIGHBORS_MAX, PROBES_MAX};
use crate::base::{Addr, AppSlot, Endpoint, Epoch, Instant, PortId, ProbeOrder, ProbeOutcome};
use crate::telemetry::{Event, FirewallMatch};
use crate::wire::Protocol;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;

/// Rows of answers waiting for control, a worker: all neighbours at once, beside a listing that is under way.
const REPLIES_MAX: usize = 2 * NEIGHBORS_MAX;

/// What control asks of a worker. (Draining is part of the snapshot.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// The link of a port came up: announce our addresses there again.
    LinkUp(PortId),
    /// Send sessions from `cursor` on, at most `rows_max`, then `Reply::Done`.
    ListSessions {
        /// Comes back with each row.
        request: u32,
        /// The first slot to look at.
        cursor: u32,
        /// How many rows at most; a worker sends no more than its queue of replies holds.
        rows_max: u32,
    },
    /// Send all neighbours, then `Reply::Done`.
    ListNeighbors {
        /// Comes back with each row.
        request: u32,
    },
    /// Reset all sessions (the process' time to drain is over).
    ResetAll,
    /// Try whether an origin takes connections; the outcome comes by `probed`.
    Probe(ProbeOrder),
    /// Leave the loop.
    Stop,
}

/// A session as `byway show sessions` tells it.
#[derive(Clone, Copy, Debug)]
pub struct SessionRow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its slot, also the cursor of the list.
    pub slot: u32,
    /// How far it is, in a word.
    pub phase: &'static str,
    /// The app.
    pub app: AppSlot,
    /// The client.
    pub client: Endpoint,
    /// The edge address and port that the client reached.
    pub edge: Endpoint,
    /// The origin; `None` before it is chosen.
    pub origin: Option<Endpoint>,
    /// Our end of the origin leg; `None` before the connect.
    pub egress: Option<Endpoint>,
    /// The snapshot that judged it last.
    pub epoch: Epoch,
    /// What the firewall said.
    pub firewall: FirewallMatch,
    /// When the first SYN came.
    pub opened_at: Instant,
    /// When both legs were up.
    pub connected_at: Option<Instant>,
    /// Bytes read from the client.
    pub client_bytes: u64,
    /// Bytes read from the origin.
    pub origin_bytes: u64,
}

/// A neighbour as `byway show neighbors` tells it.
#[derive(Clone, Copy, Debug)]
pub struct NeighborRow {
    /// On which port.
    pub port: PortId,
    /// Its address.
    pub addr: Addr,
    /// Its hardware address, where it is known.
    pub mac: Option<[u8; 6]>,
    /// How far it is, in a word.
    pub state: &'static str,
    /// When it last proved to be there.
    pub confirmed_at: Option<Instant>,
}

/// What a worker answers.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// One session.
    Session(u32, SessionRow),
    /// One neighbour.
    Neighbor(u32, NeighborRow),
    /// The request is answered; `cursor` is where to go on, `None` at the end.
    Done {
        /// Which request.
        request: u32,
        /// The next slot to look at.
        cursor: Option<u32>,
    },
}

#[derive(Debug)]
struct Boxes {
    commands: ArrayQueue<Command>,
    replies: ArrayQueue<Reply>,
    events: ArrayQueue<Event>,
    probes: ArrayQueue<(u32, ProbeOutcome)>,
}

/// Control's end of one worker's mail.
#[derive(Clone, Debug)]
pub struct ControlMail(Arc<Boxes>);

/// The worker's end.
#[derive(Debug)]
pub struct WorkerMail(Arc<Boxes>);

/// The two ends of one worker's mail.
pub fn mail() -> (ControlMail, WorkerMail) {
    let boxes = Arc::new(Boxes {
        commands: ArrayQueue::new(COMMANDS_MAX),
        replies: ArrayQueue::new(REPLIES_MAX),
        events: ArrayQueue::new(EVENTS_MAX),
        probes: ArrayQueue::new(2 * PROBES_MAX),
    });
    (ControlMail(boxes.clone()), WorkerMail(boxes))
}

impl ControlMail {
    /// Sends a command; gives it back when the worker's queue is full.
    ///
    /// # Errors
    /// The command itself.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        self.0.commands.push(command)
    }

    /// The next answer.
    pub fn reply(&self) -> Option<Reply> {
        self.0.replies.pop()
    }

    /// The next outcome of a probe, with the order's id.
    pub fn probed(&self) -> Option<(u32, ProbeOutcome)> {
        self.0.probes.pop()
    }

    /// The next event.
    pub fn event(&self) -> Option<Event> {
        self.0.events.pop()
    }
}

impl WorkerMail {
    /// The next command.
    #[inline]
    pub fn command(&self) -> Option<Command> {
        // To take from an empty queue costs a fence.
        if self.0.commands.is_empty() { None } else { self.0.commands.pop() }
    }

    /// Sends an answer; `false` when control's queue is full (`room` tells before).
    #[must_use]
    pub fn answer(&self, reply: Reply) -> bool {
        self.0.replies.push(reply).is_ok()
    }

    /// Tells the outcome of a probe; `false` when control's queue is full.
    #[must_use]
    pub fn probed(&self, id: u32, outcome: ProbeOutcome) -> bool {
        self.0.probes.push((id, outcome)).is_ok()
    }

    /// How many answers surely find room.
    pub fn room(&self) -> usize {
        self.0.replies.capacity() - self.0.replies.len()
    }

    /// Sends an event; `false` when control's queue is full, which the caller counts. To those of clients who may not be
    /// who they say it is full sooner, so that a flood of them leaves room for the beginnings and ends of connections.
    #[inline]
    #[must_use]
    pub fn event(&self, event: Event) -> bool {
        let gives_way = !event.proven && self.0.events.len() >= EVENTS_AGGREGATE_MAX;
        !gives_way && self.0.events.push(event).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_leave_room_for_the_events_of_connections() {
        use crate::base::{Addr, DropReason, Whence, WorkerId};
        use crate::telemetry::{EventKind, Status};
        let (control, worker) = mail();
        let end = Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: 1 };
        let event = |kind| Event {
            kind,
            status: Status::FirewallDeny,
            worker: WorkerId(0),
            at: Instant::ZERO,
            transport: crate::telemetry::Transport::Tcp,
            app: AppSlot(0),
            client: end,
            whence: Whence::UNKNOWN,
            edge: end,
            origin: None,
            egress: None,
            client_bytes: 0,
            origin_bytes: 0,
            connected_at: None,
            client_rtt: None,
            origin_rtt: None,
            firewall: FirewallMatch::Unknown,
            ip_firewall: true,
            proven: matches!(kind, EventKind::Connect | EventKind::Disconnect),
            count: 1,
            reason: Some(DropReason::FirewallBlocked),
            tls: None,
        };
        let sent = |kind| (0..=EVENTS_MAX).take_while(|_| worker.event(event(kind))).count();
        assert_eq!(sent(EventKind::ClientFiltered), EVENTS_AGGREGATE_MAX);
        assert_eq!(sent(EventKind::Disconnect), EVENTS_MAX - EVENTS_AGGREGATE_MAX);
        assert!(control.event().is_some() && !worker.event(event(EventKind::ClientFiltered)));
        assert!(worker.event(event(EventKind::Connect)));
    }

    #[test]
    fn a_full_queue_is_an_answer() {
        let (control, worker) = mail();
        for _ in 0..COMMANDS_MAX {
            assert_eq!(control.send(Command::Stop), Ok(()));
        }
        assert_eq!(control.send(Command::Stop), Err(Command::Stop));
        assert_eq!(worker.command(), Some(Command::Stop));
        let room = worker.room();
        for _ in 0..room {
            assert!(worker.answer(Reply::Done { request: 1, cursor: None }));
        }
        assert!(!worker.answer(Reply::Done { request: 1, cursor: None }) && worker.room() == 0);
        assert!(matches!(control.reply(), Some(Reply::Done { request: 1, cursor: None })));
        assert!(control.event().is_none());
    }
}

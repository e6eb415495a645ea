//! Lists that workers send row by row: sessions, page by page over all workers, and the neighbours of worker 0.
//! One list at a time; further inquiries wait in line.

use super::ask::protocol_name;
use super::ask::{SessionsAsk, refusal};
use super::event_log::AppFacts;
use super::fleet::Fleet;
use super::ports::mac_word;
use crate::base::{AppSlot, Instant, Span};
use crate::port::PortInfo;
use crate::snapshot::{Command, NeighborRow, Reply, SessionRow};
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// How long a worker may take to answer.
const PATIENCE: Span = Span::from_secs(5);
/// Inquiries in line.
const WAITING_MAX: usize = 32;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// A page of sessions.
    Sessions(SessionsAsk),
    /// All neighbours.
    Neighbors,
}

struct Running {
    wanted: Wanted,
    request: u32,
    worker: usize,
    rows: Vec<Value>,
    until: Instant,
    reply: oneshot::Sender<Value>,
}

/// What rows need to be told in words.
pub struct Words<'a> {
    /// Facts by app slot.
    pub apps: &'a dyn Fn(AppSlot) -> Option<&'a AppFacts>,
    /// The ports.
    pub ports: &'a [PortInfo],
}

/// The line and whoever is at its head.
#[derive(Default)]
pub struct Listings {
    running: Option<Running>,
    waiting: VecDeque<(Wanted, oneshot::Sender<Value>)>,
    requests: u32,
}

impl Listings {
    /// Puts an inquiry in line.
    pub fn ask(&mut self, wanted: Wanted, reply: oneshot::Sender<Value>) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((wanted, reply));
        } else {
            // Whoever asked may have gone.
            let _ = reply.send(refusal("too many lists are asked for; try again"));
        }
    }

    /// Whether somebody waits for rows.
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || !self.waiting.is_empty()
    }

    /// Takes rows in, ends what is complete, begins what waits.
    pub fn turn(&mut self, fleet: &Fleet, words: &Words<'_>, now: Instant) {
        self.take_rows(fleet, words, now);
        if self.running.as_ref().is_some_and(|running| now >= running.until) {
            self.end(|running| refusal(format!("worker {} did not answer in time", running.worker)));
        }
        if self.running.is_none()
            && let Some((wanted, reply)) = self.waiting.pop_front()
        {
            let worker = match wanted {
                Wanted::Sessions(ask) => usize::from(ask.worker),
                Wanted::Neighbors => 0,
            };
            let running = Running { wanted, request: 0, worker, rows: Vec::new(), until: now, reply };
            let cursor = match wanted {
                Wanted::Sessions(ask) => ask.cursor,
                Wanted::Neighbors => 0,
            };
            self.send(fleet, running, cursor, now);
        }
    }

    /// Asks the worker that `running` stands at.
    fn send(&mut self, fleet: &Fleet, mut running: Running, cursor: u32, now: Instant) {
        self.requests = self.requests.wrapping_add(1);
        (running.request, running.until) = (self.requests, now + PATIENCE);
        let request = running.request;
        let command = match running.wanted {
            Wanted::Sessions(ask) => {
                Command::ListSessions { request, cursor, rows_max: ask.limit - running.rows.len() as u32 }
            }
            Wanted::Neighbors => Command::ListNeighbors { request },
        };
        let sent = fleet.mail(running.worker).map(|mail| mail.send(command));
        self.running = Some(running);
        match sent {
            Some(Ok(())) => {}
            Some(Err(_)) => self.end(|running| refusal(format!("worker {} is too busy", running.worker))),
            None => self.end(|running| refusal(format!("there is no worker {}", running.worker))),
        }
    }

    fn take_rows(&mut self, fleet: &Fleet, words: &Words<'_>, now: Instant) {
        for worker in 0..fleet.pages.len() {
            while let Some(reply) = fleet.mail(worker).and_then(|mail| mail.reply()) {
                self.take(fleet, words, now, reply);
            }
        }
    }

    fn take(&mut self, fleet: &Fleet, words: &Words<'_>, now: Instant, reply: Reply) {
        let Some(running) = &mut self.running else { return };
        match reply {
            Reply::Session(request, row) if request == running.request => {
                running.rows.push(session_row(running.worker, &row, words, now));
            }
            Reply::Neighbor(request, row) if request == running.request => {
                running.rows.push(neighbor_row(&row, words, now));
            }
            Reply::Done { request, cursor } if request == running.request => self.done(fleet, cursor, now),
            // Late rows of an inquiry that was given up.
            Reply::Session(..) | Reply::Neighbor(..) | Reply::Done { .. } => {}
        }
    }

    /// One worker has answered: go on with the next one, or end.
    fn done(&mut self, fleet: &Fleet, cursor: Option<u32>, now: Instant) {
        let Some(running) = &self.running else { return };
        let Wanted::Sessions(ask) = running.wanted else {
            return self.end(|running| json!({ "ok": true, "neighbors": running.rows }));
        };
        let next = match cursor {
            Some(cursor) => Some((running.worker, cursor)),
            None => Some((running.worker + 1, 0)).filter(|(worker, _)| *worker < fleet.pages.len()),
        };
        let full = running.rows.len() as u32 >= ask.limit;
        match next {
            Some((worker, cursor)) if !full => {
                if let Some(mut running) = self.running.take() {
                    running.worker = worker;
                    self.send(fleet, running, cursor, now);
                }
            }
            Some(_) | None => {
                self.end(|running| json!({ "ok": true, "sessions": running.rows, "next": next }))
            }
        }
    }

    fn end(&mut self, reply: impl FnOnce(&mut Running) -> Value) {
        if let Some(mut running) = self.running.take() {
            let value = reply(&mut running);
            // Whoever asked may have gone.
            let _ = running.reply.send(value);
        }
    }
}

fn session_row(worker: usize, row: &SessionRow, words: &Words<'_>, now: Instant) -> Value {
    json!({
        "worker": worker,
        "slot": row.slot,
        "protocol": protocol_name(row.protocol),
        "phase": row.phase,
        "app": (words.apps)(row.app).map(|app| app.id.as_str()),
        "client": row.client.to_string(),
        "edge": row.edge.to_string(),
        "egress": row.egress.map(|end| end.to_string()),
        "origin": row.origin.map(|origin| origin.to_string()),
        "epoch": row.epoch.0,
        "client_bytes": row.client_bytes,
        "origin_bytes": row.origin_bytes,
        "age_s": now.since(row.opened_at).millis() / 1_000,
        "connected": row.connected_at.is_some(),
    })
}

fn neighbor_row(row: &NeighborRow, words: &Words<'_>, now: Instant) -> Value {
    json!({
        "address": row.addr.to_string(),
        "mac": row.mac.map(mac_word),
        "port": words.ports.get(row.port.index()).map(|port| port.name.as_str()),
        "state": row.state,
        "confirmed_s_ago": row.confirmed_at.map(|at| now.since(at).millis() / 1_000),
    })
}

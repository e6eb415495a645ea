//! Lists that workers send row by row: sessions, page by page over all workers, and the neighbours of worker 0.
//! One list at a time; further inquiries wait in line. While nobody asks, a walk over all sessions may go on, a page at a look.

use super::ask::protocol_name;
use super::ask::{SessionsAsk, refusal};
use super::event_log::AppFacts;
use super::fleet::Fleet;
use super::ports::mac_word;
use crate::base::limits::PROGRESS_ROWS_PER_LOOK_MAX;
use crate::base::{AppSlot, Instant, Span, WorkerId};
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
    /// A page of the walk.
    Walk(SessionsAsk),
}

struct Running {
    wanted: Wanted,
    request: u32,
    worker: usize,
    rows: Vec<Value>,
    /// Rows so far.
    count: u32,
    until: Instant,
    /// Who asked; nobody for a walk.
    reply: Option<oneshot::Sender<Value>>,
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
    /// Where the walk goes on: worker and slot.
    place: Option<(usize, u32)>,
    walked: Vec<(WorkerId, SessionRow)>,
    whole_walks: u64,
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
        self.running.as_ref().is_some_and(|running| running.reply.is_some()) || !self.waiting.is_empty()
    }

    /// Begins a walk over the sessions of all workers.
    pub fn walk(&mut self) {
        self.place = Some((0, 0));
    }

    /// Whether a walk goes on.
    pub fn is_walking(&self) -> bool {
        self.place.is_some() || self.running.as_ref().is_some_and(|running| running.reply.is_none())
    }

    /// Walks that met all sessions.
    pub const fn whole_walks(&self) -> u64 {
        self.whole_walks
    }

    /// The sessions that the walk has met since the last look, and the worker of each.
    pub fn walked(&mut self) -> std::vec::Drain<'_, (WorkerId, SessionRow)> {
        self.walked.drain(..)
    }

    /// Takes rows in, ends what is complete, begins what waits.
    pub fn turn(&mut self, fleet: &Fleet, words: &Words<'_>, now: Instant) {
        self.take_rows(fleet, words, now);
        if self.running.as_ref().is_some_and(|running| now >= running.until) {
            self.end(|running| refusal(format!("worker {} did not answer in time", running.worker)));
        }
        if self.running.is_none()
            && let Some((wanted, reply)) = self.next()
        {
            let (worker, cursor) = match wanted {
                Wanted::Sessions(ask) | Wanted::Walk(ask) => (usize::from(ask.worker), ask.cursor),
                Wanted::Neighbors => (0, 0),
            };
            let running =
                Running { wanted, request: 0, worker, rows: Vec::new(), count: 0, until: now, reply };
            self.send(fleet, running, cursor, now);
        }
    }

    /// What is done next: whoever waits goes before the walk.
    fn next(&mut self) -> Option<(Wanted, Option<oneshot::Sender<Value>>)> {
        if let Some((wanted, reply)) = self.waiting.pop_front() {
            return Some((wanted, Some(reply)));
        }
        let (worker, cursor) = self.place.take()?;
        let (worker, limit) = (worker as u8, PROGRESS_ROWS_PER_LOOK_MAX);
        Some((Wanted::Walk(SessionsAsk { worker, cursor, limit }), None))
    }

    /// Asks the worker that `running` stands at.
    fn send(&mut self, fleet: &Fleet, mut running: Running, cursor: u32, now: Instant) {
        self.requests = self.requests.wrapping_add(1);
        (running.request, running.until) = (self.requests, now + PATIENCE);
        let request = running.request;
        let command = match running.wanted {
            Wanted::Sessions(ask) | Wanted::Walk(ask) => {
                Command::ListSessions { request, cursor, rows_max: ask.limit - running.count }
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
                running.count += 1;
                match running.reply {
                    Some(_) => running.rows.push(session_row(running.worker, &row, words, now)),
                    None => self.walked.push((WorkerId(running.worker as u8), row)),
                }
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
        let ask = match running.wanted {
            Wanted::Sessions(ask) | Wanted::Walk(ask) => ask,
            Wanted::Neighbors => {
                return self.end(|running| json!({ "ok": true, "neighbors": running.rows }));
            }
        };
        let next = match cursor {
            Some(cursor) => Some((running.worker, cursor)),
            None => Some((running.worker + 1, 0)).filter(|(worker, _)| *worker < fleet.pages.len()),
        };
        let full = running.count >= ask.limit;
        match next {
            Some((worker, cursor)) if !full => {
                if let Some(mut running) = self.running.take() {
                    running.worker = worker;
                    self.send(fleet, running, cursor, now);
                }
            }
            Some(_) | None => {
                if running.reply.is_none() {
                    self.place = next;
                    self.whole_walks += u64::from(next.is_none());
                }
                self.end(|running| json!({ "ok": true, "sessions": running.rows, "next": next }));
            }
        }
    }

    fn end(&mut self, reply: impl FnOnce(&mut Running) -> Value) {
        if let Some(mut running) = self.running.take() {
            let value = reply(&mut running);
            if let Some(asker) = running.reply.take() {
                // Whoever asked may have gone.
                let _ = asker.send(value);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Addr, Endpoint, Epoch};
    use crate::control::Crew;
    use crate::snapshot::{Snapshot, WorkerMail, cell, mail};
    use crate::telemetry::{FirewallMatch, PageSize, page};
    use crate::wire::Protocol;

    struct Nobody;

    impl Crew for Nobody {
        fn fallen(&mut self) -> Option<(WorkerId, String)> {
            None
        }

        fn all_gone(&mut self) -> bool {
            false
        }
    }

    fn fleet() -> (Fleet, Vec<WorkerMail>) {
        let (publisher, _) = cell(Snapshot::empty(), 2);
        let (mails, workers) = (0..2).map(|_| mail()).unzip();
        let pages = (0..2).map(|id| page(WorkerId(id), PageSize { apps: 0, rules: 0 }).1).collect();
        (Fleet::new(pages, mails, publisher, Box::new(Nobody)), workers)
    }

    fn row(slot: u32) -> SessionRow {
        let end = Endpoint { addr: Addr::v4([192, 0, 2, 1]), port: 1 };
        SessionRow {
            protocol: Protocol::Tcp,
            slot,
            phase: "open",
            app: AppSlot(0),
            client: end,
            edge: end,
            origin: None,
            egress: None,
            epoch: Epoch(1),
            firewall: FirewallMatch::Unknown,
            opened_at: Instant::ZERO,
            connected_at: None,
            client_bytes: 0,
            origin_bytes: 0,
        }
    }

    /// Answers as a worker with `sessions` sessions; how many rows it sent.
    fn answer(worker: &WorkerMail, sessions: u32) -> u32 {
        let Some(Command::ListSessions { request, cursor, rows_max }) = worker.command() else { return 0 };
        let end = (cursor + rows_max).min(sessions);
        for slot in cursor..end {
            assert!(worker.answer(Reply::Session(request, row(slot))));
        }
        assert!(worker.answer(Reply::Done { request, cursor: (end < sessions).then_some(end) }));
        end - cursor
    }

    #[test]
    fn a_walk_meets_every_session_once_page_by_page_behind_whoever_asks() {
        let (fleet, workers) = fleet();
        let mut listings = Listings::default();
        let words = Words { apps: &|_| None, ports: &[] };
        let (sessions, mut met, mut asked) = ([2_500, 700], Vec::new(), None);
        listings.walk();
        let mut looks = 0;
        while listings.is_walking() {
            looks += 1;
            assert!(looks < 50 && (asked.is_some() || !listings.is_busy()), "a walk is nobody's hurry");
            if looks == 2 {
                let (reply, answer) = oneshot::channel();
                listings.ask(Wanted::Sessions(SessionsAsk { worker: 1, cursor: 690, limit: 10 }), reply);
                asked = Some(answer);
            }
            listings.turn(&fleet, &words, Instant::ZERO);
            let sent: u32 = workers.iter().zip(sessions).map(|(mail, sessions)| answer(mail, sessions)).sum();
            assert!(sent <= PROGRESS_ROWS_PER_LOOK_MAX);
            met.extend(listings.walked().map(|(worker, row)| (worker.0, row.slot)));
        }
        let all = (0..2).zip(sessions).flat_map(|(worker, count)| (0..count).map(move |slot| (worker, slot)));
        assert_eq!(met, all.collect::<Vec<_>>());
        assert_eq!(listings.whole_walks(), 1);
        let answer = asked.and_then(|mut answer| answer.try_recv().ok()).expect("answered in between");
        assert_eq!(answer["sessions"].as_array().map(Vec::len), Some(10));
    }

    #[test]
    fn a_worker_that_does_not_answer_ends_the_walk() {
        let (fleet, _workers) = fleet();
        let mut listings = Listings::default();
        let words = Words { apps: &|_| None, ports: &[] };
        listings.walk();
        for second in 0..10 {
            listings.turn(&fleet, &words, Instant::ZERO + Span::from_secs(second));
        }
        assert!(!listings.is_walking());
        assert_eq!(listings.whole_walks(), 0, "it met nobody");
    }
}

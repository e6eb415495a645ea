//! A thread that owns the numbers: control sends it what happened, the API asks. Nobody waits for its disk: control sends
//! again what finds the mailbox full, and a question that finds it full is refused. It is control that ends it.

use super::book::Book;
use super::gather::{Fact, Gather};
use super::ledger::{Fault, Ledger};
use super::mailbox::{Ask, Mail, Mailbox};
use super::query::Query;
use super::recent::{Current, CurrentAsk};
use super::table::Table;
use crate::base::{Instant, OsClock, Span};
use crate::vault::VaultError;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long control gathers.
const GATHER: Span = Span::from_secs(1);
/// How long the clerk sleeps at most.
const NAP: Duration = Duration::from_secs(1);

/// How much there is, and what was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Rows of minutes, hours and days.
    pub rows: [u64; 3],
    /// Rows that wait for the disk.
    pub waiting: u64,
    /// Facts whose app had to share a row.
    pub folded: u64,
    /// Facts that found no room.
    pub dropped: u64,
    /// Events that the last minute tells of in a row that apps share.
    pub current_folded: u64,
    /// Events that the last minute does not tell of.
    pub current_dropped: u64,
    /// Rows that went before their time, since there were too many.
    pub evicted: u64,
    /// Commits that failed; their rows were not lost by that.
    pub failures: u64,
}

/// Control's end: gathers facts, and sends them once a second.
pub struct Recorder {
    gather: Gather,
    mailbox: Arc<Mailbox>,
    colo: Arc<str>,
    sent_at: Instant,
    counts: Arc<Mutex<Counts>>,
}

/// The API's end.
#[derive(Clone)]
pub struct Reader {
    mailbox: Arc<Mailbox>,
}

/// The owner of the numbers, before it has a thread.
pub struct Clerk {
    mailbox: Arc<Mailbox>,
    ledger: Ledger,
    counts: Arc<Mutex<Counts>>,
}

/// Opens the book at `path`; `colo` is this site. The clerk's thread looks at what is in it.
///
/// # Errors
/// See `Book::open`.
pub fn open(path: &Path, version: &str, colo: &str) -> Result<(Recorder, Reader, Clerk), VaultError> {
    let book = Book::open(path, version)?;
    let mailbox: Arc<Mailbox> = Arc::default();
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let recorder = Recorder {
        gather: Gather::default(),
        mailbox: mailbox.clone(),
        colo: colo.into(),
        sent_at: Instant::ZERO,
        counts: counts.clone(),
    };
    let clerk = Clerk { mailbox: mailbox.clone(), ledger: Ledger::new(book, now_s()), counts };
    Ok((recorder, Reader { mailbox }, clerk))
}

fn now_s() -> u64 {
    OsClock::unix_micros() / 1_000_000
}

impl Recorder {
    /// Takes a fact in.
    pub fn record(&mut self, fact: &Fact) {
        self.gather.add(fact, &self.colo);
    }

    /// Sends what was gathered where a second has passed; to be called now and then.
    pub fn turn(&mut self, now: Instant) {
        if now.since(self.sent_at) >= GATHER {
            self.sent_at = now;
            self.send();
        }
    }

    /// Sends what was gathered. What finds no room goes on being gathered.
    pub fn send(&mut self) {
        if let Err(batch) = self.mailbox.tell(self.gather.take()) {
            batch.into_iter().for_each(|(place, cell)| self.gather.merge(place, &cell));
        }
    }

    /// How much there is, and what was lost.
    pub fn counts(&self) -> Counts {
        let counts = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            folded: counts.folded + self.gather.folded,
            dropped: counts.dropped + self.gather.dropped,
            ..counts
        }
    }
}

impl Drop for Recorder {
    /// What was gathered last goes to the disk, too, and the clerk ends.
    fn drop(&mut self) {
        self.mailbox.end(self.gather.take());
    }
}

impl Reader {
    /// Asks for a table.
    ///
    /// # Errors
    /// See `Fault`.
    pub async fn ask(&self, query: Query) -> Result<Table, Fault> {
        let (reply, answered) = oneshot::channel();
        self.mailbox.ask(Ask::Table(Box::new(query), reply))?;
        answered.await.unwrap_or(Err(Fault::Ending))
    }

    /// Asks for the last minute.
    ///
    /// # Errors
    /// `Busy` or `Ending`.
    pub async fn current(&self, ask: CurrentAsk) -> Result<Vec<Current>, Fault> {
        let (reply, answered) = oneshot::channel();
        self.mailbox.ask(Ask::Current(ask, reply))?;
        answered.await.map_err(|_| Fault::Ending)
    }
}

impl Clerk {
    /// Works until control sends no more, then keeps everything. `say` is told what an operator should know.
    pub fn run(mut self, say: impl Fn(&str)) {
        let say = |text: Option<String>| text.iter().for_each(|text| say(text));
        say(self.ledger.begin());
        loop {
            match self.mailbox.take(NAP) {
                Mail::Batch(batch) => self.ledger.hear(batch, now_s()),
                Mail::Ask(ask) => self.answer(ask),
                Mail::Nothing => {}
                Mail::End => break,
            }
            say(self.ledger.trouble());
            say(self.ledger.tend(now_s()));
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.ledger.counts();
        }
        say(self.ledger.keep(now_s()));
    }

    /// Whoever asked may have gone: that is no failure.
    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Table(query, reply) => {
                let mailbox = &self.mailbox;
                let is_gone = || reply.is_closed() || mailbox.is_ending();
                let answer = self.ledger.answer_unless(&query, now_s(), &is_gone);
                drop(reply.send(answer));
            }
            Ask::Current(ask, reply) => drop(reply.send(self.ledger.current(&ask, now_s()))),
        }
    }
}

impl Drop for Clerk {
    /// Whoever waits for it is told that it is gone.
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

//! A thread that owns the numbers: control sends it what happened, the API asks. Nobody waits for its disk: control sends
//! again what finds the mailbox full, and a question that finds it full is refused.

use super::book::Book;
use super::gather::{Fact, Gather};
use super::ledger::{Batch, Fault, Ledger};
use super::query::Query;
use super::recent::{Current, CurrentAsk};
use super::table::Table;
use crate::base::limits::ANALYTICS_MAILS_MAX;
use crate::base::{Instant, OsClock, Span};
use crate::vault::VaultError;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long control gathers.
const GATHER: Span = Span::from_secs(1);
/// How long the clerk sleeps at most.
const NAP: Duration = Duration::from_secs(1);

enum Mail {
    Batch(Batch),
    Ask(Box<Query>, oneshot::Sender<Result<Table, Fault>>),
    Current(CurrentAsk, oneshot::Sender<Vec<Current>>),
}

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
    /// Rows that went before their time, since there were too many.
    pub evicted: u64,
    /// Commits that failed; their rows were not lost by that.
    pub failures: u64,
}

/// Control's end: gathers facts, and sends them once a second.
pub struct Recorder {
    gather: Gather,
    mail: SyncSender<Mail>,
    colo: Arc<str>,
    sent_at: Instant,
    counts: Arc<Mutex<Counts>>,
}

/// The API's end.
#[derive(Clone)]
pub struct Reader {
    mail: SyncSender<Mail>,
}

/// The owner of the numbers, before it has a thread.
pub struct Clerk {
    mails: Receiver<Mail>,
    ledger: Ledger,
    counts: Arc<Mutex<Counts>>,
}

/// Opens the book at `path`; `colo` is this site. The text, where there is one, is why the book cannot be written now.
///
/// # Errors
/// See `Book::open`.
pub fn open(
    path: &Path,
    version: &str,
    colo: &str,
) -> Result<(Recorder, Reader, Clerk, Option<VaultError>), VaultError> {
    let (book, trouble) = Book::open(path, version)?;
    let (mail, mails) = sync_channel(ANALYTICS_MAILS_MAX);
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let recorder = Recorder {
        gather: Gather::default(),
        mail: mail.clone(),
        colo: colo.into(),
        sent_at: Instant::ZERO,
        counts: counts.clone(),
    };
    let clerk = Clerk { mails, ledger: Ledger::new(book, now_s()), counts };
    Ok((recorder, Reader { mail }, clerk, trouble))
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
        match self.mail.try_send(Mail::Batch(self.gather.take())) {
            Ok(()) => {}
            Err(TrySendError::Full(Mail::Batch(batch))) => {
                batch.into_iter().for_each(|(place, cell)| self.gather.merge(place, &cell));
            }
            // The clerk has ended, and with it whoever could ask.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
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
    /// What was gathered last goes to the disk, too.
    fn drop(&mut self) {
        let _ = self.mail.send(Mail::Batch(self.gather.take()));
    }
}

impl Reader {
    /// Asks for a table.
    ///
    /// # Errors
    /// See `Fault`.
    pub async fn ask(&self, query: Query) -> Result<Table, Fault> {
        let (reply, answered) = oneshot::channel();
        self.put(Mail::Ask(Box::new(query), reply))?;
        answered.await.unwrap_or(Err(Fault::Ending))
    }

    /// Asks for the last minute.
    ///
    /// # Errors
    /// `Busy` or `Ending`.
    pub async fn current(&self, ask: CurrentAsk) -> Result<Vec<Current>, Fault> {
        let (reply, answered) = oneshot::channel();
        self.put(Mail::Current(ask, reply))?;
        answered.await.map_err(|_| Fault::Ending)
    }

    fn put(&self, mail: Mail) -> Result<(), Fault> {
        self.mail.try_send(mail).map_err(|error| match error {
            TrySendError::Full(_) => Fault::Busy,
            TrySendError::Disconnected(_) => Fault::Ending,
        })
    }
}

impl Clerk {
    /// Works until nobody can write to it any more, then keeps everything. `say` is told what an operator should know.
    pub fn run(mut self, say: impl Fn(&str)) {
        if let Some(text) = self.ledger.survey() {
            say(&text);
        }
        loop {
            match self.mails.recv_timeout(NAP) {
                Ok(mail) => self.take(mail),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Some(text) = self.ledger.tend(now_s()) {
                say(&text);
            }
            *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.ledger.counts();
        }
        if let Some(text) = self.ledger.keep(now_s()) {
            say(&text);
        }
    }

    /// Whoever asked may have gone: that is no failure.
    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Batch(batch) => self.ledger.hear(batch, now_s()),
            Mail::Ask(query, reply) => drop(reply.send(self.ledger.answer(&query, now_s()))),
            Mail::Current(ask, reply) => drop(reply.send(self.ledger.current(&ask, now_s()))),
        }
    }
}

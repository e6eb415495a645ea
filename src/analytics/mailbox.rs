//! What waits for the clerk: batches of control, which come first, and questions, zone by zone, so that no zone's questions
//! hold those of another. Nobody waits to put something in. What control sends last always finds room, and with it all
//! questions end.

use super::key::Tag;
use super::ledger::{Batch, Fault};
use super::query::Query;
use super::recent::{Current, CurrentAsk};
use super::table::Table;
use crate::base::limits::{ANALYTICS_ASKS_MAX, ANALYTICS_ASKS_PER_ZONE_MAX, ANALYTICS_BATCHES_MAX};
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A question, and where its answer goes.
pub enum Ask {
    /// For a table.
    Table(Box<Query>, oneshot::Sender<Result<Table, Fault>>),
    /// For the last minute.
    Current(CurrentAsk, oneshot::Sender<Vec<Current>>),
}

/// What the clerk does next.
pub enum Mail {
    /// What control gathered.
    Batch(Batch),
    /// What the API asks.
    Ask(Ask),
    /// Nothing, for now.
    Nothing,
    /// Nothing, ever.
    End,
}

/// The mailbox.
#[derive(Default)]
pub struct Mailbox {
    inside: Mutex<Inside>,
    filled: Condvar,
}

#[derive(Default)]
struct Inside {
    batches: VecDeque<Batch>,
    /// By zone; none of them is empty.
    asks: HashMap<Tag, VecDeque<Ask>>,
    /// Zones that ask, in the order of their turns.
    turns: VecDeque<Tag>,
    is_ending: bool,
}

impl Ask {
    fn zone(&self) -> Tag {
        match self {
            Self::Table(query, _) => query.zone,
            Self::Current(ask, _) => ask.zone,
        }
    }

    /// Whether whoever asked has gone.
    fn is_gone(&self) -> bool {
        match self {
            Self::Table(_, reply) => reply.is_closed(),
            Self::Current(_, reply) => reply.is_closed(),
        }
    }
}

impl Mailbox {
    /// Puts a batch in.
    ///
    /// # Errors
    /// The batch, where there is no room for it now.
    pub fn tell(&self, batch: Batch) -> Result<(), Batch> {
        let mut inside = self.inside();
        if inside.is_ending {
            // The clerk has ended, and with it whoever could ask.
            return Ok(());
        }
        if inside.batches.len() >= ANALYTICS_BATCHES_MAX {
            return Err(batch);
        }
        inside.batches.push_back(batch);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts the last batch in, and ends all questions.
    pub fn end(&self, last: Batch) {
        let mut inside = self.inside();
        inside.batches.push_back(last);
        inside.end();
        self.filled.notify_one();
    }

    /// Takes nothing any more: the clerk is gone.
    pub fn close(&self) {
        self.inside().end();
    }

    /// Whether everything ends.
    pub fn is_ending(&self) -> bool {
        self.inside().is_ending
    }

    /// Puts a question in.
    ///
    /// # Errors
    /// `Busy` or `Ending`.
    pub fn ask(&self, ask: Ask) -> Result<(), Fault> {
        let mut inside = self.inside();
        if inside.is_ending {
            return Err(Fault::Ending);
        }
        if !inside.has_room(ask.zone()) {
            inside.forget_gone();
            if !inside.has_room(ask.zone()) {
                return Err(Fault::Busy);
            }
        }
        inside.put(ask);
        self.filled.notify_one();
        Ok(())
    }

    /// The next thing to do, after a nap where there is none.
    pub fn take(&self, nap: Duration) -> Mail {
        let wants =
            |inside: &mut Inside| inside.batches.is_empty() && inside.turns.is_empty() && !inside.is_ending;
        let slept = self.filled.wait_timeout_while(self.inside(), nap, wants);
        let (mut inside, _) = slept.unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = inside.batches.pop_front() {
            return Mail::Batch(batch);
        }
        if inside.is_ending {
            return Mail::End;
        }
        inside.next_ask().map_or(Mail::Nothing, Mail::Ask)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// A reply that is dropped tells its asker that all ends.
    fn end(&mut self) {
        self.is_ending = true;
        self.asks.clear();
        self.turns.clear();
    }

    fn has_room(&self, zone: Tag) -> bool {
        let of_zone = self.asks.get(&zone).map_or(0, VecDeque::len);
        let all: usize = self.asks.values().map(VecDeque::len).sum();
        of_zone < ANALYTICS_ASKS_PER_ZONE_MAX && all < ANALYTICS_ASKS_MAX
    }

    fn forget_gone(&mut self) {
        self.asks.values_mut().for_each(|asks| asks.retain(|ask| !ask.is_gone()));
        self.asks.retain(|_, asks| !asks.is_empty());
        self.turns.retain(|zone| self.asks.contains_key(zone));
    }

    fn put(&mut self, ask: Ask) {
        let zone = ask.zone();
        let asks = self.asks.entry(zone).or_default();
        if asks.is_empty() {
            self.turns.push_back(zone);
        }
        asks.push_back(ask);
    }

    /// The first question of the zone whose turn it is.
    fn next_ask(&mut self) -> Option<Ask> {
        while let Some(zone) = self.turns.pop_front() {
            let Some(mut asks) = self.asks.remove(&zone) else { continue };
            let ask = std::iter::from_fn(|| asks.pop_front()).find(|ask| !ask.is_gone());
            if !asks.is_empty() {
                self.asks.insert(zone, asks);
                self.turns.push_back(zone);
            }
            if ask.is_some() {
                return ask;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reply = oneshot::Receiver<Vec<Current>>;

    fn ask(zone: u128) -> (Ask, Reply) {
        let (reply, answered) = oneshot::channel();
        (Ask::Current(CurrentAsk { zone: Tag::from_bits(zone), apps: None, colo: None }, reply), answered)
    }

    fn put(mailbox: &Mailbox, zone: u128) -> Result<Reply, Fault> {
        let (ask, answered) = ask(zone);
        mailbox.ask(ask).map(|()| answered)
    }

    fn taken(mailbox: &Mailbox) -> Option<u128> {
        match mailbox.take(Duration::ZERO) {
            Mail::Ask(ask) => Some(ask.zone().bits()),
            Mail::Batch(_) => Some(0),
            Mail::Nothing | Mail::End => None,
        }
    }

    #[test]
    fn batches_come_first_and_zones_in_turn() {
        let mailbox = Mailbox::default();
        let _replies: Vec<_> = [1, 1, 1, 2, 3, 2].map(|zone| put(&mailbox, zone).expect("room")).into();
        assert!(mailbox.tell(Vec::new()).is_ok());
        let order: Vec<_> = std::iter::from_fn(|| taken(&mailbox)).collect();
        assert_eq!(order, [0, 1, 2, 3, 1, 2, 1]);
    }

    #[test]
    fn a_zone_fills_its_own_room_and_whoever_went_leaves_theirs() {
        let mailbox = Mailbox::default();
        let of_one: Vec<_> = (0..ANALYTICS_ASKS_PER_ZONE_MAX).map(|_| put(&mailbox, 1)).collect();
        assert!(of_one.iter().all(Result::is_ok));
        assert_eq!(put(&mailbox, 1).err(), Some(Fault::Busy));
        let of_two = put(&mailbox, 2).expect("another zone's room");
        drop(of_one);
        let last = put(&mailbox, 1).expect("they have gone");
        assert_eq!((taken(&mailbox), taken(&mailbox), taken(&mailbox)), (Some(2), Some(1), None));
        drop((of_two, last));
        let many: Vec<_> = (0..ANALYTICS_ASKS_MAX as u128).map(|zone| put(&mailbox, zone)).collect();
        assert!(many.iter().all(Result::is_ok));
        assert_eq!(put(&mailbox, 1_000).err(), Some(Fault::Busy));
        drop(many);
        assert_eq!(taken(&mailbox), None, "nobody is answered who has gone");
    }

    #[test]
    fn the_last_batch_has_room_and_ends_all_questions() {
        let mailbox = Mailbox::default();
        let mut reply = put(&mailbox, 1).expect("room");
        (0..ANALYTICS_BATCHES_MAX).for_each(|_| assert!(mailbox.tell(Vec::new()).is_ok()));
        assert!(mailbox.tell(Vec::new()).is_err());
        mailbox.end(Vec::new());
        assert!(matches!(reply.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert_eq!(put(&mailbox, 1).err(), Some(Fault::Ending));
        let batches = std::iter::from_fn(|| taken(&mailbox)).count();
        assert_eq!(batches, ANALYTICS_BATCHES_MAX + 1);
        assert!(matches!(mailbox.take(Duration::from_secs(600)), Mail::End));
    }
}

//! Changes that wait for their turn: so many in all, and so many of one user, that nobody fills the queue for others.

use crate::base::limits::{API_CHANGES_WAITING_MAX, API_CHANGES_WAITING_PER_USER_MAX};
use crate::estate::Id;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The queue; its order is the pen's.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    of_users: HashMap<Id, usize>,
}

/// A place in the queue, given back with the value.
#[derive(Debug)]
pub struct Place<'q> {
    queue: &'q Queue,
    user: Option<Id>,
}

impl Queue {
    /// A place for a change of a user's; whoever has no user, or is at the admin socket, is bounded by the whole alone. `None`:
    /// there is none.
    pub fn take(&self, user: Option<Id>) -> Option<Place<'_>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = user.and_then(|user| waiting.of_users.get(&user)).copied().unwrap_or(0);
        if waiting.all == API_CHANGES_WAITING_MAX || of_user == API_CHANGES_WAITING_PER_USER_MAX {
            return None;
        }
        waiting.all += 1;
        if let Some(user) = user {
            waiting.of_users.insert(user, of_user + 1);
        }
        Some(Place { queue: self, user })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all -= 1;
        let Some(user) = self.user else { return };
        if let Some(of_user) = waiting.of_users.get_mut(&user) {
            *of_user -= 1;
            if *of_user == 0 {
                waiting.of_users.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_places_for_others_and_places_come_back() {
        let queue = Queue::default();
        let user = |bits| Some(Id::from_bits(bits));
        let own: Vec<_> = (0..API_CHANGES_WAITING_PER_USER_MAX).map(|_| queue.take(user(1))).collect();
        assert!(own.iter().all(Option::is_some) && queue.take(user(1)).is_none());
        let local: Vec<_> = std::iter::repeat_with(|| queue.take(None)).take_while(Option::is_some).collect();
        assert_eq!(own.len() + local.len(), API_CHANGES_WAITING_MAX);
        assert!(queue.take(user(2)).is_none());
        drop(local);
        assert!(queue.take(user(2)).is_some() && queue.take(user(1)).is_none());
        drop(own);
        assert!(queue.take(user(1)).is_some());
        let left = queue.waiting.lock().expect("no panic");
        assert_eq!((left.all, left.of_users.len()), (0, 0));
    }
}

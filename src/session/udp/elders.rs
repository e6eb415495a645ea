//! Who goes first when all slots are taken: sessions in order of age, in two lists. The origin of those in the first has
//! never answered; the clients of those in the second have not proven themselves. Proven sessions are in neither.
//!
//! ```text
//!  opened -> [ Unanswered ] --reply--> [ Unproven ] --third datagram, a round trip later--> out
//!               evicted first             evicted next                                      never evicted
//! ```

const NONE: u32 = u32::MAX;

/// How far a session is trusted; the order is the order of eviction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trust {
    /// The origin has not answered.
    Unanswered,
    /// The origin has answered, the client may be a forged address.
    Unproven,
    /// The client has sent three datagrams over a round trip or more: it is where it says it is.
    Proven,
}

#[derive(Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
}

/// The two lists, linked through one array made at launch.
pub struct Elders {
    links: Box<[Link]>,
    lists: [List; 2],
}

impl Elders {
    /// For sessions `0..count`.
    pub fn new(count: usize) -> Self {
        let link = Link { previous: NONE, next: NONE };
        Self { links: vec![link; count].into(), lists: [List { oldest: NONE, newest: NONE }; 2] }
    }

    /// The next one to go, if any may.
    pub fn first(&self) -> Option<u32> {
        self.lists.iter().map(|list| list.oldest).find(|id| *id != NONE)
    }

    /// Moves `id` from its list to the young end of another. A free slot counts as `Proven`: in none.
    pub fn shift(&mut self, id: u32, from: Trust, to: Trust) {
        if let Some(list) = list_of(from) {
            self.unlink(id, list);
        }
        if let Some(list) = list_of(to) {
            self.append(id, list);
        }
    }

    fn append(&mut self, id: u32, list: usize) {
        let newest = std::mem::replace(&mut self.lists[list].newest, id);
        self.links[id as usize] = Link { previous: newest, next: NONE };
        match newest {
            NONE => self.lists[list].oldest = id,
            newest => self.links[newest as usize].next = id,
        }
    }

    fn unlink(&mut self, id: u32, list: usize) {
        let Link { previous, next } = self.links[id as usize];
        match previous {
            NONE => self.lists[list].oldest = next,
            previous => self.links[previous as usize].next = next,
        }
        match next {
            NONE => self.lists[list].newest = previous,
            next => self.links[next as usize].previous = previous,
        }
    }
}

const fn list_of(trust: Trust) -> Option<usize> {
    match trust {
        Trust::Unanswered => Some(0),
        Trust::Unproven => Some(1),
        Trust::Proven => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_lists_agree_with_naive_ones(steps in prop::collection::vec((0u32..6, 0usize..3), 1..200)) {
            let all = [Trust::Unanswered, Trust::Unproven, Trust::Proven];
            let mut elders = Elders::new(6);
            let mut model: Vec<(u32, Trust)> = Vec::new();
            for (id, to) in steps {
                let from = model.iter().find(|(held, _)| *held == id).map_or(Trust::Proven, |(_, trust)| *trust);
                elders.shift(id, from, all[to]);
                model.retain(|(held, _)| *held != id);
                model.push((id, all[to]));
                let of = |trust| model.iter().find(|(_, held)| *held == trust).map(|(id, _)| *id);
                prop_assert_eq!(elders.first(), of(Trust::Unanswered).or_else(|| of(Trust::Unproven)));
            }
        }
    }
}

//! The neighbour table: one entry per next hop, a state machine each, bounded in every direction.
//!
//! ```text
//!            solicit, 1 s, 3 times            unanswered
//!  (route) --> Incomplete -------------------------------> Failed --(used after 1 s; a gateway: always)--> Incomplete
//!                  | answered                                ^
//!                  v            30 s, then used              |
//!              Reachable ------------------------> Probe ----' unanswered: Incomplete first
//!                  ^  another MAC claims it: Probe   |  (unicast to the known MAC, 3 times)
//!                  '---------------------------------' answered by the known MAC
//! ```
//!
//! Entries are made only by our own need (`hop`), never by what strangers send. A claim of another hardware address
//! is a question, not an answer: the known one is probed quickly (3 times in 0.6 s), and only its silence makes room
//! for the claimant. So a dead gateway is replaced within a second and a live one cannot be talked away by a single
//! gratuitous ARP (RFC 5227 and RFC 4861 7.2.5 would take the claim at once).
//!
//! Worker 0 asks the link; on the others the same machine runs, and its questions go to worker 0.

use super::index::Index;
use crate::base::limits::{NEIGHBOR_ASKS_PER_TURN_MAX, NEIGHBORS_MAX};
use crate::base::{Addr, Hop, Instant, PortId, Span};

/// How long an answer is good for (RFC 4861 10: REACHABLE_TIME).
const REACHABLE: Span = Span::from_secs(30);
/// Between two questions (RFC 4861 10: RETRANS_TIMER).
const RETRY: Span = Span::from_secs(1);
/// Between two questions to a host whose address another one claims.
const RETRY_CONTESTED: Span = Span::from_millis(200);
/// Questions before giving up (RFC 4861 10: MAX_UNICAST_SOLICIT, MAX_MULTICAST_SOLICIT).
const TRIES: u8 = 3;
/// How long a host that did not answer is left alone.
const FAILED: Span = Span::from_secs(1);
/// An entry unused for this long makes room for another.
const UNUSED: Span = Span::from_secs(60);
/// Entries looked at for one that makes room.
const EVICT_PROBES: usize = 16;

/// What is known of a hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HopState {
    /// Asked for, not answered yet.
    Incomplete,
    /// Known; `Path::Ready` until its time is over.
    Reachable,
    /// Known, and asked whether it still holds.
    Probe,
    /// Did not answer.
    Failed,
    /// Given by config; never asked.
    Fixed,
}

impl HopState {
    /// The word for it in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::Reachable => "reachable",
            Self::Probe => "probe",
            Self::Failed => "failed",
            Self::Fixed => "fixed",
        }
    }
}

/// How to get a frame to a hop now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// To this hardware address.
    Ready([u8; 6]),
    /// The answer is on its way: the frame may wait.
    Wait,
    /// There is no answer.
    Unreachable,
}

/// How a hardware address was heard of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// An answer sent to us.
    Answer,
    /// A question to us that names its asker.
    Question,
    /// Said to everybody, asked or not.
    Announcement,
}

/// A hop whose hardware address was just confirmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The hop.
    pub hop: Hop,
    /// Whether it was not known before, or under another address.
    pub changed: bool,
}

/// What the table wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// Ask for this host: at `mac` alone where one is known, else everybody.
    Solicit {
        /// The port to ask on.
        port: PortId,
        /// The host.
        addr: Addr,
        /// Its last known hardware address.
        mac: Option<[u8; 6]>,
    },
    /// No answer: what waits for this hop is lost.
    GaveUp {
        /// The hop.
        hop: Hop,
    },
}

/// One entry, for `byway show neighbors`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// The port.
    pub port: PortId,
    /// The host.
    pub addr: Addr,
    /// Its hardware address, where known.
    pub mac: Option<[u8; 6]>,
    /// What is known of it.
    pub state: HopState,
    /// Whether it is a gateway of the config.
    pub gateway: bool,
    /// When it last answered.
    pub confirmed_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    port: PortId,
    addr: Addr,
    mac: [u8; 6],
    mac_known: bool,
    state: HopState,
    /// A gateway of the config: never makes room, and is asked for again and again.
    pinned: bool,
    tries: u8,
    pace: Span,
    /// Incomplete, Probe: the next question. Reachable: the end of its time. Failed: the end of its rest.
    due: Instant,
    used: Instant,
    confirmed_at: Option<Instant>,
}

/// All hops of one worker.
#[derive(Debug)]
pub struct Neighbors {
    entries: Vec<Entry>,
    index: Index,
    /// No question is due before this.
    due: Instant,
    /// Where the search for an entry that makes room goes on.
    cursor: usize,
}

impl Neighbors {
    /// An empty table with all its memory.
    pub fn new(secret: [u64; 4]) -> Self {
        let entries = Vec::with_capacity(NEIGHBORS_MAX);
        Self { entries, index: Index::new(secret), due: NEVER, cursor: 0 }
    }

    /// A gateway: resolved at once and for ever. Only at launch.
    pub fn pin(&mut self, port: PortId, addr: Addr, now: Instant) -> Option<Hop> {
        let hop = self.hop(port, addr, now)?;
        self.entries[hop.index()].pinned = true;
        Some(hop)
    }

    /// A host whose hardware address is given. Only at launch.
    pub fn fix(&mut self, port: PortId, addr: Addr, mac: [u8; 6], now: Instant) -> Option<Hop> {
        let hop = self.hop(port, addr, now)?;
        let entry = &mut self.entries[hop.index()];
        *entry = Entry { mac, mac_known: true, state: HopState::Fixed, ..*entry };
        Some(hop)
    }

    /// The hop of an on-link host; a new one is asked for at the next `tick`. `None` when the table is full of
    /// hosts in use.
    pub fn hop(&mut self, port: PortId, addr: Addr, now: Instant) -> Option<Hop> {
        if let Some(hop) = self.index.find(port, addr) {
            return Some(hop);
        }
        let entry = Entry {
            port,
            addr,
            mac: [0; 6],
            mac_known: false,
            state: HopState::Incomplete,
            pinned: false,
            tries: 0,
            pace: RETRY,
            due: now,
            used: now,
            confirmed_at: None,
        };
        let hop = self.place(now)?;
        match self.entries.get_mut(hop.index()) {
            Some(old) => {
                self.index.remove(old.port, old.addr);
                *old = entry;
            }
            None => self.entries.push(entry),
        }
        self.index.insert(port, addr, hop);
        self.due = self.due.min(now);
        Some(hop)
    }

    /// The port that a hop is reached through.
    #[inline]
    pub fn port(&self, hop: Hop) -> PortId {
        self.entries[hop.index()].port
    }

    /// Whether frames to `dst` may still go through `hop`: a flow may hold a hop whose place another host took.
    #[inline]
    pub fn leads_to(&self, hop: Hop, dst: Addr) -> bool {
        let entry = &self.entries[hop.index()];
        entry.pinned || entry.addr == dst
    }

    /// Whether a hop is a gateway of the config, which leads anywhere.
    pub fn is_gateway(&self, hop: Hop) -> bool {
        self.entries[hop.index()].pinned
    }

    /// The port and hardware address of a hop that is known, needs no asking and still leads to `dst`: the whole of
    /// `leads_to`, `path` and `port` for the common case.
    #[inline]
    pub fn ready(&mut self, hop: Hop, dst: Addr, now: Instant) -> Option<(PortId, [u8; 6])> {
        let entry = &mut self.entries[hop.index()];
        let known = match entry.state {
            HopState::Fixed | HopState::Probe => true,
            HopState::Reachable => now < entry.due,
            HopState::Incomplete | HopState::Failed => false,
        };
        (known && (entry.pinned || entry.addr == dst)).then(|| {
            entry.used = now;
            (entry.port, entry.mac)
        })
    }

    /// How to get a frame to `hop` now; asks for it where that is due.
    #[inline]
    pub fn path(&mut self, hop: Hop, now: Instant) -> Path {
        let entry = &mut self.entries[hop.index()];
        entry.used = now;
        match entry.state {
            HopState::Fixed | HopState::Probe => Path::Ready(entry.mac),
            HopState::Reachable if now < entry.due => Path::Ready(entry.mac),
            HopState::Reachable => {
                self.ask(hop, HopState::Probe, RETRY, now);
                Path::Ready(self.entries[hop.index()].mac)
            }
            HopState::Incomplete => Path::Wait,
            HopState::Failed if now < entry.due => Path::Unreachable,
            HopState::Failed => {
                self.ask(hop, HopState::Incomplete, RETRY, now);
                Path::Wait
            }
        }
    }

    /// Takes what was heard of a host; the hop that is known (again) by it, if there is one.
    pub fn hear(
        &mut self,
        (port, addr): (PortId, Addr),
        mac: [u8; 6],
        hearing: Hearing,
        now: Instant,
    ) -> Option<Known> {
        let hop = self.index.find(port, addr)?;
        let entry = self.entries[hop.index()];
        match entry.state {
            HopState::Fixed => None,
            HopState::Incomplete | HopState::Failed => match hearing {
                Hearing::Answer | Hearing::Question => self.confirm(hop, mac, now),
                Hearing::Announcement => None,
            },
            HopState::Reachable | HopState::Probe if entry.mac == mac => match hearing {
                Hearing::Answer => self.confirm(hop, mac, now),
                Hearing::Question | Hearing::Announcement => None,
            },
            HopState::Reachable => {
                self.ask(hop, HopState::Probe, RETRY_CONTESTED, now);
                None
            }
            // A probe at ease turns into a quick one when somebody else claims the address.
            HopState::Probe if entry.pace == RETRY => {
                self.ask(hop, HopState::Probe, RETRY_CONTESTED, now);
                None
            }
            HopState::Probe => None,
        }
    }

    /// Takes worker 0's word on a host; the hop it concerns, if this worker has one.
    pub fn learn(&mut self, (port, addr): (PortId, Addr), mac: Option<[u8; 6]>, now: Instant) -> Option<Hop> {
        let hop = self.index.find(port, addr)?;
        match mac {
            Some(mac) => self.confirm(hop, mac, now).map(|known| known.hop),
            None => {
                self.fail(hop, now);
                Some(hop)
            }
        }
    }

    /// Puts every known hop of a port in question: the link came back, perhaps to another switch.
    pub fn doubt(&mut self, port: PortId, now: Instant) {
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if entry.port == port && entry.state != HopState::Fixed {
                let known = entry.mac_known && entry.state != HopState::Failed;
                let state = if known { HopState::Probe } else { HopState::Incomplete };
                self.ask(Hop(index as u16), state, RETRY, now);
            }
        }
    }

    /// When `tick` has something to do; `None` when nothing is asked for.
    pub fn deadline(&self) -> Option<Instant> {
        (self.due != NEVER).then_some(self.due)
    }

    /// Puts the questions that are due, and gives up where they went unanswered. Bounded; the rest comes next turn.
    pub fn tick(&mut self, now: Instant, mut asked: impl FnMut(Asked)) {
        if now < self.due {
            return;
        }
        let mut due = NEVER;
        let mut left = NEIGHBOR_ASKS_PER_TURN_MAX;
        for index in 0..self.entries.len() {
            let Some(at) = self.entries[index].question_at() else { continue };
            if now >= at && left > 0 {
                left -= 1;
                asked(self.step(Hop(index as u16), now));
            }
            due = due.min(self.entries[index].question_at().unwrap_or(NEVER));
        }
        self.due = due;
    }

    /// All hops.
    pub fn views(&self) -> impl Iterator<Item = View> + '_ {
        self.entries.iter().map(|entry| View {
            port: entry.port,
            addr: entry.addr,
            mac: entry.mac_known.then_some(entry.mac),
            state: entry.state,
            gateway: entry.pinned,
            confirmed_at: entry.confirmed_at,
        })
    }

    /// Hops held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether this host has a hop.
    pub fn knows(&self, port: PortId, addr: Addr) -> bool {
        self.index.find(port, addr).is_some()
    }

    /// The host that a hop leads to.
    pub fn whose(&self, hop: Hop) -> (PortId, Addr) {
        let entry = &self.entries[hop.index()];
        (entry.port, entry.addr)
    }

    /// One question, or the end of asking.
    fn step(&mut self, hop: Hop, now: Instant) -> Asked {
        let entry = &mut self.entries[hop.index()];
        if entry.tries >= TRIES && entry.state == HopState::Incomplete {
            self.fail(hop, now);
            return Asked::GaveUp { hop };
        }
        if entry.tries >= TRIES || entry.state == HopState::Failed {
            self.ask(hop, HopState::Incomplete, RETRY, now);
        }
        let entry = &mut self.entries[hop.index()];
        entry.tries += 1;
        entry.due = now + entry.pace;
        let mac = (entry.state == HopState::Probe).then_some(entry.mac);
        Asked::Solicit { port: entry.port, addr: entry.addr, mac }
    }

    fn ask(&mut self, hop: Hop, state: HopState, pace: Span, now: Instant) {
        let entry = &mut self.entries[hop.index()];
        *entry = Entry { state, pace, tries: 0, due: now, ..*entry };
        self.due = self.due.min(now);
    }

    fn confirm(&mut self, hop: Hop, mac: [u8; 6], now: Instant) -> Option<Known> {
        let entry = &mut self.entries[hop.index()];
        let changed = match entry.state {
            HopState::Fixed => return None,
            HopState::Incomplete | HopState::Failed => true,
            HopState::Reachable | HopState::Probe => entry.mac != mac,
        };
        let (due, confirmed_at) = (now + REACHABLE, Some(now));
        *entry = Entry { mac, mac_known: true, state: HopState::Reachable, due, confirmed_at, ..*entry };
        Some(Known { hop, changed })
    }

    fn fail(&mut self, hop: Hop, now: Instant) {
        let entry = &mut self.entries[hop.index()];
        if entry.state == HopState::Fixed {
            return;
        }
        *entry = Entry { state: HopState::Failed, due: now + FAILED, ..*entry };
        if entry.pinned {
            self.due = self.due.min(entry.due);
        }
    }

    /// The next free place, or one whose host makes room.
    fn place(&mut self, now: Instant) -> Option<Hop> {
        if self.entries.len() < NEIGHBORS_MAX {
            return Some(Hop(self.entries.len() as u16));
        }
        for _ in 0..EVICT_PROBES {
            self.cursor = (self.cursor + 1) % NEIGHBORS_MAX;
            let entry = &self.entries[self.cursor];
            let idle = entry.state == HopState::Failed || now.since(entry.used) >= UNUSED;
            if idle && !entry.pinned && entry.state != HopState::Fixed {
                return Some(Hop(self.cursor as u16));
            }
        }
        None
    }
}

/// Further than any clock gets.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Entry {
    /// When the next question is due; `None` when there is none to put.
    fn question_at(&self) -> Option<Instant> {
        match self.state {
            HopState::Incomplete | HopState::Probe => Some(self.due),
            HopState::Failed if self.pinned => Some(self.due),
            HopState::Failed | HopState::Reachable | HopState::Fixed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
    const PORT: PortId = PortId(0);

    fn host(number: u16) -> Addr {
        Addr::v4([10, 0, (number >> 8) as u8, number as u8])
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Span::from_millis(ms)
    }

    fn tick(table: &mut Neighbors, ms: u64) -> Vec<Asked> {
        let mut asked = Vec::new();
        table.tick(at(ms), |what| asked.push(what));
        asked
    }

    fn solicit(mac: Option<[u8; 6]>) -> Vec<Asked> {
        vec![Asked::Solicit { port: PORT, addr: host(1), mac }]
    }

    fn known() -> (Neighbors, Hop) {
        let mut table = Neighbors::new([1, 2, 3, 4]);
        let hop = table.hop(PORT, host(1), at(0)).expect("room");
        assert_eq!(table.path(hop, at(0)), Path::Wait);
        assert_eq!(tick(&mut table, 0), solicit(None));
        assert_eq!(
            table.hear((PORT, host(1)), A, Hearing::Answer, at(1)),
            Some(Known { hop, changed: true })
        );
        assert_eq!(table.path(hop, at(2)), Path::Ready(A));
        (table, hop)
    }

    #[test]
    fn an_unanswered_hop_is_asked_for_three_times_then_fails_then_rests_a_second() {
        let mut table = Neighbors::new([1, 2, 3, 4]);
        let hop = table.hop(PORT, host(1), at(0)).expect("room");
        for ms in [0, 1_000, 2_000] {
            assert_eq!(tick(&mut table, ms), solicit(None));
            assert!(tick(&mut table, ms + 999).is_empty());
        }
        assert_eq!(tick(&mut table, 3_000), [Asked::GaveUp { hop }]);
        assert_eq!(table.deadline(), None);
        assert_eq!(table.path(hop, at(3_500)), Path::Unreachable);
        assert_eq!(table.path(hop, at(4_000)), Path::Wait);
        assert_eq!(tick(&mut table, 4_000), solicit(None));
    }

    #[test]
    fn a_gateway_is_asked_for_again_without_being_used() {
        let mut table = Neighbors::new([1, 2, 3, 4]);
        let hop = table.pin(PORT, host(1), at(0)).expect("room");
        for ms in [0, 1_000, 2_000] {
            tick(&mut table, ms);
        }
        assert_eq!(tick(&mut table, 3_000), [Asked::GaveUp { hop }]);
        assert_eq!(tick(&mut table, 4_000), solicit(None));
    }

    #[test]
    fn a_known_hop_is_probed_at_its_own_address_after_its_time_and_stays_usable() {
        let (mut table, hop) = known();
        assert!(tick(&mut table, 60_000).is_empty(), "an unused hop is not asked for");
        assert_eq!(table.path(hop, at(60_000)), Path::Ready(A));
        assert_eq!(tick(&mut table, 60_000), solicit(Some(A)));
        assert_eq!(
            table.hear((PORT, host(1)), A, Hearing::Answer, at(60_001)),
            Some(Known { hop, changed: false })
        );
        assert_eq!(table.path(hop, at(60_002)), Path::Ready(A));
        assert!(tick(&mut table, 61_000).is_empty());
    }

    #[test]
    fn a_claimant_waits_until_the_known_address_proves_silent() {
        let (mut table, hop) = known();
        assert_eq!(table.hear((PORT, host(1)), B, Hearing::Announcement, at(100)), None);
        assert_eq!(tick(&mut table, 100), solicit(Some(A)));
        assert_eq!(table.hear((PORT, host(1)), B, Hearing::Answer, at(101)), None);
        assert_eq!(table.path(hop, at(102)), Path::Ready(A), "still the known one");
        assert_eq!(tick(&mut table, 300), solicit(Some(A)));
        assert_eq!(tick(&mut table, 500), solicit(Some(A)));
        assert_eq!(tick(&mut table, 700), solicit(None), "silent: everybody is asked");
        assert_eq!(table.path(hop, at(700)), Path::Wait);
        assert_eq!(
            table.hear((PORT, host(1)), B, Hearing::Answer, at(701)),
            Some(Known { hop, changed: true })
        );
        assert_eq!(table.path(hop, at(702)), Path::Ready(B), "the same hop, so live flows move");
    }

    #[test]
    fn a_claimant_is_forgotten_when_the_known_address_answers() {
        let (mut table, hop) = known();
        table.hear((PORT, host(1)), B, Hearing::Announcement, at(100));
        assert_eq!(
            table.hear((PORT, host(1)), A, Hearing::Answer, at(101)),
            Some(Known { hop, changed: false })
        );
        assert!(tick(&mut table, 1_000).is_empty());
        assert_eq!(table.path(hop, at(1_000)), Path::Ready(A));
    }

    #[test]
    fn strangers_make_no_entries_and_announcements_answer_nothing() {
        let mut table = Neighbors::new([1, 2, 3, 4]);
        assert_eq!(table.hear((PORT, host(1)), A, Hearing::Answer, at(0)), None);
        assert_eq!(table.views().count(), 0);
        let hop = table.hop(PORT, host(1), at(0)).expect("room");
        assert_eq!(table.hear((PORT, host(1)), A, Hearing::Announcement, at(0)), None);
        assert_eq!(table.path(hop, at(0)), Path::Wait);
    }

    #[test]
    fn a_full_table_makes_room_only_where_nobody_sends() {
        let mut table = Neighbors::new([1, 2, 3, 4]);
        let pinned = table.pin(PORT, host(0), at(0)).expect("room");
        for number in 1..NEIGHBORS_MAX as u16 {
            table.hop(PORT, host(number), at(0)).expect("room");
        }
        assert_eq!(table.hop(PORT, host(5_000), at(1)), None, "all in use");
        let late = table.hop(PORT, host(5_000), at(60_000)).expect("room again");
        assert_ne!(late, pinned);
        assert!(table.leads_to(late, host(5_000)));
        assert!(!table.leads_to(late, host(late.0)), "the old host has lost this hop");
        assert!(table.leads_to(pinned, host(77)), "a gateway leads anywhere");
    }
}

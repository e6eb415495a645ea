//! One worker: everything it owns, and the order of its turn.
//!
//! ```text
//!  turn(now)
//!   1 snapshot   one epoch check; a new one is taken, the old one goes home to control
//!   2 words      commands from control, notices from other workers
//!   3 intake     a burst from each port, one from the hand-over ring: parse, steer, find, serve
//!   4 service    sessions that the burst touched: pump, egress
//!   5 time       session timers, neighbours, announcements, gathered events, the sweep after a new snapshot
//!   6 flush      transmit batches to the ports
//! ```
//!
//! After `new` nothing here allocates, locks, logs or makes a system call (a driver's own calls excepted).

use super::announce::Announcements;
use super::commands::Errands;
use super::exit::Exit;
use super::greet::Offered;
use super::intake::Intake;
use super::limits::Limits;
use super::locals::DenyList;
use super::{HandoverEnds, Ledger, NeighborView, Refusal, Settings};
use crate::base::{BlockSet, Epoch, Instant, PortId, Span, WorkerId};
use crate::port::{Port, RssReport};
use crate::session::tls::CryptoLane;
use crate::session::{ComesHome, Sessions, udp};
use crate::snapshot::{Snapshot, SnapshotReader, WorkerMail};
use crate::telemetry::{Counter, Gauge, PageReader, PageWriter};
use crate::wire::{FlowKey, Steering};
use std::sync::Arc;

/// What one turn did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Turn {
    /// Frames taken in, from ports and from other workers.
    pub received: u32,
    /// Frames that the ports took.
    pub sent: u32,
    /// Whether there is more to do at once: a sweep is under way, timers were left over.
    pub busy: bool,
    /// Whether control said to stop.
    pub stop: bool,
}

impl Turn {
    /// Whether there was nothing to do.
    pub const fn is_idle(&self) -> bool {
        self.received == 0 && self.sent == 0 && !self.busy
    }
}

/// What a worker is given at launch beside its settings.
pub struct Equipment<P: Port> {
    /// Its view of each port, in the order of the boot config.
    pub ports: Vec<P>,
    /// Where its snapshots come from.
    pub reader: SnapshotReader,
    /// Its mailbox.
    pub mail: WorkerMail,
    /// Its ends of the hand-over rings.
    pub handover: HandoverEnds<P::Frame>,
    /// Its page of numbers.
    pub page: PageWriter,
    /// The boot secret: keys of flow tables, initial sequence numbers and port choice.
    pub secret: [u8; 32],
}

/// Whether live sessions are to be judged under a newer snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sweeping {
    /// All were.
    No,
    /// Those of edited apps are, from this time on.
    Due(Instant),
    /// The walk over them is under way.
    Once,
    /// The same, and another snapshot came meanwhile: once more. `all`: not only for edited apps.
    Twice { all: bool },
}

/// A sweep for edited apps begins so long after the last one at least, and so many times what that took: at many edits a
/// second, sweeps are to take little of a worker's time.
const SWEEP_REST: Span = Span::from_millis(100);
const SWEEP_RESTS: u64 = 31;

/// One worker.
pub struct Worker<P: Port> {
    pub(super) id: WorkerId,
    /// Workers in the process.
    pub(super) workers: u8,
    pub(super) exit: Exit<P>,
    pub(super) sessions: Sessions,
    pub(super) udp: udp::Sessions,
    pub(super) reader: SnapshotReader,
    pub(super) handover: HandoverEnds<P::Frame>,
    pub(super) steering: Steering,
    pub(super) denied: DenyList,
    /// Where sources may lie that are its own, denied or onboarded, and the first two of them alone.
    pub(super) suspects: BlockSet,
    standing_suspects: BlockSet,
    pub(super) limits: Limits,
    /// What the last clients that got cookies were offered.
    pub(super) offered: Option<Offered>,
    pub(super) unused_tcp: Refusal,
    pub(super) blocked_tcp: Refusal,
    pub(super) intake: Intake<P::Frame>,
    /// Whether segments that follow each other in a burst are judged once (`follow`).
    pub(super) gro: bool,
    pub(super) announcements: Announcements,
    pub(super) errands: Errands,
    /// Whether live sessions are still to be judged under the newest snapshot.
    sweeping: Sweeping,
    /// When the sweep began, and until when the next one waits for no more than edited apps.
    swept: (Instant, Instant),
    /// The snapshot that sessions were last judged by, all of them.
    judged: Epoch,
    pub(super) stop: bool,
    /// What of the ledger the page knows already.
    posted: Ledger,
}

impl<P: Port> Worker<P> {
    /// A worker with all its memory. `snapshot` is the first one, which control publishes before launch.
    pub fn new(id: WorkerId, settings: &Settings, equipment: Equipment<P>, now: Instant) -> Self {
        let Equipment { ports, reader, mail, handover, page, secret } = equipment;
        let mut session = settings.session.clone();
        session.comes_home = comes_home(&ports, id, settings.workers);
        let udp = udp::Settings { comes_home: session.comes_home.clone(), ..settings.udp.clone() };
        let mut exit = Exit::new(id, settings, ports, mail, page, &secret);
        exit.now = now;
        exit.origins.take(reader.current());
        let judged = reader.current().judging;
        let ports = exit.faces.len();
        let denied = DenyList::new(&settings.denied_sources);
        let standing_suspects = exit.locals.blocks().clone().and(denied.blocks());
        let suspects = standing_suspects.clone().and(reader.current().table.prefixes().blocks());
        Self {
            id,
            workers: settings.workers.max(1),
            sessions: Sessions::new(session, id, settings.workers, &secret, now),
            udp: udp::Sessions::new(udp, id, settings.workers, &secret, now),
            reader,
            handover,
            steering: Steering::new(settings.workers),
            suspects,
            standing_suspects,
            denied,
            limits: Limits::new(&settings.rates),
            offered: None,
            unused_tcp: settings.unused_tcp,
            blocked_tcp: settings.blocked_tcp,
            intake: Intake::new(),
            gro: settings.gro,
            announcements: Announcements::new(ports, now),
            errands: Errands::default(),
            sweeping: Sweeping::No,
            swept: (now, now),
            judged,
            stop: false,
            posted: Ledger::default(),
            exit,
        }
    }

    /// Gives the worker its way to the crypto threads; without one apps with TLS are not served.
    #[must_use]
    pub fn with_crypto(mut self, lane: CryptoLane) -> Self {
        self.sessions.set_crypto(lane);
        self
    }

    /// One turn of the loop.
    pub fn turn(&mut self, now: Instant) -> Turn {
        self.exit.now = now;
        self.exit.forget_bearings();
        self.take_snapshot();
        let errands = self.take_commands();
        self.take_notices();
        for port in 0..self.exit.faces.len() {
            self.take_burst(PortId(port as u8));
        }
        self.take_over();
        let busy = self.sessions.take_crypto(now, &mut self.exit);
        self.sessions.service(now, &mut self.exit);
        let busy = self.keep_time() || errands || busy;
        self.exit.flush();
        self.post(busy)
    }

    /// When the worker has something to do without a frame coming in; `None` when never.
    pub fn next_deadline(&self) -> Option<Instant> {
        let resolver = (self.id == WorkerId(0)).then(|| self.announcements.deadline()).flatten();
        let due = [
            self.sessions.next_deadline(),
            self.udp.next_deadline(),
            self.exit.neighbors.deadline(),
            self.exit.filtered.deadline(),
            resolver,
            self.sweep_due(),
        ];
        due.into_iter().flatten().min()
    }

    /// When a sweep begins.
    const fn sweep_due(&self) -> Option<Instant> {
        match self.sweeping {
            Sweeping::Due(at) => Some(at),
            Sweeping::No | Sweeping::Once | Sweeping::Twice { .. } => None,
        }
    }

    /// Whether only a frame on one of its ports, or time, brings it something to do soon. Not so while frames or TLS
    /// handshakes are on their way to it, or may be, in a queue that interrupts nobody.
    pub fn awaits_ports_only(&self) -> bool {
        self.workers == 1 && self.sessions.crypto_away() == 0 && self.exit.outbox.waiting() == 0
    }

    /// Lets all ports interrupt this thread; `false`, and none does, where one cannot.
    pub fn arm(&mut self) -> bool {
        let armed = self.exit.outbox.ports_mut().iter_mut().all(Port::arm);
        if !armed {
            self.disarm();
        }
        armed
    }

    /// Takes `arm` back.
    pub fn disarm(&mut self) {
        self.exit.outbox.ports_mut().iter_mut().for_each(Port::disarm);
    }

    /// Waits for frames on any of its ports, all armed, for `limit` at most.
    pub fn wait(&mut self, limit: Span) {
        self.count_rest(Counter::InterruptWaits);
        if let Some(any) = self.exit.outbox.ports_mut().first_mut() {
            any.wait(limit);
        }
    }

    /// Counts a rest.
    pub fn count_rest(&self, rest: Counter) {
        self.exit.page.count(rest);
    }

    /// Notes how many of the CPU's cycles went by since the last note, and how many of them a turn with work took.
    pub fn note_cycles(&self, all: u64, busy: u64) {
        self.exit.page.add(Counter::Cycles, all);
        self.exit.page.add(Counter::BusyCycles, busy);
    }

    /// The balance of its frames.
    pub fn ledger(&self) -> Ledger {
        self.exit.ledger
    }

    /// Outgoing frames that it still holds.
    pub fn frames_waiting(&self) -> u64 {
        self.exit.held()
    }

    /// TCP sessions that it holds.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// UDP sessions that it holds.
    pub fn udp_sessions(&self) -> usize {
        self.udp.len()
    }

    /// The next hops that it knows.
    pub fn neighbors(&self) -> impl Iterator<Item = NeighborView> + '_ {
        self.exit.neighbors.views()
    }

    /// A reader of its page.
    pub fn page(&self) -> PageReader {
        self.exit.page.reader()
    }

    /// Its ports.
    pub fn ports(&self) -> &[P] {
        self.exit.outbox.ports()
    }

    /// Its ports, to be changed between turns (tests).
    pub fn ports_mut(&mut self) -> &mut [P] {
        self.exit.outbox.ports_mut()
    }

    fn take_snapshot(&mut self) {
        if !self.reader.is_behind() {
            return;
        }
        self.exit.origins.put_away();
        let moved = self.reader.poll();
        self.exit.origins.take(self.reader.current());
        if !moved {
            return;
        }
        let onboarded = self.reader.current().table.prefixes().blocks();
        self.suspects.become_either(&self.standing_suspects, onboarded);
        if self.reader.current().draining {
            self.sessions.drain();
            self.udp.drain();
        }
        self.exit.page.count(Counter::SnapshotsTaken);
        let judging = self.judging();
        let all = std::mem::replace(&mut self.judged, judging) != judging;
        self.sweeping = match self.sweeping {
            Sweeping::No | Sweeping::Due(_) if all => return self.start_sweep(),
            Sweeping::No if self.snapshot().edited.is_empty() => Sweeping::No,
            Sweeping::No => Sweeping::Due(self.swept.1),
            due @ Sweeping::Due(_) => due,
            // It goes on under the newest one: snapshots that come faster than a sweep takes must not hold it up.
            Sweeping::Once => Sweeping::Twice { all },
            Sweeping::Twice { all: before } => Sweeping::Twice { all: before || all },
        };
    }

    fn start_sweep(&mut self) {
        self.sessions.restart_sweep();
        self.udp.restart_sweep();
        self.swept.0 = self.exit.now;
        self.sweeping = Sweeping::Once;
    }

    /// Judges some sessions, where they are to be; whether there are more.
    fn go_on_sweeping(&mut self) -> bool {
        let now = self.exit.now;
        match self.sweeping {
            Sweeping::No => return false,
            Sweeping::Due(at) if now < at => return false,
            Sweeping::Due(_) => self.start_sweep(),
            Sweeping::Once | Sweeping::Twice { .. } => {}
        }
        if !self.sweep() {
            return true;
        }
        let took = now.since(self.swept.0).nanos().saturating_mul(SWEEP_RESTS);
        self.swept.1 = now + Span::from_nanos(took.max(SWEEP_REST.nanos()));
        match self.sweeping {
            Sweeping::Twice { all: true } => self.start_sweep(),
            Sweeping::Twice { all: false } => self.sweeping = Sweeping::Due(self.swept.1),
            Sweeping::No | Sweeping::Due(_) | Sweeping::Once => self.sweeping = Sweeping::No,
        }
        matches!(self.sweeping, Sweeping::Once)
    }

    /// Everything that happens because time passes. Whether there is more at once.
    fn keep_time(&mut self) -> bool {
        let now = self.exit.now;
        self.sessions.expire(now, &mut self.exit);
        self.udp.expire(now, &mut self.exit);
        self.tell_probes();
        self.ask_neighbors();
        self.announce();
        self.exit.tell_filtered();
        self.go_on_sweeping()
    }

    /// Writes what changed to the page.
    fn post(&mut self, busy: bool) -> Turn {
        let (page, ledger, posted) = (&self.exit.page, &self.exit.ledger, &self.posted);
        let flushed = std::mem::take(&mut self.exit.flushed);
        let taken_in = (ledger.received - posted.received) + (ledger.taken - posted.taken);
        page.count(Counter::Turns);
        if taken_in > 0 {
            page.add(Counter::ReceivedFrames, ledger.received - posted.received);
            page.add(Counter::TakenOverFrames, ledger.taken - posted.taken);
            page.add(Counter::ReturnedFrames, ledger.sent - posted.sent);
            page.add(Counter::AbsorbedFrames, ledger.absorbed - posted.absorbed);
            page.add(Counter::HandedOverFrames, ledger.handed - posted.handed);
        }
        if flushed.frames > 0 {
            page.add(Counter::SentFrames, flushed.frames);
            page.add(Counter::SentBytes, flushed.bytes);
        }
        page.set(Gauge::Epoch, self.epoch().0);
        page.set(Gauge::Sessions, self.sessions.len() as u64);
        page.set(Gauge::SplicedSessions, self.sessions.spliced() as u64);
        page.set(Gauge::ParkedSessions, self.sessions.parked() as u64);
        page.set(Gauge::UdpSessions, self.udp.len() as u64);
        page.set(Gauge::CryptoJobs, self.sessions.crypto_away() as u64);
        page.set(Gauge::HalfOpen, self.sessions.half_open() as u64);
        let (time_waits, egress_resting) = self.sessions.resting();
        page.set(Gauge::TimeWaits, time_waits as u64);
        page.set(
            Gauge::EgressPorts,
            (egress_resting + self.sessions.len() + self.udp.resting() + self.udp.len()) as u64,
        );
        self.exit.ledger.transmitted += flushed.frames;
        self.posted = self.exit.ledger;
        let turn = Turn { received: taken_in as u32, sent: flushed.frames as u32, busy, stop: self.stop };
        if turn.is_idle() {
            self.exit.page.count(Counter::IdleTurns);
        }
        turn
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        self.reader.current()
    }

    /// The snapshot that live sessions are to be judged by.
    pub(super) fn judging(&self) -> Epoch {
        self.snapshot().judging
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.snapshot().epoch
    }
}

/// Whether a reply arrives on this worker's own queue: known where a device spreads flows by our hash.
fn comes_home<P: Port>(ports: &[P], id: WorkerId, workers: u8) -> Option<ComesHome> {
    let programmed = |port: &P| matches!(port.info().rss, RssReport::Programmed { .. });
    if workers < 2 || !ports.iter().any(programmed) {
        return None;
    }
    let steering = Steering::new(workers);
    Some(Arc::new(move |reply: &FlowKey| steering.owner(reply) == id))
}

//! The control loop: one thread, one owner of all control state; it looks every few milliseconds, and in between
//! hears signals, inquiries and the ends of loads.

use super::desk::{Desk, Inquiry, Readiness, TrialNews};
use super::event_log::{AppFacts, EventLog};
use super::fleet::Fleet;
use super::health::Prober;
use super::heartbeat::Heartbeat;
use super::http::MetricsListener;
use super::listing::{Listings, Words};
use super::load::{Load, LoadNews};
use super::ports::{PortNews, PortState, PortsView};
use super::reloads::{Done, Reloads, say_loaded};
use super::resolve::Resolver;
use super::socket::ControlSocket;
use super::timestamp::WallClock;
use super::usage::Usage;
use super::watch::{FileWatch, FilesWatch};
use super::workshop::Workshop;
use super::{log, notify};
use crate::analytics::Recorder;
use crate::base::{Clock, Epoch, Instant, OsClock, PortId, Span};
use crate::snapshot::Command;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;

/// Pause between two looks.
const TICK: Duration = Duration::from_millis(10);
/// The same while somebody waits for rows, or for workers to take a table.
const TICK_BUSY: Duration = Duration::from_millis(1);
/// Events written at one look.
const EVENTS_PER_TICK_MAX: usize = 65_536;
/// How often the table file is looked at.
const WATCH: Span = Span::from_millis(200);
/// How often ports, event file and slots are looked at.
const SLOW: Span = Span::from_millis(500);
/// How long workers may take to leave their loops, and to reset what is left.
const STOPPING: Span = Span::from_secs(3);
/// How long resets of the sessions left may take to go out.
const RESETTING: Span = Span::from_millis(200);

/// How the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was told to, and did.
    Ended,
    /// Something of ours broke; what, is in the log.
    Failed(String),
}

/// What cli brings.
pub struct Parts {
    /// The clock that the workers read, too.
    pub clock: OsClock,
    /// The workers.
    pub fleet: Fleet,
    /// The ports.
    pub ports: Box<dyn PortsView>,
    /// The table in force and its workshop.
    pub reloads: Reloads,
    /// The event log.
    pub events: EventLog,
    /// What asks for origins by name.
    pub resolver: Resolver,
    /// What tries whether origins answer.
    pub prober: Prober,
    /// What takes in numbers for the API's analytics; `None` without an API.
    pub recorder: Option<Recorder>,
    /// Where the API's admin socket is; `None` without an API.
    pub admin_socket: Option<PathBuf>,
    /// How long SIGTERM waits.
    pub drain: Span,
    /// How long a worker may be silent.
    pub hang: Span,
}

/// Listeners that were bound before privileges were dropped.
#[derive(Default)]
pub struct Listeners {
    /// The local socket.
    pub socket: Option<ControlSocket>,
    /// Metrics and probes.
    pub metrics: Option<MetricsListener>,
    /// The API.
    pub api: Option<ApiStart>,
}

/// Starts the API on a thread of its own.
pub type ApiStart = Box<dyn FnOnce(Desk) -> io::Result<ApiStop> + Send>;

/// Ends it: no new connections, those under way are answered.
pub type ApiStop = Box<dyn FnOnce()>;

/// How far the process is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Not all workers turn yet.
    Starting,
    /// In service.
    Serving,
    /// Told to end; the draining snapshot could not be made yet, since a load is under way.
    DrainWanted,
    /// No new connections; until when old ones may go on.
    Draining(Instant),
    /// Sessions left were reset; workers are told to stop at this time.
    Resetting(Instant),
    /// Workers were told to stop; until when they may take.
    Stopping(Instant),
}

/// The control side's state.
pub struct Control {
    pub(super) clock: OsClock,
    pub(super) wall: WallClock,
    pub(super) fleet: Fleet,
    pub(super) ports: Box<dyn PortsView>,
    pub(super) reloads: Reloads,
    pub(super) events: EventLog,
    pub(super) resolver: Resolver,
    /// Whether something is known of origins that the compiler has not been told.
    pub(super) origins_moved: bool,
    pub(super) prober: Prober,
    /// Whether the names that are asked for and the origins that are probed are to be looked through: apps were edited.
    pub(super) wants_moved: bool,
    pub(super) wanted_at: Instant,
    /// Whether those who are probed are to be chosen anew.
    pub(super) targets_moved: bool,
    pub(super) listings: Listings,
    pub(super) phase: Phase,
    pub(super) started: Instant,
    pub(super) load: Load,
    pub(super) usage: Option<Usage>,
    pub(super) admin_socket: Option<PathBuf>,
    /// What the API told last of its trials.
    pub(super) api_trial: TrialNews,
    /// What is wrong with the files of the API's listener since they were read last.
    pub(super) listener_problem: Option<String>,
    heartbeat: Heartbeat,
    watch: FileWatch,
    geo_watch: Vec<FileWatch>,
    certificate_watch: FilesWatch,
    watched_at: Instant,
    slow_at: Instant,
    drain: Span,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Runs the control side on this thread until the process is to end.
///
/// # Errors
/// When the runtime or a signal handler cannot be set up.
pub fn run(parts: Parts, listeners: Listeners) -> io::Result<Outcome> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let outcome = runtime.block_on(async {
        let signals = Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let (desk, inquiries) = Desk::open();
        if let Some(socket) = listeners.socket {
            tokio::spawn(socket.serve(desk.clone()));
        }
        if let Some(metrics) = listeners.metrics {
            tokio::spawn(metrics.serve(desk.clone()));
        }
        let api = listeners.api.map(|start| start(desk)).transpose()?;
        let outcome = Control::new(parts).serve(signals, inquiries).await;
        if let Some(stop) = api {
            stop();
        }
        Ok(outcome)
    });
    // A load under way is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

impl Control {
    fn new(parts: Parts) -> Self {
        let Parts { clock, fleet, ports, mut reloads, events, mut resolver, prober, .. } = parts;
        let Parts { recorder, admin_socket, drain, hang, .. } = parts;
        let now = clock.now();
        let heartbeat = Heartbeat::new(&fleet.pages, hang, now);
        let load = Load::new(&fleet.pages);
        let loaded = reloads.loaded();
        resolver.want(&loaded.spec, &loaded.compiled.apps, now);
        let watch = reloads.workshop().map_or_else(|| FileWatch::new(Path::new("")), Workshop::watch);
        let geo_watch = reloads.workshop().map(Workshop::geo_watches).unwrap_or_default();
        let certificate_watch = reloads.watch_certificates().unwrap_or_default();
        Self {
            wall: WallClock::at(now),
            clock,
            fleet,
            ports,
            reloads,
            events,
            resolver,
            origins_moved: false,
            wants_moved: false,
            wanted_at: now,
            prober,
            targets_moved: true,
            listings: Listings::default(),
            phase: Phase::Starting,
            started: now,
            load,
            usage: recorder.map(|recorder| Usage::new(recorder, now)),
            admin_socket,
            api_trial: TrialNews::default(),
            listener_problem: None,
            heartbeat,
            watch,
            geo_watch,
            certificate_watch,
            watched_at: now,
            slow_at: now,
            drain,
        }
    }

    async fn serve(mut self, mut signals: Signals, mut inquiries: Receiver<Inquiry>) -> Outcome {
        loop {
            let busy = self.listings.is_busy() || self.reloads.is_confirming();
            let pause = if busy { TICK_BUSY } else { TICK };
            tokio::select! {
                result = self.reloads.finished() => {
                    let now = self.clock.now();
                    self.settle(result, now);
                }
                Some(inquiry) = inquiries.recv() => self.answer(inquiry),
                _ = signals.hangup.recv() => self.hangup(),
                _ = signals.terminate.recv() => self.terminate("SIGTERM"),
                _ = signals.interrupt.recv() => self.terminate("SIGINT"),
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(outcome) = self.tick() {
                self.write_events();
                self.events.flush();
                self.tell_usage(self.clock.now());
                return outcome;
            }
        }
    }

    /// One look at everything; the outcome when the process is to end.
    fn tick(&mut self) -> Option<Outcome> {
        let now = self.clock.now();
        self.write_events();
        self.fleet.collect();
        self.tend_origins(now);
        self.reloads.confirm(&self.fleet, now);
        self.reloads.merge(&mut self.fleet, now);
        let reloads = &self.reloads;
        let apps = |slot| reloads.facts(slot);
        let words = Words { apps: &apps, ports: self.ports.infos() };
        self.listings.turn(&self.fleet, &words, now);
        self.tell_usage(now);
        if now.since(self.watched_at) >= WATCH {
            self.watched_at = now;
            self.look_at_file(now);
        }
        if now.since(self.slow_at) >= SLOW {
            self.slow_at = now;
            self.look_at_slow_things(now);
        }
        self.broken(now).or_else(|| self.advance(now))
    }

    /// Whether a worker died or hangs.
    fn broken(&mut self, now: Instant) -> Option<Outcome> {
        if matches!(self.phase, Phase::Stopping(_)) {
            return None;
        }
        let why = match self.fleet.fallen() {
            Some((worker, why)) => format!("worker {worker} died: {why}"),
            None => {
                let hang = self.heartbeat.look(&self.fleet.pages, now)?;
                format!("worker {} has not turned for {} ms", hang.worker, hang.silent.millis())
            }
        };
        log::error(&why);
        self.say_numbers();
        Some(Outcome::Failed(why))
    }

    /// The process' phases, one after another.
    fn advance(&mut self, now: Instant) -> Option<Outcome> {
        match self.phase {
            Phase::Starting if self.fleet.runs(Epoch(1)) => self.begin_service(),
            Phase::DrainWanted => self.begin_drain(now),
            Phase::Draining(until) => {
                let left = self.fleet.sessions();
                if left == 0 {
                    log::info("drained: no session is left");
                    self.stop(now);
                } else if now >= until {
                    log::warning(format_args!("drain time is over: {left} sessions are reset"));
                    self.reset(now);
                }
            }
            Phase::Resetting(until) if now >= until || self.fleet.sessions() == 0 => self.stop(now),
            Phase::Stopping(until) => {
                if self.fleet.all_gone() {
                    return Some(Outcome::Ended);
                }
                if now >= until {
                    log::warning("workers do not leave their loops; the process ends all the same");
                    return Some(Outcome::Ended);
                }
            }
            Phase::Starting | Phase::Serving | Phase::Resetting(_) => {}
        }
        None
    }

    fn begin_service(&mut self) {
        self.phase = Phase::Serving;
        say_loaded(self.reloads.loaded());
        log::info("ready");
        notify("READY=1\nSTATUS=serving");
    }

    fn begin_drain(&mut self, now: Instant) {
        let Some(snapshot) = self.reloads.draining() else { return };
        self.fleet.publish(snapshot);
        self.phase = Phase::Draining(now + self.drain);
    }

    fn reset(&mut self, now: Instant) {
        self.fleet.tell_all(Command::ResetAll);
        self.phase = Phase::Resetting(now + RESETTING);
    }

    fn stop(&mut self, now: Instant) {
        self.say_numbers();
        for worker in self.fleet.tell_all(Command::Stop) {
            log::warning(format_args!("worker {worker} does not read its mail"));
        }
        self.phase = Phase::Stopping(now + STOPPING);
    }

    fn terminate(&mut self, name: &str) {
        match self.phase {
            Phase::Starting | Phase::Serving => {
                let (sessions, seconds) = (self.fleet.sessions(), self.drain.millis() / 1_000);
                log::info(format_args!("{name}: draining {sessions} sessions for up to {seconds} s"));
                notify("STOPPING=1\nSTATUS=draining");
                self.reloads.give_up();
                self.phase = Phase::DrainWanted;
            }
            Phase::DrainWanted | Phase::Draining(_) => {
                log::info(format_args!("{name} again: {} sessions are reset", self.fleet.sessions()));
                self.reset(self.clock.now());
            }
            Phase::Resetting(_) | Phase::Stopping(_) => {}
        }
    }

    fn hangup(&mut self) {
        log::info("SIGHUP: reading the table file, opening the event file anew");
        self.events.reopen();
        self.reload();
    }

    fn reload(&mut self) {
        if self.is_leaving() {
            log::warning("byway drains; the table file is not read");
        } else {
            self.reloads.start(None);
        }
    }

    fn settle(&mut self, result: Result<Done, super::workshop::LoadError>, now: Instant) {
        if self.is_leaving() {
            self.reloads.settle_leaving(result);
            return;
        }
        let (whole, wants) = match &result {
            Ok(Done::Apps(edited)) => (false, edited.moves_origins || self.prober.probes_lone()),
            Ok(Done::Table(_)) => (true, true),
            // Nothing has changed.
            Err(_) => (false, false),
        };
        self.reloads.settle(result, &mut self.fleet, now);
        if let Some(watch) = self.reloads.watch_certificates() {
            self.certificate_watch = watch;
        }
        self.wants_moved |= wants;
        if whole {
            self.want_origins(now);
        }
    }

    /// Whether the process is on its way out.
    pub(super) const fn is_leaving(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Serving => false,
            Phase::DrainWanted | Phase::Draining(_) | Phase::Resetting(_) | Phase::Stopping(_) => true,
        }
    }

    fn look_at_file(&mut self, now: Instant) {
        if self.watch.changed(now) && !self.is_leaving() {
            log::info("the table file has changed");
            self.reload();
        }
        let moved = self.geo_watch.iter_mut().map(|watch| watch.changed(now)).filter(|moved| *moved).count();
        if moved > 0 && !self.is_leaving() {
            log::info("a database of [geo] has changed");
            self.reload();
        }
        if self.certificate_watch.changed(now) && !self.is_leaving() {
            log::info("certificates or keys have changed");
            self.reload();
        }
    }

    fn look_at_slow_things(&mut self, now: Instant) {
        self.wall = WallClock::at(now);
        self.look_at_load();
        self.events.mend(now);
        self.reloads.tidy(now);
        if !self.is_leaving() {
            self.reloads.tend_trial(OsClock::unix_micros() / 1_000_000);
        }
        for (port, news) in self.ports.tend() {
            self.hear(port, &news);
        }
    }

    fn look_at_load(&mut self) {
        for news in self.load.look(&self.fleet.pages) {
            match news {
                LoadNews::Hot { worker, busy, others } => log::warning(format_args!(
                    "worker {worker} is a hot core: busy {:.0} % of its time, the others {:.0} %; a few heavy flows, or \
                     flows that are spread unevenly (see `byway show workers`)",
                    busy * 100.0,
                    others * 100.0
                )),
                LoadNews::Cooled { worker } => {
                    log::info(format_args!("worker {worker} is no hot core any more"))
                }
            }
        }
    }

    fn hear(&mut self, port: PortId, news: &PortNews) {
        let name = self.ports.infos().get(port.index()).map_or("?", |info| info.name.as_str());
        match news {
            PortNews::LinkUp => log::info(format_args!("port {name}: link is up")),
            PortNews::LinkDown => log::warning(format_args!("port {name}: link is down")),
            PortNews::Vanished => {
                log::error(format_args!("port {name}: the device is gone; byway waits for it"))
            }
            PortNews::Back => log::info(format_args!("port {name}: the device is back")),
            PortNews::NotBack(why) => {
                log::warning(format_args!("port {name}: the device does not open: {why}"))
            }
        }
        match news {
            PortNews::LinkUp | PortNews::Back => drop(self.fleet.tell_all(Command::LinkUp(port))),
            PortNews::LinkDown | PortNews::Vanished | PortNews::NotBack(_) => {}
        }
    }

    fn write_events(&mut self) {
        let nobody = AppFacts::default();
        for event in self.fleet.events(EVENTS_PER_TICK_MAX) {
            let facts = self.reloads.facts(event.app).unwrap_or(&nobody);
            self.events.push(&event, facts, &self.wall);
            if let Some(usage) = &mut self.usage {
                usage.hear(event);
            }
        }
        self.events.flush();
    }

    /// Tells analytics what was heard since the last look. Sessions that a walk met go first: their workers told of them
    /// before they told of their ends.
    fn tell_usage(&mut self, now: Instant) {
        let Some(usage) = &mut self.usage else { return };
        let reloads = &self.reloads;
        let owner = |slot| reloads.facts(slot).and_then(|facts| facts.owner);
        for (worker, row) in self.listings.walked() {
            usage.meet(worker, &row, owner(row.app), &self.wall, now);
        }
        usage.settle(owner, &self.wall);
        if usage.wants_walk(self.listings.is_walking(), self.listings.whole_walks(), now) {
            self.listings.walk();
        }
        usage.turn(now);
    }

    /// The sums that outlive the process, in the log.
    fn say_numbers(&self) {
        use crate::telemetry::Counter;
        let sum = |counter| self.fleet.pages.iter().map(|page| page.counter(counter)).sum::<u64>();
        let dropped: u64 = self.fleet.pages.iter().map(|page| page.dropped_total()).sum();
        log::info(format_args!(
            "numbers: {} frames received, {} sent, {dropped} dropped, {} sessions established, {} still open, {} events lost",
            sum(Counter::ReceivedFrames),
            sum(Counter::SentFrames),
            sum(Counter::EstablishedSessions),
            self.fleet.sessions(),
            self.events.lost() + self.fleet.lost_events(),
        ));
    }

    /// All ports as of the last look.
    pub(super) fn port_states(&self) -> Vec<PortState> {
        (0..self.ports.infos().len() as u8).map(|id| self.ports.state(PortId(id))).collect()
    }

    /// What is wrong with certificates since they were read last: the table's, and the API's own.
    pub(super) fn certificate_problems(&self) -> impl Iterator<Item = &String> {
        self.reloads.loaded().certificate_problems.iter().chain(&self.listener_problem)
    }

    /// How ready byway is.
    pub(super) fn readiness(&self) -> Readiness {
        match self.phase {
            Phase::Starting => return Readiness::NotReady("starting".into()),
            Phase::Serving => {}
            Phase::DrainWanted | Phase::Draining(_) | Phase::Resetting(_) | Phase::Stopping(_) => {
                return Readiness::NotReady("draining".into());
            }
        }
        let mut why = Vec::new();
        if self.reloads.is_stale() {
            why.push("config stale: the table file is bad, an older table is in force".into());
        }
        if let Some(problem) = self.api_trial.held.as_ref().and_then(|held| held.problem.as_ref()) {
            why.push(format!("the API's trial is over and cannot be taken back: {problem}"));
        }
        for (info, state) in self.ports.infos().iter().zip(self.port_states()) {
            if !state.link_up {
                why.push(format!("port {}: link is down", info.name));
            }
        }
        let loaded = self.reloads.loaded();
        why.extend(loaded.geo_problems.iter().chain(self.certificate_problems()).cloned());
        if self.events.failing() {
            why.push("events cannot be written".into());
        }
        if why.is_empty() { Readiness::Ready } else { Readiness::Degraded(why) }
    }
}

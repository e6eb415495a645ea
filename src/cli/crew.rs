//! Workers on their threads, and the fleet that control steers them by.

use super::lower::{page_size, rest_terms, worker_settings};
use super::run::Prepared;
use crate::base::{Clock, OsClock, WorkerId};
use crate::control::certificates;
use crate::control::config::boot::BootSpec;
use crate::control::health::Prober;
use crate::control::ports::PortsView;
use crate::control::resolve::{OriginCache, Resolver};
use crate::control::{self, Crew, EventLog, EventPush, Fleet, Outcome, Parts, Reloads};
use crate::port::Port;
use crate::session::tls::{CryptoLane, CryptoSettings, crypto};
use crate::snapshot::{cell, mail};
use crate::telemetry::page;
use crate::worker::{Ended, Equipment, RestTerms, Settings, Worker, handover_rings};
use crate::worker::{LaunchError, Registrar, spawn, spawn_crypto};
use std::thread::JoinHandle;

/// A worker's thread.
type Thread = JoinHandle<Option<Ended>>;

/// All worker threads.
struct Threads(Vec<Option<Thread>>);

impl Crew for Threads {
    fn fallen(&mut self) -> Option<(WorkerId, String)> {
        let is_over = |thread: &Option<Thread>| thread.as_ref().is_some_and(JoinHandle::is_finished);
        let index = self.0.iter().position(is_over)?;
        let why = match self.0[index].take()?.join() {
            Ok(Some(Ended::Panicked(message))) => message,
            Ok(Some(Ended::Stopped)) => "it left its loop unasked".into(),
            Ok(None) => "its thread did not start".into(),
            Err(_) => "it panicked while it was made".into(),
        };
        Some((WorkerId(index as u8), why))
    }

    fn all_gone(&mut self) -> bool {
        self.0.iter().flatten().all(JoinHandle::is_finished)
    }
}

/// Ports in service, whatever their kind.
pub struct Ports<P: Port> {
    /// For each worker, its end of each port, in the config's order.
    pub workers: Vec<Vec<P>>,
    /// The ports as control sees them.
    pub view: Box<dyn PortsView>,
    /// What makes the workers' threads known to the ports' library.
    pub registrar: Registrar,
}

/// Starts the workers, then runs control on this thread until the process is to end.
///
/// # Errors
/// One line that says what to do.
pub fn serve<P: Port + 'static>(prepared: Prepared, ports: Ports<P>) -> Result<Outcome, String>
where
    P::Frame: 'static,
{
    let clock = OsClock::new();
    let Ports { workers, view, registrar } = ports;
    let fleet = launch(&prepared, workers, registrar, clock).map_err(|error| error.to_string())?;
    let Prepared { spec, listeners, recorder, workshop, loaded, problems, kept, secret, .. } = prepared;
    let reloads = Reloads::new(workshop, loaded, problems, spec.tcp.removed_app_drain);
    let events = event_log(&spec)?;
    let (drain, hang) = (spec.drain, spec.workers.hang);
    let cache = OriginCache::new(&spec.state_dir);
    let prober = Prober::new(spec.health, secret.tables()[1]);
    let resolver = Resolver::new(spec.dns, cache, kept, secret.tables()[0]);
    let admin_socket = spec.api.map(|api| std::path::absolute(&api.socket).unwrap_or(api.socket));
    let parts = Parts {
        clock,
        fleet,
        ports: view,
        reloads,
        events,
        resolver,
        prober,
        recorder,
        admin_socket,
        drain,
        hang,
    };
    control::run(parts, listeners).map_err(|error| format!("the control side did not start: {error}"))
}

/// The event log with its collector, whose spool lies beside the last good table.
fn event_log(spec: &BootSpec) -> Result<EventLog, String> {
    let mut events = EventLog::open(spec.events.clone(), spec.events_rotation, &spec.site);
    if let Some(settings) = &spec.events_push {
        let folder = spec.state_dir.join("events-spool");
        let trust = certificates::trust(spec.tls.ca_bundle.as_deref());
        let trust = trust.map_err(|why| format!("tls.ca_bundle: {why}"))?;
        let push = EventPush::start(settings.clone(), folder.clone(), trust.strict());
        let push = push.map_err(|error| format!("events_push: {}: {error}", folder.display()))?;
        events.send_to(push);
    }
    Ok(events)
}

/// Starts every worker with its ports under the first table.
fn launch<P: Port + 'static>(
    prepared: &Prepared,
    ports: Vec<Vec<P>>,
    registrar: Registrar,
    clock: OsClock,
) -> Result<Fleet, LaunchError>
where
    P::Frame: 'static,
{
    let spec = &prepared.spec;
    let mtus = ports.first().map(|ports| ports.iter().map(|port| port.info().mtu).collect());
    let settings = worker_settings(spec, mtus.unwrap_or_default());
    let snapshot = prepared.loaded.compiled.snapshot.as_ref().clone();
    let (publisher, readers) = cell(snapshot, ports.len());
    let handovers = handover_rings(settings.workers);
    let lanes = start_crypto(prepared, clock)?;
    let (mut threads, mut pages, mut mails) = (Vec::new(), Vec::new(), Vec::new());
    for ((((id, ports), reader), handover), lane) in (0..).zip(ports).zip(readers).zip(handovers).zip(lanes) {
        let id = WorkerId(id);
        let (control_mail, worker_mail) = mail();
        let (writer, page_reader) = page(id, page_size(spec));
        let secret = prepared.secret.workers();
        let equipment = Equipment { ports, reader, mail: worker_mail, handover, page: writer, secret };
        let rest = rest_terms(spec);
        let work = Work { id, settings: settings.clone(), equipment, lane, clock, rest };
        let cpu = prepared.layout.workers[id.index()];
        threads.push(Some(spawn(id, cpu, registrar, move || work.run())?));
        pages.push(page_reader);
        mails.push(control_mail);
    }
    Ok(Fleet::new(pages, mails, publisher, Box::new(Threads(threads))))
}

/// Starts the threads that make TLS handshakes; the workers' ends.
fn start_crypto(prepared: &Prepared, clock: OsClock) -> Result<Vec<CryptoLane>, LaunchError> {
    let tls = &prepared.spec.tls;
    let settings = CryptoSettings { jobs_max: tls.crypto_jobs, handshake_timeout: tls.handshake_timeout };
    let (crypto, lanes) = crypto(prepared.spec.workers.count(), settings);
    for index in 0..tls.crypto_threads {
        spawn_crypto(index, prepared.layout.control.clone(), crypto.clone(), clock)?;
    }
    Ok(lanes)
}

/// What goes to a worker's thread. The worker is made there, so that its memory lies on its NUMA node.
struct Work<P: Port> {
    id: WorkerId,
    settings: Settings,
    equipment: Equipment<P>,
    lane: CryptoLane,
    clock: OsClock,
    rest: RestTerms,
}

impl<P: Port> Work<P> {
    fn run(self) -> Ended {
        let mut worker = Worker::new(self.id, &self.settings, self.equipment, self.clock.now());
        worker = worker.with_crypto(self.lane);
        crate::worker::run(&mut worker, &self.clock, self.rest)
    }
}

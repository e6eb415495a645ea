//! `byway run`: from the boot config to a running edge, one step after another; each failure is one line that says
//! what to do.

use super::args::RunArgs;
use super::check::{named, read};
use super::command::fail;
use super::secret::Secret;
use super::{estate, folders};
use crate::analytics::Recorder;
use crate::base::{Addr, OsClock};
use crate::control::certificates::CertificateStore;
use crate::control::config::boot::{self, BootSpec, MemoryEstimate, OnBadConfig, Placement};
use crate::control::log;
use crate::control::privileges::{self, RunAs};
use crate::control::resolve::{Kept, NameTerms, OriginCache};
use crate::control::{
    ControlSocket, Listeners, LoadError, Loaded, MetricsListener, Outcome, RuleJournal, Source, Store,
    Trials, Workshop,
};
use crate::table::{OriginBook, Reserved, Resolved, Subnet};
use crate::worker::{Layout, Wanted, allowed_cpus, isolated_cpus};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often a start tries again to take the listeners of a byway that was killed, and how long it waits between.
const TAKE_OVER_TRIES: usize = 60;
const TAKE_OVER_WAIT: Duration = Duration::from_millis(50);

/// Everything that is settled before a port is opened.
pub struct Prepared {
    /// The boot config.
    pub spec: BootSpec,
    /// Whom the process becomes.
    pub user: Option<RunAs>,
    /// Who runs on which CPU.
    pub layout: Layout,
    /// Listeners, bound.
    pub listeners: Listeners,
    /// What takes in numbers for the API's analytics.
    pub recorder: Option<Recorder>,
    /// What makes tables.
    pub workshop: Workshop,
    /// The first table.
    pub loaded: Loaded,
    /// What is wrong with the table file, where `loaded` is not the file's.
    pub problems: Vec<String>,
    /// Answers of name servers from before the start.
    pub kept: Vec<Kept>,
    /// The boot secret.
    pub secret: Secret,
}

/// Runs until told to end.
pub fn run(args: &RunArgs) -> ExitCode {
    let text = match read(&args.config) {
        Ok(text) => text,
        Err(why) => return fail(why),
    };
    let spec = match boot::parse(&text, folder_of(&args.config)) {
        Ok(spec) => spec,
        Err(problems) => {
            named(&args.config, &problems).iter().for_each(log::error);
            return fail(format_args!("{}: {} thing(s) wrong", args.config.display(), problems.len()));
        }
    };
    match prepare(spec).and_then(serve) {
        Ok(Outcome::Ended) => {
            log::info("ended");
            ExitCode::SUCCESS
        }
        Ok(Outcome::Failed(why)) => fail(why),
        Err(why) => fail(why),
    }
}

/// The folder that relative paths of a config start at.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

#[cfg(feature = "dpdk")]
fn serve(prepared: Prepared) -> Result<Outcome, String> {
    super::dpdk_run::serve(prepared)
}

#[cfg(not(feature = "dpdk"))]
fn serve(_prepared: Prepared) -> Result<Outcome, String> {
    Err("this byway was built without the `dpdk` feature, which all ports of `run` need".into())
}

/// Everything up to the ports: user, CPUs, folders, listeners, the first table.
///
/// # Errors
/// One line that says what to do.
pub fn prepare(spec: BootSpec) -> Result<Prepared, String> {
    log::info(format_args!("byway {}", super::args::VERSION));
    for warning in spec.warnings() {
        log::warning(warning);
    }
    log::info(format_args!("memory: {}", MemoryEstimate::of(&spec)));
    privileges::forbid_gains().map_err(|error| error.to_string())?;
    let user = spec.user.as_deref().map(RunAs::find).transpose().map_err(|error| error.to_string())?;
    let layout = Layout::choose(&wanted(&spec), &allowed_cpus(), &isolated_cpus());
    let layout = layout.map_err(|error| error.to_string())?;
    if let Some(warning) = layout.warning() {
        log::warning(warning);
    }
    folders::prepare(&spec, user.as_ref())?;
    let mut listeners = listen(&spec, user.as_ref())?;
    let secret = Secret::draw()?;
    let source = spec.api.as_ref().map_or(&spec.tables, |api| &api.store);
    let mut workshop = Workshop::new(
        source,
        Store::new(&spec.state_dir),
        reserved(&spec),
        spec.memory.rule_counters as u32,
        secret.tables(),
    )
    .with_certificates(CertificateStore::new(&spec.tls));
    workshop.set_geo(spec.geo.clone());
    workshop.journal = RuleJournal::open(&spec.state_dir).map_err(|error| error.to_string())?;
    if spec.api.is_none() {
        let path = Trials::path_in(&spec.state_dir);
        let trials = Trials::open(&spec.state_dir);
        workshop.trials = trials.map_err(|error| format!("{}: {error}; take it away", path.display()))?;
    }
    let kept = recall(&spec, &mut workshop);
    let mut recorder = None;
    let (loaded, problems) = match &spec.api {
        None => first_table(&mut workshop, spec.on_bad_config)?,
        Some(api) => {
            let (start, loaded, gathers) = estate::open(api, &spec, user.as_ref(), &mut workshop)?;
            (listeners.api, recorder) = (Some(start), Some(gathers));
            (loaded, Vec::new())
        }
    };
    workshop.compiler.commit(&loaded.compiled);
    folders::hand_over(&spec, user.as_ref());
    Ok(Prepared { spec, user, layout, listeners, recorder, workshop, loaded, problems, kept, secret })
}

/// Answers of name servers from before the start, those that may still be used known to the compiler.
fn recall(spec: &BootSpec, workshop: &mut Workshop) -> Vec<Kept> {
    let cache = OriginCache::new(&spec.state_dir);
    let kept = cache.load().unwrap_or_else(|error| {
        log::warning(format_args!("{}: {error}; origins are asked for anew", cache.path().display()));
        Vec::new()
    });
    let (terms, unix_s) = (NameTerms::of(&spec.dns), OsClock::unix_micros() / 1_000_000);
    let young = kept.iter().filter(|kept| terms.holds(kept, unix_s));
    let answers = young.map(|kept| (kept.question.clone(), Resolved::Good(kept.records.clone()))).collect();
    let resolves = !spec.dns.resolvers.is_empty();
    let book = OriginBook { resolves, answers, ..OriginBook::clone(&workshop.compiler.origins) };
    workshop.compiler.origins = Arc::new(book);
    kept
}

fn wanted(spec: &BootSpec) -> Wanted {
    match &spec.workers.placement {
        Placement::Lcores(cpus) => Wanted::Cpus(cpus.clone()),
        Placement::Count(count) => Wanted::Count(*count),
    }
}

/// What the boot config has taken, so that no prefix covers it and no origin is it.
pub fn reserved(spec: &BootSpec) -> Reserved {
    let nets = spec.ports.iter().flat_map(|port| &port.addresses);
    let ipv4 = spec.egress.ipv4.iter().map(|ip| (*ip).into());
    let ipv6 = spec.egress.ipv6.iter().map(|ip| (*ip).into());
    Reserved {
        subnets: nets.map(|net| Subnet { own: net.addr().into(), length: net.prefix_len() }).collect(),
        gateways: spec.routes.iter().map(|route| route.via.into()).collect(),
        egress: ipv4.chain(ipv6).collect(),
        management: management(spec),
        lab: spec.lab,
        origin_allow: spec.origin_allow.clone(),
        edge_pool: Some(spec.edge_pool.clone()),
        http_refused: !spec.http_as_tcp,
    }
}

/// The addresses, of those that are not this host's alone, by which the box is managed.
fn management(spec: &BootSpec) -> Vec<Addr> {
    let api = spec.api.as_ref().and_then(|api| api.listen);
    let all = api.into_iter().chain(spec.metrics).chain(spec.dns.resolvers.iter().copied());
    let hosts = all.map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified());
    hosts.map(Addr::from).collect()
}

fn listen(spec: &BootSpec, user: Option<&RunAs>) -> Result<Listeners, String> {
    let socket = match &spec.socket {
        Some(path) => {
            let socket = patiently(|| ControlSocket::bind(path))
                .map_err(|error| format!("socket {}: {error}", path.display()))?;
            folders::give(path, user);
            Some(socket)
        }
        None => None,
    };
    let metrics = match spec.metrics {
        Some(address) => {
            let listener = patiently(|| MetricsListener::bind(address))
                .map_err(|error| format!("metrics {address}: {error}"))?;
            Some(listener)
        }
        None => None,
    };
    Ok(Listeners { socket, metrics, api: None })
}

/// Binds again while the address is in use, for some three seconds: a byway that was killed holds its listeners
/// until the kernel has taken its memory back, which is after its parent may have heard of its end.
///
/// # Errors
/// The last try's.
pub fn patiently<T>(bind: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..TAKE_OVER_TRIES {
        match bind() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => std::thread::sleep(TAKE_OVER_WAIT),
            outcome => return outcome,
        }
    }
    bind()
}

/// The table file's, or the last good one where the config lets it.
fn first_table(workshop: &mut Workshop, on_bad: OnBadConfig) -> Result<(Loaded, Vec<String>), String> {
    let error = match workshop.load_first() {
        Ok(loaded) => return Ok((loaded, Vec::new())),
        Err(error) => error,
    };
    let lines = error.lines();
    lines.iter().for_each(log::error);
    let wrong = format!("the table file has {} thing(s) wrong", lines.len());
    match on_bad {
        OnBadConfig::Refuse => Err(format!("{wrong}, and on_bad_config is \"refuse\"")),
        OnBadConfig::LastGood => last_good(workshop, &wrong).map(|loaded| (loaded, lines)),
    }
}

fn last_good(workshop: &mut Workshop, wrong: &str) -> Result<Loaded, String> {
    let stored = workshop.load_last_good().map_err(|error: LoadError| {
        error.lines().iter().for_each(log::error);
        format!("{wrong}, and the last good table cannot be used either")
    })?;
    let loaded = stored.ok_or_else(|| format!("{wrong}, and no last good table is stored"))?;
    if let Source::LastGood { unix_s } = loaded.source {
        let stamp = crate::control::rfc3339(unix_s * 1_000_000);
        log::warning(format_args!("{wrong}: byway runs with the last good table, stored {stamp}"));
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_waits_for_the_listener_of_one_that_is_being_killed() {
        let old = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = old.local_addr().expect("an address");
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(old);
        });
        let taken = patiently(|| MetricsListener::bind(address));
        end.join().expect("the old one ends");
        assert_eq!(taken.expect("taken over").address().expect("an address"), address);
    }

    #[test]
    fn what_no_wait_mends_is_told_at_once() {
        let tries = std::cell::Cell::new(0);
        let refused: io::Result<()> = patiently(|| {
            tries.set(tries.get() + 1);
            Err(io::ErrorKind::PermissionDenied.into())
        });
        assert_eq!((refused.expect_err("refused").kind(), tries.get()), (io::ErrorKind::PermissionDenied, 1));
    }
}

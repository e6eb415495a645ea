//! The API's store at start: opened, read, lowered, put in force; its listeners bound.

use super::folders;
use super::run::{patiently, reserved};
use crate::analytics::Recorder;
use crate::api::{AdminSocket, ApiListeners, ListenerTls, LoggedRoutes, Sources, Terms};
use crate::base::OsClock;
use crate::control::config::boot::{ApiSpec, BootSpec};
use crate::control::privileges::RunAs;
use crate::control::{ApiStart, Loaded, Workshop, log, rfc3339};
use crate::estate::{Estate, Stamp, lower};
use crate::table::Reserved;
use crate::vault::{SqliteVault, Vault};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the store and puts what it holds in force.
///
/// # Errors
/// One line that says what to do.
pub fn open(
    api: &ApiSpec,
    spec: &BootSpec,
    user: Option<&RunAs>,
    workshop: &mut Workshop,
) -> Result<(ApiStart, Loaded, Recorder), String> {
    let mut vault = vault(&api.store)?;
    let path = analytics_path(&spec.state_dir);
    let opened = crate::analytics::open(&path, super::args::VERSION, &spec.site);
    let (recorder, reader, clerk) = opened.map_err(|error| error.to_string())?;
    let terms = Terms {
        reserved: reserved(spec),
        requests_per_5min: api.requests_per_5min,
        apps_per_account: api.apps_per_account,
        origins_per_account: api.origins_per_account,
        names_per_account: api.names_per_account,
        prefixes_per_account: api.prefixes_per_account,
        loa_bytes_per_account: api.loa_bytes_per_account,
        checker: Arc::new(Sources::new(api.rpki_export.clone(), api.irr_mirror.clone(), spec.dns.clone())),
        announcer: Arc::new(LoggedRoutes),
        analytics: reader,
        rules_per_account: api.rules_per_account,
    };
    let estate = crate::api::read(&mut vault, &terms.reserved).map_err(|lines| {
        lines.iter().for_each(log::error);
        format!("{}: {} thing(s) do not go with the boot config", api.store.display(), lines.len())
    })?;
    if estate.users.is_empty() {
        log::warning("the store has no user, so nobody can use the API: run `byway admin init`");
    }
    let estate = tried(&mut vault, estate, (&terms.reserved, workshop));
    workshop.hold_addresses(vault.trial().is_some());
    let whole = estate.clone();
    let loaded = workshop.install(Arc::new(move || lower(&whole)), Box::new(|| Ok(()))).map_err(|error| {
        error.lines().iter().for_each(log::error);
        format!("{}: what it holds cannot be put in force", api.store.display())
    })?;
    let listeners = listen(api, user)?;
    Ok((crate::api::start(listeners, (Box::new(vault), estate), terms, clerk), loaded, recorder))
}

/// What to start with where the store is on a trial: what is on trial while that has time left, else what was before it. What
/// was on trial too long never comes in force again, unless it cannot be taken back: then it is tried again while byway runs.
fn tried(
    vault: &mut SqliteVault,
    estate: Estate,
    (reserved, workshop): (&Reserved, &mut Workshop),
) -> Estate {
    let Some(trial) = vault.trial() else { return estate };
    let now = Stamp(OsClock::unix_micros());
    let is_over = trial.time.is_over(now.0 / 1_000_000);
    if !is_over && workshop.try_spec(lower(&estate)).is_ok() {
        let until = rfc3339(trial.time.until_unix_s * 1_000_000);
        log::warning(format_args!(
            "what the API changed after version {} is on trial until {until}: `byway confirm` keeps it",
            trial.base
        ));
        return estate;
    }
    let why = if is_over { "was not confirmed in time" } else { "cannot be put in force any more" };
    log::warning(format_args!("what the API changed on trial {why}: back to version {}", trial.base));
    let back =
        crate::api::back_at_start(vault, (&trial, &estate), reserved, now).and_then(|(then, entry)| {
            workshop.try_spec(lower(&then)).map_err(|error| error.lines().join("; "))?;
            vault.commit(&entry).map_err(|error| error.to_string())?;
            Ok(then)
        });
    back.unwrap_or_else(|why| {
        log::error(format_args!("what is on trial could not be taken back: {why}"));
        estate
    })
}

/// Where rows of analytics are kept.
pub fn analytics_path(state_dir: &Path) -> PathBuf {
    state_dir.join("analytics")
}

/// Opens or makes the store of an API.
///
/// # Errors
/// One line.
pub fn vault(path: &Path) -> Result<SqliteVault, String> {
    let secret = crate::api::random()?;
    let vault = SqliteVault::open(path, secret, super::args::VERSION).map_err(|error| error.to_string())?;
    debug_assert_ne!(vault.hash_key(), [0; 32], "a key was drawn");
    Ok(vault)
}

fn listen(api: &ApiSpec, user: Option<&RunAs>) -> Result<ApiListeners, String> {
    let tcp = match api.listen {
        None => None,
        Some(address) => {
            let bind = || TcpListener::bind(address);
            let listener = patiently(bind).map_err(|error| format!("api.listen {address}: {error}"))?;
            listener.set_nonblocking(true).map_err(|error| format!("api.listen {address}: {error}"))?;
            if api.tls.is_none() && !address.ip().is_loopback() {
                log::warning(format_args!(
                    "the API is served without TLS on {address}: tokens can be read on the way"
                ));
            }
            Some(listener)
        }
    };
    let tls = api.tls.as_ref().map(|(certificate, key)| ListenerTls::read(certificate, key)).transpose()?;
    let path = &api.socket;
    let socket =
        patiently(|| AdminSocket::bind(path)).map_err(|error| format!("{}: {error}", path.display()))?;
    folders::give(path, user);
    Ok(ApiListeners { tcp, tls, socket })
}

//! Folders and files that byway writes to: made while it is root, given to the user that it becomes.

use super::estate::analytics_path;
use crate::control::config::boot::{BootSpec, EventsTarget};
use crate::control::log;
use crate::control::privileges::RunAs;
use crate::control::resolve::OriginCache;
use crate::control::{RuleJournal, Store, Trials};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::Path;

/// Makes the folders of state, socket and events where they are missing; those that it makes belong to `user`, and
/// that of state in any case, since nobody else has business there.
///
/// # Errors
/// One line that names the folder.
pub fn prepare(spec: &BootSpec, user: Option<&RunAs>) -> Result<(), String> {
    make(&spec.state_dir, user)?;
    give(&spec.state_dir, user);
    let events = match &spec.events {
        EventsTarget::File(path) => path.parent(),
        EventsTarget::Off | EventsTarget::Stdout => None,
    };
    let socket = spec.socket.as_deref().and_then(Path::parent);
    let api = spec.api.as_ref();
    let [api_socket, store] = [api.map(|api| &api.socket), api.map(|api| &api.store)];
    let [api_socket, store] = [api_socket, store].map(|path| path.and_then(|path| path.parent()));
    [events, socket, api_socket, store].into_iter().flatten().try_for_each(|folder| make(folder, user))
}

/// Gives what was written before to `user`, too: the stored table and the event file.
pub fn hand_over(spec: &BootSpec, user: Option<&RunAs>) {
    give(&Store::new(&spec.state_dir).path(), user);
    give(&OriginCache::new(&spec.state_dir).path(), user);
    give(&RuleJournal::path_in(&spec.state_dir), user);
    give(&Trials::path_in(&spec.state_dir), user);
    if let Some(api) = &spec.api {
        // SQLite keeps its log and its index beside the file.
        for file in [&api.store, &analytics_path(&spec.state_dir)] {
            for suffix in ["", "-wal", "-shm"] {
                let mut path = file.clone().into_os_string();
                path.push(suffix);
                give(Path::new(&path), user);
            }
        }
    }
    if let EventsTarget::File(path) = &spec.events {
        give(path, user);
        warn_of_foreign(path.parent(), user);
    }
}

/// Says that the event file could not be made anew after a rotation.
fn warn_of_foreign(folder: Option<&Path>, user: Option<&RunAs>) {
    let (Some(folder), Some((uid, _))) = (folder, user.map(RunAs::ids)) else { return };
    let foreign = fs::metadata(folder).is_ok_and(|meta| meta.uid() != uid && meta.mode() & 0o002 == 0);
    if foreign {
        let folder = folder.display();
        log::warning(format_args!(
            "{folder} is not the user's that byway becomes: events end when their file is rotated"
        ));
    }
}

/// Makes one file `user`'s, where it is there and byway may; otherwise it is said once somebody writes to it.
pub fn give(path: &Path, user: Option<&RunAs>) {
    let Some((uid, gid)) = user.map(RunAs::ids) else { return };
    if path.exists()
        && let Err(error) = chown(path, Some(uid), Some(gid))
    {
        log::warning(format_args!("{}: cannot be given to the user byway becomes: {error}", path.display()));
    }
}

fn make(folder: &Path, user: Option<&RunAs>) -> Result<(), String> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
    made.map_err(|error| format!("{}: cannot be made: {error}", folder.display()))?;
    give(folder, user);
    Ok(())
}

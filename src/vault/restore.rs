//! A copy in the place of a store: laid beside it and looked over, then swapped in by one rename. The old store is kept
//! under another name; nobody opens either meanwhile.
//!
//! ```text
//!  COPY --copied--> STORE.restoring --looked over--> rename --> STORE
//!                                    STORE --linked--> STORE.replaced-STAMP
//!                            STORE-wal, .. --renamed--> STORE.replaced-STAMP-wal, ..
//! ```

use super::file::{self, with};
use super::promise::{Row, Vault, VaultError};
use super::sqlite::{SqliteVault, told};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may take to let go of the store.
const BUSY: Duration = Duration::from_secs(2);
/// How a database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// What SQLite keeps beside a store, and plays over whatever has that store's name at the next open.
const LOGS: &[&str] = &["-wal", "-shm", "-journal"];

/// A copy beside the store whose place it may take.
pub struct Candidate {
    vault: SqliteVault,
    beside: Beside,
    store: PathBuf,
    old: Old,
}

/// What the store whose place is to be taken holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OldRows {
    /// There is none.
    Nothing,
    /// These entities.
    Rows(Vec<Row>),
    /// Nobody knows.
    Unreadable,
}

/// The store whose place is to be taken.
enum Old {
    /// There is none, and nobody makes one meanwhile.
    Nothing { _held: Placeholder },
    /// It is held, so that nobody else opens it.
    Held(Connection),
    /// It cannot be read, and so nobody can hold it.
    Unreadable,
}

/// An empty file that has a store's name and is held; it goes unless something else took its place.
struct Placeholder {
    connection: Connection,
    store: PathBuf,
    identity: Option<(u64, u64)>,
}

/// Files that go away unless they were renamed. One restores at a time: the folder is locked.
struct Beside {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Candidate {
    /// Copies `from` beside the store at `store`, brings its schema up and looks at every page of it.
    ///
    /// # Errors
    /// `Held`: a byway has the store open. Else what is wrong with the copy; nothing has changed then.
    pub fn take(from: &Path, store: &Path, version: &str) -> Result<Self, VaultError> {
        let beside = Beside::of(store)?;
        let old = hold(store)?;
        beside.clear();
        let meta = fs::metadata(from).map_err(|error| failed(from, &error))?;
        if !meta.is_file() {
            return Err(VaultError::Foreign(from.to_owned()));
        }
        for suffix in ["", "-wal"] {
            let part = with(from, suffix);
            if suffix.is_empty() || part.exists() {
                file::copy(&part, &with(&beside.path, suffix))?;
            }
        }
        // What is found is said of the file that the operator named.
        let vault = SqliteVault::open_copy(&beside.path, version).map_err(|error| error.about(from))?;
        vault.look_over().map_err(|error| error.about(from))?;
        Ok(Self { vault, beside, store: store.to_owned(), old })
    }

    /// The copy.
    pub fn vault(&mut self) -> &mut dyn Vault {
        &mut self.vault
    }

    /// All entities of the store whose place is to be taken.
    pub fn old_rows(&self) -> OldRows {
        match &self.old {
            Old::Held(connection) => {
                super::sqlite::rows(connection).map_or(OldRows::Unreadable, OldRows::Rows)
            }
            Old::Nothing { .. } => OldRows::Nothing,
            Old::Unreadable => OldRows::Unreadable,
        }
    }

    /// Takes the store's place; says under which names what was there is kept: the old store, and what was left of one.
    ///
    /// # Errors
    /// What the system said; the old store is in its place then.
    pub fn swap(self, stamp: &str) -> Result<Vec<PathBuf>, VaultError> {
        let Self { vault, beside, store, old } = self;
        let failed = |error: io::Error| failed(&store, &error);
        vault.into_one_file()?;
        let name = with(&store, &format!(".replaced-{stamp}"));
        let mut kept = Vec::new();
        let logs = match &old {
            Old::Nothing { .. } | Old::Unreadable => LOGS,
            // The journal beside it is the holder's own, and goes with that.
            Old::Held(_) => &LOGS[..2],
        };
        if !matches!(old, Old::Nothing { .. }) {
            fs::hard_link(&store, &name).map_err(failed)?;
            kept.push(name.clone());
        }
        let aside = set_logs_aside(logs, &store, &name).map_err(failed)?;
        if let Err(error) = fs::rename(&beside.path, &store) {
            put_back(&aside);
            return Err(failed(error));
        }
        file::sync_folder(&store).map_err(failed)?;
        kept.extend(aside.into_iter().map(|(_, to)| to));
        drop(old);
        Ok(kept)
    }
}

fn failed(path: &Path, error: &io::Error) -> VaultError {
    VaultError::Failed(path.to_owned(), error.to_string())
}

/// Renames what SQLite kept beside a store after the name that the store gets: from where, and to where.
fn set_logs_aside(logs: &[&str], store: &Path, name: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut aside = Vec::new();
    for suffix in logs {
        let (part, to) = (with(store, suffix), with(name, suffix));
        if fs::symlink_metadata(&part).is_ok() {
            fs::rename(&part, &to).inspect_err(|_| put_back(&aside))?;
            aside.push((part, to));
        }
    }
    Ok(aside)
}

fn put_back(aside: &[(PathBuf, PathBuf)]) {
    for (part, to) in aside {
        // What cannot go back is whole where it is.
        let _ = fs::rename(to, part);
    }
}

/// Keeps everybody else out of a store, as one file without a log beside it, or out of its name where there is none.
fn hold(store: &Path) -> Result<Old, VaultError> {
    if fs::symlink_metadata(store).is_err() {
        return Placeholder::of(store).map(|_held| Old::Nothing { _held });
    }
    // SQLite would throw the log of what is no database away, and that may be all that is left of a store.
    if !starts_as_a_database(store) {
        return Ok(Old::Unreadable);
    }
    match alone(store).map_err(|error| told(store, error)) {
        Ok(connection) => Ok(Old::Held(connection)),
        Err(VaultError::Foreign(_) | VaultError::Damaged(..)) => Ok(Old::Unreadable),
        Err(
            error @ (VaultError::Mode(..)
            | VaultError::Newer { .. }
            | VaultError::Held(_)
            | VaultError::Full(_)
            | VaultError::Exists(_)
            | VaultError::Failed(..)),
        ) => Err(error),
    }
}

fn alone(store: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(store)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    debug_assert_eq!(mode, "delete", "nobody else has it open");
    Ok(connection)
}

impl Placeholder {
    /// It is held under a name of its own first, so that nobody sees it free; and without pages, since SQLite plays no log
    /// over an empty file.
    fn of(store: &Path) -> Result<Self, VaultError> {
        let own = with(store, ".restoring-nothing");
        let _ = fs::remove_file(&own);
        if !file::make(&own)? {
            return Err(VaultError::Exists(own));
        }
        let held = alone(&own).map_err(|error| told(store, error)).and_then(|connection| {
            let identity = file::identity(&own);
            fs::hard_link(&own, store).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => VaultError::Held(store.to_owned()),
                _ => failed(store, &error),
            })?;
            Ok(Self { connection, store: store.to_owned(), identity })
        });
        let _ = fs::remove_file(&own);
        held
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        debug_assert!(!self.connection.is_autocommit(), "it is held until it is gone");
        if file::identity(&self.store) == self.identity {
            let _ = fs::remove_file(&self.store);
        }
    }
}

fn starts_as_a_database(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *MAGIC
}

impl Beside {
    fn of(store: &Path) -> Result<Self, VaultError> {
        let lock = File::open(file::folder(store)).map_err(|error| failed(store, &error))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, error)| match error {
            Errno::EWOULDBLOCK => VaultError::Held(store.to_owned()),
            error => failed(store, &error.into()),
        })?;
        Ok(Self { path: with(store, ".restoring"), _lock: lock })
    }

    fn clear(&self) {
        let entries = fs::read_dir(file::folder(&self.path));
        let own = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What is not there need not go; copies of older schemas of the copy go, too.
        for entry in entries.into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&own) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, edit, entry, ids, open};
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn store_with(path: &Path, id: &str) {
        let mut vault = open(path).expect("made");
        vault.commit(&entry(vec![edit(id, Some("1"))])).expect("kept");
    }

    #[test]
    fn a_copy_takes_the_place_of_a_store_which_is_kept() {
        let folder = Folder::new("restore");
        store_with(&folder.store(), "new");
        store_with(&folder.0.join("copy"), "old");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        let kept = candidate.swap("now").expect("swapped").remove(0);
        assert_eq!(folder.names(), ["copy", "store", "store.replaced-now"]);
        assert_eq!(fs::metadata(folder.store()).expect("there").mode() & 0o777, 0o600);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["old"]);
        assert_eq!(ids(&mut open(&kept).expect("opened")), ["new"]);
    }

    #[test]
    fn a_store_that_is_open_is_left_alone() {
        let folder = Folder::new("restore-open");
        let mut vault = open(&folder.store()).expect("made");
        vault.commit(&entry(vec![edit("a", Some("1"))])).expect("kept");
        store_with(&folder.0.join("copy"), "old");
        let refused = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").err();
        assert!(matches!(refused, Some(VaultError::Held(_))), "{refused:?}");
        vault.commit(&entry(vec![edit("b", Some("1"))])).expect("kept");
        drop(vault);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["a", "b"]);
    }

    #[test]
    fn nobody_opens_the_store_between_the_look_and_the_swap() {
        let folder = Folder::new("restore-race");
        store_with(&folder.store(), "new");
        store_with(&folder.0.join("copy"), "old");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        assert!(matches!(open(&folder.store()), Err(VaultError::Held(_))));
        drop(candidate);
        assert_eq!(folder.names(), ["copy", "store"]);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["new"], "nothing was swapped");
    }

    #[test]
    fn a_store_that_cannot_be_read_gives_way_with_its_log() {
        let folder = Folder::new("restore-broken");
        store_with(&folder.0.join("copy"), "old");
        fs::write(folder.store(), "no database, but long enough to be looked at as one: ".repeat(99))
            .expect("written");
        fs::write(folder.0.join("store-wal"), "x").expect("written");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        candidate.swap("now").expect("swapped");
        assert_eq!(folder.names(), ["copy", "store", "store.replaced-now", "store.replaced-now-wal"]);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["old"]);
    }

    #[test]
    fn what_is_left_of_a_store_that_is_gone_is_played_over_no_other() {
        let folder = Folder::new("restore-left");
        store_with(&folder.0.join("copy"), "old");
        let mut vault = open(&folder.store()).expect("made");
        vault.commit(&entry(vec![edit("new", Some("1"))])).expect("kept");
        // As after a kill: nobody took the log into the store.
        let log = fs::read(folder.0.join("store-wal")).expect("there");
        drop(vault);
        fs::remove_file(folder.store()).expect("lost");
        let parts = ["store-journal", "store-shm", "store-wal"];
        parts.iter().for_each(|part| fs::write(folder.0.join(part), &log).expect("written"));
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        drop(candidate);
        assert_eq!(folder.names(), [&["copy"][..], &parts[..]].concat(), "nothing was changed");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        let kept = candidate.swap("now").expect("swapped");
        assert_eq!(
            kept,
            ["-wal", "-shm", "-journal"].map(|part| folder.0.join(format!("store.replaced-now{part}")))
        );
        assert_eq!(fs::read(&kept[0]).expect("kept"), log);
        assert_eq!(folder.names().len(), 5, "{:?}", folder.names());
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["old"]);
    }

    #[test]
    fn nobody_makes_a_store_between_the_look_and_the_swap() {
        let folder = Folder::new("restore-none");
        store_with(&folder.0.join("copy"), "old");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        assert!(matches!(open(&folder.store()), Err(VaultError::Held(_))));
        let again = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").err();
        assert!(matches!(again, Some(VaultError::Held(_))), "one restores at a time: {again:?}");
        assert_eq!(candidate.swap("now").expect("swapped"), Vec::<PathBuf>::new());
        assert_eq!(folder.names(), ["copy", "store"]);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["old"]);
    }

    #[test]
    fn whoever_waited_for_the_old_store_does_not_go_on_with_it() {
        let folder = Folder::new("restore-wait");
        store_with(&folder.store(), "new");
        store_with(&folder.0.join("copy"), "old");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        let store = folder.store();
        let waiting = std::thread::spawn(move || open(&store).map(|mut vault| ids(&mut vault)));
        std::thread::sleep(Duration::from_millis(300));
        candidate.swap("now").expect("swapped");
        let opened = waiting.join().expect("no panic");
        match opened {
            Err(error) => assert!(matches!(error, VaultError::Held(_)), "{error}"),
            Ok(ids) => assert_eq!(ids, ["old"], "it came too late to wait"),
        }
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["old"]);
    }

    #[test]
    fn a_copy_that_is_damaged_newer_or_none_changes_nothing_and_is_named() {
        let folder = Folder::new("restore-bad");
        store_with(&folder.store(), "new");
        let copy = folder.0.join("copy");
        store_with(&copy, "old");
        let plain = Connection::open(&copy).expect("opened");
        let many =
            (0..2_000).map(|id| format!("INSERT INTO entity VALUES ('zone', 'z{id:05}', 'body {id}');"));
        plain.execute_batch(&format!("BEGIN; {} COMMIT;", many.collect::<String>())).expect("put");
        drop(plain);
        let good = fs::read(&copy).expect("there");
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle..middle + 4_096].fill(0x5a);
        fs::write(&copy, &bad).expect("written");
        let refused = Candidate::take(&copy, &folder.store(), "9").err().expect("refused");
        assert!(matches!(&refused, VaultError::Damaged(path, _) if *path == copy), "{refused}");
        fs::write(&copy, &good).expect("written");
        let plain = Connection::open(&copy).expect("opened");
        plain.pragma_update(None, "user_version", super::super::schema::NEWEST + 1).expect("set");
        drop(plain);
        let refused = Candidate::take(&copy, &folder.store(), "9").err().expect("refused");
        assert!(matches!(&refused, VaultError::Newer { path, .. } if *path == copy), "{refused}");
        for wrong in [folder.0.join("nothing"), folder.0.clone()] {
            assert!(Candidate::take(&wrong, &folder.store(), "9").is_err());
        }
        fs::write(&copy, "").expect("written");
        assert!(matches!(Candidate::take(&copy, &folder.store(), "9").err(), Some(VaultError::Foreign(_))));
        assert_eq!(folder.names(), ["copy", "store"]);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["new"]);
    }
}

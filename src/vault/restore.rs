//! A copy in the place of a store: laid beside it and looked over, then swapped in by one rename. The old store is kept
//! under another name; nobody opens either meanwhile.
//!
//! ```text
//!  COPY --copied--> STORE.restoring --looked over--> rename --> STORE
//!                                    STORE --linked--> STORE.replaced-STAMP
//! ```

use super::file;
use super::promise::{Vault, VaultError};
use super::sqlite::{SqliteVault, told};
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long another process may take to let go of the store.
const BUSY: Duration = Duration::from_secs(2);
/// How a database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A copy beside the store whose place it may take.
pub struct Candidate {
    vault: SqliteVault,
    beside: Beside,
    store: PathBuf,
    old: Old,
}

/// The store whose place is to be taken.
enum Old {
    /// There is none.
    Nothing,
    /// It is held, so that nobody else opens it.
    Held(Connection),
    /// It cannot be read, and so nobody can hold it.
    Unreadable,
}

/// Files that go away unless they were renamed.
struct Beside(PathBuf);

impl Candidate {
    /// Copies `from` beside the store at `store`, brings its schema up and looks at every page of it.
    ///
    /// # Errors
    /// `Held`: a byway has the store open. Else what is wrong with the copy; nothing has changed then.
    pub fn take(from: &Path, store: &Path, version: &str) -> Result<Self, VaultError> {
        let old = hold(store)?;
        let beside = Beside(with(store, ".restoring"));
        beside.clear();
        if !file::make(&beside.0)? {
            return Err(VaultError::Exists(beside.0.clone()));
        }
        let failed = |path: &Path, error: io::Error| VaultError::Failed(path.to_owned(), error.to_string());
        if !fs::metadata(from).map_err(|error| failed(from, error))?.is_file() {
            return Err(VaultError::Foreign(from.to_owned()));
        }
        for suffix in ["", "-wal"] {
            let (part, to) = (with(from, suffix), with(&beside.0, suffix));
            if suffix.is_empty() || part.exists() {
                file::make(&to)?;
                fs::copy(&part, &to).map_err(|error| failed(&part, error))?;
                file::narrow(&to)?;
            }
        }
        // What is found is said of the file that the operator named.
        let vault = SqliteVault::open_copy(&beside.0, version).map_err(|error| error.about(from))?;
        vault.look_over().map_err(|error| error.about(from))?;
        Ok(Self { vault, beside, store: store.to_owned(), old })
    }

    /// The copy.
    pub fn vault(&mut self) -> &mut dyn Vault {
        &mut self.vault
    }

    /// All entities of the store whose place is to be taken, where that can be read.
    pub fn old_rows(&self) -> Option<Vec<super::promise::Row>> {
        match &self.old {
            Old::Held(connection) => super::sqlite::rows(connection).ok(),
            Old::Nothing | Old::Unreadable => None,
        }
    }

    /// Takes the store's place; says where the old one is kept.
    ///
    /// # Errors
    /// What the system said; the old store is in its place then.
    pub fn swap(self, stamp: &str) -> Result<Option<PathBuf>, VaultError> {
        let Self { vault, beside, store, old } = self;
        let failed = |error: io::Error| VaultError::Failed(store.clone(), error.to_string());
        vault.into_one_file()?;
        let kept = with(&store, &format!(".replaced-{stamp}"));
        let kept = match &old {
            Old::Nothing => None,
            Old::Held(_) => Some(kept),
            Old::Unreadable => {
                // A log of changes must not be taken for that of the store that comes.
                for suffix in ["-wal", "-shm"] {
                    let part = with(&store, suffix);
                    if part.exists() {
                        fs::rename(&part, with(&kept, suffix)).map_err(failed)?;
                    }
                }
                Some(kept)
            }
        };
        if let Some(kept) = &kept {
            fs::hard_link(&store, kept).map_err(failed)?;
        }
        fs::rename(&beside.0, &store).map_err(failed)?;
        let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)?;
        drop(old);
        Ok(kept)
    }
}

/// Keeps everybody else out of a store, as one file without a log beside it.
fn hold(store: &Path) -> Result<Old, VaultError> {
    if !store.exists() {
        return Ok(Old::Nothing);
    }
    // SQLite would throw the log of what is no database away, and that may be all that is left of a store.
    if !starts_as_a_database(store) {
        return Ok(Old::Unreadable);
    }
    let held = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(store)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        debug_assert_eq!(mode, "delete", "nobody else has it open");
        Ok(connection)
    };
    match held().map_err(|error| told(store, error)) {
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

fn starts_as_a_database(path: &Path) -> bool {
    let mut head = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *MAGIC
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl Beside {
    fn clear(&self) {
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        let entries = fs::read_dir(folder.unwrap_or(Path::new(".")));
        let own = self.0.file_name().unwrap_or_default().to_string_lossy().into_owned();
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

    fn names(folder: &Folder) -> Vec<String> {
        let names = fs::read_dir(&folder.0).expect("there").flatten();
        let mut names: Vec<String> =
            names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_takes_the_place_of_a_store_which_is_kept() {
        let folder = Folder::new("restore");
        store_with(&folder.store(), "new");
        store_with(&folder.0.join("copy"), "old");
        let candidate = Candidate::take(&folder.0.join("copy"), &folder.store(), "9").expect("right");
        let kept = candidate.swap("now").expect("swapped").expect("there was one");
        assert_eq!(names(&folder), ["copy", "store", "store.replaced-now"]);
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
        assert_eq!(names(&folder), ["copy", "store"]);
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
        assert_eq!(names(&folder), ["copy", "store", "store.replaced-now", "store.replaced-now-wal"]);
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
        assert_eq!(names(&folder), ["copy", "store"]);
        assert_eq!(ids(&mut open(&folder.store()).expect("opened")), ["new"]);
    }
}

//! A whole copy of a store that stays in use. The store's file is held still while it is read: what changes meanwhile goes to
//! the log beside it, and from there into the file once the copy is done.
//!
//! ```text
//!  store locked   the log is taken into the file, and none of it from here on
//!  store free     STORE --some MiB at a time--> TO.part, synced       changes --> STORE-wal
//!  store locked   the log is taken in again
//!  store free     TO is made, TO.part is renamed over it: half a copy never has the copy's name
//! ```
//!
//! SQLite's own way to copy borrows the connection until it is done, so nobody could change anything meanwhile.

use super::file::{self, with};
use super::promise::{Vault, VaultError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that are read at once.
const STEP_BYTES: usize = 4 << 20;

/// A store's file as it was when a copy began; it does not change until the store is let go.
pub struct Still {
    source: Arc<dyn FileExt + Send + Sync>,
    bytes: u64,
}

impl Still {
    /// So many bytes of a file.
    pub fn new(source: Arc<dyn FileExt + Send + Sync>, bytes: u64) -> Self {
        Self { source, bytes }
    }

    /// Writes all of it; `step` is told how far it is, and may end it.
    fn write_to(&self, mut target: &File, step: &mut Step<'_>) -> io::Result<()> {
        let mut buffer = vec![0; STEP_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let wanted = buffer.len().min(usize::try_from(self.bytes - at).unwrap_or(usize::MAX));
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            self.source.read_exact_at(part, at)?;
            target.write_all(part)?;
            at += part.len() as u64;
            step(at)?;
        }
        target.sync_all()
    }
}

/// What is done between two steps.
type Step<'a> = dyn FnMut(u64) -> io::Result<()> + 'a;

/// Copies a store to `to`, which must not exist. The store is locked for a moment as it begins and as it ends.
///
/// # Errors
/// See `VaultError`; there is nothing at `to` then.
pub fn back_up(vault: &Mutex<Box<dyn Vault>>, to: &Path) -> Result<(), VaultError> {
    back_up_by_steps(vault, to, &mut |_| Ok(()))
}

fn back_up_by_steps(vault: &Mutex<Box<dyn Vault>>, to: &Path, step: &mut Step<'_>) -> Result<(), VaultError> {
    let part = Part::of(to)?;
    let still = locked(vault).hold_still()?;
    let written = still.write_to(&part.file, step);
    let was_still = locked(vault).let_go();
    written.map_err(|error| failed(to, &error))?;
    was_still?;
    part.name(to)
}

fn locked(vault: &Mutex<Box<dyn Vault>>) -> MutexGuard<'_, Box<dyn Vault>> {
    vault.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(to: &Path, error: &io::Error) -> VaultError {
    match error.kind() {
        io::ErrorKind::StorageFull => VaultError::Full(to.to_owned()),
        _ => VaultError::Failed(to.to_owned(), error.to_string()),
    }
}

/// A copy that is being written; it goes unless it got its name.
struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    fn of(to: &Path) -> Result<Self, VaultError> {
        if fs::symlink_metadata(to).is_ok() {
            return Err(VaultError::Exists(to.to_owned()));
        }
        let path = with(to, ".part");
        // Another copy may be on its way there; what a byway that was killed left is for its owner to remove.
        if !file::make(&path).map_err(|error| error.about(to))? {
            return Err(VaultError::Exists(path));
        }
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => {
                let _ = fs::remove_file(&path);
                Err(failed(to, &error))
            }
        }
    }

    /// Gives it its name, unless something has that meanwhile.
    fn name(self, to: &Path) -> Result<(), VaultError> {
        if !file::make(to)? {
            return Err(VaultError::Exists(to.to_owned()));
        }
        let named = fs::rename(&self.path, to);
        if named.is_err() {
            // It is the one that was made here, and empty.
            let _ = fs::remove_file(to);
        }
        named.and_then(|()| file::sync_folder(to)).map_err(|error| failed(to, &error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Once it has its name it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, edit, entry, ids, open};
    use super::*;
    use std::os::unix::fs::MetadataExt;

    type Shared = Mutex<Box<dyn Vault>>;

    fn shared(vault: impl Vault + 'static) -> Shared {
        Mutex::new(Box::new(vault))
    }

    fn keep(vault: &Shared, id: &str, body: &str) {
        // Whoever copies does not have it.
        let mut vault = vault.try_lock().expect("the store is free");
        vault.commit(&entry(vec![edit(id, Some(body))])).expect("kept");
    }

    /// How many locks of processes there are on a file.
    fn locks(path: &Path) -> usize {
        let inode = format!(":{} ", fs::metadata(path).expect("there").ino());
        let locks = fs::read_to_string("/proc/locks").expect("readable");
        locks.lines().filter(|lock| lock.contains("POSIX") && lock.contains(&inode)).count()
    }

    #[test]
    fn a_copy_is_whole_private_and_overwrites_nothing() {
        let folder = Folder::new("copy");
        let vault = shared(open(&folder.store()).expect("made"));
        keep(&vault, "a", "1");
        let (copy, held) = (folder.0.join("copy"), locks(&folder.store()));
        back_up(&vault, &copy).expect("copied");
        assert_eq!(fs::metadata(&copy).expect("there").mode() & 0o777, 0o600);
        assert!(matches!(back_up(&vault, &copy), Err(VaultError::Exists(path)) if path == copy));
        assert!(back_up(&vault, Path::new("/nowhere/copy")).is_err());
        // POSIX locks of a process go when it closes the file anywhere.
        assert!(held > 0 && locks(&folder.store()) == held, "the store is held as it was: {held}");
        keep(&vault, "b", "1");
        assert_eq!(ids(&mut open(&copy).expect("opened")), ["a"]);
        back_up(&vault, &folder.0.join("next")).expect("copied");
        assert_eq!(ids(&mut open(&folder.0.join("next")).expect("opened")), ["a", "b"]);
    }

    #[test]
    fn what_changes_while_a_copy_is_made_is_kept_at_once_and_is_not_in_it() {
        let folder = Folder::new("copy-beside");
        let vault = shared(open(&folder.store()).expect("made"));
        let body = "x".repeat(4 * STEP_BYTES);
        keep(&vault, "before", &body);
        let (copy, mut steps) = (folder.0.join("copy"), 0);
        back_up_by_steps(&vault, &copy, &mut |_| {
            // Each is more than SQLite leaves in its log by itself, and turns pages that are copied and pages that are not.
            keep(&vault, "before", &format!("{steps}"));
            keep(&vault, &format!("{steps}"), &body.replace('x', "y"));
            steps += 1;
            assert_eq!(fs::metadata(&copy).err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
            Ok(())
        })
        .expect("copied");
        assert!(steps > 4, "{steps}");
        let mut copied = open(&copy).expect("opened");
        copied.look_over().expect("sound");
        let rows: Vec<_> = copied.load().expect("readable");
        assert!(rows.len() == 1 && rows[0].id == "before" && rows[0].body == body, "{}", rows.len());
        assert_eq!(copied.history(None, 99).expect("readable").len(), 1);
        assert_eq!(locked(&vault).load().expect("readable").len(), steps + 1);
        for number in 0..3 {
            keep(&vault, "after", &number.to_string());
        }
        let log = fs::metadata(folder.0.join("store-wal")).expect("there").len();
        assert!(log <= 8 << 20, "the log is taken in and given back: {log}");
        drop(vault);
        open(&folder.store()).expect("opened").look_over().expect("sound");
        copied.look_over().expect("sound");
    }

    #[test]
    fn a_copy_that_ends_in_the_middle_leaves_nothing_and_the_next_one_is_made() {
        let folder = Folder::new("copy-half");
        let vault = shared(open(&folder.store()).expect("made"));
        keep(&vault, "a", &"x".repeat(2 * STEP_BYTES));
        let copy = folder.0.join("copy");
        let full = &mut |at: u64| match at > STEP_BYTES as u64 {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        };
        let ended = back_up_by_steps(&vault, &copy, full);
        assert!(matches!(ended, Err(VaultError::Full(path)) if path == copy));
        assert_eq!(folder.names(), ["store", "store-wal"]);
        let taken = back_up_by_steps(&vault, &copy, &mut |_| {
            fs::write(&copy, "another's").expect("written");
            Ok(())
        });
        assert!(matches!(taken, Err(VaultError::Exists(_))));
        assert_eq!(fs::read(&copy).expect("there"), b"another's");
        assert_eq!(folder.names(), ["copy", "store", "store-wal"]);
        fs::remove_file(&copy).expect("gone");
        back_up(&vault, &copy).expect("copied");
        assert_eq!(folder.names(), ["copy", "store", "store-wal"]);
    }

    #[test]
    fn there_is_one_copy_at_a_time_and_it_is_given_up_where_too_much_changes_meanwhile() {
        let folder = Folder::new("copy-bound");
        let mut vault = open(&folder.store()).expect("made");
        vault.log_bytes_copying_max = 1 << 20;
        let vault = shared(vault);
        keep(&vault, "a", "1");
        let copy = folder.0.join("copy");
        let ended = back_up_by_steps(&vault, &copy, &mut |_| {
            let second = back_up(&vault, &folder.0.join("second")).expect_err("refused").to_string();
            assert!(second.contains("is being copied"), "{second}");
            keep(&vault, "b", &"x".repeat(8 << 20));
            keep(&vault, "c", &"x".repeat(8 << 20));
            Ok(())
        });
        let why = ended.expect_err("given up").to_string();
        assert!(why.contains("so much was changed"), "{why}");
        assert_eq!(folder.names(), ["store", "store-wal"]);
        back_up(&vault, &copy).expect("copied");
        assert_eq!(ids(&mut open(&copy).expect("opened")), ["a", "b", "c"]);
    }
}

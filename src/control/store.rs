//! The last good table on disk: written whole or not at all, read when the table file is bad at start.

use nix::fcntl::OFlag;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The stored table's name in the state folder.
const NAME: &str = "last_good.json";
/// The largest table file that is read, in bytes: a million rules and a hundred thousand apps fit twice over.
pub const TABLE_BYTES_MAX: u64 = 1 << 30;

/// A file of the state folder: the last good table, or another of its kind.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    name: &'static str,
}

/// A table as it was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The text.
    pub text: String,
    /// When it was stored, in seconds since the Unix epoch.
    pub unix_s: u64,
}

impl Store {
    /// Over `folder`, which must exist by the first `save`.
    pub fn new(folder: &Path) -> Self {
        Self::named(folder, NAME)
    }

    /// Another file, `name`, kept in the same way.
    pub fn named(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.to_owned(), name }
    }

    /// Where the file lies.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stores `text`: written beside, synced, renamed over the old one, the folder synced.
    ///
    /// # Errors
    /// The system's; the old table is then untouched.
    pub fn save(&self, text: &str) -> io::Result<()> {
        replace(&self.path(), text)
    }

    /// Lays `text` beside the file, so that a rename alone is left to be done.
    ///
    /// # Errors
    /// The system's; the old file is then untouched.
    pub fn lay(&self, text: &str) -> io::Result<Laid> {
        Laid::beside(&self.path(), text)
    }

    /// The last good table; `None` where none was ever stored.
    ///
    /// # Errors
    /// The system's.
    pub fn load(&self) -> io::Result<Option<Stored>> {
        let text = match read_text(&self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let unix_s = u64::try_from(fs::metadata(self.path())?.mtime()).unwrap_or(0);
        Ok(Some(Stored { text, unix_s }))
    }
}

/// Writes `text` beside `path`, syncs it, renames it over the old file and syncs the folder.
///
/// # Errors
/// The system's; the old file is then untouched.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    Laid::beside(path, text)?.put()
}

/// A text on the disk, beside the file whose place it is to take. It goes away unless it does.
#[derive(Debug)]
pub struct Laid {
    beside: PathBuf,
    path: PathBuf,
}

impl Laid {
    fn beside(path: &Path, text: &str) -> io::Result<Self> {
        let laid = Self { beside: path.with_extension("new"), path: path.to_owned() };
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&laid.beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(laid)
    }

    /// Takes the file's place.
    ///
    /// # Errors
    /// The system's.
    pub fn put(self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Laid {
    fn drop(&mut self) {
        // Once it took the file's place there is none. On a full disk half a file would only keep the room that is wanted.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Reads a regular file of at most `TABLE_BYTES_MAX` bytes as UTF-8. A pipe would be waited for without end, and a
/// device may have none.
///
/// # Errors
/// The system's, or `FileTooLarge`, or `InvalidData` for bytes that are not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder"));
    }
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    let mut text = String::new();
    file.take(TABLE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > TABLE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("is larger than {TABLE_BYTES_MAX} bytes"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
        let folder = std::env::temp_dir().join(format!("byway-pipe-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let pipe = folder.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for (path, kind) in [
            (pipe.as_path(), io::ErrorKind::InvalidInput),
            (Path::new("/dev/zero"), io::ErrorKind::InvalidInput),
            (folder.as_path(), io::ErrorKind::IsADirectory),
        ] {
            assert_eq!(read_text(path).map_err(|error| error.kind()), Err(kind), "{}", path.display());
        }
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn the_last_text_saved_is_loaded_and_nothing_is_left_beside_it() {
        let folder = std::env::temp_dir().join(format!("byway-store-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let store = Store::new(&folder);
        assert_eq!(store.load().expect("readable"), None);
        store.save("one").expect("saved");
        store.save("two").expect("saved");
        assert_eq!(store.load().expect("readable").map(|stored| stored.text), Some("two".into()));
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 1);
        fs::remove_dir_all(&folder).expect("removed");
        assert!(store.save("three").is_err(), "a vanished folder is an error, not a panic");
    }
}

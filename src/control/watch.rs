//! Has the table file changed? Looks at the path's own metadata, since editors and orchestrators replace files by
//! rename, and tells of a change only once it has rested, so that a half-written file is not read.

use crate::base::{Instant, Span};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How long a file must look the same before it is read.
pub const REST: Span = Span::from_millis(250);

/// Files that one look takes in: a look is a system call, and the loop goes on.
const LOOKS_MAX: usize = 256;

/// What tells one state of a file from another; `None`: there is no such file.
pub type Look = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Watches one path.
#[derive(Debug)]
pub struct FileWatch {
    path: PathBuf,
    settled: Look,
    moving: Option<(Look, Instant)>,
}

impl FileWatch {
    /// Watches `path`; its present state is not a change.
    pub fn new(path: &Path) -> Self {
        Self::since(path, look(path))
    }

    /// Watches `path`, which looked like this when it was read: anything else is a change.
    pub fn since(path: &Path, seen: Look) -> Self {
        Self { path: path.to_owned(), settled: seen, moving: None }
    }

    /// Looks once; `true` when the file is another than before and has rested. A vanished file is no change: the
    /// table in force stays.
    pub fn changed(&mut self, now: Instant) -> bool {
        let seen = look(&self.path);
        if seen == self.settled {
            self.moving = None;
            return false;
        }
        let since = match self.moving {
            Some((look, since)) if look == seen => since,
            Some(_) | None => now,
        };
        self.moving = Some((seen, since));
        if now.since(since) < REST {
            return false;
        }
        (self.settled, self.moving) = (seen, None);
        seen.is_some()
    }
}

/// Files that change together, as a certificate and its key do: told of once, when none of them is moving any more.
#[derive(Debug, Default)]
pub struct FilesWatch {
    files: Vec<FileWatch>,
    next: usize,
    changed: bool,
}

impl FilesWatch {
    /// Watches these files from how they looked on; each is watched once.
    pub fn since(seen: &[(PathBuf, Look)]) -> Self {
        let mut known = HashSet::new();
        let new = seen.iter().filter(|(path, _)| known.insert(path));
        let files = new.map(|(path, look)| FileWatch::since(path, *look)).collect();
        Self { files, ..Self::default() }
    }

    /// Looks at the next files, all of them in turn; `true` when one is another than before and all rest.
    pub fn changed(&mut self, now: Instant) -> bool {
        let count = self.files.len();
        for _ in 0..count.min(LOOKS_MAX) {
            self.changed |= self.files[self.next % count].changed(now);
            self.next = (self.next + 1) % count;
        }
        let rests = self.files.iter().all(|file| file.moving.is_none());
        let told = self.changed && rests;
        self.changed &= !rests;
        told
    }
}

/// How the file at `path` looks now.
pub fn look(path: &Path) -> Look {
    let meta = std::fs::metadata(path).ok()?;
    let changed = (meta.ctime(), meta.ctime_nsec());
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), changed.0, changed.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("byway-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_changed_file_is_told_once_and_only_after_it_rested() {
        let folder = Folder::new("rest");
        let path = folder.0.join("t.json");
        fs::write(&path, "a").expect("written");
        let mut watch = FileWatch::new(&path);
        assert!(!watch.changed(at(0)));
        fs::write(&path, "ab").expect("written");
        assert!(!watch.changed(at(200)), "it has just moved");
        fs::write(&path, "abc").expect("written");
        assert!(!watch.changed(at(400)), "it moved again");
        assert!(!watch.changed(at(600)));
        assert!(watch.changed(at(650)));
        assert!(!watch.changed(at(900)), "told once");
    }

    #[test]
    fn a_change_between_the_reading_and_the_watch_is_told() {
        let folder = Folder::new("since");
        let path = folder.0.join("t.json");
        fs::write(&path, "one").expect("written");
        let read = look(&path);
        fs::write(&path, "three").expect("written");
        let mut watch = FileWatch::since(&path, read);
        assert!(!watch.changed(at(0)));
        assert!(watch.changed(at(250)));
        assert!(!watch.changed(at(500)));
    }

    #[test]
    fn a_file_that_is_replaced_by_rename_is_a_change() {
        let folder = Folder::new("rename");
        let (path, new) = (folder.0.join("t.json"), folder.0.join("new"));
        fs::write(&path, "one").expect("written");
        let mut watch = FileWatch::new(&path);
        fs::write(&new, "two").expect("written");
        fs::rename(&new, &path).expect("renamed");
        assert!(!watch.changed(at(0)));
        assert!(watch.changed(at(250)));
    }

    #[test]
    fn a_vanished_file_is_no_change_and_its_return_is_one() {
        let folder = Folder::new("vanish");
        let path = folder.0.join("t.json");
        fs::write(&path, "one").expect("written");
        let mut watch = FileWatch::new(&path);
        fs::remove_file(&path).expect("removed");
        assert!(!watch.changed(at(0)));
        assert!(!watch.changed(at(300)));
        fs::write(&path, "two").expect("written");
        assert!(!watch.changed(at(400)));
        assert!(watch.changed(at(700)));
    }

    #[test]
    fn files_that_change_together_are_told_of_once() {
        let folder = Folder::new("together");
        let paths = ["a.pem", "a.key"].map(|name| folder.0.join(name));
        paths.iter().for_each(|path| fs::write(path, "old").expect("written"));
        let seen = paths.clone().map(|path| (path.clone(), look(&path)));
        // The same pair twice, as two zones may name it.
        let mut watch = FilesWatch::since(&[seen.clone(), seen].concat());
        assert_eq!(watch.files.len(), 2);
        assert!(!watch.changed(at(0)));
        fs::write(&paths[0], "renewed").expect("written");
        assert!(!watch.changed(at(200)));
        fs::write(&paths[1], "renewed").expect("written");
        assert!(!watch.changed(at(400)));
        assert!(!watch.changed(at(500)), "the first one rests, the second one does not");
        assert!(watch.changed(at(650)));
        assert!(!watch.changed(at(900)));
    }

    #[test]
    fn many_files_are_looked_at_in_turn() {
        let folder = Folder::new("many");
        let path = |number: usize| folder.0.join(number.to_string());
        let seen: Vec<_> = (0..LOOKS_MAX * 2 + 7).map(|number| (path(number), None)).collect();
        let mut watch = FilesWatch::since(&seen);
        fs::write(path(LOOKS_MAX * 2 + 6), "new").expect("written");
        let told = (0..20_u64).filter(|look| watch.changed(at(look * 200))).count();
        assert_eq!(told, 1);
    }
}

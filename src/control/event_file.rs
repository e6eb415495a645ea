//! The event file: appended, turned over at a size, a bounded number of old ones kept (`e.jsonl.1` is the youngest).
//!
//! What lies on the disk is at most `bytes_max` times `kept` + 1, and a chunk. Whoever turns the file over himself
//! (logrotate) sets `bytes_max` to 0 and sends SIGHUP.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// When the file is turned over, and how much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// A file of so many bytes is turned over; 0: never.
    pub bytes_max: u64,
    /// Old files kept beside the live one.
    pub kept: u32,
}

/// The live file and its old ones.
pub struct EventFile {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    bytes: u64,
}

impl EventFile {
    /// Under this name; opened by `open`.
    pub fn new(path: PathBuf, rotation: Rotation) -> Self {
        Self { path, rotation, file: None, bytes: 0 }
    }

    /// Opens the file under its name, whatever was open before.
    ///
    /// # Errors
    /// Whatever the system says; then nothing is open.
    pub fn open(&mut self) -> io::Result<()> {
        self.file = None;
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Whether it is not open, or has lost its last name.
    pub fn is_lost(&self) -> bool {
        let nameless = |file: &File| file.metadata().map_or(true, |meta| meta.nlink() == 0);
        self.file.as_ref().is_none_or(nameless)
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes whole lines, turning the file over before where they would make it too large.
    ///
    /// # Errors
    /// Whatever the system says; then none of the lines is there.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let full = self.bytes.saturating_add(lines.len() as u64) > self.rotation.bytes_max;
        if self.rotation.bytes_max != 0 && self.bytes != 0 && full {
            self.turn_over()?;
        }
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("the file is not open"))?;
        // A disk that is full may have taken half a line.
        file.write_all(lines).inspect_err(|_| drop(file.set_len(self.bytes)))?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Each old file takes the next number, the oldest goes.
    fn turn_over(&mut self) -> io::Result<()> {
        for number in (1..self.rotation.kept).rev() {
            // Most of them are not there yet.
            let _ = fs::rename(self.old(number), self.old(number + 1));
        }
        match self.rotation.kept {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.old(1))?,
        }
        self.open()
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("byway-turn-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        folder
    }

    /// Names and sizes of all files, by name.
    fn files(folder: &Path) -> Vec<(String, u64)> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len()))
        };
        let mut files: Vec<_> = fs::read_dir(folder).expect("readable").filter_map(entry).collect();
        files.sort();
        files
    }

    #[test]
    fn a_flood_of_lines_stays_within_the_cap_and_the_youngest_are_kept() {
        let folder = folder("flood");
        let rotation = Rotation { bytes_max: 10_000, kept: 3 };
        let mut file = EventFile::new(folder.join("e.jsonl"), rotation);
        file.open().expect("opened");
        for n in 0..100_000_u32 {
            file.write(format!("{n:09}\n").as_bytes()).expect("written");
        }
        let found = files(&folder);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        let youngest = fs::read_to_string(folder.join("e.jsonl.1")).expect("kept");
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(names, ["e.jsonl", "e.jsonl.1", "e.jsonl.2", "e.jsonl.3"]);
        assert!(found.iter().all(|(_, bytes)| *bytes <= 10_000), "{found:?}");
        assert!(youngest.ends_with("000098999\n"), "the live one holds the last thousand");
    }

    #[test]
    fn without_old_files_only_the_live_one_is_there_and_0_never_turns() {
        let folder = folder("none");
        for (bytes_max, most) in [(100, 100), (0, 1_000)] {
            let mut file = EventFile::new(folder.join("e"), Rotation { bytes_max, kept: 0 });
            file.open().expect("opened");
            (0..100).for_each(|_| file.write(b"123456789\n").expect("written"));
            assert_eq!(files(&folder), [("e".to_owned(), most)]);
            fs::remove_file(folder.join("e")).expect("there");
        }
        fs::remove_dir_all(&folder).expect("removed");
    }
}

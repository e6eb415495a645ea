//! Where a secret that is told once goes: a new file that its owner alone reads, or the caller's terminal. Asked for before
//! the secret is made, so that none is worth something that nobody has.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A place for one secret.
#[derive(Debug)]
pub struct Outlet<'p> {
    file: Option<(File, &'p Path)>,
    is_used: bool,
}

impl<'p> Outlet<'p> {
    /// Makes the file, mode 0600, or looks for the terminal; `option`: what names a file.
    ///
    /// # Errors
    /// One line.
    pub fn open(path: Option<&'p Path>, option: &str) -> Result<Self, String> {
        let Some(path) = path else {
            return match std::io::stderr().is_terminal() {
                true => Ok(Self { file: None, is_used: false }),
                false => {
                    Err(format!("standard error is no terminal: name a {option}, which only you can read"))
                }
            };
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { file: Some((file, path)), is_used: false })
    }

    /// Writes the secret; in a file it is on the disk then.
    ///
    /// # Errors
    /// One line.
    pub fn write(&mut self, secret: &str) -> Result<(), String> {
        match &mut self.file {
            None => writeln!(std::io::stderr(), "{secret}").map_err(|error| error.to_string())?,
            Some((file, path)) => writeln!(file, "{secret}")
                .and_then(|()| file.sync_all())
                .map_err(|error| format!("{}: {error}", path.display()))?,
        }
        self.is_used = true;
        Ok(())
    }

    /// The secret is worth nothing after all: its file goes.
    pub fn take_back(&mut self) {
        self.is_used = false;
    }
}

impl Drop for Outlet<'_> {
    fn drop(&mut self) {
        if let Some((_, path)) = self.file.as_ref().filter(|_| !self.is_used) {
            // An empty file would be taken for a secret.
            let _ = std::fs::remove_file(path);
        }
    }
}

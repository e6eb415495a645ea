//! A folder for the files of one run of a bench.

use super::error::LabError;
use std::path::{Path, PathBuf};

/// Removed with all that is in it when dropped.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new one below the system's folder for temporary files, named after the bench and this process.
    ///
    /// # Errors
    /// `Unwritable`.
    pub fn new(bench: &str) -> Result<Self, LabError> {
        let path = std::env::temp_dir().join(format!("byway-bench-{bench}-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(LabError::Unwritable(path, error)),
        }
    }

    /// Where `name` lies in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// `Unwritable`.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, LabError> {
        let path = self.path(name);
        std::fs::write(&path, text).map_err(|error| LabError::Unwritable(path.clone(), error))?;
        Ok(path)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary folder, and harms nobody.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

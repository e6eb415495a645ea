//! The store's file: made for its owner alone, refused where others may read it.

use super::promise::VaultError;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file and what SQLite keeps beside it.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// Makes the file where there is none; `true` if it did.
///
/// # Errors
/// `Mode` where others may read or write it or what lies beside it.
pub fn prepare(path: &Path) -> Result<bool, VaultError> {
    let made = make(path)?;
    for suffix in BESIDE {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let part = PathBuf::from(name);
        match fs::symlink_metadata(&part) {
            Ok(meta) if meta.file_type().is_file() => {
                let mode = meta.mode() & 0o7777;
                if mode & 0o077 != 0 {
                    return Err(VaultError::Mode(part, mode));
                }
            }
            Ok(_) => return Err(VaultError::Foreign(part)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(VaultError::Failed(part, error.to_string())),
        }
    }
    Ok(made)
}

/// Makes a file for its owner alone; `false` where there is one.
///
/// # Errors
/// `Failed`.
pub fn make(path: &Path) -> Result<bool, VaultError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(VaultError::Failed(path.to_owned(), error.to_string())),
    }
}

/// Takes from everybody else what a copy's mode gives them.
pub fn narrow(path: &Path) -> Result<(), VaultError> {
    let narrowed = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    narrowed.map_err(|error| VaultError::Failed(path.to_owned(), error.to_string()))
}

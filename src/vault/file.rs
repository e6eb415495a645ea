//! The store's file: made for its owner alone, refused where others may read it.

use super::promise::VaultError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
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
        let part = with(path, suffix);
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

/// Copies a file for its owner alone, whatever the mode of `from`; `to` must not be there.
///
/// # Errors
/// `Exists`, or `Failed` with the file that did not do.
pub fn copy(from: &Path, to: &Path) -> Result<(), VaultError> {
    let failed = |path: &Path, error: io::Error| VaultError::Failed(path.to_owned(), error.to_string());
    let mut source = File::open(from).map_err(|error| failed(from, error))?;
    if !make(to)? {
        return Err(VaultError::Exists(to.to_owned()));
    }
    let target = OpenOptions::new().write(true).open(to);
    let copied = target.and_then(|mut target| io::copy(&mut source, &mut target));
    copied.map(|_| ()).map_err(|error| failed(to, error))
}

/// What tells a file from another that takes its name; `None` where there is none.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// The path with something after its name.
pub fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the names of the folder of `path` last.
///
/// # Errors
/// The system's.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path)).and_then(|folder| folder.sync_all())
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_copy_is_its_owners_alone_whatever_its_source_is() {
        let folder = Folder::new("copy-mode");
        let (from, to) = (folder.0.join("from"), folder.0.join("to"));
        fs::write(&from, "secrets").expect("written");
        fs::set_permissions(&from, fs::Permissions::from_mode(0o644)).expect("changed");
        copy(&from, &to).expect("copied");
        assert_eq!(fs::metadata(&to).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read(&to).expect("there"), b"secrets");
        assert!(matches!(copy(&from, &to), Err(VaultError::Exists(_))));
        assert!(
            matches!(copy(&folder.0.join("none"), &to), Err(VaultError::Failed(path, _)) if path.ends_with("none"))
        );
    }
}

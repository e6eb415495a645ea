//! Why a laboratory could not be made.

use std::fmt;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug)]
pub enum LabError {
    /// A program cannot be started; the package that has it may be missing.
    NotThere(String, std::io::Error),
    /// A program said no, or ended before it was ready; its words.
    Refused(String, String),
    /// A program printed something else than expected.
    Unreadable(String, String),
    /// A file cannot be written.
    Unwritable(PathBuf, std::io::Error),
    /// A worker of its own beside hosts wants two CPUs.
    OneCpu,
    /// A thread of the bench itself.
    Panicked,
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere(program, error) => {
                write!(f, "{program} cannot be started: {error} (scripts/bench.sh installs the peers)")
            }
            Self::Refused(what, words) => write!(f, "{what}: {}", words.trim()),
            Self::Unreadable(what, words) => write!(f, "{what} printed no figure: {}", words.trim()),
            Self::Unwritable(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::Panicked => f.write_str("a thread of the bench panicked"),
            Self::OneCpu => {
                f.write_str("this bench wants two CPUs: one for the proxy, one for its clients and origins")
            }
        }
    }
}

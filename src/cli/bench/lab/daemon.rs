//! Processes of a bench: each on one CPU in one host, ended when dropped.

use super::error::LabError;
use super::folder::Folder;
use super::host::Host;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

/// How long a process has to become ready, in looks and time between them.
const LOOKS_MAX: usize = 600;
const LOOK: Duration = Duration::from_millis(50);

/// Where a process runs.
#[derive(Clone, Copy)]
pub struct Seat<'a> {
    /// In which host.
    pub host: &'a Host,
    /// On which CPUs, as taskset(1) lists them.
    pub cpus: &'a str,
}

/// A process; it gets SIGKILL when its value is dropped.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `words`; what it prints goes to `NAME.log` in the folder.
    ///
    /// # Errors
    /// `NotThere`, `Unwritable`.
    pub fn start(name: &str, seat: Seat<'_>, folder: &Folder, words: &[&str]) -> Result<Self, LabError> {
        let log = folder.path(&format!("{name}.log"));
        let unwritable = |error| LabError::Unwritable(log.clone(), error);
        let file = File::create(&log).map_err(unwritable)?;
        let twin = file.try_clone().map_err(unwritable)?;
        let mut command = seat.host.command(&[&["taskset", "-c", seat.cpus], words].concat());
        let child = command.stdin(Stdio::null()).stdout(file).stderr(twin).spawn();
        let child = child.map_err(|error| LabError::NotThere(words[0].to_owned(), error))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits until it is ready, as `is_ready` judges by all it printed so far.
    ///
    /// # Errors
    /// `Refused`, when it ends first or takes half a minute.
    pub fn wait(self, is_ready: impl Fn(&str) -> bool) -> Result<Self, LabError> {
        self.wait_until(|said| Ok(is_ready(said)))
    }

    /// Waits until somebody listens on a TCP port of the host, which had no listener there before.
    ///
    /// # Errors
    /// As above; `NotThere` without ss(8).
    pub fn wait_port(self, host: &Host, port: u16) -> Result<Self, LabError> {
        let filter = format!("sport = :{port}");
        self.wait_until(|_| Ok(!host.run(&["ss", "-Hltn", &filter])?.is_empty()))
    }

    fn wait_until(mut self, is_ready: impl Fn(&str) -> Result<bool, LabError>) -> Result<Self, LabError> {
        for _ in 0..LOOKS_MAX {
            if is_ready(&self.said())? {
                return Ok(self);
            }
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        Err(LabError::Refused(format!("{} did not become ready", self.name), self.said()))
    }

    /// All it printed so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of this program, to be run as another process.
///
/// # Errors
/// `NotThere`.
pub fn own_program() -> Result<String, LabError> {
    let path = std::env::current_exe().map_err(|error| LabError::NotThere("byway".to_owned(), error))?;
    Ok(path.display().to_string())
}

//! Counts instructions by running this very binary again under callgrind.
//!
//! Only what happens inside the function named `measured_turn` is collected, so that set-up, the peers' frames and
//! the report cost nothing. Instructions are repeatable on a noisy machine; time is not.

use std::path::PathBuf;
use std::process::Command;

/// Why a count could not be taken.
#[derive(Debug)]
pub enum CallgrindError {
    /// `valgrind` is not installed or cannot be started.
    NotThere(std::io::Error),
    /// The run ended badly; the text is the end of what it wrote on standard error.
    RunFailed(String),
    /// The profile holds no total, or a total of zero: nothing passed through the measured function.
    NoTotal,
}

impl std::fmt::Display for CallgrindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotThere(error) => {
                write!(f, "valgrind cannot be started ({error}): apt-get install valgrind")
            }
            Self::RunFailed(tail) => write!(f, "the run under callgrind failed: {tail}"),
            Self::NoTotal => f.write_str("callgrind collected nothing: is the binary stripped?"),
        }
    }
}

/// What one run under callgrind gave.
pub struct Counted {
    /// Instructions inside `measured_turn`.
    pub instructions: u64,
    /// What the run printed on standard output.
    pub stdout: String,
}

/// Runs `byway ARGS` under callgrind and counts the instructions inside `measured_turn`.
pub fn count(args: &[String]) -> Result<Counted, CallgrindError> {
    let profile = profile_path();
    let exe = std::env::current_exe().map_err(CallgrindError::NotThere)?;
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*measured_turn*"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(exe)
        .args(args)
        // glibc copies with `rep movsb`, of which callgrind counts every byte as an instruction.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.hwcaps=-ERMS,-FSRM")
        .output()
        .map_err(CallgrindError::NotThere)?;
    let text = std::fs::read_to_string(&profile).unwrap_or_default();
    let _ = std::fs::remove_file(&profile);
    if !out.status.success() {
        return Err(CallgrindError::RunFailed(tail(&String::from_utf8_lossy(&out.stderr))));
    }
    let instructions = total(&text).filter(|&count| count > 0).ok_or(CallgrindError::NoTotal)?;
    Ok(Counted { instructions, stdout: String::from_utf8_lossy(&out.stdout).into_owned() })
}

/// A file of our own in the temporary folder; a process and a call never share one.
fn profile_path() -> PathBuf {
    use std::hash::{BuildHasher, Hasher};
    let unique = std::hash::RandomState::new().build_hasher().finish();
    std::env::temp_dir().join(format!("byway-bench-{}-{unique:016x}.callgrind", std::process::id()))
}

/// The collected total: the `totals:` or `summary:` line of callgrind's profile format.
fn total(profile: &str) -> Option<u64> {
    let line = profile
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The last lines of what a failed run said.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(6)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_from_either_line() {
        assert_eq!(total("version: 1\nsummary: 1234\n"), Some(1234));
        assert_eq!(total("events: Ir\n12 3\ntotals: 77\n"), Some(77));
        assert_eq!(total("events: Ir\n"), None);
    }
}

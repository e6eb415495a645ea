//! Counts instructions by running this very binary again under callgrind.
//!
//! Only what happens inside the function named `measured_turn` is collected, so that set-up, the peers' frames and
//! the report cost nothing. Instructions are repeatable on a noisy machine; time is not.

use std::collections::HashMap;
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
    /// Those of them in functions of the cipher (`is_cipher`).
    pub cipher: u64,
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
    let cipher = own_cost(&text, is_cipher);
    Ok(Counted { instructions, cipher, stdout: String::from_utf8_lossy(&out.stdout).into_owned() })
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

/// Whether a function is AES-GCM of aws-lc.
fn is_cipher(name: &str) -> bool {
    name.contains("aes") || name.contains("gcm")
}

/// What functions whose names `is_of` knows cost themselves, without those that they call.
fn own_cost(profile: &str, is_of: fn(&str) -> bool) -> u64 {
    let mut known: HashMap<&str, bool> = HashMap::new();
    let (mut counts, mut is_call, mut sum) = (false, false, 0);
    for line in profile.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            // `(7) name` where it is first named, `(7)` afterwards.
            let (id, name) = function.split_once(' ').map_or((function, None), |(id, name)| (id, Some(name)));
            counts = *known.entry(id).or_insert_with(|| name.is_some_and(is_of));
        } else if let Some(callee) = line.strip_prefix("cfn=") {
            if let Some((id, name)) = callee.split_once(' ') {
                known.insert(id, is_of(name));
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            sum += if counts && !is_call { cost } else { 0_u64 };
            is_call = false;
        }
    }
    sum
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

    #[test]
    fn what_functions_cost_themselves_leaves_out_what_they_call() {
        let profile = "fn=(1) aes_gcm_seal\n10 5\ncfn=(3) gcm_ghash\ncalls=1 20\n11 100\n+1 7\n\
                       fn=(2) other\n3 50\ncfn=(1)\ncalls=1 10\n* 112\nfn=(3)\n1 9\ntotals: 71\n";
        assert_eq!(own_cost(profile, is_cipher), 21);
        assert_eq!(own_cost(profile, |name| name == "other"), 50);
        assert_eq!(own_cost(profile, |_| false), 0);
    }
}

//! The machine that a figure was taken on, for whoever reads the figure elsewhere.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use std::fmt;

/// What a figure depends on most.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Machine {
    /// The CPU as it names itself.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = text("/proc/sys/kernel/osrelease").trim().to_owned();
        Self { cpu: model(&text("/proc/cpuinfo")), cores: cpus().len(), kernel }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.cpu, self.cores, self.kernel)
    }
}

/// CPUs that this process may use.
pub fn cpus() -> Vec<u16> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_else(|_| CpuSet::new());
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).map(|cpu| cpu as u16).collect()
}

/// The `model name` of a `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("unknown CPU").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_called_what_it_calls_itself() {
        assert_eq!(model("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags\t: fpu\n"), "A CPU @ 2 GHz");
        assert_eq!(model(""), "unknown CPU");
    }

    #[test]
    fn a_process_may_use_a_cpu_at_least() {
        assert!(!cpus().is_empty());
    }
}

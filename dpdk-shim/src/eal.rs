//! DPDK's environment: started once a process, on a thread of its own, without any device.

use crate::failure::{Failure, check};
use crate::{log, sys};
use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Proof that EAL runs. It runs until the process ends, so the token may be copied freely.
#[derive(Clone, Copy, Debug)]
pub struct Eal(());

/// Where DPDK's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Hugepages, taken as needed and without a mount (`--in-memory`).
    Huge,
    /// Ordinary pages (`--no-huge --no-shconf -m`), all at once.
    Plain {
        /// How much, in MiB.
        mib: u32,
    },
}

/// How to start EAL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// CPUs of DPDK's own threads: the control side's, never a worker's. At least one.
    pub control_cpus: Vec<u16>,
    /// Where memory comes from.
    pub memory: Memory,
    /// Whether PCI devices will be plugged (scans the bus, plugs none by itself).
    pub pci: bool,
    /// One memory file a node, as vhost and virtio-user want it.
    pub single_file_segments: bool,
    /// Tells two DPDK processes apart.
    pub file_prefix: String,
}

/// Why EAL did not start.
#[derive(Debug)]
pub enum EalError {
    /// DPDK starts once in a process, and this one has tried already.
    AlreadyStarted,
    /// No CPU was named for DPDK's own threads.
    NoControlCpu,
    /// An argument holds a zero byte.
    ArgumentBad(String),
    /// The thread to start it on could not be made.
    Thread(std::io::Error),
    /// A DPDK call failed; `log` holds what DPDK said.
    Failed {
        /// The call.
        failure: Failure,
        /// DPDK's last lines.
        log: Vec<String>,
    },
}

static TRIED: AtomicBool = AtomicBool::new(false);

/// Starts EAL. It pins its caller, so it gets a thread of its own, which ends when EAL is up.
///
/// # Errors
/// `EalError`; after any of them but `NoControlCpu` and `ArgumentBad`, DPDK cannot be started in this process again.
pub fn start(config: &Config) -> Result<Eal, EalError> {
    let arguments = arguments(config)?;
    if TRIED.swap(true, Ordering::AcqRel) {
        return Err(EalError::AlreadyStarted);
    }
    let cpus = config.control_cpus.clone();
    let starter = std::thread::Builder::new().name("eal-start".into());
    let started = starter.spawn(move || init(&cpus, &arguments)).map_err(EalError::Thread)?;
    let outcome = started.join().unwrap_or(Err(Failure::new("rte_eal_init", crate::failure::EINVAL)));
    outcome.map_err(|failure| EalError::Failed { failure, log: log::take() })
}

/// The version of the DPDK that is linked, as it names itself.
pub fn version() -> String {
    // SAFETY: needs no EAL; returns a static string.
    let text = unsafe { sys::bw_version() };
    // SAFETY: `text` is a zero-terminated string that lives as long as the process.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

impl Eal {
    /// Ticks of the time stamp counter per second, as DPDK measured them.
    pub fn cycles_hz(self) -> u64 {
        // SAFETY: EAL is up, which the token proves.
        unsafe { sys::bw_tsc_hz() }
    }
}

fn arguments(config: &Config) -> Result<Vec<CString>, EalError> {
    let first = config.control_cpus.first().ok_or(EalError::NoControlCpu)?;
    let cpus: Vec<String> = config.control_cpus.iter().map(u16::to_string).collect();
    let set = if cpus.len() == 1 { first.to_string() } else { format!("({})", cpus.join(",")) };
    let mut words: Vec<String> = vec!["byway".into(), "--lcores".into(), format!("0@{set}")];
    words.extend(["--file-prefix".into(), config.file_prefix.clone(), "--no-telemetry".into()]);
    match config.memory {
        Memory::Huge => words.push("--in-memory".into()),
        Memory::Plain { mib } => {
            words.extend(["--no-huge".into(), "--no-shconf".into(), "-m".into(), mib.to_string()]);
        }
    }
    if config.pci {
        // An allow list of one device that no network driver takes: the bus is scanned, nothing is plugged by itself.
        words.extend(["-a".into(), "0000:00:00.0".into()]);
    } else {
        words.push("--no-pci".into());
    }
    if config.single_file_segments && config.memory == Memory::Huge {
        words.push("--single-file-segments".into());
    }
    words
        .into_iter()
        .map(|word| CString::new(word.clone()).map_err(|_| EalError::ArgumentBad(word)))
        .collect()
}

fn init(cpus: &[u16], arguments: &[CString]) -> Result<Eal, Failure> {
    log::capture()?;
    // EAL's control threads go to the CPUs that its caller may use and that no lcore holds.
    // SAFETY: the pointer and the length are those of a live slice.
    let rc = unsafe { sys::bw_thread_affinity(cpus.as_ptr(), cpus.len() as u16) };
    check("pthread_setaffinity_np", rc)?;
    let mut pointers: Vec<*mut c_char> = arguments.iter().map(|word| word.as_ptr().cast_mut()).collect();
    // SAFETY: as many zero-terminated strings as the count says; EAL reorders the array and copies the strings.
    let rc = unsafe { sys::bw_eal_init(pointers.len() as i32, pointers.as_mut_ptr()) };
    check("rte_eal_init", rc).map(|_| Eal(()))
}

impl fmt::Display for EalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyStarted => f.write_str("DPDK can be started only once in a process"),
            Self::NoControlCpu => f.write_str("no CPU was named for DPDK's own threads"),
            Self::ArgumentBad(word) => write!(f, "not an argument for DPDK: {word:?}"),
            Self::Thread(error) => write!(f, "the thread that starts DPDK could not be made: {error}"),
            Self::Failed { failure, log } => {
                write!(f, "{failure}")?;
                log.last().map_or(Ok(()), |line| write!(f, " ({})", line.trim()))
            }
        }
    }
}

impl std::error::Error for EalError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(memory: Memory) -> Config {
        let file_prefix = "t".into();
        Config { control_cpus: vec![0, 2], memory, pci: false, single_file_segments: true, file_prefix }
    }

    fn words(config: &Config) -> String {
        let words = arguments(config).expect("good arguments");
        words.iter().map(|word| word.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hugepages_and_plain_memory_never_mix_their_arguments() {
        let huge = words(&config(Memory::Huge));
        assert!(huge.contains("--in-memory") && huge.contains("--single-file-segments"));
        assert!(huge.contains("--lcores 0@(0,2)") && huge.contains("--no-pci"));
        let plain = words(&config(Memory::Plain { mib: 64 }));
        assert!(plain.contains("--no-huge --no-shconf -m 64"));
        assert!(!plain.contains("--in-memory") && !plain.contains("--single-file-segments"));
    }

    #[test]
    fn no_control_cpu_is_refused_before_dpdk_is_touched() {
        let config = Config { control_cpus: vec![], ..config(Memory::Huge) };
        assert!(matches!(start(&config), Err(EalError::NoControlCpu)));
    }
}

//! Which CPU runs which worker, and the thread that a worker lives on: pinned, known to DPDK, without privileges.
//!
//! CPUs are listed before DPDK starts, because DPDK narrows its caller's set and new threads inherit that.

use crate::base::WorkerId;
use crate::port::PortInfo;
use caps::CapSet;
use core_affinity::CoreId;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A CPU as the kernel numbers it.
pub type Cpu = u16;

/// Which CPUs the workers shall have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// These, one worker each.
    Cpus(Vec<Cpu>),
    /// So many, from the end of the process's set.
    Count(usize),
}

/// Who runs where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The CPU of each worker.
    pub workers: Vec<Cpu>,
    /// CPUs of the control side; the first worker's where no other is left.
    pub control: Vec<Cpu>,
}

/// Why workers cannot be placed or started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LaunchError {
    /// The process may use fewer CPUs than there shall be workers.
    TooFewCpus {
        /// Workers.
        wanted: usize,
        /// CPUs.
        allowed: usize,
    },
    /// A CPU that the process may not use, or that the machine does not have.
    CpuNotAllowed {
        /// The CPU.
        cpu: Cpu,
        /// Those that it may use.
        allowed: Vec<Cpu>,
    },
    /// A CPU is named twice.
    CpuTwice(Cpu),
    /// No worker at all.
    NoWorker,
    /// The kernel refused to pin a thread.
    PinRefused(Cpu),
    /// The thread could not be made.
    ThreadRefused(std::io::ErrorKind),
    /// DPDK did not take the thread.
    RegistrationRefused(String),
}

impl Layout {
    /// Places workers on the CPUs that the process may use; control gets what is left. CPUs named one by one may also be
    /// of the `isolated` ones, which the kernel leaves out of every process's set (`isolcpus`).
    ///
    /// # Errors
    /// `TooFewCpus`, `CpuNotAllowed`, `CpuTwice`, `NoWorker`.
    pub fn choose(wanted: &Wanted, allowed: &[Cpu], isolated: &[Cpu]) -> Result<Self, LaunchError> {
        let workers = match wanted {
            Wanted::Count(count) => last(*count, allowed)?,
            Wanted::Cpus(cpus) => named(cpus, allowed, isolated)?,
        };
        let first = *workers.first().ok_or(LaunchError::NoWorker)?;
        let mut control: Vec<Cpu> = allowed.iter().copied().filter(|cpu| !workers.contains(cpu)).collect();
        if control.is_empty() {
            control.push(first);
        }
        Ok(Self { workers, control })
    }

    /// Whether the control side shares the first worker's CPU.
    pub fn is_shared(&self) -> bool {
        self.workers.contains(&self.control[0])
    }

    /// What to tell the operator of a shared CPU.
    pub fn warning(&self) -> Option<String> {
        self.is_shared().then(|| {
            format!(
                "no CPU is left for the control side: it shares CPU {} with worker 0 (use fewer workers)",
                self.control[0]
            )
        })
    }
}

fn last(count: usize, allowed: &[Cpu]) -> Result<Vec<Cpu>, LaunchError> {
    let from = allowed.len().checked_sub(count);
    let from = from.ok_or(LaunchError::TooFewCpus { wanted: count, allowed: allowed.len() })?;
    Ok(allowed[from..].to_vec())
}

fn named(cpus: &[Cpu], allowed: &[Cpu], isolated: &[Cpu]) -> Result<Vec<Cpu>, LaunchError> {
    let mut seen = BTreeSet::new();
    for cpu in cpus {
        if !allowed.contains(cpu) && !isolated.contains(cpu) {
            return Err(LaunchError::CpuNotAllowed { cpu: *cpu, allowed: allowed.to_vec() });
        }
        if !seen.insert(*cpu) {
            return Err(LaunchError::CpuTwice(*cpu));
        }
    }
    Ok(cpus.to_vec())
}

/// The CPUs that this process may use, in order. Ask before DPDK starts.
pub fn allowed_cpus() -> Vec<Cpu> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let mut cpus: Vec<Cpu> = cores.iter().filter_map(|core| Cpu::try_from(core.id).ok()).collect();
    cpus.sort_unstable();
    cpus
}

/// The CPUs that the kernel line keeps from all processes that do not ask for them by name.
pub fn isolated_cpus() -> Vec<Cpu> {
    cpu_list(&std::fs::read_to_string("/sys/devices/system/cpu/isolated").unwrap_or_default())
}

/// `1,4-6` as the kernel writes CPUs.
pub fn cpu_list(text: &str) -> Vec<Cpu> {
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some(low.parse().ok()?..=high.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Keeps the calling thread, and every thread that it makes, on `cpus`: the control side, away from the workers.
///
/// # Errors
/// The kernel refused.
pub fn confine(cpus: &[Cpu]) -> Result<(), LaunchError> {
    let refused = || LaunchError::PinRefused(cpus.first().copied().unwrap_or_default());
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|cpu| set.set((*cpu).into())).map_err(|_| refused())?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|_| refused())
}

/// Makes worker threads known to DPDK, where there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registrar {
    #[cfg(feature = "dpdk")]
    eal: Option<dpdk_sys::eal::Eal>,
}

impl Registrar {
    /// For ports that are not DPDK's.
    pub fn none() -> Self {
        Self::default()
    }

    /// For workers of DPDK ports.
    #[cfg(feature = "dpdk")]
    pub fn dpdk(eal: dpdk_sys::eal::Eal) -> Self {
        Self { eal: Some(eal) }
    }

    #[cfg(feature = "dpdk")]
    fn register(self) -> Result<Entered, LaunchError> {
        let registration = self.eal.map(dpdk_sys::thread::Registration::new).transpose();
        registration.map_err(|failure| LaunchError::RegistrationRefused(failure.to_string()))
    }

    #[cfg(not(feature = "dpdk"))]
    fn register(self) -> Result<Entered, LaunchError> {
        Ok(Entered)
    }
}

/// Starts worker `id` on `cpu`: a thread that pins itself, registers with DPDK, gives its capabilities up and then runs
/// `body`. Returns when the thread got that far. A panic of `body` is in the handle.
///
/// # Errors
/// `PinRefused`, `ThreadRefused`, `RegistrationRefused`; the thread has ended then.
pub fn spawn<T: Send + 'static>(
    id: WorkerId,
    cpu: Cpu,
    registrar: Registrar,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<Option<T>>, LaunchError> {
    let (tell, told) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker-{id}"));
    let run = move || {
        let entered = enter(cpu, registrar);
        let result = entered.as_ref().map(|_| ()).map_err(Clone::clone);
        // The caller waits below, so somebody always listens.
        let _ = tell.send(result);
        entered.ok().map(|_registration| body())
    };
    let handle = thread.spawn(run).map_err(|error| LaunchError::ThreadRefused(error.kind()))?;
    told.recv().unwrap_or(Err(LaunchError::PinRefused(cpu)))?;
    Ok(handle)
}

#[cfg(feature = "dpdk")]
type Entered = Option<dpdk_sys::thread::Registration>;
/// What a thread holds where there is no DPDK: nothing.
#[cfg(not(feature = "dpdk"))]
struct Entered;

/// DPDK reads a thread's affinity once, at registration: pin first.
fn enter(cpu: Cpu, registrar: Registrar) -> Result<Entered, LaunchError> {
    if !core_affinity::set_for_current(CoreId { id: cpu.into() }) {
        return Err(LaunchError::PinRefused(cpu));
    }
    let registration = registrar.register()?;
    // A worker needs no rights: its sockets and devices are open. Where there are none to give up, nothing is lost.
    for set in [CapSet::Ambient, CapSet::Effective, CapSet::Inheritable, CapSet::Permitted] {
        let _ = caps::clear(None, set);
    }
    Ok(registration)
}

/// Ports whose NUMA node is not that of a worker's CPU, one sentence each.
pub fn numa_mismatches(layout: &Layout, ports: &[PortInfo]) -> Vec<String> {
    mismatches(layout, ports, |cpu| node_of(Path::new("/sys/devices/system/cpu"), cpu))
}

fn mismatches(layout: &Layout, ports: &[PortInfo], node_of: impl Fn(Cpu) -> Option<u8>) -> Vec<String> {
    let pairs = ports.iter().flat_map(|port| layout.workers.iter().enumerate().map(move |pair| (port, pair)));
    let mut said = Vec::new();
    for (port, (worker, cpu)) in pairs {
        let (Some(near), Some(node)) = (port.numa_node, node_of(*cpu)) else { continue };
        if near != node {
            said.push(format!(
                "port {} is on NUMA node {near}, worker {worker} (CPU {cpu}) on node {node}: name lcores of node {near}",
                port.name
            ));
        }
    }
    said
}

/// The NUMA node of a CPU: the `node<n>` in its folder.
fn node_of(root: &Path, cpu: Cpu) -> Option<u8> {
    let entries = std::fs::read_dir(root.join(format!("cpu{cpu}"))).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("node")?.parse().ok()).next()
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewCpus { wanted, allowed } => write!(
                f,
                "{wanted} workers are wanted and the process may use {allowed} CPUs: lower `workers.count`"
            ),
            Self::CpuNotAllowed { cpu, allowed } => {
                let list: Vec<String> = allowed.iter().map(Cpu::to_string).collect();
                write!(
                    f,
                    "CPU {cpu} is not one that byway may use ({}): correct `workers.lcores`",
                    list.join(", ")
                )
            }
            Self::CpuTwice(cpu) => {
                write!(f, "CPU {cpu} is named twice: give each worker a CPU of its own in `workers.lcores`")
            }
            Self::NoWorker => f.write_str("there is no worker: set `workers.count` or `workers.lcores`"),
            Self::PinRefused(cpu) => {
                write!(
                    f,
                    "the kernel did not let a thread run on CPU {cpu}: is it online and in the process's set?"
                )
            }
            Self::ThreadRefused(kind) => {
                write!(
                    f,
                    "a worker's thread could not be made ({kind}): raise the limit of processes (ulimit -u)"
                )
            }
            Self::RegistrationRefused(why) => {
                write!(f, "DPDK did not take a worker's thread ({why}): use fewer workers")
            }
        }
    }
}

impl std::error::Error for LaunchError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PortId;
    use crate::port::{ChecksumOffload, RssReport};

    #[test]
    fn workers_take_the_last_cpus_and_control_the_others() {
        let layout = Layout::choose(&Wanted::Count(2), &[0, 1, 2, 5], &[]).expect("enough CPUs");
        assert_eq!(layout, Layout { workers: vec![2, 5], control: vec![0, 1] });
        assert!(layout.warning().is_none());
    }

    #[test]
    fn control_shares_the_first_workers_cpu_where_none_is_left_and_says_so() {
        let layout = Layout::choose(&Wanted::Cpus(vec![1, 0]), &[0, 1], &[]).expect("enough CPUs");
        assert_eq!(layout.control, [1]);
        assert!(layout.warning().expect("a warning").contains("shares CPU 1 with worker 0"));
    }

    #[test]
    fn isolated_cpus_are_taken_by_name_and_never_by_count() {
        let layout = Layout::choose(&Wanted::Cpus(vec![3]), &[0, 1], &[2, 3]).expect("a CPU");
        assert_eq!(layout, Layout { workers: vec![3], control: vec![0, 1] });
        let counted = Layout::choose(&Wanted::Count(1), &[0, 1], &[2, 3]).expect("a CPU");
        assert_eq!(counted.workers, [1]);
    }

    #[test]
    fn cpu_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(cpu_list("1,3-5\n"), [1, 3, 4, 5]);
        assert!(cpu_list("\n").is_empty());
    }

    #[test]
    fn impossible_wishes_are_refused_by_name() {
        let choose = |wanted| Layout::choose(&wanted, &[0, 1], &[2]).expect_err("impossible");
        assert_eq!(choose(Wanted::Count(3)), LaunchError::TooFewCpus { wanted: 3, allowed: 2 });
        assert_eq!(choose(Wanted::Count(0)), LaunchError::NoWorker);
        assert_eq!(choose(Wanted::Cpus(vec![1, 1])), LaunchError::CpuTwice(1));
        assert!(choose(Wanted::Cpus(vec![7])).to_string().contains("(0, 1)"));
    }

    #[test]
    fn a_worker_runs_on_its_cpu_without_capabilities_and_the_caller_stays_free() {
        let allowed = allowed_cpus();
        let cpu = *allowed.last().expect("a CPU");
        let body = || (allowed_cpus(), caps::read(None, CapSet::Effective).expect("readable").len());
        let handle = spawn(WorkerId(0), cpu, Registrar::none(), body).expect("starts");
        assert_eq!(handle.join().expect("no panic"), Some((vec![cpu], 0)));
        assert_eq!(allowed_cpus(), allowed);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error_and_not_a_thread() {
        let refused = spawn(WorkerId(0), 1000, Registrar::none(), || ()).map(drop);
        assert_eq!(refused, Err(LaunchError::PinRefused(1000)));
    }

    #[test]
    fn a_confined_thread_hands_its_cpus_on() {
        let cpu = allowed_cpus()[0];
        let confined = std::thread::spawn(move || {
            confine(&[cpu]).expect("allowed");
            std::thread::spawn(allowed_cpus).join().expect("no panic")
        });
        assert_eq!(confined.join().expect("no panic"), [cpu]);
    }

    #[test]
    fn a_port_far_from_its_worker_is_named() {
        let port = PortInfo {
            id: PortId(0),
            name: "north".into(),
            driver: "x".into(),
            mac: [0; 6],
            mtu: 1500,
            rx_queues: 1,
            tx_queues: 1,
            rss: RssReport::SingleQueue,
            checksum: ChecksumOffload::default(),
            tso_bytes: 0,
            numa_node: Some(1),
        };
        let layout = Layout { workers: vec![2, 3], control: vec![0] };
        let said = mismatches(&layout, &[port], |cpu| Some(if cpu == 3 { 1 } else { 0 }));
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("worker 0 (CPU 2) on node 0"), "{said:?}");
    }
}

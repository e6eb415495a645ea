//! From the boot config's device strings to running ports: check, plug, set up, hand the queues out.

use super::device::{DeviceSpec, Driver, Kind};
use super::error::{PortError, said};
use super::memory::{self, Hugepages};
use super::recipe::Recipe;
use super::{DpdkPort, PortControl, PortReport, interface};
use crate::base::PortId;
use crate::base::limits::{TSO_BYTES_MAX, TSO_FRAMES};
use caps::{CapSet, Capability};
use dpdk_sys::eal::{self, Eal, Memory};
use dpdk_sys::pool::{self, Pool};
use dpdk_sys::port::{Bus, Capabilities, Device};
use dpdk_sys::queue::QueuePair;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One port of the boot config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortSpec {
    /// Its place in the config.
    pub id: PortId,
    /// Its name in the config.
    pub name: String,
    /// Its device.
    pub device: DeviceSpec,
    /// The largest IP packet that it shall carry, in bytes.
    pub mtu: u16,
    /// Queues of each direction; `None`: one a worker, as far as the device has them.
    pub queues: Option<u16>,
    /// Whether the device cuts long TCP segments (TSO), where it can.
    pub tso: bool,
}

/// All that start-up must know.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The ports.
    pub ports: &'a [PortSpec],
    /// Workers, each of which gets a `DpdkPort` of every port.
    pub workers: u16,
    /// Frame buffers a port and worker.
    pub frames: u32,
    /// Bytes of a frame buffer, DPDK's headroom of 128 included; `None`: what the largest MTU asks for.
    pub buffer_bytes: Option<u16>,
    /// Where memory shall come from.
    pub hugepages: Hugepages,
    /// Memory to take, in MiB; `None`: what the frames need.
    pub memory_mib: Option<u32>,
    /// CPUs of the control side, for DPDK's own threads.
    pub control_cpus: &'a [u16],
    /// The key of receive-side scaling (`wire::rss`).
    pub rss_key: &'a [u8],
    /// The queue of each entry of the redirection table; its length is a power of two.
    pub rss_table: &'a [u16],
    /// Whether receive queues shall be able to interrupt their workers.
    pub rx_interrupts: bool,
}

impl Plan<'_> {
    /// Memory that a pool takes.
    fn pool_bytes(&self, frames: u32, mtu: u16) -> u64 {
        match self.buffer_bytes {
            Some(bytes) => pool::memory_of(frames, bytes.into()),
            None => pool::memory_bytes(frames, mtu),
        }
    }

    /// Buffers for packets that a device cuts.
    fn long_frames(&self) -> u32 {
        TSO_FRAMES * u32::from(self.workers)
    }
}

/// DPDK, running; at most one a process.
#[derive(Debug)]
pub struct Dpdk {
    eal: Eal,
    memory: Memory,
    warning: Option<String>,
}

/// Ports in service.
#[derive(Debug)]
pub struct Opened {
    /// For each worker, its end of each port, in the config's order.
    pub workers: Vec<Vec<DpdkPort>>,
    /// Control's end of each port.
    pub controls: Vec<PortControl>,
    /// What to tell the operator of each port.
    pub reports: Vec<PortReport>,
}

/// Bytes of a buffer for the longest packet that a device cuts: DPDK's headroom, an Ethernet header, and whole KiB.
const LONG_BYTES: u16 = TSO_BYTES_MAX + 1_024;

/// Kernel drivers that a DPDK driver works through.
const PCI_DRIVERS: [&str; 6] = ["vfio-pci", "uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core", "mana"];

impl Dpdk {
    /// Checks every device of the plan, then starts DPDK with memory for all of it.
    ///
    /// # Errors
    /// The first thing that the operator has to mend.
    pub fn start(plan: &Plan<'_>) -> Result<Self, PortError> {
        plan.ports.iter().try_for_each(check)?;
        let per_port = |port: &PortSpec| {
            let long = if port.tso { pool::memory_of(plan.long_frames(), LONG_BYTES.into()) } else { 0 };
            plan.pool_bytes(plan.frames * u32::from(plan.workers), port.mtu) + long
        };
        let frames = plan.ports.iter().map(per_port).sum();
        let bytes = plan.memory_mib.map_or(frames, |mib| u64::from(mib) << 20);
        let (memory, warning) = memory::choose(bytes, plan.hugepages)?;
        let eal = eal::start(&eal::Config {
            control_cpus: plan.control_cpus.to_vec(),
            memory,
            pci: plan.ports.iter().any(|port| port.device.kind() == Kind::Pci),
            single_file_segments: plan.ports.iter().any(|port| shares_memory(&port.device)),
            file_prefix: format!("byway-{}", std::process::id()),
        })?;
        Ok(Self { eal, memory, warning })
    }

    /// The proof that DPDK runs, which worker threads register with.
    pub fn eal(&self) -> Eal {
        self.eal
    }

    /// Whether memory is in hugepages.
    pub fn has_hugepages(&self) -> bool {
        self.memory == Memory::Huge
    }

    /// What the operator should know of the memory in use.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Opens the plan's ports.
    ///
    /// # Errors
    /// The first port that failed; those opened before are closed again.
    pub fn open(&self, plan: &Plan<'_>) -> Result<Opened, PortError> {
        let plugged: Result<Vec<Plugged>, PortError> =
            plan.ports.iter().map(|port| self.plug(plan, port)).collect();
        let plugged = plugged?;
        let pools = self.pools(plan, &plugged)?;
        let mut opened = Opened {
            workers: (0..plan.workers).map(|_| Vec::new()).collect(),
            controls: Vec::new(),
            reports: Vec::new(),
        };
        for (spec, port) in plan.ports.iter().zip(plugged) {
            let pool = pools[&self.share(spec, &port.capabilities)];
            let mut started = port.start(plan, spec, pool)?;
            let long = self.long_pool(plan, &mut started.report);
            let info = Arc::new(started.report.info.clone());
            for (worker, queues) in opened.workers.iter_mut().zip(started.queues) {
                worker.push(DpdkPort::new(Arc::clone(&info), queues, pool, long));
            }
            opened.controls.push(started.control);
            opened.reports.push(started.report);
        }
        Ok(opened)
    }

    /// Buffers for packets that the port cuts; where there is no memory for them it cuts none, and says so.
    fn long_pool(&self, plan: &Plan<'_>, report: &mut PortReport) -> Option<Pool> {
        if report.info.tso_bytes == 0 {
            return None;
        }
        let pool = Pool::with_buffers(self.eal, plan.long_frames(), LONG_BYTES, report.info.numa_node);
        if pool.is_err() {
            report.info.tso_bytes = 0;
            report.notes.push("no memory for long segments".into());
        }
        pool.ok()
    }

    fn plug(&self, plan: &Plan<'_>, spec: &PortSpec) -> Result<Plugged, PortError> {
        let args = spec.device.arguments(spec.queues.unwrap_or(plan.workers).min(plan.workers), spec.mtu);
        let bus = match spec.device.kind() {
            Kind::Pci => Bus::Pci,
            Kind::Software(_) => Bus::Virtual,
        };
        let failed =
            |failure| PortError::PlugFailed { device: spec.device.to_string(), failure, said: said() };
        drop(dpdk_sys::log::take());
        let device = Device::plug(self.eal, bus, &spec.device.name(spec.id.0), &args).map_err(failed)?;
        let capabilities = device.capabilities().map_err(failed)?;
        Ok(Plugged { device, args, capabilities })
    }

    /// One pool a share, its buffers as long as the largest MTU asks, because a frame may leave by another port.
    fn pools(&self, plan: &Plan<'_>, ports: &[Plugged]) -> Result<BTreeMap<Share, Pool>, PortError> {
        let mtu = plan.ports.iter().map(|port| port.mtu).max().unwrap_or(1500);
        let mut counts = BTreeMap::new();
        for (spec, port) in plan.ports.iter().zip(ports) {
            let share = self.share(spec, &port.capabilities);
            *counts.entry(share).or_insert(0) += plan.frames * u32::from(plan.workers);
        }
        let pool = |(share, frames): (Share, u32)| {
            let made = match plan.buffer_bytes {
                Some(bytes) => Pool::with_buffers(self.eal, frames, bytes, share.node),
                None => Pool::new(self.eal, frames, mtu, share.node),
            };
            made.map(|pool| (share, pool)).map_err(|_| PortError::MemoryShort {
                wanted_mib: plan.pool_bytes(frames, mtu) >> 20,
                free_mib: 0,
                hugepages: self.has_hugepages(),
            })
        };
        counts.into_iter().map(pool).collect()
    }

    /// Ordinary pages have no node of their own. AF_XDP makes a whole pool its socket's memory, so it shares none.
    fn share(&self, spec: &PortSpec, capabilities: &Capabilities) -> Share {
        let node = if self.has_hugepages() { capabilities.numa_node } else { None };
        let alone = spec.device.kind() == Kind::Software(Driver::AfXdp);
        Share { node, alone: alone.then_some(spec.id) }
    }
}

/// Who draws frames from the same pool: all ports of a NUMA node, but for those that need one alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Share {
    node: Option<u8>,
    alone: Option<PortId>,
}

/// A plugged device, not yet started.
#[derive(Debug)]
struct Plugged {
    device: Device,
    args: String,
    capabilities: Capabilities,
}

/// A started port.
struct Started {
    control: PortControl,
    queues: Vec<QueuePair>,
    report: PortReport,
}

impl Plugged {
    fn start(mut self, plan: &Plan<'_>, spec: &PortSpec, pool: Pool) -> Result<Started, PortError> {
        let recipe = Recipe::new(plan, spec, &self.capabilities, self.args.clone(), pool);
        let mut notes = recipe.bring_up(&mut self.device)?;
        let rss = recipe.program_rss(&mut self.device, plan);
        if recipe.queues < plan.workers {
            notes.push(format!(
                "{} of {} workers receive here, the others by hand-over",
                recipe.queues, plan.workers
            ));
        }
        let queues = self.device.queues(plan.workers);
        let info = recipe.info(spec, &self.capabilities, rss);
        let report = PortReport { info: info.clone(), workers: plan.workers, notes };
        Ok(Started { control: PortControl::new(self.device, info, recipe), queues, report })
    }
}

fn shares_memory(device: &DeviceSpec) -> bool {
    match device.kind() {
        Kind::Pci => false,
        Kind::Software(driver) => driver.shares_memory(),
    }
}

/// What can be known of a port before DPDK is asked, in the operator's words.
fn check(spec: &PortSpec) -> Result<(), PortError> {
    match spec.device.kind() {
        Kind::Pci => check_pci(&spec.device.name(spec.id.0), Path::new("/sys/bus/pci/devices")),
        Kind::Software(driver) => {
            if driver.is_of_the_kernel() {
                check_rights(&spec.device)?;
            }
            check_interface(&spec.device)
        }
    }
}

fn check_rights(device: &DeviceSpec) -> Result<(), PortError> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    if has(Capability::CAP_NET_RAW) && has(Capability::CAP_NET_ADMIN) {
        return Ok(());
    }
    Err(PortError::NotPermitted { what: format!("open {device}") })
}

fn check_interface(device: &DeviceSpec) -> Result<(), PortError> {
    match device.interface() {
        Some(name) if interface::index(name).is_none() => {
            Err(PortError::InterfaceMissing { interface: name.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_pci(address: &str, root: &Path) -> Result<(), PortError> {
    let device = root.join(address);
    if !device.exists() {
        return Err(PortError::PciMissing { address: address.to_owned() });
    }
    let link = std::fs::read_link(device.join("driver")).ok();
    let driver = link.and_then(|path| path.file_name()?.to_str().map(str::to_owned));
    match driver {
        Some(name) if PCI_DRIVERS.contains(&name.as_str()) => Ok(()),
        other => Err(PortError::PciNotBound { address: address.to_owned(), driver: other }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_an_unbound_pci_device_are_told_apart() {
        let root = Path::new("/sys/bus/pci/devices");
        assert!(matches!(check_pci("ffff:ff:1f.7", root), Err(PortError::PciMissing { .. })));
        let dir = std::env::temp_dir().join(format!("bw-h1-pci-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("0000:01:00.0")).expect("a directory");
        let unbound = check_pci("0000:01:00.0", &dir).expect_err("no driver");
        std::fs::remove_dir_all(&dir).expect("ours");
        assert!(unbound.to_string().contains("dpdk-devbind.py -b vfio-pci 0000:01:00.0"), "{unbound}");
    }
}

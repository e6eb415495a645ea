//! Why a port did not open: one sentence each, which says what to do.

use dpdk_sys::Failure;
use dpdk_sys::eal::EalError;
use std::fmt;

/// Why the DPDK ports did not open.
#[derive(Debug)]
pub enum PortError {
    /// The device string is neither a PCI address nor a `net_` device.
    DeviceUnreadable {
        /// The string.
        device: String,
    },
    /// A driver that byway does not serve.
    DriverUnknown {
        /// Its name.
        driver: String,
    },
    /// The driver wants an argument that is not there.
    ArgumentMissing {
        /// The driver.
        driver: String,
        /// The argument.
        argument: &'static str,
    },
    /// Rights are missing.
    NotPermitted {
        /// What was tried.
        what: String,
    },
    /// The kernel has no such interface.
    InterfaceMissing {
        /// Its name.
        interface: String,
    },
    /// The bus has no such device.
    PciMissing {
        /// Its address.
        address: String,
    },
    /// The kernel's own driver, or none, holds the device.
    PciNotBound {
        /// Its address.
        address: String,
        /// The driver that holds it.
        driver: Option<String>,
    },
    /// Memory does not suffice.
    MemoryShort {
        /// What is wanted, in MiB.
        wanted_mib: u64,
        /// What there is, in MiB.
        free_mib: u64,
        /// Whether hugepages were required.
        hugepages: bool,
    },
    /// No CPU is left for the control side's threads.
    NoControlCpu,
    /// DPDK itself did not start.
    EnvironmentFailed(EalError),
    /// DPDK refused the device.
    PlugFailed {
        /// The device string.
        device: String,
        /// The call that failed.
        failure: Failure,
        /// DPDK's last word on it.
        said: String,
    },
    /// The device was plugged, and its set-up failed.
    SetupFailed {
        /// The port's name.
        port: String,
        /// The call that failed.
        failure: Failure,
        /// DPDK's last word on it.
        said: String,
    },
    /// The device does not carry frames of this size.
    MtuRefused {
        /// The port's name.
        port: String,
        /// The MTU that was asked for.
        mtu: u16,
        /// DPDK's last word on it.
        said: String,
    },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceUnreadable { device } => write!(
                f,
                "device {device:?} is neither a PCI address (0000:01:00.0) nor a DPDK device \
                 (net_af_packet,iface=eth1): correct `device` in the boot config"
            ),
            Self::DriverUnknown { driver } => write!(
                f,
                "driver {driver} is unknown: use a PCI address, net_af_packet, net_af_xdp, net_tap, net_memif, \
                 net_virtio_user or net_vhost"
            ),
            Self::ArgumentMissing { driver, argument } => {
                write!(f, "{driver} needs an argument: write `{driver},{argument}=...` as the port's device")
            }
            Self::NotPermitted { what } => {
                write!(
                    f,
                    "no permission to {what}: start byway as root, or give it CAP_NET_RAW and CAP_NET_ADMIN"
                )
            }
            Self::InterfaceMissing { interface } => {
                write!(
                    f,
                    "interface {interface} does not exist: create it, or correct `device` (ip -br link shows all)"
                )
            }
            Self::PciMissing { address } => {
                write!(
                    f,
                    "no PCI device at {address}: correct `device` (dpdk-devbind.py --status-dev net shows all)"
                )
            }
            Self::PciNotBound { address, driver } => write!(
                f,
                "PCI device {address} is held by {}: run `modprobe vfio-pci && dpdk-devbind.py -b vfio-pci {address}`",
                driver
                    .as_deref()
                    .map_or("no driver".to_owned(), |driver| format!("the kernel driver {driver}"))
            ),
            Self::MemoryShort { wanted_mib, free_mib, hugepages } => {
                memory_short(f, *wanted_mib, *free_mib, *hugepages)
            }
            Self::NoControlCpu => f.write_str("no CPU is left for the control side: name fewer `lcores`"),
            Self::EnvironmentFailed(error) => write!(f, "DPDK did not start: {error}"),
            Self::PlugFailed { device, failure, said } => {
                write!(f, "DPDK could not open {device}: {failure}{}", Said(said))
            }
            Self::SetupFailed { port, failure, said } => {
                write!(f, "port {port} could not be set up: {failure}{}", Said(said))
            }
            Self::MtuRefused { port, mtu, said } => {
                write!(
                    f,
                    "port {port} does not carry an MTU of {mtu}: lower `mtu` in the boot config{}",
                    Said(said)
                )
            }
        }
    }
}

impl std::error::Error for PortError {}

impl From<EalError> for PortError {
    fn from(error: EalError) -> Self {
        match error {
            EalError::NoControlCpu => Self::NoControlCpu,
            EalError::AlreadyStarted
            | EalError::ArgumentBad(_)
            | EalError::Thread(_)
            | EalError::Failed { .. } => Self::EnvironmentFailed(error),
        }
    }
}

/// DPDK's word in brackets, where it said one.
struct Said<'a>(&'a str);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " (DPDK said: {})", self.0) }
    }
}

fn memory_short(f: &mut fmt::Formatter<'_>, wanted: u64, free: u64, hugepages: bool) -> fmt::Result {
    if hugepages {
        let pages = wanted.div_ceil(2);
        write!(
            f,
            "{wanted} MiB of hugepages are wanted and {free} MiB are free: \
             run `sysctl vm.nr_hugepages={pages}`, or lower `memory.frames`"
        )
    } else {
        write!(f, "{wanted} MiB of memory are wanted and {free} MiB are free: lower `memory.frames`")
    }
}

/// What DPDK said last that looks like a reason; empties the log.
pub(super) fn said() -> String {
    let lines = dpdk_sys::log::take();
    lines.first().map(|line| line.trim().to_owned()).unwrap_or_default()
}

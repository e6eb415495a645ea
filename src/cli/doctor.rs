//! `byway doctor`: is this machine fit for an edge? One line for each thing, with its fix. Reads only; changes nothing.

use crate::control::config::boot::{BootSpec, DeviceSpec, Hugepages, MemoryEstimate, Placement};
use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// It runs, but slower or with less protection.
    Warn,
    /// It will not run like this.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where nothing is.
    pub fix: String,
}

/// All findings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

/// Looks at this machine, in the light of a boot config where there is one.
pub fn doctor(boot: Option<&BootSpec>) -> Report {
    let machine = Machine { sys: PathBuf::from("/sys"), boot };
    let mut findings = machine.hugepages();
    findings.push(machine.iommu());
    findings.extend(machine.network_cards());
    findings.push(machine.cpus());
    findings.push(machine.isolated_cpus());
    findings.extend(machine.interfaces());
    findings.extend(limits());
    findings.push(rights());
    findings.extend(boot.and_then(user));
    findings.push(dpdk_version());
    Report { findings }
}

impl Report {
    /// The worst grade; `Ok` where nothing was found.
    pub fn worst(&self) -> Grade {
        self.findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Ok)
    }

    /// 1 when something must be mended before byway runs here, else 0.
    pub fn exit_code(&self) -> u8 {
        u8::from(self.worst() == Grade::Fail)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.findings.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "fail",
        };
        write!(f, "{word:<5}{}", self.what)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, ". Fix: {}", self.fix) }
    }
}

impl Finding {
    fn ok(what: impl Into<String>) -> Self {
        Self { grade: Grade::Ok, what: what.into(), fix: String::new() }
    }

    fn warn(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Warn, what: what.into(), fix: fix.into() }
    }

    fn fail(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { grade: Grade::Fail, what: what.into(), fix: fix.into() }
    }
}

/// What sysfs says, and what the config wants.
struct Machine<'a> {
    sys: PathBuf,
    boot: Option<&'a BootSpec>,
}

/// Kernel drivers that a DPDK driver works through.
const PCI_DRIVERS: [&str; 6] = ["vfio-pci", "uio_pci_generic", "igb_uio", "mlx4_core", "mlx5_core", "mana"];
/// File descriptors that ports, sockets and files want, at ease.
const FILES_MIN: u64 = 1024;

impl Machine<'_> {
    /// A line a NUMA node and page size.
    fn hugepages(&self) -> Vec<Finding> {
        let nodes = numbered(&self.sys.join("devices/system/node"), "node");
        nodes.iter().flat_map(|(node, path)| self.hugepages_of(*node, path)).collect()
    }

    fn hugepages_of(&self, node: u32, path: &Path) -> Vec<Finding> {
        let sizes = fs::read_dir(path.join("hugepages")).into_iter().flatten().flatten();
        let mut findings = Vec::new();
        for size in sizes {
            let name = size.file_name().to_string_lossy().into_owned();
            let kib =
                name.trim_start_matches("hugepages-").trim_end_matches("kB").parse::<u64>().unwrap_or(0);
            let count = |file: &str| number(&size.path().join(file)).unwrap_or(0);
            let (all, free) = (count("nr_hugepages"), count("free_hugepages"));
            if kib == 2048 || all > 0 {
                findings.push(self.judge_hugepages(node, kib, all, free));
            }
        }
        if findings.is_empty() {
            let what = format!("hugepages, NUMA node {node}: the kernel has none");
            findings.push(Finding::warn(what, "boot a kernel with CONFIG_HUGETLBFS"));
        }
        findings
    }

    fn judge_hugepages(&self, node: u32, kib: u64, all: u64, free: u64) -> Finding {
        let what = format!("hugepages of {kib} KiB, NUMA node {node}: {free} of {all} free");
        let wanted = self.boot.map_or(1 << 29, |boot| MemoryEstimate::of(boot).frames_bytes as u64);
        let pages = wanted.div_ceil(kib.max(1) * 1024) + 32;
        if free >= pages {
            return Finding::ok(what);
        }
        let path = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{kib}kB/nr_hugepages");
        let fix = format!("echo {} > {path}", all - free + pages);
        match self.boot.map(|boot| boot.memory.hugepages) {
            Some(Hugepages::Require) => Finding::fail(what, fix),
            Some(Hugepages::Off) => Finding::ok(format!("{what}; the config uses none")),
            Some(Hugepages::Auto) | None => Finding::warn(format!("{what}; {pages} are wanted"), fix),
        }
    }

    fn iommu(&self) -> Finding {
        let units = entries(&self.sys.join("class/iommu")).len();
        let groups = entries(&self.sys.join("kernel/iommu_groups")).len();
        if units > 0 && groups > 0 {
            return Finding::ok(format!("IOMMU: {units} unit(s), {groups} group(s)"));
        }
        let what = "IOMMU: off or absent";
        let fix = "boot with intel_iommu=on iommu=pt (AMD: iommu=pt); only in a machine without one: \
                   echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
        if self.pci_ports().next().is_some() {
            Finding::fail(what, fix)
        } else {
            Finding::warn(format!("{what}; software devices do without"), fix)
        }
    }

    /// A line for each network card, and one for each card of the config that is not there.
    fn network_cards(&self) -> Vec<Finding> {
        let root = self.sys.join("bus/pci/devices");
        let mut findings = Vec::new();
        for address in entries(&root) {
            // PCI base class 02: network controllers.
            if word(&root.join(&address).join("class")).starts_with("0x02") {
                findings.push(self.judge_card(&address, &root.join(&address)));
            }
        }
        for address in self.pci_ports().filter(|address| !root.join(address).exists()) {
            let what = format!("network card {address}: the config names it and the bus has none");
            findings.push(Finding::fail(what, "correct `device` (dpdk-devbind.py --status-dev net)"));
        }
        if findings.is_empty() {
            findings.push(Finding::ok("network cards: none on the PCI bus"));
        }
        findings
    }

    fn judge_card(&self, address: &str, path: &Path) -> Finding {
        let driver = fs::read_link(path.join("driver")).ok();
        let driver =
            driver.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let node = word(&path.join("numa_node"));
        let name = driver.clone().unwrap_or_else(|| "none".into());
        let what = format!("network card {address}: driver {name}, NUMA node {node}");
        let fix = format!("modprobe vfio-pci && dpdk-devbind.py -b vfio-pci {address}");
        let is_bound = driver.is_some_and(|driver| PCI_DRIVERS.contains(&driver.as_str()));
        let is_wanted = self.pci_ports().any(|wanted| wanted == address);
        match (is_bound, is_wanted) {
            (false, true) => Finding::fail(what, fix),
            (true, true | false) => Finding::ok(what),
            (false, false) => Finding::ok(format!("{what}; the kernel's (to give it to byway: {fix})")),
        }
    }

    fn cpus(&self) -> Finding {
        let mut usable = crate::worker::allowed_cpus();
        // Isolated CPUs are in no process's set, and taken by name.
        let named = self.worker_cpus().into_iter().filter(|cpu| !usable.contains(cpu)).collect::<Vec<_>>();
        usable.extend(crate::worker::isolated_cpus().iter().filter(|cpu| named.contains(cpu)));
        let workers = self.boot.map_or(1, |boot| boot.workers.count());
        let what = format!("CPUs: {} for {workers} worker(s) and the control side", usable.len());
        if usable.len() < workers {
            Finding::fail(what, "lower `workers.count`")
        } else if usable.len() == workers {
            Finding::warn(format!("{what}, which share one"), "use one worker fewer")
        } else {
            Finding::ok(what)
        }
    }

    fn isolated_cpus(&self) -> Finding {
        let isolated = crate::worker::cpu_list(&word(&self.sys.join("devices/system/cpu/isolated")));
        let workers = self.worker_cpus();
        let list = |cpus: &[u16]| cpus.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let open: Vec<u16> = workers.iter().copied().filter(|cpu| !isolated.contains(cpu)).collect();
        let have = if isolated.is_empty() { "none".to_owned() } else { list(&isolated) };
        if open.is_empty() && !isolated.is_empty() {
            return Finding::ok(format!("isolated CPUs: {have}"));
        }
        let fix = format!("boot with isolcpus={0} nohz_full={0} rcu_nocbs={0}", list(&workers));
        Finding::warn(format!("isolated CPUs: {have}; workers on {} are disturbed", list(&open)), fix)
    }

    /// The workers' CPUs as `run` would choose them.
    fn worker_cpus(&self) -> Vec<u16> {
        let allowed = crate::worker::allowed_cpus();
        let placement = self.boot.map(|boot| boot.workers.placement.clone());
        match placement.unwrap_or(Placement::Count(1)) {
            Placement::Lcores(cpus) => cpus,
            Placement::Count(count) => allowed[allowed.len().saturating_sub(count)..].to_vec(),
        }
    }

    /// A line for each kernel interface that a port of the config stands on.
    fn interfaces(&self) -> Vec<Finding> {
        let ports = self.boot.map(|boot| boot.ports.as_slice()).unwrap_or_default();
        let on_interface = ports.iter().filter_map(|port| match &port.device {
            DeviceSpec::Virtual { driver, .. } if driver.starts_with("net_af_") => {
                port.device.arg("iface").map(|name| (name, port.mtu))
            }
            DeviceSpec::Virtual { .. } | DeviceSpec::Pci(_) => None,
        });
        on_interface.map(|(name, mtu)| self.judge_interface(name, mtu)).collect()
    }

    fn judge_interface(&self, name: &str, mtu: u16) -> Finding {
        let Some(has) = number(&self.sys.join("class/net").join(name).join("mtu")) else {
            let what = format!("interface {name}: not there");
            return Finding::fail(what, "create it, or correct `device` (ip -br link)");
        };
        let what = format!("interface {name}: MTU {has}, the config says {mtu}");
        if has == u64::from(mtu) {
            Finding::ok(what)
        } else {
            let fix = format!("ip link set {name} mtu {mtu} (byway does it at start, where it may)");
            Finding::warn(what, fix)
        }
    }

    fn pci_ports(&self) -> impl Iterator<Item = &str> {
        let ports = self.boot.map(|boot| boot.ports.as_slice()).unwrap_or_default();
        ports.iter().filter_map(|port| match &port.device {
            DeviceSpec::Pci(address) => Some(address.as_str()),
            DeviceSpec::Virtual { .. } => None,
        })
    }
}

fn limits() -> Vec<Finding> {
    let soft = |resource| getrlimit(resource).map_or(0, |(soft, _)| soft);
    let shown = |value: u64| if value == RLIM_INFINITY { "unlimited".to_owned() } else { value.to_string() };
    let locked = soft(Resource::RLIMIT_MEMLOCK);
    let files = soft(Resource::RLIMIT_NOFILE);
    let what = format!("limit of locked memory: {} bytes", shown(locked));
    let may_lock = caps::has_cap(None, CapSet::Effective, Capability::CAP_IPC_LOCK).unwrap_or(false);
    let memlock = if locked == RLIM_INFINITY || may_lock {
        Finding::ok(what)
    } else {
        // VFIO pins all of DPDK's memory for the device.
        Finding::warn(what, "LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited")
    };
    let what = format!("limit of open files: {}", shown(files));
    let nofile = if files >= FILES_MIN {
        Finding::ok(what)
    } else {
        Finding::fail(what, format!("LimitNOFILE={FILES_MIN} in the unit, or ulimit -n {FILES_MIN}"))
    };
    vec![memlock, nofile]
}

fn rights() -> Finding {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    if has(Capability::CAP_NET_RAW) && has(Capability::CAP_NET_ADMIN) {
        Finding::ok("rights: CAP_NET_RAW and CAP_NET_ADMIN")
    } else {
        Finding::fail(
            "rights: CAP_NET_RAW or CAP_NET_ADMIN is missing",
            "run as root; byway drops them itself",
        )
    }
}

fn user(boot: &BootSpec) -> Option<Finding> {
    let name = boot.user.as_deref()?;
    Some(match crate::control::privileges::RunAs::find(name) {
        Ok(_) => Finding::ok(format!("user {name}: there")),
        Err(_) => {
            let fix = format!("useradd --system --shell /usr/sbin/nologin {name}");
            Finding::fail(format!("user {name}: not there"), fix)
        }
    })
}

#[cfg(feature = "dpdk")]
fn dpdk_version() -> Finding {
    let version = dpdk_sys::eal::version();
    if version.starts_with("DPDK 22.11") {
        Finding::ok(version)
    } else {
        Finding::warn(format!("{version}; byway is tested with 22.11"), "use Debian 12's DPDK")
    }
}

#[cfg(not(feature = "dpdk"))]
fn dpdk_version() -> Finding {
    Finding::fail("DPDK: not built in", "build with the feature `dpdk` (apt-get install libdpdk-dev)")
}

fn entries(path: &Path) -> Vec<String> {
    let all = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = all.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// Folders `<prefix><number>` below `path`, by number.
fn numbered(path: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let number = |name: &String| Some((name.strip_prefix(prefix)?.parse().ok()?, path.join(name)));
    let mut all: Vec<_> = entries(path).iter().filter_map(number).collect();
    all.sort_unstable();
    all
}

fn word(path: &Path) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn number(path: &Path) -> Option<u64> {
    word(path).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small sysfs: one node with 8 free pages of 2 MiB, one card held by the kernel.
    fn small_machine(name: &str) -> PathBuf {
        let sys = std::env::temp_dir().join(format!("bw-doctor-{name}-{}", std::process::id()));
        let file = |path: &str, text: &str| {
            let path = sys.join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        file("devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "16\n");
        file("devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "8\n");
        file("devices/system/cpu/isolated", "\n");
        file("bus/pci/devices/0000:01:00.0/class", "0x020000\n");
        file("bus/pci/devices/0000:01:00.0/numa_node", "0\n");
        file("bus/pci/devices/0000:02:00.0/class", "0x010000\n");
        sys
    }

    #[test]
    fn every_shortcoming_has_its_fix() {
        let sys = small_machine("fix");
        let machine = Machine { sys: sys.clone(), boot: None };
        let pages = machine.hugepages();
        assert_eq!((pages.len(), pages[0].grade), (1, Grade::Warn));
        assert!(pages[0].fix.starts_with("echo 296 > "), "8 in use, 256 and 32 wanted: {}", pages[0].fix);
        assert_eq!(machine.iommu().grade, Grade::Warn);
        let cards = machine.network_cards();
        assert_eq!(cards.len(), 1, "the storage controller is none");
        assert!(cards[0].what.contains("dpdk-devbind.py -b vfio-pci 0000:01:00.0"));
        assert!(machine.isolated_cpus().fix.contains("isolcpus="));
        let missing = machine.judge_interface("bw-none", 1500);
        assert_eq!(missing.grade, Grade::Fail);
        fs::remove_dir_all(sys).expect("ours");
    }

    #[test]
    fn the_worst_finding_gives_the_exit_code() {
        let mut report = Report { findings: vec![Finding::ok("a"), Finding::warn("b", "do c")] };
        assert_eq!((report.worst(), report.exit_code()), (Grade::Warn, 0));
        assert_eq!(report.to_string(), "ok   a\nwarn b. Fix: do c");
        report.findings.push(Finding::fail("d", "do e"));
        assert_eq!(report.exit_code(), 1);
    }

    #[test]
    fn this_machine_is_looked_at_without_a_config() {
        let report = doctor(None);
        assert!(report.findings.len() >= 8, "{report}");
        assert!(report.findings.iter().all(|f| f.grade == Grade::Ok || !f.fix.is_empty()), "{report}");
    }
}

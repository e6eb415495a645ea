//! How much memory the ports want, and from where: hugepages, or ordinary pages with a warning.

use super::PortError;
use dpdk_sys::eal::Memory;
use std::fs;
use std::path::Path;

/// What the boot config says of hugepages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Hugepages {
    /// Used where enough are free.
    #[default]
    Auto,
    /// Never used.
    Off,
    /// Nothing else will do.
    Require,
}

/// Hugepages of one size, free now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreePages {
    /// Size of one, in KiB.
    pub kib: u64,
    /// How many are free.
    pub count: u64,
}

const MIB: u64 = 1 << 20;
/// What EAL, drivers and rings take beside the frame buffers, in MiB.
const BASE_MIB: u64 = 48;

/// How much more ordinary pages take: no frame buffer lies across two of 4 KiB, and of 2,368 bytes only one fits.
const PLAIN_FACTOR: u64 = 2;

/// Where DPDK's memory shall come from, and a warning where it is not hugepages.
///
/// # Errors
/// `MemoryShort`: hugepages are required and too few, or ordinary memory is.
pub fn choose(bytes: u64, hugepages: Hugepages) -> Result<(Memory, Option<String>), PortError> {
    let wanted_mib = bytes.div_ceil(MIB) + BASE_MIB;
    decide(wanted_mib, hugepages, huge_free_mib(&free_pages()), plain_free_mib())
}

/// All free hugepages of the machine, by size.
pub fn free_pages() -> Vec<FreePages> {
    pages_in(Path::new("/sys/kernel/mm/hugepages"), "free_hugepages")
}

fn decide(
    wanted_mib: u64,
    hugepages: Hugepages,
    huge_mib: u64,
    plain_mib: u64,
) -> Result<(Memory, Option<String>), PortError> {
    let short = |free_mib, hugepages| PortError::MemoryShort { wanted_mib, free_mib, hugepages };
    let plain = |warning: String| {
        let wanted_mib = wanted_mib * PLAIN_FACTOR;
        if plain_mib < wanted_mib {
            return Err(PortError::MemoryShort { wanted_mib, free_mib: plain_mib, hugepages: false });
        }
        Ok((Memory::Plain { mib: wanted_mib as u32 }, Some(warning)))
    };
    match hugepages {
        Hugepages::Auto | Hugepages::Require if huge_mib >= wanted_mib => Ok((Memory::Huge, None)),
        Hugepages::Require => Err(short(huge_mib, true)),
        Hugepages::Off => plain("hugepages are off: ordinary pages cost speed".into()),
        Hugepages::Auto => plain(format!(
            "{wanted_mib} MiB of hugepages are wanted and {huge_mib} MiB are free: ordinary pages are used, which \
             costs speed (sysctl vm.nr_hugepages={})",
            wanted_mib.div_ceil(2)
        )),
    }
}

fn huge_free_mib(pages: &[FreePages]) -> u64 {
    pages.iter().map(|size| size.count * size.kib / 1024).sum()
}

/// `MemAvailable` of the kernel.
fn plain_free_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib / 1024)
}

/// The counts of `file` in each `hugepages-<n>kB` below `root`.
pub(crate) fn pages_in(root: &Path, file: &str) -> Vec<FreePages> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let pages = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let kib = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let count = fs::read_to_string(entry.path().join(file)).ok()?.trim().parse().ok()?;
        Some(FreePages { kib, count })
    });
    pages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugepages_are_taken_where_enough_are_free() {
        assert!(matches!(decide(64, Hugepages::Auto, 64, 9), Ok((Memory::Huge, None))));
        assert!(matches!(decide(64, Hugepages::Require, 64, 9), Ok((Memory::Huge, None))));
    }

    #[test]
    fn ordinary_pages_come_with_a_warning() {
        assert!(matches!(decide(64, Hugepages::Auto, 63, 900), Ok((Memory::Plain { mib: 128 }, Some(_)))));
        assert!(matches!(decide(64, Hugepages::Off, 640, 900), Ok((Memory::Plain { mib: 128 }, Some(_)))));
    }

    #[test]
    fn too_little_memory_is_an_error_that_says_how_much() {
        let huge = decide(64, Hugepages::Require, 2, 900).expect_err("too few");
        assert!(huge.to_string().contains("sysctl vm.nr_hugepages=32"), "{huge}");
        let plain = decide(64, Hugepages::Auto, 2, 10).expect_err("too little");
        assert!(plain.to_string().contains("10 MiB are free"), "{plain}");
    }
}

//! The shim on hugepages, without a mount. One EAL, so one test binary. Root may lack pages: the test asks the kernel for
//! some and gives them back.
#![cfg(feature = "link")]

use dpdk_sys::eal::{self, Config, Memory};
use dpdk_sys::pool::Pool;
use dpdk_sys::thread::Registration;
use std::fs;

const PAGES: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
const FREE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
/// Pages of 2 MiB that the test wants free.
const WANTED: u64 = 48;

fn number(path: &str) -> u64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Gives borrowed pages back, also when the test fails.
struct Borrowed(u64);

impl Drop for Borrowed {
    fn drop(&mut self) {
        let _ = fs::write(PAGES, number(PAGES).saturating_sub(self.0).to_string());
    }
}

#[test]
fn memory_comes_from_hugepages_and_frames_from_there() {
    let missing = WANTED.saturating_sub(number(FREE));
    let _borrowed = Borrowed(missing);
    fs::write(PAGES, (number(PAGES) + missing).to_string()).expect("root may ask for hugepages");
    assert!(number(FREE) >= WANTED, "the kernel has no 96 MiB in one piece");
    let eal = eal::start(&Config {
        control_cpus: vec![0],
        memory: Memory::Huge,
        pci: true,
        single_file_segments: true,
        file_prefix: format!("bw-huge-{}", std::process::id()),
    });
    let eal = eal.unwrap_or_else(|error| panic!("{error}"));
    let free = number(FREE);
    let pool = Pool::new(eal, 4095, 1500, None).expect("memory for a pool");
    assert!(number(FREE) < free, "the pool took hugepages");
    let worker = std::thread::spawn(move || {
        let _registered = Registration::new(eal).expect("a free lcore");
        let mut frames = Vec::new();
        while pool.allocate(1, |frame| frames.push(frame)).is_ok() {}
        frames.len()
    });
    assert_eq!(worker.join().expect("no panic"), 4095);
    assert_eq!(pool.available(), 4095);
}

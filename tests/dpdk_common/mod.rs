//! What the tests over real devices share: a network namespace a thread (gone with the thread, so nothing is left
//! behind), one DPDK a process, and small verbs on ports.
#![allow(dead_code, reason = "each test binary uses its part")]

use byway::base::PortId;
use byway::port::dpdk::{
    DeviceSpec, Dpdk, DpdkPort, Hugepages, Opened, Plan, PortControl, PortEvent, PortSpec,
};
use byway::port::{Frame, FrameBatch, Port, TxBatch};
use nix::sched::{CloneFlags, unshare};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

const KEY: [u8; 40] = [0x6d; 40];
const TABLE: [u16; 128] = [0; 128];
/// Frame buffers a port and worker. Pools live as long as the process, so each test takes its own.
const FRAMES: u32 = 4096;
/// How long a frame or an event may take.
pub const WAIT: Duration = Duration::from_secs(5);

/// The calling thread gets a network namespace of its own, with `lo` up. Needs root, and says so.
pub fn own_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: these tests run as root");
    ip("link set lo up");
}

/// Runs `ip` in the calling thread's namespace.
pub fn ip(arguments: &str) {
    run("ip", arguments);
}

/// Runs a command in the calling thread's namespace.
pub fn run(program: &str, arguments: &str) {
    let out = Command::new(program).args(arguments.split_whitespace()).output();
    let out = out.unwrap_or_else(|error| panic!("{program} is not there: {error}"));
    assert!(out.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&out.stderr));
}

/// A veth pair, both ends up, offloads off, no IPv6 chatter.
pub fn veth(a: &str, b: &str) {
    ip(&format!("link add {a} type veth peer name {b}"));
    for end in [a, b] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1").ok();
        run("ethtool", &format!("-K {end} tx off tso off gso off gro off"));
        ip(&format!("link set {end} up"));
    }
}

/// A port of `device`, numbered apart from all others of the process.
pub fn spec(device: &str, mtu: u16) -> PortSpec {
    static NUMBER: AtomicU8 = AtomicU8::new(0);
    let id = PortId(NUMBER.fetch_add(1, Ordering::Relaxed));
    let device = DeviceSpec::parse(device).expect("a device");
    PortSpec { id, name: format!("port{id}"), device, mtu, queues: None, tso: true }
}

/// A plan for `ports` and `workers` on ordinary pages.
pub fn plan(ports: &[PortSpec], workers: u16) -> Plan<'_> {
    Plan {
        ports,
        workers,
        frames: FRAMES,
        buffer_bytes: None,
        hugepages: Hugepages::Off,
        memory_mib: None,
        control_cpus: &[0],
        rss_key: &KEY,
        rss_table: &TABLE,
        rx_interrupts: true,
    }
}

/// The process's DPDK, started at the first call with memory for all tests of a binary.
pub fn dpdk() -> &'static Dpdk {
    static DPDK: OnceLock<Dpdk> = OnceLock::new();
    DPDK.get_or_init(|| {
        let room: Vec<PortSpec> = (0..20).map(|_| spec("net_null", 1500)).collect();
        Dpdk::start(&plan(&room, 2)).expect("DPDK starts on ordinary pages")
    })
}

/// Opens ports for `workers`.
pub fn open(ports: &[PortSpec], workers: u16) -> Opened {
    dpdk().open(&plan(ports, workers)).unwrap_or_else(|error| panic!("{error}"))
}

/// A test frame: broadcast, EtherType 0x88b5 (local experimental), a number, filled up to `len`.
pub fn fill<F: Frame>(frame: &mut F, number: u32, len: usize) {
    assert!(frame.set_len(len));
    let bytes = frame.bytes_mut();
    bytes[..6].fill(0xff);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes[12..14].copy_from_slice(&[0x88, 0xb5]);
    bytes[14..18].copy_from_slice(&number.to_be_bytes());
    bytes[18..].fill(number as u8);
}

/// The number of a test frame; `None` for anything else on the wire.
pub fn number(bytes: &[u8]) -> Option<u32> {
    let is_ours = bytes.len() >= 18 && bytes[12..14] == [0x88, 0xb5];
    is_ours.then(|| u32::from_be_bytes([bytes[14], bytes[15], bytes[16], bytes[17]]))
}

/// Sends frames `numbers` of `len` bytes, waiting for room.
pub fn send(port: &mut DpdkPort, numbers: std::ops::Range<u32>, len: usize) {
    let mut batch = TxBatch::new();
    let until = Instant::now() + WAIT;
    for number in numbers {
        let mut frame = port.allocate().expect("a frame");
        fill(&mut frame, number, len);
        batch.push(frame);
        while batch.len() == 32 && Instant::now() < until {
            port.transmit(&mut batch);
        }
    }
    while !batch.is_empty() && Instant::now() < until {
        port.transmit(&mut batch);
    }
    assert!(batch.is_empty(), "the device takes frames");
}

/// Receives test frames until `count` came or time is up; their numbers and lengths.
pub fn receive(port: &mut DpdkPort, count: usize) -> Vec<(u32, usize)> {
    let until = Instant::now() + WAIT;
    let mut got = Vec::new();
    while got.len() < count && Instant::now() < until {
        let mut batch = FrameBatch::new();
        port.receive(&mut batch);
        if batch.is_empty() {
            std::thread::sleep(Duration::from_micros(200));
        }
        got.extend(batch.iter().filter_map(|f| number(f.bytes()).map(|n| (n, f.bytes().len()))));
    }
    got
}

/// Receives until a frame satisfies `wanted` or time is up.
pub fn receive_until(port: &mut DpdkPort, wanted: impl Fn(&[u8]) -> bool) -> bool {
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        let mut batch = FrameBatch::new();
        port.receive(&mut batch);
        if batch.iter().any(|frame| wanted(frame.bytes())) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    false
}

/// Tends a port, polling its worker's end as a worker would, until `wanted` happens.
pub fn tend_until(
    control: &mut PortControl,
    port: &mut DpdkPort,
    wanted: impl Fn(&PortEvent) -> bool,
) -> bool {
    let until = Instant::now() + WAIT;
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                let mut batch = FrameBatch::new();
                port.receive(&mut batch);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let mut happened = false;
        while !happened && Instant::now() < until {
            happened = control.tend().is_some_and(|event| wanted(&event));
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(stop);
        happened
    })
}

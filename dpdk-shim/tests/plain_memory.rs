//! The shim on ordinary pages: EAL, pools, frames, a ring port, tables, threads. One EAL, so one test binary.
#![cfg(feature = "link")]

use arrayvec::ArrayVec;
use dpdk_sys::eal::{self, Config, Eal, EalError, Memory};
use dpdk_sys::frame::{Frame, TxWork};
use dpdk_sys::pool::Pool;
use dpdk_sys::port::{Bus, Device, Offloads, Setup};
use dpdk_sys::thread::Registration;
use dpdk_sys::{fib, hash, log};
use std::sync::OnceLock;

static EAL: OnceLock<Eal> = OnceLock::new();

fn config() -> Config {
    Config {
        control_cpus: vec![0],
        memory: Memory::Plain { mib: 192 },
        pci: false,
        single_file_segments: false,
        file_prefix: format!("bw-shim-{}", std::process::id()),
    }
}

fn up() -> Eal {
    *EAL.get_or_init(|| eal::start(&config()).expect("EAL starts on ordinary pages"))
}

fn affinity() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("proc is mounted");
    status.lines().find(|line| line.starts_with("Cpus_allowed_list")).expect("a list").to_owned()
}

#[test]
fn eal_starts_once_and_leaves_its_caller_where_it_was() {
    let before = affinity();
    up();
    assert_eq!(affinity(), before);
    assert!(matches!(eal::start(&config()), Err(EalError::AlreadyStarted)));
    assert!(eal::version().starts_with("DPDK 22.11"));
    assert!(up().cycles_hz() > 100_000_000);
}

#[test]
fn a_frame_goes_back_to_its_pool_whichever_thread_drops_it() {
    let pool = Pool::new(up(), 1023, 1500, None).expect("memory for a pool");
    assert_eq!((pool.frames(), pool.available()), (1023, 1023));
    let mut frames = Vec::new();
    pool.allocate(32, |frame| frames.push(frame)).expect("32 of 1023");
    assert_eq!(pool.available(), 1023 - 32);
    let mut frame = frames.pop().expect("a frame");
    assert!(frame.set_len(1514) && !frame.set_len(frame.capacity() + 1));
    assert_eq!(frame.bytes().len(), 1514);
    frame.bytes_mut().fill(7);
    assert!(frame.bytes().iter().all(|byte| *byte == 7));
    std::thread::spawn(move || drop(frame)).join().expect("no panic");
    drop(frames);
    assert_eq!(pool.available(), 1023);
}

#[test]
fn an_empty_pool_gives_nothing_and_loses_nothing() {
    let pool = Pool::new(up(), 63, 1500, None).expect("memory for a pool");
    let mut frames = Vec::new();
    while pool.allocate(1, |frame| frames.push(frame)).is_ok() {}
    assert_eq!(frames.len(), 63);
    frames.clear();
    assert_eq!(pool.available(), 63);
}

/// `net_ring` without arguments loops its transmit ring back to its receive ring.
fn loopback(name: &str, pool: Pool) -> Device {
    let mut device = Device::plug(up(), Bus::Virtual, name, "").expect("the ring driver is there");
    let setup = Setup {
        rx_queues: 1,
        tx_queues: 1,
        mtu: 1500,
        offloads: Offloads::default(),
        rss_key: None,
        rx_interrupts: false,
    };
    device.start(&setup, pool, None).expect("a ring starts");
    device
}

#[test]
fn frames_cross_a_ring_port_and_sent_ones_are_gone() {
    let pool = Pool::new(up(), 511, 1500, None).expect("memory for a pool");
    let mut device = loopback("net_ring0", pool);
    assert!(device.capabilities().expect("capabilities").driver.contains("ring"));
    let mut pairs = device.queues(2);
    assert!(device.queues(1).is_empty(), "queues are handed out once");
    let mut frames = ArrayVec::<Frame, 40>::new();
    pool.allocate(8, |frame| frames.push(frame)).expect("frames");
    for (number, frame) in frames.iter_mut().enumerate() {
        assert!(frame.set_len(60 + number));
        frame.bytes_mut()[0] = number as u8;
        frame.set_tx_work(TxWork::default());
    }
    // The second worker shares the only transmit queue.
    assert_eq!(pairs[1].send(&mut frames), 8);
    assert!(frames.is_empty());
    let mut back = ArrayVec::<Frame, 40>::new();
    assert_eq!(pairs[1].receive(&mut back), 0, "the second worker has no receive queue");
    assert_eq!(pairs[0].receive(&mut back), 8);
    assert!(
        back.iter()
            .enumerate()
            .all(|(n, frame)| frame.bytes().len() == 60 + n && frame.bytes()[0] == n as u8)
    );
    let stats = device.stats().expect("statistics");
    assert_eq!((stats.rx_frames, stats.tx_frames), (8, 8));
    drop(back);
    assert_eq!(pool.available(), 511);
}

#[test]
fn a_port_leaves_and_comes_back_while_a_worker_polls_it() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static STOP: AtomicBool = AtomicBool::new(false);
    let pool = Pool::new(up(), 511, 1500, None).expect("memory for a pool");
    let mut device = loopback("net_ring7", pool);
    let mut pair = device.queues(1).pop().expect("one worker");
    let worker = std::thread::spawn(move || {
        let mut received = 0;
        while !STOP.load(Ordering::Relaxed) {
            let mut frames = ArrayVec::<Frame, 32>::new();
            received += pair.receive(&mut frames);
            frames.clear();
            let _ = pool.allocate(1, |frame| frames.push(frame));
            pair.send(&mut frames);
        }
        received
    });
    for _ in 0..3 {
        device.unplug().expect("the worker leaves");
        assert!(!device.is_plugged());
        device.plug_again("").expect("plugs again");
        let two = Setup {
            rx_queues: 2,
            tx_queues: 1,
            mtu: 1500,
            offloads: Offloads::default(),
            rss_key: None,
            rx_interrupts: false,
        };
        assert!(device.start(&two, pool, None).is_err(), "other numbers of queues are refused");
        device.start(&Setup { rx_queues: 1, ..two }, pool, None).expect("starts again");
        device.back_in_service();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(device.stats().expect("statistics").rx_frames > 0, "frames flow again");
    }
    STOP.store(true, Ordering::Relaxed);
    assert!(worker.join().expect("no panic") > 0);
}

#[test]
fn an_unknown_driver_is_an_error_with_dpdks_words_kept() {
    let failure = Device::plug(up(), Bus::Virtual, "net_no_such0", "").expect_err("no such driver");
    let said = log::take();
    assert!(said.iter().any(|line| line.contains("net_no_such0")), "{failure}: {said:?}");
}

#[test]
fn longest_prefixes_win_in_both_families() {
    let mut four = fib::Fib4::new(up(), 16, 4, None).expect("memory for a FIB");
    four.add(0xc000_0200, 24, 1).expect("192.0.2.0/24");
    four.add(0xc000_0000, 8, 2).expect("192.0.0.0/8");
    let mut hops = [0; 3];
    four.find(&[0xc000_0205, 0xc000_0305, 0x0a00_0001], &mut hops);
    assert_eq!(hops, [1, 2, u64::from(fib::NONE)]);
    four.remove(0xc000_0200, 24).expect("it is there");
    four.find(&[0xc000_0205], &mut hops[..1]);
    assert_eq!(hops[0], 2);
    assert!(four.add(0, 0, fib::NONE).is_err());

    let mut six = fib::Fib6::new(up(), 16, 256, None).expect("memory for a FIB");
    let net = |last: u8| [0x20, 1, 0xd, 0xb8, 0, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    six.add(net(0), 32, 3).expect("2001:db8::/32");
    six.add(net(9), 48, 4).expect("2001:db8:9::/48");
    let mut hops = [0; 3];
    six.find(&[net(9), net(8), [1; 16]], &mut hops);
    assert_eq!(hops, [4, 3, u64::from(fib::NONE)]);
    six.remove(net(9), 48).expect("it is there");
}

#[test]
fn a_hash_table_finds_what_was_added_and_says_when_it_is_full() {
    let mut table = hash::Table::<16>::new(up(), 64, None).expect("memory for a table");
    let place = table.add(&[1; 16]).expect("room");
    assert_eq!((table.find(&[1; 16]), table.find(&[2; 16])), (Some(place), None));
    assert_eq!(table.remove(&[1; 16]), Some(place));
    assert_eq!(table.find(&[1; 16]), None);
    assert!((0..200u8).any(|n| table.add(&[n; 16]).is_err()));
}

#[test]
fn toeplitz_gives_microsofts_example() {
    // "Verifying the RSS hash calculation", Microsoft: 66.9.149.187:2794 -> 161.142.100.80:1766.
    let key = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
        0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
        0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];
    assert_eq!(hash::toeplitz(&[0x4209_95bb, 0xa18e_6450, 2794 << 16 | 1766], &key), Some(0x51cc_c178));
    assert_eq!(hash::toeplitz(&[0; 10], &key), None);
}

#[test]
fn a_registered_thread_has_an_lcore_of_its_own_and_gives_it_back() {
    up();
    let lcores: Vec<u32> = (0..2)
        .map(|_| {
            let thread = std::thread::spawn(|| Registration::new(up()).expect("a free lcore").lcore());
            thread.join().expect("no panic")
        })
        .collect();
    assert!(lcores[0] != 0 && lcores[0] == lcores[1], "{lcores:?}");
}

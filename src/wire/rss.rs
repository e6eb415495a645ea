//! Receive-side scaling: the Toeplitz hash that NICs compute, and which worker a flow belongs to.
//!
//! The same numbers program a device's redirection table and steer frames in software, so a flow's owner is the same
//! whoever spreads. The hash is linear and its key is public, so a sender can aim flows at one worker; what it buys is
//! a lower ceiling, not another's memory (flow tables are keyed by a secret of their own).
//!
//! Cost, in instructions under callgrind, release: `owner` 80 for IPv4, 160 for IPv6.

use super::FlowKey;
use crate::base::{Addr, WorkerId};

/// Bytes of the longest input: two IPv6 addresses and two ports.
const INPUT_LEN_MAX: usize = 36;

/// The key that devices are programmed with: 40 random bytes.
pub const RSS_KEY: [u8; 40] = [
    0x8f, 0x2b, 0xd1, 0x54, 0x9e, 0x37, 0x6a, 0xc3, 0x15, 0xf8, 0x4d, 0xa2, 0x70, 0xbe, 0x1c, 0x63, 0xe9,
    0x05, 0x7b, 0xd6, 0x38, 0xc1, 0xaf, 0x52, 0x94, 0x0e, 0xfd, 0x67, 0xb3, 0x2c, 0x88, 0x41, 0xda, 0x1f,
    0x76, 0xe5, 0x3b, 0xc9, 0x60, 0x97,
];

/// Entries of the redirection table.
pub const TABLE_LEN: usize = 128;

/// For each byte of the input, what each of its values adds to the hash: 36 KiB, made at compile time.
static TABLES: [[u32; 256]; INPUT_LEN_MAX] = tables(&RSS_KEY);

/// The hash over source, destination, source port and destination port in wire order, as NICs compute it (Microsoft,
/// `RSS Hashing Types`: IPv4 or IPv6 with TCP or UDP ports).
#[inline]
pub fn hash(key: &FlowKey) -> u32 {
    let [a, b] = key.src_port.to_be_bytes();
    let [c, d] = key.dst_port.to_be_bytes();
    let ports = [a, b, c, d];
    match (key.src.to_v4_bits(), key.dst.to_v4_bits()) {
        (Some(src), Some(dst)) => fold(&src.to_be_bytes(), 0) ^ fold(&dst.to_be_bytes(), 4) ^ fold(&ports, 8),
        _ => fold(&v6(key.src), 0) ^ fold(&v6(key.dst), 16) ^ fold(&ports, 32),
    }
}

#[inline(always)]
fn v6(addr: Addr) -> [u8; 16] {
    addr.bits().to_be_bytes()
}

/// What the bytes at `at` of the input add to the hash.
#[inline(always)]
fn fold<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let mut hash = 0;
    for (byte, table) in bytes.iter().zip(&TABLES[at..at + N]) {
        hash ^= table[usize::from(*byte)];
    }
    hash
}

const fn tables(key: &[u8; 40]) -> [[u32; 256]; INPUT_LEN_MAX] {
    let mut tables = [[0; 256]; INPUT_LEN_MAX];
    let mut at = 0;
    while at < INPUT_LEN_MAX {
        // The 40 bits of the key that this byte of the input meets.
        let mut window = 0u64;
        let mut i = 0;
        while i < 5 {
            window = window << 8 | key[at + i] as u64;
            i += 1;
        }
        let mut value = 1;
        while value < 256usize {
            let low = value.trailing_zeros();
            let rest = value & (value - 1);
            tables[at][value] = tables[at][rest] ^ (window >> (low + 1)) as u32;
            value += 1;
        }
        at += 1;
    }
    tables
}

/// Which worker owns which flow: entry `hash % 128` of a table that deals the workers out in turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Steering {
    table: [WorkerId; TABLE_LEN],
}

impl Steering {
    /// For this many workers, at least one.
    pub fn new(workers: u8) -> Self {
        let workers = workers.max(1);
        Self { table: std::array::from_fn(|entry| WorkerId((entry % usize::from(workers)) as u8)) }
    }

    /// The redirection table, for devices; a longer one repeats it.
    pub const fn table(&self) -> &[WorkerId; TABLE_LEN] {
        &self.table
    }

    /// The owner of the flow as seen in frames of this direction.
    #[inline]
    pub fn owner(&self, key: &FlowKey) -> WorkerId {
        self.owner_of_hash(hash(key))
    }

    /// The owner by a hash that is already known.
    #[inline]
    pub const fn owner_of_hash(&self, hash: u32) -> WorkerId {
        self.table[hash as usize % TABLE_LEN]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Protocol;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// Microsoft's key, whose hashes are published (`Verifying the RSS Hash Calculation`).
    const PUBLISHED_KEY: [u8; 40] = [
        0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
        0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
        0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
    ];

    /// The hash bit by bit, as the definition has it.
    fn naive(key: &[u8; 40], input: &[u8]) -> u32 {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (7 - at % 8) & 1 == 1;
        let window = |at: usize| (0..32).fold(0u32, |word, i| word << 1 | u32::from(bit(key, at + i)));
        (0..input.len() * 8).filter(|at| bit(input, *at)).fold(0, |hash, at| hash ^ window(at))
    }

    fn input(key: &FlowKey) -> Vec<u8> {
        let octets = |addr: Addr| match addr.to_ip() {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let ports = [key.src_port.to_be_bytes(), key.dst_port.to_be_bytes()].concat();
        [octets(key.src), octets(key.dst), ports].concat()
    }

    fn key(src: &str, dst: &str, (src_port, dst_port): (u16, u16)) -> FlowKey {
        let addr = |text: &str| text.parse::<IpAddr>().expect("an address").into();
        FlowKey { src: addr(src), dst: addr(dst), src_port, dst_port, protocol: Protocol::Tcp }
    }

    #[test]
    fn the_published_hashes_come_out() {
        let rows = [
            ("66.9.149.187", "161.142.100.80", (2794, 1766), 0x51cc_c178),
            ("199.92.111.2", "65.69.140.83", (14230, 4739), 0xc626_b0ea),
            ("3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", (2794, 1766), 0x4020_7d3d),
        ];
        for (src, dst, ports, hash) in rows {
            let input = input(&key(src, dst, ports));
            assert_eq!(naive(&PUBLISHED_KEY, &input), hash, "{src}");
            let fast =
                (0..input.len()).fold(0, |sum, at| sum ^ tables(&PUBLISHED_KEY)[at][usize::from(input[at])]);
            assert_eq!(fast, hash, "{src}");
        }
    }

    #[test]
    fn workers_are_dealt_out_in_turn() {
        let steering = Steering::new(3);
        assert_eq!(steering.table()[..4], [WorkerId(0), WorkerId(1), WorkerId(2), WorkerId(0)]);
        assert_eq!(steering.owner_of_hash(128 + 2), WorkerId(2));
        assert_eq!(Steering::new(0), Steering::new(1));
    }

    #[test]
    fn flows_spread_evenly() {
        let steering = Steering::new(4);
        let mut counts = [0u32; 4];
        for port in 10_000..20_000 {
            counts[steering.owner(&key("192.0.2.7", "198.51.100.10", (port, 443))).index()] += 1;
        }
        assert!(counts.iter().all(|count| (2_200..2_800).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn the_fast_hash_equals_the_definition(v4 in any::<([u8; 4], [u8; 4])>(), v6 in any::<([u8; 16], [u8; 16])>(), ports in any::<(u16, u16)>()) {
            for (src, dst) in [(Addr::v4(v4.0), Addr::v4(v4.1)), (Addr::v6(v6.0), Addr::v6(v6.1))] {
                let key = FlowKey { src, dst, src_port: ports.0, dst_port: ports.1, protocol: Protocol::Tcp };
                prop_assert_eq!(hash(&key), naive(&RSS_KEY, &input(&key)));
            }
        }
    }
}

//! The keyed hash of a five-tuple: NH (the universal hash inside UMAC, RFC 4418 5.2) and a finisher.
//!
//! Cost: about 15 instructions for IPv4, whose tuple is two words, and 30 for IPv6. For two different tuples the chance to collide in NH is 2^-64 over the choice of the
//! secret, whatever the tuples: a stranger who does not know the secret cannot aim at a bucket.

use crate::wire::{FlowKey, Protocol, Tuple4};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Hashes five-tuples under a secret drawn at boot.
#[derive(Clone, Debug)]
pub struct FlowHasher {
    keys: [u64; 8],
}

impl FlowHasher {
    /// A hasher under `secret`; two hashers with one secret agree.
    pub fn new(secret: &[u8; 32]) -> Self {
        let mut keys = [0; 8];
        for (index, key) in keys.iter_mut().enumerate() {
            *key = expand(secret, index as u64);
        }
        Self { keys }
    }

    /// The hash of a flow as its frames arrive.
    #[inline(always)]
    pub fn hash(&self, key: &FlowKey) -> u64 {
        if key.src.is_v4() && key.dst.is_v4() {
            return self.hash4(Tuple4::of(key), key.protocol);
        }
        let ports = u64::from(key.src_port) << 32 | u64::from(key.dst_port) << 8 | key.protocol as u64;
        let [k0, k1, k2, k3, k4, k5, ..] = self.keys;
        let (src, dst) = (key.src.bits(), key.dst.bits());
        let sum = product((src >> 64) as u64, k0, src as u64, k1)
            .wrapping_add(product((dst >> 64) as u64, k2, dst as u64, k3))
            .wrapping_add(product(ports, k4, 0, k5));
        finish(fold(sum))
    }

    /// The same of an IPv4 flow.
    #[inline(always)]
    pub fn hash4(&self, tuple: Tuple4, protocol: Protocol) -> u64 {
        let [.., k6, k7] = self.keys;
        let ports = u64::from(u32::from_be(tuple.ports)) << 8 | protocol as u64;
        finish(fold(product(u64::from_be(tuple.addrs), k6, ports, k7)))
    }
}

/// One secret of 32 bytes to one of many 64-bit keys.
pub(super) fn expand(secret: &[u8; 32], index: u64) -> u64 {
    let mut hasher = SipHasher24::new_with_key(&secret[..16].try_into().unwrap_or([0; 16]));
    hasher.write(&secret[16..]);
    hasher.write_u64(index);
    hasher.finish()
}

#[inline]
fn product(a: u64, a_key: u64, b: u64, b_key: u64) -> u128 {
    u128::from(a.wrapping_add(a_key)) * u128::from(b.wrapping_add(b_key))
}

#[inline(always)]
const fn fold(wide: u128) -> u64 {
    (wide >> 64) as u64 ^ wide as u64
}

/// One more multiplication, high half onto low half, as wyhash ends: every input bit reaches every output bit.
#[inline(always)]
const fn finish(word: u64) -> u64 {
    fold((word ^ 0x2d35_8dcc_aa6c_78a5) as u128 * 0x8bb8_4b93_962e_acc9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;
    use std::collections::HashSet;

    fn key(client: u32, port: u16) -> FlowKey {
        FlowKey {
            src: Addr::v4(client.to_be_bytes()),
            dst: Addr::v4([198, 51, 100, 10]),
            src_port: port,
            dst_port: 22,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn neighbouring_tuples_spread_over_low_middle_and_high_bits() {
        let hasher = FlowHasher::new(&[7; 32]);
        for shift in [0, 24, 48] {
            let spread: HashSet<u64> = (0..4096u32)
                .map(|n| hasher.hash(&key(0x0a00_0000 + n / 64, 1024 + (n % 64) as u16)) >> shift & 0xffff)
                .collect();
            // 4096 balls into 65536 bins leave about 3,970 distinct ones.
            assert!(spread.len() > 3900, "{} distinct values at bit {shift}", spread.len());
        }
    }

    #[test]
    fn direction_and_secret_both_change_the_hash() {
        let (a, b) = (FlowHasher::new(&[1; 32]), FlowHasher::new(&[2; 32]));
        let flow = key(0x0a00_0001, 4000);
        assert_ne!(a.hash(&flow), a.hash(&flow.reversed()));
        assert_ne!(a.hash(&flow), b.hash(&flow));
        assert_eq!(a.hash(&flow), FlowHasher::new(&[1; 32]).hash(&flow));
    }
}

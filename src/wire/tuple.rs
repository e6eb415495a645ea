//! A flow's addresses and ports as they stand in its frames: what a look-up compares and a rewrite writes without a byte
//! turned round.
//!
//! ```text
//!        0          8           16          32      36
//!  IPv4  | src, dst | zeros                 | ports |
//!  IPv6  | src                  | dst       | ports |
//! ```

use super::{FlowKey, Protocol};
use crate::base::Addr;

/// Bytes of both ports, and of both addresses of IPv6.
const PORTS_LEN: usize = 4;
const ADDRS_LEN: usize = 32;

/// Addresses and ports of the frames of one leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuple {
    addrs: [u8; ADDRS_LEN],
    ports: [u8; PORTS_LEN],
}

/// The same of an IPv4 frame, in two words of the machine's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuple4 {
    /// Source and destination.
    pub addrs: u64,
    /// Source port and destination port.
    pub ports: u32,
}

impl Tuple4 {
    /// That of an IPv4 flow.
    #[inline(always)]
    pub const fn of(key: &FlowKey) -> Self {
        let (src, dst) = (key.src.bits() as u32 as u64, key.dst.bits() as u32 as u64);
        let ports = (key.src_port as u32) << 16 | key.dst_port as u32;
        Self { addrs: (src << 32 | dst).to_be(), ports: ports.to_be() }
    }

    /// The tuple of frames of the other direction.
    #[inline(always)]
    pub const fn reversed(self) -> Self {
        Self { addrs: self.addrs.rotate_left(32), ports: self.ports.rotate_left(16) }
    }

    /// The source, in host order.
    #[inline(always)]
    pub const fn src_bits(self) -> u32 {
        (u64::from_be(self.addrs) >> 32) as u32
    }

    /// The destination, in host order.
    #[inline(always)]
    pub const fn dst_bits(self) -> u32 {
        u64::from_be(self.addrs) as u32
    }

    /// The destination's port.
    #[inline(always)]
    pub const fn dst_port(self) -> u16 {
        u32::from_be(self.ports) as u16
    }

    /// The destination.
    #[inline(always)]
    pub const fn dst(self) -> Addr {
        Addr::v4((u64::from_be(self.addrs) as u32).to_be_bytes())
    }

    /// The flow.
    #[inline(always)]
    pub const fn key(self, protocol: Protocol) -> FlowKey {
        let (addrs, ports) = (u64::from_be(self.addrs), u32::from_be(self.ports));
        FlowKey {
            src: Addr::v4(((addrs >> 32) as u32).to_be_bytes()),
            dst: Addr::v4((addrs as u32).to_be_bytes()),
            src_port: (ports >> 16) as u16,
            dst_port: ports as u16,
            protocol,
        }
    }
}

impl Tuple {
    /// Nobody's.
    pub const NONE: Self = Self { addrs: [0; ADDRS_LEN], ports: [0; PORTS_LEN] };

    /// That of a flow, both of whose addresses are of one family.
    pub fn of(key: &FlowKey) -> Self {
        let mut tuple = Self::NONE;
        let [src, dst] = [key.src.bits().to_be_bytes(), key.dst.bits().to_be_bytes()];
        let (front, back) = tuple.addrs.split_at_mut(ADDRS_LEN / 2);
        if key.src.is_v4() {
            front[..4].copy_from_slice(&src[12..]);
            front[4..8].copy_from_slice(&dst[12..]);
        } else {
            front.copy_from_slice(&src);
            back.copy_from_slice(&dst);
        }
        tuple.ports = (u32::from(key.src_port) << 16 | u32::from(key.dst_port)).to_be_bytes();
        tuple
    }

    /// The flow of `protocol` whose tuple this is.
    pub fn key(&self, protocol: Protocol) -> FlowKey {
        if self.is_v4() {
            return self.v4().key(protocol);
        }
        let half = |at: usize| {
            let bytes = self.addrs[at..].first_chunk().copied().unwrap_or_default();
            Addr::v6(bytes)
        };
        let ports = u32::from_be_bytes(self.ports);
        FlowKey {
            src: half(0),
            dst: half(ADDRS_LEN / 2),
            src_port: (ports >> 16) as u16,
            dst_port: ports as u16,
            protocol,
        }
    }

    /// Whether it is this flow's, whatever the protocol.
    #[inline(always)]
    pub fn is_of(&self, key: &FlowKey) -> bool {
        if key.src.is_v4() {
            return self.is_v4() && self.v4() == Tuple4::of(key);
        }
        let ports = (u32::from(key.src_port) << 16 | u32::from(key.dst_port)).to_be_bytes();
        let (front, back) = self.addrs.split_at(ADDRS_LEN / 2);
        let same = front == key.src.bits().to_be_bytes() && back == key.dst.bits().to_be_bytes();
        same && self.ports == ports
    }

    /// Whether it is of IPv4: nothing is sent to the unspecified address of IPv6.
    #[inline(always)]
    pub fn is_v4(&self) -> bool {
        self.addrs[ADDRS_LEN / 2..] == [0; ADDRS_LEN / 2]
    }

    /// In two words, where it is of IPv4.
    #[inline(always)]
    pub const fn v4(&self) -> Tuple4 {
        let [a, b, c, d, e, f, g, h, ..] = self.addrs;
        Tuple4 { addrs: u64::from_ne_bytes([a, b, c, d, e, f, g, h]), ports: u32::from_ne_bytes(self.ports) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_flow_comes_back_from_its_tuple(
            v4 in any::<bool>(), src in any::<u128>(), dst in 1u128.., ports in any::<(u16, u16)>(), tcp in any::<bool>(),
        ) {
            let addr = |bits: u128| match v4 {
                true => Addr::v4((bits as u32).to_be_bytes()),
                false => Addr::from_bits(bits),
            };
            prop_assume!(v4 || !addr(src).is_v4() && !addr(dst).is_v4());
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            let key = FlowKey { src: addr(src), dst: addr(dst), src_port: ports.0, dst_port: ports.1, protocol };
            let tuple = Tuple::of(&key);
            prop_assert_eq!(tuple.key(protocol), key);
            prop_assert_eq!(tuple.is_v4(), v4);
            prop_assert!(tuple.is_of(&key) && !Tuple::NONE.is_of(&key));
            prop_assert_eq!(tuple.is_of(&key.reversed()), key.reversed() == key);
            if v4 {
                prop_assert_eq!(tuple.v4().reversed().key(protocol), key.reversed());
                prop_assert_eq!(tuple.v4().dst(), key.dst);
            }
        }
    }
}

//! Pools of endpoints: the hosts of a net, each with the ports of a range, taken step by step or at random.

use crate::base::{Addr, Endpoint, Rng};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// The order in which a pool is gone through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Order {
    /// One address after the other, then the next port.
    Step,
    /// Any of them.
    Random,
}

/// Hosts with ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    first: u128,
    hosts: u64,
    port: u16,
    ports: u64,
}

impl Pool {
    /// The hosts of `net` with `ports`. An IPv4 net of more than two addresses has neither its first nor its last as
    /// hosts; of an IPv6 net the first 2^32 addresses are taken.
    pub fn new(net: IpNet, ports: &RangeInclusive<u16>) -> Self {
        let first = Addr::from(net.network()).bits();
        let bits = u32::from(net.max_prefix_len() - net.prefix_len()).min(32);
        let all = 1_u64 << bits;
        let (first, hosts) = match net {
            IpNet::V4(_) if all > 2 => (first + 1, all - 2),
            IpNet::V4(_) | IpNet::V6(_) => (first, all),
        };
        Self { first, hosts, port: *ports.start(), ports: u64::from(*ports.end() - *ports.start()) + 1 }
    }

    /// One address with `ports`.
    pub fn of_host(ip: IpAddr, ports: &RangeInclusive<u16>) -> Self {
        Self::new(IpNet::from(ip), ports)
    }

    /// How many endpoints there are.
    pub const fn len(&self) -> u64 {
        self.hosts.saturating_mul(self.ports)
    }

    /// The `n`th endpoint; after the last comes the first again.
    pub fn nth(&self, n: u64) -> Endpoint {
        let addr = Addr::from_bits(self.first + u128::from(n % self.hosts));
        Endpoint { addr, port: self.port + (n / self.hosts % self.ports) as u16 }
    }

    /// The `n`th in this order.
    pub fn pick(&self, order: Order, n: u64, rng: &mut Rng) -> Endpoint {
        match order {
            Order::Step => self.nth(n),
            Order::Random => self.nth(rng.below(self.len())),
        }
    }

    /// Whether an address is one of its hosts.
    pub fn has(&self, addr: Addr) -> bool {
        (self.first..self.first + u128::from(self.hosts)).contains(&addr.bits())
    }

    /// Whether an endpoint is one of its.
    pub fn holds(&self, endpoint: Endpoint) -> bool {
        let ports = u64::from(self.port)..u64::from(self.port) + self.ports;
        self.has(endpoint.addr) && ports.contains(&endpoint.port.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn pool(net: &str, ports: RangeInclusive<u16>) -> Pool {
        Pool::new(net.parse().expect("a net"), &ports)
    }

    #[test]
    fn steps_visit_every_endpoint_once_and_begin_again() {
        let pool = pool("198.18.64.0/29", 1_000..=1_002);
        assert_eq!(pool.len(), 18);
        let seen: HashSet<Endpoint> = (0..18).map(|n| pool.nth(n)).collect();
        assert_eq!(seen.len(), 18);
        assert!(seen.iter().all(|endpoint| pool.holds(*endpoint)));
        assert_eq!(pool.nth(0).to_string(), "198.18.64.1:1000");
        assert_eq!(pool.nth(18), pool.nth(0));
    }

    #[test]
    fn random_picks_stay_inside() {
        let mut rng = Rng::new(7);
        for net in ["198.18.64.0/24", "2001:db8::/64", "192.0.2.1/32", "192.0.2.0/31"] {
            let pool = pool(net, 1..=65_535);
            let picks: HashSet<Endpoint> =
                (0..1_000).map(|n| pool.pick(Order::Random, n, &mut rng)).collect();
            assert!(picks.iter().all(|endpoint| pool.holds(*endpoint)), "{net}");
            assert!(picks.len() > 900, "{net}");
        }
    }

    #[test]
    fn whole_ranges_of_ports_and_addresses_do_not_overflow() {
        let pool = pool("0.0.0.0/0", 0..=u16::MAX);
        assert_eq!(pool.nth(pool.len() - 1).to_string(), "255.255.255.254:65535");
        assert!(!pool.has(Addr::v4([255; 4])));
    }
}

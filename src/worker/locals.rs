//! Which addresses are the box's own, and which sources are refused by config. Frozen at launch.
//!
//! A port that speaks IPv6 has a link-local address beside those of the config, made from its hardware address (RFC
//! 4291 2.8): routers next door know it by that one, and it asks for link-local gateways.

use super::PortSettings;
use super::routes::Span128;
use crate::base::{Addr, BlockSet, PortId};
use crate::wire::ipv6;
use ipnet::IpNet;

/// Whose address it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// This port's own.
    Port(PortId),
    /// An egress address: the near end of origin legs.
    Egress,
}

/// The box's own addresses, sorted; a handful, so a binary search costs a few compares.
#[derive(Debug)]
pub struct Locals {
    addrs: Vec<(Addr, Local)>,
    /// Where IPv4 addresses among them are.
    blocks: BlockSet,
    subnets: Vec<(Span128, PortId, Addr)>,
    /// Each port's link-local address; ports may share a hardware address, and so this one.
    link_local: Vec<Option<Addr>>,
}

impl Locals {
    /// From the ports' addresses and the egress pool; `link_local` holds the address of each port that speaks IPv6.
    pub fn new(ports: &[PortSettings], link_local: Vec<Option<Addr>>, egress: &[Addr]) -> Self {
        let mut addrs: Vec<_> = egress.iter().map(|addr| (*addr, Local::Egress)).collect();
        let mut subnets = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            let id = PortId(index as u8);
            for net in &port.addresses {
                addrs.push((net.addr().into(), Local::Port(id)));
                subnets.push((Span128::from(*net), id, net.addr().into()));
            }
        }
        for (index, addr) in link_local.iter().enumerate() {
            addrs.extend(addr.map(|addr| (addr, Local::Port(PortId(index as u8)))));
        }
        addrs.sort_unstable_by_key(|(addr, _)| *addr);
        addrs.dedup_by_key(|(addr, _)| *addr);
        let mut blocks = BlockSet::default();
        addrs.iter().for_each(|(addr, _)| blocks.note(*addr, *addr));
        Self { addrs, blocks, subnets, link_local }
    }

    /// Whose address this is; `None` when it is not one of the box's own.
    #[inline]
    pub fn find(&self, addr: Addr) -> Option<Local> {
        if !self.blocks.may_hold(addr) {
            return None;
        }
        let at = self.addrs.binary_search_by_key(&addr, |(own, _)| *own).ok()?;
        Some(self.addrs[at].1)
    }

    /// The blocks that they lie in.
    pub const fn blocks(&self) -> &BlockSet {
        &self.blocks
    }

    /// Whether `addr` is an egress address.
    #[inline]
    pub fn is_egress(&self, addr: Addr) -> bool {
        self.find(addr) == Some(Local::Egress)
    }

    /// Whether `addr` is the link-local address of `port`.
    pub fn is_link_local_of(&self, addr: Addr, port: PortId) -> bool {
        self.link_local.get(port.index()) == Some(&Some(addr))
    }

    /// Whether ARP and NDP questions for `addr` are ours to answer on `port`. An egress address is answered for on
    /// the port whose subnet holds it, or on every port when none does.
    pub fn answers_on(&self, addr: Addr, port: PortId) -> bool {
        match self.find(addr) {
            Some(Local::Port(own)) => own == port || self.is_link_local_of(addr, port),
            Some(Local::Egress) => self.home(addr).is_none_or(|home| home == port),
            None => false,
        }
    }

    /// The addresses to announce on `port`: its own, and the egress addresses that live there.
    pub fn announced_on(&self, port: PortId) -> impl Iterator<Item = Addr> + '_ {
        self.addrs.iter().map(|(addr, _)| *addr).filter(move |addr| self.answers_on(*addr, port))
    }

    /// The address that asks for `target` on `port`: the port's link-local one for link-local hosts, its own in the
    /// target's subnet, else its first of that family; `None` when the port has none of the family.
    pub fn asker(&self, port: PortId, target: Addr) -> Option<Addr> {
        if ipv6::is_link_local(target) {
            return self.link_local.get(port.index()).copied().flatten();
        }
        let mut own =
            self.subnets.iter().filter(|(_, id, addr)| *id == port && addr.is_v4() == target.is_v4());
        let covering = own.clone().find(|(net, ..)| net.contains(target));
        covering.or_else(|| own.next()).map(|(.., addr)| *addr)
    }

    fn home(&self, addr: Addr) -> Option<PortId> {
        self.subnets.iter().find(|(net, ..)| net.contains(addr)).map(|(_, id, _)| *id)
    }
}

/// Source ranges that the operator denies, merged and sorted; a lookup is one binary search.
#[derive(Debug, Default)]
pub struct DenyList {
    v4: Ranges,
    v6: Ranges,
    blocks: BlockSet,
}

/// Disjoint inclusive ranges in rising order.
#[derive(Debug, Default)]
struct Ranges(Vec<(u128, u128)>);

impl DenyList {
    /// From the config's list.
    pub fn new(nets: &[IpNet]) -> Self {
        let family = |v4: bool| {
            let nets = nets.iter().filter(move |net| net.addr().is_ipv4() == v4);
            Ranges::new(
                nets.map(|net| (Addr::from(net.network()).bits(), Addr::from(net.broadcast()).bits())),
            )
        };
        let mut blocks = BlockSet::default();
        nets.iter().for_each(|net| blocks.note(net.network().into(), net.broadcast().into()));
        Self { v4: family(true), v6: family(false), blocks }
    }

    /// The blocks that they lie in.
    pub const fn blocks(&self) -> &BlockSet {
        &self.blocks
    }

    /// Whether `addr` is denied.
    pub fn holds(&self, addr: Addr) -> bool {
        let ranges = if addr.is_v4() { &self.v4 } else { &self.v6 };
        ranges.hold(addr.bits())
    }
}

impl Ranges {
    fn new(spans: impl Iterator<Item = (u128, u128)>) -> Self {
        let mut spans: Vec<_> = spans.collect();
        spans.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(spans.len());
        for (low, high) in spans {
            match merged.last_mut() {
                Some(last) if low <= last.1 => last.1 = last.1.max(high),
                Some(_) | None => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    fn hold(&self, bits: u128) -> bool {
        let at = self.0.partition_point(|(low, _)| *low <= bits);
        at.checked_sub(1).is_some_and(|index| bits <= self.0[index].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    fn port(nets: &[&str]) -> PortSettings {
        PortSettings {
            addresses: nets.iter().map(|net| net.parse().expect("a net")).collect(),
            answer_neighbors_for_prefixes: false,
            static_neighbors: Vec::new(),
        }
    }

    #[test]
    fn an_egress_address_is_answered_for_where_its_subnet_lies() {
        let ports = [port(&["10.0.0.1/24"]), port(&["10.0.1.1/24", "2001:db8::1/64"])];
        let link_local = vec![None, Some(addr("fe80::1"))];
        let locals = Locals::new(&ports, link_local, &[addr("10.0.1.10"), addr("203.0.113.10")]);
        assert!(locals.answers_on(addr("10.0.0.1"), PortId(0)));
        assert!(!locals.answers_on(addr("10.0.0.1"), PortId(1)));
        assert!(!locals.answers_on(addr("10.0.1.10"), PortId(0)));
        assert!(locals.answers_on(addr("10.0.1.10"), PortId(1)));
        assert!(locals.answers_on(addr("203.0.113.10"), PortId(0)));
        assert!(!locals.answers_on(addr("10.0.0.2"), PortId(0)));
        assert_eq!(locals.announced_on(PortId(1)).count(), 5);
        assert_eq!(locals.asker(PortId(1), addr("10.0.1.7")), Some(addr("10.0.1.1")));
        assert_eq!(locals.asker(PortId(1), addr("2001:db9::1")), Some(addr("2001:db8::1")));
        assert_eq!(locals.asker(PortId(0), addr("2001:db9::1")), None);
    }

    #[test]
    fn a_link_local_address_is_a_ports_own_even_where_another_has_the_same() {
        let ports = [port(&["10.0.0.1/24"]), port(&["2001:db8:1::1/64"]), port(&["2001:db8:2::1/64"])];
        let own = addr("fe80::ff:fe00:1");
        let locals = Locals::new(&ports, vec![None, Some(own), Some(own)], &[]);
        for (port, speaks_ipv6) in [(PortId(0), false), (PortId(1), true), (PortId(2), true)] {
            assert_eq!(locals.answers_on(own, port), speaks_ipv6);
            assert_eq!(locals.announced_on(port).any(|addr| addr == own), speaks_ipv6);
            assert_eq!(locals.asker(port, addr("fe80::1")), speaks_ipv6.then_some(own));
        }
        assert_eq!(locals.find(addr("fe80::1")), None);
    }

    #[test]
    fn the_deny_list_agrees_with_its_nets() {
        let nets = ["10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16", "::/8", "2001:db8::/32"];
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().expect("a net")).collect();
        let list = DenyList::new(&nets);
        for text in ["10.0.0.0", "10.255.255.255", "11.0.0.0", "192.167.255.255", "192.168.1.1", "8.8.8.8"] {
            let ip: std::net::IpAddr = text.parse().expect("an address");
            assert_eq!(list.holds(ip.into()), nets.iter().any(|net| net.contains(&ip)), "{text}");
        }
        for text in ["::1", "2001:db8:1::", "2001:db9::", "ff::", "100::"] {
            let ip: std::net::IpAddr = text.parse().expect("an address");
            assert_eq!(list.holds(ip.into()), nets.iter().any(|net| net.contains(&ip)), "{text}");
        }
    }
}

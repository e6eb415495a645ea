//! Where does this address lie? The ports' subnets and the static routes, longest prefix first.
//!
//! A linear walk: looked at once per session and per unsolicited reply, never per segment. Routes are few
//! (`ROUTES_MAX`).

use super::{PortSettings, RouteSettings};
use crate::base::{Addr, PortId};
use ipnet::IpNet;

/// The next hop by the routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// The port to send through.
    pub port: PortId,
    /// The on-link host to send to: a gateway, or the destination itself.
    pub addr: Addr,
}

/// The routing table, frozen at launch.
#[derive(Debug)]
pub struct Routes {
    /// Longest prefix first; at equal length the ports' own subnets first.
    routes: Vec<Route>,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    to: Span128,
    via: Option<Addr>,
    port: PortId,
}

/// A prefix over the 128 bits of an `Addr`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span128 {
    bits: u128,
    mask: u128,
}

impl From<IpNet> for Span128 {
    fn from(net: IpNet) -> Self {
        let host_bits = u32::from(net.max_prefix_len() - net.prefix_len());
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        let bits = Addr::from(net.network()).bits();
        Self { bits, mask }
    }
}

impl Span128 {
    pub(super) const fn contains(self, addr: Addr) -> bool {
        let other_family = self.is_v4() != addr.is_v4();
        !other_family && addr.bits() & self.mask == self.bits & self.mask
    }

    const fn is_v4(self) -> bool {
        Addr::from_bits(self.bits).is_v4()
    }

    const fn len(self) -> u32 {
        self.mask.leading_ones()
    }
}

impl Routes {
    /// From the ports' addresses and the static routes.
    pub fn new(ports: &[PortSettings], routes: &[RouteSettings]) -> Self {
        let connected = ports.iter().enumerate().flat_map(|(index, port)| {
            let port_id = PortId(index as u8);
            port.addresses.iter().map(move |net| Route { to: (*net).into(), via: None, port: port_id })
        });
        let fixed = routes.iter().map(|route| Route {
            to: route.to.into(),
            via: route.via.map(Addr::from),
            port: route.port,
        });
        let mut routes: Vec<Route> = connected.chain(fixed).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.to.len()));
        Self { routes }
    }

    /// The next hop towards `to`; `None` without a route.
    pub fn next_hop(&self, to: Addr) -> Option<NextHop> {
        let route = self.routes.iter().find(|route| route.to.contains(to))?;
        Some(NextHop { port: route.port, addr: route.via.unwrap_or(to) })
    }

    /// The gateways, each once.
    pub fn gateways(&self) -> Vec<NextHop> {
        let mut found: Vec<NextHop> = Vec::new();
        for route in &self.routes {
            let Some(addr) = route.via else { continue };
            let hop = NextHop { port: route.port, addr };
            if !found.contains(&hop) {
                found.push(hop);
            }
        }
        found
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

    fn route(to: &str, via: &str, port: u8) -> RouteSettings {
        RouteSettings {
            to: to.parse().expect("a net"),
            via: Some(via.parse().expect("an address")),
            port: PortId(port),
        }
    }

    #[test]
    fn the_longest_prefix_leads_and_families_do_not_mix() {
        let ports = [port(&["10.0.0.1/24", "2001:db8::1/64"]), port(&["10.0.1.1/24"])];
        let routes = Routes::new(
            &ports,
            &[route("0.0.0.0/0", "10.0.0.254", 0), route("192.0.2.0/24", "10.0.1.254", 1)],
        );
        let hop = |port, text: &str| Some(NextHop { port: PortId(port), addr: addr(text) });
        assert_eq!(routes.next_hop(addr("10.0.0.9")), hop(0, "10.0.0.9"));
        assert_eq!(routes.next_hop(addr("10.0.1.9")), hop(1, "10.0.1.9"));
        assert_eq!(routes.next_hop(addr("192.0.2.7")), hop(1, "10.0.1.254"));
        assert_eq!(routes.next_hop(addr("8.8.8.8")), hop(0, "10.0.0.254"));
        assert_eq!(routes.next_hop(addr("2001:db8::7")), hop(0, "2001:db8::7"));
        assert_eq!(routes.next_hop(addr("2001:db9::7")), None, "the IPv4 default route is none for IPv6");
        assert_eq!(routes.gateways().len(), 2);
    }

    #[test]
    fn an_ipv6_default_route_does_not_cover_ipv4() {
        let routes = Routes::new(&[port(&["2001:db8::1/64"])], &[route("::/0", "2001:db8::2", 0)]);
        assert_eq!(routes.next_hop(addr("192.0.2.1")), None);
        assert!(routes.next_hop(addr("2400::1")).is_some());
    }
}

//! What the keys of a boot config must be to each other.

use super::read::{Notes, Place};
use super::spec::{BootSpec, PortSpec};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// A spec that may still break a rule between keys, and where its values stand in the text.
pub struct Draft {
    /// The values as read.
    pub spec: BootSpec,
    /// Places of each port.
    pub ports: Vec<PortPlaces>,
    /// Places of each route.
    pub routes: Vec<RoutePlaces>,
    /// Places of the egress addresses, IPv4 first.
    pub egress: Vec<Place>,
    /// Places of the static neighbours' addresses.
    pub neighbors: Vec<Place>,
    /// Place of `[tcp]`.
    pub tcp: Place,
}

/// Where a port's keys stand.
pub struct PortPlaces {
    /// Its table.
    pub section: Place,
    /// `name`.
    pub name: Place,
    /// `device`.
    pub device: Place,
    /// `mtu`.
    pub mtu: Place,
    /// Each member of `addresses`.
    pub addresses: Vec<Place>,
    /// Whether all members of `addresses` could be read.
    pub addresses_sure: bool,
}

/// Where a route's keys stand.
pub struct RoutePlaces {
    /// `to`.
    pub to: Place,
    /// `via`.
    pub via: Place,
}

/// Notes every rule that the draft breaks.
pub fn draft(draft: &Draft, notes: &mut Notes) {
    names(draft, notes);
    addresses(draft, notes);
    subnets(draft, notes);
    routes(draft, notes);
    egress(draft, notes);
    neighbors(draft, notes);
    tcp(draft, notes);
}

fn names(draft: &Draft, notes: &mut Notes) {
    let mut names = HashMap::new();
    let mut devices = HashMap::new();
    for (port, places) in draft.spec.ports.iter().zip(&draft.ports) {
        if let Some(first) = names.insert(port.name.as_str(), &places.section.path) {
            notes.push_at(&places.name, format!("\"{}\" is the name of {first} already", port.name));
        }
        if let Some(first) = devices.insert(port.device.to_string(), &places.section.path) {
            notes.push_at(&places.device, format!("is the device of {first} already"));
        }
    }
}

fn addresses(draft: &Draft, notes: &mut Notes) {
    let mut seen = HashMap::new();
    for (port, places) in draft.spec.ports.iter().zip(&draft.ports) {
        for (net, place) in port.addresses.iter().zip(&places.addresses) {
            if let Some(why) = not_a_host(net.addr()).or_else(|| edge_of_subnet(net)) {
                notes.push_at(place, format!("{} {why}", net.addr()));
            } else if let Some(first) = seen.insert(net.addr(), place) {
                notes.push_at(place, format!("{} is {} already", net.addr(), first.path));
            }
        }
        let ipv6 = port.addresses.iter().any(|net| net.addr().is_ipv6());
        if ipv6 && port.mtu < 1280 {
            notes.push_at(
                &places.mtu,
                format!("{} is too small for IPv6; at least 1280 (RFC 8200 5)", port.mtu),
            );
        }
    }
}

/// Why `ip` can be no host's address.
fn not_a_host(ip: IpAddr) -> Option<&'static str> {
    if ip.is_unspecified() {
        return Some("is the unspecified address");
    }
    if ip.is_loopback() {
        return Some("is a loopback address");
    }
    if ip.is_multicast() {
        return Some("is a multicast address");
    }
    match ip {
        IpAddr::V4(v4) if v4.is_link_local() => Some("is a link-local address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("lies in 0.0.0.0/8"),
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some("lies in 240.0.0.0/4"),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Some("is an IPv4-mapped address"),
        IpAddr::V6(v6) if is_link_local(v6) => Some("is a link-local address"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

/// Why the address cannot be a host's within its own subnet (RFC 3021 and RFC 6164 allow /31 and /127 in full).
fn edge_of_subnet(net: &IpNet) -> Option<&'static str> {
    match net {
        IpNet::V4(v4) if v4.prefix_len() == 0 => Some("has no subnet: its length is 0"),
        IpNet::V6(v6) if v6.prefix_len() == 0 => Some("has no subnet: its length is 0"),
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.network() => {
            Some("is the number of its subnet")
        }
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.broadcast() => {
            Some("is the broadcast address of its subnet")
        }
        IpNet::V6(v6) if v6.prefix_len() < 127 && v6.addr() == v6.network() => {
            Some("is the subnet-router anycast address of its subnet (RFC 4291 2.6.1)")
        }
        IpNet::V4(_) | IpNet::V6(_) => None,
    }
}

fn subnets(draft: &Draft, notes: &mut Notes) {
    let ports = &draft.spec.ports;
    for (index, port) in ports.iter().enumerate() {
        for (net, place) in port.addresses.iter().zip(&draft.ports[index].addresses) {
            let clash = ports[..index].iter().find(|other| other.addresses.iter().any(|o| overlap(o, net)));
            if let Some(other) = clash {
                notes.push_at(
                    place,
                    format!("the subnet {} overlaps one of port \"{}\"", net.trunc(), other.name),
                );
            }
        }
    }
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.trunc()) || b.contains(&a.trunc())
}

fn routes(draft: &Draft, notes: &mut Notes) {
    let mut seen = HashMap::new();
    for (route, places) in draft.spec.routes.iter().zip(&draft.routes) {
        if route.to.trunc() != route.to {
            let text = format!("{} has bits beyond its length; did you mean {}?", route.to, route.to.trunc());
            notes.push_at(&places.to, text);
        }
        if let Some(first) = seen.insert(route.to.trunc(), places.to.path.clone()) {
            notes.push_at(&places.to, format!("{} is the destination of {first} already", route.to));
        }
        if route.to.addr().is_ipv4() != route.via.is_ipv4() {
            notes.push_at(&places.via, format!("{} is not of the family of {}", route.via, route.to));
            continue;
        }
        on_link(draft, route.port.index(), route.via, &places.via, notes);
    }
}

/// Notes a gateway or neighbour that port `index` cannot reach on its own link.
fn on_link(draft: &Draft, index: usize, ip: IpAddr, place: &Place, notes: &mut Notes) {
    let (port, places) = (&draft.spec.ports[index], &draft.ports[index]);
    let link_local = matches!(ip, IpAddr::V6(v6) if is_link_local(v6));
    let subnet = port.addresses.iter().find(|net| net.contains(&ip));
    if port.addresses.iter().any(|net| net.addr() == ip) {
        notes.push_at(place, format!("{ip} is port \"{}\"'s own address", port.name));
    } else if subnet.is_none() && !link_local && places.addresses_sure {
        let nets = nets_of(port);
        notes.push_at(
            place,
            format!("{ip} is not on-link on port \"{}\", whose subnets are: {nets}", port.name),
        );
    } else if let Some(why) = not_a_host(ip).filter(|_| !link_local) {
        notes.push_at(place, format!("{ip} {why}"));
    }
}

fn nets_of(port: &PortSpec) -> String {
    let nets: Vec<String> = port.addresses.iter().map(|net| net.trunc().to_string()).collect();
    if nets.is_empty() { "none".into() } else { nets.join(", ") }
}

fn egress(draft: &Draft, notes: &mut Notes) {
    let spec = &draft.spec;
    let all = spec
        .egress
        .ipv4
        .iter()
        .map(|v4| IpAddr::V4(*v4))
        .chain(spec.egress.ipv6.iter().map(|v6| IpAddr::V6(*v6)));
    let mut seen = HashMap::new();
    for (ip, place) in all.zip(&draft.egress) {
        if let Some(why) = not_a_host(ip) {
            notes.push_at(place, format!("{ip} {why}"));
        }
        if let Some(first) = seen.insert(ip, &place.path) {
            notes.push_at(place, format!("{ip} is {first} already"));
        }
        if let Some(port) = spec.ports.iter().find(|port| port.addresses.iter().any(|net| net.addr() == ip)) {
            notes.push_at(
                place,
                format!("{ip} is port \"{}\"'s own address; egress needs its own", port.name),
            );
        }
        if spec.routes.iter().any(|route| route.via == ip) {
            notes.push_at(place, format!("{ip} is a gateway"));
        }
        if let Some(net) =
            spec.ports.iter().flat_map(|port| &port.addresses).find(|net| is_broadcast(net, ip))
        {
            notes.push_at(place, format!("{ip} is the number or broadcast address of {}", net.trunc()));
        }
    }
    let ports = usize::from(*spec.egress.ports.end() - *spec.egress.ports.start()) + 1;
    let needed = 64 * spec.workers.count();
    if ports < needed {
        let text = format!(
            "{ports} source ports are too few for {} workers; at least {needed}",
            spec.workers.count()
        );
        notes.problems.push("egress.ports", None, text);
    }
}

fn is_broadcast(net: &IpNet, ip: IpAddr) -> bool {
    match (net, ip) {
        (IpNet::V4(net), IpAddr::V4(ip)) => {
            net.prefix_len() < 31 && (ip == net.network() || ip == net.broadcast())
        }
        (IpNet::V6(net), IpAddr::V6(ip)) => net.prefix_len() < 127 && ip == net.network(),
        (IpNet::V4(_), IpAddr::V6(_)) | (IpNet::V6(_), IpAddr::V4(_)) => false,
    }
}

fn neighbors(draft: &Draft, notes: &mut Notes) {
    let mut seen = HashMap::new();
    for (neighbor, place) in draft.spec.neighbors.fixed.iter().zip(&draft.neighbors) {
        on_link(draft, neighbor.port.index(), neighbor.address, place, notes);
        if let Some(first) = seen.insert((neighbor.address, neighbor.port), &place.path) {
            notes.push_at(place, format!("{} is {first} already", neighbor.address));
        }
    }
}

fn tcp(draft: &Draft, notes: &mut Notes) {
    let tcp = &draft.spec.tcp;
    let place = |key: &str| Place { path: format!("{}.{key}", draft.tcp.path), at: draft.tcp.at };
    if tcp.half_open > tcp.sessions {
        let text = format!(
            "{} half-open sessions are more than the {} sessions in all",
            tcp.half_open, tcp.sessions
        );
        notes.push_at(&place("half_open"), text);
    }
    if let Some(mss) = tcp.mss_max.filter(|mss| *mss < 536) {
        notes.push_at(&place("mss_max"), format!("{mss} is too small; 0, or 536 to 9560 (RFC 9293 3.7.1)"));
    }
    let window_max = 65_535usize << tcp.window_shift;
    if tcp.rx_buffer_bytes > window_max.max(65_536) {
        let text = format!(
            "{} bytes can never be announced with a window shift of {}, which reaches {window_max}",
            tcp.rx_buffer_bytes, tcp.window_shift
        );
        notes.push_at(&place("rx_buffer"), text);
    }
}

//! What a capture tells of its network: which hardware addresses are ours, on which port, and who the neighbours are.
//! Read in a first pass, so that frames which byway itself sent are not fed back.

use crate::base::limits::NEIGHBORS_MAX;
use crate::base::{Addr, PortId};
use crate::control::config::boot::{BootSpec, StaticNeighbor};
use crate::port::pcap::{PcapError, PcapReader};
use crate::table::Table;
use crate::wire::{Parsed, RxHints, parse};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

/// A hardware address.
pub type Mac = [u8; 6];

/// Hardware addresses that are remembered at most.
const MACS_MAX: usize = 65_536;

/// What the first pass found.
#[derive(Default)]
pub struct Learned {
    /// Our own hardware addresses, and the port that has each.
    ours: BTreeMap<Mac, PortId>,
    /// Those of others, and the port that each was heard on.
    others: BTreeMap<Mac, PortId>,
    /// Who was heard on-link.
    neighbors: BTreeMap<IpAddr, (PortId, Mac)>,
}

impl Learned {
    /// Reads the whole capture.
    ///
    /// # Errors
    /// The capture's.
    pub fn read<R: Read>(
        mut reader: PcapReader<R>,
        spec: &BootSpec,
        table: &Table,
    ) -> Result<Self, PcapError> {
        let mut learned = Self::default();
        while let Some(record) = reader.next_record()? {
            learned.hear(&record.bytes, spec, table);
        }
        Ok(learned)
    }

    fn hear(&mut self, frame: &[u8], spec: &BootSpec, table: &Table) {
        let Some((to, from)) = macs(frame) else { return };
        let Ok(parsed) = parse(frame, &RxHints::default()) else { return };
        let Some((src, dst)) = ends(&parsed) else { return };
        if !is_ours(dst, spec, table) || self.ours.len() + self.others.len() >= MACS_MAX {
            return;
        }
        let port = port_towards(src.to_ip(), spec);
        if to[0] & 1 == 0 {
            self.ours.entry(to).or_insert(port);
        }
        self.others.entry(from).or_insert(port);
        let on_link = spec.ports[port.index()].addresses.iter().any(|net| net.contains(&src.to_ip()));
        if on_link && self.neighbors.len() < NEIGHBORS_MAX {
            self.neighbors.entry(src.to_ip()).or_insert((port, from));
        }
    }

    /// The hardware address that a port had in the capture, or one made up.
    pub fn mac_of(&self, port: PortId) -> Mac {
        let known = self.ours.iter().find(|(_, at)| **at == port).map(|(mac, _)| *mac);
        known.unwrap_or([0x02, 0x62, 0x79, 0, 0, port.0])
    }

    /// The port that a frame of the capture came in on; `None` for one that byway sent, or that has no header.
    pub fn port_of(&self, frame: &[u8]) -> Option<PortId> {
        let (to, from) = macs(frame)?;
        if self.ours.contains_key(&from) {
            return None;
        }
        let port = self.ours.get(&to).or_else(|| self.others.get(&from));
        Some(port.copied().unwrap_or(PortId(0)))
    }

    /// A frame's destination, as its port in the replay knows itself.
    pub fn address(&self, frame: &mut [u8], port: PortId) {
        let Some((to, _)) = macs(frame) else { return };
        if self.ours.contains_key(&to) {
            frame[..6].copy_from_slice(&self.mac_of(port));
        }
    }

    /// The neighbours of the boot config, those heard, and made-up ones for gateways that nobody heard.
    pub fn neighbors(&self, spec: &BootSpec) -> Vec<StaticNeighbor> {
        let mut all = spec.neighbors.fixed.clone();
        let mut add = |address: IpAddr, port: PortId, mac: Mac| {
            let known = all.iter().any(|other| other.address == address && other.port == port);
            if !known && all.len() < NEIGHBORS_MAX {
                all.push(StaticNeighbor { address, mac, port });
            }
        };
        for (index, route) in spec.routes.iter().enumerate() {
            let heard = self.neighbors.get(&route.via).filter(|(port, _)| *port == route.port);
            let mac = heard.map(|(_, mac)| *mac).or_else(|| self.heard_on(route.port));
            add(route.via, route.port, mac.unwrap_or([0x02, 0x67, 0x77, 0, 0, index as u8]));
        }
        for (address, (port, mac)) in &self.neighbors {
            add(*address, *port, *mac);
        }
        all
    }

    fn heard_on(&self, port: PortId) -> Option<Mac> {
        self.others.iter().find(|(_, at)| **at == port).map(|(mac, _)| *mac)
    }
}

/// Destination and source of an Ethernet frame.
fn macs(frame: &[u8]) -> Option<(Mac, Mac)> {
    let to = frame.get(..6)?.try_into().ok()?;
    let from = frame.get(6..12)?.try_into().ok()?;
    Some((to, from))
}

fn ends(parsed: &Parsed) -> Option<(Addr, Addr)> {
    match parsed {
        Parsed::Tcp(segment) => Some((segment.key.src, segment.key.dst)),
        Parsed::Udp { key, .. } => Some((key.src, key.dst)),
        Parsed::Icmp { src, dst, .. } | Parsed::Ndp { src, dst, .. } => Some((*src, *dst)),
        Parsed::Arp { .. } => None,
    }
}

fn is_ours(addr: Addr, spec: &BootSpec, table: &Table) -> bool {
    let ip = addr.to_ip();
    let own = spec.ports.iter().flat_map(|port| &port.addresses).any(|net| net.addr() == ip);
    let egress = match ip {
        IpAddr::V4(v4) => spec.egress.ipv4.contains(&v4),
        IpAddr::V6(v6) => spec.egress.ipv6.contains(&v6),
    };
    own || egress || table.covers(addr)
}

/// The port that leads to `ip`: by its subnets, then by the longest route; the first one where nothing does.
fn port_towards(ip: IpAddr, spec: &BootSpec) -> PortId {
    let on_link = spec.ports.iter().position(|port| port.addresses.iter().any(|net| net.contains(&ip)));
    if let Some(index) = on_link {
        return PortId(index as u8);
    }
    let routes = spec.routes.iter().filter(|route| route.to.contains(&ip));
    routes.max_by_key(|route| route.to.prefix_len()).map_or(PortId(0), |route| route.port)
}

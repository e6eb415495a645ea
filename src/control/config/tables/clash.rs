//! What two apps must not share: an id, or an edge address, protocol and port. Dynamic apps of one host name share its
//! addresses, whatever those will be.

use super::code::Code;
use super::faults::Faults;
use super::json::Place;
use crate::base::Addr;
use crate::table::{AppId, AppSpec, Connectivity, DnsName, EdgeIps, PortRange, ScopeName};
use crate::wire::Protocol;
use std::collections::HashMap;

/// The apps of a file so far.
#[derive(Default)]
pub(super) struct Edges {
    ids: HashMap<AppId, u32>,
    apps: Vec<Holder>,
    taken: Vec<Taken>,
    /// Names of dynamic apps, by zone.
    hosts: HashMap<(ScopeName, DnsName), u32>,
}

/// An edge address, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    /// A static one.
    Static(Addr),
    /// What the name of this number will get of a family.
    Dynamic(u32, Family),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

/// Where two apps cannot both be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeClash {
    /// The field of the first one: a JSON pointer.
    pub pointer: String,
    /// The address, or the family of a name that both share.
    pub what: String,
}

/// Whether two apps overlap on an edge address, protocol and port; dynamic apps of one name share its addresses.
pub fn edge_clash(app: &AppSpec, other: &AppSpec, same_zone: bool) -> Option<EdgeClash> {
    let (mine, theirs) = (app.edge, other.edge);
    if mine.protocol != theirs.protocol || !mine.ports.overlaps(theirs.ports) {
        return None;
    }
    match (&app.edge_ips, &other.edge_ips) {
        (EdgeIps::Static(mine), EdgeIps::Static(theirs)) => {
            let place = mine.iter().position(|addr| theirs.contains(addr))?;
            Some(EdgeClash { pointer: format!("/edge_ips/ips/{place}"), what: mine[place].to_string() })
        }
        (EdgeIps::Dynamic(mine), EdgeIps::Dynamic(theirs)) => {
            let named = same_zone && app.dns.name == other.dns.name;
            let shared = families(*mine).iter().find(|family| families(*theirs).contains(family))?;
            let what = match shared {
                Family::V4 => "the name's IPv4 address",
                Family::V6 => "the name's IPv6 address",
            };
            named.then(|| EdgeClash { pointer: "/dns/name".into(), what: what.into() })
        }
        (EdgeIps::Static(_), EdgeIps::Dynamic(_)) | (EdgeIps::Dynamic(_), EdgeIps::Static(_)) => None,
    }
}

const fn families(connectivity: Connectivity) -> &'static [Family] {
    match connectivity {
        Connectivity::All => &[Family::V4, Family::V6],
        Connectivity::Ipv4 => &[Family::V4],
        Connectivity::Ipv6 => &[Family::V6],
    }
}

/// Who an app is, for an error that names it.
struct Holder {
    id: AppId,
    zone: ScopeName,
    pointer: Box<str>,
}

/// Ports that an app has on one edge address. The order of the fields is the order of the search for clashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    at: Where,
    protocol: Protocol,
    ports: PortRange,
    app: u32,
    /// Place of a static address in the app's list, counted over the file's own list.
    ip: u32,
}

impl Edges {
    /// How many apps there are.
    pub fn apps(&self) -> usize {
        self.apps.len()
    }

    /// Adds an app (`None`: it could not be read) and refuses an id that is taken.
    pub fn add(&mut self, at: &Place<'_>, zone: &ScopeName, app: Option<&AppSpec>, faults: &mut Faults) {
        let Some(app) = app else { return };
        let number = self.apps.len() as u32;
        if let Some(&first) = self.ids.get(&app.id) {
            let first = &self.apps[first as usize].pointer;
            let text = "ids are unique, and an app without one needs another name, protocol or edge address";
            faults.error(&at.key("id"), format_args!("{} is the id of {first}, too: {text}", app.id));
        } else {
            self.ids.insert(app.id, number);
        }
        self.apps.push(Holder { id: app.id, zone: zone.clone(), pointer: at.to_string().into() });
        let (protocol, ports) = (app.edge.protocol, app.edge.ports);
        let taken = |(at, ip)| Taken { at, protocol, ports, app: number, ip };
        match &app.edge_ips {
            EdgeIps::Static(addrs) => {
                let places = addrs.iter().map(|addr| Where::Static(*addr)).zip(0_u32..);
                self.taken.extend(places.map(taken));
            }
            EdgeIps::Dynamic(connectivity) => {
                let next = self.hosts.len() as u32;
                let host = *self.hosts.entry((zone.clone(), app.dns.name.clone())).or_insert(next);
                self.taken.extend(
                    families(*connectivity).iter().map(|family| taken((Where::Dynamic(host, *family), 0))),
                );
            }
        }
    }

    /// Refuses every app whose ports overlap another one's on one edge address and protocol, naming both.
    pub fn refuse_clashes(mut self, faults: &mut Faults) {
        self.taken.sort_unstable();
        let mut widest: Option<Taken> = None;
        for taken in &self.taken {
            let same_edge = |other: &Taken| other.at == taken.at && other.protocol == taken.protocol;
            let before = widest.filter(same_edge);
            if let Some(other) = before.filter(|other| other.ports.overlaps(taken.ports)) {
                self.refuse(other, *taken, faults);
            }
            let reaches_further = before.is_none_or(|other| taken.ports.last() > other.ports.last());
            if reaches_further {
                widest = Some(*taken);
            }
        }
    }

    fn refuse(&self, one: Taken, two: Taken, faults: &mut Faults) {
        let (first, second) = if one.app < two.app { (one, two) } else { (two, one) };
        let (holder, app) = (&self.apps[first.app as usize], &self.apps[second.app as usize]);
        let protocol = match second.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        let (what, field) = match second.at {
            Where::Static(addr) => (addr.to_string(), format!("edge_ips/ips/{}", second.ip)),
            Where::Dynamic(_, Family::V4) => ("the name's IPv4 address".into(), "dns/name".into()),
            Where::Dynamic(_, Family::V6) => ("the name's IPv6 address".into(), "dns/name".into()),
        };
        let text = format!(
            "{what} {protocol}/{} of app {} is taken by app {} ({protocol}/{}, {}, zone {}): choose another address or port",
            second.ports, app.id, holder.id, first.ports, holder.pointer, holder.zone
        );
        faults.coded_at(format!("{}/{field}", app.pointer), Code::EdgeTaken, text);
    }
}

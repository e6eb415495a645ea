//! What two apps must not share: an id, or an edge address, protocol and port.

use super::code::Code;
use super::faults::Faults;
use super::json::Place;
use crate::base::Addr;
use crate::table::{AppId, AppSpec, PortRange, ScopeName};
use crate::wire::Protocol;
use std::collections::HashMap;

/// The apps of a file so far.
#[derive(Default)]
pub(super) struct Edges {
    ids: HashMap<AppId, u32>,
    apps: Vec<Holder>,
    taken: Vec<Taken>,
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
    addr: Addr,
    protocol: Protocol,
    ports: PortRange,
    app: u32,
    /// Place of the address in the app's list, counted over the file's own list.
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
        let taken = app.edge_addrs().iter().zip(0_u32..).map(|(&addr, ip)| Taken {
            addr,
            protocol: app.edge.protocol,
            ports: app.edge.ports,
            app: number,
            ip,
        });
        self.taken.extend(taken);
    }

    /// Refuses every app whose ports overlap another one's on one edge address and protocol, naming both.
    pub fn refuse_clashes(mut self, faults: &mut Faults) {
        self.taken.sort_unstable();
        let mut widest: Option<Taken> = None;
        for taken in &self.taken {
            let same_edge = |other: &Taken| other.addr == taken.addr && other.protocol == taken.protocol;
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
        let text = format!(
            "{} {protocol}/{} of app {} is taken by app {} ({protocol}/{}, {}, zone {}): choose another address or port",
            second.addr, second.ports, app.id, holder.id, first.ports, holder.pointer, holder.zone
        );
        faults.coded_at(format!("{}/edge_ips/ips/{}", app.pointer, second.ip), Code::EdgeTaken, text);
    }
}

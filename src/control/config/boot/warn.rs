//! What is right, but likely not meant.

use super::spec::{BootSpec, EventsTarget, Idle};

impl BootSpec {
    /// One sentence for each thing that an operator should look at.
    pub fn warnings(&self) -> Vec<String> {
        let mut list = Vec::new();
        self.family_warnings(&mut list);
        if self.user.is_none() {
            list.push("`user` is empty: byway keeps the user that started it".into());
        }
        if let Some(address) = self.metrics.filter(|address| !address.ip().is_loopback()) {
            list.push(format!("`metrics` on {address} is open to others than this machine"));
        }
        if self.events == EventsTarget::Off && self.events_push.is_none() {
            list.push("`events` is empty: no connection is logged".into());
        }
        if self.workers.idle == Idle::Interrupt && self.workers.count() > 1 {
            list.push("`workers.idle` is interrupt: several workers nap, since frames from each other come without one".into());
        }
        if self.lab {
            list.push("`lab` is on: documentation nets may be onboarded".into());
        }
        list
    }

    fn family_warnings(&self, list: &mut Vec<String>) {
        let families =
            [("IPv4", "ipv4", self.egress.ipv4.is_empty()), ("IPv6", "ipv6", self.egress.ipv6.is_empty())];
        for (family, key, empty) in families {
            let v4 = key == "ipv4";
            if empty {
                list.push(format!("egress.{key} is empty: no {family} origin can be reached"));
            }
            let subnet =
                self.ports.iter().flat_map(|port| &port.addresses).any(|net| net.addr().is_ipv4() == v4);
            let routed =
                self.routes.iter().any(|route| route.to.prefix_len() == 0 && route.via.is_ipv4() == v4);
            if subnet && !routed {
                list.push(format!(
                    "no default route for {family}: only clients and origins on known nets are answered"
                ));
            }
        }
    }
}

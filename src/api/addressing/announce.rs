//! What is to be announced by BGP, handed to whoever speaks it.

use crate::control::log;
use crate::estate::{Approval, Estate};
use ipnet::IpNet;
use std::fmt::Debug;

/// A route that is to be announced.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Route {
    /// The range.
    pub cidr: IpNet,
    /// The AS that originates it.
    pub asn: u32,
    /// How often that AS is put before itself.
    pub prepends: u8,
}

/// Who speaks BGP.
pub trait Announcer: Send + Sync + Debug {
    /// Takes the whole list in place of the one before: what is not in it is to be withdrawn. Must not block.
    fn announce(&self, routes: &[Route]);
}

/// Writes the list to the log, for a box whose routes something else announces.
#[derive(Clone, Copy, Debug)]
pub struct LoggedRoutes;

impl Announcer for LoggedRoutes {
    fn announce(&self, routes: &[Route]) {
        let list: Vec<String> =
            routes.iter().map(|route| format!("{} AS{}", route.cidr, route.asn)).collect();
        log::info(format_args!("to be announced: [{}]", list.join(", ")));
    }
}

/// What is to be announced: routes that are advertised, of approved prefixes.
pub fn routes(estate: &Estate) -> Vec<Route> {
    let advertised = estate.bgp_prefixes.iter().filter(|route| route.advertised);
    let mut routes: Vec<Route> = advertised
        .filter_map(|route| {
            let prefix = estate.prefixes.get(route.prefix)?;
            let route = Route { cidr: route.cidr, asn: prefix.asn, prepends: route.asn_prepend_count };
            (prefix.approved == Approval::Approved).then_some(route)
        })
        .collect();
    routes.sort_unstable();
    routes
}

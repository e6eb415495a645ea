//! Static addresses for apps that were dynamic: the next free ones of the account's own prefixes, as far as they are
//! approved and bound to Spectrum. Apps of one name share them.

use super::draft::Draft;
use crate::base::Addr;
use crate::estate::{Approval, Id, Prefix, Service, Zone};
use crate::table::{Connectivity, DnsKind, EdgeIps};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Addresses of one prefix that are looked at, in one import.
const LOOKED_AT_MAX: u128 = 1 << 16;

/// What is handed out.
#[derive(Debug, Default)]
pub struct Spare {
    taken: Option<HashSet<Addr>>,
    /// How far each prefix was looked through.
    looked: HashMap<Id, u128>,
}

impl Spare {
    /// Addresses for a name: those that it has already, or the next free ones. `None` where not even one is to be had; a
    /// name that wants both families may get one.
    pub fn addresses(
        &mut self,
        draft: &Draft<'_>,
        (zone, name): (&Zone, &str),
        connectivity: Connectivity,
    ) -> Option<Vec<Addr>> {
        let of_name = draft.estate.apps_named(zone.id, name);
        let held = of_name.filter(|app| app.spec.dns.kind == DnsKind::Address).find_map(|app| {
            match &app.spec.edge_ips {
                EdgeIps::Static(addrs) => Some(addrs.to_vec()),
                EdgeIps::Dynamic(_) => None,
            }
        });
        let families: &[bool] = match connectivity {
            Connectivity::All => &[true, false],
            Connectivity::Ipv4 => &[true],
            Connectivity::Ipv6 => &[false],
        };
        let mut found: Vec<Addr> = held.unwrap_or_default();
        found.retain(|addr| families.contains(&addr.is_v4()));
        if found.is_empty() {
            found = families.iter().filter_map(|v4| self.next(draft, zone.account, *v4)).collect();
        }
        (!found.is_empty()).then_some(found)
    }

    fn next(&mut self, draft: &Draft<'_>, account: Id, v4: bool) -> Option<Addr> {
        let usable = |prefix: &&Arc<Prefix>| {
            prefix.account == account
                && prefix.approved == Approval::Approved
                && prefix.net.first().is_v4() == v4
        };
        let mut prefixes: Vec<Arc<Prefix>> = draft.estate.prefixes.iter().filter(usable).cloned().collect();
        prefixes.sort_by_key(|prefix| prefix.net.net());
        let taken = self.taken.get_or_insert_with(|| taken(draft));
        for prefix in prefixes {
            let looked = self.looked.entry(prefix.id).or_insert(0);
            // The first and the last address of a net of IPv4 are not hosts'.
            let last = prefix.net.last().bits() - u128::from(v4);
            while *looked < LOOKED_AT_MAX {
                *looked += 1;
                let bits = prefix.net.first().bits() + *looked;
                if bits > last {
                    break;
                }
                let addr = Addr::from_bits(bits);
                if is_free(draft, addr) && taken.insert(addr) {
                    return Some(addr);
                }
            }
        }
        None
    }
}

fn taken(draft: &Draft<'_>) -> HashSet<Addr> {
    let addrs = draft.estate.apps.iter().flat_map(|app| match &app.spec.edge_ips {
        EdgeIps::Static(addrs) => addrs.to_vec(),
        EdgeIps::Dynamic(_) => Vec::new(),
    });
    addrs.collect()
}

/// Bound to Spectrum, and not among those for dynamic apps.
fn is_free(draft: &Draft<'_>, addr: Addr) -> bool {
    let pool = draft.terms.reserved.edge_pool.iter().flatten();
    let (ip, mut pool) = (addr.to_ip(), pool);
    draft.estate.service_at(addr) == Some(Service::Spectrum) && !pool.any(|net| net.contains(&ip))
}

//! The list of all operations, by the files that answer them.

use super::{
    address_maps, analytics, apps, audit, bgp, bindings, certificates, cloudflare, delegations, dns, loa,
    moving, own, prefixes, rules, tenants, tokens, users,
};
use crate::api::openapi::Operation;

/// Every operation of the API.
pub fn all() -> Vec<Operation> {
    [
        apps::operations(),
        analytics::operations(),
        rules::operations(),
        certificates::operations(),
        tenants::operations(),
        tokens::operations(),
        prefixes::operations(),
        bindings::operations(),
        bgp::operations(),
        delegations::operations(),
        address_maps::operations(),
        loa::operations(),
        dns::operations(),
        audit::operations(),
        own::operations(),
        users::operations(),
        moving::operations(),
        cloudflare::operations(),
    ]
    .concat()
}

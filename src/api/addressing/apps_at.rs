//! Apps that stand in the way of a change to addresses, by name.

use crate::api::ask::Ask;
use crate::base::Addr;
use crate::estate::{Access, App, Estate, Id, Level, Permission, Service};
use crate::table::{EdgeIps, Reserved};
use ipnet::IpNet;
use std::sync::Arc;

/// Apps of one answer.
const NAMED_MAX: usize = 10;

/// Apps whose addresses in `range` are Spectrum's before a change of bindings and not after it. Apps with dynamic addresses
/// count where the pool overlaps the range.
pub fn unbound(before: &Estate, after: &Estate, (range, reserved): (IpNet, &Reserved)) -> Vec<Arc<App>> {
    let pool = reserved.edge_pool.as_deref().unwrap_or(&[]);
    let pool = pool.iter().any(|net| net.contains(&range) || range.contains(net));
    let apps = before.apps.iter().filter(|app| match &app.spec.edge_ips {
        EdgeIps::Static(addrs) => addrs.iter().any(|addr| {
            range.contains(&addr.to_ip())
                && before.service_at(*addr) == Some(Service::Spectrum)
                && after.service_at(*addr) != Some(Service::Spectrum)
        }),
        EdgeIps::Dynamic(_) => {
            let first = Addr::from(range.network());
            pool && before.service_at(first) == Some(Service::Spectrum)
                && after.service_at(first) != Some(Service::Spectrum)
        }
    });
    apps.cloned().collect()
}

/// Apps of `account` with addresses in `range` that the account may use before a change and not after it.
pub fn undelegated(before: &Estate, after: &Estate, (account, range): (Id, IpNet)) -> Vec<Arc<App>> {
    let of_account = before.apps.iter().filter(|app| before.account_of(app.zone) == Some(account));
    let apps = of_account.filter(|app| match &app.spec.edge_ips {
        EdgeIps::Static(addrs) => {
            let mut here = addrs.iter().filter(|addr| range.contains(&addr.to_ip()));
            here.any(|addr| before.may_use(account, *addr) && !after.may_use(account, *addr))
        }
        EdgeIps::Dynamic(_) => false,
    });
    apps.cloned().collect()
}

/// The apps, by id where the caller may read their zones; of others no more than what can be seen from outside.
pub fn names(ask: &Ask, estate: &Estate, apps: &[Arc<App>]) -> String {
    let read = (Permission::ZoneSettings, Level::Read);
    let is_known = |app: &App| {
        let zone = estate.zones.get(app.zone);
        zone.is_some_and(|zone| ask.caller.access(read, zone.account, Some(zone.id)) == Access::Granted)
    };
    let named = apps.iter().take(NAMED_MAX).map(|app| match is_known(app) {
        true => format!("app {} ({})", app.id, app.spec.edge),
        false => format!("an app of another zone ({})", app.spec.edge),
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if apps.len() > NAMED_MAX {
        text.push_str(&format!(" and {} more", apps.len() - NAMED_MAX));
    }
    text
}

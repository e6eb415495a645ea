//! What one account may have of apps, origins and host names; the boot config says how many. What is there already, from
//! before a quota was lowered, may stay and be changed, and grows no more.

use super::answer::Failure;
use super::code::ApiCode;
use crate::estate::{Estate, Id, Zone};
use crate::table::{AppSpec, OriginSpec};

/// Holds one more app against an account's quota.
///
/// # Errors
/// 403 with 10015.
pub fn apps(estate: &Estate, account: Id, apps_max: usize) -> Result<(), Failure> {
    match estate.app_count(account).apps < apps_max {
        true => Ok(()),
        false => Err(used_up(&format!("the account has {apps_max} apps"))),
    }
}

/// Holds the origins of an app that is to be against an account's quota.
///
/// # Errors
/// 403 with 10015.
pub fn origins(
    estate: &Estate,
    account: Id,
    (spec, id): (&AppSpec, Id),
    origins_max: usize,
) -> Result<(), Failure> {
    let before = estate.apps.get(id).map_or(0, |app| origins_in(&app.spec));
    let now = origins_in(spec);
    let all = estate.app_count(account).origins;
    match now <= before || all - before + now <= origins_max {
        true => Ok(()),
        false => Err(used_up(&format!("the apps of the account have {all} origins of {origins_max}"))),
    }
}

/// Holds a host name, of the app or record `id` that is to be in a zone, against its account's quota of them: a name that is
/// borne already costs nothing, and one that is given up for it is not counted.
///
/// # Errors
/// 403 with 10015.
pub fn names(estate: &Estate, zone: &Zone, (name, id): (&str, Id), names_max: usize) -> Result<(), Failure> {
    let of_app = estate.apps.get(id).map(|app| app.spec.dns.name.as_str());
    let old = of_app.or_else(|| estate.dns_records.get(id).map(|record| record.name.as_str()));
    let given_up = usize::from(old.is_some_and(|old| estate.bearers(zone.id, old) == 1));
    let is_borne = estate.bearers(zone.id, name) > 0;
    match is_borne || estate.name_count(zone.account).saturating_sub(given_up) < names_max {
        true => Ok(()),
        false => Err(used_up(&format!("the account has {names_max} host names"))),
    }
}

/// 403 with 10015; `what` says of what there are how many.
pub fn used_up(what: &str) -> Failure {
    Failure::unauthorized(format!("{what}, which is its quota")).with_code(ApiCode::Quota)
}

fn origins_in(spec: &AppSpec) -> usize {
    match &spec.origin {
        OriginSpec::Direct(entries) => entries.len(),
        OriginSpec::Dns { .. } => 1,
    }
}

//! Routes of a prefix (`bgp/prefixes`) and the older switch for the whole of it (`bgp/status`): what is to be announced.

use super::words::{cidr_within, conflict, find, flag, not_found_within, quota};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::fields::wrong;
use crate::api::list::Listed;
use crate::api::office::{Office, Plan};
use crate::base::limits::BINDINGS_PER_PREFIX_MAX;
use crate::control::rfc3339;
use crate::estate::{Approval, BgpPrefix, Change, Entity, Estate, Id, Level, Permission, Prefix, Stamp};
use crate::table::Prefix as Net;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const READ: (Permission, Level) = (Permission::BgpOnDemand, Level::Read);
const WRITE: (Permission, Level) = (Permission::BgpOnDemand, Level::Write);

/// How often an AS is put before itself at most.
pub const PREPENDS_MAX: u64 = 3;

/// `GET .../prefixes/{id}/bgp/prefixes`.
///
/// # Errors
/// See `Failure`.
pub async fn list(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Listed {
    office.look(move |estate| page(estate, (&account, &id), &ask)).await
}

fn page(estate: &Estate, of: (&str, &str), ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    let prefix = find(ask, estate, of, READ)?;
    let mut rows: Vec<_> = estate.routes_of(prefix.id).collect();
    rows.sort_by_key(|route| (route.cidr, route.id));
    Ok(page.list(rows, move |route| route_json(route, &prefix)))
}

/// `POST .../prefixes/{id}/bgp/prefixes`: a more specific route, not announced.
///
/// # Errors
/// See `Failure`.
pub async fn create(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let (route, lab) = (office.new_id()?, office.terms.reserved.lab);
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            is_deployed(estate, &prefix)?;
            let cidr = cidr_within(&ask.object()?, &prefix)?;
            Net::new(cidr, lab).map_err(|error| super::words::bad_cidr("/cidr", error))?;
            if estate.routes_of(prefix.id).any(|route| route.cidr == cidr) {
                return Err(conflict(
                    "bgp_prefix_exists",
                    format_args!("{cidr} is a route of the prefix already"),
                ));
            }
            if estate.routes_of(prefix.id).count() >= BINDINGS_PER_PREFIX_MAX {
                return Err(quota(format_args!("{BINDINGS_PER_PREFIX_MAX} routes of this prefix")));
            }
            let route = BgpPrefix::withdrawn(route, (prefix.id, cidr), now);
            let mut change = Change::default();
            let answer = Some(Success::of(route_json(&route, &prefix)));
            change.make(route);
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// `GET .../prefixes/{id}/bgp/prefixes/{route}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((account, id, route)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let prefix = find(&ask, &estate, (&account, &id), READ)?;
    let route = route_of(&estate, &prefix, &route)?;
    Ok(Success::of(route_json(&route, &prefix)))
}

fn route_of(estate: &Estate, prefix: &Prefix, id: &str) -> Result<Arc<BgpPrefix>, Failure> {
    let route = estate.bgp_prefixes.get(path_id(id)?).filter(|route| route.prefix == prefix.id);
    route.cloned().ok_or_else(not_found_within)
}

/// `PATCH .../prefixes/{id}/bgp/prefixes/{route}`: announces or withdraws it, and how.
///
/// # Errors
/// See `Failure`.
pub async fn edit(
    State(office): State<Arc<Office>>,
    Path((account, id, route)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let route = route_of(estate, &prefix, &route)?;
            let next = read(&ask.object()?, &route)?;
            let (next, change) = turned(estate, &prefix, (&route, next), now)?;
            let answer = Some(Success::of(route_json(&next, &prefix)));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

fn read(body: &Map<String, Value>, route: &BgpPrefix) -> Result<BgpPrefix, Failure> {
    let mut next = route.clone();
    match body.get("on_demand") {
        None | Some(Value::Null) => {}
        Some(Value::Object(on_demand)) => {
            next.advertised = flag(on_demand, "advertised")
                .map_err(|_| wrong("on_demand/advertised", "must be true or false"))?
                .unwrap_or(route.advertised);
        }
        Some(_) => return Err(wrong("on_demand", "must be an object with advertised")),
    }
    match body.get("asn_prepend_count") {
        None | Some(Value::Null) => {}
        Some(count) => {
            let count = count.as_u64().filter(|count| *count <= PREPENDS_MAX);
            let count =
                count.ok_or_else(|| wrong("asn_prepend_count", "must be a whole number from 0 to 3"))?;
            next.asn_prepend_count = count as u8;
        }
    }
    next.auto_advertise_withdraw =
        flag(body, "auto_advertise_withdraw")?.unwrap_or(route.auto_advertise_withdraw);
    Ok(next)
}

/// A route becomes another, where it may.
fn turned(
    estate: &Estate,
    prefix: &Prefix,
    (route, mut next): (&Arc<BgpPrefix>, BgpPrefix),
    now: Stamp,
) -> Result<(BgpPrefix, Change), Failure> {
    if next.advertised && !route.advertised {
        is_deployed(estate, prefix)?;
    }
    if next.advertised != route.advertised {
        next.advertised_modified_at = Some(now);
    }
    if next != **route {
        next.modified_at = now;
    }
    let mut change = Change::default();
    change.turn(Entity::BgpPrefix(route.clone()), next.clone());
    Ok((next, change))
}

/// The prefix is approved and bound, so that what would come here has somewhere to go.
fn is_deployed(estate: &Estate, prefix: &Prefix) -> Result<(), Failure> {
    if prefix.approved == Approval::Pending {
        return Err(conflict("prefix_not_valid_and_approved", "the prefix is not approved"));
    }
    if estate.bindings_of(prefix.id).next().is_none() {
        return Err(conflict("incomplete_bgp_deployment", "bind the whole prefix to a service first"));
    }
    Ok(())
}

/// `DELETE .../prefixes/{id}/bgp/prefixes/{route}`: only one that is withdrawn.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id, route)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let route = route_of(estate, &prefix, &route)?;
            if route.advertised {
                return Err(conflict("bgp_prefix_is_advertised", "withdraw it first"));
            }
            let mut change = Change::default();
            change.remove(Entity::BgpPrefix(route));
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::bare()) })
        })
        .await
}

/// `GET .../prefixes/{id}/bgp/status`: of the route that equals the prefix.
///
/// # Errors
/// See `Failure`.
pub async fn status(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let prefix = find(&ask, &estate, (&account, &id), READ)?;
    Ok(Success::of(status_json(whole(&estate, &prefix).map(|route| &**route))))
}

/// `PATCH .../prefixes/{id}/bgp/status`, `{"advertised"}`.
///
/// # Errors
/// See `Failure`.
pub async fn set_status(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let fresh = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let advertised = flag(&ask.object()?, "advertised")?;
            let advertised = advertised.ok_or_else(|| wrong("advertised", "is missing: true or false"))?;
            is_deployed(estate, &prefix)?;
            let (next, change) = match whole(estate, &prefix) {
                Some(route) => {
                    let next = BgpPrefix { advertised, ..BgpPrefix::clone(route) };
                    turned(estate, &prefix, (route, next), now)?
                }
                None => made(&prefix, (fresh, advertised), now),
            };
            let answer = Some(Success::of(status_json(Some(&next))));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// The route of the whole prefix, where it was deleted before.
fn made(prefix: &Prefix, (id, advertised): (Id, bool), now: Stamp) -> (BgpPrefix, Change) {
    let route = BgpPrefix {
        advertised,
        advertised_modified_at: advertised.then_some(now),
        ..BgpPrefix::withdrawn(id, (prefix.id, prefix.net.net()), now)
    };
    let mut change = Change::default();
    change.make(route.clone());
    (route, change)
}

fn whole<'e>(estate: &'e Estate, prefix: &Prefix) -> Option<&'e Arc<BgpPrefix>> {
    let (id, net) = (prefix.id, prefix.net.net());
    estate.routes_of(id).find(|route| route.cidr == net)
}

fn stamp(stamp: Stamp) -> String {
    rfc3339(stamp.micros())
}

fn status_json(route: Option<&BgpPrefix>) -> Value {
    json!({
        "advertised": route.is_some_and(|route| route.advertised),
        "advertised_modified_at": route.and_then(|route| route.advertised_modified_at).map(stamp),
    })
}

fn route_json(route: &BgpPrefix, prefix: &Prefix) -> Value {
    json!({
        "id": route.id.to_string(),
        "cidr": route.cidr.to_string(),
        "asn": prefix.asn,
        "asn_prepend_count": route.asn_prepend_count,
        "auto_advertise_withdraw": route.auto_advertise_withdraw,
        "bgp_signal_opts": { "enabled": false, "modified_at": null },
        "on_demand": {
            "advertised": route.advertised,
            "advertised_modified_at": route.advertised_modified_at.map(stamp),
            "on_demand_enabled": true,
            "on_demand_locked": false,
        },
        "created_at": stamp(route.created_at),
        "modified_at": stamp(route.modified_at),
    })
}

//! Prefixes of an account: list, create, get, describe, delete, check and approve.
//!
//! ```text
//!  POST -> P --validate: all valid, or byway admin prefix approve--> V --byway admin prefix revoke--> P --DELETE--> gone
//! ```
//! Only what is V is in the tables, has apps and keeps others from the same addresses.

use super::words::{READ, WRITE, bad_cidr, cidr, conflict, find, flag, id as id_of, not_found, quota};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::fields::{maybe_text, wrong};
use crate::api::list::Listed;
use crate::api::office::{Office, Plan};
use crate::api::proof::Claim;
use crate::api::tenants::rules_box;
use crate::control::rfc3339;
use crate::estate::{
    Approval, BgpPrefix, Change, CheckState, Checks, Entity, Estate, Id, Permission, Prefix, Stamp,
};
use crate::table::{Prefix as Net, Reserved};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest description, in bytes (Cloudflare's own bound).
pub const DESCRIPTION_BYTES_MAX: usize = 1_000;
/// Numbers that no AS has: RFC 7607, RFC 6793, RFC 7300.
const NO_AS: [u64; 4] = [0, 23_456, 65_535, 4_294_967_295];

/// `GET .../prefixes`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &account, &ask)).await
}

fn page(estate: &Arc<Estate>, account: &str, ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    let account = ask.account(account, estate, READ)?;
    let mut rows: Vec<_> = estate.prefixes.iter().filter(|prefix| prefix.account == account.id).collect();
    rows.sort_by_key(|prefix| (prefix.created_at, prefix.id));
    let bound = estate.clone();
    Ok(page.list(rows, move |prefix| prefix_json(prefix, &bound)))
}

/// `POST .../prefixes`.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (id, token, terms) = (office.new_id()?, office.new_id()?, office.terms.clone());
    office
        .change(errand, move |estate, now| {
            let account = ask.account(&account, estate, WRITE)?;
            let held = estate.prefixes.iter().filter(|prefix| prefix.account == account.id);
            if held.count() >= terms.prefixes_per_account {
                return Err(quota(format_args!("{} prefixes", terms.prefixes_per_account)));
            }
            let mut prefix = read(&ask.object()?, &terms.reserved, (id, now))?;
            (prefix.account, prefix.ownership_token) = (account.id, token.to_string());
            is_free(estate, &prefix)?;
            let theirs = |loa| estate.loa_documents.get(loa).is_some_and(|loa| loa.account == account.id);
            if prefix.loa.is_some_and(|loa| !theirs(loa)) {
                return Err(Failure { status: StatusCode::BAD_REQUEST, ..not_found() });
            }
            let mut change = Change::default();
            let answer = Success::of(prefix_json(&prefix, estate)).status(StatusCode::CREATED);
            change.make(prefix);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// Reads a body as a prefix of nobody yet.
///
/// # Errors
/// 400 with the field's pointer.
pub fn read(
    body: &Map<String, Value>,
    reserved: &Reserved,
    (id, now): (Id, Stamp),
) -> Result<Prefix, Failure> {
    let asn = body.get("asn").and_then(Value::as_u64).filter(|asn| !NO_AS.contains(asn));
    let asn = asn.and_then(|asn| u32::try_from(asn).ok());
    let asn = asn.ok_or_else(|| wrong("asn", "must be the number of an AS, without quotes"))?;
    let net = Net::new(cidr(body)?, reserved.lab).map_err(|error| bad_cidr("/cidr", error))?;
    if let Some(holder) = reserved.holder_in(net) {
        return Err(bad_cidr("/cidr", format_args!("{net} overlaps {holder} of the boot config")));
    }
    let loa = body.get("loa_document_id").filter(|loa| !loa.is_null());
    Ok(Prefix {
        id,
        account: id,
        net,
        asn,
        description: maybe_text(body, "description", DESCRIPTION_BYTES_MAX)?.unwrap_or_default(),
        approved: Approval::Pending,
        checks: Checks::default(),
        ownership_token: String::new(),
        loa: loa.map(|_| id_of(body, "loa_document_id")).transpose()?,
        delegate_loa_creation: flag(body, "delegate_loa_creation")?.unwrap_or(false),
        created_at: now,
        modified_at: now,
    })
}

/// Overlaps no approved prefix, and repeats none of its own account.
///
/// # Errors
/// 400 with 1001.
pub fn is_free(estate: &Estate, prefix: &Prefix) -> Result<(), Failure> {
    let others = || estate.prefixes.iter().filter(|other| other.id != prefix.id);
    if others().any(|other| other.account == prefix.account && other.net == prefix.net) {
        return Err(bad_cidr("/cidr", format_args!("{} is a prefix of this account already", prefix.net)));
    }
    let approved = |other: &&Arc<Prefix>| other.approved == Approval::Approved;
    match others().filter(approved).any(|other| other.net.overlaps(prefix.net)) {
        true => {
            Err(bad_cidr("/cidr", format_args!("{} overlaps an approved prefix of this box", prefix.net)))
        }
        false => Ok(()),
    }
}

/// `GET .../prefixes/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let prefix = find(&ask, &estate, (&account, &id), READ)?;
    Ok(Success::of(prefix_json(&prefix, &estate)))
}

/// `PATCH .../prefixes/{id}`: the description alone; other fields may be said again as they are.
///
/// # Errors
/// See `Failure`.
pub async fn edit(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let (body, present) = (ask.object()?, prefix_json(&prefix, estate));
            let differs =
                |(key, value): &(&String, &Value)| *key != "description" && present[*key] != **value;
            if let Some((key, _)) = body.iter().find(differs) {
                return Err(wrong(key, "cannot be changed: only the description can"));
            }
            let mut next = Prefix::clone(&prefix);
            if let Some(description) = maybe_text(&body, "description", DESCRIPTION_BYTES_MAX)? {
                next.description = description;
            }
            Ok(turned(estate, &prefix, next, now))
        })
        .await
}

/// A prefix becomes another, which is the answer.
fn turned(estate: &Estate, prefix: &Arc<Prefix>, mut next: Prefix, now: Stamp) -> Plan {
    if next != **prefix {
        next.modified_at = now;
    }
    let answer = Some(Success::of(prefix_json(&next, estate)));
    let mut change = Change::default();
    change.turn(Entity::Prefix(prefix.clone()), next);
    Plan { change, asked: Vec::new(), answer }
}

/// `DELETE .../prefixes/{id}`: only while it is not approved.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            if prefix.approved == Approval::Approved {
                let why = "an approved prefix is in use; it can be deleted once the approval is revoked";
                return Err(conflict("prefix_is_approved", why));
            }
            let mut change = Change::default();
            let routes = estate.routes_of(prefix.id).cloned().map(Entity::BgpPrefix);
            let bindings = estate.bindings_of(prefix.id).cloned().map(Entity::Binding);
            let delegations = estate.delegations_of(prefix.id).cloned().map(Entity::Delegation);
            routes.chain(bindings).chain(delegations).for_each(|entity| change.remove(entity));
            change.remove(Entity::Prefix(prefix));
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::bare()) })
        })
        .await
}

/// `POST .../prefixes/{id}/validate`: makes the checks now; a prefix that passes all of them is approved.
///
/// # Errors
/// See `Failure`.
pub async fn validate(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let prefix = find(&ask, &office.estate(), (&account, &id), WRITE)?;
    let checks = office.terms.checker.check(claim(&prefix)).await;
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            settled(estate, &prefix, (checks, false), now)
        })
        .await
}

fn claim(prefix: &Prefix) -> Claim {
    Claim { net: prefix.net.net(), asn: prefix.asn, token: prefix.ownership_token.clone() }
}

/// What a prefix becomes by its checks; `accepted`: it is approved whatever they say.
fn settled(
    estate: &Estate,
    prefix: &Arc<Prefix>,
    (checks, accepted): (Checks, bool),
    now: Stamp,
) -> Result<Plan, Failure> {
    let passes = accepted || checks.are_valid();
    let approved = if passes { Approval::Approved } else { prefix.approved };
    if approved == Approval::Approved {
        is_free(estate, prefix)?;
    }
    let words = checks.named().into_iter().filter(|(_, check)| check.state != CheckState::Valid);
    let words =
        words.map(|(name, check)| format!("{name} is {}: {}", check.state.name(), check.why)).collect();
    let plan = turned(estate, prefix, Prefix { approved, checks, ..Prefix::clone(prefix) }, now);
    Ok(Plan { answer: plan.answer.map(|answer| answer.saying(words)), ..plan })
}

/// `POST /byway/prefixes/{id}/approve`, `{"force"}`: over the admin socket alone. Makes the checks; one that failed wants
/// `force`, one that could not be made does not.
///
/// # Errors
/// See `Failure`.
pub async fn approve(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let mut errand = ask.errand()?;
    let prefix = for_admins(&ask, &office.estate(), &id)?;
    let body = if ask.body.is_empty() { Map::new() } else { ask.object()? };
    let force = flag(&body, "force")?.unwrap_or(false);
    let checks = office.terms.checker.check(claim(&prefix)).await;
    let failed = checks.named().into_iter().filter(|(_, check)| check.state.is_failed());
    let failed = failed.map(|(name, check)| format!("{name} {} ({})", check.state.name(), check.why));
    let failed = failed.collect::<Vec<_>>().join(", ");
    if !failed.is_empty() && !force {
        return Err(conflict("prefix_not_valid", format_args!("{failed}; --force approves it all the same")));
    }
    if !failed.is_empty() {
        errand.what = format!("{}, forced over {failed}", errand.what);
    }
    office
        .change(errand, move |estate, now| {
            let prefix = for_admins(&ask, estate, &id)?;
            settled(estate, &prefix, (checks, true), now)
        })
        .await
}

/// `POST /byway/prefixes/{id}/revoke`: over the admin socket alone. The prefix must be bound to nothing.
///
/// # Errors
/// See `Failure`.
pub async fn revoke(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, now| {
            let prefix = for_admins(&ask, estate, &id)?;
            if estate.bindings_of(prefix.id).next().is_some() {
                return Err(conflict("prefix_in_use", "delete its service bindings first"));
            }
            if estate.routes_of(prefix.id).any(|route| route.advertised) {
                return Err(conflict("prefix_in_use", "withdraw its routes first"));
            }
            let next = Prefix { approved: Approval::Pending, ..Prefix::clone(&prefix) };
            Ok(turned(estate, &prefix, next, now))
        })
        .await
}

fn for_admins(ask: &Ask, estate: &Estate, id: &str) -> Result<Arc<Prefix>, Failure> {
    rules_box(ask, Permission::IpPrefixes)?;
    if ask.caller.is_limited {
        return Err(Failure::unauthorized("approvals are given and revoked over the admin socket alone"));
    }
    estate.prefixes.get(path_id(id)?).cloned().ok_or_else(not_found)
}

/// A prefix as it is answered. What is advertised is said of the route that equals it.
fn prefix_json(prefix: &Prefix, estate: &Estate) -> Value {
    let route: Option<&Arc<BgpPrefix>> =
        estate.routes_of(prefix.id).find(|route| route.cidr == prefix.net.net());
    let stamp = |stamp: Stamp| rfc3339(stamp.micros());
    json!({
        "id": prefix.id.to_string(),
        "account_id": prefix.account.to_string(),
        "asn": prefix.asn,
        "cidr": prefix.net.to_string(),
        "description": prefix.description,
        "approved": prefix.approved.name(),
        "advertised": route.map(|route| route.advertised),
        "advertised_modified_at": route.and_then(|route| route.advertised_modified_at).map(stamp),
        "on_demand_enabled": route.is_some(),
        "on_demand_locked": false,
        "loa_document_id": prefix.loa.map(|loa| loa.to_string()),
        "delegate_loa_creation": prefix.delegate_loa_creation,
        "irr_validation_state": prefix.checks.irr.state.name(),
        "rpki_validation_state": prefix.checks.rpki.state.name(),
        "ownership_validation_state": prefix.checks.ownership.state.name(),
        "ownership_validation_token": prefix.ownership_token,
        "created_at": stamp(prefix.created_at),
        "modified_at": stamp(prefix.modified_at),
    })
}

//! Delegations: ranges of a prefix that another account may have apps on. Bindings stay with the prefix.

use super::apps_at;
use super::words::{READ, WRITE, cidr_within, conflict, find, id as id_of, not_found, quota};
use crate::api::answer::{Answer, Failure, Success};
use crate::api::ask::{Ask, path_id};
use crate::api::fields::wrong;
use crate::api::list::Listed;
use crate::api::office::{Office, Plan};
use crate::base::limits::BINDINGS_PER_PREFIX_MAX;
use crate::control::rfc3339;
use crate::estate::{Approval, Change, Delegation, Entity, Estate, Id, Prefix, Stamp};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `GET .../prefixes/{id}/delegations`.
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
    let mut rows: Vec<_> = estate.delegations_of(prefix.id).collect();
    rows.sort_by_key(|delegation| (delegation.cidr, delegation.id));
    Ok(page.list(rows, delegation_json))
}

/// `POST .../prefixes/{id}/delegations`.
///
/// # Errors
/// See `Failure`.
pub async fn create(
    State(office): State<Arc<Office>>,
    Path((account, id)): Path<(String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    let delegation = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let delegation = read(&ask.object()?, estate, &prefix, (delegation, now))?;
            let mut change = Change::default();
            let answer = Some(Success::of(delegation_json(&delegation)));
            change.make(delegation);
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// Reads a body as a delegation, and holds it against those that its prefix has.
///
/// # Errors
/// See `Failure`.
pub fn read(
    body: &Map<String, Value>,
    estate: &Estate,
    prefix: &Prefix,
    (id, created_at): (Id, Stamp),
) -> Result<Delegation, Failure> {
    if prefix.approved == Approval::Pending {
        return Err(conflict("prefix_not_valid_and_approved", "the prefix is not approved"));
    }
    let (cidr, account) = (cidr_within(body, prefix)?, id_of(body, "delegated_account_id")?);
    if estate.accounts.get(account).is_none() {
        return Err(wrong("delegated_account_id", "is no account of this box"));
    }
    if account == prefix.account {
        return Err(wrong("delegated_account_id", "is the account that has the prefix"));
    }
    let mut present = estate.delegations_of(prefix.id);
    if present.any(|one| one.account == account && one.cidr == cidr) {
        return Err(conflict("delegation_exists", format_args!("{cidr} is delegated to {account} already")));
    }
    if estate.delegations_of(prefix.id).count() >= BINDINGS_PER_PREFIX_MAX {
        return Err(quota(format_args!("{BINDINGS_PER_PREFIX_MAX} delegations of this prefix")));
    }
    Ok(Delegation { id, prefix: prefix.id, cidr, account, created_at })
}

/// `DELETE .../prefixes/{id}/delegations/{delegation}`: not while the other account has apps there.
///
/// # Errors
/// See `Failure`.
pub async fn delete(
    State(office): State<Arc<Office>>,
    Path((account, id, delegation)): Path<(String, String, String)>,
    ask: Ask,
) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let prefix = find(&ask, estate, (&account, &id), WRITE)?;
            let delegation = estate.delegations.get(path_id(&delegation)?);
            let delegation = delegation.filter(|delegation| delegation.prefix == prefix.id);
            let delegation = delegation.cloned().ok_or_else(not_found)?;
            let answer = Some(Success::of(json!({ "id": delegation.id.to_string() })));
            let range = (delegation.account, delegation.cidr);
            let mut change = Change::default();
            change.remove(Entity::Delegation(delegation));
            let apps = apps_at::undelegated(estate, &estate.with(&change), range);
            if !apps.is_empty() {
                let names = apps_at::names(&ask, estate, &apps);
                return Err(conflict("delegation_in_use", format_args!("the account has {names} there")));
            }
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

fn delegation_json(delegation: &Delegation) -> Value {
    let created = rfc3339(delegation.created_at.micros());
    json!({
        "id": delegation.id.to_string(),
        "cidr": delegation.cidr.to_string(),
        "delegated_account_id": delegation.account.to_string(),
        "parent_prefix_id": delegation.prefix.to_string(),
        "created_at": created,
        "modified_at": created,
    })
}

//! Prefixes of an account with their bindings, routes and delegations. Nothing is announced by an import, and nothing
//! approved unless the operator says that the other side's word is enough.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use super::report::{About, Fate};
use super::tenants::Accounts;
use crate::api::addressing::{bindings, delegations, prefixes};
use crate::api::answer::Failure;
use crate::base::outside::is_plain;
use crate::estate::{Approval, BgpPrefix, Entity, Id, Kind, Prefix, Service};
use ipnet::IpNet;
use serde_json::Value;
use std::sync::Arc;

/// Takes in what an account has that is `theirs` there.
///
/// # Errors
/// 500: the system has no random bytes.
pub fn take(
    draft: &mut Draft<'_>,
    lists: &Lists,
    (theirs, account): (Id, Id),
    accounts: &Accounts,
) -> Result<(), Failure> {
    let path = format!("accounts/{theirs}/addressing/prefixes");
    for row in lists.rows(&path) {
        let Some(prefix) = prefix(draft, row, account) else { continue };
        let within = format!("{path}/{}", prefix.id);
        let mut of_prefix: Vec<&Row> = lists.rows(&format!("{within}/bindings")).collect();
        // The first binding of a prefix is of the whole of it.
        of_prefix
            .sort_by_key(|row| text(row, "cidr").parse::<IpNet>().map_or(u8::MAX, |net| net.prefix_len()));
        of_prefix.into_iter().for_each(|row| binding(draft, row, &prefix));
        lists.rows(&format!("{within}/bgp/prefixes")).for_each(|row| route(draft, row, &prefix));
        own_route(draft, &prefix)?;
        lists
            .rows(&format!("{within}/delegations"))
            .for_each(|row| delegation(draft, row, (&prefix, accounts)));
    }
    Ok(())
}

fn prefix(draft: &mut Draft<'_>, row: &Row, account: Id) -> Option<Arc<Prefix>> {
    let what = (Kind::Prefix, text(row, "id"), text(row, "cidr"));
    let Some(id) = id(row) else {
        draft.report.leave_out(what, "its id is none");
        return None;
    };
    let old = draft.estate.prefixes.get(id).cloned();
    if old.as_ref().is_some_and(|old| old.account != account) {
        draft.report.leave_out(what, "its id is that of a prefix of another account");
        return None;
    }
    let new = match read(draft, row, (id, account), old.as_ref()) {
        Ok(new) => new,
        Err(failure) => {
            draft.refuse(what, &failure);
            return None;
        }
    };
    let waits = text(row, "approved") == "V" && new.approved == Approval::Pending;
    draft.settle(old.map(Entity::Prefix), new.into(), what.2);
    if waits {
        let why = format!(
            "it is approved there, and waits here: byway admin prefix approve {id}, then import again"
        );
        draft.report.note(About::NotInForce, what, why);
    }
    let here = draft.estate.prefixes.get(id).cloned();
    let (theirs, ours) = (Id::parse(text(row, "loa_document_id")), here.as_ref().and_then(|here| here.loa));
    if theirs.is_some() && theirs != ours {
        let why = "loa_document_id: the prefix does not name that letter here";
        draft.report.note(About::NotInForce, what, why);
    }
    if row.get("on_demand_locked") == Some(&Value::Bool(true)) {
        draft.report.note(About::NotInForce, what, "on_demand_locked: it is not taken over");
    }
    here
}

fn read(
    draft: &Draft<'_>,
    row: &Row,
    (id, account): (Id, Id),
    old: Option<&Arc<Prefix>>,
) -> Result<Prefix, Failure> {
    let mut body = row.clone();
    body.remove("loa_document_id");
    let read = prefixes::read(&body, &draft.terms.reserved, (id, stamp(row, "created_at", draft.now)))?;
    let is_here = |loa: &Id| draft.estate.loa_documents.get(*loa).is_some_and(|one| one.account == account);
    let letter = Id::parse(text(row, "loa_document_id")).filter(is_here);
    if let Some(old) = old {
        let Prefix { asn, description, delegate_loa_creation, .. } = read;
        if read.net != old.net {
            let text = format!("its id is that of {}", old.net);
            return Err(Failure::field(crate::api::ApiCode::AddressingCidr.number(), "/cidr", text));
        }
        let loa = letter.or(old.loa);
        return Ok(Prefix { asn, description, delegate_loa_creation, loa, ..Prefix::clone(old) });
    }
    let held = draft.estate.prefixes.iter().filter(|prefix| prefix.account == account);
    if held.count() >= draft.terms.prefixes_per_account {
        return Err(crate::api::quotas::used_up(&format!(
            "the account has {} prefixes",
            draft.terms.prefixes_per_account
        )));
    }
    let token = text(row, "ownership_validation_token");
    let keeps = !token.is_empty() && token.len() <= 128 && token.chars().all(is_plain);
    let is_approved = draft.wants.trust_approvals && text(row, "approved") == "V";
    let prefix = Prefix {
        account,
        ownership_token: if keeps { token.to_owned() } else { draft.new_id()?.to_string() },
        approved: if is_approved { Approval::Approved } else { Approval::Pending },
        loa: letter,
        modified_at: stamp(row, "modified_at", draft.now),
        ..read
    };
    prefixes::is_free(&draft.estate, &prefix)?;
    Ok(prefix)
}

fn binding(draft: &mut Draft<'_>, row: &Row, prefix: &Prefix) {
    let what = (Kind::Binding, text(row, "id"), text(row, "cidr"));
    let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
    let name = text(row, "service_name");
    let service = Service::ALL.into_iter().find(|service| service.name().eq_ignore_ascii_case(name));
    let Some(service) = service else {
        return draft
            .report
            .leave_out(what, format!("byway has no service {}", crate::base::outside::quoted(name)));
    };
    let present =
        draft.estate.bindings_of(prefix.id).find(|one| one.id == id || one.cidr.to_string() == what.2);
    if let Some(present) = present {
        if present.service == service {
            return draft.report.count(Kind::Binding, Fate::Same);
        }
        let why =
            format!("it is bound to {} here: delete that binding, and import again", present.service.name());
        return draft.report.leave_out(what, why);
    }
    let mut body = row.clone();
    body.insert("service_id".into(), service.id().to_string().into());
    match bindings::read(&body, &draft.estate, prefix, (id, stamp(row, "created_at", draft.now))) {
        Ok(binding) => drop(draft.settle(None, binding.into(), what.2)),
        Err(failure) => draft.refuse(what, &failure),
    }
}

fn route(draft: &mut Draft<'_>, row: &Row, prefix: &Prefix) {
    let what = (Kind::BgpPrefix, text(row, "id"), text(row, "cidr"));
    let cidr = text(row, "cidr").parse::<IpNet>().ok().filter(|cidr| prefix.net.net().contains(cidr));
    let (Some(id), Some(cidr)) = (id(row), cidr) else {
        return draft.report.leave_out(what, "its id is none, or its route is not within the prefix");
    };
    let is_advertised = row.get("on_demand").and_then(|one| one.get("advertised")).and_then(Value::as_bool);
    if draft.estate.bindings_of(prefix.id).next().is_none() {
        return draft.report.leave_out(what, "its prefix is bound to nothing here");
    }
    if draft.estate.routes_of(prefix.id).any(|route| route.cidr == cidr) {
        draft.report.count(Kind::BgpPrefix, Fate::Same);
    } else if let Some(taken) = draft.old(Kind::BgpPrefix, id) {
        return draft.report.leave_out(what, format!("its id is that of another route ({})", taken.id()));
    } else {
        let prepends = row.get("asn_prepend_count").and_then(Value::as_u64).filter(|count| *count <= 3);
        let made = BgpPrefix {
            // It is at most three.
            asn_prepend_count: prepends.unwrap_or(0) as u8,
            auto_advertise_withdraw: row.get("auto_advertise_withdraw") == Some(&Value::Bool(true)),
            modified_at: stamp(row, "modified_at", draft.now),
            ..BgpPrefix::withdrawn(id, (prefix.id, cidr), stamp(row, "created_at", draft.now))
        };
        draft.settle(None, made.into(), what.2);
    }
    let here = draft.estate.routes_of(prefix.id).any(|route| route.cidr == cidr && route.advertised);
    if is_advertised == Some(true) && !here {
        let why = "on_demand/advertised: it is advertised there, and withdrawn here";
        draft.report.note(About::NotInForce, what, why);
    }
}

/// A bound prefix has a route of its own.
fn own_route(draft: &mut Draft<'_>, prefix: &Prefix) -> Result<(), Failure> {
    let whole = prefix.net.net();
    let is_bound = draft.estate.bindings_of(prefix.id).next().is_some();
    if is_bound && draft.estate.routes_of(prefix.id).all(|route| route.cidr != whole) {
        let made = BgpPrefix::withdrawn(draft.new_id()?, (prefix.id, whole), draft.now);
        draft.settle(None, made.into(), &whole.to_string());
    }
    Ok(())
}

fn delegation(draft: &mut Draft<'_>, row: &Row, (prefix, accounts): (&Prefix, &Accounts)) {
    let what = (Kind::Delegation, text(row, "id"), text(row, "cidr"));
    let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
    let account = Id::parse(text(row, "delegated_account_id")).and_then(|theirs| accounts.get(&theirs));
    let Some(account) = account else {
        return draft.report.leave_out(what, "it is for an account that is not imported");
    };
    let same =
        |one: &Arc<crate::estate::Delegation>| one.account == *account && one.cidr.to_string() == what.2;
    if draft.estate.delegations_of(prefix.id).any(same) {
        return draft.report.count(Kind::Delegation, Fate::Same);
    }
    if draft.old(Kind::Delegation, id).is_some() {
        return draft.report.leave_out(what, "its id is that of another delegation");
    }
    let mut body = row.clone();
    body.insert("delegated_account_id".into(), account.to_string().into());
    match delegations::read(&body, &draft.estate, prefix, (id, stamp(row, "created_at", draft.now))) {
        Ok(delegation) => drop(draft.settle(None, delegation.into(), what.2)),
        Err(failure) => draft.refuse(what, &failure),
    }
}

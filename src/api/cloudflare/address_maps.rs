//! Address maps of an account. What a map says of itself is one thing that is kept or follows; each of its addresses and members
//! is a thing of its own, as bindings of a prefix are: what is not here yet comes, what is here stays.

use super::draft::{Draft, KEPT};
use super::lists::{Lists, Row, id, stamp, text};
use super::report::{About, Fate};
use super::tenants::Accounts;
use crate::api::addressing::address_maps::{member_of, put_ip_in, put_member, read, room, unheld};
use crate::api::answer::Failure;
use crate::api::fields::wrong;
use crate::estate::{AddressMap, Entity, Id, Kind, MemberKind, Zone};
use serde_json::Value;
use std::sync::Arc;

/// Which accounts and zones here are those of the other side.
type Tenants<'t> = (&'t Accounts, &'t [(String, Arc<Zone>)]);

/// Takes in those of an account that is `theirs` there.
pub fn take(draft: &mut Draft<'_>, lists: &Lists, (theirs, account): (Id, Id), tenants: Tenants<'_>) {
    let path = format!("accounts/{theirs}/addressing/address_maps");
    for head in lists.rows(&path) {
        match lists.rows(&format!("{path}/{}", text(head, "id"))).next() {
            Some(whole) => map(draft, whole, (account, tenants)),
            None => {
                let what = (Kind::AddressMap, text(head, "id"), text(head, "description"));
                draft.report.leave_out(what, "its addresses and members were not read");
            }
        }
    }
}

fn map(draft: &mut Draft<'_>, row: &Row, (account, tenants): (Id, Tenants<'_>)) {
    let name = text(row, "description");
    let what = (Kind::AddressMap, text(row, "id"), name);
    let Some(id) = id(row) else { return draft.report.leave_out(what, "its id is none") };
    let old = draft.estate.address_maps.get(id).cloned();
    if old.as_ref().is_some_and(|old| old.account != account) {
        return draft.report.leave_out(what, "its id is that of a map of another account");
    }
    let room = if old.is_none() { room(&draft.estate, account) } else { Ok(()) };
    let head = room.and_then(|()| read(row, (id, account), stamp(row, "created_at", draft.now)));
    let head = match head {
        Ok(head) => AddressMap { modified_at: stamp(row, "modified_at", draft.now), ..head },
        Err(failure) => return draft.refuse(what, &failure),
    };
    let is_kept = old.as_ref().is_some_and(|old| !says_the_same(old, &head)) && !draft.wants.update;
    let mut next = match &old {
        Some(old) if is_kept => AddressMap::clone(old),
        Some(old) => with_words_of(old, &head),
        None => head,
    };
    let lacks = fill(draft, row, (&mut next, tenants));
    let fate = match &old {
        None => Fate::Made,
        Some(old) if **old != next => Fate::Changed,
        Some(_) if is_kept => Fate::Kept,
        Some(_) => Fate::Same,
    };
    if fate == Fate::Changed {
        next.modified_at = draft.now;
        if is_kept {
            draft.report.note(About::Differs, what, KEPT);
        }
    }
    let words = unheld(&draft.estate, &next);
    let idle = (!next.memberships.is_empty())
        .then(|| "memberships: they are kept; no zone is answered with the map's addresses here".to_owned());
    draft.enact(fate, old.map(Entity::AddressMap), next.into(), name);
    for why in lacks.into_iter().chain(idle).chain(words) {
        draft.report.note(About::NotInForce, what, why);
    }
}

fn says_the_same(old: &AddressMap, head: &AddressMap) -> bool {
    (&old.description, old.enabled, &old.default_sni) == (&head.description, head.enabled, &head.default_sni)
}

/// As it is here, but for what a map says of itself.
fn with_words_of(old: &AddressMap, head: &AddressMap) -> AddressMap {
    let (description, default_sni) = (head.description.clone(), head.default_sni.clone());
    AddressMap { description, default_sni, enabled: head.enabled, ..old.clone() }
}

/// Puts in what a row has and may come; what may not is told.
fn fill(draft: &Draft<'_>, row: &Row, (map, tenants): (&mut AddressMap, Tenants<'_>)) -> Vec<String> {
    let mut lacks = Vec::new();
    let made = |item: &Value| item.as_object().map_or(draft.now, |item| stamp(item, "created_at", draft.now));
    let mut put = |name: String, put: Result<(), Failure>| {
        let error = put.err().and_then(|failure| failure.errors.into_iter().next());
        lacks.extend(error.map(|error| format!("{name}: {} ({})", error.message, error.code)));
    };
    let items = |key| row.get(key).and_then(Value::as_array).into_iter().flatten();
    for item in items("ips") {
        let ip = item["ip"].as_str().unwrap_or("");
        put("ips".into(), put_ip_in(&draft.estate, map, ip, made(item)));
    }
    for item in items("memberships") {
        let member = member_of(item).and_then(|(kind, theirs)| here(tenants, (kind, theirs)));
        let member = member.ok_or_else(|| wrong("memberships", "is no zone and no account that is imported"));
        let done = member.and_then(|member| put_member(&draft.estate, map, member, made(item)));
        put(format!("memberships: {} {}", item["kind"], item["identifier"]), done);
    }
    lacks
}

/// A zone or account of the other side as it is here.
fn here((accounts, zones): Tenants<'_>, (kind, theirs): (MemberKind, Id)) -> Option<(MemberKind, Id)> {
    let ours = match kind {
        MemberKind::Account => accounts.get(&theirs).copied(),
        MemberKind::Zone => {
            let theirs = theirs.to_string();
            zones.iter().find(|(id, _)| *id == theirs).map(|(_, zone)| zone.id)
        }
    };
    ours.map(|ours| (kind, ours))
}

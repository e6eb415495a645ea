//! Accounts and zones: one that is here by id or by name is that one, any other is made under its id.

use super::draft::Draft;
use super::lists::{Lists, Row, id, stamp, text};
use super::report::Fate;
use crate::api::tenants::shadowed;
use crate::base::outside::is_plain;
use crate::estate::{Account, Entity, Id, Kind, Zone};
use crate::table::DnsName;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The account of a zone or prefix of the other side, by its id there.
pub type Accounts = BTreeMap<Id, Id>;

/// Takes accounts in: those that are listed, and those that zones name.
pub fn accounts(draft: &mut Draft<'_>, lists: &Lists) -> Accounts {
    let of_zones = lists.rows("zones").filter_map(|zone| zone.get("account").and_then(Value::as_object));
    let mut accounts = Accounts::new();
    for row in lists.rows("accounts").chain(of_zones) {
        let Some(theirs) = id(row) else {
            draft.report.leave_out((Kind::Account, text(row, "id"), text(row, "name")), "its id is none");
            continue;
        };
        accounts.entry(theirs).or_insert_with(|| account(draft, row, theirs));
    }
    accounts
}

fn account(draft: &mut Draft<'_>, row: &Row, theirs: Id) -> Id {
    let by_name =
        |name: &str| draft.estate.accounts.iter().find(|account| account.name == name).map(|one| one.id);
    let here = draft.wants.into.or_else(|| draft.estate.accounts.get(theirs).map(|account| account.id));
    if let Some(ours) = here.or_else(|| by_name(text(row, "name"))) {
        draft.report.count(Kind::Account, Fate::Same);
        return ours;
    }
    let name: String = text(row, "name").chars().filter(|letter| is_plain(*letter)).take(100).collect();
    let name = if name.trim().is_empty() { theirs.to_string() } else { name.trim().to_owned() };
    let created_on = stamp(row, "created_on", draft.now);
    let made = Account { id: theirs, name: name.clone(), owner: draft.wants.owner, created_on };
    draft.settle(None, made.into(), &name);
    theirs
}

/// Takes zones in; each with its row's id, by which its lists are found.
pub fn zones(draft: &mut Draft<'_>, lists: &Lists, accounts: &Accounts) -> Vec<(String, Arc<Zone>)> {
    let mut zones = Vec::new();
    for row in lists.rows("zones") {
        let what = (Kind::Zone, text(row, "id"), text(row, "name"));
        match zone(draft, row, accounts) {
            Ok(zone) => zones.push((text(row, "id").to_owned(), zone)),
            Err(why) => draft.report.leave_out(what, format!("{why}; so are its apps, rules and records")),
        }
    }
    zones
}

fn zone(draft: &mut Draft<'_>, row: &Row, accounts: &Accounts) -> Result<Arc<Zone>, String> {
    let theirs = id(row).ok_or("its id is none")?;
    let account = row.get("account").and_then(Value::as_object).and_then(id);
    let account = account.and_then(|account| accounts.get(&account)).ok_or("it names no account")?;
    let name = DnsName::new(text(row, "name")).map_err(str::to_owned)?;
    let by_name = draft.estate.home(name.as_str()).filter(|zone| zone.name == name.as_str());
    let here = draft.estate.zones.get(theirs).into_iter().chain(by_name).min_by_key(|zone| zone.id);
    if let Some(zone) = here.cloned() {
        if zone.account != *account {
            return Err("a zone of that name or id is another account's".into());
        }
        if zone.name != name.as_str() {
            return Err(format!("its id is that of zone {}", zone.name));
        }
        draft.report.count(Kind::Zone, Fate::Same);
        return Ok(zone);
    }
    if let Some(why) = shadowed(name.as_str(), &draft.estate) {
        return Err(format!("its name {why}"));
    }
    let zone = Zone {
        id: theirs,
        name: name.as_str().to_owned(),
        account: *account,
        created_on: stamp(row, "created_on", draft.now),
        modified_on: stamp(row, "modified_on", draft.now),
    };
    draft.settle(None, Entity::from(zone), name.as_str());
    draft.estate.zones.get(theirs).cloned().ok_or_else(|| "it was not made".into())
}

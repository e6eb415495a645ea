//! Accounts, zones and the user: who there is, for the caller.

use super::answer::{Answer, Failure, Success};
use super::app_rules::lies_in;
use super::ask::Ask;
use super::code::ApiCode;
use super::fields::{name, text, wrong};
use super::list::Listed;
use super::office::{Office, Plan};
use crate::control::rfc3339;
use crate::estate::{
    Account, AddressMap, Change, Entity, Estate, Id, Level, Permission, RuleHolder, Zone, below,
};
use crate::table::DnsName;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest name of an account, in bytes (Cloudflare's own bound).
pub const NAME_BYTES_MAX: usize = 100;
/// Apps and records of one refusal.
const SHADOWS_NAMED_MAX: usize = 10;

/// `GET /accounts`.
///
/// # Errors
/// See `Failure`.
pub async fn accounts(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    office.look(move |estate| accounts_page(estate, &ask)).await
}

fn accounts_page(estate: &Estate, ask: &Ask) -> Listed {
    let wanted = ask.query.text("name")?;
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let seen = estate.accounts.iter().filter(|account| wanted.is_none_or(|name| name == account.name));
    let mut seen: Vec<_> = seen.filter(|account| knows(ask, account.id, estate)).collect();
    seen.sort_by(|one, two| (&one.name, one.id).cmp(&(&two.name, two.id)));
    if direction == super::query::Direction::Desc {
        seen.reverse();
    }
    Ok(page.list(seen, account_json))
}

/// Whether the caller may know of an account: a grant reaches it or one of its zones.
fn knows(ask: &Ask, account: Id, estate: &Estate) -> bool {
    let reaches = |zone| ask.caller.grants.iter().any(|grant| grant.reach.covers(account, zone));
    reaches(None) || estate.zones_of(account).any(|zone| reaches(Some(zone.id)))
}

/// `GET /accounts/{account}`.
///
/// # Errors
/// See `Failure`.
pub async fn account(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let account =
        estate.accounts.get(super::ask::path_id(&id)?).filter(|account| knows(&ask, account.id, &estate));
    account.map(|account| Success::of(account_json(account))).ok_or_else(|| Failure::not_found("account"))
}

/// `POST /accounts`: for those who rule the box.
///
/// # Errors
/// See `Failure`.
pub async fn make_account(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let id = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            rules_box(&ask, Permission::AccountSettings)?;
            let body = ask.object()?;
            let name = name(&body, "name", NAME_BYTES_MAX)?;
            let owner = match body.get("owner") {
                None => ask.caller.user.or_else(|| estate.users.iter().next().map(|user| user.id)),
                Some(owner) => owner.get("id").and_then(Value::as_str).and_then(Id::parse),
            };
            let owner = owner.filter(|owner| estate.users.get(*owner).is_some()).ok_or_else(|| {
                Failure::field(ApiCode::BadField.number(), "/owner/id", "must be the id of a user")
            })?;
            let account = Account { id, name, owner, created_on: now };
            let (mut change, answer) = (Change::default(), Success::of(account_json(&account)));
            change.make(account);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// `DELETE /accounts/{account}`: only an empty one.
///
/// # Errors
/// See `Failure`.
pub async fn delete_account(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            rules_box(&ask, Permission::AccountSettings)?;
            let account = ask.account(&id, estate, (Permission::AccountSettings, Level::Write))?;
            let holds = |what: &str| in_use(format!("the account still has {what}: delete them first"));
            if estate.zones.iter().any(|zone| zone.account == account.id) {
                return Err(holds("zones"));
            }
            if estate.prefixes.iter().any(|prefix| prefix.account == account.id) {
                return Err(holds("prefixes"));
            }
            let mut change = Change::default();
            let delegated = estate.delegations.iter().filter(|delegation| delegation.account == account.id);
            delegated.for_each(|delegation| change.remove(Entity::Delegation(delegation.clone())));
            let maps = estate.address_maps.iter().filter(|map| map.account == account.id);
            maps.for_each(|map| change.remove(Entity::AddressMap(map.clone())));
            let letters = estate.loa_documents.iter().filter(|letter| letter.account == account.id);
            letters.for_each(|letter| change.remove(Entity::LoaDocument(letter.clone())));
            let rules = estate.rules_of(RuleHolder::Account(account.id));
            rules.for_each(|rule| change.remove(Entity::Rule(rule.clone())));
            let answer = Some(Success::of(json!({ "id": account.id.to_string() })));
            change.remove(Entity::Account(account));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// `GET /zones`, maybe with `name` or `account.id`.
///
/// # Errors
/// See `Failure`.
pub async fn zones(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    office.look(move |estate| zones_page(estate, &ask)).await
}

fn zones_page(estate: &Arc<Estate>, ask: &Ask) -> Listed {
    let name = ask.query.text("name")?.map(str::to_ascii_lowercase);
    let account = ask.query.id("account.id")?;
    ask.query.word("status", &["active"])?;
    ask.query.word("match", &["all"])?;
    let order = ask.query.word("order", &["name", "account.id", "status"])?;
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let seen = estate.zones.iter().filter(|zone| {
        ask.caller.grants.iter().any(|grant| grant.reach.covers(zone.account, Some(zone.id)))
            && name.as_ref().is_none_or(|name| *name == zone.name)
            && account.is_none_or(|account| account == zone.account)
    });
    let mut seen: Vec<_> = seen.collect();
    match order {
        Some("account.id") => {
            seen.sort_by(|one, two| (one.account, &one.name).cmp(&(two.account, &two.name)))
        }
        Some(_) | None => seen.sort_by(|one, two| one.name.cmp(&two.name)),
    }
    if direction == super::query::Direction::Desc {
        seen.reverse();
    }
    let owners = estate.clone();
    Ok(page.list(seen, move |zone| zone_json(zone, &owners)))
}

/// `GET /zones/{zone}`.
///
/// # Errors
/// See `Failure`.
pub async fn zone(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let zone = estate
        .zones
        .get(super::ask::path_id(&id)?)
        .filter(|zone| ask.caller.grants.iter().any(|grant| grant.reach.covers(zone.account, Some(zone.id))));
    zone.map(|zone| Success::of(zone_json(zone, &estate))).ok_or_else(|| Failure::not_found("zone"))
}

/// `POST /zones`.
///
/// # Errors
/// See `Failure`.
pub async fn make_zone(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let id = office.new_id()?;
    office
        .change(errand, move |estate, now| {
            let body = ask.object()?;
            let field = |pointer: &str, text: &str| Failure::field(ApiCode::BadField.number(), pointer, text);
            refuse_unserved(&body)?;
            // Older clients call it by its older name.
            let account = body.get("account").or_else(|| body.get("organization"));
            let account = account.and_then(|account| account.get("id")).and_then(Value::as_str);
            let account = account.filter(|id| Id::parse(id).is_some());
            let account =
                account.ok_or_else(|| field("/account/id", "must be the id of the zone's account"))?;
            let account = ask.account(account, estate, (Permission::Zone, Level::Write))?;
            let name = DnsName::new(&text(&body, "name", 253)?).map_err(|wrong| field("/name", wrong))?;
            if estate.zones.iter().any(|zone| zone.name == name.as_str()) {
                return Err(field("/name", "is a zone of this box already"));
            }
            refuse_foreign_name(&ask, name.as_str(), estate, account.id)?;
            refuse_shadows(name.as_str(), estate)?;
            let zone = Zone {
                id,
                name: name.as_str().to_owned(),
                account: account.id,
                created_on: now,
                modified_on: now,
            };
            let mut change = Change::default();
            let answer = Success::of(zone_json(&zone, estate));
            change.make(zone);
            Ok(Plan { change, asked: Vec::new(), answer: Some(answer) })
        })
        .await
}

/// Every zone of byway's is whole, carries traffic and has no name servers: what says otherwise is refused.
fn refuse_unserved(body: &Map<String, Value>) -> Result<(), Failure> {
    let says = |key: &str, known: &[Value]| body.get(key).is_some_and(|value| !known.contains(value));
    let unserved = [
        (
            "type",
            says("type", &[Value::Null, "full".into()]),
            "must be full: zones of byway have no other type",
        ),
        (
            "paused",
            says("paused", &[Value::Null, false.into()]),
            "must be false: zones of byway are not paused",
        ),
        (
            "vanity_name_servers",
            says("vanity_name_servers", &[Value::Null, json!([])]),
            "must be empty: byway answers no DNS",
        ),
        ("plan", says("plan", &[Value::Null]), "cannot be chosen: zones of byway have no plans"),
    ];
    match unserved.into_iter().find(|(_, is_said, _)| *is_said) {
        Some((key, _, text)) => Err(wrong(key, text)),
        None => Ok(()),
    }
}

/// `PATCH /zones/{zone}`: nothing of a zone changes, and what says the same as it is is right.
///
/// # Errors
/// See `Failure`.
pub async fn edit_zone(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let zone = ask.zone(&id, estate, (Permission::Zone, Level::Write))?;
            refuse_unserved(&ask.object()?)?;
            Ok(Plan { answer: Some(Success::of(zone_json(&zone, estate))), ..Plan::default() })
        })
        .await
}

/// Nobody but who rules the box makes a zone around or inside another account's, or of a name under which others register
/// theirs: it would take names from them.
fn refuse_foreign_name(ask: &Ask, name: &str, estate: &Estate, account: Id) -> Result<(), Failure> {
    if rules_box(ask, Permission::Zone).is_ok() {
        return Ok(());
    }
    let clashes = |zone: &&Arc<Zone>| {
        zone.account != account && (lies_in(name, &zone.name) || lies_in(&zone.name, name))
    };
    if is_public_suffix(name) || estate.zones.iter().any(|zone| clashes(&zone)) {
        let text =
            "is a public suffix such as com or co.uk, or lies around or inside a zone of another account";
        return Err(Failure::field(ApiCode::NameOfAnotherZone.number(), "/name", text));
    }
    Ok(())
}

/// Whether a name is one under which anybody may register (publicsuffix.org); also a top-level domain that is on no list.
fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.as_bytes().len() == name.len())
}

/// No zone takes names away from what an outer one has there: that would go on under names which are another zone's.
fn refuse_shadows(name: &str, estate: &Estate) -> Result<(), Failure> {
    match shadowed(name, estate) {
        None => Ok(()),
        Some(text) => Err(Failure::field(ApiCode::InUse.number(), "/name", text)),
    }
}

/// What outer zones have at a name and below it, the first of it by name.
pub fn shadowed(name: &str, estate: &Estate) -> Option<String> {
    let found = below(estate, name);
    let named: Vec<String> = found.iter().take(SHADOWS_NAMED_MAX).map(ToString::to_string).collect();
    let more = match found.len().saturating_sub(SHADOWS_NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text =
        || format!("has names below it in a zone around it: move or delete {}{more} first", named.join(", "));
    (!found.is_empty()).then(text)
}

/// `DELETE /zones/{zone}`: with its apps and rules, so that its addresses are free.
///
/// # Errors
/// See `Failure`.
pub async fn delete_zone(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let zone = ask.zone(&id, estate, (Permission::Zone, Level::Write))?;
            let mut change = Change::default();
            estate.apps_of(zone.id).for_each(|app| change.remove(Entity::App(app.clone())));
            let rules = estate.rules_of(RuleHolder::Zone(zone.id));
            rules.for_each(|rule| change.remove(Entity::Rule(rule.clone())));
            for map in estate.address_maps.iter() {
                let mut next = AddressMap::clone(map);
                next.memberships.retain(|member| member.identifier != zone.id);
                change.turn(Entity::AddressMap(map.clone()), next);
            }
            let certificates = estate.certificates_of(zone.id);
            certificates.for_each(|certificate| change.remove(Entity::Certificate(certificate.clone())));
            let records = estate.records_of(zone.id);
            records.for_each(|record| change.remove(Entity::DnsRecord(record.clone())));
            let answer = Some(Success::of(json!({ "id": zone.id.to_string() })));
            change.remove(Entity::Zone(zone));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// `GET /user`.
///
/// # Errors
/// See `Failure`.
pub async fn user(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let user = ask.caller.user.and_then(|user| estate.users.get(user));
    let user = user.ok_or_else(|| Failure::not_found("user behind these credentials"))?;
    Ok(Success::of(json!({
        "id": user.id.to_string(),
        "email": user.email,
        "created_on": rfc3339(user.created_on.0),
        "suspended": false,
        "two_factor_authentication_enabled": false,
        "two_factor_authentication_locked": false,
    })))
}

/// Whether the caller rules the box.
///
/// # Errors
/// 403.
pub fn rules_box(ask: &Ask, permission: Permission) -> Result<(), Failure> {
    match ask.caller.rules_box((permission, Level::Write)) {
        true => Ok(()),
        false => Err(Failure::unauthorized(format!(
            "Unauthorized to access requested resource: it wants {} Write over the whole box",
            permission.name()
        ))),
    }
}

/// 400: something else must go first.
pub fn in_use(text: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, ApiCode::InUse, text)
}

/// An account as it is answered.
pub fn account_json(account: &Account) -> Value {
    json!({
        "id": account.id.to_string(),
        "name": account.name,
        "type": "standard",
        "created_on": rfc3339(account.created_on.0),
        "settings": { "enforce_twofactor": false },
    })
}

/// A zone as it is answered, with the fields that the SDKs want.
fn zone_json(zone: &Zone, estate: &Estate) -> Value {
    let account = estate.accounts.get(zone.account);
    let owner = account.and_then(|account| estate.users.get(account.owner));
    json!({
        "id": zone.id.to_string(),
        "name": zone.name,
        "status": "active",
        "paused": false,
        "type": "full",
        "development_mode": 0,
        "account": { "id": zone.account.to_string(), "name": account.map(|account| account.name.clone()) },
        "owner": { "id": owner.map(|user| user.id.to_string()), "type": "user", "name": owner.map(|user| user.email.clone()) },
        "plan": { "id": "byway", "name": "byway", "price": 0, "currency": "USD", "frequency": "", "is_subscribed": true,
                  "can_subscribe": false, "legacy_id": "enterprise", "legacy_discount": false, "externally_managed": true },
        "meta": { "cdn_only": false, "custom_certificate_quota": 1, "dns_only": true, "foundation_dns": false,
                  "page_rule_quota": 0, "phishing_detected": false, "step": 4 },
        "name_servers": [],
        "original_name_servers": null,
        "original_registrar": null,
        "original_dnshost": null,
        "created_on": rfc3339(zone.created_on.0),
        "modified_on": rfc3339(zone.modified_on.0),
        "activated_on": rfc3339(zone.created_on.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::caller::{Caller, Pass};
    use super::super::query::Query;
    use super::*;
    use crate::base::LOOKS;
    use crate::estate::{Grant, Reach, Stamp};
    use axum::body::Bytes;

    const ACCOUNTS: u128 = 5_000;

    /// Somebody who may see one zone.
    fn ask(zone: Id) -> Ask {
        let grant =
            Grant { permission: Permission::Dns, level: Level::Read, reach: Reach::Zones(vec![zone]) };
        let caller = Caller {
            name: "one".into(),
            user: None,
            from: None,
            token: None,
            grants: vec![grant],
            is_limited: true,
            pass: Pass::Local,
        };
        Ask { caller, what: "GET /accounts".into(), query: Query::parse(""), body: Bytes::new() }
    }

    #[test]
    fn a_list_of_accounts_looks_at_each_zone_once() {
        let mut estate = Estate::default();
        for number in 0..ACCOUNTS {
            let (account, zone) = (Id::from_bits(number), Id::from_bits(number << 64));
            let (name, owner, at) = (format!("a{number}"), Id::from_bits(0), Stamp(0));
            let named = format!("{name}.example");
            estate.put(Account { id: account, name, owner, created_on: at }.into());
            estate.put(Zone { id: zone, name: named, account, created_on: at, modified_on: at }.into());
        }
        let (ask, last) = (ask(Id::from_bits((ACCOUNTS - 1) << 64)), Id::from_bits(ACCOUNTS - 1));
        let known: Vec<Id> =
            estate.accounts.iter().map(|one| one.id).filter(|id| knows(&ask, *id, &estate)).collect();
        assert_eq!(known, [last]);
        LOOKS.set(0);
        assert!(accounts_page(&estate, &ask).is_ok());
        let looks_max = 8 * ACCOUNTS as usize;
        assert!(LOOKS.get() <= looks_max, "{} entries for {ACCOUNTS} accounts", LOOKS.get());
    }
}

//! The audit log, of an account or of a user: who changed what, and what it was before (Cloudflare's `audit_logs`). The log
//! itself is the store's; secrets never were in it.

use super::answer::Failure;
use super::ask::Ask;
use super::caller::Caller;
use super::list::{List, Listed};
use super::office::Office;
use super::query::{Page, Query, wrong};
use crate::control::rfc3339;
use crate::estate::{Access, Estate, Id, Level, Permission};
use crate::vault::{Actor, AuditAsk, AuditRow, AuditVerb};
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

const READ: (Permission, Level) = (Permission::AccountSettings, Level::Read);

/// Entries of a page where the client does not say, as Cloudflare has it: the log may have any number.
const PER_PAGE: usize = 100;

/// `GET /accounts/{account}/audit_logs`: changes of what belongs to the account and its zones.
///
/// # Errors
/// See `Failure`.
pub async fn of_account(State(office): State<Arc<Office>>, Path(account): Path<String>, ask: Ask) -> Listed {
    let estate = office.estate();
    let account = ask.account(&account, &estate, READ)?;
    let (narrowed, page, _) = asked(&ask.query)?;
    let question = AuditAsk { accounts: vec![account.id.to_string()], ..narrowed };
    answer(&office, &ask.caller, question, page).await
}

/// `GET /user/audit_logs`: changes of what belongs to the caller's user: its accounts, as far as the credentials may see
/// their logs, and (with `API Tokens`) its tokens, its key and its own access rules.
///
/// # Errors
/// See `Failure`.
pub async fn of_user(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    let estate = office.estate();
    let user = ask.caller.user.ok_or_else(|| Failure::not_found("user behind these credentials"))?;
    if !ask.caller.grants.iter().any(|grant| grant.permission == READ.0 && grant.level >= READ.1) {
        return Err(Failure::unauthorized(
            "Unauthorized to access requested resource: it wants Account Settings Read",
        ));
    }
    let (narrowed, page, hides_user) = asked(&ask.query)?;
    let sees_user = ask.caller.grants.iter().any(|grant| grant.permission == Permission::ApiTokens);
    let owned = estate.accounts.iter().filter(|account| account.owner == user);
    let seen = owned.filter(|account| ask.caller.access(READ, account.id, None) == Access::Granted);
    let question = AuditAsk {
        accounts: seen.map(|account| account.id.to_string()).collect(),
        user: (sees_user && !hides_user).then(|| user.to_string()),
        ..narrowed
    };
    answer(&office, &ask.caller, question, page).await
}

/// What a query narrows the log to, which page of it is wanted, and whether what is the user's own is left out.
fn asked(query: &Query) -> Result<(AuditAsk, Page, bool), Failure> {
    let verb = query.word("action.type", &AuditVerb::ALL.map(AuditVerb::name))?;
    let ip = match query.text("actor.ip")? {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| wrong("actor.ip must be an address".into()))?),
    };
    let narrowed = AuditAsk {
        since: query.time("since")?,
        before: query.time("before")?,
        email: query.text("actor.email")?.map(str::to_owned),
        ip: ip.map(|ip| ip.to_string()),
        zone: query.text("zone.name")?.map(str::to_ascii_lowercase),
        verb: verb.and_then(|word| AuditVerb::ALL.into_iter().find(|verb| verb.name() == word)),
        id: query.id("id")?.map(parts),
        // The newest come first where nothing is said.
        oldest_first: query.word("direction", &["desc", "asc"])? == Some("asc"),
        ..AuditAsk::default()
    };
    let hides_user = query.flag("hide_user_logs")?.unwrap_or(false);
    let page = query.page()?;
    query.close()?;
    Ok((narrowed, Page { per_page: page.per_page.or(Some(PER_PAGE)), ..page }, hides_user))
}

/// The id of an entry: its version and its place in it.
fn id_of((version, place): (u64, u64)) -> Id {
    Id::from_bits(u128::from(version) << 64 | u128::from(place))
}

const fn parts(id: Id) -> (u64, u64) {
    ((id.bits() >> 64) as u64, id.bits() as u64)
}

async fn answer(office: &Office, caller: &Caller, question: AuditAsk, page: Page) -> Listed {
    let (offset, limit) = page.span();
    let estate = office.estate();
    let owner = |account: &String| estate.accounts.get(Id::parse(account)?).map(|account| account.owner);
    // A tenant reads of itself by name; of those who run the box it reads what they did, and not who and where they are.
    let known: Vec<Id> = question.accounts.iter().filter_map(owner).chain(caller.user).collect();
    let known = (!caller.rules_box(READ)).then_some(known);
    let names = known.as_ref().map(|known| known.iter().map(Id::to_string).collect());
    let found = office.audit(AuditAsk { known: names, offset, limit, ..question }).await?;
    let info = page.info(found.rows.len(), found.total);
    let rows = found.rows.into_iter().map(move |row| row_json(row, &estate, known.as_deref()));
    Ok(List::new(rows, info))
}

/// A request by method and path, or in a word.
fn plain_request(what: &str) -> &str {
    let is_method = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
    match what.split_once(' ') {
        Some((method, path)) if is_method(method) => {
            let len = method.len() + 1 + path.find([' ', ',']).unwrap_or(path.len());
            what.get(..len).unwrap_or(method)
        }
        Some(_) | None => "administration",
    }
}

fn row_json(mut row: AuditRow, estate: &Estate, known: Option<&[Id]>) -> Value {
    let interface = if row.actor.ip.is_some() { "API" } else { "admin socket" };
    let user = row.actor.user.as_deref().and_then(Id::parse);
    let is_known = known.is_none_or(|known| user.is_some_and(|user| known.contains(&user)));
    if !is_known {
        row.actor = Actor::default();
    }
    let verb = AuditVerb::of(row.before.is_some(), row.after.is_some());
    let account = row.account.as_deref().and_then(Id::parse).and_then(|account| estate.accounts.get(account));
    let owner = account.map(|account| account.owner.to_string()).or_else(|| row.user.clone());
    // What whoever runs the box imports from, and by which files, is not for tenants.
    let mut metadata =
        json!({ "request": if is_known { row.what.as_str() } else { plain_request(&row.what) } });
    if is_known {
        metadata["credentials"] = row.who.into();
    }
    if let Some(zone) = &row.zone {
        metadata["zone_name"] = zone.as_str().into();
    }
    json!({
        "id": id_of(row.id).to_string(),
        "action": { "type": verb.name(), "result": true },
        // Who comes over the admin socket has no user.
        "actor": {
            "id": row.actor.user,
            "email": row.actor.email,
            "ip": row.actor.ip,
            "type": if row.actor.user.is_some() { "user" } else { "admin" },
        },
        "interface": interface,
        "metadata": metadata,
        "newValue": row.after,
        "oldValue": row.before,
        "owner": { "id": owner },
        "resource": { "id": row.entity, "type": row.kind },
        "when": rfc3339(row.at),
    })
}

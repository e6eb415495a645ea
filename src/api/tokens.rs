//! API tokens in Cloudflare's shape (`/user/tokens`): policies of permission groups over resources. Nobody hands out more
//! than they hold.

use super::answer::{Answer, Failure, Success};
use super::ask::{Ask, path_id};
use super::code::ApiCode;
use super::credentials::{Secret, TokenText};
use super::fields::{self, maybe_text, name};
use super::list::Listed;
use super::office::{Office, Plan, internal};
use super::users;
use crate::base::limits::TOKENS_PER_USER_MAX;
use crate::control::rfc3339;
use crate::estate::{Change, Entity, Estate, Grant, Id, Level, Permission, Reach, Stamp, Token};
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The longest name of a token, in bytes.
pub const NAME_BYTES_MAX: usize = 120;
/// Policies of one token, and resources of one policy.
pub const POLICIES_MAX: usize = 50;
const RESOURCES_MAX: usize = 1_000;
/// In front of every resource.
const ACCOUNT: &str = "com.cloudflare.api.account.";
const ZONE: &str = "com.cloudflare.api.account.zone.";

/// `GET /user/tokens`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    listed(office, ask, Whose::Own).await
}

/// Tokens of a user.
///
/// # Errors
/// See `Failure`.
pub async fn listed(office: Arc<Office>, ask: Ask, whose: Whose) -> Listed {
    let shown = office.clone();
    office.look(move |estate| page(estate, &ask, (&whose, shown))).await
}

fn page(estate: &Estate, ask: &Ask, (whose, shown): (&Whose, Arc<Office>)) -> Listed {
    let (direction, page) = (ask.query.direction()?, ask.query.page()?);
    ask.query.close()?;
    let user = holder(ask, estate, whose)?;
    let mut tokens: Vec<_> = estate.tokens.iter().filter(|token| token.user == user).collect();
    tokens.sort_by_key(|token| (token.issued_on, token.id));
    if direction == super::query::Direction::Desc {
        tokens.reverse();
    }
    Ok(page.list(tokens, move |token| token_json(token, &shown)))
}

/// `POST /user/tokens`; `value` of the answer is the token, which is never shown again.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    created(&office, ask, Whose::Own).await
}

/// Makes a token of a user.
///
/// # Errors
/// See `Failure`.
pub async fn created(office: &Arc<Office>, ask: Ask, whose: Whose) -> Answer {
    let errand = ask.errand()?;
    let (id, secret, dry_run) = (office.new_id()?, Secret::draw().map_err(internal)?, errand.dry_run);
    let text = TokenText { id, secret };
    let shown = office.clone();
    office
        .change(errand, move |estate, now| {
            let user = holder(&ask, estate, &whose)?;
            if estate.tokens.iter().filter(|token| token.user == user).count() >= TOKENS_PER_USER_MAX {
                let text =
                    format!("the user has {TOKENS_PER_USER_MAX} tokens, which is all that one may have");
                return Err(Failure::unauthorized(text).with_code(ApiCode::Quota));
            }
            let body = ask.object()?;
            let (grants, policies) = grants(&ask, &body, estate)?;
            let token = Token {
                id: text.id,
                name: name(&body, "name", NAME_BYTES_MAX)?,
                user,
                hash: text.secret.hash(shown.hash_key()),
                grants,
                policies,
                enabled: true,
                issued_on: now,
                modified_on: now,
                expires_on: expiry(&ask, estate, (&body, now))?,
            };
            let mut answer = token_json(&token, &shown);
            // What a dry run would show opens nothing.
            if !dry_run {
                answer["value"] = text.text().into();
            }
            let mut change = Change::default();
            change.make(token);
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::of(answer)) })
        })
        .await
}

/// `GET /user/tokens/{id}`.
///
/// # Errors
/// See `Failure`.
pub async fn get(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    ask.query.close()?;
    let token = find(&ask, &office.estate(), (&Whose::Own, &id))?;
    Ok(Success::of(token_json(&token, &office)))
}

/// `PUT /user/tokens/{id}`: name, policies, expiry, status.
///
/// # Errors
/// See `Failure`.
pub async fn update(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let shown = office.clone();
    office
        .change(errand, move |estate, now| {
            let old = find(&ask, estate, (&Whose::Own, &id))?;
            refuse_more_than_held(&ask, &old.grants, estate)?;
            let body = ask.object()?;
            let enabled = match maybe_text(&body, "status", 16)?.as_deref() {
                None => old.enabled,
                Some("active") => true,
                Some("disabled") => false,
                Some(_) => return Err(fields::wrong("status", "must be active or disabled")),
            };
            let name = name(&body, "name", NAME_BYTES_MAX)?;
            let (grants, policies) = grants(&ask, &body, estate)?;
            let expires_on = expiry(&ask, estate, (&body, now))?;
            let token = Token { name, grants, policies, enabled, expires_on, ..Token::clone(&old) };
            let modified_on = if token == *old { old.modified_on } else { now };
            turned(old, Token { modified_on, ..token }, &shown)
        })
        .await
}

/// `PUT /user/tokens/{id}/value`: a new secret; the old one is worth nothing from then on.
///
/// # Errors
/// See `Failure`.
pub async fn roll(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    rolled(&office, ask, (Whose::Own, id)).await
}

/// Gives a token of a user a new secret.
///
/// # Errors
/// See `Failure`.
pub async fn rolled(office: &Arc<Office>, ask: Ask, (whose, id): (Whose, String)) -> Answer {
    let errand = ask.errand()?;
    let (secret, dry_run) = (Secret::draw().map_err(internal)?, errand.dry_run);
    let shown = office.clone();
    office
        .change(errand, move |estate, now| {
            let old = find(&ask, estate, (&whose, &id))?;
            refuse_more_than_held(&ask, &old.grants, estate)?;
            let text = (!dry_run).then(|| TokenText { id: old.id, secret }.text());
            let token = Token { hash: secret.hash(shown.hash_key()), modified_on: now, ..Token::clone(&old) };
            Ok(Plan { answer: Some(Success::of(text)), ..turned(old, token, &shown)? })
        })
        .await
}

/// `DELETE /user/tokens/{id}`: revoked from the next request on.
///
/// # Errors
/// See `Failure`.
pub async fn delete(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    deleted(&office, ask, (Whose::Own, id)).await
}

/// Revokes a token of a user.
///
/// # Errors
/// See `Failure`.
pub async fn deleted(office: &Arc<Office>, ask: Ask, (whose, id): (Whose, String)) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let token = find(&ask, estate, (&whose, &id))?;
            if ask.caller.token != Some(token.id) {
                refuse_more_than_held(&ask, &still_there(&token.grants, estate), estate)?;
            }
            let answer = Some(Success::of(json!({ "id": token.id.to_string() })));
            let mut change = Change::default();
            change.remove(Entity::Token(token));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// `GET /user/tokens/verify`.
///
/// # Errors
/// See `Failure`.
pub async fn verify(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.query.close()?;
    let estate = office.estate();
    let token = ask.caller.token.and_then(|id| estate.tokens.get(id));
    let token = token.ok_or_else(|| Failure::not_found("token behind these credentials"))?;
    let mut answer = json!({ "id": token.id.to_string(), "status": "active" });
    if let Some(until) = token.expires_on {
        answer["expires_on"] = rfc3339(until.0).into();
    }
    Ok(Success::of(answer))
}

/// `GET /user/tokens/permission_groups`.
///
/// # Errors
/// See `Failure`.
pub async fn permission_groups(ask: Ask) -> Answer {
    ask.query.close()?;
    let groups = all_groups().map(|(id, permission, level)| {
        let scopes = match is_of_account(permission) {
            true => vec!["com.cloudflare.api.account"],
            false => vec!["com.cloudflare.api.account.zone"],
        };
        json!({ "id": id.to_string(), "name": group_name(permission, level), "scopes": scopes })
    });
    Ok(Success::of(groups.collect::<Value>()))
}

/// Every group with its id, the same on every box.
fn all_groups() -> impl Iterator<Item = (Id, Permission, Level)> {
    const BASE: u128 = 0x6279_7761_7967_726f_7570_0000_0000_0000;
    let levels = (0_u128..).zip(Permission::ALL).flat_map(|(place, permission)| {
        [(2 * place, permission, Level::Read), (2 * place + 1, permission, Level::Write)]
    });
    levels.map(|(number, permission, level)| (Id::from_bits(BASE | number), permission, level))
}

fn group_name(permission: Permission, level: Level) -> String {
    let level = match level {
        Level::Read => "Read",
        Level::Write => "Write",
    };
    format!("{} {level}", permission.name())
}

const fn is_of_account(permission: Permission) -> bool {
    match permission {
        Permission::AccountSettings
        | Permission::IpPrefixes
        | Permission::BgpOnDemand
        | Permission::ApiTokens => true,
        Permission::ZoneSettings
        | Permission::Zone
        | Permission::Firewall
        | Permission::Dns
        | Permission::Ssl
        | Permission::Analytics => false,
    }
}

/// Whose tokens are meant.
#[derive(Clone, Debug)]
pub enum Whose {
    /// The caller's own.
    Own,
    /// Those of the user with this id, as it stands in the path; for those who rule the box.
    Of(String),
}

/// The user whose tokens are meant, with leave to see them.
fn holder(ask: &Ask, estate: &Estate, whose: &Whose) -> Result<Id, Failure> {
    if let Whose::Of(id) = whose {
        return users::find(ask, estate, id).map(|user| user.id);
    }
    let user = ask.caller.user.ok_or_else(|| Failure::not_found("user behind these credentials"))?;
    let may = ask
        .caller
        .grants
        .iter()
        .any(|grant| grant.permission == Permission::ApiTokens && grant.level == Level::Write);
    match may {
        true => Ok(user),
        false => {
            Err(Failure::unauthorized("Unauthorized to access requested resource: it wants API Tokens Write"))
        }
    }
}

fn find(ask: &Ask, estate: &Estate, (whose, id): (&Whose, &str)) -> Result<Arc<Token>, Failure> {
    let (user, id) = (holder(ask, estate, whose)?, path_id(id)?);
    let token = estate.tokens.get(id).filter(|token| token.user == user);
    token.cloned().ok_or_else(|| Failure::not_found("token"))
}

fn turned(old: Arc<Token>, token: Token, office: &Office) -> Result<Plan, Failure> {
    let mut change = Change::default();
    let answer = Some(Success::of(token_json(&token, office)));
    change.turn(Entity::Token(old), token);
    Ok(Plan { change, asked: Vec::new(), answer })
}

/// `expires_on`: a time to come, and not after that of the token that asks.
fn expiry(
    ask: &Ask,
    estate: &Estate,
    (body, now): (&Map<String, Value>, Stamp),
) -> Result<Option<Stamp>, Failure> {
    let bound = ask.caller.token.and_then(|id| estate.tokens.get(id)).and_then(|token| token.expires_on);
    let wanted = wanted_expiry(body, now)?;
    Ok(match (wanted, bound) {
        (Some(wanted), Some(bound)) => Some(wanted.min(bound)),
        (wanted, bound) => wanted.or(bound),
    })
}

fn wanted_expiry(body: &Map<String, Value>, now: Stamp) -> Result<Option<Stamp>, Failure> {
    let Some(text) = maybe_text(body, "expires_on", 40)? else { return Ok(None) };
    let time = crate::control::parse_rfc3339(&text).filter(|micros| *micros > now.0);
    let right = "must be a time to come such as 2030-01-31T12:00:00Z";
    time.map(|micros| Some(Stamp(micros))).ok_or_else(|| fields::wrong("expires_on", right))
}

/// What would narrow a token and is not served: left aside it would make one that does more than was asked for.
const UNSERVED: [&str; 2] = ["condition", "not_before"];

/// `policies` as grants: each group over each resource; how many each policy came to.
fn grants(ask: &Ask, body: &Map<String, Value>, estate: &Estate) -> Result<(Vec<Grant>, Vec<u32>), Failure> {
    let unserved = UNSERVED.into_iter().find(|key| body.get(*key).is_some_and(says_something));
    if let Some(key) = unserved {
        return Err(fields::wrong(key, "is not served: leave it out; the token would not be bound by it"));
    }
    let policies = body.get("policies").and_then(Value::as_array).filter(|list| !list.is_empty());
    let policies =
        policies.ok_or_else(|| fields::wrong("policies", "must be a list with at least one policy"))?;
    if policies.len() > POLICIES_MAX {
        return Err(fields::wrong("policies", &format!("holds more than {POLICIES_MAX} policies")));
    }
    let (mut grants, mut counts) = (Vec::new(), Vec::new());
    for (at, policy) in policies.iter().enumerate() {
        let wrong = |key: &str, text: &str| fields::wrong(&format!("policies/{at}/{key}"), text);
        if policy.get("effect").and_then(Value::as_str) != Some("allow") {
            return Err(wrong("effect", "must be allow; what is not allowed is denied"));
        }
        let reach = reach(policy.get("resources")).map_err(|text| wrong("resources", &text))?;
        let groups = policy.get("permission_groups").and_then(Value::as_array);
        let groups = groups.ok_or_else(|| wrong("permission_groups", "must be a list"))?;
        let mut named = Vec::new();
        for group in groups {
            let id = group.get("id").and_then(Value::as_str).and_then(Id::parse);
            let found = all_groups().find(|(known, _, _)| Some(*known) == id);
            let (_, permission, level) = found.ok_or_else(|| {
                wrong(
                    "permission_groups",
                    "holds an id that GET /user/tokens/permission_groups does not list",
                )
            })?;
            if !named.contains(&(permission, level)) {
                named.push((permission, level));
            }
        }
        if !named.is_empty() {
            counts.push((named.len() * reach.len()) as u32);
        }
        for (permission, level) in named {
            grants.extend(reach.iter().map(|reach| Grant { permission, level, reach: reach.clone() }));
        }
    }
    refuse_more_than_held(ask, &grants, estate)?;
    Ok((grants, counts))
}

/// Whether a value is more than empty lists and objects.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(says_something),
        Value::Object(fields) => fields.values().any(says_something),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// `{"com.cloudflare.api.account.ID": "*"}` and the like.
fn reach(resources: Option<&Value>) -> Result<Vec<Reach>, String> {
    let resources = resources.and_then(Value::as_object).filter(|map| !map.is_empty());
    let resources = resources.ok_or("must be an object with at least one resource")?;
    if resources.len() > RESOURCES_MAX {
        return Err(format!("holds more than {RESOURCES_MAX} resources"));
    }
    let (mut all, mut accounts, mut zones) = (None, Vec::new(), Vec::new());
    for (name, value) in resources {
        if value.as_str() != Some("*") {
            return Err(format!("{name}: the only value that is known is \"*\""));
        }
        match (name.strip_prefix(ZONE), name.strip_prefix(ACCOUNT)) {
            (Some("*"), _) => return Err(format!("{name}: name the zones, or their account by {ACCOUNT}ID")),
            (None, Some("*")) => all = Some(Reach::All),
            (Some(id), _) => zones.push(Id::parse(id).ok_or(format!("{name} names no zone"))?),
            (None, Some(id)) => accounts.push(Id::parse(id).ok_or(format!("{name} names no account"))?),
            (None, None) => return Err(format!("{name}: write {ACCOUNT}ID, {ZONE}ID or {ACCOUNT}*")),
        }
    }
    let accounts = (!accounts.is_empty()).then_some(Reach::Accounts(accounts));
    let zones = (!zones.is_empty()).then_some(Reach::Zones(zones));
    Ok(all.into_iter().chain(accounts).chain(zones).collect())
}

/// Nobody gives away what they do not have.
///
/// # Errors
/// 403.
pub fn refuse_more_than_held(ask: &Ask, grants: &[Grant], estate: &Estate) -> Result<(), Failure> {
    match grants.iter().all(|wanted| is_held(&ask.caller.grants, wanted, estate)) {
        true => Ok(()),
        false => Err(Failure::unauthorized("a token may do no more than the credentials that make it")),
    }
}

/// Whether some grants together hold all of another: each of its accounts and zones is reached by one of them. Who holds an
/// account holds its zones; a zone that is not there is held by those alone who hold it by name, or everything.
fn is_held(own: &[Grant], wanted: &Grant, estate: &Estate) -> bool {
    let mut reaches = own
        .iter()
        .filter(|own| own.permission == wanted.permission && own.level >= wanted.level)
        .map(|own| &own.reach);
    let holds_account = |reach: &Reach, account: Id| reach.covers(account, None);
    let holds_zone = |reach: &Reach, id: Id| match (estate.zones.get(id), reach) {
        (Some(zone), _) => reach.covers(zone.account, Some(id)),
        (None, Reach::All) => true,
        (None, Reach::Zones(zones)) => zones.contains(&id),
        (None, Reach::Accounts(_)) => false,
    };
    match &wanted.reach {
        Reach::All => reaches.any(|reach| *reach == Reach::All),
        Reach::Accounts(ids) => ids.iter().all(|id| reaches.clone().any(|reach| holds_account(reach, *id))),
        Reach::Zones(ids) => ids.iter().all(|id| reaches.clone().any(|reach| holds_zone(reach, *id))),
    }
}

/// Grants without the zones that are gone: who revokes a token need not hold what it does not open any more.
fn still_there(grants: &[Grant], estate: &Estate) -> Vec<Grant> {
    let there = |grant: &Grant| match &grant.reach {
        Reach::All | Reach::Accounts(_) => grant.clone(),
        Reach::Zones(ids) => {
            let ids = ids.iter().copied().filter(|id| estate.zones.get(*id).is_some());
            Grant { reach: Reach::Zones(ids.collect()), ..grant.clone() }
        }
    };
    grants.iter().map(there).collect()
}

fn token_json(token: &Token, office: &Office) -> Value {
    let expired = token.expires_on.is_some_and(|until| until <= office.now());
    let status = match (token.enabled, expired) {
        (false, _) => "disabled",
        (true, true) => "expired",
        (true, false) => "active",
    };
    let policies = (0_u32..).zip(policies_of(token)).map(|(at, grants)| policy_json(token.id, at, grants));
    let mut answer = json!({
        "id": token.id.to_string(),
        "name": token.name,
        "status": status,
        "issued_on": rfc3339(token.issued_on.0),
        "modified_on": rfc3339(token.modified_on.0),
        "policies": policies.collect::<Value>(),
    });
    if let Some(until) = token.expires_on {
        answer["expires_on"] = rfc3339(until.0).into();
    }
    if let Some(used) = office.last_used(token.id) {
        answer["last_used_on"] = rfc3339(used.0).into();
    }
    answer
}

/// The grants of each policy, as they were asked for; each by itself where that is not known.
fn policies_of(token: &Token) -> Vec<&[Grant]> {
    let sum: u64 = token.policies.iter().map(|count| u64::from(*count)).sum();
    if sum != token.grants.len() as u64 {
        return token.grants.chunks(1).collect();
    }
    let mut rest = token.grants.as_slice();
    let mut policies = Vec::with_capacity(token.policies.len());
    for count in &token.policies {
        let (policy, behind) = rest.split_at(*count as usize);
        policies.push(policy);
        rest = behind;
    }
    policies
}

/// Groups and resources in the order in which they were asked for: Terraform compares the text of `resources`.
fn policy_json(token: Id, at: u32, grants: &[Grant]) -> Value {
    let mut named: Vec<(Permission, Level)> = Vec::new();
    let mut resources: Map<String, Value> = Map::new();
    for grant in grants {
        let group = (grant.permission, grant.level);
        if !named.contains(&group) {
            named.push(group);
        }
        let names: Vec<String> = match &grant.reach {
            Reach::All => vec![format!("{ACCOUNT}*")],
            Reach::Accounts(ids) => ids.iter().map(|id| format!("{ACCOUNT}{id}")).collect(),
            Reach::Zones(ids) => ids.iter().map(|id| format!("{ZONE}{id}")).collect(),
        };
        resources.extend(names.into_iter().map(|name| (name, "*".into())));
    }
    let groups = named.iter().filter_map(|named| {
        let (id, permission, level) =
            all_groups().find(|(_, permission, level)| (*permission, *level) == *named)?;
        Some(json!({ "id": id.to_string(), "name": group_name(permission, level) }))
    });
    json!({
        "id": Id::from_bits(token.bits() ^ u128::from(at + 1)).to_string(),
        "effect": "allow",
        "permission_groups": groups.collect::<Value>(),
        "resources": resources,
    })
}

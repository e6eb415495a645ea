//! Users of the box and their keys, for those who rule it (`/byway/users`).

use super::answer::{Answer, Failure, Success};
use super::ask::{Ask, path_id};
use super::caller::grants_of;
use super::code::ApiCode;
use super::credentials::Secret;
use super::fields;
use super::list::Listed;
use super::office::{Office, Plan, internal};
use super::tenants::{in_use, rules_box};
use super::tokens::refuse_more_than_held;
use crate::control::rfc3339;
use crate::estate::{Change, Entity, Estate, Id, Permission, RuleHolder, User};
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;

/// Entities of one kind that a refusal names.
const NAMED_MAX: usize = 10;

/// `GET /byway/users`.
///
/// # Errors
/// See `Failure`.
pub async fn list(State(office): State<Arc<Office>>, ask: Ask) -> Listed {
    office.look(move |estate| page(estate, &ask)).await
}

fn page(estate: &Estate, ask: &Ask) -> Listed {
    let page = ask.query.page()?;
    ask.query.close()?;
    rules_box(ask, Permission::ApiTokens)?;
    Ok(page.list(estate.users.iter().collect(), user_json))
}

/// `POST /byway/users`: `{"email"}`; `key` of the answer is the user's `X-Auth-Key`, which is never shown again.
///
/// # Errors
/// See `Failure`.
pub async fn create(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (id, key, hash_key) = (office.new_id()?, Secret::draw().map_err(internal)?, *office.hash_key());
    let dry_run = errand.dry_run;
    office
        .change(errand, move |estate, now| {
            rules_box(&ask, Permission::ApiTokens)?;
            let email = fields::name(&ask.object()?, "email", 254)?;
            let parts = email.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty());
            if parts.is_none() || !email.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(fields::wrong("email", "must be an address such as ops@example.com"));
            }
            if estate.users.iter().any(|user| user.email.eq_ignore_ascii_case(&email)) {
                return Err(Failure::field(ApiCode::BadField.number(), "/email", "is a user's already"));
            }
            let user = User { id, email, key_hash: Some(key.hash(&hash_key)), created_on: now };
            let mut answer = user_json(&user);
            // What a dry run would show opens nothing.
            if !dry_run {
                answer["key"] = key.text().into();
            }
            let mut change = Change::default();
            change.make(user);
            Ok(Plan { change, asked: Vec::new(), answer: Some(Success::of(answer)) })
        })
        .await
}

/// `PUT /byway/users/{id}/key`: a new `X-Auth-Key`, which is never shown again; the old one is worth nothing from then on.
///
/// # Errors
/// See `Failure`.
pub async fn roll_key(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    let (key, hash_key, dry_run) = (Secret::draw().map_err(internal)?, *office.hash_key(), errand.dry_run);
    office
        .change(errand, move |estate, _| {
            let old = keyed(&ask, estate, &id)?;
            let user = User { key_hash: Some(key.hash(&hash_key)), ..User::clone(&old) };
            let mut answer = user_json(&user);
            if !dry_run {
                answer["key"] = key.text().into();
            }
            Ok(turned(old, user, answer))
        })
        .await
}

/// `DELETE /byway/users/{id}/key`: that way in is shut from the next request on.
///
/// # Errors
/// See `Failure`.
pub async fn revoke_key(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let old = keyed(&ask, estate, &id)?;
            let user = User { key_hash: None, ..User::clone(&old) };
            let answer = user_json(&user);
            Ok(turned(old, user, answer))
        })
        .await
}

/// `DELETE /byway/users/{id}`: only one that nothing refers to.
///
/// # Errors
/// See `Failure`; 400 with 10016 names what refers to it.
pub async fn delete(State(office): State<Arc<Office>>, Path(id): Path<String>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    office
        .change(errand, move |estate, _| {
            let user = find(&ask, estate, &id)?;
            let held = references(user.id, estate);
            if !held.is_empty() {
                return Err(in_use(format!("the user still has {}: delete them first", held.join("; "))));
            }
            let answer = Some(Success::of(json!({ "id": user.id.to_string() })));
            let mut change = Change::default();
            change.remove(Entity::User(user));
            Ok(Plan { change, asked: Vec::new(), answer })
        })
        .await
}

/// A user, for those who rule the box.
///
/// # Errors
/// 403 or 404.
pub fn find(ask: &Ask, estate: &Estate, id: &str) -> Result<Arc<User>, Failure> {
    rules_box(ask, Permission::ApiTokens)?;
    estate.users.get(path_id(id)?).cloned().ok_or_else(|| Failure::not_found("user"))
}

/// A user whose key somebody may give or take who holds all that it opens: else a key would be a way to more.
fn keyed(ask: &Ask, estate: &Estate, id: &str) -> Result<Arc<User>, Failure> {
    let user = find(ask, estate, id)?;
    refuse_more_than_held(ask, &grants_of(user.id, estate), estate)?;
    Ok(user)
}

fn turned(old: Arc<User>, user: User, answer: Value) -> Plan {
    let mut change = Change::default();
    change.turn(Entity::User(old), user);
    Plan { change, asked: Vec::new(), answer: Some(Success::of(answer)) }
}

/// What refers to a user, a few words a kind.
fn references(user: Id, estate: &Estate) -> Vec<String> {
    let accounts = estate.accounts.iter().filter(|account| account.owner == user).map(|account| account.id);
    let tokens = estate.tokens.iter().filter(|token| token.user == user).map(|token| token.id);
    let rules = estate.rules_of(RuleHolder::User(user)).map(|rule| rule.id);
    let all = [
        ("account", accounts.collect::<Vec<_>>()),
        ("token", tokens.collect()),
        ("access rule", rules.collect()),
    ];
    all.iter().filter(|(_, ids)| !ids.is_empty()).map(|(what, ids)| counted(what, ids)).collect()
}

fn counted(what: &str, ids: &[Id]) -> String {
    let named: Vec<String> = ids.iter().take(NAMED_MAX).map(Id::to_string).collect();
    let more = if ids.len() > named.len() { ", ..." } else { "" };
    format!("{} {what}(s) ({}{more})", ids.len(), named.join(", "))
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id.to_string(),
        "email": user.email,
        "has_key": user.key_hash.is_some(),
        "created_on": rfc3339(user.created_on.0),
    })
}

//! Everything that the box holds as one document, and back: over the admin socket alone, since it bears the secrets of all
//! tenants and can make any entity of any of them.

use super::answer::{Answer, ErrorItem, Failure, Success};
use super::ask::Ask;
use super::code::ApiCode;
use super::credentials::hex;
use super::fields;
use super::office::{Office, Plan, internal};
use super::revived::revived;
use crate::estate::{self, Change, Estate, Misfit, Secrets};
use crate::table::AppId;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Entities of one answer that are named.
const NAMED_MAX: usize = 1_000;
/// Apps of one import whose states are told.
const ASKED_MAX: usize = 100;

/// `GET /byway/export`; with `secrets=true` with the secrets, which the caller is to encrypt before they are written anywhere.
///
/// # Errors
/// See `Failure`.
pub async fn export(State(office): State<Arc<Office>>, ask: Ask) -> Result<Response, Failure> {
    let with_secrets = ask.query.flag("secrets")?.unwrap_or(false);
    ask.query.close()?;
    for_admins(&ask)?;
    // As large as the estate is: others are answered while it is written.
    let written = tokio::task::spawn_blocking(move || {
        let estate = office.estate();
        let result = json!({
            "document": estate::export(&estate),
            "secrets": with_secrets.then(|| with_key(&estate, office.hash_key())),
        });
        Success::of(result).into_response()
    });
    written.await.map_err(|_| internal("an export ended in the middle"))
}

/// The secrets of an estate with the key that their hashes were made under.
pub fn with_key(estate: &Estate, hash_key: &[u8; 32]) -> Value {
    let mut secrets = estate::secrets(estate);
    secrets["hash_key"] = hex(hash_key).into();
    secrets
}

/// `POST /byway/import`: `{"document", "secrets", "leave_out", "confirm_within"}`; makes and changes what the document names, in one change.
///
/// # Errors
/// See `Failure`; all that is wrong with the document at once.
pub async fn import(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.errand()?;
    for_admins(&ask)?;
    let (errand, body) = ask.errand_on_trial()?;
    let (terms, hash_key) = (office.terms.clone(), *office.hash_key());
    let plan = move |present: &Estate, _| {
        let mut body = Value::Object(body);
        let leave_out = body["leave_out"].as_bool().unwrap_or(false);
        let (document, secrets) = (body["document"].take(), body["secrets"].take());
        if document.is_null() {
            return Err(fields::wrong("document", "is missing"));
        }
        let same_key = secrets["hash_key"].as_str() == Some(&hex(&hash_key));
        let secrets = Secrets { all: &secrets, same_key, leave_out };
        let change = estate::import(&document, secrets, present, &terms.reserved).map_err(misfit)?;
        let answer = Some(Success::of(told(&change)).saying(revived(&change, present)));
        Ok(Plan { asked: apps(&change), change, answer })
    };
    office.change(errand, plan).await
}

/// What an import comes to.
pub fn told(change: &Change) -> Value {
    let edits = change.edits();
    let made = edits.iter().filter(|edit| edit.before.is_none()).count();
    let named = edits.iter().take(NAMED_MAX).map(|edit| {
        let what = if edit.before.is_none() { "made" } else { "changed" };
        json!({ "kind": edit.key.kind.name(), "id": edit.key.id.to_string(), "what": what })
    });
    json!({ "made": made, "changed": edits.len() - made, "changes": named.collect::<Value>() })
}

fn apps(change: &Change) -> Vec<AppId> {
    let apps = change.edits().iter().filter(|edit| edit.key.kind == estate::Kind::App);
    apps.take(ASKED_MAX).map(|edit| edit.key.id.app()).collect()
}

fn for_admins(ask: &Ask) -> Result<(), Failure> {
    match ask.caller.is_limited {
        false => Ok(()),
        true => Err(Failure::unauthorized("everything is exported and imported over the admin socket alone")),
    }
}

fn misfit(misfits: Vec<Misfit>) -> Failure {
    // An entity that the store has is no place of the document's.
    let item = |Misfit { place, text }: Misfit| match place.starts_with('/') {
        true => ErrorItem::at(ApiCode::BadField.number(), place, text),
        false if place.is_empty() => ErrorItem::new(ApiCode::BadField, text),
        false => ErrorItem::new(ApiCode::BadField, format!("{place}: {text}")),
    };
    let errors = misfits.into_iter().map(item).collect();
    Failure { status: StatusCode::BAD_REQUEST, errors, retry_after_s: None }
}

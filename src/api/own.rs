//! What Cloudflare's API does not have: copies of the store and going back, for those who rule the box.

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::fields;
use super::office::Office;
use super::tenants::rules_box;
use crate::estate::Permission;
use axum::extract::State;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// `POST /byway/backup`: `{"to": PATH}`; over the admin socket alone, since it writes a file on this machine.
///
/// # Errors
/// See `Failure`.
pub async fn backup(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.query.close()?;
    if ask.caller.is_limited {
        return Err(Failure::unauthorized("a copy of the store is made over the admin socket alone"));
    }
    let to = PathBuf::from(fields::text(&ask.object()?, "to", 4_096)?);
    if !to.is_absolute() {
        return Err(fields::wrong("to", "must be an absolute path"));
    }
    office.backup(to.clone()).await?;
    Ok(Success::of(json!({ "to": to })))
}

/// `POST /byway/rollback`: `{"version": N, "confirm_within": S}` puts everything but users, tokens and letters back to what it was after
/// version N; a change of its own, which can be taken back as well, and goes back by itself where it is on trial.
///
/// # Errors
/// See `Failure`.
pub async fn roll_back(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.errand()?;
    rules_box(&ask, Permission::AccountSettings)?;
    let (errand, body) = ask.errand_on_trial()?;
    let number = body.get("version").and_then(Value::as_u64);
    let number = number.ok_or_else(|| fields::wrong("version", "must be the number of a version"))?;
    office.roll_back(errand, number, ask).await
}

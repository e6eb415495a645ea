//! What Cloudflare's API does not have: history and copies of the store, for those who rule the box.

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::fields;
use super::office::Office;
use super::tenants::rules_box;
use crate::control::rfc3339;
use crate::estate::Permission;
use crate::vault::{RowEdit, Version};
use axum::extract::State;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Changes of one answer.
pub const HISTORY_MAX: usize = 100;

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

/// `GET /byway/history`: the last changes, newest first, with who, what, before and after.
///
/// # Errors
/// See `Failure`.
pub async fn history(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let before = ask.query.whole("before", 1..=i64::MAX as usize)?.map(|number| number as u64);
    let count = ask.query.whole("limit", 1..=HISTORY_MAX)?.unwrap_or(20);
    ask.query.close()?;
    rules_box(&ask, Permission::AccountSettings)?;
    let versions = office.history(before, count).await?;
    let base = office.trial().map(|trial| trial.base);
    let told = versions.iter().map(|version| {
        let mut told = version_json(version);
        told["on_trial"] = base.is_some_and(|base| version.number > base).into();
        told
    });
    Ok(Success::of(told.collect::<Value>()))
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

fn version_json(version: &Version) -> Value {
    let entry = &version.entry;
    let body =
        |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let edit = |edit: &RowEdit| json!({ "kind": edit.kind, "id": edit.id, "before": body(&edit.before), "after": body(&edit.after) });
    json!({
        "version": version.number,
        "when": rfc3339(entry.at),
        "actor": entry.who,
        "action": entry.what,
        "changes": entry.edits.iter().map(edit).collect::<Value>(),
        "forgotten": version.forgotten,
    })
}

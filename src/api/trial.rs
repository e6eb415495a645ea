//! A trial for those who rule the box: begun, looked at, confirmed, taken back. Over the admin socket alone but for the look:
//! going back may give again what was taken from somebody meanwhile.

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::fields;
use super::office::Office;
use super::tenants::rules_box;
use crate::estate::Permission;
use axum::extract::State;
use serde_json::json;
use std::sync::Arc;

/// `GET /byway/trial`: what is on trial, and how long.
///
/// # Errors
/// See `Failure`.
pub async fn look(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.query.close()?;
    rules_box(&ask, Permission::AccountSettings)?;
    Ok(Success::of(json!({ "trial": office.trial_json() })))
}

/// `POST /byway/trial`: `{"confirm_within": S}`; from now on all that is changed is on trial.
///
/// # Errors
/// See `Failure`.
pub async fn begin(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    ask.errand()?;
    for_admins(&ask)?;
    let (errand, _) = ask.errand_on_trial()?;
    let missing = || fields::wrong("confirm_within", "is missing: seconds until all goes back by itself");
    let within_s = errand.confirm_within.ok_or_else(missing)?;
    office.begin_trial(errand, within_s).await
}

/// `POST /byway/trial/confirm`: all of it stays.
///
/// # Errors
/// See `Failure`.
pub async fn confirm(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    for_admins(&ask)?;
    office.confirm_trial(errand).await
}

/// `POST /byway/trial/revert`: all of it is taken back now.
///
/// # Errors
/// See `Failure`.
pub async fn revert(State(office): State<Arc<Office>>, ask: Ask) -> Answer {
    let errand = ask.errand()?;
    for_admins(&ask)?;
    office.revert_trial(errand).await
}

fn for_admins(ask: &Ask) -> Result<(), Failure> {
    match ask.caller.is_limited {
        false => Ok(()),
        true => Err(Failure::unauthorized("trials begin and end over the admin socket alone")),
    }
}

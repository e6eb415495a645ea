//! What the compiler said of a change, in words for whoever asked for it.

use super::answer::{ErrorItem, Failure};
use super::code::ApiCode;
use crate::control::config::Problem;
use crate::table::{AppId, AppState};
use axum::http::StatusCode;

/// Refusals of the compiler that are told.
const REFUSALS_MAX: usize = 50;

/// What the compiler said of a change; places and paths of the whole table are not the caller's to know.
pub fn refused(problems: Vec<Problem>) -> Failure {
    let item = |problem: Problem| {
        let code = problem.code.unwrap_or(ApiCode::BadField.number());
        ErrorItem { code, ..ErrorItem::new(ApiCode::BadField, problem.text) }
    };
    let errors: Vec<ErrorItem> = problems.into_iter().take(REFUSALS_MAX).map(item).collect();
    Failure { status: StatusCode::BAD_REQUEST, errors, retry_after_s: None }
}

/// Fields of an app that are accepted and not in force.
pub fn words(id: AppId, state: &AppState) -> Vec<String> {
    let name = state.name();
    state
        .missing()
        .iter()
        .map(|missing| format!("app {id} is {name}: {}: {}", missing.field(), missing.text()))
        .collect()
}

//! What a client asks to know with whom it speaks: the document of the API, whether byway is alive, whether it carries traffic.

use super::answer::{Answer, Failure, Success};
use super::ask::Ask;
use super::office::Office;
use super::openapi;
use crate::control::desk::Readiness;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// `GET /openapi.json`. By any credentials: so the gate has no exception.
///
/// # Errors
/// See `Failure`.
pub async fn openapi(ask: Ask) -> Result<Response, Failure> {
    ask.query.close()?;
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind)], openapi::served()).into_response())
}

/// `GET /healthz`.
///
/// # Errors
/// 503: the control loop does not answer.
pub async fn healthz(State(office): State<Arc<Office>>) -> Answer {
    match office.readiness().await {
        Some(_) => Ok(Success::of(json!({ "status": "ok" }))),
        None => Err(Failure::unavailable("the control loop does not answer")),
    }
}

/// `GET /readyz`.
///
/// # Errors
/// 503: byway carries no traffic, or the control loop does not answer.
pub async fn readyz(State(office): State<Arc<Office>>) -> Answer {
    match office.readiness().await {
        Some(Readiness::Ready) => Ok(Success::of(json!({ "status": "ready" }))),
        Some(Readiness::Degraded(why)) => Ok(Success::of(json!({ "status": "degraded" })).saying(why)),
        Some(Readiness::NotReady(why)) => Err(Failure::unavailable(why)),
        None => Err(Failure::unavailable("the control loop does not answer")),
    }
}

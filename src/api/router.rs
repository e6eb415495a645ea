//! Paths -> handlers, and what every request goes through first: credentials, rates, the body's bound, a time limit.

use super::addressing::{address_maps, bgp, bindings, delegations, loa, prefixes};
use super::answer::{ErrorItem, Failure, Success};
use super::ask::Ask;
use super::caller::{Caller, Peer, offer};
use super::code::ApiCode;
use super::office::Office;
use super::query::Query;
use super::rates::Standing;
use super::{apps, certificates, moving, own, rules, tenants, tokens};
use crate::base::limits::{API_BODY_BYTES_MAX, API_IMPORT_BYTES_MAX};
use crate::control::desk::Readiness;
use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request may take; a change goes on by itself.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// All paths. Those below `/client/v4` want credentials.
pub fn router(office: Arc<Office>) -> Router {
    let v4 = Router::new()
        .merge(spectrum())
        .merge(tenancy())
        .merge(tokens())
        .merge(addressing())
        .merge(access_rules())
        .merge(custom_certificates())
        .merge(own())
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(office.clone(), gate));
    Router::new()
        .nest("/client/v4", v4)
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(no_route)
        .with_state(office)
}

fn spectrum() -> Router<Arc<Office>> {
    Router::new()
        .route("/zones/{zone}/spectrum/apps", get(apps::list).post(apps::create))
        .route(
            "/zones/{zone}/spectrum/apps/{id}",
            get(apps::get).put(apps::update).patch(apps::edit).delete(apps::delete),
        )
        .route("/zones/{zone}/spectrum/protocols", get(apps::protocols))
}

fn tenancy() -> Router<Arc<Office>> {
    Router::new()
        .route("/accounts", get(tenants::accounts).post(tenants::make_account))
        .route("/accounts/{account}", get(tenants::account).delete(tenants::delete_account))
        .route("/zones", get(tenants::zones).post(tenants::make_zone))
        .route("/zones/{zone}", get(tenants::zone).delete(tenants::delete_zone))
        .route("/user", get(tenants::user))
}

/// Below `/accounts/{account}/addressing`, and byway's own approval.
fn addressing() -> Router<Arc<Office>> {
    let within = Router::new()
        .route("/services", get(bindings::services))
        .route("/prefixes", get(prefixes::list).post(prefixes::create))
        .route("/prefixes/{id}", get(prefixes::get).patch(prefixes::edit).delete(prefixes::delete))
        .route("/prefixes/{id}/validate", post(prefixes::validate))
        .route("/prefixes/{id}/bindings", get(bindings::list).post(bindings::create))
        .route("/prefixes/{id}/bindings/{binding}", get(bindings::get).delete(bindings::delete));
    let routes = Router::new()
        .route("/prefixes/{id}/bgp/status", get(bgp::status).patch(bgp::set_status))
        .route("/prefixes/{id}/bgp/prefixes", get(bgp::list).post(bgp::create))
        .route("/prefixes/{id}/bgp/prefixes/{route}", get(bgp::get).patch(bgp::edit).delete(bgp::delete))
        .route("/prefixes/{id}/delegations", get(delegations::list).post(delegations::create))
        .route("/prefixes/{id}/delegations/{delegation}", delete(delegations::delete));
    let beside = Router::new()
        .route("/address_maps", get(address_maps::list).post(address_maps::create))
        .route(
            "/address_maps/{id}",
            get(address_maps::get).patch(address_maps::edit).delete(address_maps::delete),
        )
        .route("/address_maps/{id}/{kind}/{member}", put(address_maps::put).delete(address_maps::remove))
        .route("/loa_documents", get(loa::list).post(loa::create))
        .route("/loa_documents/{id}", delete(loa::delete))
        .route("/loa_documents/{id}/download", get(loa::download));
    Router::new()
        .nest("/accounts/{account}/addressing", within.merge(routes).merge(beside))
        .route("/byway/prefixes/{id}/approve", post(prefixes::approve))
        .route("/byway/prefixes/{id}/revoke", post(prefixes::revoke))
}

fn tokens() -> Router<Arc<Office>> {
    Router::new()
        .route("/user/tokens", get(tokens::list).post(tokens::create))
        .route("/user/tokens/verify", get(tokens::verify))
        .route("/user/tokens/permission_groups", get(tokens::permission_groups))
        .route("/user/tokens/{id}", get(tokens::get).put(tokens::update).delete(tokens::delete))
        .route("/user/tokens/{id}/value", put(tokens::roll))
}

fn custom_certificates() -> Router<Arc<Office>> {
    Router::new()
        .route("/zones/{zone}/custom_certificates", get(certificates::list).post(certificates::create))
        .route("/zones/{zone}/custom_certificates/prioritize", put(certificates::prioritize))
        .route(
            "/zones/{zone}/custom_certificates/{id}",
            get(certificates::get).patch(certificates::edit).delete(certificates::delete),
        )
}

fn access_rules() -> Router<Arc<Office>> {
    Router::new()
        .route("/zones/{of}/firewall/access_rules/rules", get(rules::zone_list).post(rules::zone_create))
        .route("/zones/{of}/firewall/access_rules/rules/batch", post(rules::zone_batch))
        .route(
            "/zones/{of}/firewall/access_rules/rules/{id}",
            get(rules::zone_get).patch(rules::zone_edit).delete(rules::zone_delete),
        )
        .route(
            "/accounts/{of}/firewall/access_rules/rules",
            get(rules::account_list).post(rules::account_create),
        )
        .route("/accounts/{of}/firewall/access_rules/rules/batch", post(rules::account_batch))
        .route(
            "/accounts/{of}/firewall/access_rules/rules/{id}",
            get(rules::account_get).patch(rules::account_edit).delete(rules::account_delete),
        )
        .route("/user/firewall/access_rules/rules", get(rules::user_list).post(rules::user_create))
        .route("/user/firewall/access_rules/rules/batch", post(rules::user_batch))
        .route(
            "/user/firewall/access_rules/rules/{id}",
            get(rules::user_get).patch(rules::user_edit).delete(rules::user_delete),
        )
}

/// What Cloudflare's API does not have.
fn own() -> Router<Arc<Office>> {
    Router::new()
        .route("/byway/backup", post(own::backup))
        .route("/byway/export", get(moving::export))
        .route("/byway/history", get(own::history))
        .route("/byway/import", post(moving::import))
        .route("/byway/rollback", post(own::roll_back))
        .route("/byway/users", get(own::users).post(own::make_user))
}

/// Lets callers in, counts them, and bounds the time.
async fn gate(State(office): State<Arc<Office>>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return super::office::internal("a request without a peer").into_response();
    };
    let (admitted, standing) = office.admit(offer(request.headers()), peer);
    let mut response = match admitted {
        Err(failure) => failure.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            match timeout(PATIENCE, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Failure::unavailable("the request took too long").into_response(),
            }
        }
    };
    if let Some(standing) = standing {
        rate_headers(&mut response, standing, office.policy());
    }
    response
}

/// `Ratelimit` and `Ratelimit-Policy`, as Cloudflare writes them.
fn rate_headers(response: &mut Response, standing: Standing, (limit, length_s): (u32, u64)) {
    let values = [
        ("ratelimit", format!("\"default\";r={};t={}", standing.left, standing.until_s)),
        ("ratelimit-policy", format!("\"default\";q={limit};w={length_s}")),
    ];
    for (name, text) in values {
        // Digits and quotes are a header's value.
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Ask {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| super::office::internal("a request without a caller"))?;
        let is_import = !caller.is_limited && parts.uri.path().ends_with("/byway/import");
        let bytes_max = if is_import { API_IMPORT_BYTES_MAX } else { API_BODY_BYTES_MAX };
        let read = timeout(BODY_PATIENCE, axum::body::to_bytes(body, bytes_max)).await;
        let body = match read {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let text = format!("the body is larger than {bytes_max} bytes, or was cut off");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, ApiCode::TooLarge, text));
            }
            Err(_) => {
                let text = "the body did not come in time";
                return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, ApiCode::BadJson, text));
            }
        };
        let path = parts.uri.path();
        Ok(Self {
            caller,
            what: format!("{} {path}", parts.method),
            query: Query::parse(parts.uri.query().unwrap_or("")),
            body,
        })
    }
}

async fn no_route(request: Request) -> Failure {
    let path = crate::base::outside::quoted(request.uri().path());
    let text = format!("Could not route to {path}, perhaps your object identifier is invalid?");
    Failure::of(StatusCode::NOT_FOUND, ErrorItem::new(ApiCode::NoRoute, text))
}

async fn no_method(request: Request) -> Failure {
    let text = format!("Method {} not allowed for this path", request.method());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, ApiCode::Method, text)
}

async fn healthz(State(office): State<Arc<Office>>) -> Response {
    match office.readiness().await {
        Some(_) => Success::of(json!({ "status": "ok" })).into_response(),
        None => Failure::unavailable("the control loop does not answer").into_response(),
    }
}

async fn readyz(State(office): State<Arc<Office>>) -> Response {
    match office.readiness().await {
        Some(Readiness::Ready) => Success::of(json!({ "status": "ready" })).into_response(),
        Some(Readiness::Degraded(why)) => {
            Success::of(json!({ "status": "degraded" })).saying(why).into_response()
        }
        Some(Readiness::NotReady(why)) => Failure::unavailable(why).into_response(),
        None => Failure::unavailable("the control loop does not answer").into_response(),
    }
}

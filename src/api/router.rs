//! Operations -> a router, and what every request goes through first: credentials, rates, the body's bound, a time limit.

use super::answer::{ErrorItem, Failure};
use super::ask::Ask;
use super::caller::{Caller, Peer, offer};
use super::code::ApiCode;
use super::office::Office;
use super::openapi::{Operation, Want};
use super::operations;
use super::query::Query;
use super::rates::Standing;
use crate::base::limits::{API_BODY_BYTES_MAX, API_IMPORT_BYTES_MAX};
use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request may take that changes nothing.
const PATIENCE: Duration = Duration::from_secs(75);
/// Paths whose bodies hold a whole box.
const IMPORTS: [&str; 2] = ["/byway/import", "/byway/import/cloudflare"];
/// How long a body may take to come.
const BODY_PATIENCE: Duration = Duration::from_secs(20);

/// All operations, and no path beside them. Those below `/client/v4` want credentials.
pub fn router(office: Arc<Office>) -> Router {
    let (open, closed): (Vec<_>, Vec<_>) =
        operations::all().into_iter().partition(|operation| operation.want == Want::Nothing);
    let v4 = routes(closed)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(office.clone(), gate));
    routes(open)
        .nest("/client/v4", v4)
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .with_state(office)
}

fn routes(operations: Vec<Operation>) -> Router<Arc<Office>> {
    let add =
        |router: Router<Arc<Office>>, operation: Operation| router.route(operation.path, operation.handler);
    operations.into_iter().fold(Router::new(), add)
}

/// Lets callers in, counts them, and bounds the time.
async fn gate(State(office): State<Arc<Office>>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return super::office::internal("a request without a peer").into_response();
    };
    let (admitted, standing) = office.admit(offer(request.headers()), peer);
    let mut response = match admitted {
        Err(failure) => failure.into_response(),
        Ok(_) if !is_text(request.uri().path()) => no_route(request).await.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            // A change that has begun is waited for: whoever was told before its end that it failed would ask again. How long its
            // body, its turn and its checks take has bounds of their own.
            let limit = if request.method().is_safe() { PATIENCE } else { Duration::MAX };
            match timeout(limit, next.run(request)).await {
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

/// Whether a path is UTF-8, with what stands behind `%` in it: no id and no path of ours is anything else.
fn is_text(path: &str) -> bool {
    percent_encoding::percent_decode_str(path).decode_utf8().is_ok()
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
        let is_import = !caller.is_limited && IMPORTS.iter().any(|path| parts.uri.path().ends_with(path));
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

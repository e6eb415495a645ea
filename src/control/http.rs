//! `/metrics` for Prometheus, `/healthz` and `/readyz` for probes; loopback unless the boot config says otherwise. One
//! request a connection, so many connections at once, and each for so long.

use super::bounded::BoundedListener;
use super::desk::{Desk, Inquiry, Readiness};
use crate::base::outside::OneLine;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the control loop may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may last: the request, the control loop's patience, the answer.
const LIFE: Duration = Duration::from_secs(20);
/// The exposition format's content type.
const PROMETHEUS: [(HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

/// A bound listener for probes and metrics.
pub struct MetricsListener(TcpListener);

impl MetricsListener {
    /// Binds `address`.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// The address in use.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers until the process ends. Inside a runtime.
    ///
    /// # Errors
    /// When the runtime does not take the listener.
    pub async fn serve(self, desk: Desk) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.0)?;
        axum::serve(BoundedListener::new(listener, CONNECTIONS_MAX, LIFE), router(desk)).await
    }
}

fn router(desk: Desk) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(map_response(last_one))
        .with_state(desk)
}

/// A connection that waited for a next request would hold a place.
async fn last_one(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn metrics(State(desk): State<Desk>) -> impl IntoResponse {
    match inquire(&desk, Inquiry::Metrics).await {
        Some(text) => (StatusCode::OK, PROMETHEUS, text),
        None => (StatusCode::SERVICE_UNAVAILABLE, PROMETHEUS, String::new()),
    }
}

/// Healthy means that the control loop turns; a dead worker ends the process.
async fn healthz(State(desk): State<Desk>) -> impl IntoResponse {
    match inquire(&desk, Inquiry::Ready).await {
        Some(_) => (StatusCode::OK, "ok\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the control loop does not answer\n"),
    }
}

async fn readyz(State(desk): State<Desk>) -> impl IntoResponse {
    match inquire(&desk, Inquiry::Ready).await {
        Some(Readiness::Ready) => (StatusCode::OK, "ready\n".to_owned()),
        Some(Readiness::Degraded(why)) => (StatusCode::OK, format!("degraded\n{}", lines(&why))),
        Some(Readiness::NotReady(why)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}", lines(&[why])))
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "not ready\nthe control loop does not answer\n".to_owned()),
    }
}

/// Reasons, a line each.
fn lines(reasons: &[String]) -> String {
    reasons.iter().map(|reason| format!("{}\n", OneLine(reason))).collect()
}

async fn inquire<T>(desk: &Desk, inquiry: impl FnOnce(oneshot::Sender<T>) -> Inquiry) -> Option<T> {
    let (reply, answered) = oneshot::channel();
    let asked = async {
        if !desk.put(inquiry(reply)).await {
            return None;
        }
        answered.await.ok()
    };
    timeout(PATIENCE, asked).await.ok().flatten()
}

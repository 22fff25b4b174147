//! What stands around every operation: a time limit, a net for panics, a count.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use tokio::time::timeout;

use super::problem::Problem;
use crate::telemetry::metrics::Metrics;

/// Longest time for one request.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Guard {
    pub(super) operation: &'static str,
    pub(super) metrics: Metrics,
}

pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(timeout(LIMIT, next.run(request))).catch_unwind();
    let mut response = match answer.await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the request took too long")
            .into_response(),
        Err(_) => {
            guard.metrics.panicked("esc");
            Problem::internal().into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    guard.metrics.answered_esc(guard.operation, status);
    tracing::debug!(operation = guard.operation, status, "Answered a request");
    response
}

//! Probes and metrics over plain HTTP.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::initialized::Initialized;
use super::shutdown::Drain;
use crate::telemetry::metrics::Metrics;

/// What the probes tell.
#[derive(Clone)]
pub(super) struct Admin {
    metrics: Metrics,
    initialized: Initialized,
    drain: Drain,
}

impl Admin {
    pub(super) fn new(metrics: Metrics, initialized: Initialized, drain: Drain) -> Self {
        Self {
            metrics,
            initialized,
            drain,
        }
    }
}

/// Serves `/livez`, `/readyz`, `/healthz` and `/metrics` for as long as it is polled.
pub(super) async fn serve(admin: Admin, listener: TcpListener) {
    let router = Router::new()
        .route("/livez", get(live))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(error = %error, "Failed to serve probes");
    }
}

async fn live() -> &'static str {
    "ok"
}

async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    if admin.drain.is_started() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining".to_owned());
    }
    let waiting = admin.initialized.waiting();
    if waiting.is_empty() {
        (StatusCode::OK, "ok".to_owned())
    } else {
        let text = format!("waiting for {}", waiting.join(", "));
        (StatusCode::SERVICE_UNAVAILABLE, text)
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        admin.metrics.encode(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn probes_tell_what_is_waited_for() {
        let initialized = Initialized::default();
        let handle = initialized.add("caches");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::new();
        let admin = Admin::new(Metrics::new(), initialized, drain.clone());
        let server = tokio::spawn(serve(admin, listener));
        let get = |path: &'static str| async move {
            let response = reqwest::get(format!("http://{address}{path}"))
                .await
                .unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        assert_eq!(get("/livez").await, (200, "ok".to_owned()));
        assert_eq!(get("/readyz").await, (503, "waiting for caches".to_owned()));
        handle.ready();
        assert_eq!(get("/readyz").await, (200, "ok".to_owned()));
        assert_eq!(get("/metrics").await.0, 200);
        drain.start();
        assert_eq!(get("/readyz").await, (503, "draining".to_owned()));
        server.abort();
    }
}

//! Doubles of the services that providers speak to over HTTP: each keeps state, checks credentials and
//! the shape of requests, and can be told to fail.
//!
//! They listen on loopback and end with the test that started them.

#![allow(
    dead_code,
    reason = "each test uses a part of it, and providers may be left out of a build"
)]
#![allow(clippy::unused_async, reason = "axum takes async functions alone")]

#[path = "fakes/akeyless.rs"]
pub(crate) mod akeyless;
#[path = "fakes/barbican.rs"]
pub(crate) mod barbican;
#[path = "fakes/conjur.rs"]
pub(crate) mod conjur;
#[path = "fakes/doppler.rs"]
pub(crate) mod doppler;
#[cfg(feature = "provider-github")]
#[path = "fakes/github.rs"]
pub(crate) mod github;
#[path = "fakes/gitlab.rs"]
pub(crate) mod gitlab;
#[path = "fakes/infisical.rs"]
pub(crate) mod infisical;
#[path = "fakes/onepassword.rs"]
pub(crate) mod onepassword;
#[path = "fakes/webhook.rs"]
pub(crate) mod webhook;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request that came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// What goes wrong with requests.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<u64>,
    pub(crate) delay: Duration,
    /// How many requests fail; then it is over.
    pub(crate) times: usize,
    /// Whether the answer repeats what the request sent.
    pub(crate) is_echo: bool,
    /// Requests that do not fail.
    pub(crate) spares: fn(&str) -> bool,
}

impl Fault {
    pub(crate) fn new(status: u16, spares: fn(&str) -> bool) -> Self {
        Self {
            status,
            body: json!({"message": format!("it is {status}")}).to_string(),
            retry_after: None,
            delay: Duration::ZERO,
            times: usize::MAX,
            is_echo: false,
            spares,
        }
    }
}

#[derive(Clone, Default)]
struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// A running double; it ends when dropped.
pub(crate) struct Fake {
    pub(crate) uri: String,
    watch: Watch,
    task: JoinHandle<()>,
}

impl Fake {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        Self::on(listener.expect("a loopback port must be free"), router)
    }

    pub(crate) fn on(listener: TcpListener, router: Router) -> Self {
        let watch = Watch::default();
        let address = listener.local_addr().expect("the socket must be bound");
        let app = router.layer(from_fn_with_state(watch.clone(), pass));
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.ok();
        });
        Self {
            uri: format!("http://{address}"),
            watch,
            task,
        }
    }

    /// Makes requests fail from now on.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        let mut slot = self.watch.fault.lock().expect("no test panics with it");
        *slot = fault;
    }

    /// Requests whose method and path begin so.
    pub(crate) fn seen(&self, method: &str, begin: &str) -> Vec<Seen> {
        let seen = self.watch.seen.lock().expect("no test panics with it");
        let matches =
            |one: &&Seen| one.method.as_str() == method && one.uri.path().starts_with(begin);
        seen.iter().filter(matches).cloned().collect()
    }

    pub(crate) fn calls(&self, method: &str, begin: &str) -> usize {
        self.seen(method, begin).len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(watch): State<Watch>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let seen = Seen {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    let path = parts.uri.path().to_owned();
    let sent = echo(&seen);
    if let Ok(mut all) = watch.seen.lock() {
        all.push(seen);
    }
    if let Some(fault) = due(&watch, &path) {
        tokio::time::sleep(fault.delay).await;
        let status = StatusCode::from_u16(fault.status).unwrap_or_default();
        let body = if fault.is_echo { sent } else { fault.body };
        let mut response = (status, body).into_response();
        if let Some(seconds) = fault.retry_after {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        return response;
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// A refusal that repeats the headers and the body.
fn echo(seen: &Seen) -> String {
    let headers = seen.headers.values();
    let headers = headers.filter_map(|value| value.to_str().ok());
    let headers: Vec<_> = headers.collect();
    let body = String::from_utf8_lossy(&seen.body);
    json!({"message": format!("not good: {} {body}", headers.join(" "))}).to_string()
}

fn due(watch: &Watch, path: &str) -> Option<Fault> {
    let mut slot = watch.fault.lock().ok()?;
    let fault = slot.as_mut()?;
    if (fault.spares)(path) || fault.times == 0 {
        return None;
    }
    fault.times -= 1;
    Some(fault.clone())
}

/// An answer of JSON.
pub(crate) fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let kind = [("content-type", "application/json")];
    (status, kind, body.to_string()).into_response()
}

/// The value of a header, or nothing.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

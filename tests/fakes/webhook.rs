//! An HTTP API of somebody's own: a document a key, behind a token.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::json;

use super::{answer, header};

pub(crate) const TOKEN: &str = "hunter2-webhook-token";

type Documents = Arc<Mutex<BTreeMap<String, String>>>;

pub(crate) fn router() -> Router {
    let app = r#"{"user": "hunter2-user", "port": 5432}"#;
    let large = r#"{"a": "x", "b": 2, "big": 12345678901234567890}"#;
    let documents = [("word", "hunter2-word"), ("app", app), ("large", large)];
    let documents = documents.map(|(key, text)| (key.to_owned(), text.to_owned()));
    let state: Documents = Arc::new(Mutex::new(documents.into()));
    Router::new()
        .route("/doc/{key}", get(read).post(write).delete(remove))
        .with_state(state)
}

fn is_known(headers: &HeaderMap) -> bool {
    header(headers, "x-token") == TOKEN
}

async fn read(State(all): State<Documents>, Path(key): Path<String>, head: HeaderMap) -> Response {
    if !is_known(&head) {
        return answer(401, &json!({"message": "unknown token"}));
    }
    let all = all.lock().expect("no test panics with it");
    match all.get(&key) {
        Some(text) => axum::response::IntoResponse::into_response(text.clone()),
        None => answer(404, &json!({"message": "no such document"})),
    }
}

async fn write(
    State(all): State<Documents>,
    Path(key): Path<String>,
    head: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_known(&head) {
        return answer(401, &json!({"message": "unknown token"}));
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    all.lock()
        .expect("no test panics with it")
        .insert(key, text);
    answer(201, &json!({}))
}

async fn remove(
    State(all): State<Documents>,
    Path(key): Path<String>,
    head: HeaderMap,
) -> Response {
    if !is_known(&head) {
        return answer(401, &json!({"message": "unknown token"}));
    }
    let removed = all.lock().expect("no test panics with it").remove(&key);
    answer(if removed.is_some() { 200 } else { 404 }, &json!({}))
}

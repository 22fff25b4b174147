//! Conjur with account `acme`: variables behind a host's API key or a JWT.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{answer, header};

/// As long as Conjur's own.
const KEY: &str = "hunter2-api-key-3w4xk8h1n2p7q9r5t6v0yab3cd4ef5gh6jk7mn8p";
pub(crate) const LOGIN: [&str; 2] = ["host/apps/app", KEY];
const TOKEN: &str = r#"{"protected":"x","payload":"hunter2-conjur-token","signature":"y"}"#;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/authn/acme/{login}/authenticate", post(by_key))
        .route("/authn/acme/login", get(login))
        .route("/authn-jwt/k8s/acme/authenticate", post(by_jwt))
        .route("/secrets/acme/variable/{id}", get(read))
        .route("/secrets", get(batch))
        .route("/resources/acme/variable", get(list))
        .route("/resources/acme", get(list))
}

fn said(status: u16, code: &str, message: &str) -> Response {
    answer(
        status,
        &json!({"error": {"code": code, "message": message}}),
    )
}

fn values() -> BTreeMap<&'static str, &'static str> {
    [
        ("word", "hunter2-word"),
        ("app", r#"{"user": "hunter2-user", "port": 5432}"#),
        ("apps/db/password", "deep"),
    ]
    .into()
}

/// Clients ask for base64 by the encoding they accept.
fn granted(head: &HeaderMap) -> Response {
    if header(head, "accept-encoding") == "base64" {
        return STANDARD.encode(TOKEN).into_response();
    }
    TOKEN.into_response()
}

async fn by_key(Path(login): Path<String>, head: HeaderMap, body: String) -> Response {
    if [login.as_str(), body.as_str()] == LOGIN {
        granted(&head)
    } else {
        said(401, "unauthorized", "")
    }
}

/// Gives the API key for a password, which here is the key.
async fn login(head: HeaderMap) -> Response {
    let expected = STANDARD.encode(LOGIN.join(":"));
    if header(&head, "authorization") == format!("Basic {expected}") {
        LOGIN[1].into_response()
    } else {
        said(401, "unauthorized", "")
    }
}

async fn by_jwt(head: HeaderMap, body: String) -> Response {
    if body == "jwt=team/app/conjur/600" {
        granted(&head)
    } else {
        said(401, "unauthorized", "")
    }
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let expected = format!("Token token=\"{}\"", STANDARD.encode(TOKEN));
    let is_known = header(head, "authorization") == expected;
    (!is_known).then(|| said(401, "unauthorized", "Token expired"))
}

async fn read(
    Path(id): Path<String>,
    asked: Query<BTreeMap<String, String>>,
    head: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    if asked.get("version").is_some_and(|version| version == "1") {
        return "first".into_response();
    }
    match values().get(id.as_str()) {
        Some(value) => (*value).into_response(),
        None => {
            let message = format!("CONJ00076E Variable acme:variable:{id} is empty or not found.");
            said(404, "not_found", &message)
        }
    }
}

async fn batch(asked: Query<BTreeMap<String, String>>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let ids = asked.get("variable_ids").cloned().unwrap_or_default();
    let mut found = BTreeMap::new();
    for full in ids.split(',') {
        let id = full.strip_prefix("acme:variable:").unwrap_or_default();
        match values().get(id) {
            Some(value) => {
                found.insert(full.to_owned(), (*value).to_owned());
            }
            None => {
                let message = format!("CONJ00076E Variable {full} is empty or not found.");
                return said(404, "not_found", &message);
            }
        }
    }
    answer(200, &json!(found))
}

async fn list(asked: Query<BTreeMap<String, String>>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let offset: usize = asked
        .get("offset")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let ids = ["word", "app", "apps/db/password", "apps/empty"];
    let resource = |id: &str| {
        let annotations = json!([{"name": "team", "value": "a", "policy": "acme:policy:root"}]);
        let annotations = if id.contains('/') {
            annotations
        } else {
            json!([])
        };
        json!({"id": format!("acme:variable:{id}"), "owner": "acme:user:admin",
            "policy": "acme:policy:root", "permissions": [], "annotations": annotations})
    };
    let all: Vec<Value> = ids.into_iter().skip(offset).map(resource).collect();
    answer(200, &json!(all))
}

//! GitHub with an app 1 installed as 2 in organisation `acme`; it opens what is sealed for its key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use crypto_box::SecretKey;
use serde_json::{Value, json};

use super::{answer, header};

const TOKEN: &str = "ghs_hunter2-installation";
const SEAL: [u8; 32] = [7; 32];

/// What is kept: values by name, and the public key of the app.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) secrets: Arc<Mutex<BTreeMap<String, (String, String)>>>,
    app: Arc<Vec<u8>>,
}

impl Store {
    pub(crate) fn new(public_key: &[u8]) -> Self {
        Self {
            secrets: Arc::default(),
            app: Arc::new(public_key.to_vec()),
        }
    }

    pub(crate) fn router(&self) -> Router {
        let secrets = "/api/v3/orgs/acme/actions/secrets";
        let one = get(read).put(write).delete(remove);
        Router::new()
            .route("/api/v3/app/installations/2/access_tokens", post(exchange))
            .route(secrets, get(list))
            .route(&format!("{secrets}/public-key"), get(key))
            .route(&format!("{secrets}/{{name}}"), one.clone())
            .route(
                "/api/v3/repos/acme/app/actions/secrets/public-key",
                get(key),
            )
            .route("/api/v3/repos/acme/app/actions/secrets/{name}", one)
            .with_state(self.clone())
    }
}

fn said(status: u16, message: &str) -> Response {
    answer(
        status,
        &json!({"message": message, "documentation_url": "x"}),
    )
}

fn is_signed(app: &[u8], claim: &str) -> Option<Value> {
    let (signed, signature) = claim.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, app);
    key.verify(signed.as_bytes(), &signature).ok()?;
    let body = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&body).ok()
}

async fn exchange(State(store): State<Store>, head: HeaderMap) -> Response {
    let sent = header(&head, "authorization");
    let claim = sent.strip_prefix("Bearer ").unwrap_or_default();
    match is_signed(&store.app, claim) {
        Some(body) if body["iss"] == json!("1") => {
            let until = "1970-01-12T14:46:40Z";
            answer(201, &json!({"token": TOKEN, "expires_at": until}))
        }
        _ => said(401, "A JSON web token could not be decoded"),
    }
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let sent = header(head, "authorization");
    let is_known = sent == format!("Bearer {TOKEN}") || sent == format!("token {TOKEN}");
    (!is_known).then(|| said(401, "Bad credentials"))
}

async fn list(State(store): State<Store>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let count = store.secrets.lock().expect("no test panics with it").len();
    answer(200, &json!({"total_count": count, "secrets": []}))
}

async fn key(head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let public = SecretKey::from(SEAL).public_key();
    let key = STANDARD.encode(public.as_bytes());
    answer(200, &json!({"key_id": "k1", "key": key}))
}

async fn read(State(store): State<Store>, Path(name): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let secrets = store.secrets.lock().expect("no test panics with it");
    match secrets.get(&name) {
        Some((_, visibility)) => answer(
            200,
            &json!({"name": name, "visibility": visibility,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}),
        ),
        None => said(404, "Not Found"),
    }
}

async fn write(
    State(store): State<Store>,
    Path(name): Path<String>,
    head: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let sealed = STANDARD.decode(body["encrypted_value"].as_str().unwrap_or_default());
    let opened = SecretKey::from(SEAL).unseal(&sealed.unwrap_or_default());
    let (Ok(opened), true) = (opened, body["key_id"] == json!("k1")) else {
        return said(422, "Bad request - cannot be decrypted");
    };
    let value = String::from_utf8_lossy(&opened).into_owned();
    let visibility = body["visibility"].as_str().unwrap_or_default().to_owned();
    let mut secrets = store.secrets.lock().expect("no test panics with it");
    secrets.insert(name, (value, visibility));
    StatusCode::CREATED.into_response()
}

async fn remove(State(store): State<Store>, Path(name): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let mut secrets = store.secrets.lock().expect("no test panics with it");
    match secrets.remove(&name) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => said(404, "Not Found"),
    }
}

//! Doppler: one config `app/dev` behind a service token, or a token exchanged for a ServiceAccount's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{answer, header};

pub(crate) const TOKEN: &str = "dp.st.hunter2-service";
const EXCHANGED: &str = "dp.oidc.hunter2-exchanged";

type Secrets = Arc<Mutex<BTreeMap<String, String>>>;
type Asked = Query<BTreeMap<String, String>>;

pub(crate) fn router() -> Router {
    let app = r#"{"user": "hunter2-user", "port": 5432}"#;
    let secrets = [("word", "hunter2-word"), ("app", app), ("DB_URL", "db://x")];
    let secrets = secrets.map(|(key, text)| (key.to_owned(), text.to_owned()));
    let state: Secrets = Arc::new(Mutex::new(secrets.into()));
    Router::new()
        .route("/v3/configs/config/secrets/download", get(download))
        .route("/v3/configs/config/secrets", get(list).post(change))
        .route("/v3/auth/oidc", post(exchange))
        .with_state(state)
}

fn refusal(head: &HeaderMap, project: Option<&str>, config: Option<&str>) -> Option<Response> {
    let sent = header(head, "authorization");
    let bearer = sent.strip_prefix("Bearer ").map(str::to_owned);
    let basic = sent.strip_prefix("Basic ").and_then(|text| {
        let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        Some(text.trim_end_matches(':').to_owned())
    });
    let token = bearer.or(basic).unwrap_or_default();
    if token != TOKEN && token != EXCHANGED {
        let said = json!({"messages": ["Invalid Auth token"], "success": false});
        return Some(answer(401, &said));
    }
    if project.is_some_and(|it| it != "app") || config.is_some_and(|it| it != "dev") {
        let said = json!({"messages": ["Could not find requested config"], "success": false});
        return Some(answer(404, &said));
    }
    None
}

async fn download(State(all): State<Secrets>, asked: Asked, head: HeaderMap) -> Response {
    let named = |name: &str| asked.get(name).map(String::as_str);
    if let Some(refusal) = refusal(&head, named("project"), named("config")) {
        return refusal;
    }
    let all = all.lock().expect("no test panics with it").clone();
    let changed: BTreeMap<String, String> = all
        .into_iter()
        .map(|(name, value)| match named("name_transformer") {
            Some("lower-kebab") => (name.to_lowercase().replace('_', "-"), value),
            _ => (name, value),
        })
        .collect();
    match named("format") {
        Some("env") => {
            let lines: Vec<_> = changed
                .iter()
                .map(|(name, value)| format!("{name}=\"{value}\"\n"))
                .collect();
            lines.concat().into_response()
        }
        _ => answer(200, &json!(changed)),
    }
}

async fn list(State(all): State<Secrets>, asked: Asked, head: HeaderMap) -> Response {
    let named = |name: &str| asked.get(name).map(String::as_str);
    if let Some(refusal) = refusal(&head, named("project"), named("config")) {
        return refusal;
    }
    let all = all.lock().expect("no test panics with it").clone();
    let shown = |value: String| json!({"raw": value.clone(), "computed": value, "note": ""});
    let secrets: BTreeMap<_, _> = all
        .into_iter()
        .map(|(name, value)| (name, shown(value)))
        .collect();
    answer(200, &json!({"success": true, "secrets": secrets}))
}

async fn change(State(all): State<Secrets>, head: HeaderMap, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = refusal(&head, body["project"].as_str(), body["config"].as_str()) {
        return refusal;
    }
    let mut all = all.lock().expect("no test panics with it");
    for (name, value) in body["secrets"].as_object().into_iter().flatten() {
        all.insert(name.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    for change in body["change_requests"].as_array().into_iter().flatten() {
        if change["shouldDelete"] == json!(true) {
            all.remove(change["name"].as_str().unwrap_or_default());
        }
    }
    answer(200, &json!({"success": true, "secrets": {}}))
}

/// Takes the token of one account, for Doppler and this store.
async fn exchange(Json(body): Json<Value>) -> Response {
    let token = body["token"].as_str().unwrap_or_default();
    let is_bound = token.starts_with("team/app/http://127.0.0.1:")
        && token.ends_with(",secretStore:team:main/600");
    if body["identity"] != json!("id-1") || !is_bound {
        let said = json!({"messages": ["Invalid identity"], "success": false});
        return answer(400, &said);
    }
    let until = "1970-01-12T14:46:40Z";
    answer(
        200,
        &json!({"token": EXCHANGED, "expires_at": until, "success": true}),
    )
}

//! Akeyless with static secrets behind an access key or a ServiceAccount's token.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer;

pub(crate) const LOGIN: [&str; 2] = ["p-1", "hunter2-access-key"];
const TOKEN: &str = "t-hunter2-akeyless";

/// Values and tags by name.
type Secrets = Arc<Mutex<BTreeMap<String, (String, Vec<String>)>>>;

pub(crate) fn router() -> Router {
    let app = r#"{"user": "hunter2-user", "port": 5432}"#;
    let secrets = [
        ("word", "hunter2-word"),
        ("app", app),
        ("/team/db", "db://x"),
    ];
    let secrets = secrets.map(|(name, value)| {
        let tags = vec![format!("of-{}", name.trim_start_matches('/'))];
        (name.to_owned(), (value.to_owned(), tags))
    });
    let state: Secrets = Arc::new(Mutex::new(secrets.into()));
    Router::new()
        .route("/{call}", post(called))
        .with_state(state)
}

fn said(status: u16, message: &str) -> Response {
    answer(status, &json!({"error": message}))
}

fn log_in(body: &Value) -> Response {
    // The vendor's client sends more fields, each with its default.
    let by_key = body["access-id"] == json!(LOGIN[0])
        && body["access-type"] == json!("access_key")
        && body["access-key"] == json!(LOGIN[1]);
    let token = STANDARD.encode("team/app/akeyless/600");
    let is_account = body["access-type"] == json!("k8s")
        && body["k8s-auth-config-name"] == json!("conf")
        && body["k8s-service-account-token"] == json!(token);
    if by_key || is_account {
        return answer(200, &json!({"token": TOKEN}));
    }
    said(401, "Failed to authenticate")
}

async fn called(
    State(all): State<Secrets>,
    Path(call): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if call == "auth" {
        return log_in(&body);
    }
    if body["token"] != json!(TOKEN) {
        return said(401, "Unauthorized: token expired");
    }
    let mut all = all.lock().expect("no test panics with it");
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    let value = body["value"].as_str().unwrap_or_default().to_owned();
    match call.as_str() {
        "get-secret-value" => {
            let mut found = BTreeMap::new();
            for name in body["names"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                let Some((value, _)) = all.get(name) else {
                    return said(404, "Status 404 Not Found, Message: item was not found");
                };
                found.insert(name.to_owned(), value.clone());
            }
            answer(200, &json!(found))
        }
        "list-items" => {
            let path = body["path"].as_str().unwrap_or("/");
            let inside = all
                .iter()
                .filter(|(name, _)| path == "/" || name.starts_with(path));
            let items: Vec<_> = inside
                .map(|(name, (_, tags))| json!({"item_name": name, "item_type": "STATIC_SECRET", "item_tags": tags}))
                .collect();
            answer(200, &json!({"items": items, "next_page": ""}))
        }
        "describe-item" => match all.get(&name) {
            Some((_, tags)) => answer(200, &json!({"item_name": name, "item_tags": tags})),
            None => said(404, "item was not found"),
        },
        "create-secret" if !all.contains_key(&name) => {
            let tags = body["tags"].as_array().into_iter().flatten();
            let tags = tags.filter_map(Value::as_str).map(str::to_owned).collect();
            all.insert(name.clone(), (value, tags));
            answer(200, &json!({"name": name}))
        }
        "update-secret-val" if all.contains_key(&name) => {
            if let Some(entry) = all.get_mut(&name) {
                entry.0 = value;
            }
            answer(200, &json!({"name": name}))
        }
        "delete-item" => {
            all.remove(&name);
            answer(200, &json!({"deleted": true}))
        }
        _ => said(400, "no such call"),
    }
}

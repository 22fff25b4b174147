//! Infisical with project `app`, environment `dev` and folders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{answer, header};

pub(crate) const CLIENT: [&str; 2] = ["client-1", "hunter2-client-secret"];
const TOKEN: &str = "hunter2-access-token";
const PROJECT: &str = "project-1";

/// Values by folder and name.
type Secrets = Arc<Mutex<BTreeMap<(String, String), String>>>;
type Asked = Query<BTreeMap<String, String>>;

pub(crate) fn router() -> Router {
    let app = r#"{"user": "hunter2-user", "port": 5432}"#;
    let secrets = [
        ("/", "word", "hunter2-word"),
        ("/", "app", app),
        ("/db", "URL", "db://x"),
    ];
    let secrets = secrets
        .map(|(folder, name, value)| ((folder.to_owned(), name.to_owned()), value.to_owned()));
    let one = get(read).post(create).patch(update).delete(remove);
    Router::new()
        .route("/api/v1/auth/universal-auth/login", post(universal))
        .route("/api/v1/auth/jwt-auth/login", post(jwt))
        .route("/api/v2/workspace/{slug}", get(project))
        .route("/api/v3/secrets/raw", get(list))
        .route("/api/v3/secrets/raw/{name}", one)
        .with_state(Arc::new(Mutex::new(secrets.into())))
}

fn said(status: u16, message: &str) -> Response {
    answer(
        status,
        &json!({"statusCode": status, "message": message, "error": "x", "reqId": "r"}),
    )
}

fn granted() -> Response {
    let granted = json!({"accessToken": TOKEN, "expiresIn": 7200, "accessTokenMaxTTL": 7200, "tokenType": "Bearer"});
    answer(200, &granted)
}

async fn universal(Json(body): Json<Value>) -> Response {
    if body["clientId"] != json!(CLIENT[0]) || body["clientSecret"] != json!(CLIENT[1]) {
        return said(401, "Invalid credentials");
    }
    granted()
}

async fn jwt(Json(body): Json<Value>) -> Response {
    if body["identityId"] == json!("id-1") && body["jwt"] == json!("hunter2-jwt") {
        return granted();
    }
    said(403, "Access denied: wrong JWT")
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let is_known = header(head, "authorization") == format!("Bearer {TOKEN}");
    (!is_known).then(|| said(401, "Token is not valid"))
}

async fn project(Path(slug): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    match slug.as_str() {
        "app" => answer(200, &json!({"id": PROJECT, "slug": slug, "name": "App"})),
        _ => said(404, "Project not found"),
    }
}

const SINCE: &str = "2026-01-01T00:00:00.000Z";

fn shown(at: &(String, String), value: &str) -> Value {
    json!({"id": at.1, "_id": at.1, "createdAt": SINCE, "updatedAt": SINCE, "workspace": PROJECT, "environment": "dev", "version": 1, "type": "shared",
        "secretKey": at.1, "secretValue": value, "secretComment": "", "secretPath": at.0})
}

#[expect(clippy::result_large_err, reason = "an answer, made where it is given")]
fn folder(asked: &BTreeMap<String, String>) -> Result<String, Response> {
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|found| found == value);
    if !is("workspaceSlug", "app") && !is("workspaceId", PROJECT) {
        return Err(said(404, "Project not found"));
    }
    if !is("environment", "dev") {
        return Err(said(404, "Environment not found"));
    }
    let path = asked.get("secretPath").cloned();
    let path = path.unwrap_or_else(|| "/".to_owned());
    if path == "/" || path == "/db" || path == "/closed" {
        Ok(path)
    } else {
        Err(said(404, &format!("Folder with path '{path}' not found")))
    }
}

async fn list(State(all): State<Secrets>, asked: Asked, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let folder = match folder(&asked) {
        Ok(folder) if folder == "/closed" => return said(403, "may not list"),
        Ok(folder) => folder,
        Err(refusal) => return refusal,
    };
    let is_recursive = asked.get("recursive").is_some_and(|it| it == "true");
    let all = all.lock().expect("no test panics with it");
    let inside = all
        .iter()
        .filter(|((of, _), _)| *of == folder || is_recursive && of.starts_with(&folder));
    let secrets: Vec<_> = inside.map(|(at, value)| shown(at, value)).collect();
    answer(200, &json!({"secrets": secrets, "imports": []}))
}

async fn read(
    State(all): State<Secrets>,
    Path(name): Path<String>,
    asked: Asked,
    head: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let folder = match folder(&asked) {
        Ok(folder) => folder,
        Err(refusal) => return refusal,
    };
    if folder == "/closed" {
        let at = (folder, name);
        return answer(200, &json!({"secret": shown(&at, "one by one")}));
    }
    let all = all.lock().expect("no test panics with it");
    let at = (folder, name);
    match all.get(&at) {
        Some(value) => answer(200, &json!({"secret": shown(&at, value)})),
        None => said(404, "Secret not found"),
    }
}

async fn write(
    all: &Secrets,
    name: String,
    head: &HeaderMap,
    body: &Value,
    is_new: bool,
) -> Response {
    if let Some(refusal) = refusal(head) {
        return refusal;
    }
    if body["workspaceId"] != json!(PROJECT) || body["environment"] != json!("dev") {
        return said(404, "Project not found");
    }
    let folder = body["secretPath"].as_str().unwrap_or("/").to_owned();
    let at = (folder, name);
    let mut all = all.lock().expect("no test panics with it");
    if all.contains_key(&at) == is_new {
        return said(400, "Secret already exists, or does not");
    }
    let value = body["secretValue"].as_str().unwrap_or_default();
    all.insert(at.clone(), value.to_owned());
    answer(200, &json!({"secret": shown(&at, value)}))
}

async fn create(
    State(all): State<Secrets>,
    Path(name): Path<String>,
    head: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    write(&all, name, &head, &body, true).await
}

async fn update(
    State(all): State<Secrets>,
    Path(name): Path<String>,
    head: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    write(&all, name, &head, &body, false).await
}

async fn remove(
    State(all): State<Secrets>,
    Path(name): Path<String>,
    head: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let folder = body["secretPath"].as_str().unwrap_or("/").to_owned();
    let at = (folder, name);
    let removed = all.lock().expect("no test panics with it").remove(&at);
    match removed {
        Some(value) => answer(200, &json!({"secret": shown(&at, &value)})),
        None => said(404, "Secret not found"),
    }
}

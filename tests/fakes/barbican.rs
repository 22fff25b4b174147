//! Keystone and Barbican behind one address.

use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{answer, header};

pub(crate) const LOGIN: [&str; 2] = ["svc-app", "hunter2-password"];
/// An id of `word` as Barbican gives them.
pub(crate) const WORD_ID: &str = "6a1f2f7c-3d52-4b8e-9a41-0d2f1c5b7e90";
const TOKEN: &str = "gAAAA-hunter2-keystone";

pub(crate) fn router() -> Router {
    Router::new()
        .route("/v3/auth/tokens", post(log_in))
        .route("/key-manager", get(versions))
        .route("/key-manager/v1/", get(versions))
        .route("/key-manager/v1/secrets", get(list))
        .route("/key-manager/v1/secrets/{id}", get(about))
        .route("/key-manager/v1/secrets/{id}/payload", get(payload))
}

async fn log_in(head: HeaderMap, Json(body): Json<Value>) -> Response {
    let user = json!({"name": LOGIN[0], "password": LOGIN[1], "domain": {"name": "Default"}});
    let expected = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "team", "domain": {"name": "Default"}}}}});
    if body != expected {
        let message = "The request you have made requires authentication.";
        let error = json!({"code": 401, "title": "Unauthorized", "message": message});
        return answer(401, &json!({"error": error}));
    }
    let here = format!("http://{}/key-manager", header(&head, "host"));
    let endpoint =
        |region: &str, url: &str| json!({"interface": "public", "region": region, "url": url});
    let endpoints = [
        endpoint("far", "http://127.0.0.1:1"),
        endpoint("near", &here),
    ];
    let catalog = json!([{"type": "compute", "endpoints": []}, {"type": "key-manager", "endpoints": endpoints}]);
    let token = json!({"expires_at": "1970-01-12T14:46:40.000000Z", "catalog": catalog});
    let mut response = answer(201, &json!({"token": token}));
    let value = TOKEN.parse().expect("the token must be a header");
    response.headers_mut().insert("x-subject-token", value);
    response
}

async fn versions(uri: Uri, head: HeaderMap) -> Response {
    let here = format!("http://{}/key-manager/v1/", header(&head, "host"));
    let version = json!({"id": "v1", "status": "CURRENT", "min_version": "1.0", "max_version": "1.1",
        "links": [{"rel": "self", "href": here}]});
    if uri.path().ends_with("/v1/") {
        return answer(200, &json!({"version": version}));
    }
    answer(300, &json!({"versions": [version]}))
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let is_known = header(head, "x-auth-token") == TOKEN;
    (!is_known).then(|| answer(401, &json!({"code": 401, "title": "Unauthorized"})))
}

async fn list(head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let secret =
        |name: &str| json!({"name": name, "secret_ref": format!("http://b/v1/secrets/{name}")});
    answer(
        200,
        &json!({"secrets": [secret("word"), secret("app")], "total": 2}),
    )
}

async fn about(Path(id): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let body = json!({"name": "word", "status": "ACTIVE", "secret_type": "opaque",
        "content_types": {"default": "text/plain"}, "created": "2026-01-01T00:00:00",
        "updated": "2026-01-01T00:00:00", "secret_ref": format!("http://b/v1/secrets/{id}")});
    if id == WORD_ID {
        return answer(200, &body);
    }
    let missing = json!({"code": 404, "title": "Not Found"});
    answer(404, &missing)
}

async fn payload(Path(id): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    match id.as_str() {
        "word" | WORD_ID => "hunter2-word".into_response(),
        "app" => r#"{"user": "hunter2-user", "port": 5432}"#.into_response(),
        _ => {
            let text = "Sorry but your secret is in another container.";
            answer(
                404,
                &json!({"code": 404, "title": "Not Found", "description": text}),
            )
        }
    }
}

//! GitLab with project 7 in two groups; lists have pages of two.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::{answer, header};

pub(crate) const TOKEN: &str = "glpat-hunter2-access";
const PAGE: usize = 2;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/api/v4/projects/{id}/variables", get(of_project))
        .route("/api/v4/projects/{id}/variables/{key}", get(one_of_project))
        .route("/api/v4/projects/{id}/groups", get(groups))
        .route("/api/v4/groups/{id}/variables", get(of_group))
}

fn variable(key: &str, scope: &str, value: &Value) -> Value {
    json!({"key": key, "value": value, "environment_scope": scope, "variable_type": "env_var",
        "protected": false, "masked": true, "hidden": value.is_null(), "raw": true})
}

fn project() -> Vec<Value> {
    let app = json!(r#"{"user": "hunter2-user", "port": 5432}"#);
    vec![
        variable("OTHER_A", "*", &json!("all")),
        variable("word", "*", &json!("hunter2-word")),
        variable("app", "*", &app),
        variable("OTHER_A", "prod", &json!("prod")),
        variable("EMPTY", "*", &json!("")),
        variable("SHY", "*", &Value::Null),
    ]
}

fn group(id: &str) -> Vec<Value> {
    let name = if id == "1" { "outer" } else { "inner" };
    vec![
        variable("OF_GROUP", "*", &json!(name)),
        variable("OTHER_A", "prod", &json!("of a group")),
    ]
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let by_header = header(head, "private-token") == TOKEN;
    let is_known = by_header || header(head, "authorization") == format!("Bearer {TOKEN}");
    (!is_known).then(|| answer(401, &json!({"message": "401 Unauthorized"})))
}

fn page(
    path: &str,
    head: &HeaderMap,
    asked: &BTreeMap<String, String>,
    items: &[Value],
) -> Response {
    if let Some(refusal) = refusal(head) {
        return refusal;
    }
    let number: usize = asked
        .get("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1);
    let begin = (number - 1) * PAGE;
    let end = items.len().min(begin + PAGE);
    let mut response = answer(200, &json!(items.get(begin..end).unwrap_or_default()));
    let mut tell = |name: &'static str, value: String| {
        let value = value
            .parse()
            .expect("a number or an address must be a header");
        response.headers_mut().insert(name, value);
    };
    if end < items.len() {
        let next = number + 1;
        let host = header(head, "host");
        tell("x-next-page", next.to_string());
        tell(
            "link",
            format!("<http://{host}{path}?page={next}>; rel=\"next\""),
        );
    } else {
        tell("x-next-page", String::new());
    }
    response
}

type Asked = Query<BTreeMap<String, String>>;

async fn of_project(uri: Uri, Path(id): Path<String>, asked: Asked, head: HeaderMap) -> Response {
    if id != "7" && id != "acme/app" {
        return answer(404, &json!({"message": "404 Project Not Found"}));
    }
    page(uri.path(), &head, &asked, &project())
}

async fn one_of_project(Path((_, key)): Path<(String, String)>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    match project().into_iter().find(|one| one["key"] == json!(key)) {
        Some(one) => answer(200, &one),
        None => answer(404, &json!({"message": "404 Variable Not Found"})),
    }
}

async fn groups(uri: Uri, asked: Asked, head: HeaderMap) -> Response {
    let groups = [
        json!({"id": 2, "full_path": "acme/team"}),
        json!({"id": 1, "full_path": "acme"}),
    ];
    page(uri.path(), &head, &asked, &groups)
}

async fn of_group(uri: Uri, Path(id): Path<String>, asked: Asked, head: HeaderMap) -> Response {
    page(uri.path(), &head, &asked, &group(&id))
}

//! A Connect server with two vaults, of which items are kept as they were sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{answer, header};

pub(crate) const TOKEN: &str = "hunter2-connect-token";
/// Vaults `main` and `more`.
pub(crate) const VAULTS: [&str; 2] = ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbb"];

#[derive(Default)]
struct Vaults {
    /// By vault and id.
    items: BTreeMap<(String, String), Value>,
    made: usize,
}

type Shared = Arc<Mutex<Vaults>>;

pub(crate) fn router() -> Router {
    let mut vaults = Vaults::default();
    let field = |label: &str, value: &str| json!({"id": label, "label": label, "type": "CONCEALED", "value": value});
    let word = [
        field("password", "hunter2-word"),
        field("word", "hunter2-word"),
    ];
    vaults.add(
        VAULTS[0],
        &json!({"title": "word", "category": "LOGIN", "fields": word}),
    );
    let app = [field("user", "hunter2-user"), field("port", "5432")];
    vaults.add(
        VAULTS[0],
        &json!({"title": "app", "category": "LOGIN", "fields": app}),
    );
    let twin = [
        field("password", "one"),
        field("same", "1"),
        field("same", "2"),
    ];
    vaults.add(
        VAULTS[0],
        &json!({"title": "twin", "category": "LOGIN", "fields": twin}),
    );
    let far = [field("password", "far away")];
    vaults.add(
        VAULTS[1],
        &json!({"title": "far", "category": "LOGIN", "fields": far, "tags": ["team-a"]}),
    );
    let file = json!({"id": "f1", "name": "tls.pem", "size": 3});
    vaults.add(
        VAULTS[1],
        &json!({"title": "doc", "category": "DOCUMENT", "fields": [], "files": [file]}),
    );
    Router::new()
        .route("/v1/vaults", get(list_vaults))
        .route("/v1/vaults/{vault}", get(read_vault))
        .route("/v1/vaults/{vault}/items", get(list).post(create))
        .route(
            "/v1/vaults/{vault}/items/{item}",
            get(read).put(replace).delete(remove),
        )
        .route(
            "/v1/vaults/{vault}/items/{item}/files/{file}/content",
            get(content),
        )
        .with_state(Arc::new(Mutex::new(vaults)))
}

impl Vaults {
    fn add(&mut self, vault: &str, item: &Value) -> Value {
        self.made += 1;
        let id = format!(
            "{:a>26}",
            char::from(b'b' + u8::try_from(self.made).unwrap_or(20))
        );
        let mut item = item.clone();
        item["id"] = json!(id);
        item["vault"] = json!({"id": vault});
        item["createdAt"] = json!("2026-01-01T00:00:00Z");
        item["updatedAt"] = json!("2026-01-01T00:00:00Z");
        self.items.insert((vault.to_owned(), id), item.clone());
        item
    }
}

fn said(status: u16, message: &str) -> Response {
    answer(status, &json!({"status": status, "message": message}))
}

fn refusal(head: &HeaderMap) -> Option<Response> {
    let is_known = header(head, "authorization") == format!("Bearer {TOKEN}");
    (!is_known).then(|| said(401, "Invalid bearer token"))
}

fn vault(id: &str) -> Value {
    let name = if id == VAULTS[0] { "main" } else { "more" };
    json!({"id": id, "name": name, "type": "USER_CREATED", "items": 2})
}

/// Of `name eq "x"` the x.
fn filtered(asked: &BTreeMap<String, String>) -> Option<&str> {
    asked.get("filter")?.split('"').nth(1)
}

async fn list_vaults(asked: Query<BTreeMap<String, String>>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let all = VAULTS.into_iter().map(vault);
    let wanted = filtered(&asked);
    let all = all.filter(|vault| wanted.is_none_or(|name| vault["name"] == *name));
    answer(200, &json!(all.collect::<Vec<_>>()))
}

async fn read_vault(Path(id): Path<String>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    if VAULTS.contains(&id.as_str()) {
        answer(200, &vault(&id))
    } else {
        said(404, "vault not found")
    }
}

async fn list(
    State(all): State<Shared>,
    Path(vault): Path<String>,
    asked: Query<BTreeMap<String, String>>,
    head: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let all = all.lock().expect("no test panics with it");
    let wanted = filtered(&asked);
    let items = all.items.iter().filter(|((of, _), item)| {
        *of == vault && wanted.is_none_or(|title| item["title"] == *title)
    });
    let summary = |(_, item): (_, &Value)| {
        let mut item = item.clone();
        if let Some(members) = item.as_object_mut() {
            members.remove("fields");
            members.remove("files");
        }
        item
    };
    answer(200, &json!(items.map(summary).collect::<Vec<_>>()))
}

async fn read(
    State(all): State<Shared>,
    Path(at): Path<(String, String)>,
    head: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let all = all.lock().expect("no test panics with it");
    match all.items.get(&at) {
        Some(item) => answer(200, item),
        None => said(404, "item not found"),
    }
}

async fn create(
    State(all): State<Shared>,
    Path(vault): Path<String>,
    head: HeaderMap,
    Json(item): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    if item["vault"]["id"] != json!(vault) || !item["category"].is_string() {
        return said(400, "vault or category is wrong");
    }
    answer(
        200,
        &all.lock()
            .expect("no test panics with it")
            .add(&vault, &item),
    )
}

async fn replace(
    State(all): State<Shared>,
    Path(at): Path<(String, String)>,
    head: HeaderMap,
    Json(item): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    if item["id"] != json!(at.1) || item["vault"]["id"] != json!(at.0) {
        return said(400, "id or vault is wrong");
    }
    let mut all = all.lock().expect("no test panics with it");
    all.items.insert(at, item.clone());
    answer(200, &item)
}

async fn remove(
    State(all): State<Shared>,
    Path(at): Path<(String, String)>,
    head: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    let removed = all
        .lock()
        .expect("no test panics with it")
        .items
        .remove(&at);
    match removed {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => said(404, "item not found"),
    }
}

async fn content(Path((_, _, file)): Path<(String, String, String)>, head: HeaderMap) -> Response {
    if let Some(refusal) = refusal(&head) {
        return refusal;
    }
    if file == "f1" {
        "pem".into_response()
    } else {
        said(404, "file not found")
    }
}

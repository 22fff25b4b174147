//! Tags of environments.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::params::Params;
use super::problem::Problem;
use super::target::Target;
use super::{Shared, blocking, body, wire};
use crate::esc::store::{Label, Permission};

/// The token behind the last page: clients stop at nothing else.
const NO_MORE: &str = "0";

pub(super) async fn list(
    State(state): State<Shared>,
    target: Target,
    params: Params,
) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    let limit = params.limit("count")?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let environment = snapshot.environment(&target.name)?;
        let after = params.text("after").filter(|after| *after != NO_MORE);
        let page = snapshot.labels(&environment, after, limit + 1)?;
        let shown = &page[..page.len().min(limit)];
        let next = shown.last().filter(|_| page.len() > limit);
        let tags: Map<String, Json> = shown
            .iter()
            .map(|label| (label.name.clone(), label_json(label)))
            .collect();
        let next = next.map_or(NO_MORE, |label| label.name.as_str());
        wire::answer(&json!({"tags": tags, "nextToken": next}))
    })
    .await
}

fn label_json(label: &Label) -> Json {
    json!({
        "id": label.id,
        "name": label.name,
        "value": label.value,
        "created": label.created,
        "modified": label.modified,
        "editorLogin": label.editor.login,
        "editorName": label.editor.name,
    })
}

pub(super) async fn read(State(state): State<Shared>, target: Target) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let environment = snapshot.environment(&target.name)?;
        wire::answer(&label_json(&snapshot.label(&environment, &target.tag)?))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NewLabel {
    name: String,
    value: String,
}

pub(super) async fn create(
    State(state): State<Shared>,
    target: Target,
    body::Json(new): body::Json<NewLabel>,
) -> Result<Response, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let author = target.identity.0.author();
        let store = &state.store;
        let label =
            store.create_label(&target.name, &new.name, &new.value, &author, state.now())?;
        wire::answer(&label_json(&label))
    })
    .await
}

/// Empty texts mean "as it is".
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedLabel {
    #[serde(default)]
    current_tag: Part,
    #[serde(default)]
    new_tag: Part,
}

pub(super) async fn change(
    State(state): State<Shared>,
    target: Target,
    body::Json(changed): body::Json<ChangedLabel>,
) -> Result<Response, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let given = |text: &'_ str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let value_was = given(&changed.current_tag.value);
        let name = given(&changed.new_tag.name);
        let value = given(&changed.new_tag.value);
        let label = state.store.change_label(
            &target.name,
            &target.tag,
            value_was.as_deref(),
            (name.as_deref(), value.as_deref()),
            (&target.identity.0.author(), state.now()),
        )?;
        wire::answer(&label_json(&label))
    })
    .await
}

pub(super) async fn delete(
    State(state): State<Shared>,
    target: Target,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        state.store.delete_label(&target.name, &target.tag)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

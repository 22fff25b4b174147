//! History and tags of revisions.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::params::Params;
use super::problem::Problem;
use super::target::Target;
use super::{Shared, blocking, body, wire};
use crate::esc::store::{Permission, Revision, RevisionTag};

/// Newest first; clients go on, with the last number as `before`, until a page is empty.
pub(super) async fn history(
    State(state): State<Shared>,
    target: Target,
    params: Params,
) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    let before = params.number("before")?.unwrap_or_default();
    let limit = params.limit("count")?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let environment = snapshot.environment(&target.name)?;
        let mut tags: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for tag in snapshot.tags(&environment)? {
            tags.entry(tag.revision).or_default().push(tag.name);
        }
        let page = snapshot.history(&environment, before, limit)?;
        let listed = page
            .iter()
            .map(|revision| listed(revision, tags.get(&revision.number)));
        wire::answer(&listed.collect::<Json>())
    })
    .await
}

fn listed(revision: &Revision, tags: Option<&Vec<String>>) -> Json {
    let mut json = json!({
        "number": revision.number,
        "created": revision.created,
        "creatorLogin": revision.author.login,
        "creatorName": revision.author.name,
    });
    if let Some(tags) = tags {
        json["tags"] = json!(tags);
    }
    if let Some(retraction) = &revision.retracted {
        json["retracted"] = json!({
            "replacement": retraction.replacement,
            "at": retraction.at,
            "byLogin": retraction.by.login,
            "byName": retraction.by.name,
            "reason": retraction.reason,
        });
    }
    json
}

#[derive(Deserialize)]
pub(super) struct Retract {
    replacement: Option<u64>,
    reason: Option<String>,
}

pub(super) async fn retract(
    State(state): State<Shared>,
    target: Target,
    body::Json(wanted): body::Json<Retract>,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let version = target.version.as_deref().unwrap_or_default();
        let author = target.identity.0.author();
        let Retract {
            replacement,
            reason,
        } = wanted;
        let store = &state.store;
        store.retract(
            &target.name,
            version,
            replacement,
            reason,
            &author,
            state.now(),
        )?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// By name; clients go on, with the last name as `after`, until a page is empty.
pub(super) async fn tags(
    State(state): State<Shared>,
    target: Target,
    params: Params,
) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    let limit = params.limit("count")?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let environment = snapshot.environment(&target.name)?;
        let mut tags = snapshot.tags(&environment)?;
        if let Some(after) = params.text("after") {
            tags.retain(|tag| tag.name.as_str() > after);
        }
        let is_last = tags.len() <= limit;
        tags.truncate(limit);
        let next = tags.last().filter(|_| !is_last);
        let next = next.map(|tag| tag.name.as_str()).unwrap_or_default();
        let tags = tags.iter().map(tag_json).collect::<Json>();
        wire::answer(&json!({"tags": tags, "nextToken": next}))
    })
    .await
}

fn tag_json(tag: &RevisionTag) -> Json {
    json!({
        "name": tag.name,
        "revision": tag.revision,
        "created": tag.created,
        "modified": tag.modified,
        "editorLogin": tag.editor.login,
        "editorName": tag.editor.name,
    })
}

pub(super) async fn tag(State(state): State<Shared>, target: Target) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let environment = snapshot.environment(&target.name)?;
        wire::answer(&tag_json(&snapshot.tag(&environment, &target.tag)?))
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct NewTag {
    name: String,
    revision: Option<u64>,
}

pub(super) async fn create_tag(
    State(state): State<Shared>,
    target: Target,
    body::Json(new): body::Json<NewTag>,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let author = target.identity.0.author();
        let store = &state.store;
        store.create_tag(&target.name, &new.name, new.revision, &author, state.now())?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct MovedTag {
    revision: Option<u64>,
}

pub(super) async fn move_tag(
    State(state): State<Shared>,
    target: Target,
    body::Json(moved): body::Json<MovedTag>,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let author = target.identity.0.author();
        let store = &state.store;
        store.move_tag(
            &target.name,
            &target.tag,
            moved.revision,
            &author,
            state.now(),
        )?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn delete_tag(
    State(state): State<Shared>,
    target: Target,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        state.store.delete_tag(&target.name, &target.tag)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

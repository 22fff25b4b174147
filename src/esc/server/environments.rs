//! Listing, making, copying and deleting environments.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::definition::{decrypted, encrypted_for};
use super::params::Params;
use super::problem::Problem;
use super::target::{Identity, InOrganization, Target};
use super::{Shared, blocking, body, wire};
use crate::esc::client::EnvironmentName;
use crate::esc::store::{Copy, Environment, Permission, Revision, Snapshot};

/// Environments of every organisation that the token opens.
pub(super) async fn list_all(
    State(state): State<Shared>,
    identity: Identity,
    params: Params,
) -> Result<Response, Problem> {
    let organization = params
        .text("organization")
        .map(str::to_owned)
        .or_else(|| identity.0.organization.clone());
    if let Some(organization) = &organization {
        identity.require(organization, Permission::Read)?;
    }
    list(state, organization, params).await
}

pub(super) async fn list_one(
    State(state): State<Shared>,
    target: InOrganization,
    params: Params,
) -> Result<Response, Problem> {
    target
        .identity
        .require(&target.organization, Permission::Read)?;
    list(state, Some(target.organization), params).await
}

async fn list(
    state: Shared,
    organization: Option<String>,
    params: Params,
) -> Result<Response, Problem> {
    let limit = params.limit("maxResults")?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        if let Some(organization) = &organization {
            require_organization(&snapshot, organization)?;
        }
        let after = params.text("continuationToken");
        let page = snapshot.environments(organization.as_deref(), after, limit + 1)?;
        let shown = &page[..page.len().min(limit)];
        let mut answer = json!({"environments": shown.iter().map(listed).collect::<Json>()});
        // Clients go on until there is no token.
        if let Some(last) = shown.last().filter(|_| page.len() > limit) {
            answer["nextToken"] = json!(last.full_name().to_string());
        }
        wire::answer(&answer)
    })
    .await
}

fn require_organization(snapshot: &Snapshot, organization: &str) -> Result<(), Problem> {
    let organizations = snapshot.organizations()?;
    if organizations.iter().any(|known| known == organization) {
        return Ok(());
    }
    let message = format!("organization '{organization}' not found");
    Err(Problem::not_found(message))
}

fn listed(environment: &Environment) -> Json {
    json!({
        "organization": environment.organization,
        "project": environment.project,
        "name": environment.name,
        "created": environment.created,
        "modified": environment.modified,
    })
}

#[derive(Deserialize)]
pub(super) struct NewEnvironment {
    #[serde(default)]
    project: Option<String>,
    name: String,
}

pub(super) async fn create(
    State(state): State<Shared>,
    target: InOrganization,
    body::Json(new): body::Json<NewEnvironment>,
) -> Result<StatusCode, Problem> {
    target
        .identity
        .require(&target.organization, Permission::Write)?;
    blocking(&state, move |state| {
        let name = EnvironmentName {
            organization: target.organization,
            project: new.project.unwrap_or_else(|| "default".to_owned()),
            name: new.name,
        };
        let author = target.identity.0.author();
        state.store.create(&name, &author, state.now())?;
        Ok(StatusCode::OK)
    })
    .await
}

pub(super) async fn delete(
    State(state): State<Shared>,
    target: Target,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Admin)?;
    blocking(&state, move |state| {
        state.store.delete(&target.name)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

pub(super) async fn settings(
    State(state): State<Shared>,
    target: Target,
) -> Result<Response, Problem> {
    target.require(Permission::Read)?;
    blocking(&state, move |state| {
        let environment = state.store.snapshot()?.environment(&target.name)?;
        wire::answer(&json!({"deletionProtected": environment.deletion_protected}))
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    deletion_protected: Option<bool>,
}

pub(super) async fn change_settings(
    State(state): State<Shared>,
    target: Target,
    body::Json(settings): body::Json<Settings>,
) -> Result<Response, Problem> {
    target.require(Permission::Admin)?;
    blocking(&state, move |state| {
        if let Some(protected) = settings.deletion_protected {
            state.store.protect(&target.name, protected)?;
        }
        let environment = state.store.snapshot()?.environment(&target.name)?;
        wire::answer(&json!({"deletionProtected": environment.deletion_protected}))
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Clone {
    project: Option<String>,
    name: String,
    version: Option<Json>,
    #[serde(default)]
    preserve_history: bool,
    #[serde(default)]
    preserve_environment_tags: bool,
    #[serde(default)]
    preserve_revision_tags: bool,
}

impl Clone {
    fn version(&self) -> Option<String> {
        match self.version.as_ref()? {
            Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Copies an environment. Its ciphertexts are made anew, since they open in their own environment only.
pub(super) async fn clone(
    State(state): State<Shared>,
    target: Target,
    body::Json(wanted): body::Json<Clone>,
) -> Result<StatusCode, Problem> {
    target.require(Permission::Write)?;
    blocking(&state, move |state| {
        let snapshot = state.store.snapshot()?;
        let source = snapshot.environment(&target.name)?;
        let copy = copied(state, &snapshot, &source, &wanted)?;
        let name = EnvironmentName {
            organization: source.organization,
            project: wanted.project.unwrap_or(source.project),
            name: wanted.name,
        };
        state.store.create_copy(&name, &copy, state.now())?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn copied(
    state: &Shared,
    snapshot: &Snapshot,
    source: &Environment,
    wanted: &Clone,
) -> Result<Copy, Problem> {
    let id = Copy::new_id();
    let newest = snapshot.revision(source, wanted.version().as_deref())?;
    let mut revisions = if wanted.preserve_history {
        let bound = newest.number + 1;
        let count = usize::try_from(newest.number).unwrap_or(usize::MAX);
        let mut history = snapshot.history(source, bound, count)?;
        history.reverse();
        history
    } else {
        vec![Revision {
            number: 1,
            ..newest
        }]
    };
    for revision in &mut revisions {
        let plain = decrypted(state, source, &revision.yaml)?;
        revision.yaml = encrypted_for(state, &id, &plain)?;
    }
    let mut tags = Vec::new();
    if wanted.preserve_history && wanted.preserve_revision_tags {
        tags = snapshot.tags(source)?;
        let count = revisions.len() as u64;
        tags.retain(|tag| tag.name != crate::esc::store::LATEST && tag.revision <= count);
    }
    let mut labels = Vec::new();
    if wanted.preserve_environment_tags {
        labels = snapshot.labels(source, None, usize::MAX)?;
    }
    Ok(Copy {
        id,
        revisions,
        tags,
        labels,
    })
}

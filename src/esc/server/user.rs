//! Who the caller is, and the tokens of everybody.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::problem::Problem;
use super::target::Identity;
use super::{Shared, blocking, body, wire};
use crate::esc::store::{Permission, Token, TokenDraft};

pub(super) async fn user(
    State(state): State<Shared>,
    Identity(token): Identity,
) -> Result<Response, Problem> {
    blocking(&state, move |state| {
        let organizations = state.store.snapshot()?.organizations()?;
        let organizations: Json = organizations
            .iter()
            .filter(|organization| token.opens(organization))
            .map(|name| json!({"githubLogin": name, "name": name, "avatarUrl": ""}))
            .collect();
        let mut info = json!({"name": token.name});
        if let Some(organization) = &token.organization {
            info["organization"] = json!(organization);
        }
        wire::answer(&json!({
            "id": token.id,
            "githubLogin": token.login,
            "name": token.login,
            "email": "",
            "avatarUrl": "",
            "organizations": organizations,
            "identities": [],
            "tokenInfo": info,
        }))
    })
    .await
}

pub(super) async fn default_organization(
    State(state): State<Shared>,
    Identity(token): Identity,
) -> Result<Response, Problem> {
    let default = &state.default_organization;
    let login = token.organization.as_ref().unwrap_or(default);
    wire::answer(&json!({"gitHubLogin": login, "messages": []}))
}

fn token_json(token: &Token) -> Json {
    json!({
        "id": token.id,
        "name": token.name,
        "login": token.login,
        "organization": token.organization,
        "permission": token.permission,
        "created": token.created,
    })
}

/// An administrator sees, makes and ends the tokens of the organisation that their own token opens.
fn administers(own: &Token, organization: Option<&str>) -> bool {
    own.permission == Permission::Admin
        && (own.organization.is_none() || own.organization.as_deref() == organization)
}

fn require_administrator(own: &Token, organization: Option<&str>) -> Result<(), Problem> {
    if administers(own, organization) {
        return Ok(());
    }
    let message = "the token's permission is not admin for this organization";
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

pub(super) async fn tokens(
    State(state): State<Shared>,
    Identity(own): Identity,
) -> Result<Response, Problem> {
    require_administrator(&own, own.organization.as_deref())?;
    let tokens = state.store.tokens();
    let visible = tokens
        .iter()
        .filter(|token| administers(&own, token.organization.as_deref()));
    wire::answer(&json!({"tokens": visible.map(token_json).collect::<Json>()}))
}

#[derive(Deserialize)]
pub(super) struct NewToken {
    name: String,
    login: String,
    #[serde(default)]
    organization: Option<String>,
    permission: Permission,
}

/// The only answer that holds the token.
pub(super) async fn create_token(
    State(state): State<Shared>,
    Identity(own): Identity,
    body::Json(new): body::Json<NewToken>,
) -> Result<Response, Problem> {
    require_administrator(&own, new.organization.as_deref())?;
    if new.login.trim().is_empty() || new.name.trim().is_empty() {
        return Err(Problem::bad_request("name and login must not be empty"));
    }
    blocking(&state, move |state| {
        let draft = TokenDraft {
            name: new.name,
            login: new.login,
            organization: new.organization,
            permission: new.permission,
        };
        let (token, secret) = state.store.create_token(draft, state.now())?;
        let mut json = token_json(&token);
        json["token"] = json!(secret.expose_str());
        wire::answer(&json)
    })
    .await
}

pub(super) async fn delete_token(
    State(state): State<Shared>,
    Identity(own): Identity,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    require_administrator(&own, own.organization.as_deref())?;
    let tokens = state.store.tokens();
    let is_visible =
        |token: &Token| token.id == id && administers(&own, token.organization.as_deref());
    if !tokens.iter().any(is_visible) {
        return Err(Problem::not_found(format!("token '{id}' not found")));
    }
    blocking(&state, move |state| {
        state.store.delete_token(&id)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

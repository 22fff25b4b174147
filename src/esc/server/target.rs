//! Who asks, and about which environment.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde::Deserialize;

use super::Shared;
use super::problem::Problem;
use crate::esc::client::EnvironmentName;
use crate::esc::store::{Permission, Token};

/// The token of a request.
pub(super) struct Identity(pub(super) Token);

impl FromRequestParts<Shared> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let presented = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_first_chunk::<6>())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"token "))
            .map(|(_, token)| token.trim_ascii())
            .filter(|token| !token.is_empty());
        presented
            .and_then(|token| state.store.authenticate(token))
            .map(Self)
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "a valid access token is needed: send 'Authorization: token <token>'",
                )
            })
    }
}

impl Identity {
    /// # Errors
    /// 404 for an organisation that the token does not open, whether it exists or not; 403 without the
    /// permission.
    pub(super) fn require(&self, organization: &str, needed: Permission) -> Result<(), Problem> {
        if !self.0.opens(organization) {
            let message = format!("organization '{organization}' not found");
            return Err(Problem::not_found(message));
        }
        if self.0.permission < needed {
            let message = format!(
                "the token's permission is {}, this needs {needed}",
                self.0.permission
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, message));
        }
        Ok(())
    }
}

/// A request about one organisation.
pub(super) struct InOrganization {
    pub(super) identity: Identity,
    pub(super) organization: String,
    pub(super) session: Option<String>,
}

/// A request about one environment.
pub(super) struct Target {
    pub(super) identity: Identity,
    pub(super) name: EnvironmentName,
    /// A revision number or tag.
    pub(super) version: Option<String>,
    /// A tag of a revision or of the environment.
    pub(super) tag: String,
    pub(super) session: String,
}

impl Target {
    pub(super) fn require(&self, needed: Permission) -> Result<(), Problem> {
        self.identity.require(&self.name.organization, needed)
    }
}

/// What a path may name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    organization: String,
    project: String,
    environment: String,
    version: Option<String>,
    tag: String,
    session: String,
}

async fn named(parts: &mut Parts, state: &Shared) -> Result<Named, Problem> {
    Path::<Named>::from_request_parts(parts, state)
        .await
        .map(|Path(named)| named)
        .map_err(|_| Problem::bad_request("the path cannot be read"))
}

impl FromRequestParts<Shared> for InOrganization {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let identity = Identity::from_request_parts(parts, state).await?;
        let named = named(parts, state).await?;
        Ok(Self {
            identity,
            organization: named.organization,
            session: Some(named.session).filter(|session| !session.is_empty()),
        })
    }
}

impl FromRequestParts<Shared> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        let identity = Identity::from_request_parts(parts, state).await?;
        let named = named(parts, state).await?;
        Ok(Self {
            identity,
            name: EnvironmentName {
                organization: named.organization,
                project: named.project,
                name: named.environment,
            },
            version: named.version,
            tag: named.tag,
            session: named.session,
        })
    }
}

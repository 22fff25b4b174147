//! Deploy tokens of GitLab projects and groups. Each stays until it is taken back.

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::call::{Call, address, call, header, number, text};
use super::{Context, Error, Generator, Made, Stateful, credential};
use crate::api::generators::GitlabDeployTokenSpec;
use crate::secret::{SecretBytes, SecretMap};

const GITLAB: &str = "https://gitlab.com";

#[async_trait]
impl Generator for GitlabDeployTokenSpec {
    async fn generate(&self, _: &Context) -> Result<SecretMap, Error> {
        Err(super::needs_state())
    }

    fn stateful(&self) -> Option<&dyn Stateful> {
        Some(self)
    }
}

#[async_trait]
impl Stateful for GitlabDeployTokenSpec {
    async fn make(&self, context: &Context) -> Result<Made, Error> {
        let mut body = json!({"name": self.name, "scopes": self.scopes});
        if let Some(user) = self.username.as_deref().filter(|user| !user.is_empty()) {
            body["username"] = user.into();
        }
        if let Some(end) = &self.expires_at {
            body["expires_at"] = end.0.to_string().into();
        }
        let asked = Call {
            action: "make a deploy token",
            method: Method::POST,
            url: self.url(&[])?,
            credential: Some(self.credential(context).await?),
            body: Some(body),
        };
        let answer = call(context, asked).await?.done()?;
        let id = number(&answer, "id")?;
        let values = ["username", "token"].map(|key| {
            let value = text(&answer, key).map(SecretBytes::from);
            value.map(|value| (key.to_owned(), value))
        });
        Ok(Made {
            values: values.into_iter().collect::<Result<_, Error>>()?,
            state: json!({"id": id}),
        })
    }

    async fn take_back(&self, context: &Context, state: &Value) -> Result<(), Error> {
        // ESO's own states spell it so as well.
        let id = state["id"].as_i64().or_else(|| state["tokenID"].as_i64());
        let Some(id) = id.map(|id| id.to_string()) else {
            return Err(Error::invalid("spec.state: the id of the token is missing"));
        };
        let asked = Call {
            action: "revoke a deploy token",
            method: Method::DELETE,
            url: self.url(&[&id])?,
            credential: Some(self.credential(context).await?),
            body: None,
        };
        call(context, asked).await?.gone()
    }
}

impl GitlabDeployTokenSpec {
    fn url(&self, more: &[&str]) -> Result<Url, Error> {
        let (kind, id) = match (&self.project_id, &self.group_id) {
            (Some(project), None) => ("projects", project),
            (None, Some(group)) => ("groups", group),
            _ => {
                return Err(Error::invalid(
                    "spec: exactly one of projectID and groupID must be set",
                ));
            }
        };
        let path = ["api", "v4", kind, id, "deploy_tokens"].into_iter();
        let path = path.chain(more.iter().copied());
        address("spec.url", self.url.as_deref(), GITLAB, path)
    }

    async fn credential(&self, context: &Context) -> Result<(&'static str, HeaderValue), Error> {
        let selector = &self.auth.token.secret_ref;
        let token = credential(context, "spec.auth.token.secretRef", selector).await?;
        Ok(("private-token", header("", &token)?))
    }
}

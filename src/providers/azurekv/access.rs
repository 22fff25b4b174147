//! Calls to the vault.

use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Method, Response, Url};

use super::cloud::Cloud;
use super::login::AzureLogin;
use super::name::{Kind, Name};
use super::{Engine, Error, ErrorKind, Identity, NAME, invalid};
use crate::api::v1::AzureKeyVaultProvider;
use crate::http;
use crate::providers::ClientContext;
use crate::providers::cloud_json::{self, Refusal};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Version of the Key Vault API.
const VERSION: &str = "7.4";

/// Longest part of a challenge that is repeated.
const MAX_WORDS: usize = 200;

/// One call.
pub(super) struct Request {
    /// For messages, after "failed to".
    action: String,
    method: Method,
    target: To,
    body: Option<SecretBytes>,
}

enum To {
    Path(Vec<String>),
    Url(Url),
}

impl Request {
    fn at(action: String, method: Method, parts: &[&str]) -> Self {
        let parts = parts.iter().filter(|part| !part.is_empty());
        Self {
            action,
            method,
            target: To::Path(parts.map(|part| (*part).to_owned()).collect()),
            body: None,
        }
    }

    /// Reads an object; an empty version is the newest.
    pub(super) fn read(name: &Name, version: &str) -> Self {
        let action = format!("read {}", name.shown());
        let parts = [name.kind.path(), &name.name, version];
        Self::at(action, Method::GET, &parts)
    }

    /// Lists secrets.
    pub(super) fn list() -> Self {
        Self::at("list secrets".to_owned(), Method::GET, &["secrets"])
    }

    /// Makes a new version of an object.
    pub(super) fn write(name: &Name, body: &Json) -> Self {
        let action = format!("write {}", name.shown());
        let at = [name.kind.path(), &name.name];
        let request = match name.kind {
            Kind::Secret | Kind::Key => Self::at(action, Method::PUT, &at),
            Kind::Certificate => Self::at(action, Method::POST, &[at[0], at[1], "import"]),
        };
        Self {
            body: Some(body.to_bytes()),
            ..request
        }
    }

    /// Deletes an object.
    pub(super) fn delete(name: &Name) -> Self {
        let action = format!("delete {}", name.shown());
        Self::at(action, Method::DELETE, &[name.kind.path(), &name.name])
    }
}

/// What one client needs to call its vault.
pub(super) struct Access {
    pub(super) engine: Arc<Engine>,
    pub(super) context: ClientContext,
    pub(super) block: AzureKeyVaultProvider,
    pub(super) cloud: Cloud,
    pub(super) vault: Url,
    pub(super) identity: Identity,
}

impl Access {
    /// The store's token.
    pub(super) async fn session(&self) -> Result<Arc<SecretBytes>, Error> {
        let login = AzureLogin {
            desk: &self.engine.desk,
            authority: &self.cloud.authority,
            resource: &self.cloud.resource,
            context: &self.context,
            block: &self.block,
        };
        self.engine.logins.session(&self.identity, &login).await
    }

    /// What is there, if anything.
    pub(super) async fn find(&self, request: &Request) -> Result<Option<Json>, Error> {
        match self.send(request).await {
            Ok(json) => Ok(Some(json)),
            Err(refusal) if refusal.error.kind == ErrorKind::NotFound => Ok(None),
            Err(refusal) => Err(refusal.error),
        }
    }

    /// Makes one call, logging in anew once if the token is no longer accepted.
    pub(super) async fn send(&self, request: &Request) -> Result<Json, Refusal> {
        let token = self.session().await?;
        match self.exchange(&token, request).await {
            Err(refusal) if refusal.status == 401 => {
                let logins = &self.engine.logins;
                if !logins
                    .rejected(&self.identity, &token, &refusal.error)
                    .await
                {
                    return Err(refusal);
                }
                let token = self.session().await?;
                self.exchange(&token, request).await
            }
            answered => answered,
        }
    }

    /// The next page of a listing: the vault's own pages only, for they see the token.
    pub(super) fn next(&self, link: &str) -> Result<Request, Error> {
        let url = Url::parse(link).ok();
        let url = url.filter(|url| url.origin() == self.vault.origin());
        let url = url.ok_or_else(|| {
            let message = "failed to list secrets: the next page is on another server";
            Error::new(ErrorKind::Unavailable, NAME, message)
        })?;
        Ok(Request {
            target: To::Url(url),
            ..Request::list()
        })
    }

    async fn exchange(&self, token: &SecretBytes, request: &Request) -> Result<Json, Refusal> {
        let url = match &request.target {
            To::Url(url) => url.clone(),
            To::Path(parts) => self.url(parts),
        };
        let bearer = http::authorization("Bearer", token);
        let bearer = bearer.ok_or_else(|| invalid("the token cannot be sent"))?;
        let http = self.engine.desk.http();
        let build = || {
            let call = http.request(request.method.clone(), url.clone());
            let call = call.header(AUTHORIZATION, bearer.clone());
            match &request.body {
                Some(body) => call
                    .header("content-type", "application/json")
                    .body(body.expose().to_vec()),
                None => call,
            }
        };
        let sent = if request.method == Method::GET {
            http.send_idempotent(build).await
        } else {
            http.send(build()).await
        };
        let wanted = sent.as_ref().ok().and_then(challenge);
        let mut answer = cloud_json::read(NAME, &request.action, sent).await;
        if let Err(refusal) = &mut answer {
            let advice = match (refusal.status, wanted) {
                (401, Some(wanted)) => format!("; the vault wants a token of {wanted}"),
                (403, _) => "; grant the identity the role Key Vault Secrets User, or an access policy, and check the vault's firewall".to_owned(),
                (409, _) => "; recover or purge it first".to_owned(),
                _ => String::new(),
            };
            refusal.error.message.push_str(&advice);
        }
        answer
    }

    fn url(&self, parts: &[String]) -> Url {
        let mut url = self.vault.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url.query_pairs_mut().append_pair("api-version", VERSION);
        url
    }
}

/// Tenant and audience that the vault says it accepts: told, and never followed.
fn challenge(answer: &Response) -> Option<String> {
    let text = answer.headers().get(WWW_AUTHENTICATE)?.to_str().ok()?;
    let text = text.strip_prefix("Bearer ")?;
    Some(text.chars().take(MAX_WORDS).collect())
}

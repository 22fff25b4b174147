//! Calls to Secret Manager.

use std::sync::Arc;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Url};

use super::login::GcpLogin;
use super::{Engine, Error, ErrorKind, Identity, NAME, invalid};
use crate::api::v1::GcpSmProvider;
use crate::http;
use crate::providers::ClientContext;
use crate::providers::cloud_json::{self, Refusal};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Entries of a page of a listing.
const PAGE: &str = "250";

/// One call.
pub(super) struct Request {
    /// For messages, after "failed to".
    action: String,
    method: Method,
    /// Below `/v1/`.
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<SecretBytes>,
}

impl Request {
    fn at(action: &str, method: Method, path: &str) -> Self {
        let shown = path.rsplit('/').next().unwrap_or_default();
        Self {
            action: format!("{action} {shown:?}"),
            method,
            path: path.to_owned(),
            query: Vec::new(),
            body: None,
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.push((name, value.to_owned()));
        }
        self
    }

    fn sending(mut self, body: &Json) -> Self {
        self.body = Some(body.to_bytes());
        self
    }

    /// Reads labels, annotations and the like.
    pub(super) fn secret(secret: &str) -> Self {
        Self::at("read secret", Method::GET, secret)
    }

    /// Reads the value of a version.
    pub(super) fn access(secret: &str, version: &str) -> Self {
        let path = format!("{secret}/versions/{version}:access");
        Self {
            path,
            ..Self::at(
                &format!("read version {version:?} of secret"),
                Method::GET,
                secret,
            )
        }
    }

    /// The newest version that is enabled.
    pub(super) fn enabled_versions(secret: &str) -> Self {
        let path = format!("{secret}/versions");
        Self {
            path,
            ..Self::at("list versions of secret", Method::GET, secret)
        }
        .with("filter", "state:ENABLED")
        .with("pageSize", "1")
    }

    /// Lists secrets.
    pub(super) fn list(parent: &str, filter: &str, page: &str) -> Self {
        let path = format!("{parent}/secrets");
        Self {
            path,
            ..Self::at("list secrets of", Method::GET, parent)
        }
        .with("pageSize", PAGE)
        .with("filter", filter)
        .with("pageToken", page)
    }

    /// Makes a secret without versions.
    pub(super) fn create(parent: &str, name: &str, body: &Json) -> Self {
        let path = format!("{parent}/secrets");
        Self {
            path,
            ..Self::at("create secret", Method::POST, name)
        }
        .with("secretId", name)
        .sending(body)
    }

    /// Changes the fields in `mask`.
    pub(super) fn update(secret: &str, mask: &str, body: &Json) -> Self {
        Self::at("update secret", Method::PATCH, secret)
            .with("updateMask", mask)
            .sending(body)
    }

    /// Adds a version.
    pub(super) fn add(secret: &str, body: &Json) -> Self {
        let path = format!("{secret}:addVersion");
        Self {
            path,
            ..Self::at("add a version to secret", Method::POST, secret)
        }
        .sending(body)
    }

    /// Deletes a secret that is still as `etag` says.
    pub(super) fn delete(secret: &str, etag: &str) -> Self {
        Self::at("delete secret", Method::DELETE, secret).with("etag", etag)
    }
}

/// What one client needs to call Secret Manager.
pub(super) struct Access {
    pub(super) engine: Arc<Engine>,
    pub(super) context: ClientContext,
    pub(super) block: GcpSmProvider,
    pub(super) identity: Identity,
}

impl Access {
    fn login(&self) -> GcpLogin<'_> {
        GcpLogin {
            engine: &self.engine,
            context: &self.context,
            block: &self.block,
        }
    }

    /// The store's token.
    pub(super) async fn session(&self) -> Result<Arc<SecretBytes>, Error> {
        let login = self.login();
        self.engine.logins.session(&self.identity, &login).await
    }

    /// Project and, for regional secrets, location.
    pub(super) async fn parent(&self) -> Result<String, Error> {
        let project = self.login().project().await?;
        Ok(match self.location() {
            "" => format!("projects/{project}"),
            location => format!("projects/{project}/locations/{location}"),
        })
    }

    /// Full name of a secret.
    pub(super) async fn secret(&self, name: &str) -> Result<String, Error> {
        Ok(format!("{}/secrets/{name}", self.parent().await?))
    }

    pub(super) fn location(&self) -> &str {
        self.block.location.as_deref().unwrap_or_default()
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

    async fn exchange(&self, token: &SecretBytes, request: &Request) -> Result<Json, Refusal> {
        let url = self.url(request)?;
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
        let mut answer = cloud_json::read(NAME, &request.action, sent).await;
        if let Err(refusal) = &mut answer
            && refusal.status == 403
        {
            refusal.error.message.push_str(
                "; grant the identity roles/secretmanager.secretAccessor, and secretmanager.admin to push",
            );
        }
        answer
    }

    fn url(&self, request: &Request) -> Result<Url, Error> {
        let host = match self.location() {
            "" => "secretmanager.googleapis.com".to_owned(),
            location => format!("secretmanager.{location}.rep.googleapis.com"),
        };
        let text = format!("https://{host}/v1/{}", request.path);
        let mut url = Url::parse(&text).map_err(|error| invalid(format!("{text:?}: {error}")))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}

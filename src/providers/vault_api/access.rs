//! Calls to the server, and what one client needs to make them.

use std::sync::{Arc, PoisonError};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::answer::{self, Failure};
#[cfg(any(feature = "provider-aws", feature = "provider-gcpsm"))]
use super::cloud;
use super::login::{self, Login, Proof};
use super::session::{self, Session};
use super::{ClientContext, Engine, Error, ErrorKind, Identity};
use crate::api::v1::VaultProvider;
use crate::http;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// One call.
pub(super) struct Request {
    /// For messages, after "failed to".
    pub(super) action: String,
    pub(super) method: Method,
    /// Below `/v1/`.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<SecretBytes>,
    /// Whether a failed call may be made again: it makes nothing.
    pub(super) is_repeatable: bool,
}

impl Request {
    pub(super) fn read(path: &str) -> Self {
        Self {
            action: format!("read {path:?}"),
            method: Method::GET,
            path: path.to_owned(),
            query: Vec::new(),
            body: None,
            is_repeatable: true,
        }
    }

    pub(super) fn lookup() -> Self {
        Self {
            action: "look up the token".to_owned(),
            ..Self::read("auth/token/lookup-self")
        }
    }

    pub(super) fn renewal() -> Self {
        Self {
            action: "renew the token".to_owned(),
            method: Method::POST,
            body: Some("{}".into()),
            is_repeatable: false,
            ..Self::read("auth/token/renew-self")
        }
    }
}

/// What one client needs to call the server.
pub(super) struct Access {
    pub(super) engine: Arc<Engine>,
    pub(super) context: ClientContext,
    pub(super) block: VaultProvider,
    pub(super) identity: Identity,
}

impl Access {
    pub(super) fn name(&self) -> &'static str {
        self.engine.name
    }

    pub(super) fn invalid(&self, text: &str) -> Error {
        Error::new(ErrorKind::Invalid, self.name(), text)
    }

    /// How to connect, with CA and client certificate, and its fingerprint.
    pub(super) async fn trust(&self) -> Result<(http::Options, Vec<u8>), Error> {
        let (inline, provider) = (self.block.ca_bundle.as_deref(), &self.block.ca_provider);
        let ca = self.context.ca(self.name(), "", inline, provider.as_ref());
        let mut options = self.engine.options.http.clone();
        options.ca_bundle = ca.await?.or(options.ca_bundle);
        if let Some(parts) = login::identity(&self.block) {
            let mut pem = Vec::new();
            for (field, selector) in parts {
                let selector =
                    selector.ok_or_else(|| self.invalid(&format!("{field} must be set")))?;
                let part = self
                    .context
                    .credential(self.name(), field, selector)
                    .await?;
                pem.push(part);
            }
            let pem: Vec<_> = pem.iter().map(SecretBytes::expose).collect();
            options.identity = Some(Arc::new(SecretBytes::new(pem.join(&b"\n"[..]))));
        }
        let fingerprint = session::trust_fingerprint(&options);
        Ok((options, fingerprint))
    }

    /// The login with the proof that it asks for.
    pub(super) async fn minted(&self, login: Login) -> Result<Login, Error> {
        let Login::Call {
            path,
            mut body,
            proof: Some(proof),
        } = login
        else {
            return Ok(login);
        };
        let members = match proof {
            Proof::Account(wanted) => {
                let token = self.context.account_token(
                    self.name(),
                    wanted.field,
                    &wanted.account,
                    &wanted.audiences,
                    wanted.seconds,
                );
                vec![("jwt", token.await?)]
            }
            #[cfg(feature = "provider-aws")]
            Proof::Aws(_) => cloud::signed_call(self).await?,
            #[cfg(feature = "provider-gcpsm")]
            Proof::Google(_) => vec![("jwt", cloud::signed_token(self).await?)],
        };
        let members = members.into_iter();
        body.extend(members.map(|(name, value)| (name.to_owned(), Json::Text(value))));
        let proof = None;
        Ok(Login::Call { path, body, proof })
    }

    /// Makes one call with a session, logging in anew once if its token is dead.
    pub(super) async fn send(&self, request: &Request) -> Result<Option<Json>, Failure> {
        let sessions = &self.engine.sessions;
        let session = sessions.session(self).await?;
        match self.exchange(&session, request).await {
            Err(failure) if failure.is_forbidden => {
                match sessions.replacement(self, &session).await? {
                    Some(session) => self.exchange(&session, request).await,
                    None => Err(failure),
                }
            }
            Err(failure) => {
                if failure.is_unreachable {
                    sessions.suspect(self).await;
                }
                Err(failure)
            }
            answered => answered,
        }
    }

    /// Makes one call.
    pub(super) async fn exchange(
        &self,
        session: &Session,
        request: &Request,
    ) -> Result<Option<Json>, Failure> {
        let url = self.url(request)?;
        let headers = self.headers(session, request)?;
        let build = || {
            let call = session.http.request(request.method.clone(), url.clone());
            let call = call.headers(headers.clone());
            match &request.body {
                Some(body) => call.body(body.expose().to_vec()),
                None => call,
            }
        };
        let sent = if request.is_repeatable {
            session.http.send_idempotent(build).await
        } else {
            session.http.send(build()).await
        };
        if let Ok(answer) = &sent
            && request.method != Method::GET
            && let Some(index) = answer.headers().get("x-vault-index")
        {
            let mut seen = session.index.lock().unwrap_or_else(PoisonError::into_inner);
            *seen = Some(index.clone());
        }
        answer::read(self.name(), &request.action, sent).await
    }

    fn url(&self, request: &Request) -> Result<Url, Error> {
        let refused = |error: String| self.invalid(&format!("server: {error}"));
        let mut url = server(&self.block.server).map_err(refused)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1");
            segments.extend(request.path.split('/').filter(|part| !part.is_empty()));
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }

    fn headers(&self, session: &Session, request: &Request) -> Result<HeaderMap, Error> {
        let refused = |name: String| self.invalid(&format!("headers: {name:?} is no header"));
        let mut all = headers(&self.block).map_err(refused)?;
        all.insert("x-vault-request", HeaderValue::from_static("true"));
        if request.body.is_some() {
            let json = HeaderValue::from_static("application/json");
            all.insert("content-type", json);
        }
        let auth = self.block.auth.as_ref();
        let of_login = auth.and_then(|auth| auth.namespace.as_deref());
        let of_login = of_login.filter(|_| session.token.is_none() && auth.is_some());
        let namespace = of_login.or(self.block.namespace.as_deref());
        if let Some(namespace) = namespace.filter(|name| !name.is_empty()) {
            let value = HeaderValue::from_str(namespace);
            let value = value.map_err(|_| self.invalid("namespace cannot be sent"))?;
            all.insert("x-vault-namespace", value);
        }
        if let Some(token) = &session.token {
            let value = HeaderValue::from_bytes(token.expose());
            let mut value = value.map_err(|_| self.invalid("the token cannot be sent"))?;
            value.set_sensitive(true);
            all.insert("x-vault-token", value);
        }
        if self.block.read_your_writes == Some(true) {
            if let Some(index) = session.seen() {
                all.insert("x-vault-index", index);
            }
            if self.block.forward_inconsistent == Some(true) {
                let forward = HeaderValue::from_static("forward-active-node");
                all.insert("x-vault-inconsistent", forward);
            }
        }
        Ok(all)
    }
}

pub(super) fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|error| format!("{text:?}: {error}"))?;
    let is_usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none();
    if is_usable {
        Ok(url)
    } else {
        Err("must be an http or https address without user and query".to_owned())
    }
}

/// The store's own headers; the name of one that cannot be sent otherwise.
pub(super) fn headers(block: &VaultProvider) -> Result<HeaderMap, String> {
    let parsed = block.headers.iter().map(|(name, value)| {
        let parsed = HeaderName::try_from(name.as_str()).ok();
        let value = HeaderValue::from_str(value).ok();
        parsed.zip(value).ok_or_else(|| name.clone())
    });
    parsed.collect()
}

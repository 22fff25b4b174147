//! Access tokens of Google Cloud.
//!
//! Spoken over HTTP as published (OAuth 2.0 for service accounts, Security Token Service v1, IAM
//! Credentials v1, Compute Engine metadata), so that proxies, certificate authorities, timeouts and the
//! pause after a refusal are those of every other login.

mod key;
#[cfg(any(feature = "provider-openbao", feature = "provider-vault"))]
mod vouch;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use serde_json::{Value, json};

use super::desk::{Desk, Token};
use super::{Error, ErrorKind, cloud_json};
use crate::http;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

pub(crate) use key::ServiceAccountKey;

/// What tokens are good for, unless the identity may do less.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Type of a token that a Kubernetes cluster signed.
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Where tokens of another issuer are exchanged.
pub(crate) const STS: &str = "https://sts.googleapis.com/v1/token";

/// Where tokens of a GKE cluster are exchanged.
const IDENTITY_BINDING: &str = "https://securetoken.googleapis.com/v1/identitybindingtoken";

/// Where a token becomes one of a service account.
const IMPERSONATION: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts";

/// How long a token is used whose end is not told.
const UNTOLD_LIFE: Duration = Duration::from_mins(5);

/// Who asks for a token.
pub(crate) enum Source {
    /// A service account, with its key.
    Key(Box<ServiceAccountKey>),
    /// A ServiceAccount of a GKE cluster.
    Cluster {
        /// `PROJECT.svc.id.goog`.
        pool: String,
        /// Address of the cluster in Google's API.
        provider: String,
        /// Its token for the pool.
        token: SecretBytes,
    },
    /// An identity of another issuer.
    Federated {
        /// Its provider in a pool, as `//iam.googleapis.com/projects/…`.
        audience: String,
        /// Type of the token.
        kind: String,
        /// Token of that issuer.
        token: SecretBytes,
    },
    /// The machine or pod that this process is on.
    Machine,
}

impl Desk {
    /// A token of a source or, where `email` is given, of that service account.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the proof is refused, else the class of the failure.
    pub(crate) async fn google_token(
        &self,
        source: &Source,
        email: Option<&str>,
    ) -> Result<Token, Error> {
        let token = match source {
            Source::Key(key) => self.of_key(key).await?,
            Source::Cluster {
                pool,
                provider,
                token,
            } => {
                let audience = format!("identitynamespace:{pool}:{provider}");
                self.exchanged(IDENTITY_BINDING, &audience, JWT, token)
                    .await?
            }
            Source::Federated {
                audience,
                kind,
                token,
            } => self.exchanged(STS, audience, kind, token).await?,
            Source::Machine => self.of_machine().await?,
        };
        match email {
            Some(email) => self.impersonated(&token, email).await,
            None => Ok(token),
        }
    }

    async fn of_key(&self, key: &ServiceAccountKey) -> Result<Token, Error> {
        let assertion = key.assertion(SCOPE, self.now());
        let assertion =
            assertion.ok_or_else(|| self.invalid("the key of the service account cannot sign"))?;
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_str().unwrap_or_default()),
        ];
        let action = format!("log in as {:?}", key.email());
        let request = self.http().request(Method::POST, key.endpoint().clone());
        let sent = self.http().send(request.form(&form)).await;
        self.granted(&action, sent).await
    }

    async fn exchanged(
        &self,
        endpoint: &str,
        audience: &str,
        kind: &str,
        token: &SecretBytes,
    ) -> Result<Token, Error> {
        let token = token.expose_str().map(str::trim).unwrap_or_default();
        let body = json!({
            "grant_type": EXCHANGE,
            "audience": audience, "scope": SCOPE,
            "requested_token_type": ACCESS_TOKEN, "subject_token_type": kind,
            "subject_token": token,
        });
        // The Security Token Service takes forms, the older endpoint of GKE takes JSON.
        let request = self.http().request(Method::POST, self.url(endpoint)?);
        let request = if endpoint == IDENTITY_BINDING {
            json_body(request, &body)
        } else {
            request.form(&body)
        };
        let sent = self.http().send(request).await;
        self.granted(&format!("exchange a token for {audience:?}"), sent)
            .await
    }

    async fn impersonated(&self, token: &Token, email: &str) -> Result<Token, Error> {
        let url = self.url(&format!("{IMPERSONATION}/{email}:generateAccessToken"))?;
        let bearer = http::authorization("Bearer", &token.value);
        let bearer = bearer.ok_or_else(|| self.invalid("the token cannot be sent"))?;
        let request = self.http().request(Method::POST, url);
        let request = request.header("authorization", bearer);
        let sent = self
            .http()
            .send(json_body(request, &json!({"scope": [SCOPE]})))
            .await;
        let action = format!("become service account {email:?}");
        let answer = cloud_json::read(self.provider, &action, sent).await?;
        let value = cloud_json::member_text(&answer, "accessToken");
        let value = value.ok_or_else(|| {
            self.unavailable(format!("failed to {action}: the answer holds no token"))
        })?;
        let until = cloud_json::member_text(&answer, "expireTime");
        let until = until.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let life = until.and_then(|until| {
            let until = std::time::SystemTime::from(until);
            until.duration_since(self.now()).ok()
        });
        Ok(Token {
            value: value.into(),
            life: life.unwrap_or(UNTOLD_LIFE),
        })
    }

    async fn of_machine(&self) -> Result<Token, Error> {
        let sent = self
            .metadata("instance/service-accounts/default/token")
            .await?;
        self.granted("ask this machine for its service account", sent)
            .await
    }

    /// What the machine's metadata says, for example `project/project-id`.
    ///
    /// # Errors
    /// When there is no such machine, or it does not say.
    pub(crate) async fn google_metadata(&self, path: &str) -> Result<String, Error> {
        let failed = |cause: &str| {
            self.unavailable(format!(
                "failed to ask this machine for {path:?}: {cause}; set it in the store"
            ))
        };
        let answer = self.metadata(path).await?;
        let answer = answer.map_err(|error| failed(&error.to_string()))?;
        if !answer.status().is_success() {
            return Err(failed(&format!("HTTP {}", answer.status().as_u16())));
        }
        let body = http::read_body(answer).await;
        let body = body.map_err(|error| failed(&error.to_string()))?;
        let text = body.expose_str().map(str::trim).unwrap_or_default();
        if text.is_empty() {
            return Err(failed("it says nothing"));
        }
        Ok(text.to_owned())
    }

    async fn metadata(&self, path: &str) -> Result<Result<reqwest::Response, http::Error>, Error> {
        let host = self.variable("GCE_METADATA_HOST");
        let host = host.unwrap_or_else(|| "metadata.google.internal".to_owned());
        let url = self.url(&format!("http://{host}/computeMetadata/v1/{path}"))?;
        let build = || {
            let request = self.direct().request(Method::GET, url.clone());
            request.header("Metadata-Flavor", "Google")
        };
        Ok(self.direct().send_idempotent(build).await)
    }

    /// The token of an OAuth answer. Whatever speaks against credentials is a refusal of them.
    async fn granted(
        &self,
        action: &str,
        sent: Result<reqwest::Response, http::Error>,
    ) -> Result<Token, Error> {
        let answer = cloud_json::read(self.provider, action, sent).await;
        let answer: Json = answer.map_err(|refusal| {
            let mut error = refusal.error;
            if matches!(refusal.status, 400..=403) {
                error.kind = ErrorKind::Denied;
            } else if refusal.status == 404 {
                error.kind = ErrorKind::Unavailable;
            }
            error
        })?;
        let value = cloud_json::member_text(&answer, "access_token");
        let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            self.unavailable(format!("failed to {action}: the answer holds no token"))
        })?;
        let told = cloud_json::member(&answer, "expires_in").and_then(cloud_json::number);
        let told = told.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(Token {
            value: value.into(),
            life: told.map_or(UNTOLD_LIFE, Duration::from_secs),
        })
    }

    fn url(&self, text: &str) -> Result<Url, Error> {
        Url::parse(text).map_err(|error| self.invalid(format!("{text:?}: {error}")))
    }
}

/// A request with this JSON as its body.
pub(super) fn json_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

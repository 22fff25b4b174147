//! Logging in by API key, JWT or client certificate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method as Verb, Url};

use super::{API, ConjurClient, NAME};
use crate::api::meta::SecretKeySelector;
use crate::api::v1::{ConjurApikeyAuth, ConjurCertAuth, ConjurJwtAuth, ConjurProvider};
use crate::http;
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::rest::{Request, authorization, below, trimmed};
use crate::providers::service::Session;
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;

/// How long Conjur accepts a token.
const TOKEN_LIFE: Duration = Duration::from_mins(8);

/// Validity of ServiceAccount tokens in seconds; the API server gives none that is shorter.
const TOKEN_SECONDS: i64 = 600;

/// How a store logs in.
pub(super) enum Method<'a> {
    Key(&'a ConjurApikeyAuth),
    Jwt(&'a ConjurJwtAuth),
    Cert(&'a ConjurCertAuth),
}

/// What is read from the cluster for a login.
pub(super) struct Credentials {
    ca: Option<Vec<u8>>,
    /// User and key, a JWT, or certificate and key.
    values: Vec<SecretBytes>,
}

impl<'a> Method<'a> {
    /// The store's method.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] unless it is exactly one.
    pub(super) fn of(block: &'a ConjurProvider) -> Result<Self, Error> {
        let auth = &block.auth;
        match (&auth.apikey, &auth.jwt, &auth.cert) {
            (Some(key), None, None) => Ok(Self::Key(key)),
            (None, Some(jwt), None) => Ok(Self::Jwt(jwt)),
            (None, None, Some(cert)) => Ok(Self::Cert(cert)),
            _ => Err(API.invalid("auth: exactly one of apikey, jwt and cert must be set")),
        }
    }

    pub(super) fn account(&self) -> &'a str {
        match self {
            Self::Key(key) => &key.account,
            Self::Jwt(jwt) => &jwt.account,
            Self::Cert(cert) => &cert.account,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.account().is_empty() {
            return Err(API.invalid("auth: account must not be empty"));
        }
        match self {
            Self::Jwt(jwt) if jwt.secret_ref.is_none() && jwt.service_account_ref.is_none() => {
                Err(API.invalid("auth.jwt: secretRef or serviceAccountRef must be set"))
            }
            Self::Jwt(ConjurJwtAuth { service_id, .. })
            | Self::Cert(ConjurCertAuth { service_id, .. })
                if service_id.is_empty() =>
            {
                Err(API.invalid("auth: serviceID must not be empty"))
            }
            _ => Ok(()),
        }
    }

    /// The namespaces of all credentials.
    pub(super) fn namespaces(&self) -> Vec<&'a Option<String>> {
        match self {
            Self::Key(key) => vec![&key.user_ref.namespace, &key.api_key_ref.namespace],
            Self::Jwt(jwt) => match (&jwt.secret_ref, &jwt.service_account_ref) {
                (Some(selector), _) => vec![&selector.namespace],
                (None, Some(account)) => vec![&account.namespace],
                (None, None) => Vec::new(),
            },
            Self::Cert(cert) => {
                vec![
                    &cert.client_cert_ref.namespace,
                    &cert.client_key_ref.namespace,
                ]
            }
        }
    }
}

impl ConjurClient {
    async fn selected(
        &self,
        field: &str,
        selector: &SecretKeySelector,
    ) -> Result<SecretBytes, Error> {
        let value = self.context.credential(NAME, field, selector).await?;
        trimmed(&API, field, &value)
    }

    /// Where a host with this authenticator logs in.
    fn authenticator(&self, kind: &str, service: &str, host: Option<&str>) -> Url {
        let host = host.filter(|host| !host.is_empty());
        let path = [kind, service, self.account.as_str()].into_iter();
        below(&self.url, path.chain(host).chain(["authenticate"]))
    }

    fn login(&self, method: &Method<'_>, values: &[SecretBytes]) -> Request {
        let (url, body, kind) = match method {
            Method::Key(_) => {
                let user = values.first().and_then(SecretBytes::expose_str);
                let path = [
                    "authn",
                    &self.account,
                    user.unwrap_or_default(),
                    "authenticate",
                ];
                let key = values.get(1).map(SecretBytes::duplicate);
                (below(&self.url, path), key, "text/plain")
            }
            Method::Jwt(jwt) => {
                let host = jwt.host_id.as_deref();
                let url = self.authenticator("authn-jwt", &jwt.service_id, host);
                let token = values.first().and_then(SecretBytes::expose_str);
                let token = token.unwrap_or_default();
                // A JWT has no character that a form would escape.
                let body = Some(SecretBytes::from(format!("jwt={token}")));
                (url, body, "application/x-www-form-urlencoded")
            }
            Method::Cert(cert) => {
                let host = cert.host_id.as_deref();
                let url = self.authenticator("authn-cert", &cert.service_id, host);
                (url, None, "text/plain")
            }
        };
        let request = Request {
            method: Verb::POST,
            body,
            is_read: false,
            hidden: values.iter().map(SecretBytes::duplicate).collect(),
            ..Request::get("log in", url)
        };
        request.with(CONTENT_TYPE, Some(HeaderValue::from_static(kind)))
    }
}

#[async_trait]
impl Login for ConjurClient {
    type Credentials = Credentials;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Credentials), Error> {
        let method = Method::of(&self.block)?;
        let mut is_fresh = false;
        let values = match &method {
            Method::Key(key) => vec![
                self.selected("auth.apikey.userRef", &key.user_ref).await?,
                self.selected("auth.apikey.apiKeyRef", &key.api_key_ref)
                    .await?,
            ],
            Method::Jwt(ConjurJwtAuth {
                secret_ref: Some(selector),
                ..
            }) => {
                vec![self.selected("auth.jwt.secretRef", selector).await?]
            }
            Method::Jwt(jwt) => {
                is_fresh = true;
                let field = "auth.jwt.serviceAccountRef";
                let account = jwt.service_account_ref.as_ref();
                let account = account.ok_or_else(|| API.invalid(format!("{field} is missing")))?;
                let audiences = &account.audiences;
                let context = &self.context;
                let token = context.account_token(NAME, field, account, audiences, TOKEN_SECONDS);
                vec![token.await?]
            }
            Method::Cert(cert) => vec![
                self.selected("auth.cert.clientCertRef", &cert.client_cert_ref)
                    .await?,
                self.selected("auth.cert.clientKeyRef", &cert.client_key_ref)
                    .await?,
            ],
        };
        let block = &self.block;
        let (bundle, named) = (block.ca_bundle.as_deref(), block.ca_provider.as_ref());
        let ca = self.context.ca(NAME, "", bundle, named).await?;
        // A token of an account is another each time; the account stays the same.
        let known = values.iter().filter(|_| !is_fresh);
        let known = known.map(SecretBytes::expose).chain(ca.as_deref());
        Ok((Fingerprint::of(known), Credentials { ca, values }))
    }

    async fn log_in(&self, credentials: Credentials) -> Result<Granted<Session>, Error> {
        let Credentials { ca, values } = credentials;
        let method = Method::of(&self.block)?;
        let mut options = self.service.http.clone();
        if let (Method::Cert(_), [certificate, key]) = (&method, values.as_slice()) {
            let pem = [certificate.expose(), b"\n", key.expose()].concat();
            options.identity = Some(Arc::new(SecretBytes::new(pem)));
        }
        let http: http::Client = API.client(&options, ca)?;
        let request = self.login(&method, &values);
        let answer = API.send(&http, &request).await.map_err(|mut failure| {
            if failure.is(404) && failure.said.is_empty() {
                return failure.error;
            }
            if failure.is(400) || failure.is(404) {
                failure.error.kind = ErrorKind::Denied;
            }
            failure.error
        })?;
        if answer.body.is_empty() {
            return Err(API.unexpected("log in", "the answer has no token"));
        }
        let token = STANDARD.encode(answer.body.expose());
        let token = SecretBytes::from(format!("token=\"{token}\""));
        Ok(Granted {
            session: Session {
                http,
                token: authorization(&API, "Token", &token)?,
            },
            life: Some(TOKEN_LIFE),
            is_proven: true,
        })
    }
}

//! How to log in: an access token of a Secret, or one exchanged for a ServiceAccount's token.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::{NAME, block, invalid};
use crate::api::meta::SecretKeySelector;
use crate::api::v1::{PulumiOidcConfig, PulumiProvider};
use crate::esc::client::Client;
use crate::http::chain;
use crate::providers::{ClientContext, Error, ErrorKind};
use crate::secret::SecretBytes;

/// Shortest and default life of an exchanged token, in seconds (ESO 2.9.0).
const EXCHANGE_SECONDS: i64 = 600;
/// An exchanged token is renewed when it has this little left.
const RENEW_BEFORE: Duration = Duration::from_mins(1);

/// How a store logs in.
enum Auth<'a> {
    Token(&'a SecretKeySelector),
    Oidc(&'a PulumiOidcConfig),
}

/// Checks the login's configuration (ESO 2.9.0: exactly one form; a cluster-scoped store must name
/// namespaces).
pub(super) fn check(block: &PulumiProvider, cluster: bool) -> Result<(), Error> {
    let unnamed = |namespace: Option<&str>| cluster && namespace.is_none_or(str::is_empty);
    match auth(block)? {
        Auth::Token(selector) => {
            if selector.name.as_deref().is_none_or(str::is_empty)
                || selector.key.as_deref().is_none_or(str::is_empty)
            {
                return Err(invalid("accessToken.secretRef needs a name and a key"));
            }
            if unnamed(selector.namespace.as_deref()) {
                return Err(invalid(
                    "accessToken.secretRef.namespace: cluster store requires namespace",
                ));
            }
        }
        Auth::Oidc(oidc) => {
            if oidc.organization.is_empty() || oidc.service_account_ref.name.is_empty() {
                return Err(invalid(
                    "auth.oidcConfig needs an organization and a serviceAccountRef.name",
                ));
            }
            if unnamed(oidc.service_account_ref.namespace.as_deref()) {
                return Err(invalid(
                    "auth.oidcConfig.serviceAccountRef.namespace: cluster store requires namespace",
                ));
            }
        }
    }
    Ok(())
}

fn auth(block: &PulumiProvider) -> Result<Auth<'_>, Error> {
    let token = block.access_token.as_ref();
    let nested = block.auth.as_ref();
    let nested_token = nested.and_then(|auth| auth.access_token.as_ref());
    let oidc = nested.and_then(|auth| auth.oidc_config.as_ref());
    match (token, nested, nested_token, oidc) {
        (Some(token), None, ..) | (None, Some(_), Some(token), None) => {
            let selector = token.secret_ref.as_ref();
            selector
                .map(Auth::Token)
                .ok_or_else(|| invalid("accessToken.secretRef is missing"))
        }
        (None, Some(_), None, Some(oidc)) => Ok(Auth::Oidc(oidc)),
        _ => Err(invalid(
            "exactly one of accessToken, auth.accessToken and auth.oidcConfig must be set",
        )),
    }
}

/// How to reach the server of one store.
pub(super) struct Connection {
    /// Connections.
    pub http: reqwest::Client,
    /// Address of the API.
    pub url: String,
    /// Exchanged tokens.
    pub tokens: Arc<Exchanged>,
    /// The store, its user, and the credentials' reader.
    pub context: ClientContext,
}

impl Connection {
    /// A client with a token. Credentials are read at each call, and only when a call must be made.
    ///
    /// # Errors
    /// When the credentials cannot be read or exchanged.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        let token = match auth(block(&self.context.store)?)? {
            Auth::Token(selector) => {
                self.context
                    .credential(NAME, "accessToken.secretRef", selector)
                    .await?
            }
            Auth::Oidc(oidc) => self.tokens.token(self, oidc).await?,
        };
        let token = SecretBytes::new(token.expose().trim_ascii());
        if token.is_empty() || token.expose().iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err(invalid(
                "the access token is empty or has characters that a token cannot have",
            ));
        }
        Ok(Client::new(self.http.clone(), &self.url, &token))
    }
}

/// Access tokens that were exchanged, until shortly before they expire.
#[derive(Default)]
pub(super) struct Exchanged(Mutex<HashMap<String, (Instant, SecretBytes)>>);

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u64,
}

impl Exchanged {
    async fn token(
        &self,
        connection: &Connection,
        oidc: &PulumiOidcConfig,
    ) -> Result<SecretBytes, Error> {
        let account = &oidc.service_account_ref;
        let namespace = connection
            .context
            .selected_namespace(account.namespace.as_deref());
        let key = format!(
            "{} {} {namespace}/{} {:?}",
            connection.url, oidc.organization, account.name, account.audiences
        );
        let mut tokens = self.0.lock().await;
        if let Some((renew, token)) = tokens.get(&key)
            && Instant::now() < *renew
        {
            return Ok(token.duplicate());
        }
        let grant = exchange(connection, oidc, namespace).await?;
        let life = Duration::from_secs(grant.expires_in).saturating_sub(RENEW_BEFORE);
        let token = SecretBytes::from(grant.access_token);
        tokens.insert(key, (Instant::now() + life, token.duplicate()));
        Ok(token)
    }
}

/// Exchanges a ServiceAccount's token for an access token (RFC 8693; pulumi-esc.md §4.7).
async fn exchange(
    connection: &Connection,
    oidc: &PulumiOidcConfig,
    namespace: &str,
) -> Result<Grant, Error> {
    let name = &oidc.service_account_ref.name;
    let base = connection
        .url
        .trim_end_matches('/')
        .trim_end_matches("/api/esc");
    let seconds = oidc
        .expiration_seconds
        .unwrap_or(EXCHANGE_SECONDS)
        .max(EXCHANGE_SECONDS);
    let subject = subject_token(connection, oidc, namespace, base, seconds).await?;
    let body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": format!("urn:pulumi:org:{}", oidc.organization),
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "requested_token_type": "urn:pulumi:token-type:access_token:organization",
        "scope": "",
        "expiration": seconds,
        "subject_token": subject.expose_str().unwrap_or_default(),
    });
    let url = format!("{base}/api/oauth/token");
    let unavailable = |text: String| Error::new(ErrorKind::Unavailable, NAME, text);
    let unreachable = |error: reqwest::Error| {
        unavailable(format!(
            "could not exchange a token at {url}: {}",
            chain(&error.without_url())
        ))
    };
    let response = connection
        .http
        .post(&url)
        .json(&body)
        .send()
        .await
        .map_err(unreachable)?;
    let status = response.status();
    if status.is_client_error() {
        let message = format!(
            "could not exchange the token of ServiceAccount {namespace}/{name} at {url}: HTTP {status}; check the \
             organization's OIDC issuer and the audiences of auth.oidcConfig.serviceAccountRef"
        );
        return Err(Error::new(ErrorKind::Denied, NAME, message));
    }
    if !status.is_success() {
        return Err(unavailable(format!(
            "could not exchange a token at {url}: HTTP {status}"
        )));
    }
    let grant: Grant = response.json().await.map_err(unreachable)?;
    if grant.access_token.is_empty() || grant.expires_in == 0 {
        return Err(unavailable(format!(
            "{url} answered without an access token"
        )));
    }
    Ok(grant)
}

async fn subject_token(
    connection: &Connection,
    oidc: &PulumiOidcConfig,
    namespace: &str,
    base: &str,
    seconds: i64,
) -> Result<SecretBytes, Error> {
    let account = &oidc.service_account_ref;
    let audiences = if account.audiences.is_empty() {
        vec![base.to_owned()]
    } else {
        account.audiences.clone()
    };
    let reader = &connection.context.secrets;
    let token = reader
        .service_account_token(namespace, &account.name, &audiences, seconds)
        .await;
    token.map_err(|error| {
        let kind = if error.denied {
            ErrorKind::Denied
        } else {
            ErrorKind::Unavailable
        };
        let account = format!("ServiceAccount {namespace}/{}", account.name);
        Error::new(
            kind,
            NAME,
            format!("could not get a token of {account}: {error}"),
        )
    })
}

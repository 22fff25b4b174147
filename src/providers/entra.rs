//! Tokens of Microsoft Entra ID, and of the managed identities of Azure's machines.
//!
//! Spoken over HTTP as published (client credentials grant of the Microsoft identity platform 2.0,
//! Instance Metadata Service 2018-02-01, App Service identity endpoint 2019-08-01), so that proxies,
//! certificate authorities, timeouts and the pause after a refusal are those of every other login.

mod certificate;

use std::time::{Duration, UNIX_EPOCH};

use reqwest::{Method, RequestBuilder, Url};

use super::desk::{Desk, Token};
use super::{Error, ErrorKind, cloud_json};
use crate::api::v1::AzureEnvironment;
use crate::secret::SecretBytes;
use crate::secret::json::Json;

pub(crate) use certificate::ClientCertificate;

/// Audience of tokens by which other issuers vouch for a workload (Microsoft's workload identity).
pub(crate) const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Where a machine asks for its identity.
const METADATA: &str = "http://169.254.169.254";

/// How long a token is used whose end is not told.
const UNTOLD_LIFE: Duration = Duration::from_mins(5);

/// Who asks for a token.
pub(crate) enum Principal {
    /// An application.
    Application {
        /// Its tenant: an id or a domain.
        tenant: String,
        /// Its client id.
        client: String,
        /// What it proves itself with.
        proof: Proof,
    },
    /// The identity of the machine or pod.
    Managed {
        /// Client id or resource id of the identity; `None` is the only one.
        identity: Option<String>,
    },
}

/// What an application proves itself with.
pub(crate) enum Proof {
    /// A client secret.
    Secret(SecretBytes),
    /// A certificate whose key signs an assertion.
    Certificate(Box<ClientCertificate>),
    /// A token of an issuer that the application trusts.
    Assertion(SecretBytes),
}

impl Desk {
    /// A token for `resource`, as a URL without path.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] when the proof is refused, else the class of the failure.
    pub(crate) async fn entra_token(
        &self,
        authority: &Url,
        principal: &Principal,
        resource: &str,
    ) -> Result<Token, Error> {
        match principal {
            Principal::Application {
                tenant,
                client,
                proof,
            } => {
                let endpoint = endpoint(authority, tenant)
                    .ok_or_else(|| self.invalid("tenantId: is no id and no domain".to_owned()))?;
                self.entra_granted(&endpoint, client, proof, resource).await
            }
            Principal::Managed { identity } => {
                self.managed_identity(identity.as_deref(), resource).await
            }
        }
    }

    async fn entra_granted(
        &self,
        endpoint: &Url,
        client: &str,
        proof: &Proof,
        resource: &str,
    ) -> Result<Token, Error> {
        const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let scope = format!("{resource}/.default");
        let (name, value) = match proof {
            Proof::Secret(secret) => ("client_secret", secret.duplicate()),
            Proof::Assertion(token) => ("client_assertion", token.duplicate()),
            Proof::Certificate(certificate) => {
                let now = self.now();
                let signed = certificate.assertion(client, endpoint.as_str(), now);
                let signed = signed.ok_or_else(|| {
                    self.invalid("the key of the client certificate cannot sign".to_owned())
                })?;
                ("client_assertion", signed)
            }
        };
        let text = value.expose_str().ok_or_else(|| {
            self.invalid("the credentials are not text; store them as UTF-8".to_owned())
        })?;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("scope", scope.as_str()),
            (name, text),
        ];
        if name == "client_assertion" {
            form.push(("client_assertion_type", ASSERTION));
        }
        let request = self
            .http()
            .request(Method::POST, endpoint.clone())
            .form(&form);
        let sent = self.http().send(request).await;
        let host = endpoint.host_str().unwrap_or_default();
        let action = format!("log in to {host} as client {client:?}");
        let answer = cloud_json::read(self.provider, &action, sent).await;
        self.issued(&action, answer)
    }

    /// The token of the machine's identity, from App Service's endpoint where there is one.
    async fn managed_identity(
        &self,
        identity: Option<&str>,
        resource: &str,
    ) -> Result<Token, Error> {
        let service = self.variable("IDENTITY_ENDPOINT");
        let key = self.variable("IDENTITY_HEADER");
        let (address, version, of_resource) = match (service, &key) {
            (Some(address), Some(_)) => (address, "2019-08-01", "mi_res_id"),
            _ => {
                let host = self.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                let host = host.unwrap_or_else(|| METADATA.to_owned());
                let address = format!(
                    "{}/metadata/identity/oauth2/token",
                    host.trim_end_matches('/')
                );
                (address, "2018-02-01", "msi_res_id")
            }
        };
        let mut url = Url::parse(&address).map_err(|_| {
            self.invalid("the environment names no address of an identity".to_owned())
        })?;
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", resource);
        if let Some(identity) = identity.filter(|identity| !identity.is_empty()) {
            let is_resource = identity.contains('/');
            let name = if is_resource {
                of_resource
            } else {
                "client_id"
            };
            url.query_pairs_mut().append_pair(name, identity);
        }
        let build = || self.asking(&url, key.as_deref().filter(|_| version == "2019-08-01"));
        let sent = self.direct().send_idempotent(build).await;
        let action = "ask this machine for its managed identity";
        let answer = cloud_json::read(self.provider, action, sent).await;
        self.issued(action, answer)
    }

    fn asking(&self, url: &Url, key: Option<&str>) -> RequestBuilder {
        let request = self.direct().request(Method::GET, url.clone());
        match key {
            Some(key) => request.header("X-IDENTITY-HEADER", key),
            None => request.header("Metadata", "true"),
        }
    }

    /// The token of an answer. Whatever speaks against credentials is a refusal of them.
    fn issued(
        &self,
        action: &str,
        answer: Result<Json, cloud_json::Refusal>,
    ) -> Result<Token, Error> {
        let answer = answer.map_err(|refusal| {
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
            let message = format!("failed to {action}: the answer holds no token");
            Error::new(ErrorKind::Unavailable, self.provider, message)
        })?;
        let seconds = |name| cloud_json::member(&answer, name).and_then(cloud_json::number);
        let until = seconds("expires_on").and_then(|at| u64::try_from(at).ok());
        let left = until.and_then(|at| {
            let at = UNIX_EPOCH + Duration::from_secs(at);
            at.duration_since(self.now()).ok()
        });
        let told = seconds("expires_in").and_then(|left| u64::try_from(left).ok());
        Ok(Token {
            value: value.into(),
            life: told
                .map(Duration::from_secs)
                .or(left)
                .unwrap_or(UNTOLD_LIFE),
        })
    }
}

/// Where applications of a cloud log in.
pub(crate) fn authority(environment: AzureEnvironment) -> Option<&'static str> {
    match environment {
        AzureEnvironment::PublicCloud => Some("https://login.microsoftonline.com"),
        AzureEnvironment::USGovernmentCloud => Some("https://login.microsoftonline.us"),
        AzureEnvironment::ChinaCloud => Some("https://login.chinacloudapi.cn"),
        AzureEnvironment::GermanCloud => Some("https://login.microsoftonline.de"),
        AzureEnvironment::AzureStackCloud => None,
    }
}

/// The token endpoint of a tenant; an authority that names its own (`…/adfs`) needs none.
fn endpoint(authority: &Url, tenant: &str) -> Option<Url> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let mut url = authority.clone();
    let is_federation = url.path().trim_end_matches('/').ends_with("/adfs");
    if !is_federation && (tenant.is_empty() || !tenant.bytes().all(is_part)) {
        return None;
    }
    let mut segments = url.path_segments_mut().ok()?;
    segments.pop_if_empty();
    if is_federation {
        segments.extend(["oauth2", "token"]);
    } else {
        segments.extend([tenant, "oauth2", "v2.0", "token"]);
    }
    drop(segments);
    Some(url)
}

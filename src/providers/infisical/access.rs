//! Logging in as a machine identity.

use async_trait::async_trait;
use reqwest::{Method as Verb, Url};

use super::{API, InfisicalClient, NAME};
use crate::api::meta::SecretKeySelector;
use crate::api::v1::InfisicalProvider;
use crate::providers::logins::{Fingerprint, Granted, Login};
use crate::providers::rest::{Request, authorization, below, seconds, trimmed};
use crate::providers::service::Session;
use crate::providers::{Error, ErrorKind};
use crate::secret::SecretBytes;
use crate::secret::json::Json;

/// Where Infisical is unless the store says otherwise (ESO's CRD).
const URL: &str = "https://app.infisical.com/api";

/// How a store logs in.
pub(super) struct Method<'a> {
    /// Name of the login in the API's path; empty where the credential is a token itself.
    path: &'static str,
    /// Field, name in the request's body, selector.
    pub(super) fields: Vec<(String, &'static str, &'a SecretKeySelector)>,
}

/// Credentials in the order of [`Method::fields`], and what to trust.
pub(super) type Credentials = (Vec<SecretBytes>, Option<Vec<u8>>);

/// The address of the API, which ends with `/api` whether the store says so or not.
pub(super) fn url(block: &InfisicalProvider) -> Result<Url, Error> {
    let named = block.host_api.as_deref().map(str::trim);
    let named = named.filter(|url| !url.is_empty()).unwrap_or(URL);
    let url = API.url("hostAPI", named)?;
    if url.path().trim_end_matches('/').ends_with("/api") {
        return Ok(url);
    }
    Ok(below(&url, ["api"]))
}

/// The store's method: the first that it names, in ESO's order.
///
/// # Errors
/// [`ErrorKind::Invalid`] without one, [`ErrorKind::Unsupported`] where it is not served.
pub(super) fn method(block: &InfisicalProvider) -> Result<Method<'_>, Error> {
    let auth = &block.auth;
    let id = "identityId";
    let (path, prefix, members) = if let Some(one) = &auth.universal_auth_credentials {
        let members = vec![
            ("clientId", "clientId", &one.client_id),
            ("clientSecret", "clientSecret", &one.client_secret),
        ];
        ("universal-auth", "universalAuthCredentials", members)
    } else if let Some(one) = &auth.jwt_auth_credentials {
        let members = vec![(id, id, &one.identity_id), ("jwt", "jwt", &one.jwt)];
        ("jwt-auth", "jwtAuthCredentials", members)
    } else if let Some(one) = &auth.ldap_auth_credentials {
        let members = vec![
            (id, id, &one.identity_id),
            ("ldapUsername", "username", &one.ldap_username),
            ("ldapPassword", "password", &one.ldap_password),
        ];
        ("ldap-auth", "ldapAuthCredentials", members)
    } else if let Some(one) = &auth.token_auth_credentials {
        let members = vec![("accessToken", "", &one.access_token)];
        ("", "tokenAuthCredentials", members)
    } else {
        return Err(unserved(block));
    };
    let members = members.into_iter();
    let field = |(field, name, selector)| (format!("auth.{prefix}.{field}"), name, selector);
    Ok(Method {
        path,
        fields: members.map(field).collect(),
    })
}

/// Why a store whose method is none of those that are served cannot work.
fn unserved(block: &InfisicalProvider) -> Error {
    let auth = &block.auth;
    if auth.kubernetes_auth_credentials.is_some() {
        return API.unsupported(
            "auth.kubernetesAuthCredentials would show latchkey's own token to the server that the store names; use jwtAuthCredentials or universalAuthCredentials",
        );
    }
    let fields = [
        (
            "azureAuthCredentials",
            auth.azure_auth_credentials.is_some(),
        ),
        (
            "gcpIdTokenAuthCredentials",
            auth.gcp_id_token_auth_credentials.is_some(),
        ),
        (
            "gcpIamAuthCredentials",
            auth.gcp_iam_auth_credentials.is_some(),
        ),
        ("ociAuthCredentials", auth.oci_auth_credentials.is_some()),
        ("awsAuthCredentials", auth.aws_auth_credentials.is_some()),
    ];
    match fields.into_iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => API.unsupported(format!(
            "auth.{field} is not served by this build; use universalAuthCredentials or jwtAuthCredentials"
        )),
        None => API.invalid("auth: one method must be set"),
    }
}

#[async_trait]
impl Login for InfisicalClient {
    type Credentials = Credentials;
    type Session = Session;

    async fn credentials(&self) -> Result<(Fingerprint, Credentials), Error> {
        let mut values = Vec::new();
        for (field, _, selector) in method(&self.block)?.fields {
            let value = self.context.credential(NAME, &field, selector).await?;
            values.push(trimmed(&API, &field, &value)?);
        }
        let block = &self.block;
        let (bundle, named) = (block.ca_bundle.as_deref(), block.ca_provider.as_ref());
        let ca = self.context.ca(NAME, "", bundle, named).await?;
        let parts = values.iter().map(SecretBytes::expose).chain(ca.as_deref());
        Ok((Fingerprint::of(parts), (values, ca)))
    }

    async fn log_in(&self, (values, ca): Credentials) -> Result<Granted<Session>, Error> {
        let http = API.client(&self.service.http, ca)?;
        let method = method(&self.block)?;
        if method.path.is_empty() {
            let empty = SecretBytes::new(Vec::new());
            let token = values.first().unwrap_or(&empty);
            return Ok(Granted {
                session: Session {
                    http,
                    token: authorization(&API, "Bearer", token)?,
                },
                life: None,
                is_proven: false,
            });
        }
        let names = method.fields.iter().map(|(_, name, _)| *name);
        let organization = self.block.secrets_scope.organization_slug.as_deref();
        let organization = organization.filter(|slug| !slug.is_empty());
        let organization = organization.map(|slug| ("organizationSlug", slug.into()));
        let body = Json::texts(names.zip(values).chain(organization));
        let url = below(&self.url, ["v1", "auth", method.path, "login"]);
        let action = format!("log in by {}", method.path);
        let request = Request::send(action.as_str(), Verb::POST, url, &body);
        let answer = API.json(&http, &request).await.map_err(|mut failure| {
            if failure.is(400) || failure.is(404) {
                failure.error.kind = ErrorKind::Denied;
            }
            failure.error
        })?;
        let token = answer.member_str("accessToken");
        let token = token.ok_or_else(|| API.unexpected(&action, "the answer has no token"))?;
        Ok(Granted {
            session: Session {
                http,
                token: authorization(&API, "Bearer", &token.into())?,
            },
            life: seconds(&answer, "expiresIn"),
            is_proven: true,
        })
    }
}

//! Generator `ACRAccessToken`: a login for Azure Container Registry.
//!
//! The registry gives a refresh token for a token of Entra ID and, where a scope is set, an access token
//! for that (token exchange of the registry's OAuth 2.0 endpoints). Tokens of Entra ID are asked for the
//! audience of registries and sent to hosts in their domain alone.

use async_trait::async_trait;
use reqwest::{Method, Url};

use super::{Context, Error, Generator, cloud};
use crate::api::generators::AcrAccessTokenSpec;
use crate::api::v1::{
    AzureAuthType, AzureEnvironment, AzureKeyVaultAuthSecretRef, AzureKeyVaultProvider,
};
use crate::http;
use crate::providers::azurekv;
use crate::secret::json::Json;
use crate::secret::{SecretBytes, SecretMap};

/// The user that every token belongs to.
const USERNAME: &str = "00000000-0000-0000-0000-000000000000";

#[async_trait]
impl Generator for AcrAccessTokenSpec {
    async fn generate(&self, context: &Context) -> Result<SecretMap, Error> {
        let environment = self
            .environment_type
            .unwrap_or(AzureEnvironment::PublicCloud);
        let (resource, domain) = place(environment)?;
        let registry = registry(&self.registry, domain)?;
        let asked = cloud::as_store(context, "ACRAccessToken");
        let block = block(self)?;
        let token = azurekv::token_for(&asked, context.registry.options(), &block, resource).await;
        let token = token.map_err(|error| cloud::failed(&error))?;
        let tenant = self.tenant_id.as_deref().unwrap_or_default();
        let mut form = vec![
            ("grant_type", "access_token"),
            ("service", registry.as_str()),
        ];
        if !tenant.is_empty() {
            form.push(("tenant", tenant));
        }
        let grant = ("access_token", &token.value);
        let http = context.registry.http()?;
        let mut password =
            exchanged(http, &registry, "exchange", &form, grant, "refresh_token").await?;
        if let Some(scope) = self.scope.as_deref().filter(|scope| !scope.is_empty()) {
            let form = [
                ("grant_type", "refresh_token"),
                ("service", registry.as_str()),
                ("scope", scope),
            ];
            let grant = ("refresh_token", &password);
            password = exchanged(http, &registry, "token", &form, grant, "access_token").await?;
        }
        let values = [
            ("username", SecretBytes::from(USERNAME)),
            ("password", password),
        ];
        let values = values.into_iter();
        Ok(values.map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// Audience of tokens for the registries of a cloud, and the domain that these are in.
fn place(environment: AzureEnvironment) -> Result<(&'static str, &'static str), Error> {
    Ok(match environment {
        AzureEnvironment::PublicCloud => ("https://containerregistry.azure.net", "azurecr.io"),
        AzureEnvironment::USGovernmentCloud => {
            ("https://management.usgovcloudapi.net", "azurecr.us")
        }
        AzureEnvironment::ChinaCloud => ("https://management.chinacloudapi.cn", "azurecr.cn"),
        AzureEnvironment::GermanCloud | AzureEnvironment::AzureStackCloud => {
            return Err(Error::invalid(
                "spec.environmentType: this cloud has no container registries",
            ));
        }
    })
}

/// The registry's host, if tokens may be sent there.
fn registry(text: &str, domain: &str) -> Result<String, Error> {
    let host = text.trim().trim_end_matches('/');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let below = host.strip_suffix(domain);
    if host.bytes().all(is_part)
        && below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
    {
        return Ok(host.to_owned());
    }
    Err(Error::invalid(format!(
        "spec.registry: {text:?} is no host in {domain}, the domain of the cloud's registries"
    )))
}

/// The login as a store of Key Vault says it.
fn block(spec: &AcrAccessTokenSpec) -> Result<AzureKeyVaultProvider, Error> {
    let auth = &spec.auth;
    let mut block = AzureKeyVaultProvider {
        environment_type: spec.environment_type,
        tenant_id: spec.tenant_id.clone(),
        ..AzureKeyVaultProvider::default()
    };
    match (
        &auth.service_principal,
        &auth.managed_identity,
        &auth.workload_identity,
    ) {
        (Some(principal), None, None) => {
            block.auth_type = Some(AzureAuthType::ServicePrincipal);
            block.auth_secret_ref = Some(AzureKeyVaultAuthSecretRef {
                client_id: principal.secret_ref.client_id.clone(),
                client_secret: principal.secret_ref.client_secret.clone(),
                ..AzureKeyVaultAuthSecretRef::default()
            });
        }
        (None, Some(identity), None) => {
            block.auth_type = Some(AzureAuthType::ManagedIdentity);
            block.identity_id.clone_from(&identity.identity_id);
        }
        (None, None, Some(identity)) => {
            block.auth_type = Some(AzureAuthType::WorkloadIdentity);
            block
                .service_account_ref
                .clone_from(&identity.service_account_ref);
        }
        _ => {
            return Err(Error::invalid(
                "spec.auth: one of managedIdentity, servicePrincipal and workloadIdentity must be set",
            ));
        }
    }
    Ok(block)
}

/// One token for another, at the registry.
async fn exchanged(
    client: &http::Client,
    registry: &str,
    endpoint: &str,
    form: &[(&str, &str)],
    grant: (&str, &SecretBytes),
    wanted: &str,
) -> Result<SecretBytes, Error> {
    let failed = |cause: String| {
        Error::unavailable(format!("failed to log in to registry {registry}: {cause}"))
    };
    let url = format!("https://{registry}/oauth2/{endpoint}");
    let url = Url::parse(&url).map_err(|error| failed(error.to_string()))?;
    let mut form = form.to_vec();
    form.push((grant.0, grant.1.expose_str().unwrap_or_default()));
    let sent = client
        .send(client.request(Method::POST, url).form(&form))
        .await;
    let answer = sent.map_err(|error| failed(error.to_string()))?;
    let status = answer.status();
    if !status.is_success() {
        let advice = match status.as_u16() {
            401 | 403 => "; grant the identity the role AcrPull",
            _ => "",
        };
        return Err(failed(format!("HTTP {}{advice}", status.as_u16())));
    }
    let body = http::read_body(answer).await;
    let body = body.map_err(|error| failed(error.to_string()))?;
    match Json::parse(body.expose()) {
        Ok(Json::Object(mut members)) => match members.remove(wanted) {
            Some(Json::Text(token)) if !token.is_empty() => Ok(token),
            _ => Err(failed("the answer holds no token".to_owned())),
        },
        _ => Err(failed("the answer is not JSON".to_owned())),
    }
}

//! The only way by which providers and controllers read the data of a Secret.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::cluster::request::{self, bounded};
use crate::secret::{SecretBytes, SecretMap};

/// A failed read of a Secret, a ConfigMap or a token.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What failed, naming the object; holds no secret.
    pub message: String,
    /// Whether the API server refused by permission.
    pub denied: bool,
}

/// Reads credentials: Secrets, ConfigMaps with CA certificates, ServiceAccount tokens.
///
/// Every read goes to the API server; nothing is kept.
#[async_trait]
pub trait SecretReader: Send + Sync {
    /// The data of a Secret, or `None` where there is no such Secret.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error>;

    /// The data of a ConfigMap, or `None` where there is no such ConfigMap.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error>;

    /// A new token of a ServiceAccount for `audiences`, valid for `seconds`.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses, or the account does not exist.
    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error>;
}

/// Reads through the API server, with a bound on the time of each request.
#[derive(Clone)]
pub struct KubeSecretReader {
    client: Client,
}

impl KubeSecretReader {
    /// Uses `client` for every request.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn failed(what: &str, error: &request::Error) -> Error {
    Error {
        message: format!("{what}: {error}"),
        denied: error.is_forbidden(),
    }
}

#[async_trait]
impl SecretReader for KubeSecretReader {
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = bounded(api.get_opt(name))
            .await
            .map_err(|error| failed("failed to read the Secret", &error))?;
        Ok(secret.map(|secret| {
            let data = secret.data.unwrap_or_default().into_iter();
            data.map(|(key, value)| (key, SecretBytes::new(value.0)))
                .collect()
        }))
    }

    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = bounded(api.get_opt(name))
            .await
            .map_err(|error| failed("failed to read the ConfigMap", &error))?;
        Ok(map.map(|map| map.data.unwrap_or_default()))
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let review = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.to_vec(),
                expiration_seconds: Some(seconds),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let params = PostParams::default();
        let answer = bounded(api.create_token_request(name, &params, &review)).await;
        let answer = answer.map_err(|error| failed("failed to request a token", &error))?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        Ok(SecretBytes::from(token))
    }
}

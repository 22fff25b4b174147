//! The only way by which providers and controllers read the data of a Secret.

use std::collections::BTreeMap;

use async_trait::async_trait;
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::cluster::request;
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

    /// The data of a Secret that carries one of these labels, or `None` where there is no such Secret.
    ///
    /// # Errors
    /// As [`Self::read_secret`]; also when the Secret carries none of them.
    async fn read_marked_secret(
        &self,
        namespace: &str,
        name: &str,
        marks: &[(&str, &str)],
    ) -> Result<Option<SecretMap>, Error> {
        let _ = marks;
        Err(Error {
            message: format!("Secret {namespace}/{name}: this reader cannot tell labels"),
            denied: false,
        })
    }

    /// The data of a ConfigMap, or `None` where there is no such ConfigMap.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error>;

    /// The annotations of a ServiceAccount, or `None` where there is no such account.
    ///
    /// # Errors
    /// When the API server cannot be reached or refuses.
    async fn service_account_annotations(
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

/// Reads from the API server of one cluster.
#[derive(Clone)]
pub struct KubeSecretReader {
    client: Client,
}

impl KubeSecretReader {
    /// Reads with the permissions of `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl SecretReader for KubeSecretReader {
    async fn read_secret(&self, namespace: &str, name: &str) -> Result<Option<SecretMap>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = request::bounded(api.get_opt(name)).await;
        let secret = secret.map_err(|error| failed("Secret", namespace, name, &error))?;
        Ok(secret.map(|secret| contents(secret.data)))
    }

    async fn read_marked_secret(
        &self,
        namespace: &str,
        name: &str,
        marks: &[(&str, &str)],
    ) -> Result<Option<SecretMap>, Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = request::bounded(api.get_opt(name)).await;
        let secret = secret.map_err(|error| failed("Secret", namespace, name, &error))?;
        let Some(secret) = secret else {
            return Ok(None);
        };
        let labels = secret.metadata.labels.unwrap_or_default();
        let is_marked =
            |(label, value): &(&str, &str)| labels.get(*label).is_some_and(|found| found == value);
        if !marks.iter().any(is_marked) {
            let wanted: Vec<_> = marks
                .iter()
                .map(|(label, value)| format!("{label}: {value}"))
                .collect();
            let wanted = wanted.join(" or ");
            return Err(Error {
                message: format!(
                    "Secret {namespace}/{name} lacks the label {wanted}; set it to let webhooks use it"
                ),
                denied: false,
            });
        }
        Ok(Some(contents(secret.data)))
    }

    async fn read_config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = request::bounded(api.get_opt(name)).await;
        let map = map.map_err(|error| failed("ConfigMap", namespace, name, &error))?;
        Ok(map.map(|map| map.data.unwrap_or_default()))
    }

    async fn service_account_annotations(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let account = request::bounded(api.get_metadata_opt(name)).await;
        let account = account.map_err(|error| failed("ServiceAccount", namespace, name, &error))?;
        Ok(account.map(|account| account.metadata.annotations.unwrap_or_default()))
    }

    async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
        seconds: i64,
    ) -> Result<SecretBytes, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.to_vec(),
                expiration_seconds: Some(seconds),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let parameters = PostParams::default();
        let granted = api.create_token_request(name, &parameters, &wanted);
        let granted = request::bounded(granted).await;
        let granted =
            granted.map_err(|error| failed("token of ServiceAccount", namespace, name, &error))?;
        let token = granted.status.map(|status| SecretBytes::from(status.token));
        token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Error {
                message: format!(
                    "the API server gave no token of ServiceAccount {namespace}/{name}"
                ),
                denied: false,
            })
    }
}

/// The data of a Secret, moved without a copy.
pub(super) fn contents(data: Option<BTreeMap<String, ByteString>>) -> SecretMap {
    data.unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, SecretBytes::new(value.0)))
        .collect()
}

fn failed(kind: &str, namespace: &str, name: &str, error: &request::Error) -> Error {
    Error {
        message: format!("failed to read {kind} {namespace}/{name}: {error}"),
        denied: matches!(error.code(), Some(401 | 403)),
    }
}

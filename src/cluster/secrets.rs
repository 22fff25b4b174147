//! The only way by which providers and controllers read the data of a Secret.

use std::collections::BTreeMap;

use async_trait::async_trait;

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

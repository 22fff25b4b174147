//! Provider block `dvls`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Devolutions Server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsProvider {
    /// How to log in.
    pub auth: DvlsAuth,
    /// Accepts plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// Address of the server.
    pub server_url: String,
    /// Vault, by name or ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsAuth {
    /// With credentials in Secrets.
    pub secret_ref: DvlsAuthSecretRef,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DvlsAuthSecretRef {
    /// The application ID.
    pub app_id: SecretKeySelector,
    /// The application secret.
    pub app_secret: SecretKeySelector,
}

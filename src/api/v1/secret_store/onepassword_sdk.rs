//! Provider block `onepasswordSDK`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// 1Password by a service account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "[has(self.vault),has(self.environment)].filter(x,x==true).size() <= 1", "message": "vault and environment exclude each other"}]))]
pub struct OnePasswordSdkProvider {
    /// How to log in.
    pub auth: OnePasswordSdkAuth,
    /// Remembers values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<OnePasswordSdkCache>,
    /// 1Password environment, instead of `vault`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How the client names itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_info: Option<OnePasswordSdkIntegration>,
    /// Vault, by name or ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSdkAuth {
    /// The service account's token.
    pub service_account_secret_ref: SecretKeySelector,
}

/// Remembers values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordSdkCache {
    /// How many values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 100))]
    pub max_size: Option<i64>,
    /// How long, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "5m"))]
    pub ttl: Option<String>,
}

/// How the client names itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OnePasswordSdkIntegration {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "1Password SDK"))]
    pub name: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "v1.0.0"))]
    pub version: Option<String>,
}

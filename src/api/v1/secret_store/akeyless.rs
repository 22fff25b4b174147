//! Provider block `akeyless`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector, ServiceAccountSelector};

/// Akeyless Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessProvider {
    /// Address of the gateway's API.
    #[serde(rename = "akeylessGWApiURL")]
    pub akeyless_gw_api_url: String,
    /// How to log in.
    pub auth_secret_ref: AkeylessAuthSecretRef,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Asks for values past the gateway's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_cache: Option<bool>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessAuthSecretRef {
    /// As a ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_auth: Option<AkeylessAuthSecretRefKubernetesAuth>,
    /// With an access ID and what its type asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<AkeylessAuthSecretRefSecretRef>,
    /// Whose token is presented to a cloud identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// As a ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessAuthSecretRefKubernetesAuth {
    /// The access ID.
    #[serde(rename = "accessID")]
    pub access_id: String,
    /// Name of the gateway's Kubernetes auth configuration.
    pub k8s_conf_name: String,
    /// A ServiceAccount token to present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// Whose token is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
}

/// With an access ID and what its type asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AkeylessAuthSecretRefSecretRef {
    /// The access ID.
    #[serde(default, rename = "accessID", skip_serializing_if = "Option::is_none")]
    pub access_id: Option<SecretKeySelector>,
    /// Type of the access ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_type: Option<SecretKeySelector>,
    /// What the type asks for, for example an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_type_param: Option<SecretKeySelector>,
}

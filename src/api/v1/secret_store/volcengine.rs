//! Provider block `volcengine`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Volcengine KMS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VolcengineProvider {
    /// How to log in; empty is the instance's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<VolcengineAuth>,
    /// Region.
    pub region: String,
}

/// How to log in; empty is the instance's identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolcengineAuth {
    /// With credentials in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<VolcengineAuthSecretRef>,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolcengineAuthSecretRef {
    /// The access key ID.
    #[serde(rename = "accessKeyID")]
    pub access_key_id: SecretKeySelector,
    /// The secret access key.
    pub secret_access_key: SecretKeySelector,
    /// The session token, with temporary credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKeySelector>,
}

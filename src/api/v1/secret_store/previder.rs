//! Provider block `previder`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Previder Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviderProvider {
    /// How to log in.
    pub auth: PreviderAuth,
    /// Address of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_uri: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviderAuth {
    /// With credentials in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<PreviderAuthSecretRef>,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviderAuthSecretRef {
    /// The access token.
    pub access_token: SecretKeySelector,
}

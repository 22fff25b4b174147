//! Provider block `ngrok`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// ngrok vaults; they can only be written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NgrokProvider {
    /// Address of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "https://api.ngrok.com"))]
    pub api_url: Option<String>,
    /// How to log in; exactly one member.
    pub auth: NgrokAuth,
    /// Which vault.
    pub vault: NgrokVault,
}

/// How to log in; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct NgrokAuth {
    /// With an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<NgrokApiKeyAuth>,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NgrokApiKeyAuth {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

/// Which vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NgrokVault {
    /// Name of the vault.
    pub name: String,
}

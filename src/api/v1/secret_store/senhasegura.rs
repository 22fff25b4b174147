//! Provider block `senhasegura`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// senhasegura.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenhaseguraProvider {
    /// How to log in.
    pub auth: SenhaseguraAuth,
    /// Accepts any server certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub ignore_ssl_certificate: Option<bool>,
    /// Module; DSM.
    pub module: String,
    /// Address of the server.
    pub url: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenhaseguraAuth {
    /// The client ID.
    pub client_id: String,
    /// The client secret.
    pub client_secret_secret_ref: SecretKeySelector,
}

//! Provider block `passbolt`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// Passbolt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassboltProvider {
    /// How to log in.
    pub auth: PassboltAuth,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Address of the server.
    pub host: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassboltAuth {
    /// The passphrase of the key.
    pub password_secret_ref: SecretKeySelector,
    /// The private key.
    pub private_key_secret_ref: SecretKeySelector,
}

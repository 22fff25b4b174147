//! Provider block `chef`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Encrypted data bags of a Chef server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefProvider {
    /// How to log in.
    pub auth: ChefAuth,
    /// Address of the server.
    pub server_url: String,
    /// Name of the user.
    pub username: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefAuth {
    /// With credentials in Secrets.
    pub secret_ref: ChefAuthSecretRef,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChefAuthSecretRef {
    /// The private key.
    pub private_key_secret_ref: SecretKeySelector,
}

//! Provider block `passworddepot`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Password Depot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordDepotProvider {
    /// How to log in.
    pub auth: PasswordDepotAuth,
    /// Database.
    pub database: String,
    /// Address of the server.
    pub host: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordDepotAuth {
    /// With credentials in Secrets.
    pub secret_ref: PasswordDepotAuthSecretRef,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PasswordDepotAuthSecretRef {
    /// Secret with `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretKeySelector>,
}

//! Provider block `onepassword`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// 1Password through a Connect server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordProvider {
    /// How to log in.
    pub auth: OnePasswordAuth,
    /// Address of the Connect server.
    pub connect_host: String,
    /// Vault to its place in the order of search, from 1.
    pub vaults: BTreeMap<String, i64>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordAuth {
    /// With credentials in Secrets.
    pub secret_ref: OnePasswordAuthSecretRef,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnePasswordAuthSecretRef {
    /// The Connect token.
    pub connect_token_secret_ref: SecretKeySelector,
}

//! Provider block `delinea`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Delinea DevOps Secrets Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelineaProvider {
    /// The client ID.
    pub client_id: DelineaValue,
    /// The client secret.
    pub client_secret: DelineaValue,
    /// Tenant.
    pub tenant: String,
    /// Top level domain; empty is com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tld: Option<String>,
    /// Address with placeholders for tenant and domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_template: Option<String>,
}

/// A value, or where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelineaValue {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself; anyone who may read the store sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

//! Provider block `barbican`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// OpenStack Barbican.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarbicanProvider {
    /// How to log in.
    pub auth: BarbicanAuth,
    /// Address of Keystone.
    #[serde(default, rename = "authURL", skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// Domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BarbicanAuth {
    /// Password of the user.
    pub password: BarbicanPasswordAuth,
    /// Name of the user.
    pub username: BarbicanUsernameAuth,
}

/// Password of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BarbicanPasswordAuth {
    /// Where the value stands.
    pub secret_ref: SecretKeySelector,
}

/// Name of the user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct BarbicanUsernameAuth {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself; anyone who may read the store sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

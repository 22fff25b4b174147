//! Provider block `secretserver`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// Delinea Secret Server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.token) || (has(self.username) && has(self.password))", "message": "token, or username and password, is needed"}]))]
pub struct SecretServerProvider {
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Domain of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Password of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretServerValue>,
    /// Address of the server.
    #[serde(rename = "serverURL")]
    pub server_url: String,
    /// An access token, instead of user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretServerValue>,
    /// Name of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<SecretServerValue>,
}

/// A value, or where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.value) != has(self.secretRef)", "message": "exactly one of value and secretRef is needed"}]))]
pub struct SecretServerValue {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself; anyone who may read the store sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub value: Option<String>,
}

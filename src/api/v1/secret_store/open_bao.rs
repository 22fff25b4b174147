//! Provider block `openBao`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// OpenBao.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "[has(self.caBundle),has(self.caProvider)].filter(x,x==true).size() <= 1", "message": "caBundle and caProvider exclude each other"}]))]
pub struct OpenBaoProvider {
    /// How to log in; exactly one of the methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<OpenBaoAuth>,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Namespace of the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Mount of the KV engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Address of the server.
    pub server: String,
    /// Version of the KV engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "v2"))]
    pub version: Option<OpenBaoKvVersion>,
}

/// How to log in; exactly one of the methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "[has(self.appRole),has(self.tokenSecretRef),has(self.userPass)].filter(x,x==true).size() == 1", "message": "exactly one of appRole, tokenSecretRef and userPass is needed"}]))]
pub struct OpenBaoAuth {
    /// With an AppRole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_role: Option<OpenBaoAppRoleAuth>,
    /// Namespace to log in to, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
    /// With a user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_pass: Option<OpenBaoUserPassAuth>,
}

/// With an AppRole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "[has(self.roleId),has(self.roleRef)].filter(x,x==true).size() == 1", "message": "exactly one of roleId and roleRef is needed"}]))]
pub struct OpenBaoAppRoleAuth {
    /// Path the method is mounted at.
    #[schemars(extend("default" = "approle"))]
    pub path: String,
    /// The role ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub role_id: Option<String>,
    /// Where the role ID stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_ref: Option<SecretKeySelector>,
    /// The secret ID.
    pub secret_ref: SecretKeySelector,
}

/// With a user and password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenBaoUserPassAuth {
    /// Path the method is mounted at.
    #[schemars(extend("default" = "userpass"))]
    pub path: String,
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// Name of the user.
    pub username: String,
}

/// Version of the KV engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OpenBaoKvVersion {
    /// Without versions of secrets.
    #[serde(rename = "v1")]
    V1,
    /// With versions of secrets.
    #[serde(rename = "v2")]
    V2,
}

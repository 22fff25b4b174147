//! Provider block `crd`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

use super::{KubernetesAuth, KubernetesServer};

/// Custom resources of this or another cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.auth) || has(self.authRef)", "message": "auth or authRef is needed"}, {"rule": "[has(self.auth),has(self.authRef)].filter(x,x==true).size() <= 1", "message": "auth and authRef exclude each other"}]))]
pub struct CrdProvider {
    /// How to log in; exactly one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<KubernetesAuth>,
    /// A Secret key with a kubeconfig, instead of `auth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_ref: Option<SecretKeySelector>,
    /// Which kind.
    pub resource: CrdResource,
    /// The API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<KubernetesServer>,
    /// What may be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whitelist: Option<CrdWhitelist>,
}

/// Which kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrdResource {
    /// API group; empty is the core group.
    pub group: String,
    /// Kind.
    #[schemars(length(min = 1))]
    pub kind: String,
    /// API version.
    #[schemars(length(min = 1))]
    pub version: String,
}

/// What may be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrdWhitelist {
    /// Any rule may match; empty allows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<CrdWhitelistRule>,
}

/// Any rule may match; empty allows all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrdWhitelistRule {
    /// RE2 expression for the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// RE2 expression for the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// RE2 expressions for the properties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
}

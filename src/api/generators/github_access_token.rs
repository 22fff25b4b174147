//! Generator `GithubAccessToken`.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::SecretKeySelector;

/// Makes an installation token of a GitHub App.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "GithubAccessToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes an installation token of a GitHub App.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct GithubAccessTokenSpec {
    /// ID of the App.
    #[serde(rename = "appID")]
    pub app_id: String,
    /// How to log in.
    pub auth: GithubAccessTokenAuth,
    /// ID of the installation.
    #[serde(rename = "installID")]
    pub install_id: String,
    /// What the token may do; empty is all the App may.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<String, String>,
    /// Names of repositories; empty is all the App sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Address of the API; empty is https://api.github.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How to log in to GitHub.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAccessTokenAuth {
    /// With the key of the App.
    pub private_key: GithubAppPrivateKey,
}

/// The key of the App.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAppPrivateKey {
    /// The RSA key in PEM.
    pub secret_ref: SecretKeySelector,
}

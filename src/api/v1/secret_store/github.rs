//! Provider block `github`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// GitHub Actions secrets; they can only be written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubProvider {
    /// The GitHub App.
    #[serde(rename = "appID")]
    pub app_id: i64,
    /// How to log in.
    pub auth: GithubAuth,
    /// Environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Its installation.
    #[serde(rename = "installationID")]
    pub installation_id: i64,
    /// Who sees a pushed organisation secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org_secret_visibility: Option<GithubSecretVisibility>,
    /// Organisation.
    pub organization: String,
    /// Repository; empty is the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Address for uploads, on an enterprise server.
    #[serde(default, rename = "uploadURL", skip_serializing_if = "Option::is_none")]
    pub upload_url: Option<String>,
    /// Address of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "https://github.com/"))]
    pub url: Option<String>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GithubAuth {
    /// The private key.
    pub private_key: SecretKeySelector,
}

/// Who sees an organisation secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GithubSecretVisibility {
    /// All repositories.
    #[serde(rename = "all")]
    All,
    /// Private repositories.
    #[serde(rename = "private")]
    Private,
}

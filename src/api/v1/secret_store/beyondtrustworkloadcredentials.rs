//! Provider block `beyondtrustworkloadcredentials`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// BeyondTrust Workload Credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadCredentialsProvider {
    /// How to log in.
    pub auth: BeyondtrustWorkloadCredentialsAuth,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Folder the secrets are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_path: Option<String>,
    /// The server.
    pub server: BeyondtrustWorkloadCredentialsServer,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeyondtrustWorkloadCredentialsAuth {
    /// With an API key.
    pub apikey: BeyondtrustWorkloadCredentialsApikeyAuth,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeyondtrustWorkloadCredentialsApikeyAuth {
    /// The key.
    pub token: SecretKeySelector,
}

/// The server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadCredentialsServer {
    /// Address of the API.
    pub api_url: String,
    /// Site.
    pub site_id: String,
}

//! Provider block `bitwardensecretsmanager`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// Bitwarden Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitwardenSecretsManagerProvider {
    /// Address of the API.
    #[serde(default, rename = "apiURL", skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// How to log in.
    pub auth: BitwardenSecretsManagerAuth,
    /// Address of the SDK server.
    #[serde(
        default,
        rename = "bitwardenServerSDKURL",
        skip_serializing_if = "Option::is_none"
    )]
    pub bitwarden_server_sdkurl: Option<String>,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Address of the identity service.
    #[serde(
        default,
        rename = "identityURL",
        skip_serializing_if = "Option::is_none"
    )]
    pub identity_url: Option<String>,
    /// Organisation.
    #[serde(rename = "organizationID")]
    pub organization_id: String,
    /// Project.
    #[serde(rename = "projectID")]
    pub project_id: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BitwardenSecretsManagerAuth {
    /// With credentials in Secrets.
    pub secret_ref: BitwardenSecretsManagerAuthSecretRef,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BitwardenSecretsManagerAuthSecretRef {
    /// The machine account's token.
    pub credentials: SecretKeySelector,
}

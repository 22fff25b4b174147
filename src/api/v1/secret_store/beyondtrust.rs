//! Provider block `beyondtrust`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// BeyondTrust Password Safe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BeyondtrustProvider {
    /// How to log in.
    pub auth: BeyondtrustAuth,
    /// The server.
    pub server: BeyondtrustServer,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustAuth {
    /// An API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<BeyondtrustValue>,
    /// A client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<BeyondtrustValue>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_key: Option<BeyondtrustValue>,
    /// The client ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<BeyondtrustValue>,
    /// The client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<BeyondtrustValue>,
}

/// A value, or where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustValue {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself; anyone who may read the store sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustServer {
    /// Address of the API.
    pub api_url: String,
    /// Version of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Seconds until a call is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_time_out_seconds: Option<i64>,
    /// Asks for decrypted values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub decrypt: Option<bool>,
    /// SECRET or MANAGED_ACCOUNT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval_type: Option<String>,
    /// Separator of folders in keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// Checks the server's certificate.
    #[serde(rename = "verifyCA")]
    pub verify_ca: bool,
}

//! Provider block `ovh`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// OVHcloud Secret Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhProvider {
    /// How to log in.
    pub auth: OvhAuth,
    /// Writes only over the version that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas_required: Option<bool>,
    /// Seconds until a call is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 30))]
    pub okms_timeout: Option<i32>,
    /// ID of the key management service.
    pub okmsid: String,
    /// Address of the server.
    pub server: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OvhAuth {
    /// With a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<OvhMtlsAuth>,
    /// With a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<OvhTokenAuth>,
}

/// With a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhMtlsAuth {
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// The certificate in PEM.
    pub cert_secret_ref: SecretKeySelector,
    /// The key in PEM.
    pub key_secret_ref: SecretKeySelector,
}

/// With a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OvhTokenAuth {
    /// The token.
    pub token_secret_ref: SecretKeySelector,
}

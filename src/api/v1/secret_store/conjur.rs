//! Provider block `conjur`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector, ServiceAccountSelector};

/// CyberArk Conjur.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurProvider {
    /// How to log in; exactly one member.
    pub auth: ConjurAuth,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Address of the server.
    pub url: String,
}

/// How to log in; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ConjurAuth {
    /// With an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apikey: Option<ConjurApikeyAuth>,
    /// With a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<ConjurCertAuth>,
    /// With a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<ConjurJwtAuth>,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurApikeyAuth {
    /// Account.
    pub account: String,
    /// The API key.
    pub api_key_ref: SecretKeySelector,
    /// The user.
    pub user_ref: SecretKeySelector,
}

/// With a client certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurCertAuth {
    /// Account.
    pub account: String,
    /// The certificate.
    pub client_cert_ref: SecretKeySelector,
    /// The key.
    pub client_key_ref: SecretKeySelector,
    /// Host to log in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Authenticator to log in with.
    #[serde(rename = "serviceID")]
    pub service_id: String,
}

/// With a JWT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConjurJwtAuth {
    /// Account.
    pub account: String,
    /// Host to log in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// The JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// Whose token is presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// Authenticator to log in with.
    #[serde(rename = "serviceID")]
    pub service_id: String,
}

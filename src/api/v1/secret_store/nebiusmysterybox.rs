//! Provider block `nebiusmysterybox`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Nebius MysteryBox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NebiusMysteryboxProvider {
    /// Domain of the API.
    pub api_domain: String,
    /// How to log in; one of the two.
    pub auth: NebiusMysteryboxAuth,
    /// Where the CA certificate stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<NebiusMysteryboxCaProvider>,
}

/// How to log in; one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)", "message": "serviceAccountCredsSecretRef or tokenSecretRef is needed"}]))]
pub struct NebiusMysteryboxAuth {
    /// Credentials of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_creds_secret_ref: Option<SecretKeySelector>,
    /// The token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<SecretKeySelector>,
}

/// Where the CA certificate stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NebiusMysteryboxCaProvider {
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<SecretKeySelector>,
}

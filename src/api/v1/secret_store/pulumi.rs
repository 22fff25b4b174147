//! Provider block `pulumi`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{SecretKeySelector, ServiceAccountSelector};

/// One environment of Pulumi ESC, or of a server that speaks its protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "(has(self.auth) && !has(self.accessToken)) || (!has(self.auth) && has(self.accessToken))", "message": "exactly one of auth and accessToken is needed"}]))]
pub struct PulumiProvider {
    /// The older form of `auth.accessToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<PulumiAccessToken>,
    /// Address of the API; empty is the controller's default, which is Pulumi Cloud's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // ESO has a default here; without one, the controller can be pointed at another server.
    pub api_url: Option<String>,
    /// How to log in; exactly one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<PulumiAuth>,
    /// Name of the environment.
    pub environment: String,
    /// Organisation the environment belongs to.
    pub organization: String,
    /// Project the environment belongs to.
    pub project: String,
}

/// How to log in to Pulumi.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "(has(self.accessToken) && !has(self.oidcConfig)) || (!has(self.accessToken) && has(self.oidcConfig))", "message": "exactly one of accessToken and oidcConfig is needed"}]))]
pub struct PulumiAuth {
    /// With an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<PulumiAccessToken>,
    /// With a ServiceAccount's token, exchanged for an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<PulumiOidcConfig>,
}

/// An access token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PulumiAccessToken {
    /// Where the token stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
}

/// Exchange of a ServiceAccount's token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PulumiOidcConfig {
    /// Seconds the tokens are valid; at least and by default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 600), extend("default" = 600))]
    pub expiration_seconds: Option<i64>,
    /// Organisation the access token is for.
    pub organization: String,
    /// Whose token is exchanged.
    pub service_account_ref: ServiceAccountSelector,
}

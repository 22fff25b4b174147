//! Provider block `doppler`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{SecretKeySelector, ServiceAccountSelector};

/// Doppler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerProvider {
    /// How to log in; exactly one member.
    pub auth: DopplerAuth,
    /// Configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Download everything in this format, as one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DopplerFormat>,
    /// How names are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_transformer: Option<DopplerNameTransformer>,
    /// Project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// How to log in; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "(has(self.secretRef) && !has(self.oidcConfig)) || (!has(self.secretRef) && has(self.oidcConfig))", "message": "exactly one of secretRef and oidcConfig is needed"}]))]
pub struct DopplerAuth {
    /// With a ServiceAccount's token, exchanged for an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_config: Option<DopplerOidcConfig>,
    /// With credentials in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<DopplerAuthSecretRef>,
}

/// With a ServiceAccount's token, exchanged for an access token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerOidcConfig {
    /// Seconds the requested token is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 600))]
    pub expiration_seconds: Option<i64>,
    /// Service account identity.
    pub identity: String,
    /// Whose token is presented.
    pub service_account_ref: ServiceAccountSelector,
}

/// With credentials in Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DopplerAuthSecretRef {
    /// The token; its key is `dopplerToken` where none is named.
    pub doppler_token: SecretKeySelector,
}

/// Format of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DopplerFormat {
    /// JSON.
    #[serde(rename = "json")]
    Json,
    /// JSON as .NET settings.
    #[serde(rename = "dotnet-json")]
    DotnetJson,
    /// Lines of `KEY=value`.
    #[serde(rename = "env")]
    Env,
    /// YAML.
    #[serde(rename = "yaml")]
    Yaml,
    /// Lines for `docker --env-file`.
    #[serde(rename = "docker")]
    Docker,
}

/// How names are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DopplerNameTransformer {
    /// `UpperCamel`.
    #[serde(rename = "upper-camel")]
    UpperCamel,
    /// `camelCase`.
    #[serde(rename = "camel")]
    Camel,
    /// `lower_snake`.
    #[serde(rename = "lower-snake")]
    LowerSnake,
    /// `TF_VAR_lower_snake`.
    #[serde(rename = "tf-var")]
    TfVar,
    /// `Section__Name`.
    #[serde(rename = "dotnet-env")]
    DotnetEnv,
    /// `lower-kebab`.
    #[serde(rename = "lower-kebab")]
    LowerKebab,
}

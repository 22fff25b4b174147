//! Provider block `ibm`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// IBM Cloud Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmProvider {
    /// How to log in; exactly one member.
    pub auth: IbmAuth,
    /// Address of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_url: Option<String>,
}

/// How to log in; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct IbmAuth {
    /// As a compute resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_auth: Option<IbmContainerAuth>,
    /// With an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<IbmAuthSecretRef>,
}

/// As a compute resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmContainerAuth {
    /// Address of IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_endpoint: Option<String>,
    /// Trusted profile.
    pub profile: String,
    /// File the token is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_location: Option<String>,
}

/// With an API key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IbmAuthSecretRef {
    /// Address of IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_endpoint: Option<String>,
    /// The API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_api_key_secret_ref: Option<SecretKeySelector>,
}

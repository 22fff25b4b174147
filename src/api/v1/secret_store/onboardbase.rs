//! Provider block `onboardbase`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Onboardbase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardbaseProvider {
    /// Address of the API.
    #[schemars(extend("default" = "https://public.onboardbase.com/api/v1/"))]
    pub api_host: String,
    /// How to log in.
    pub auth: OnboardbaseAuth,
    /// Environment.
    #[schemars(extend("default" = "development"))]
    pub environment: String,
    /// Project.
    #[schemars(extend("default" = "development"))]
    pub project: String,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardbaseAuth {
    /// The API key.
    pub api_key_ref: SecretKeySelector,
    /// The passcode.
    pub passcode_ref: SecretKeySelector,
}

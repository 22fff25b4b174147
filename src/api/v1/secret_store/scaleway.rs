//! Provider block `scaleway`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Scaleway Secret Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalewayProvider {
    /// The access key.
    pub access_key: ScalewayValue,
    /// Address of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Project.
    pub project_id: String,
    /// Region.
    pub region: String,
    /// The secret key.
    pub secret_key: ScalewayValue,
}

/// A value, or where it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalewayValue {
    /// Where the value stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeySelector>,
    /// The value itself; anyone who may read the store sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

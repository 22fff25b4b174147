//! Provider block `fake`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Values that stand in the store itself, for tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FakeProvider {
    /// The values.
    pub data: Vec<FakeProviderData>,
    /// What validation answers: 0 ready, 1 unknown, 2 error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_result: Option<i64>,
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FakeProviderData {
    /// Name of the remote secret.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

//! Provider block `keepersecurity`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Keeper Secrets Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeeperSecurityProvider {
    /// The client configuration.
    pub auth_ref: SecretKeySelector,
    /// Folder.
    #[serde(rename = "folderID")]
    pub folder_id: String,
    /// Looks records up by title where no ID matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get_by_title_fallback: Option<bool>,
}

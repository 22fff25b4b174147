//! The object that is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ExternalSecretTemplate;
use crate::api::meta::SUBDOMAIN;

/// The object to keep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretTarget {
    /// Who owns the Secret; empty is Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Owner"))]
    pub creation_policy: Option<CreationPolicy>,
    /// What happens when the store has nothing any more; empty is Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Retain"))]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Writes the Secret once and never changes its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// Another kind of object instead of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestReference>,
    /// Name of the Secret; empty is the ExternalSecret's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: Option<String>,
    /// How the Secret is made from the fetched values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<ExternalSecretTemplate>,
}

/// Who owns the Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CreationPolicy {
    /// The ExternalSecret: it goes when the ExternalSecret goes.
    #[default]
    Owner,
    /// Nobody: it is written whole, and stays.
    Orphan,
    /// Somebody else: our keys are merged into an existing Secret.
    Merge,
    /// Nothing is written.
    None,
    /// As Merge, but the Secret is made where it is missing.
    CreateOrMerge,
}

/// What happens when the store has nothing any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The Secret goes.
    Delete,
    /// Our keys go.
    Merge,
    /// Nothing.
    #[default]
    Retain,
}

/// Kind of a target that is no Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestReference {
    /// For example `v1`.
    #[schemars(length(min = 1))]
    pub api_version: String,
    /// For example `ConfigMap`.
    #[schemars(length(min = 1))]
    pub kind: String,
}

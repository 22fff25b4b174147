//! `PushSecret`: which values are written to which stores.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{Condition, SUBDOMAIN, StoreKind};
use crate::api::v1::{ExternalSecretTemplate, GeneratorRef, RewriteRegexp, RewriteTransform};

/// What to write to which stores.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "external-secrets.io",
    version = "v1alpha1",
    kind = "PushSecret",
    namespaced,
    status = "PushSecretStatus",
    derive = "PartialEq",
    doc = "Writes a Secret, or generated values, to stores.",
    category = "external-secrets",
    shortname = "ps",
    printcolumn = r#"{"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name": "Last Sync", "type": "date", "jsonPath": ".status.refreshTime"}"#,
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSpec {
    /// Single keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<PushSecretData>,
    /// Many keys by pattern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_to: Vec<PushSecretDataTo>,
    /// What becomes of remote values that are no longer asked for; empty is None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "None"))]
    pub deletion_policy: Option<PushSecretDeletionPolicy>,
    /// Go duration; 0 pushes only on changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "1h0m0s"))]
    pub refresh_interval: Option<String>,
    /// The stores.
    pub secret_store_refs: Vec<PushSecretStoreRef>,
    /// What to push; exactly one member.
    pub selector: PushSecretSelector,
    /// Changes of the source before it is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<ExternalSecretTemplate>,
    /// Whether remote values are overwritten; empty is Replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Replace"))]
    pub update_policy: Option<PushSecretUpdatePolicy>,
}

/// One key and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretData {
    /// ReverseUnicode turns `_U0020_` in source keys back into the character; empty is None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<PushConversionStrategy>,
    /// The key and its remote name.
    pub match_: PushSecretMatch,
    /// Settings of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub metadata: Option<serde_json::Value>,
}

/// A source key and its remote name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretMatch {
    /// The remote name.
    pub remote_ref: PushSecretRemoteRef,
    /// Key of the source; empty is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
}

/// Names a remote secret, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretRemoteRef {
    /// Part of the remote secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// Name of the remote secret.
    pub remote_key: String,
}

/// Many keys and where they go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.storeRef) && (has(self.storeRef.name) || has(self.storeRef.labelSelector))", "message": "storeRef needs a name or a labelSelector"}, {"rule": "!has(self.remoteKey) || !has(self.rewrite) || size(self.rewrite) == 0", "message": "remoteKey and rewrite exclude each other"}]))]
pub struct PushSecretDataTo {
    /// ReverseUnicode turns `_U0020_` in source keys back into the character; empty is None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion_strategy: Option<PushConversionStrategy>,
    /// Which keys; empty is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_: Option<PushSecretDataToMatch>,
    /// Settings of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub metadata: Option<serde_json::Value>,
    /// One remote secret for all keys, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_key: Option<String>,
    /// Changes of the remote names, applied in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrite: Vec<PushSecretRewrite>,
    /// The store; one of `secretStoreRefs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_ref: Option<PushSecretStoreRef>,
}

/// Which source keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretDataToMatch {
    /// RE2 expression; empty is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
}

/// One change of remote names; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "(has(self.regexp) && !has(self.transform)) || (!has(self.regexp) && has(self.transform))", "message": "exactly one of regexp and transform is needed"}]))]
pub struct PushSecretRewrite {
    /// By regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<RewriteRegexp>,
    /// By template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<RewriteTransform>,
}

/// Names stores, by name or by labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretStoreRef {
    /// SecretStore or ClusterSecretStore; empty is SecretStore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<StoreKind>,
    /// By labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// By name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: Option<String>,
}

/// What to push; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct PushSecretSelector {
    /// What a generator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_ref: Option<GeneratorRef>,
    /// A Secret, or several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<PushSecretSecret>,
}

/// Names Secrets of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretSecret {
    /// By name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = SUBDOMAIN))]
    pub name: Option<String>,
    /// By labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How source keys are turned back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PushConversionStrategy {
    /// Unchanged.
    #[default]
    None,
    /// `_U0020_` becomes the character.
    ReverseUnicode,
}

/// What becomes of remote values that are no longer asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PushSecretDeletionPolicy {
    /// They stay.
    #[default]
    None,
    /// They are deleted.
    Delete,
}

/// Whether remote values are overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PushSecretUpdatePolicy {
    /// They are.
    #[default]
    Replace,
    /// They are not.
    IfNotExists,
}

/// What became of a PushSecret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSecretStatus {
    /// Ready and its cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When values were last pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_time: Option<Time>,
    /// What was pushed: `<kind>/<store>` to `<remoteKey>[/<property>]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub synced_push_secrets: BTreeMap<String, BTreeMap<String, PushSecretData>>,
    /// `<generation>-<hash of labels and annotations>` that was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_resource_version: Option<String>,
}

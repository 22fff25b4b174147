//! `GeneratorState`: what a generator made elsewhere, so that it can be taken back.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::Condition;

/// What a generator made elsewhere.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "GeneratorState",
    namespaced,
    status = "GeneratorStateStatus",
    derive = "PartialEq",
    doc = "What a generator made elsewhere, so that it can be taken back.",
    category = "external-secrets",
    category = "external-secrets-generators",
    shortname = "gs",
    printcolumn = r#"{"name": "GC Deadline", "type": "string", "jsonPath": ".spec.garbageCollectionDeadline"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorStateSpec {
    /// When it is taken back; empty is when its owner goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub garbage_collection_deadline: Option<Time>,
    /// The generator as it was.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub resource: serde_json::Value,
    /// What the generator must know to take back what it made.
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub state: serde_json::Value,
}

/// What became of a GeneratorState.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorStateStatus {
    /// Ready and its cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

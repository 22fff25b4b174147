//! Generator `VaultDynamicSecret`.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::v1::{RetrySettings, VaultProvider};

/// Asks Vault for a dynamic secret.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "VaultDynamicSecret",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Asks Vault for a dynamic secret.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct VaultDynamicSecretSpec {
    /// Whether an answer without content is none of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_empty_response: Option<bool>,
    /// Class of the controller that serves the generator; empty is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Query of a GET.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub get_parameters: BTreeMap<String, Vec<String>>,
    /// HTTP method; empty is GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Body of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub parameters: Option<serde_json::Value>,
    /// Path below /v1/.
    pub path: String,
    /// The Vault server and how to log in.
    pub provider: VaultProvider,
    /// Which part of the answer is taken; empty is Data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Data"))]
    pub result_type: Option<VaultDynamicSecretResult>,
    /// How failed calls are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
}

/// Which part of the answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VaultDynamicSecretResult {
    /// Its `data`.
    Data,
    /// Its `auth`.
    Auth,
    /// All of it.
    Raw,
}

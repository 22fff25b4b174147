//! Generator `BeyondtrustWorkloadCredentialsDynamicSecret`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::v1::{BeyondtrustWorkloadCredentialsProvider, RetrySettings};

/// Asks BeyondTrust Workload Credentials for a dynamic secret.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "BeyondtrustWorkloadCredentialsDynamicSecret",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Asks BeyondTrust Workload Credentials for a dynamic secret.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct BeyondtrustWorkloadCredentialsDynamicSecretSpec {
    /// Class of the controller that serves the generator; empty is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The server and how to log in.
    pub provider: BeyondtrustWorkloadCredentialsProvider,
    /// How failed calls are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
}

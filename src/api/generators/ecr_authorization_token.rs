//! Generator `ECRAuthorizationToken`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::v1::AwsAuth;

/// Makes a login for Amazon ECR.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "ECRAuthorizationToken",
    root = "EcrAuthorizationToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a login for Amazon ECR.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct EcrAuthorizationTokenSpec {
    /// How to log in; empty is the identity of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AwsAuth>,
    /// Region of the registry.
    pub region: String,
    /// Role to assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// private or public; empty is private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

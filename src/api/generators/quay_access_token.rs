//! Generator `QuayAccessToken`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::ServiceAccountSelector;

/// Makes a short-lived token of a Quay robot account.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "QuayAccessToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a short-lived token of a Quay robot account.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct QuayAccessTokenSpec {
    /// The robot account.
    pub robot_account: String,
    /// Whose token is presented.
    pub service_account_ref: ServiceAccountSelector,
    /// Host of Quay; empty is quay.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

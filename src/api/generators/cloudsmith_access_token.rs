//! Generator `CloudsmithAccessToken`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::ServiceAccountSelector;

/// Makes a short-lived token of a Cloudsmith service by OIDC.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "CloudsmithAccessToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a short-lived token of a Cloudsmith service by OIDC.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct CloudsmithAccessTokenSpec {
    /// Address of the API; empty is https://api.cloudsmith.io.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// Organisation.
    pub org_slug: String,
    /// Whose token is presented.
    pub service_account_ref: ServiceAccountSelector,
    /// Service.
    pub service_slug: String,
}

//! Generator `GCRAccessToken`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::ServiceAccountSelector;
use crate::api::v1::{GcpAuthSecretRef, GcpWorkloadIdentityFederation};

/// Makes a login for Google Container Registry.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "GCRAccessToken",
    root = "GcrAccessToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a login for Google Container Registry.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct GcrAccessTokenSpec {
    /// How to log in; empty is the identity of the controller.
    pub auth: GcrAuth,
    /// Project.
    #[serde(rename = "projectID")]
    pub project_id: String,
}

/// How to log in; empty is the identity of the controller.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcrAuth {
    /// With a service account key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<GcpAuthSecretRef>,
    /// As a ServiceAccount by workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<GcrWorkloadIdentity>,
    /// As an identity of another cloud or issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity_federation: Option<GcpWorkloadIdentityFederation>,
}

/// As a ServiceAccount by workload identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GcrWorkloadIdentity {
    /// Location of the cluster.
    pub cluster_location: String,
    /// Name of the cluster.
    pub cluster_name: String,
    /// Project of the cluster; empty is the generator's.
    #[serde(
        default,
        rename = "clusterProjectID",
        skip_serializing_if = "Option::is_none"
    )]
    pub cluster_project_id: Option<String>,
    /// Whose token is presented.
    pub service_account_ref: ServiceAccountSelector,
}

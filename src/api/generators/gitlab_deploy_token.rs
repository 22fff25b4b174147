//! Generator `GitlabDeployToken`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::SecretKeySelector;

/// Makes a deploy token in GitLab; it is revoked when the values are replaced.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "GitlabDeployToken",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a deploy token in GitLab; it is revoked when the values are replaced.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.projectID) != has(self.groupID)", "message": "exactly one of projectID and groupID is needed"}]))]
pub struct GitlabDeployTokenSpec {
    /// How to log in.
    pub auth: GitlabDeployTokenAuth,
    /// When the token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Group of the token; either this or projectID.
    #[serde(default, rename = "groupID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub group_id: Option<String>,
    /// Name of the token.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Project of the token; either this or groupID.
    #[serde(default, rename = "projectID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub project_id: Option<String>,
    /// What the token may do.
    #[schemars(length(min = 1))]
    pub scopes: Vec<GitlabDeployTokenScope>,
    /// Address of GitLab; empty is https://gitlab.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// User of the token; empty lets GitLab choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// How to log in to GitLab.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabDeployTokenAuth {
    /// With an access token.
    pub token: GitlabDeployTokenSecretRef,
}

/// An access token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitlabDeployTokenSecretRef {
    /// The token.
    pub secret_ref: SecretKeySelector,
}

/// What a deploy token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GitlabDeployTokenScope {
    /// Read the repository.
    ReadRepository,
    /// Read images.
    ReadRegistry,
    /// Write images.
    WriteRegistry,
    /// Read packages.
    ReadPackageRegistry,
    /// Write packages.
    WritePackageRegistry,
    /// Read virtual registries.
    ReadVirtualRegistry,
    /// Write virtual registries.
    WriteVirtualRegistry,
}

//! `SecretStore` and `ClusterSecretStore`: where secrets are kept and how to log in there.

mod fake;
mod kubernetes;
mod pulumi;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::Condition;

pub use fake::*;
pub use kubernetes::*;
pub use pulumi::*;

/// A store of one namespace.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "external-secrets.io",
    version = "v1",
    kind = "SecretStore",
    namespaced,
    status = "SecretStoreStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreSpec {
    /// Which namespaces may use a cluster-scoped store; any entry may match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<StoreCondition>,
    /// Class of the controller that serves the store; empty is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// Where the secrets are kept; exactly one member.
    pub provider: SecretStoreProvider,
    /// How often the store is validated: seconds or a Go duration; 0 is the controller's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<IntOrString>,
    /// How failed calls are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_settings: Option<RetrySettings>,
}

/// Which namespaces may use a cluster-scoped store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreCondition {
    /// RE2 expressions, searched anywhere in the namespace's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace_regexes: Vec<String>,
    /// By the namespace's labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// How failed calls are tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetrySettings {
    /// How many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<i32>,
    /// Go duration between two tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<String>,
}

/// Where the secrets are kept; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreProvider {
    /// Values that stand in the store itself, for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fake: Option<FakeProvider>,
    /// Secrets of this or another Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesProvider>,
    /// An environment of Pulumi ESC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulumi: Option<PulumiProvider>,
}

impl SecretStoreProvider {
    /// JSON names of the members that are set.
    #[must_use]
    pub fn configured(&self) -> Vec<&'static str> {
        let members = [
            ("fake", self.fake.is_some()),
            ("kubernetes", self.kubernetes.is_some()),
            ("pulumi", self.pulumi.is_some()),
        ];
        members
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| name)
            .collect()
    }
}

/// What became of a store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStoreStatus {
    /// ReadOnly, WriteOnly or ReadWrite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
    /// Ready and its cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A store of the whole cluster; its spec is that of a [`SecretStore`].
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "external-secrets.io",
    version = "v1",
    kind = "ClusterSecretStore",
    status = "SecretStoreStatus",
    derive = "PartialEq"
)]
pub struct ClusterSecretStoreSpec {
    /// The spec that both scopes share.
    #[serde(flatten)]
    pub store: SecretStoreSpec,
}

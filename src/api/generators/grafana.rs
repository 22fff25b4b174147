//! Generator `Grafana`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use super::LocalSecretKeySelector;

/// Makes a service account with a token in Grafana; both go when the values are replaced.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "Grafana",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a service account with a token in Grafana; both go when the values are replaced.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaSpec {
    /// How to log in.
    pub auth: GrafanaAuth,
    /// The service account to make.
    pub service_account: GrafanaServiceAccount,
    /// Address of Grafana.
    pub url: String,
}

/// How to log in to Grafana.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaAuth {
    /// With user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<GrafanaBasicAuth>,
    /// With a service account token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<LocalSecretKeySelector>,
}

/// A user and its password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaBasicAuth {
    /// The password.
    pub password: LocalSecretKeySelector,
    /// The user.
    pub username: String,
}

/// The service account to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrafanaServiceAccount {
    /// Name of the account.
    pub name: String,
    /// Role of the account.
    pub role: String,
    /// Life of the token; empty is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub seconds_to_live: Option<i64>,
}

//! Generator `MFA`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;
use crate::api::meta::SecretKeySelector;

/// Makes a time-based one-time password (TOTP) from a seed in a Secret.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "MFA",
    root = "Mfa",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes a time-based one-time password (TOTP) from a seed in a Secret.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct MfaSpec {
    /// sha1, sha256 or sha512; empty is sha1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// Number of digits; empty is 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<i64>,
    /// The seed in base32.
    pub secret: SecretKeySelector,
    /// Seconds a password is good for; empty is 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_period: Option<i64>,
    /// Another moment than the present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Time>,
}

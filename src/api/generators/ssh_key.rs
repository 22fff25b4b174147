//! Generator `SSHKey`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;

/// Makes an SSH key pair in OpenSSH format.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "SSHKey",
    root = "SshKey",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes an SSH key pair in OpenSSH format.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct SshKeySpec {
    /// Comment of the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Bits of an RSA key, or the curve of an ECDSA key; empty is 2048 and 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 256, max = 8192), extend("format" = null))]
    pub key_size: Option<u32>,
    /// Algorithm; empty is rsa.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "rsa"))]
    pub key_type: Option<SshKeyType>,
}

/// Algorithm of an SSH key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SshKeyType {
    /// RSA.
    Rsa,
    /// ECDSA on a NIST curve.
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

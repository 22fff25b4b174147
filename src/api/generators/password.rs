//! Generator `Password`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GeneratorStatus;

/// Makes random passwords.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "generators.external-secrets.io",
    version = "v1alpha1",
    kind = "Password",
    namespaced,
    status = "GeneratorStatus",
    derive = "PartialEq",
    doc = "Makes random passwords.",
    category = "external-secrets",
    category = "external-secrets-generators",
    label("external-secrets.io/component", "controller")
)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSpec {
    /// Lets a character occur more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub allow_repeat: Option<bool>,
    /// Number of digits; empty is a quarter of the length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<i64>,
    /// How the password is written; empty is raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "raw"))]
    pub encoding: Option<PasswordEncoding>,
    /// Number of characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 24))]
    pub length: Option<i64>,
    /// Leaves upper-case letters out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub no_upper: Option<bool>,
    /// One independent password for each name; empty is `password`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1))]
    pub secret_keys: Vec<String>,
    /// The symbols to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol_characters: Option<String>,
    /// Number of symbols; empty is a quarter of the length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbols: Option<i64>,
}

/// How a password is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PasswordEncoding {
    /// Standard base64 with padding.
    Base64,
    /// URL-safe base64 with padding.
    Base64url,
    /// Base32 with padding.
    Base32,
    /// Lower-case hex.
    Hex,
    /// Unchanged.
    Raw,
}

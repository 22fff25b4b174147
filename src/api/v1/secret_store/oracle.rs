//! Provider block `oracle`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{SecretKeySelector, ServiceAccountSelector};

/// Oracle Cloud Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OracleProvider {
    /// Credentials of a user; empty is the instance's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<OracleAuth>,
    /// Compartment, for writing and searching.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compartment: Option<String>,
    /// Master key, for writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
    /// Whose identity logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<OraclePrincipalType>,
    /// Region.
    pub region: String,
    /// ServiceAccount of principal type Workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// OCID of the vault.
    pub vault: String,
}

/// Credentials of a user; empty is the instance's identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OracleAuth {
    /// The user's key.
    pub secret_ref: OracleAuthSecretRef,
    /// The tenancy.
    pub tenancy: String,
    /// The user.
    pub user: String,
}

/// The user's key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OracleAuthSecretRef {
    /// Fingerprint of the key.
    pub fingerprint: SecretKeySelector,
    /// The private key.
    pub privatekey: SecretKeySelector,
}

/// Whose identity logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OraclePrincipalType {
    /// A user where `auth` is set, else the instance.
    #[serde(rename = "")]
    Unset,
    /// A user.
    UserPrincipal,
    /// The instance.
    InstancePrincipal,
    /// A ServiceAccount.
    Workload,
}

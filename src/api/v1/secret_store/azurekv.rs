//! Provider block `azurekv`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{SecretKeySelector, ServiceAccountSelector};

/// Azure Key Vault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKeyVaultProvider {
    /// Credentials of a service principal or workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<AzureKeyVaultAuthSecretRef>,
    /// How to log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ServicePrincipal"))]
    pub auth_type: Option<AzureAuthType>,
    /// Addresses of an Azure Stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_cloud_config: Option<AzureKeyVaultCustomCloudConfig>,
    /// Which Azure cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "PublicCloud"))]
    pub environment_type: Option<AzureEnvironment>,
    /// Client ID of the managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
    /// ServiceAccount of the workload identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_ref: Option<ServiceAccountSelector>,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Which client library ESO uses; no effect here.
    #[serde(
        default,
        rename = "useAzureSDK",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(extend("default" = false))]
    pub use_azure_sdk: Option<bool>,
    /// Address of the vault.
    pub vault_url: String,
}

/// Credentials of a service principal or workload identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKeyVaultAuthSecretRef {
    /// The client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretKeySelector>,
    /// The client ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<SecretKeySelector>,
    /// The client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKeySelector>,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<SecretKeySelector>,
}

/// Addresses of an Azure Stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureKeyVaultCustomCloudConfig {
    /// Address of Active Directory.
    pub active_directory_endpoint: String,
    /// DNS suffix of the vaults.
    #[serde(
        default,
        rename = "keyVaultDNSSuffix",
        skip_serializing_if = "Option::is_none"
    )]
    pub key_vault_dns_suffix: Option<String>,
    /// Address of Key Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_vault_endpoint: Option<String>,
    /// Address of the resource manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_manager_endpoint: Option<String>,
}

/// How to log in to Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AzureAuthType {
    /// As a service principal.
    ServicePrincipal,
    /// As the managed identity of the node.
    ManagedIdentity,
    /// As a ServiceAccount.
    WorkloadIdentity,
}

/// An Azure cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AzureEnvironment {
    /// The public cloud.
    PublicCloud,
    /// US government.
    USGovernmentCloud,
    /// China.
    ChinaCloud,
    /// Germany.
    GermanCloud,
    /// An Azure Stack, see `customCloudConfig`.
    AzureStackCloud,
}

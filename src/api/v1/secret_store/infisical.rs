//! Provider block `infisical`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{CaProvider, SecretKeySelector};

/// Infisical.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalProvider {
    /// How to log in.
    pub auth: InfisicalAuth,
    /// CA certificates of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where the CA certificates of the server stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
    /// Address of the API.
    #[serde(default, rename = "hostAPI", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "https://app.infisical.com/api"))]
    pub host_api: Option<String>,
    /// Which secrets.
    pub secrets_scope: InfisicalSecretsScope,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAuth {
    /// With an AWS identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_auth_credentials: Option<InfisicalAwsAuthCredentials>,
    /// With an Azure identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_auth_credentials: Option<InfisicalAzureAuthCredentials>,
    /// With a Google service account key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_iam_auth_credentials: Option<InfisicalGcpIamAuthCredentials>,
    /// With a Google ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_id_token_auth_credentials: Option<InfisicalGcpIdTokenAuthCredentials>,
    /// With a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth_credentials: Option<InfisicalJwtAuthCredentials>,
    /// With a ServiceAccount token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_auth_credentials: Option<InfisicalKubernetesAuthCredentials>,
    /// With LDAP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_auth_credentials: Option<InfisicalLdapAuthCredentials>,
    /// With an Oracle Cloud identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_auth_credentials: Option<InfisicalOciAuthCredentials>,
    /// With an access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_auth_credentials: Option<InfisicalTokenAuthCredentials>,
    /// With a client ID and secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub universal_auth_credentials: Option<InfisicalUniversalAuthCredentials>,
}

/// With an AWS identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAwsAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
}

/// With an Azure identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalAzureAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// Resource the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<SecretKeySelector>,
}

/// With a Google service account key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalGcpIamAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// Path of the key file.
    pub service_account_key_file_path: SecretKeySelector,
}

/// With a Google ID token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalGcpIdTokenAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
}

/// With a JWT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalJwtAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// The JWT.
    pub jwt: SecretKeySelector,
}

/// With a ServiceAccount token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalKubernetesAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// Path of the token file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_token_path: Option<SecretKeySelector>,
}

/// With LDAP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalLdapAuthCredentials {
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// The password.
    pub ldap_password: SecretKeySelector,
    /// The user.
    pub ldap_username: SecretKeySelector,
}

/// With an Oracle Cloud identity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalOciAuthCredentials {
    /// Fingerprint of the key.
    pub fingerprint: SecretKeySelector,
    /// The machine identity.
    pub identity_id: SecretKeySelector,
    /// The private key.
    pub private_key: SecretKeySelector,
    /// Passphrase of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_passphrase: Option<SecretKeySelector>,
    /// Region.
    pub region: SecretKeySelector,
    /// The tenancy.
    pub tenancy_id: SecretKeySelector,
    /// The user.
    pub user_id: SecretKeySelector,
}

/// With an access token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalTokenAuthCredentials {
    /// The access token.
    pub access_token: SecretKeySelector,
}

/// With a client ID and secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalUniversalAuthCredentials {
    /// The client ID.
    pub client_id: SecretKeySelector,
    /// The client secret.
    pub client_secret: SecretKeySelector,
}

/// Which secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfisicalSecretsScope {
    /// Environment.
    pub environment_slug: String,
    /// Resolves references to other secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub expand_secret_references: Option<bool>,
    /// Organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_slug: Option<String>,
    /// Project.
    pub project_slug: String,
    /// Reads folders below the path too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub recursive: Option<bool>,
    /// Folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "/"))]
    pub secrets_path: Option<String>,
}

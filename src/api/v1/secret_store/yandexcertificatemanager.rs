//! Provider block `yandexcertificatemanager`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::SecretKeySelector;

/// Yandex Certificate Manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexCertificateManagerProvider {
    /// Address of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_endpoint: Option<String>,
    /// How to log in.
    pub auth: YandexAuth,
    /// Where the CA certificate stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<YandexCaProvider>,
    /// What keys mean; exactly one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetching: Option<YandexFetching>,
}

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexAuth {
    /// The authorised key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized_key_secret_ref: Option<SecretKeySelector>,
}

/// Where the CA certificate stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexCaProvider {
    /// The certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<SecretKeySelector>,
}

/// What keys mean; exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct YandexFetching {
    /// Keys are IDs.
    #[serde(default, rename = "byID", skip_serializing_if = "Option::is_none")]
    pub by_id: Option<YandexFetchingById>,
    /// Keys are names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_name: Option<YandexFetchingByName>,
}

/// Keys are IDs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct YandexFetchingById {}

/// Keys are names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexFetchingByName {
    /// Folder.
    #[serde(rename = "folderID")]
    pub folder_id: String,
}

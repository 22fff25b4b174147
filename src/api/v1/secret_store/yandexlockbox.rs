//! Provider block `yandexlockbox`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{YandexAuth, YandexCaProvider, YandexFetching};

/// Yandex Lockbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct YandexLockboxProvider {
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

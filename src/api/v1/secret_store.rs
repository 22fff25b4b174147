//! `SecretStore` and `ClusterSecretStore`: where secrets are kept and how to log in there.

mod akeyless;
mod aws;
mod azurekv;
mod barbican;
mod beyondtrust;
mod beyondtrustworkloadcredentials;
mod bitwardensecretsmanager;
mod chef;
mod cloudrusm;
mod conjur;
mod crd;
mod delinea;
mod doppler;
mod dvls;
mod fake;
mod fortanix;
mod gcpsm;
mod github;
mod gitlab;
mod ibm;
mod infisical;
mod keepersecurity;
mod kubernetes;
mod nebiusmysterybox;
mod ngrok;
mod onboardbase;
mod onepassword;
mod onepassword_sdk;
mod open_bao;
mod oracle;
mod ovh;
mod passbolt;
mod passworddepot;
mod previder;
mod provider;
mod pulumi;
mod scaleway;
mod secretserver;
mod senhasegura;
mod vault;
mod volcengine;
mod webhook;
mod yandexcertificatemanager;
mod yandexlockbox;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::meta::{Condition, LABEL};

pub use akeyless::*;
pub use aws::*;
pub use azurekv::*;
pub use barbican::*;
pub use beyondtrust::*;
pub use beyondtrustworkloadcredentials::*;
pub use bitwardensecretsmanager::*;
pub use chef::*;
pub use cloudrusm::*;
pub use conjur::*;
pub use crd::*;
pub use delinea::*;
pub use doppler::*;
pub use dvls::*;
pub use fake::*;
pub use fortanix::*;
pub use gcpsm::*;
pub use github::*;
pub use gitlab::*;
pub use ibm::*;
pub use infisical::*;
pub use keepersecurity::*;
pub use kubernetes::*;
pub use nebiusmysterybox::*;
pub use ngrok::*;
pub use onboardbase::*;
pub use onepassword::*;
pub use onepassword_sdk::*;
pub use open_bao::*;
pub use oracle::*;
pub use ovh::*;
pub use passbolt::*;
pub use passworddepot::*;
pub use previder::*;
pub use provider::*;
pub use pulumi::*;
pub use scaleway::*;
pub use secretserver::*;
pub use senhasegura::*;
pub use vault::*;
pub use volcengine::*;
pub use webhook::*;
pub use yandexcertificatemanager::*;
pub use yandexlockbox::*;

/// A store of one namespace.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "external-secrets.io",
    version = "v1",
    kind = "SecretStore",
    namespaced,
    status = "SecretStoreStatus",
    derive = "PartialEq",
    doc = "Where secrets are kept and how to log in there, for one namespace.",
    shortname = "ss",
    category = "external-secrets",
    label("external-secrets.io/component", "controller"),
    printcolumn = r#"{"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name": "Capabilities", "type": "string", "jsonPath": ".status.capabilities"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#
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
    #[schemars(inner(length(min = 1, max = 63), regex(pattern = LABEL)))]
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

/// A store of the whole cluster; its spec is that of a namespaced one.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "external-secrets.io",
    version = "v1",
    kind = "ClusterSecretStore",
    status = "SecretStoreStatus",
    derive = "PartialEq",
    doc = "Where secrets are kept and how to log in there, for the whole cluster.",
    shortname = "css",
    category = "external-secrets",
    label("external-secrets.io/component", "controller"),
    printcolumn = r#"{"name": "AGE", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name": "Capabilities", "type": "string", "jsonPath": ".status.capabilities"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#
)]
pub struct ClusterSecretStoreSpec {
    /// The spec that both scopes share.
    #[serde(flatten)]
    pub store: SecretStoreSpec,
}

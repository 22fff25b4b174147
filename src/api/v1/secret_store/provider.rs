//! The member of a store that says where the secrets are kept.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    AkeylessProvider, AwsProvider, AzureKeyVaultProvider, BarbicanProvider, BeyondtrustProvider,
    BeyondtrustWorkloadCredentialsProvider, BitwardenSecretsManagerProvider, ChefProvider,
    CloudruSmProvider, ConjurProvider, CrdProvider, DelineaProvider, DopplerProvider, DvlsProvider,
    FakeProvider, FortanixProvider, GcpSmProvider, GithubProvider, GitlabProvider, IbmProvider,
    InfisicalProvider, KeeperSecurityProvider, KubernetesProvider, NebiusMysteryboxProvider,
    NgrokProvider, OnboardbaseProvider, OnePasswordProvider, OnePasswordSdkProvider,
    OpenBaoProvider, OracleProvider, OvhProvider, PassboltProvider, PasswordDepotProvider,
    PreviderProvider, PulumiProvider, ScalewayProvider, SecretServerProvider, SenhaseguraProvider,
    VaultProvider, VolcengineProvider, WebhookProvider, YandexCertificateManagerProvider,
    YandexLockboxProvider,
};

/// Where the secrets are kept; exactly one member.
///
/// Every provider of External Secrets Operator 2.9.0 has its block here, served or not, so that no
/// field of a stored store is dropped. The blocks are boxed: side by side they take kilobytes, of
/// which a watch keeps several copies on its stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretStoreProvider {
    /// Akeyless Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub akeyless: Option<Box<AkeylessProvider>>,
    /// Alibaba Cloud KMS, which only v1beta1 had; kept as it stands and never served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub alibaba: Option<serde_json::Value>,
    /// AWS Secrets Manager, Parameter Store or Certificate Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Box<AwsProvider>>,
    /// Azure Key Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azurekv: Option<Box<AzureKeyVaultProvider>>,
    /// OpenStack Barbican.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barbican: Option<Box<BarbicanProvider>>,
    /// BeyondTrust Password Safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyondtrust: Option<Box<BeyondtrustProvider>>,
    /// BeyondTrust Workload Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyondtrustworkloadcredentials: Option<Box<BeyondtrustWorkloadCredentialsProvider>>,
    /// Bitwarden Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitwardensecretsmanager: Option<Box<BitwardenSecretsManagerProvider>>,
    /// Encrypted data bags of a Chef server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chef: Option<Box<ChefProvider>>,
    /// Cloud.ru Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudrusm: Option<Box<CloudruSmProvider>>,
    /// CyberArk Conjur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conjur: Option<Box<ConjurProvider>>,
    /// Custom resources of this or another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crd: Option<Box<CrdProvider>>,
    /// Delinea DevOps Secrets Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delinea: Option<Box<DelineaProvider>>,
    /// Device42, which only v1beta1 had; kept as it stands and never served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub device42: Option<serde_json::Value>,
    /// Doppler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doppler: Option<Box<DopplerProvider>>,
    /// Devolutions Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dvls: Option<Box<DvlsProvider>>,
    /// Values that stand in the store itself, for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fake: Option<Box<FakeProvider>>,
    /// Fortanix Data Security Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortanix: Option<Box<FortanixProvider>>,
    /// Google Cloud Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcpsm: Option<Box<GcpSmProvider>>,
    /// GitHub Actions secrets; they can only be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<Box<GithubProvider>>,
    /// GitLab CI variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<Box<GitlabProvider>>,
    /// IBM Cloud Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ibm: Option<Box<IbmProvider>>,
    /// Infisical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infisical: Option<Box<InfisicalProvider>>,
    /// Keeper Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepersecurity: Option<Box<KeeperSecurityProvider>>,
    /// Secrets of this or another Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Box<KubernetesProvider>>,
    /// Nebius MysteryBox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nebiusmysterybox: Option<Box<NebiusMysteryboxProvider>>,
    /// ngrok vaults; they can only be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrok: Option<Box<NgrokProvider>>,
    /// Onboardbase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onboardbase: Option<Box<OnboardbaseProvider>>,
    /// 1Password through a Connect server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onepassword: Option<Box<OnePasswordProvider>>,
    /// 1Password by a service account.
    #[serde(
        default,
        rename = "onepasswordSDK",
        skip_serializing_if = "Option::is_none"
    )]
    pub onepassword_sdk: Option<Box<OnePasswordSdkProvider>>,
    /// OpenBao.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_bao: Option<Box<OpenBaoProvider>>,
    /// Oracle Cloud Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Box<OracleProvider>>,
    /// OVHcloud Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ovh: Option<Box<OvhProvider>>,
    /// Passbolt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passbolt: Option<Box<PassboltProvider>>,
    /// Password Depot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passworddepot: Option<Box<PasswordDepotProvider>>,
    /// Previder Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previder: Option<Box<PreviderProvider>>,
    /// An environment of Pulumi ESC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulumi: Option<Box<PulumiProvider>>,
    /// Scaleway Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaleway: Option<Box<ScalewayProvider>>,
    /// Delinea Secret Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secretserver: Option<Box<SecretServerProvider>>,
    /// senhasegura.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub senhasegura: Option<Box<SenhaseguraProvider>>,
    /// HashiCorp Vault, KV engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Box<VaultProvider>>,
    /// Volcengine KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volcengine: Option<Box<VolcengineProvider>>,
    /// Any HTTP API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Box<WebhookProvider>>,
    /// Yandex Certificate Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yandexcertificatemanager: Option<Box<YandexCertificateManagerProvider>>,
    /// Yandex Lockbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yandexlockbox: Option<Box<YandexLockboxProvider>>,
}

/// Names of the members that are set, for members whose name is the same in Rust and in JSON.
macro_rules! names_of_set {
    ($provider:expr, [$($member:ident),* $(,)?]) => {
        [$(($provider.$member.is_some(), stringify!($member))),*]
    };
}

impl SecretStoreProvider {
    /// JSON names of the members that are set; one, unless the object escaped validation.
    #[must_use]
    pub fn configured(&self) -> Vec<&'static str> {
        #[rustfmt::skip]
        let same = names_of_set!(self, [
            akeyless, alibaba, aws, azurekv, barbican, beyondtrust,
            beyondtrustworkloadcredentials, bitwardensecretsmanager, chef, cloudrusm,
            conjur, crd, delinea, device42, doppler, dvls, fake, fortanix, gcpsm, github,
            gitlab, ibm, infisical, keepersecurity, kubernetes, nebiusmysterybox, ngrok,
            onboardbase, onepassword, oracle, ovh, passbolt, passworddepot, previder,
            pulumi, scaleway, secretserver, senhasegura, vault, volcengine, webhook,
            yandexcertificatemanager, yandexlockbox,
        ]);
        let renamed = [
            (self.onepassword_sdk.is_some(), "onepasswordSDK"),
            (self.open_bao.is_some(), "openBao"),
        ];
        let members = same.into_iter().chain(renamed);
        members
            .filter_map(|(set, name)| set.then_some(name))
            .collect()
    }
}

fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

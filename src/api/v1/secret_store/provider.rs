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
/// field of a stored store is dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretStoreProvider {
    /// Akeyless Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub akeyless: Option<AkeylessProvider>,
    /// Alibaba Cloud KMS, which only v1beta1 had; kept as it stands and never served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub alibaba: Option<serde_json::Value>,
    /// AWS Secrets Manager, Parameter Store or Certificate Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsProvider>,
    /// Azure Key Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azurekv: Option<AzureKeyVaultProvider>,
    /// OpenStack Barbican.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barbican: Option<BarbicanProvider>,
    /// BeyondTrust Password Safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyondtrust: Option<BeyondtrustProvider>,
    /// BeyondTrust Workload Credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beyondtrustworkloadcredentials: Option<BeyondtrustWorkloadCredentialsProvider>,
    /// Bitwarden Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitwardensecretsmanager: Option<BitwardenSecretsManagerProvider>,
    /// Encrypted data bags of a Chef server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chef: Option<ChefProvider>,
    /// Cloud.ru Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudrusm: Option<CloudruSmProvider>,
    /// CyberArk Conjur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conjur: Option<ConjurProvider>,
    /// Custom resources of this or another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crd: Option<CrdProvider>,
    /// Delinea DevOps Secrets Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delinea: Option<DelineaProvider>,
    /// Device42, which only v1beta1 had; kept as it stands and never served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "opaque")]
    pub device42: Option<serde_json::Value>,
    /// Doppler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doppler: Option<DopplerProvider>,
    /// Devolutions Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dvls: Option<DvlsProvider>,
    /// Values that stand in the store itself, for tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fake: Option<FakeProvider>,
    /// Fortanix Data Security Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortanix: Option<FortanixProvider>,
    /// Google Cloud Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcpsm: Option<GcpSmProvider>,
    /// GitHub Actions secrets; they can only be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubProvider>,
    /// GitLab CI variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<GitlabProvider>,
    /// IBM Cloud Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ibm: Option<IbmProvider>,
    /// Infisical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infisical: Option<InfisicalProvider>,
    /// Keeper Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepersecurity: Option<KeeperSecurityProvider>,
    /// Secrets of this or another Kubernetes cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesProvider>,
    /// Nebius MysteryBox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nebiusmysterybox: Option<NebiusMysteryboxProvider>,
    /// ngrok vaults; they can only be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ngrok: Option<NgrokProvider>,
    /// Onboardbase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onboardbase: Option<OnboardbaseProvider>,
    /// 1Password through a Connect server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onepassword: Option<OnePasswordProvider>,
    /// 1Password by a service account.
    #[serde(
        default,
        rename = "onepasswordSDK",
        skip_serializing_if = "Option::is_none"
    )]
    pub onepassword_sdk: Option<OnePasswordSdkProvider>,
    /// OpenBao.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_bao: Option<OpenBaoProvider>,
    /// Oracle Cloud Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<OracleProvider>,
    /// OVHcloud Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ovh: Option<OvhProvider>,
    /// Passbolt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passbolt: Option<PassboltProvider>,
    /// Password Depot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passworddepot: Option<PasswordDepotProvider>,
    /// Previder Vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previder: Option<PreviderProvider>,
    /// An environment of Pulumi ESC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulumi: Option<PulumiProvider>,
    /// Scaleway Secret Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaleway: Option<ScalewayProvider>,
    /// Delinea Secret Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secretserver: Option<SecretServerProvider>,
    /// senhasegura.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub senhasegura: Option<SenhaseguraProvider>,
    /// HashiCorp Vault, KV engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultProvider>,
    /// Volcengine KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volcengine: Option<VolcengineProvider>,
    /// Any HTTP API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookProvider>,
    /// Yandex Certificate Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yandexcertificatemanager: Option<YandexCertificateManagerProvider>,
    /// Yandex Lockbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yandexlockbox: Option<YandexLockboxProvider>,
}

impl SecretStoreProvider {
    /// JSON names of the members that are set; one, unless the object escaped validation.
    #[must_use]
    pub fn configured(&self) -> Vec<&'static str> {
        [
            ("akeyless", self.akeyless.is_some()),
            ("alibaba", self.alibaba.is_some()),
            ("aws", self.aws.is_some()),
            ("azurekv", self.azurekv.is_some()),
            ("barbican", self.barbican.is_some()),
            ("beyondtrust", self.beyondtrust.is_some()),
            (
                "beyondtrustworkloadcredentials",
                self.beyondtrustworkloadcredentials.is_some(),
            ),
            (
                "bitwardensecretsmanager",
                self.bitwardensecretsmanager.is_some(),
            ),
            ("chef", self.chef.is_some()),
            ("cloudrusm", self.cloudrusm.is_some()),
            ("conjur", self.conjur.is_some()),
            ("crd", self.crd.is_some()),
            ("delinea", self.delinea.is_some()),
            ("device42", self.device42.is_some()),
            ("doppler", self.doppler.is_some()),
            ("dvls", self.dvls.is_some()),
            ("fake", self.fake.is_some()),
            ("fortanix", self.fortanix.is_some()),
            ("gcpsm", self.gcpsm.is_some()),
            ("github", self.github.is_some()),
            ("gitlab", self.gitlab.is_some()),
            ("ibm", self.ibm.is_some()),
            ("infisical", self.infisical.is_some()),
            ("keepersecurity", self.keepersecurity.is_some()),
            ("kubernetes", self.kubernetes.is_some()),
            ("nebiusmysterybox", self.nebiusmysterybox.is_some()),
            ("ngrok", self.ngrok.is_some()),
            ("onboardbase", self.onboardbase.is_some()),
            ("onepassword", self.onepassword.is_some()),
            ("onepasswordSDK", self.onepassword_sdk.is_some()),
            ("open_bao", self.open_bao.is_some()),
            ("oracle", self.oracle.is_some()),
            ("ovh", self.ovh.is_some()),
            ("passbolt", self.passbolt.is_some()),
            ("passworddepot", self.passworddepot.is_some()),
            ("previder", self.previder.is_some()),
            ("pulumi", self.pulumi.is_some()),
            ("scaleway", self.scaleway.is_some()),
            ("secretserver", self.secretserver.is_some()),
            ("senhasegura", self.senhasegura.is_some()),
            ("vault", self.vault.is_some()),
            ("volcengine", self.volcengine.is_some()),
            ("webhook", self.webhook.is_some()),
            (
                "yandexcertificatemanager",
                self.yandexcertificatemanager.is_some(),
            ),
            ("yandexlockbox", self.yandexlockbox.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
    }
}

fn opaque(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

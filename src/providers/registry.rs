//! Which providers this binary serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

#[cfg(feature = "provider-vault")]
use super::VaultCall;
use super::metered::{Budgets, Metered};
use super::{Abilities, Error, ErrorKind, Provider, abilities};
#[cfg(feature = "provider-vault")]
use crate::api::v1::VaultProvider;
#[cfg(feature = "provider-vault")]
use crate::cluster::secrets::SecretReader;
use crate::http;
use crate::model::request_rate::RequestRate;
use crate::model::secret_store::Store;
#[cfg(feature = "provider-vault")]
use crate::secret::json::Json;
use crate::telemetry::metrics::Metrics;

/// Address of the ESC API unless a store or a flag says otherwise (ESO 2.9.0).
pub const ESC_URL: &str = "https://api.pulumi.com/api/esc";

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Looks up a variable of this process's environment, where clouds put what a workload's identity is
/// proven with.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What providers need to know of this process.
#[derive(Clone)]
pub struct Options {
    /// Address of the ESC API for stores that name none.
    pub esc_url: String,
    /// Address of Doppler's API.
    pub doppler_url: String,
    /// How outbound HTTP behaves.
    pub http: http::Options,
    /// Tells the time.
    pub clock: Clock,
    /// The environment of this process; empty unless it is given.
    pub variables: Variables,
    /// Where the services of AWS are.
    pub aws: AwsEndpoints,
    /// How often a store is called at most that says nothing itself.
    pub rate: RequestRate,
    /// Where waits for a store's budget are counted.
    pub metrics: Metrics,
    /// Whether webhooks may be sent to link-local addresses, where clouds keep credentials.
    pub allow_link_local: bool,
}

/// Addresses of AWS services in place of the public ones, by ESO's variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[group(skip)]
pub struct AwsEndpoints {
    /// Address of AWS Secrets Manager in place of the public one
    #[arg(
        long = "aws-secretsmanager-endpoint",
        env = "AWS_SECRETSMANAGER_ENDPOINT",
        value_name = "URL"
    )]
    pub secrets_manager: Option<String>,
    /// Address of AWS Systems Manager in place of the public one
    #[arg(
        long = "aws-ssm-endpoint",
        env = "AWS_SSM_ENDPOINT",
        value_name = "URL"
    )]
    pub ssm: Option<String>,
    /// Address of AWS STS in place of the public one
    #[arg(
        long = "aws-sts-endpoint",
        env = "AWS_STS_ENDPOINT",
        value_name = "URL"
    )]
    pub sts: Option<String>,
    /// Address of Amazon ECR in place of the public one
    #[arg(
        long = "aws-ecr-endpoint",
        env = "AWS_ECR_ENDPOINT",
        value_name = "URL"
    )]
    pub ecr: Option<String>,
    /// Address of Amazon ECR Public in place of the public one
    #[arg(
        long = "aws-ecr-public-endpoint",
        env = "AWS_ECR_PUBLIC_ENDPOINT",
        value_name = "URL"
    )]
    pub ecr_public: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            esc_url: ESC_URL.to_owned(),
            doppler_url: "https://api.doppler.com".to_owned(),
            http: http::Options::default(),
            clock: Arc::new(SystemTime::now),
            variables: Arc::new(|_| None),
            aws: AwsEndpoints::default(),
            rate: RequestRate::default(),
            metrics: Metrics::new(),
            allow_link_local: false,
        }
    }
}

/// Providers by their key in `spec.provider`; made once for the process.
#[derive(Default)]
pub struct Registry {
    providers: BTreeMap<&'static str, Arc<dyn Provider>>,
    http: Option<http::Client>,
    options: Options,
    budgets: Arc<Budgets>,
    webhooks: http::Options,
    #[cfg(feature = "provider-vault")]
    vault: Option<Arc<super::vault::Vault>>,
}

impl Registry {
    /// Every provider that was compiled in.
    ///
    /// # Errors
    /// When TLS cannot be set up or an address in `options` cannot be read.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let http = http::Client::new(&options.http);
        let http = http.map_err(|error| Error::new(ErrorKind::Invalid, "http", error.to_string()));
        let mut registry = Self {
            http: Some(http?),
            options: options.clone(),
            budgets: Arc::new(Budgets::new(options.rate, options.metrics.clone())),
            webhooks: http::Options {
                refuses_link_local: !options.allow_link_local,
                ..options.http.clone()
            },
            ..Self::default()
        };
        #[cfg(feature = "provider-aws")]
        registry.register(Arc::new(super::aws::Aws::new(options)));
        #[cfg(feature = "provider-azurekv")]
        registry.register(Arc::new(super::azurekv::AzureKv::new(options)?));
        #[cfg(feature = "provider-akeyless")]
        registry.register(Arc::new(super::akeyless::Akeyless::new(options)));
        #[cfg(feature = "provider-barbican")]
        registry.register(Arc::new(super::barbican::Barbican::new(options)));
        #[cfg(feature = "provider-conjur")]
        registry.register(Arc::new(super::conjur::Conjur::new(options)));
        #[cfg(feature = "provider-crd")]
        registry.register(Arc::new(super::crd::Crd));
        #[cfg(feature = "provider-doppler")]
        registry.register(Arc::new(super::doppler::Doppler::new(options)?));
        #[cfg(feature = "provider-onepassword")]
        registry.register(Arc::new(super::onepassword::OnePassword::new(options)));
        #[cfg(feature = "provider-infisical")]
        registry.register(Arc::new(super::infisical::Infisical::new(options)));
        #[cfg(feature = "provider-github")]
        registry.register(Arc::new(super::github::Github::new(options)));
        #[cfg(feature = "provider-gitlab")]
        registry.register(Arc::new(super::gitlab::Gitlab::new(options)));
        #[cfg(feature = "provider-fake")]
        registry.register(Arc::new(super::fake::Fake));
        #[cfg(feature = "provider-gcpsm")]
        registry.register(Arc::new(super::gcpsm::GcpSm::new(options)?));
        #[cfg(feature = "provider-kubernetes")]
        registry.register(Arc::new(super::kubernetes::Kubernetes));
        #[cfg(feature = "provider-openbao")]
        registry.register(Arc::new(super::open_bao::OpenBao::new(options)));
        #[cfg(feature = "provider-pulumi")]
        registry.register(Arc::new(super::pulumi::Pulumi::new(options)?));
        #[cfg(feature = "provider-vault")]
        {
            let vault = Arc::new(super::vault::Vault::new(options));
            registry.vault = Some(Arc::clone(&vault));
            registry.register(vault);
        }
        #[cfg(feature = "provider-webhook")]
        registry.register(Arc::new(super::webhook::Webhook::new(options)));
        Ok(registry)
    }

    /// What providers know of this process; generators reach services likewise.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// How HTTP to servers behaves that users name freely.
    #[must_use]
    pub fn webhooks(&self) -> &http::Options {
        &self.webhooks
    }

    /// Makes one call of Vault's protocol for an object of `namespace`, once; credentials are read there.
    /// Calls of one namespace with the same `block` share a login.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the path does not exist, else the class of the failure.
    #[cfg(feature = "provider-vault")]
    pub async fn call_vault(
        &self,
        namespace: &str,
        secrets: Arc<dyn SecretReader>,
        block: &VaultProvider,
        call: VaultCall,
    ) -> Result<Json, Error> {
        let Some(vault) = &self.vault else {
            let message = "Vault is not set up";
            return Err(Error::new(ErrorKind::Unsupported, "vault", message));
        };
        vault.call(namespace, secrets, block, call).await
    }

    /// The client of callers that are no provider; its connections are shared.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] in a registry that was made empty.
    pub fn http(&self) -> Result<&http::Client, Error> {
        let missing = || Error::new(ErrorKind::Unsupported, "http", "HTTP is not set up");
        self.http.as_ref().ok_or_else(missing)
    }

    /// Drops from memory what providers kept long enough; to be called every few seconds.
    pub fn sweep(&self) {
        for provider in self.providers.values() {
            provider.sweep();
        }
    }

    /// What each provider can do, and which are not served, as the README says it in Markdown.
    #[must_use]
    pub fn matrix(&self) -> String {
        abilities::matrix(self.providers.values().map(AsRef::as_ref))
    }

    /// The providers by their key in `spec.provider`, and what they can do.
    pub fn abilities(&self) -> impl Iterator<Item = (&'static str, &'static Abilities)> {
        let providers = self.providers.iter();
        providers.map(|(name, provider)| (*name, provider.abilities()))
    }

    /// Adds a provider, or puts it in the place of the one of its name.
    pub fn register(&mut self, provider: Arc<dyn Provider>) {
        let (name, budgets) = (provider.name(), Arc::clone(&self.budgets));
        let metered = Arc::new(Metered { provider, budgets });
        self.providers.insert(name, metered);
    }

    /// The provider of a store. What its clients send is kept within the store's budget of requests.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] unless exactly one provider is configured, [`ErrorKind::Unsupported`]
    /// when it is not served.
    pub fn provider(&self, store: &Store) -> Result<Arc<dyn Provider>, Error> {
        let error = |kind, provider, message| Err(Error::new(kind, provider, message));
        match store.provider.configured().as_slice() {
            [name] => self.providers.get(name).cloned().map_or_else(
                || {
                    let served: Vec<_> = self.providers.keys().copied().collect();
                    let message = format!(
                        "spec.provider.{name} is not served by this build; it serves {}",
                        served.join(", ")
                    );
                    error(ErrorKind::Unsupported, name, message)
                },
                Ok,
            ),
            [] => {
                let message = "spec.provider: one provider must be configured".to_owned();
                error(ErrorKind::Invalid, "store", message)
            }
            several => {
                let message = format!(
                    "spec.provider: exactly one provider must be configured, found {}",
                    several.join(", ")
                );
                error(ErrorKind::Invalid, "store", message)
            }
        }
    }
}

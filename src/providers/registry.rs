//! Which providers this binary serves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

#[cfg(feature = "provider-vault")]
use super::VaultCall;
use super::{Error, ErrorKind, Provider};
#[cfg(feature = "provider-vault")]
use crate::api::v1::VaultProvider;
#[cfg(feature = "provider-vault")]
use crate::cluster::secrets::SecretReader;
use crate::http;
use crate::model::secret_store::Store;
#[cfg(feature = "provider-vault")]
use crate::secret::json::Json;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

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
    /// Whether webhooks may be sent to link-local addresses, where clouds keep credentials.
    pub allow_link_local: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            esc_url: "https://api.pulumi.com/api/esc".to_owned(),
            doppler_url: "https://api.doppler.com".to_owned(),
            http: http::Options::default(),
            clock: Arc::new(SystemTime::now),
            allow_link_local: false,
        }
    }
}

/// Providers by their key in `spec.provider`; made once for the process.
#[derive(Default)]
pub struct Registry {
    providers: BTreeMap<&'static str, Arc<dyn Provider>>,
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
        let mut registry = Self {
            webhooks: http::Options {
                refuses_link_local: !options.allow_link_local,
                ..options.http.clone()
            },
            ..Self::default()
        };
        #[cfg(feature = "provider-akeyless")]
        registry.register(Arc::new(super::akeyless::Akeyless::new(options)));
        #[cfg(feature = "provider-barbican")]
        registry.register(Arc::new(super::barbican::Barbican::new(options)));
        #[cfg(feature = "provider-conjur")]
        registry.register(Arc::new(super::conjur::Conjur::new(options)));
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
        let _ = options;
        Ok(registry)
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

    /// Drops from memory what providers kept long enough; to be called every few seconds.
    pub fn sweep(&self) {
        for provider in self.providers.values() {
            provider.sweep();
        }
    }

    /// Adds a provider, or puts it in the place of the one of its name.
    pub fn register(&mut self, provider: Arc<dyn Provider>) {
        self.providers.insert(provider.name(), provider);
    }

    /// The provider of a store.
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

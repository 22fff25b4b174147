//! The providers that this binary serves.

use std::sync::Arc;

use super::{Error, ErrorKind, Provider};
use crate::model::secret_store::Store;

/// What providers are configured with, beside their stores.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address of the ESC API for stores that name none.
    pub esc_url: String,
}

/// Providers by their key in `spec.provider`.
pub struct Registry {
    providers: Vec<Arc<dyn Provider>>,
}

impl Registry {
    /// Every provider this binary was built with.
    ///
    /// # Errors
    /// When a provider cannot set up its connections.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let providers: Vec<Arc<dyn Provider>> = vec![
            #[cfg(feature = "provider-fake")]
            Arc::new(super::fake::Fake),
            #[cfg(feature = "provider-pulumi")]
            Arc::new(super::pulumi::Pulumi::new(options)?),
        ];
        Ok(Self { providers })
    }

    /// The provider of a store.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the store does not name exactly one,
    /// [`ErrorKind::Unsupported`] when this binary does not serve it.
    pub fn provider(&self, store: &Store) -> Result<Arc<dyn Provider>, Error> {
        let configured = store.provider.configured();
        let [name] = configured.as_slice() else {
            let message = format!(
                "spec.provider must have exactly one member, has {}",
                configured.len()
            );
            return Err(Error::new(ErrorKind::Invalid, "store", message));
        };
        let served = self
            .providers
            .iter()
            .find(|provider| provider.name() == *name);
        served.map(Arc::clone).ok_or_else(|| {
            let names = self.names().join(", ");
            let message =
                format!("spec.provider.{name} is not served by this build; served are {names}");
            Error::new(ErrorKind::Unsupported, name, message)
        })
    }

    /// Drops from memory what providers kept long enough; to be called every few seconds.
    pub fn sweep(&self) {
        for provider in &self.providers {
            provider.sweep();
        }
    }

    /// Names of the providers that are served.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.providers
            .iter()
            .map(|provider| provider.name())
            .collect()
    }
}

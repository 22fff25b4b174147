//! Provider `vault`: the KV engines of HashiCorp Vault.

use std::sync::Arc;

use async_trait::async_trait;

use super::vault_api::{Call, Engine};
use super::{Abilities, ClientContext, Error, ErrorKind, FindBy, Options, Provider, SecretsClient};
use crate::api::v1::VaultProvider;
use crate::cluster::secrets::SecretReader;
use crate::model::secret_store::Store;
use crate::secret::json::Json;

const NAME: &str = "vault";

/// The provider, with what all its stores share.
pub(super) struct Vault {
    engine: Arc<Engine>,
}

impl Vault {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let engine = Arc::new(Engine::new(NAME, options));
        Self { engine }
    }

    /// Makes one call for an object of `namespace`.
    ///
    /// # Errors
    /// As [`Engine::call`].
    pub(super) async fn call(
        &self,
        namespace: &str,
        secrets: Arc<dyn SecretReader>,
        block: &VaultProvider,
        call: Call,
    ) -> Result<Json, Error> {
        self.engine.call(namespace, secrets, block, call).await
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "KV v1, v2; every login",
    find: &[FindBy::Name, FindBy::Path, FindBy::Tags],
    push: "yes, by check-and-set",
    version: "KV v2",
    metadata: "KV v2",
    tested: "a real Vault 1.21",
};

#[async_trait]
impl Provider for Vault {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        self.engine.check(store, block(store)?)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        let block = block(&context.store)?.clone();
        self.engine.client(context, block)
    }

    fn sweep(&self) {
        self.engine.sweep();
    }
}

fn block(store: &Store) -> Result<&VaultProvider, Error> {
    let block = store.provider.vault.as_deref();
    block.ok_or_else(|| {
        let message = "spec.provider.vault is missing";
        Error::new(ErrorKind::Invalid, NAME, message)
    })
}

//! Provider `openBao`: the KV engines of OpenBao.
//!
//! OpenBao speaks Vault's protocol, so a store's block is read as one of Vault. Beyond External Secrets
//! Operator it searches folders, finds by tags, tells what is missing and writes.

use std::sync::Arc;

use async_trait::async_trait;

use super::vault_api::Engine;
use super::{Abilities, ClientContext, Error, ErrorKind, FindBy, Options, Provider, SecretsClient};
use crate::api::v1::{
    OpenBaoAuth, OpenBaoKvVersion, OpenBaoProvider, VaultAppRoleAuth, VaultAuth, VaultKvVersion,
    VaultProvider, VaultUserPassAuth,
};
use crate::model::secret_store::Store;

const NAME: &str = "openBao";

/// Mount of stores that name none (ESO).
const MOUNT: &str = "kv";

/// The provider, with what all its stores share.
pub(super) struct OpenBao {
    engine: Arc<Engine>,
}

impl OpenBao {
    /// Makes the provider.
    pub(super) fn new(options: &Options) -> Self {
        let engine = Arc::new(Engine::new(NAME, options));
        Self { engine }
    }
}

/// What it can do.
const ABILITIES: Abilities = Abilities {
    read: "as vault",
    find: &[FindBy::Name, FindBy::Path, FindBy::Tags],
    push: "as vault",
    version: "KV v2",
    metadata: "KV v2",
    tested: "OpenBao itself",
};

#[async_trait]
impl Provider for OpenBao {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> &'static Abilities {
        &ABILITIES
    }

    fn check(&self, store: &Store) -> Result<(), Error> {
        self.engine.check(store, &block(store)?)
    }

    async fn client(&self, context: ClientContext) -> Result<Box<dyn SecretsClient>, Error> {
        let block = block(&context.store)?;
        self.engine.client(context, block)
    }

    fn sweep(&self) {
        self.engine.sweep();
    }
}

fn block(store: &Store) -> Result<VaultProvider, Error> {
    let invalid = |text: &str| Error::new(ErrorKind::Invalid, NAME, text);
    let block = store.provider.open_bao.as_deref();
    let block = block.ok_or_else(|| invalid("spec.provider.openBao is missing"))?;
    if let Some(auth) = &block.auth {
        let methods = [
            auth.app_role.is_some(),
            auth.token_secret_ref.is_some(),
            auth.user_pass.is_some(),
        ];
        if methods.into_iter().filter(|is_set| *is_set).count() != 1 {
            return Err(invalid(
                "auth: exactly one of appRole, tokenSecretRef and userPass must be set",
            ));
        }
    }
    Ok(as_vault(block))
}

fn as_vault(block: &OpenBaoProvider) -> VaultProvider {
    let path = block.path.as_deref().filter(|path| !path.is_empty());
    VaultProvider {
        auth: block.auth.as_ref().map(auth),
        ca_bundle: block.ca_bundle.clone(),
        ca_provider: block.ca_provider.clone(),
        namespace: block.namespace.clone(),
        path: Some(path.unwrap_or(MOUNT).to_owned()),
        server: block.server.clone(),
        version: block.version.map(|version| match version {
            OpenBaoKvVersion::V1 => VaultKvVersion::V1,
            OpenBaoKvVersion::V2 => VaultKvVersion::V2,
        }),
        ..VaultProvider::default()
    }
}

fn auth(auth: &OpenBaoAuth) -> VaultAuth {
    VaultAuth {
        namespace: auth.namespace.clone(),
        token_secret_ref: auth.token_secret_ref.clone(),
        app_role: auth.app_role.as_ref().map(|role| VaultAppRoleAuth {
            path: role.path.clone(),
            role_id: role.role_id.clone(),
            role_ref: role.role_ref.clone(),
            secret_ref: role.secret_ref.clone(),
        }),
        user_pass: auth.user_pass.as_ref().map(|user| VaultUserPassAuth {
            path: user.path.clone(),
            secret_ref: user.secret_ref.clone(),
            username: user.username.clone(),
        }),
        ..VaultAuth::default()
    }
}

//! What the generators of Azure and Google share: whose credentials they use.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Context, Error};
use crate::api::meta::StoreKind;
use crate::api::v1::SecretStoreProvider;
use crate::model::secret_store::{Store, StoreId};
use crate::providers::{self, ClientContext, ErrorKind};

/// Credentials are read as those of a store of the namespace that asks.
pub(super) fn as_store(context: &Context, name: &str) -> ClientContext {
    let store = Store {
        id: StoreId {
            kind: StoreKind::SecretStore,
            namespace: context.namespace.clone(),
            name: name.to_owned(),
        },
        uid: String::new(),
        generation: 0,
        provider: SecretStoreProvider::default(),
        rate: None,
    };
    ClientContext {
        store: Arc::new(store),
        namespace: context.namespace.clone(),
        secrets: Arc::clone(&context.secrets),
        not_before: UNIX_EPOCH,
    }
}

/// The failure of a login as that of a generator.
pub(super) fn failed(error: &providers::Error) -> Error {
    match error.kind {
        ErrorKind::Invalid | ErrorKind::Unsupported => Error::invalid(error.to_string()),
        _ => Error {
            retry_after: error.retry_after,
            ..Error::unavailable(error.to_string())
        },
    }
}

//! What the generators of AWS share: who they are.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Context, Error};
use crate::api::meta::StoreKind;
use crate::api::v1::{AwsAuth, SecretStoreProvider};
use crate::model::secret_store::{Store, StoreId};
use crate::providers::ClientContext;
use crate::providers::aws::{Outsider, Session};

/// A session as `auth` and `role` say, with credentials of the namespace that asks.
pub(super) async fn session(
    context: &Context,
    name: &str,
    auth: Option<&AwsAuth>,
    region: &str,
    role: Option<&str>,
) -> Result<Session, Error> {
    if region.trim().is_empty() {
        return Err(Error::invalid("spec.region: must be set"));
    }
    // Credentials are read as those of a store of the namespace.
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
    let asked = ClientContext {
        store: Arc::new(store),
        namespace: context.namespace.clone(),
        secrets: Arc::clone(&context.secrets),
        not_before: UNIX_EPOCH,
    };
    let outsider = Outsider {
        context: &asked,
        options: context.registry.options(),
        auth,
        region,
        role,
        external_id: None,
    };
    outsider.session().await.map_err(Error::from)
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().to_string()
}

//! The caches that controllers decide from, and the objects in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store as Cache};

use crate::api::meta::{Condition, StoreKind};
use crate::api::v1::{
    ClusterSecretStore, ExternalSecret, SecretStore, SecretStoreSpec, SecretStoreStatus,
};
use crate::api::well_known::{CONDITION_READY, POD_PREFIX};
use crate::controllers::watch::Guarded;
use crate::model::complaint::Complaint;
use crate::model::failover;
use crate::model::request_rate;
use crate::model::secret_store::{Store, StoreId};
use crate::model::store_use::StoreFacts;

/// Caches filled by watches. Of Secrets only metadata is held, and only of those latchkey wrote.
#[derive(Clone)]
pub(crate) struct Caches {
    /// ExternalSecrets.
    pub external_secrets: Cache<Guarded<ExternalSecret>>,
    /// Stores of one namespace.
    pub secret_stores: Cache<Guarded<SecretStore>>,
    /// Stores of the cluster.
    pub cluster_secret_stores: Cache<Guarded<ClusterSecretStore>>,
    /// Metadata of the Secrets that latchkey wrote.
    pub secrets: Cache<PartialObjectMeta<Secret>>,
    /// Metadata of Namespaces.
    pub namespaces: Cache<PartialObjectMeta<Namespace>>,
}

/// A store as the caches have it.
#[derive(Clone, Debug)]
pub(crate) struct CachedStore {
    /// What a provider needs.
    pub store: Arc<Store>,
    /// Its spec.
    pub spec: SecretStoreSpec,
    /// Its status.
    pub status: SecretStoreStatus,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// Its annotations under `latchkey.dev/`.
    pub annotations: BTreeMap<String, String>,
}

impl CachedStore {
    /// What it says about its use by pods.
    pub(crate) fn facts(&self) -> StoreFacts {
        StoreFacts::of(&self.store.id, &self.spec, &self.annotations, &self.status)
    }

    /// The stores that serve in its place while it is down.
    ///
    /// # Errors
    /// When its annotation cannot be read; nothing serves in its place then.
    pub(crate) fn fallbacks(&self) -> Result<Vec<StoreId>, Complaint> {
        failover::of_store(&self.store.id, &self.annotations)
    }

    /// The condition Ready, once the store was validated.
    pub(crate) fn ready(&self) -> Option<&Condition> {
        self.status
            .conditions
            .iter()
            .find(|condition| condition.type_ == CONDITION_READY)
    }

    /// Changes when objects that use the store must be looked at.
    pub(crate) fn fingerprint(&self) -> String {
        let ready = self
            .ready()
            .map(|ready| ready.status.as_str())
            .unwrap_or_default();
        let Store {
            uid, generation, ..
        } = &*self.store;
        format!("{uid} {generation} {ready} {:?}", self.annotations)
    }
}

impl Caches {
    /// Waits until every cache has its first list.
    pub(crate) async fn ready(&self) -> bool {
        self.external_secrets.wait_until_ready().await.is_ok()
            && self.secret_stores.wait_until_ready().await.is_ok()
            && self.cluster_secret_stores.wait_until_ready().await.is_ok()
            && self.secrets.wait_until_ready().await.is_ok()
            && self.namespaces.wait_until_ready().await.is_ok()
    }

    /// The store `id`: `None` where there is none, an error text where it cannot be read.
    pub(crate) fn store(&self, id: &StoreId) -> Option<Result<CachedStore, String>> {
        match id.kind {
            StoreKind::SecretStore => {
                let cached = self
                    .secret_stores
                    .get(&ObjectRef::new(&id.name).within(&id.namespace))?;
                Some(match &cached.0 {
                    Ok(store) => Ok(namespaced_store(store)),
                    Err(error) => Err(error.error.clone()),
                })
            }
            StoreKind::ClusterSecretStore => {
                let cached = self.cluster_secret_stores.get(&ObjectRef::new(&id.name))?;
                Some(match &cached.0 {
                    Ok(store) => Ok(cluster_store(store)),
                    Err(error) => Err(error.error.clone()),
                })
            }
        }
    }

    /// Labels of a Namespace; empty where it is not known.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let cached = self.namespaces.get(&ObjectRef::new(namespace));
        cached
            .map(|namespace| namespace.labels().clone())
            .unwrap_or_default()
    }

    /// Whether a Namespace is being deleted.
    pub(crate) fn is_terminating(&self, namespace: &str) -> bool {
        let cached = self.namespaces.get(&ObjectRef::new(namespace));
        cached.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
    }

    /// Metadata of a Secret that latchkey wrote.
    pub(crate) fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<PartialObjectMeta<Secret>>> {
        self.secrets.get(&ObjectRef::new(name).within(namespace))
    }
}

/// A SecretStore, reduced.
pub(crate) fn namespaced_store(store: &SecretStore) -> CachedStore {
    let namespace = store.namespace().unwrap_or_default();
    let id = StoreId::new(StoreKind::SecretStore, &namespace, &store.name_any());
    reduced(id, &store.metadata, &store.spec, store.status.clone())
}

/// A ClusterSecretStore, reduced.
pub(crate) fn cluster_store(store: &ClusterSecretStore) -> CachedStore {
    let id = StoreId::new(StoreKind::ClusterSecretStore, "", &store.name_any());
    reduced(id, &store.metadata, &store.spec.store, store.status.clone())
}

fn reduced(
    id: StoreId,
    metadata: &kube::api::ObjectMeta,
    spec: &SecretStoreSpec,
    status: Option<SecretStoreStatus>,
) -> CachedStore {
    let created = metadata.creation_timestamp.as_ref();
    let annotations = metadata.annotations.iter().flatten();
    let ours = annotations.filter(|(key, _)| key.starts_with(POD_PREFIX));
    let annotations: BTreeMap<_, _> = ours
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    CachedStore {
        store: Arc::new(Store {
            rate: request_rate::of_store(&id, &annotations).ok().flatten(),
            id,
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            provider: spec.provider.clone(),
        }),
        spec: spec.clone(),
        status: status.unwrap_or_default(),
        created: created.map_or(jiff::Timestamp::UNIX_EPOCH, |time| time.0),
        annotations,
    }
}

#[cfg(test)]
pub(crate) mod tests;

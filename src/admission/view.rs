//! What the webhook knows of the cluster without asking: caches that watches fill.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{Lookup, ObjectRef, Store, store};
use kube::runtime::watcher::{Config, Event, Result as WatchResult};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt};

use crate::api::meta::StoreKind;
use crate::api::v1::{
    ClusterSecretStore, ExternalSecret, SecretStore, SecretStoreSpec, SecretStoreStatus,
};
use crate::api::well_known::MATERIALISED_LABEL;
use crate::model::external_secret::target_name;
use crate::model::request_rate;
use crate::model::secret_store::{Store as WholeStore, StoreId};
use crate::model::store_use::StoreFacts;

/// What is known of the cluster, possibly a moment ago.
pub trait View: Send + Sync {
    /// Name of the Secret that an ExternalSecret keeps, if the ExternalSecret is known.
    fn target_name(&self, namespace: &str, external_secret: &str) -> Option<String>;

    /// What a store says, if it is known.
    fn store(&self, id: &StoreId) -> Option<StoreFacts>;

    /// What a provider needs of a store, if it is known.
    fn whole_store(&self, id: &StoreId) -> Option<Arc<WholeStore>>;

    /// Labels of a Namespace, if it is known.
    fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>>;

    /// Whether a Secret made for pods is there.
    fn has_secret(&self, namespace: &str, name: &str) -> bool;
}

type Guarded<K> = DeserializeGuard<K>;

/// Caches filled by watches. Of Secrets and Namespaces only metadata is held.
pub struct Watched {
    external_secrets: Store<Guarded<ExternalSecret>>,
    secret_stores: Store<Guarded<SecretStore>>,
    cluster_secret_stores: Store<Guarded<ClusterSecretStore>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    secrets: Store<PartialObjectMeta<Secret>>,
}

impl Watched {
    /// Empty caches, a future that resolves when each has its first list, and the one that fills them,
    /// which never ends.
    pub fn new(
        client: &Client,
    ) -> (
        Self,
        impl Future<Output = ()> + Send + use<>,
        impl Future<Output = ()> + Send + use<>,
    ) {
        let (external_secrets, changed_objects) = objects::<ExternalSecret>(client);
        let (secret_stores, changed_stores) = objects::<SecretStore>(client);
        let (cluster_secret_stores, changed_cluster_stores) = objects::<ClusterSecretStore>(client);
        let all: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
        let (namespaces, changed_namespaces) = cached(watcher(all, Config::default()));
        let made: Api<PartialObjectMeta<Secret>> = Api::all(client.clone());
        let selector = Config::default().labels(&format!("{MATERIALISED_LABEL}=true"));
        let (secrets, changed_secrets) = cached(watcher(made, selector));
        let view = Self {
            external_secrets,
            secret_stores,
            cluster_secret_stores,
            namespaces,
            secrets,
        };
        let complete = view.complete();
        let follow = futures::future::join5(
            changed_objects,
            changed_stores,
            changed_cluster_stores,
            changed_namespaces,
            changed_secrets,
        );
        (view, complete, follow.map(|_| ()))
    }

    fn complete(&self) -> impl Future<Output = ()> + Send + use<> {
        let external_secrets = self.external_secrets.clone();
        let secret_stores = self.secret_stores.clone();
        let cluster_secret_stores = self.cluster_secret_stores.clone();
        let (namespaces, secrets) = (self.namespaces.clone(), self.secrets.clone());
        async move {
            // A writer that is gone ends the process, so nobody waits for it.
            external_secrets.wait_until_ready().await.ok();
            secret_stores.wait_until_ready().await.ok();
            cluster_secret_stores.wait_until_ready().await.ok();
            namespaces.wait_until_ready().await.ok();
            secrets.wait_until_ready().await.ok();
        }
    }
}

impl View for Watched {
    fn target_name(&self, namespace: &str, external_secret: &str) -> Option<String> {
        let object = ObjectRef::new(external_secret).within(namespace);
        let cached = self.external_secrets.get(&object)?;
        // An object that cannot be read keeps a Secret of its own name as far as anybody knows.
        Some(match &cached.0 {
            Ok(object) => target_name(external_secret, &object.spec).to_owned(),
            Err(_) => external_secret.to_owned(),
        })
    }

    fn store(&self, id: &StoreId) -> Option<StoreFacts> {
        match id.kind {
            StoreKind::SecretStore => {
                let object = ObjectRef::new(&id.name).within(&id.namespace);
                let cached = self.secret_stores.get(&object)?;
                let store = cached.0.as_ref().ok()?;
                Some(facts(id, store, &store.spec, store.status.as_ref()))
            }
            StoreKind::ClusterSecretStore => {
                let cached = self.cluster_secret_stores.get(&ObjectRef::new(&id.name))?;
                let store = cached.0.as_ref().ok()?;
                let spec = &store.spec.store;
                Some(facts(id, store, spec, store.status.as_ref()))
            }
        }
    }

    fn whole_store(&self, id: &StoreId) -> Option<Arc<WholeStore>> {
        match id.kind {
            StoreKind::SecretStore => {
                let object = ObjectRef::new(&id.name).within(&id.namespace);
                let cached = self.secret_stores.get(&object)?;
                let store = cached.0.as_ref().ok()?;
                Some(whole(id, store, &store.spec))
            }
            StoreKind::ClusterSecretStore => {
                let cached = self.cluster_secret_stores.get(&ObjectRef::new(&id.name))?;
                let store = cached.0.as_ref().ok()?;
                Some(whole(id, store, &store.spec.store))
            }
        }
    }

    fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let cached = self.namespaces.get(&ObjectRef::new(namespace))?;
        Some(cached.labels().clone())
    }

    fn has_secret(&self, namespace: &str, name: &str) -> bool {
        let object = ObjectRef::new(name).within(namespace);
        self.secrets.get(&object).is_some()
    }
}

fn whole(id: &StoreId, object: &impl ResourceExt, spec: &SecretStoreSpec) -> Arc<WholeStore> {
    Arc::new(WholeStore {
        id: id.clone(),
        uid: object.uid().unwrap_or_default(),
        generation: object.meta().generation.unwrap_or_default(),
        provider: spec.provider.clone(),
        rate: request_rate::of_store(id, object.annotations())
            .ok()
            .flatten(),
    })
}

fn facts(
    id: &StoreId,
    object: &impl ResourceExt,
    spec: &SecretStoreSpec,
    status: Option<&SecretStoreStatus>,
) -> StoreFacts {
    let unknown = SecretStoreStatus::default();
    let status = status.unwrap_or(&unknown);
    StoreFacts::of(id, spec, object.annotations(), status)
}

fn objects<K>(client: &Client) -> (Store<Guarded<K>>, impl Future<Output = ()> + Send + use<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    K: serde::de::DeserializeOwned,
{
    let api: Api<Guarded<K>> = Api::all(client.clone());
    cached(watcher(api, Config::default()))
}

fn cached<K>(
    changes: impl Stream<Item = WatchResult<Event<K>>> + Send,
) -> (Store<K>, impl Future<Output = ()> + Send)
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let kind = <K as Resource>::kind(&()).into_owned();
    let changes = changes
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer);
    let follow = changes.for_each(move |change| {
        if let Err(error) = change {
            tracing::warn!(kind, error = %error, "Failed to watch, trying again");
        }
        std::future::ready(())
    });
    (reader, follow)
}

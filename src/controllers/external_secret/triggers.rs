//! What wakes an ExternalSecret: its own changes, its Secret's, its stores'.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use futures::{Stream, StreamExt as _};
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};

use super::index::{Index, Indexed};
use super::memory::Key;
use super::pulse;
use crate::api::v1::ExternalSecret;
use crate::api::well_known::EXTERNAL_SECRET_FINALIZER;
use crate::cluster::finalizer::take_off;
use crate::cluster::request::Error;
use crate::controllers::Context;
use crate::controllers::caches::CachedStore;
use crate::controllers::watch::Guarded;
use crate::model::secret_store::StoreId;
use crate::model::{external_secret, hash};
use crate::telemetry::metrics::Subject;

/// An object to look at.
pub(crate) type Trigger = ObjectRef<Guarded<ExternalSecret>>;

/// Wakes ExternalSecrets.
#[derive(Clone)]
pub(crate) struct Waker {
    index: Arc<Mutex<Index>>,
    queue: UnboundedSender<Trigger>,
}

impl Waker {
    /// Wakes through `queue`.
    pub(crate) fn new(queue: UnboundedSender<Trigger>) -> Self {
        Self {
            index: Arc::default(),
            queue,
        }
    }

    fn with_index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wake(&self, keys: impl IntoIterator<Item = Key>) {
        for (namespace, name) in keys {
            let object = ObjectRef::new(&name).within(&namespace);
            if self.queue.unbounded_send(object).is_err() {
                tracing::debug!(namespace, name, "Dropped a trigger while draining");
            }
        }
    }

    /// Wakes the users of a store whose state has changed.
    pub(crate) fn store_changed(&self, context: &Context, store: &CachedStore) {
        self.store_state(context, &store.store.id, store.fingerprint());
    }

    /// Wakes the users of a store that is gone.
    pub(crate) fn store_gone(&self, context: &Context, store: &StoreId) {
        self.store_state(context, store, String::new());
    }

    fn store_state(&self, context: &Context, store: &StoreId, state: String) {
        let keys = self.with_index(|index| index.of_changed_store(store, state));
        for key in &keys {
            context.memories.note(key, |memory| memory.retry_at = None);
        }
        self.wake(keys);
    }
}

/// Follows the ExternalSecrets themselves.
pub(crate) async fn watch_external_secrets(
    context: Arc<Context>,
    waker: Waker,
    changes: impl Stream<Item = Event<Guarded<ExternalSecret>>>,
) {
    changes
        .for_each(|change| {
            match change {
                Event::Apply(object) | Event::InitApply(object) => {
                    let key = key(&object);
                    let indexed = indexed(&key, &object);
                    if waker.with_index(|index| index.apply(key.clone(), indexed)) {
                        let due = pulse::first(context.now());
                        context.memories.note(&key, |memory| {
                            memory.due.get_or_insert(due);
                        });
                        waker.wake([key]);
                    }
                }
                Event::Delete(object) => {
                    let key = key(&object);
                    waker.with_index(|index| index.remove(&key));
                    forget(&context, &key);
                }
                Event::Init => waker.with_index(Index::begin_list),
                Event::InitDone => {
                    for key in waker.with_index(Index::end_list) {
                        forget(&context, &key);
                    }
                }
            }
            std::future::ready(())
        })
        .await;
}

/// Follows the Secrets that latchkey wrote.
pub(crate) async fn watch_secrets(
    waker: Waker,
    changes: impl Stream<Item = Event<PartialObjectMeta<k8s_openapi::api::core::v1::Secret>>>,
) {
    changes
        .for_each(|change| {
            if let Event::Apply(secret) | Event::Delete(secret) = change {
                let target = (secret.namespace().unwrap_or_default(), secret.name_any());
                waker.wake(waker.with_index(|index| index.of_target(&target)));
            }
            std::future::ready(())
        })
        .await;
}

fn forget(context: &Context, key: &Key) {
    context.memories.forget(key);
    context.brake.withdraw(key);
    context
        .metrics
        .forget(Subject::ExternalSecret, &key.0, &key.1);
}

fn key(object: &Guarded<ExternalSecret>) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn indexed(key: &Key, object: &Guarded<ExternalSecret>) -> Indexed {
    let metadata = object.meta();
    let version = hash::resource_version(
        metadata.generation.unwrap_or_default(),
        object.labels(),
        object.annotations(),
    );
    let deleted = metadata.deletion_timestamp.is_some();
    let spec = object.0.as_ref().ok().map(|object| &object.spec);
    Indexed {
        fingerprint: format!(
            "{} {version} {deleted}",
            metadata.uid.as_deref().unwrap_or_default()
        ),
        target: spec.map_or_else(String::new, |spec| {
            external_secret::target_name(&key.1, spec).to_owned()
        }),
        stores: spec.map_or_else(Vec::new, |spec| external_secret::stores_named(&key.0, spec)),
    }
}

/// Removes ESO's finalizer from an object that is being deleted.
///
/// # Errors
/// When the API server cannot be reached or refuses.
pub(super) async fn release_finalizer(
    context: &Context,
    object: &ExternalSecret,
) -> Result<(), Error> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<ExternalSecret> = Api::namespaced(context.client.clone(), &namespace);
    take_off(&api, object, EXTERNAL_SECRET_FINALIZER).await
}

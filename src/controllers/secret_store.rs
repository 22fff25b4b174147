//! The controllers of SecretStores and ClusterSecretStores: is the store what it says, and does it work.

mod release;
mod status;

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};

use crate::api::meta::StoreKind;
use crate::api::v1::{ClusterSecretStore, SecretStore};
use crate::api::well_known::FALLBACK_STORES_ANNOTATION;
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::status_patch::{patch_cluster, patch_namespaced};
use crate::controllers::Context;
use crate::controllers::caches::{CachedStore, Caches, cluster_store, namespaced_store};
use crate::controllers::external_secret::Waker;
use crate::controllers::schedule::retry_wait;
use crate::controllers::watch::Guarded;
use crate::model::request_rate;
use crate::model::secret_store::{StoreId, validation_interval};
use crate::providers::{Capabilities, ClientContext, Validation};
use crate::telemetry::metrics::Subject;

use release::{Release, release};
use status::{Verdict, VerdictError};

/// Longest wait between two validations of a store that does not work: short enough that a mended
/// credential is noticed, long enough that a wrong one does not lock an account.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// A store of either scope.
pub(crate) trait StoreObject:
    Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static
{
    /// The store, reduced.
    fn cached(&self) -> CachedStore;
}

impl StoreObject for SecretStore {
    fn cached(&self) -> CachedStore {
        namespaced_store(self)
    }
}

impl StoreObject for ClusterSecretStore {
    fn cached(&self) -> CachedStore {
        cluster_store(self)
    }
}

/// Where watches put the stores to look at.
pub(crate) struct Stores {
    /// Stores of one namespace.
    pub namespaced: UnboundedSender<ObjectRef<Guarded<SecretStore>>>,
    /// Stores of the cluster.
    pub cluster: UnboundedSender<ObjectRef<Guarded<ClusterSecretStore>>>,
}

/// Where controllers take the stores to look at from.
pub(crate) struct Queues {
    namespaced: UnboundedReceiver<ObjectRef<Guarded<SecretStore>>>,
    cluster: UnboundedReceiver<ObjectRef<Guarded<ClusterSecretStore>>>,
}

/// The two ends of the queues of stores.
pub(crate) fn queues() -> (Stores, Queues) {
    let (namespaced_sender, namespaced) = unbounded();
    let (cluster_sender, cluster) = unbounded();
    let stores = Stores {
        namespaced: namespaced_sender,
        cluster: cluster_sender,
    };
    (
        stores,
        Queues {
            namespaced,
            cluster,
        },
    )
}

/// Follows stores: their users are woken by any change of state, they themselves by a change of spec.
pub(crate) async fn watch<K: StoreObject>(
    context: Arc<Context>,
    queue: UnboundedSender<ObjectRef<Guarded<K>>>,
    waker: Waker,
    changes: impl Stream<Item = Event<Guarded<K>>>,
) {
    let mut generations = HashMap::new();
    changes
        .for_each(|change| {
            match change {
                Event::Apply(object) | Event::InitApply(object) => {
                    let cached = object.0.as_ref().ok().map(StoreObject::cached);
                    if let Some(store) = &cached {
                        waker.store_changed(&context, store);
                    }
                    let key = (object.namespace().unwrap_or_default(), object.name_any());
                    let notes = cached.map(|store| store.annotations);
                    let generation = (object.uid(), object.meta().generation, notes);
                    if generations.insert(key, generation.clone()).as_ref() != Some(&generation) {
                        send(&queue, ObjectRef::from_obj(&object));
                    }
                }
                Event::Delete(object) => {
                    let key = (object.namespace().unwrap_or_default(), object.name_any());
                    generations.remove(&key);
                    context.metrics.forget(subject::<K>(), &key.0, &key.1);
                    waker.store_gone(&context, &store_id::<K>(&key.0, &key.1));
                }
                Event::Init | Event::InitDone => {}
            }
            std::future::ready(())
        })
        .await;
}

fn send<K>(queue: &UnboundedSender<ObjectRef<Guarded<K>>>, object: ObjectRef<Guarded<K>>)
where
    K: StoreObject,
{
    if queue.unbounded_send(object).is_err() {
        tracing::debug!("Dropped a trigger while draining");
    }
}

fn store_id<K: StoreObject>(namespace: &str, name: &str) -> StoreId {
    let cluster = K::kind(&()) == StoreKind::ClusterSecretStore.as_str();
    let kind = if cluster {
        StoreKind::ClusterSecretStore
    } else {
        StoreKind::SecretStore
    };
    StoreId::new(kind, namespace, name)
}

fn subject<K: StoreObject>() -> Subject {
    match store_id::<K>("", "").kind {
        StoreKind::SecretStore => Subject::SecretStore,
        StoreKind::ClusterSecretStore => Subject::ClusterSecretStore,
    }
}

struct Worker {
    context: Arc<Context>,
    caches: Caches,
    failures: Mutex<HashMap<StoreId, u32>>,
}

/// Validates stores until `drain` resolves.
pub(crate) async fn run(
    context: Arc<Context>,
    caches: &Caches,
    queues: Queues,
    drain: impl Future<Output = ()> + Clone + Send + 'static,
) {
    let worker = Arc::new(Worker {
        context,
        caches: caches.clone(),
        failures: Mutex::default(),
    });
    let namespaced = work(
        Arc::clone(&worker),
        caches.secret_stores.clone(),
        queues.namespaced.take_until(drain.clone()),
    );
    let cluster = work(
        worker,
        caches.cluster_secret_stores.clone(),
        queues.cluster.take_until(drain),
    );
    futures::future::join(namespaced, cluster).await;
}

async fn work<K: StoreObject>(
    worker: Arc<Worker>,
    cache: Cache<Guarded<K>>,
    queue: impl Stream<Item = ObjectRef<Guarded<K>>>,
) {
    let config = Config::default().concurrency(worker.context.options.concurrency);
    let queue = queue.map(Ok::<_, std::convert::Infallible>);
    applier(reconcile, retry, worker, cache, queue, config)
        .for_each(|_| std::future::ready(()))
        .await;
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry<K: StoreObject>(object: Arc<Guarded<K>>, error: &Error, worker: Arc<Worker>) -> Action {
    let id = store_id::<K>(&object.namespace().unwrap_or_default(), &object.name_any());
    tracing::warn!(kind = id.kind.as_str(), namespace = id.namespace, name = id.name, error = %error, "Failed to reconcile store");
    Action::requeue(retry_wait(count_failure(&worker, &id), LONGEST_RETRY, &id))
}

fn count_failure(worker: &Worker, id: &StoreId) -> u32 {
    let mut failures = worker
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(id.clone()).or_default();
    *count = count.saturating_add(1);
    *count
}

fn forget_failures(worker: &Worker, id: &StoreId) {
    let failures = worker.failures.lock();
    failures.unwrap_or_else(PoisonError::into_inner).remove(id);
}

fn reconcile<K: StoreObject>(
    object: Arc<Guarded<K>>,
    worker: Arc<Worker>,
) -> futures::future::BoxFuture<'static, Result<Action, Error>> {
    async move {
        let subject = subject::<K>();
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let started = std::time::Instant::now();
        let pass = AssertUnwindSafe(Box::pin(pass(&object, &worker)))
            .catch_unwind()
            .await;
        let result = pass.unwrap_or_else(|_| {
            worker.context.metrics.panicked(subject.as_str());
            tracing::error!(
                kind = subject.as_str(),
                namespace,
                name,
                "Reconciling store panicked, trying again later"
            );
            Ok(Action::requeue(LONGEST_RETRY))
        });
        worker.context.metrics.reconciled(
            subject,
            &namespace,
            &name,
            started.elapsed(),
            result.is_ok(),
        );
        result
    }
    .boxed()
}

async fn pass<K: StoreObject>(object: &Guarded<K>, worker: &Worker) -> Result<Action, Error> {
    let cached = match &object.0 {
        Ok(store) => store.cached(),
        Err(unreadable) => {
            let name = unreadable.metadata.name.as_deref().unwrap_or_default();
            tracing::warn!(name, error = unreadable.error, "Failed to read store");
            return Ok(Action::await_change());
        }
    };
    let class = &worker.context.options.controller_class;
    if !class.serves(cached.spec.controller.as_deref()) {
        return Ok(Action::await_change());
    }
    if object.meta().deletion_timestamp.is_some() {
        return let_go(object, &cached.store.id, worker).await;
    }
    let context = &worker.context;
    let (interval, verdict) = match validation_interval(&cached.spec) {
        Ok(interval) => {
            let verdict = validate(context, &cached).await;
            let verdict = verdict.map(|(validation, capabilities)| Verdict {
                validation,
                capabilities,
                remarks: remarks(&worker.caches, &cached),
            });
            (interval, verdict)
        }
        Err(complaint) => (
            None,
            Err(VerdictError::Configuration(complaint.to_string())),
        ),
    };
    tell(
        context,
        &cached,
        &verdict,
        ObjectRef::from_obj(object).into(),
    )
    .await?;
    context.metrics.ready(
        subject::<K>(),
        &cached.store.id.namespace,
        &cached.store.id.name,
        verdict.is_ok(),
    );
    let id = &cached.store.id;
    Ok(Action::requeue(match verdict {
        Ok(_) => {
            forget_failures(worker, id);
            interval
                .and_then(|interval| Duration::try_from(interval).ok())
                .unwrap_or(context.options.store_interval)
        }
        Err(_) => retry_wait(count_failure(worker, id), LONGEST_RETRY, id),
    }))
}

/// Lets go of a store that is being deleted, or says what it waits for.
async fn let_go<K: StoreObject>(
    object: &Guarded<K>,
    id: &StoreId,
    worker: &Worker,
) -> Result<Action, Error> {
    let context = &worker.context;
    match release(&context.client, id, object).await? {
        Release::Gone => {
            forget_failures(worker, id);
            Ok(Action::await_change())
        }
        Release::Held(namespace, name) => {
            let told = format!(
                "is deleted when PushSecret {namespace}/{name} has taken back what it pushed here; delete that, or set its deletionPolicy to None"
            );
            let occurrence = Occurrence::normal("StillInUse", told);
            let object = ObjectRef::from_obj(object).into();
            context.events.publish(&object, occurrence).await;
            let wait = retry_wait(count_failure(worker, id), LONGEST_RETRY, id);
            Ok(Action::requeue(wait))
        }
    }
}

/// What its annotations ask for in vain: the store works without it.
fn remarks(caches: &Caches, cached: &CachedStore) -> Vec<String> {
    let rate = request_rate::of_store(&cached.store.id, &cached.annotations);
    let rate = rate
        .err()
        .map(|complaint| format!("its budget is the default: {complaint}"));
    let told = |id| {
        format!("fallback {id} is not there; create it or correct {FALLBACK_STORES_ANNOTATION}")
    };
    let fallbacks: Vec<String> = match cached.fallbacks() {
        Ok(named) => {
            let absent = named.iter().filter(|id| caches.store(id).is_none());
            absent.map(told).collect()
        }
        Err(complaint) => vec![format!("no store serves in its place: {complaint}")],
    };
    rate.into_iter().chain(fallbacks).collect()
}

async fn validate(
    context: &Context,
    cached: &CachedStore,
) -> Result<(Validation, Capabilities), VerdictError> {
    let provider = context
        .registry
        .provider(&cached.store)
        .map_err(|error| VerdictError::client(&error))?;
    provider
        .check(&cached.store)
        .map_err(|error| VerdictError::client(&error))?;
    let now = context.now();
    let client = provider.client(ClientContext {
        store: Arc::clone(&cached.store),
        namespace: cached.store.id.namespace.clone(),
        secrets: Arc::clone(&context.reader),
        not_before: (now - status::SHARE).into(),
    });
    let client = client.await.map_err(|error| VerdictError::client(&error))?;
    let validation: Validation = client
        .validate()
        .await
        .map_err(|error| VerdictError::validation(&error))?;
    Ok((validation, provider.abilities().capabilities()))
}

/// Writes the status and publishes an Event where they say something new.
async fn tell(
    context: &Context,
    cached: &CachedStore,
    verdict: &Result<Verdict, VerdictError>,
    object: ObjectReference,
) -> Result<(), Error> {
    let Some(next) = status::next(&cached.status, verdict, context.now()) else {
        return Ok(());
    };
    let id = &cached.store.id;
    match id.kind {
        StoreKind::SecretStore => {
            patch_namespaced::<SecretStore>(&context.client, &id.namespace, &id.name, &next)
                .await?;
        }
        StoreKind::ClusterSecretStore => {
            patch_cluster::<ClusterSecretStore>(&context.client, &id.name, &next).await?;
        }
    }
    let told = status::told(verdict);
    let occurrence = if verdict.is_ok() {
        Occurrence::normal(told.reason, told.message)
    } else {
        tracing::warn!(
            kind = id.kind.as_str(),
            namespace = id.namespace,
            name = id.name,
            reason = told.message,
            "Store is not ready"
        );
        Occurrence::warning(told.reason, told.message)
    };
    context.events.publish(&object, occurrence).await;
    Ok(())
}

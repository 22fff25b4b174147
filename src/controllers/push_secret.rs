//! The controller of PushSecrets: values of the cluster, written to stores.

mod apply;
mod plan;
mod sources;
mod status;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};
use serde_json::json;

use crate::api::v1alpha1::{PushSecret, PushSecretDeletionPolicy};
use crate::api::well_known::{FORCE_SYNC_ANNOTATION, PUSH_SECRET_FINALIZER};
use crate::cluster::events::Occurrence;
use crate::cluster::request::{Error, bounded};
use crate::cluster::status_patch::patch_namespaced;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::schedule::retry_wait;
use crate::controllers::watch::Guarded;
use crate::model::complaint::join;
use crate::model::{hash, push_secret};
use crate::telemetry::metrics::{Metrics, Subject};

use plan::{Observed, Step, next_step};
pub(crate) use sources::Changed;
use status::Outcome;

/// Longest wait before a failed object is tried again (ESO 2.9.0).
const LONGEST_RETRY: Duration = Duration::from_mins(7);

type Key = (String, String);

/// Where watches put the objects to look at.
pub(crate) type Queue = UnboundedSender<ObjectRef<Guarded<PushSecret>>>;

/// What a pass needs.
pub(crate) struct Worker {
    /// Shared parts.
    pub context: Arc<Context>,
    /// Stores.
    pub caches: Caches,
    /// Failures in a row, by object.
    pub failures: Mutex<HashMap<Key, u32>>,
    /// Objects whose source has changed since.
    pub changed: Changed,
}

/// Follows the objects: a change of spec or metadata wakes them, one of their status does not.
pub(crate) async fn watch(
    metrics: Metrics,
    queue: Queue,
    changes: impl Stream<Item = Event<Guarded<PushSecret>>>,
) {
    let mut seen: HashMap<Key, String> = HashMap::new();
    changes
        .for_each(|change| {
            match change {
                Event::Apply(object) | Event::InitApply(object) => {
                    let meta = object.meta();
                    let print = format!(
                        "{:?} {:?} {:?} {:?} {}",
                        meta.uid,
                        meta.generation,
                        meta.labels,
                        meta.annotations,
                        meta.deletion_timestamp.is_some()
                    );
                    let news = seen.insert(key(meta), print.clone()) != Some(print);
                    if news && queue.unbounded_send(ObjectRef::from_obj(&object)).is_err() {
                        tracing::debug!("Dropped a trigger while draining");
                    }
                }
                Event::Delete(object) => {
                    let key = key(object.meta());
                    seen.remove(&key);
                    metrics.forget(Subject::PushSecret, &key.0, &key.1);
                }
                Event::Init | Event::InitDone => {}
            }
            std::future::ready(())
        })
        .await;
}

/// Reconciles until `drain` resolves, then finishes the passes under way.
pub(crate) async fn run(
    worker: Arc<Worker>,
    cache: Cache<Guarded<PushSecret>>,
    queue: UnboundedReceiver<ObjectRef<Guarded<PushSecret>>>,
    drain: impl Future<Output = ()> + Send + 'static,
) {
    let config = Config::default().concurrency(worker.context.options.concurrency);
    let (woken, wakes) = unbounded();
    let watched = (Arc::clone(&worker), cache.clone());
    let triggers = futures::stream::select(queue, wakes)
        .take_until(drain)
        .map(Ok::<_, std::convert::Infallible>);
    let passes = applier(reconcile, retry, worker, cache, triggers, config)
        .for_each(|_| std::future::ready(()));
    let watching = async {
        let (worker, cache) = &watched;
        sources::watch(&worker.context, cache, &worker.changed, woken).await;
        futures::future::pending::<()>().await;
    };
    tokio::select! {
        () = passes => {}
        () = watching => {}
    }
}

fn key(metadata: &kube::api::ObjectMeta) -> Key {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    (part(&metadata.namespace), part(&metadata.name))
}

impl Worker {
    fn failed(&self, key: &Key) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        retry_wait(*count, LONGEST_RETRY, key)
    }

    fn succeeded(&self, key: &Key) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(key);
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry(object: Arc<Guarded<PushSecret>>, error: &Error, worker: Arc<Worker>) -> Action {
    let key = key(object.meta());
    tracing::warn!(namespace = key.0, name = key.1, error = %error, "Failed to reconcile PushSecret");
    Action::requeue(worker.failed(&key))
}

fn reconcile(
    object: Arc<Guarded<PushSecret>>,
    worker: Arc<Worker>,
) -> BoxFuture<'static, Result<Action, Error>> {
    async move {
        let started = std::time::Instant::now();
        let result = match &object.0 {
            Ok(object) if object.metadata.deletion_timestamp.is_some() => {
                release(object, &worker).await
            }
            Ok(object) => pass(object, &worker).await,
            Err(unreadable) => {
                let (namespace, name) = key(&unreadable.metadata);
                tracing::warn!(
                    namespace,
                    name,
                    error = unreadable.error,
                    "Failed to read PushSecret"
                );
                Ok(Action::await_change())
            }
        };
        let (namespace, name) = key(object.meta());
        let took = started.elapsed();
        worker.context.metrics.reconciled(
            Subject::PushSecret,
            &namespace,
            &name,
            took,
            result.is_ok(),
        );
        result
    }
    .boxed()
}

fn observe(object: &PushSecret) -> Observed {
    let generation = object.metadata.generation.unwrap_or_default();
    let forced = object.annotations().get_key_value(FORCE_SYNC_ANNOTATION);
    let forced: BTreeMap<String, String> = forced
        .map(|(key, value)| (key.clone(), value.clone()))
        .into_iter()
        .collect();
    let status = object.status.clone().unwrap_or_default();
    Observed {
        synced: status.synced_resource_version,
        refreshed: status.refresh_time.map(|time| time.0),
        version: hash::resource_version(generation, object.labels(), object.annotations()),
        narrow_version: hash::resource_version(generation, &BTreeMap::new(), &forced),
        generates: object.spec.selector.generator_ref.is_some(),
        interval: push_secret::interval(&object.spec),
        source_changed: false,
    }
}

async fn pass(object: &PushSecret, worker: &Worker) -> Result<Action, Error> {
    let now = worker.context.now();
    let key = key(&object.metadata);
    let observed = Observed {
        source_changed: worker.changed.has(&key),
        ..observe(object)
    };
    let outcome = match push_secret::check(&object.spec) {
        Err(complaints) => Outcome {
            synced: object
                .status
                .clone()
                .unwrap_or_default()
                .synced_push_secrets,
            result: Err(join(&complaints)),
            source_deleted: false,
            keeps_existing: false,
        },
        Ok(()) => {
            keep_finalizer(object, worker).await?;
            if let Step::Rest(wait) = next_step(&observed, now) {
                return Ok(wait.map_or_else(Action::await_change, Action::requeue));
            }
            worker.changed.clear(&key);
            match apply::follow_source(worker, object).await {
                Some(outcome) => outcome,
                None => apply::push(worker, object, observed.pushed_version()).await,
            }
        }
    };
    tell(object, worker, &outcome).await?;
    let metrics = &worker.context.metrics;
    metrics.ready(Subject::PushSecret, &key.0, &key.1, outcome.result.is_ok());
    if outcome.result.is_err() {
        worker.changed.note(key.clone());
        return Ok(Action::requeue(worker.failed(&key)));
    }
    worker.succeeded(&key);
    let wait = observed.rest(now, worker.context.now());
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

async fn tell(object: &PushSecret, worker: &Worker, outcome: &Outcome) -> Result<(), Error> {
    let context = &worker.context;
    let old = object.status.clone().unwrap_or_default();
    let Some(patch) = status::patch(&old, outcome, context.now()) else {
        return Ok(());
    };
    let (namespace, name) = key(&object.metadata);
    patch_namespaced::<PushSecret>(&context.client, &namespace, &name, &patch).await?;
    let occurrence = match &outcome.result {
        Ok(_) => Occurrence::normal("Synced", "PushSecret synced successfully"),
        Err(_) if outcome.source_deleted => {
            let note = "source secret deleted; provider secrets cleaned up";
            Occurrence::normal("SourceDeleted", note)
        }
        Err(error) => {
            tracing::warn!(namespace, name, reason = error, "PushSecret is not synced");
            Occurrence::warning("Errored", error.clone())
        }
    };
    context
        .events
        .publish(&object.object_ref(&()), occurrence)
        .await;
    Ok(())
}

/// Takes back what was pushed, then lets the object go.
async fn release(object: &PushSecret, worker: &Worker) -> Result<Action, Error> {
    if !object
        .finalizers()
        .iter()
        .any(|name| name == PUSH_SECRET_FINALIZER)
    {
        return Ok(Action::await_change());
    }
    if object.spec.deletion_policy == Some(PushSecretDeletionPolicy::Delete) {
        let (left, cause) = apply::take_all_back(worker, object).await;
        if let Some(cause) = cause {
            let outcome = Outcome {
                synced: left,
                result: Err(cause),
                source_deleted: false,
                keeps_existing: false,
            };
            tell(object, worker, &outcome).await?;
            return Ok(Action::requeue(worker.failed(&key(&object.metadata))));
        }
    }
    set_finalizer(object, worker, false).await?;
    worker.succeeded(&key(&object.metadata));
    Ok(Action::await_change())
}

async fn keep_finalizer(object: &PushSecret, worker: &Worker) -> Result<(), Error> {
    let wanted = object.spec.deletion_policy == Some(PushSecretDeletionPolicy::Delete);
    let present = object
        .finalizers()
        .iter()
        .any(|name| name == PUSH_SECRET_FINALIZER);
    if wanted == present {
        return Ok(());
    }
    set_finalizer(object, worker, wanted).await
}

/// The resource version in the patch makes sure that no finalizer of others is lost.
async fn set_finalizer(object: &PushSecret, worker: &Worker, wanted: bool) -> Result<(), Error> {
    let (namespace, name) = key(&object.metadata);
    let others = object
        .finalizers()
        .iter()
        .filter(|name| *name != PUSH_SECRET_FINALIZER);
    let mut finalizers: Vec<String> = others.cloned().collect();
    if wanted {
        finalizers.push(PUSH_SECRET_FINALIZER.to_owned());
    }
    let body = json!({"metadata": {"finalizers": finalizers, "resourceVersion": object.resource_version()}});
    let api: Api<PushSecret> = Api::namespaced(worker.context.client.clone(), &namespace);
    let params = PatchParams::default();
    match bounded(api.patch(&name, &params, &Patch::Merge(&body))).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

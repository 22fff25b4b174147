//! Cluster-wide objects that give many namespaces an object each.
//!
//! What is made carries an owner reference, so that Kubernetes removes it with its maker; nothing of
//! ours holds a namespace or the maker when it is deleted.

mod apply;
pub(crate) mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cluster::request::Error;
use crate::cluster::status_patch::patch_cluster;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::watch::Guarded;
use crate::model::duration;
use crate::model::secret_store::selects;
use crate::telemetry::metrics::{Metrics, Subject};

use plan::{Observed, Outcome, plan};

/// Wait between two looks at the namespaces of an object that names none (ESO 2.9.0).
const DEFAULT_INTERVAL: Duration = Duration::from_hours(1);
/// Wait before failed namespaces are tried again.
const RETRY: Duration = Duration::from_mins(1);
/// Label that the API server puts on every Namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The objects to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mould {
    /// Their name; empty is their maker's.
    pub name: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Spec.
    pub spec: Value,
}

/// Which namespaces; any member may match.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selection {
    /// By labels.
    pub selectors: Vec<LabelSelector>,
    /// By name.
    pub names: Vec<String>,
}

/// A cluster-wide object that gives namespaces an object each.
pub(crate) trait Spread:
    Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Kind of what is made.
    type Child: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static;

    /// Which metrics are about the kind.
    const SUBJECT: Subject;
    /// Finalizer that ESO puts on the object and that is taken off; empty is none.
    const FINALIZER: &'static str;
    /// Beginning of the finalizer that ESO puts on namespaces and that is taken off; empty is none.
    const NAMESPACE_FINALIZER: &'static str;

    /// What is made.
    fn mould(&self) -> Mould;
    /// Where.
    fn selection(&self) -> Selection;
    /// Go duration between two looks.
    fn interval(&self) -> Option<&str>;
    /// Name and namespaces of what was made before.
    fn placed(&self) -> (Option<String>, Vec<String>);
    /// The next status, unless it is the present one.
    fn told(&self, outcome: &Outcome, now: Timestamp) -> Option<Value>;
}

/// What a pass needs.
pub(crate) struct Worker {
    /// Shared parts.
    pub context: Arc<Context>,
    /// Namespaces.
    pub caches: Caches,
}

/// Wakes objects of one kind.
pub(crate) struct Waker<K: Spread> {
    /// The objects.
    pub cache: Cache<Guarded<K>>,
    /// Where to put those to look at.
    pub queue: UnboundedSender<ObjectRef<Guarded<K>>>,
}

impl<K: Spread> Waker<K> {
    /// Wakes every object.
    pub(crate) fn wake_all(&self) {
        for object in self.cache.state() {
            self.wake(ObjectRef::from_obj(&*object));
        }
    }

    /// Wakes the maker of an object that changed or went.
    pub(crate) fn wake_owner<C: Resource>(&self, child: &C) {
        let owners = child.meta().owner_references.iter().flatten();
        for owner in owners.filter(|owner| owner.kind == K::kind(&())) {
            self.wake(ObjectRef::new(&owner.name));
        }
    }

    fn wake(&self, object: ObjectRef<Guarded<K>>) {
        if self.queue.unbounded_send(object).is_err() {
            tracing::debug!("Dropped a trigger while draining");
        }
    }
}

/// Follows the objects: a change of spec or metadata wakes them, one of their status does not.
pub(crate) async fn watch<K: Spread>(
    metrics: Metrics,
    waker: Arc<Waker<K>>,
    changes: impl Stream<Item = Event<Guarded<K>>>,
) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
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
                    if seen.insert(object.name_any(), print.clone()) != Some(print) {
                        waker.wake(ObjectRef::from_obj(&object));
                    }
                }
                Event::Delete(object) => {
                    seen.remove(&object.name_any());
                    metrics.forget(K::SUBJECT, "", &object.name_any());
                }
                Event::Init | Event::InitDone => {}
            }
            std::future::ready(())
        })
        .await;
}

/// Reconciles until `drain` resolves, then finishes the passes under way.
pub(crate) async fn run<K: Spread>(
    worker: Arc<Worker>,
    cache: Cache<Guarded<K>>,
    queue: UnboundedReceiver<ObjectRef<Guarded<K>>>,
    drain: impl Future<Output = ()> + Send + 'static,
) {
    let config = Config::default().concurrency(worker.context.options.concurrency);
    let triggers = queue
        .take_until(drain)
        .map(Ok::<_, std::convert::Infallible>);
    applier(reconcile::<K>, retry::<K>, worker, cache, triggers, config)
        .for_each(|_| std::future::ready(()))
        .await;
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry<K: Spread>(object: Arc<Guarded<K>>, error: &Error, _: Arc<Worker>) -> Action {
    let kind = K::kind(&());
    tracing::warn!(%kind, name = object.name_any(), error = %error, "Failed to reconcile, trying again");
    Action::requeue(RETRY)
}

fn reconcile<K: Spread>(
    object: Arc<Guarded<K>>,
    worker: Arc<Worker>,
) -> BoxFuture<'static, Result<Action, Error>> {
    async move {
        let started = std::time::Instant::now();
        let result = match &object.0 {
            Ok(object) => pass(object, &worker).await,
            Err(unreadable) => {
                let name = unreadable.metadata.name.as_deref();
                tracing::warn!(kind = %K::kind(&()), name, error = unreadable.error, "Failed to read object");
                Ok(Action::await_change())
            }
        };
        let (name, took) = (object.name_any(), started.elapsed());
        let metrics = &worker.context.metrics;
        metrics.reconciled(K::SUBJECT, "", &name, took, result.is_ok());
        result
    }
    .boxed()
}

async fn pass<K: Spread>(object: &K, worker: &Worker) -> Result<Action, Error> {
    let context = &worker.context;
    apply::release(context, &worker.caches, object).await?;
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = object.name_any();
    let interval = interval(object);
    let (outcome, interval) = match (observe(&worker.caches, object), interval) {
        (Ok(observed), Ok(interval)) => {
            let outcome = apply::perform(context, object, &observed.name, plan(&observed)).await?;
            (outcome, interval)
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(kind = %K::kind(&()), name, error, "Failed to read selectors");
            let (placed_name, provisioned) = object.placed();
            let failed = [("*".to_owned(), error)].into_iter().collect();
            let outcome = Outcome {
                name: placed_name.unwrap_or_default(),
                provisioned,
                failed,
            };
            (outcome, DEFAULT_INTERVAL)
        }
    };
    if let Some(status) = object.told(&outcome, context.now()) {
        patch_cluster::<K>(&context.client, &name, &status).await?;
    }
    let succeeded = outcome.failed.is_empty();
    context.metrics.ready(K::SUBJECT, "", &name, succeeded);
    let wait = if succeeded { interval } else { RETRY };
    Ok(Action::requeue(wait))
}

fn interval<K: Spread>(object: &K) -> Result<Duration, String> {
    let Some(text) = object.interval().filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_INTERVAL);
    };
    let parsed = duration::parse(text).map_err(|error| format!("spec.refreshTime: {error}"))?;
    let positive = Duration::try_from(parsed)
        .ok()
        .filter(|wait| !wait.is_zero());
    Ok(positive.unwrap_or(DEFAULT_INTERVAL))
}

fn observe<K: Spread>(caches: &Caches, object: &K) -> Result<Observed, String> {
    let selection = object.selection();
    let (placed_name, placed) = object.placed();
    let mut alive = BTreeSet::new();
    let mut selected = BTreeSet::new();
    for namespace in caches.namespaces.state() {
        if namespace.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let name = namespace.name_any();
        let labels = namespace.labels();
        let mut matches = selection
            .names
            .iter()
            .any(|named| labels.get(NAME_LABEL) == Some(named));
        for selector in &selection.selectors {
            matches |= selects(selector, labels)?;
        }
        if matches {
            selected.insert(name.clone());
        }
        alive.insert(name);
    }
    let name = object.mould().name.filter(|name| !name.is_empty());
    Ok(Observed {
        name: name.unwrap_or_else(|| object.name_any()),
        selected,
        alive,
        placed_name,
        placed: placed.into_iter().collect(),
    })
}

//! The controller of GeneratorStates: takes back what generators made when it is not used any more.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};
use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Resource as _, ResourceExt as _};
use serde_json::json;

use crate::api::generators::GeneratorState;
use crate::api::well_known::{CONDITION_READY, GENERATOR_STATE_FINALIZER};
use crate::cluster::events::Occurrence;
use crate::cluster::generator_state;
use crate::cluster::request::Error;
use crate::cluster::status_patch::patch_namespaced;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::generated::surroundings;
use crate::controllers::schedule::{retry_wait, until};
use crate::controllers::watch::Guarded;
use crate::generators;

/// Longest wait before values that could not be taken back are tried again (ESO 2.9.0).
const LONGEST_RETRY: Duration = Duration::from_mins(7);

/// Tries in a namespace that is being deleted: its Secrets go first, and with them the credentials, so
/// that going on for ever would keep the namespace.
const TRIES_AT_THE_END: u32 = 3;

type Key = (String, String);

/// What a pass needs.
pub(crate) struct Worker {
    /// Shared parts.
    pub context: Arc<Context>,
    /// Namespaces.
    pub caches: Caches,
    /// Failures in a row, by object.
    pub failures: Mutex<HashMap<Key, u32>>,
}

/// Has every changed object looked at.
pub(crate) async fn watch(
    queue: UnboundedSender<ObjectRef<Guarded<GeneratorState>>>,
    changes: impl Stream<Item = Event<Guarded<GeneratorState>>>,
) {
    changes
        .for_each(|change| {
            if let Event::Apply(object) | Event::InitApply(object) = change
                && queue.unbounded_send(ObjectRef::from_obj(&object)).is_err()
            {
                tracing::debug!("Dropped a trigger while draining");
            }
            std::future::ready(())
        })
        .await;
}

/// Reconciles until `drain` resolves, then finishes the passes under way.
pub(crate) async fn run(
    worker: Arc<Worker>,
    cache: Cache<Guarded<GeneratorState>>,
    queue: UnboundedReceiver<ObjectRef<Guarded<GeneratorState>>>,
    drain: impl Future<Output = ()> + Send + 'static,
) {
    let config = Config::default().concurrency(worker.context.options.concurrency);
    let triggers = queue
        .take_until(drain)
        .map(Ok::<_, std::convert::Infallible>);
    applier(reconcile, retry, worker, cache, triggers, config)
        .for_each(|_| std::future::ready(()))
        .await;
}

fn key(metadata: &kube::api::ObjectMeta) -> Key {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    (part(&metadata.namespace), part(&metadata.name))
}

impl Worker {
    fn failed(&self, key: &Key) -> (u32, Duration) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        (*count, retry_wait(*count, LONGEST_RETRY, key))
    }

    fn forget(&self, key: &Key) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(key);
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry(object: Arc<Guarded<GeneratorState>>, error: &Error, worker: Arc<Worker>) -> Action {
    let key = key(object.meta());
    tracing::warn!(namespace = key.0, name = key.1, error = %error, "Failed to reconcile GeneratorState");
    Action::requeue(worker.failed(&key).1)
}

fn reconcile(
    object: Arc<Guarded<GeneratorState>>,
    worker: Arc<Worker>,
) -> BoxFuture<'static, Result<Action, Error>> {
    async move {
        match &object.0 {
            Ok(object) => pass(object, &worker).await,
            Err(unreadable) => {
                let (namespace, name) = key(&unreadable.metadata);
                let error = &unreadable.error;
                tracing::warn!(namespace, name, error, "Failed to read GeneratorState");
                Ok(Action::await_change())
            }
        }
    }
    .boxed()
}

async fn pass(object: &GeneratorState, worker: &Worker) -> Result<Action, Error> {
    let client = &worker.context.client;
    let (namespace, name) = key(&object.metadata);
    let mut finalizers = object.finalizers().iter();
    let is_held = finalizers.any(|name| name == GENERATOR_STATE_FINALIZER);
    if object.metadata.deletion_timestamp.is_some() {
        if is_held {
            return release(object, worker).await;
        }
        worker.forget(&(namespace, name));
        return Ok(Action::await_change());
    }
    if !is_held {
        generator_state::set_finalizer(client, object, true).await?;
    }
    let Some(Time(deadline)) = &object.spec.garbage_collection_deadline else {
        return Ok(Action::await_change());
    };
    let left = until(worker.context.now(), *deadline);
    if left.is_zero() {
        generator_state::delete(client, &namespace, &name).await?;
        return Ok(Action::await_change());
    }
    Ok(Action::requeue(left))
}

/// Takes the values back, then lets the record go.
async fn release(object: &GeneratorState, worker: &Worker) -> Result<Action, Error> {
    let context = &worker.context;
    let key = key(&object.metadata);
    let resource = &object.spec.resource;
    let kind = resource["kind"].as_str().unwrap_or_default();
    let surroundings = surroundings(context, &key.0);
    let spec = resource["spec"].clone();
    let taken = generators::take_back(kind, spec, &object.spec.state, &surroundings).await;
    if let Err(error) = taken {
        let (count, wait) = worker.failed(&key);
        let is_last = worker.caches.is_terminating(&key.0) && count >= TRIES_AT_THE_END;
        tell(object, context, &error.to_string(), is_last).await?;
        if !is_last {
            return Ok(Action::requeue(
                wait.max(error.retry_after.unwrap_or_default()),
            ));
        }
    }
    generator_state::set_finalizer(&context.client, object, false).await?;
    worker.forget(&key);
    Ok(Action::await_change())
}

/// Says why values were not taken back: in the condition, an Event, and the log.
async fn tell(
    object: &GeneratorState,
    context: &Context,
    error: &str,
    is_last: bool,
) -> Result<(), Error> {
    let (namespace, name) = key(&object.metadata);
    let end = if is_last {
        "; given up, for the namespace is being deleted: revoke them by hand"
    } else {
        ""
    };
    let message = format!("could not take back what was generated: {error}{end}");
    tracing::warn!(
        namespace,
        name,
        reason = message,
        "Generated values are still valid"
    );
    let old = object.status.clone().unwrap_or_default();
    let is_told = old.conditions.iter().any(|condition| {
        condition.type_ == CONDITION_READY && condition.message.as_deref() == Some(&message)
    });
    if is_told {
        return Ok(());
    }
    let condition = json!({
        "type": CONDITION_READY,
        "status": "False",
        "reason": "CleanupFailed",
        "message": message,
        "lastTransitionTime": Time(context.now()),
    });
    let status = json!({"conditions": [condition]});
    patch_namespaced::<GeneratorState>(&context.client, &namespace, &name, &status).await?;
    let occurrence = Occurrence::warning("CleanupFailed", message);
    let reference = object.object_ref(&());
    context.events.publish(&reference, occurrence).await;
    Ok(())
}

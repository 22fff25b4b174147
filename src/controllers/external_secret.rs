//! The ExternalSecret controller: observe, plan, apply.
//!
//! A pass reads caches only, decides in [`plan`], and acts at most with one fetch, one write of the
//! Secret and one of the status. An object whose Secret is as it should be costs the fetch alone.

mod apply;
mod brake;
mod failover;
mod fetch;
mod index;
mod keep;
mod lanes;
mod manifest;
mod memory;
mod observe;
mod orphans;
mod plan;
mod preview;
mod pulse;
mod render;
mod restrain;
mod sources;
mod status;
mod triggers;
mod verify;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};

use crate::api::v1::ExternalSecret;
use crate::api::well_known::ALLOW_DELETION_ANNOTATION;
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::status_patch::patch_namespaced;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::schedule::{retry_wait, until};
use crate::controllers::watch::Guarded;
use crate::telemetry::metrics::Subject;

use apply::Ended;
use memory::Told;
use observe::Snapshot;
use orphans::Left;
use plan::{Failure, Step, next_step};
use status::Outcome;

pub(crate) use brake::Brake;
pub(crate) use failover::Outages;
pub(in crate::controllers) use fetch::{Wanted, fetch};
pub(crate) use lanes::Lanes;
pub(crate) use memory::Memories;
pub(crate) use plan::Consent;
use plan::rest_after_success;
pub(in crate::controllers) use plan::store_trouble;
pub(crate) use preview::{Forecast, Values, forecast, next_due, rendered};
pub(in crate::controllers) use render::{content, templated, transformed};
pub(in crate::controllers) use sources::{Sources, store_state};
pub(crate) use triggers::{Trigger, Waker, watch_external_secrets, watch_secrets};

/// Longest wait between two tries of an object that failed.
const LONGEST_RETRY: Duration = Duration::from_mins(7);
/// Wait before an object that only a change can heal is tried all the same.
const HOPELESS_RETRY: Duration = Duration::from_mins(10);

/// How long the cache may lag behind our own writes.
const CACHE_LAG: SignedDuration = SignedDuration::from_secs(30);

/// What a pass works with.
pub(crate) struct Worker {
    /// What all controllers share.
    pub context: Arc<Context>,
    /// What they decide from.
    pub caches: Caches,
}

/// Reconciles until the trigger stream ends, then finishes the passes under way. How many are under way
/// is for the lanes to say: passes that only look at caches need no turn.
pub(crate) async fn run(worker: Arc<Worker>, triggers: impl Stream<Item = Trigger>) {
    let cache = worker.caches.external_secrets.clone();
    let queue = triggers.map(Ok::<_, std::convert::Infallible>);
    let watched = Arc::clone(&worker);
    let passes = applier(reconcile, retry, worker, cache, queue, Config::default())
        .for_each(|_| std::future::ready(()));
    tokio::select! {
        () = passes => {}
        () = pulse::watch(&watched) => {}
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the applier's"
)]
fn retry(object: Arc<Guarded<ExternalSecret>>, error: &Error, worker: Arc<Worker>) -> Action {
    let key = key_of(object.meta());
    let failures = count_failure(&worker, &key);
    tracing::warn!(namespace = key.0, name = key.1, error = %error, "Failed to reconcile ExternalSecret");
    Action::requeue(retry_wait(failures, LONGEST_RETRY, &key))
}

fn key_of(metadata: &kube::api::ObjectMeta) -> memory::Key {
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn count_failure(worker: &Worker, key: &memory::Key) -> u32 {
    let mut failures = 0;
    worker.context.memories.note(key, |memory| {
        memory.failures = memory.failures.saturating_add(1);
        failures = memory.failures;
    });
    failures
}

/// One pass. A panic concerns this object alone.
fn reconcile(
    object: Arc<Guarded<ExternalSecret>>,
    worker: Arc<Worker>,
) -> futures::future::BoxFuture<'static, Result<Action, Error>> {
    async move {
        let key = key_of(object.meta());
        let started = std::time::Instant::now();
        let pass = AssertUnwindSafe(pass(&object, &worker))
            .catch_unwind()
            .await;
        let result = pass.unwrap_or_else(|_| {
            worker.context.metrics.panicked("externalsecret");
            tracing::error!(
                namespace = key.0,
                name = key.1,
                "Reconciling ExternalSecret panicked, trying again later"
            );
            Ok(Action::requeue(LONGEST_RETRY))
        });
        worker.context.metrics.reconciled(
            Subject::ExternalSecret,
            &key.0,
            &key.1,
            started.elapsed(),
            result.is_ok(),
        );
        result
    }
    .boxed()
}

async fn pass(object: &Guarded<ExternalSecret>, worker: &Worker) -> Result<Action, Error> {
    match &object.0 {
        Ok(object) if observe::is_of_another(object, worker) => {
            pulse::leave(&worker.context, &key_of(&object.metadata));
            Ok(Action::await_change())
        }
        Ok(object) if object.metadata.deletion_timestamp.is_some() => release(object, worker).await,
        Ok(object) => reconcile_readable(object, worker).await,
        Err(unreadable) => {
            let failure = Failure::lasting(
                "the ExternalSecret cannot be read",
                unreadable.error.clone(),
            );
            let key = key_of(&unreadable.metadata);
            tracing::warn!(
                namespace = key.0,
                name = key.1,
                error = unreadable.error,
                "Failed to read ExternalSecret"
            );
            let body = ExternalSecret::new(&key.1, crate::api::v1::ExternalSecretSpec::default());
            let object = ExternalSecret {
                metadata: unreadable.metadata.clone(),
                ..body
            };
            tell_failure(&object, worker, failure, String::new()).await
        }
    }
}

/// Lets go of an object that is being deleted: ESO's finalizer must not hold it when ESO is gone. An
/// owned Secret is removed by Kubernetes.
async fn release(object: &ExternalSecret, worker: &Worker) -> Result<Action, Error> {
    triggers::release_finalizer(&worker.context, object).await?;
    Ok(Action::await_change())
}

async fn reconcile_readable(object: &ExternalSecret, worker: &Worker) -> Result<Action, Error> {
    let context = &worker.context;
    let snapshot = Snapshot::take(context, &worker.caches, object);
    let observed = snapshot.observed(context);
    let urgency = observed.urgency();
    let asked = snapshot.force_sync.clone().unwrap_or_default();
    context.memories.note(&snapshot.key, |memory| {
        memory.force_seen.get_or_insert(asked);
    });
    let step = next_step(&observed, context.now());
    drop(observed);
    if !matches!(step, Step::Verify | Step::Keep | Step::Fetch { .. }) {
        return follow(object, worker, snapshot, step).await;
    }
    let stores = snapshot.sources.stores().keys().cloned().collect();
    drop(snapshot);
    let _place = context.lanes.enter(urgency, stores).await;
    // The turn may have been long in coming.
    let newest = worker
        .caches
        .external_secrets
        .get(&ObjectRef::new(&object.name_any()).within(&object.namespace().unwrap_or_default()));
    let newest = newest.as_ref().and_then(|newest| newest.0.as_ref().ok());
    let Some(object) = newest.filter(|newest| newest.metadata.deletion_timestamp.is_none()) else {
        return Ok(Action::await_change());
    };
    let snapshot = Snapshot::take(context, &worker.caches, object);
    let mut step = next_step(&snapshot.observed(context), context.now());
    if step == Step::Verify {
        let now = context.now();
        step = if verify::verify(context, &snapshot, &object.metadata).await? {
            next_step(&snapshot.observed(context), now)
        } else if snapshot.generates() {
            Step::Keep
        } else {
            Step::Fetch {
                not_before: snapshot.window_start(now),
            }
        };
        if step == Step::Verify {
            step = Step::Rest(rest(&snapshot, now));
        }
    }
    follow(object, worker, snapshot, step).await
}

async fn follow(
    object: &ExternalSecret,
    worker: &Worker,
    snapshot: Snapshot,
    step: Step,
) -> Result<Action, Error> {
    let context = &worker.context;
    let ended = match step {
        Step::Ignore | Step::Verify => {
            pulse::note(context, &snapshot, None);
            return Ok(Action::await_change());
        }
        Step::Rest(wait) => {
            pulse::note(context, &snapshot, wait);
            return Ok(wait.map_or_else(Action::await_change, Action::requeue));
        }
        Step::Hold(opening) => return hold(object, worker, &snapshot, opening).await,
        Step::Refuse(failure) => Ended::Failed(failure),
        Step::Keep => keep::keep(context, &snapshot, &object.metadata).await?,
        Step::Fetch { not_before } => {
            context.metrics.refreshed(&snapshot.key.0, &snapshot.key.1);
            apply::refresh(context, &snapshot, &object.metadata, not_before).await
        }
    };
    match ended {
        Ended::Raced(wait) => Ok(Action::requeue(wait)),
        Ended::Failed(failure) => tell_failure(object, worker, failure, snapshot.version).await,
        Ended::Told(outcome, occurrences) => {
            tell_success(object, worker, snapshot, outcome, occurrences).await
        }
    }
}

/// Tells that a refresh which is due waits for the windows of the spec.
async fn hold(
    object: &ExternalSecret,
    worker: &Worker,
    snapshot: &Snapshot,
    opening: Option<Timestamp>,
) -> Result<Action, Error> {
    let context = &worker.context;
    let text = opening.map_or_else(
        || "the refresh that is due waits for spec.syncWindows, which do not open again".to_owned(),
        |at| {
            let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!("the refresh that is due waits for spec.syncWindows until {at}")
        },
    );
    let outcome = Outcome::Remark { text: text.clone() };
    if write_status(object, worker, &outcome).await? {
        let told = Occurrence::normal("RefreshHeld", text);
        context.events.publish(&object.object_ref(&()), told).await;
    }
    let wait = opening.map(|at| until(context.now(), at));
    pulse::note(context, snapshot, wait);
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

async fn tell_success(
    object: &ExternalSecret,
    worker: &Worker,
    snapshot: Snapshot,
    outcome: Outcome,
    occurrences: Vec<Occurrence>,
) -> Result<Action, Error> {
    let context = &worker.context;
    let now = context.now();
    let memory = context.memories.recall(&snapshot.key);
    let changed = memory.synced_version.as_ref() != Some(&snapshot.version);
    let left = if changed || memory.left_behind {
        let allowed = object.annotations().get(ALLOW_DELETION_ANNOTATION);
        let allowed = allowed.map(String::as_str);
        orphans::delete(context, &worker.caches, &snapshot, allowed).await?
    } else {
        Left::Nothing(None)
    };
    let (left_behind, deleted) = match left {
        Left::Nothing(told) => (false, told),
        Left::Some(told) => (true, (!memory.left_behind).then_some(told)),
    };
    write_status(object, worker, &outcome).await?;
    context.memories.note(&snapshot.key, |memory| {
        memory.synced_version = Some(snapshot.version.clone());
        memory.refreshed_at = Some(now);
        memory.failures = 0;
        memory.retry_at = None;
        memory.left_behind = left_behind;
        memory.force_seen = Some(snapshot.force_sync.clone().unwrap_or_default());
    });
    pulse::note(context, &snapshot, rest(&snapshot, now));
    context.metrics.fresh(&snapshot.key.0, &snapshot.key.1);
    context.metrics.ready(
        Subject::ExternalSecret,
        &snapshot.key.0,
        &snapshot.key.1,
        true,
    );
    for occurrence in occurrences.into_iter().chain(deleted) {
        context
            .events
            .publish(&object.object_ref(&()), occurrence)
            .await;
    }
    Ok(rest(&snapshot, now).map_or_else(Action::await_change, Action::requeue))
}

/// Tells why there is no Secret as it should be: in the condition, and in one Event a change.
async fn tell_failure(
    object: &ExternalSecret,
    worker: &Worker,
    failure: Failure,
    version: String,
) -> Result<Action, Error> {
    let context = &worker.context;
    let key = key_of(&object.metadata);
    let message = failure.message();
    let outcome = Outcome::Failed {
        reason: failure.reason,
        message: message.clone(),
        confirmed: pulse::confirmed(&context.memories.recall(&key), object.status.as_ref()),
    };
    let news = write_status(object, worker, &outcome).await?;
    let failures = count_failure(worker, &key);
    let longest = if failure.until_change {
        HOPELESS_RETRY
    } else {
        LONGEST_RETRY
    };
    let backoff = if failure.until_change {
        HOPELESS_RETRY
    } else {
        retry_wait(failures, longest, &key)
    };
    let wait = backoff.max(failure.retry_after.unwrap_or_default());
    let retry_at = context.now() + wait;
    context.memories.note(&key, |memory| {
        memory.due = None;
        memory.retry_at = Some(retry_at);
        memory.failed_version = Some(version);
    });
    context.metrics.failed(&key.0, &key.1);
    context
        .metrics
        .ready(Subject::ExternalSecret, &key.0, &key.1, false);
    if news {
        tracing::warn!(
            namespace = key.0,
            name = key.1,
            reason = message,
            "ExternalSecret is not synced"
        );
        context
            .events
            .publish(
                &object.object_ref(&()),
                Occurrence::warning("UpdateFailed", message),
            )
            .await;
    }
    Ok(Action::requeue(wait))
}

/// Writes the status where it says something new; answers whether it did. The cache may lag behind our
/// own last write, so that is remembered.
async fn write_status(
    object: &ExternalSecret,
    worker: &Worker,
    outcome: &Outcome,
) -> Result<bool, Error> {
    let context = &worker.context;
    let key = key_of(&object.metadata);
    let now = context.now();
    let remembered = context
        .memories
        .recall(&key)
        .told
        .filter(|told| now.duration_since(told.at) < CACHE_LAG);
    let old = remembered.map_or_else(
        || object.status.clone().unwrap_or_default(),
        |told| told.status,
    );
    let Some(next) = status::next(&old, outcome, now) else {
        return Ok(false);
    };
    patch_namespaced::<ExternalSecret>(&context.client, &key.0, &key.1, &next).await?;
    context.memories.note(&key, |memory| {
        memory.told = Some(Told {
            at: now,
            status: next,
        });
    });
    Ok(true)
}

fn rest(snapshot: &Snapshot, now: Timestamp) -> Option<Duration> {
    snapshot
        .parsed
        .as_ref()
        .ok()
        .and_then(|spec| rest_after_success(spec, now))
}

//! One pass over one Secret: fetch and write, rest, or delete.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;

use super::demand::{Key, Needed, Waiting};
use super::permit;
use super::plan::{self, Observed, Step, Target, Unneeded};
use super::write;
use super::{Options, Revoked};
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::Version;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::external_secret::{Sources, Wanted, content, fetch};
use crate::controllers::schedule::{retry_wait, until};
use crate::model::complaint;
use crate::model::external_secret::ExternalSecret;

/// Longest wait between two tries; the pod waits as long.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// How often permissions are asked for between two refreshes. With what the authoriser remembers, a
/// revocation is seen within a minute.
const RECHECK: Duration = Duration::from_secs(35);
/// Pods that get an Event in one pass; the others get theirs in the next ones.
const PODS_TOLD: usize = 20;

/// What is remembered of a Secret between two passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// When values were last fetched, or confirmed.
    pub(super) refreshed_at: Option<Timestamp>,
    /// The object that was last written or compared.
    pub(super) verified: Option<Version>,
    /// Digest of the data that was last written or compared.
    pub(super) digest: Option<String>,
    /// Identities of the owners that object has.
    pub(super) owners: BTreeSet<String>,
    pub(super) unneeded_since: Option<Timestamp>,
    pub(super) failing: Option<Failing>,
}

/// A Secret that cannot be made or refreshed.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    since: Timestamp,
    tries: u32,
    revoked_since: Option<Timestamp>,
    message: String,
    told: BTreeSet<String>,
}

/// All that a pass needs.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) caches: Caches,
    pub(super) needed: Option<Needed>,
    pub(super) target: Option<Arc<PartialObjectMeta<Secret>>>,
    pub(super) memory: Memory,
    pub(super) options: Options,
}

/// How a pass ended.
pub(super) struct Ended {
    /// When to look again, if not only at a change.
    pub(super) again: Option<Duration>,
    /// What to remember; nothing where the Secret is gone.
    pub(super) memory: Option<Memory>,
}

/// Why a pass failed.
pub(super) enum Failure {
    /// By what a user can mend, or by a store.
    Told {
        /// What is wrong; holds no secret.
        message: String,
        /// How long a store asked to wait.
        retry_after: Option<Duration>,
    },
    /// The pods may not have it.
    Revoked(String),
    /// By the API server.
    Cluster(Error),
}

impl Failure {
    /// What a user can mend.
    pub(super) fn told(message: impl Into<String>) -> Self {
        Self::Told {
            message: message.into(),
            retry_after: None,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Told { .. } => "values",
            Self::Revoked(_) => "revoked",
            Self::Cluster(_) => "cluster",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

/// Runs a pass; a panic concerns this Secret alone.
pub(super) async fn run(work: &Work, key: &Key) -> Ended {
    let pass = AssertUnwindSafe(pass(work, key)).catch_unwind().await;
    let failure = match pass {
        Ok(Ok(ended)) => return ended,
        Ok(Err(Failure::Cluster(error))) if error.is_conflict() => {
            return Ended {
                again: Some(Duration::from_millis(200)),
                memory: Some(Memory {
                    verified: None,
                    ..work.memory.clone()
                }),
            };
        }
        Ok(Err(failure)) => failure,
        Err(_) => {
            work.context.metrics.panicked("pod_injection");
            Failure::told("a panic; see latchkey's log")
        }
    };
    fail(work, key, failure).await
}

async fn pass(work: &Work, key: &Key) -> Result<Ended, Failure> {
    let Some(needed) = &work.needed else {
        return leave(work, key).await;
    };
    let spec = ExternalSecret::parse(&key.0, &key.1, &needed.what.spec)
        .map_err(|complaints| Failure::told(complaint::join(&complaints)))?;
    let mut sources = Sources::of(&work.context, &work.caches, &key.0, &needed.what.spec);
    let unknown = permit::permit(work, key, needed, &mut sources).await?;
    let now = work.context.now();
    let observed = Observed {
        refreshed_at: work.memory.refreshed_at,
        target: target(work, needed),
    };
    let not_before = match plan::next_step(key, spec.refresh, observed, now) {
        Step::Rest(wait) => return Ok(rest(work, key, wait, work.memory.clone())),
        Step::Verify => match write::verify(work, key, needed).await? {
            Some(memory) => {
                let at = memory.refreshed_at.unwrap_or(now);
                let due = plan::due(key, spec.refresh, at);
                let wait = due.map(|due| until(now, due));
                return Ok(rest(work, key, wait, memory));
            }
            None => now,
        },
        Step::Fetch { not_before } => not_before,
    };
    if let Some(trouble) = unknown.or_else(|| sources.trouble()) {
        return Err(Failure::told(trouble));
    }
    let wanted = Wanted {
        not_before,
        partial: false,
        owner: None,
    };
    let fetched = fetch(&work.context, &spec, sources.stores(), wanted).await;
    let fetched = fetched.map_err(|failure| Failure::Told {
        message: failure.message(),
        retry_after: failure.retry_after,
    })?;
    let made = content(&work.context, &spec, fetched.data).await;
    let made = made.map_err(|failure| Failure::told(failure.message()))?;
    let memory = write::write(work, key, needed, made.data, now).await?;
    let wait = plan::due(key, spec.refresh, now).map(|due| until(now, due));
    Ok(rest(work, key, wait, memory))
}

/// The Secret is as it should be.
fn rest(work: &Work, key: &Key, wait: Option<Duration>, memory: Memory) -> Ended {
    work.context.metrics.injection_mended(&key.0, &key.1);
    if work.memory.failing.is_some() {
        tracing::info!(
            namespace = key.0,
            name = key.1,
            "A Secret for pods is in order again"
        );
    }
    Ended {
        again: Some(wait.map_or(RECHECK, |wait| wait.min(RECHECK))),
        memory: Some(Memory {
            unneeded_since: None,
            failing: None,
            ..memory
        }),
    }
}

/// The Secret as the cache shows it, against what was last written or compared.
fn target(work: &Work, needed: &Needed) -> Target {
    let Some(present) = &work.target else {
        return Target::Missing;
    };
    let same = work.memory.verified.as_ref().is_some_and(|version| {
        present.uid().as_ref() == Some(&version.uid)
            && present.resource_version().as_ref() == Some(&version.resource_version)
    });
    let owned = needed
        .owners()
        .iter()
        .all(|owner| work.memory.owners.contains(&owner.uid));
    if same && owned {
        Target::Intact
    } else {
        Target::Unknown
    }
}

/// No live pod uses the Secret: it stays for a while and then goes. What does not reproduce its name was
/// not made by us, whatever its labels say.
async fn leave(work: &Work, key: &Key) -> Result<Ended, Failure> {
    work.context.metrics.injection_mended(&key.0, &key.1);
    let forget = Ended {
        again: None,
        memory: None,
    };
    let Some(target) = &work.target else {
        return Ok(forget);
    };
    if !plan::is_believed(key, target.annotations(), &work.options.keys) {
        return Ok(forget);
    }
    let now = work.context.now();
    let since = work.memory.unneeded_since.unwrap_or(now);
    match plan::unneeded(since, work.options.retain, now) {
        Unneeded::Keep(wait) => Ok(Ended {
            again: Some(wait),
            memory: Some(Memory {
                unneeded_since: Some(since),
                failing: None,
                ..work.memory.clone()
            }),
        }),
        Unneeded::Delete => {
            delete(work, key, target).await?;
            tracing::info!(
                namespace = key.0,
                name = key.1,
                "Deleted a Secret that no pod uses"
            );
            Ok(forget)
        }
    }
}

async fn delete(work: &Work, key: &Key, target: &PartialObjectMeta<Secret>) -> Result<(), Error> {
    let version = Version {
        uid: target.uid().unwrap_or_default(),
        resource_version: target.resource_version().unwrap_or_default(),
    };
    work.context.objects.delete(&key.0, &key.1, &version).await
}

/// Tells a failure to the pods that wait, each once a change, and tries again later. The Secret, if there
/// is one, stays as it is, unless the permission is gone and it is to go with it.
async fn fail(work: &Work, key: &Key, failure: Failure) -> Ended {
    let now = work.context.now();
    let reason = failure.reason();
    let (message, retry_after, is_revoked) = match failure {
        Failure::Told {
            message,
            retry_after,
        } => (message, retry_after, false),
        Failure::Revoked(message) => (message, None, true),
        Failure::Cluster(error) => (refusal(&error), None, false),
    };
    let before = work.memory.failing.clone();
    let mut failing = before.unwrap_or(Failing {
        since: now,
        tries: 0,
        revoked_since: None,
        message: String::new(),
        told: BTreeSet::new(),
    });
    failing.tries = failing.tries.saturating_add(1);
    failing.revoked_since = is_revoked.then(|| failing.revoked_since.unwrap_or(now));
    let since = work.memory.refreshed_at.unwrap_or(failing.since);
    let stale = now.duration_since(since).as_secs_f64();
    let metrics = &work.context.metrics;
    metrics.injection_failed(&key.0, &key.1, reason, stale);
    if failing.message != message {
        tracing::warn!(
            namespace = key.0,
            name = key.1,
            reason = message,
            "Failed to keep a Secret for pods"
        );
        failing.message = message;
        failing.told.clear();
    }
    tell(work, key, &mut failing).await;
    if let (Some(since), Revoked::Delete(grace)) = (failing.revoked_since, work.options.on_revoke) {
        remove_revoked(work, key, plan::unneeded(since, grace, now)).await;
    }
    let backoff = retry_wait(failing.tries, LONGEST_RETRY, key);
    Ended {
        again: Some(backoff.max(retry_after.unwrap_or_default())),
        memory: Some(Memory {
            failing: Some(failing),
            unneeded_since: None,
            ..work.memory.clone()
        }),
    }
}

/// The values of pods that may not have them any more go once the grace time is over.
async fn remove_revoked(work: &Work, key: &Key, decision: Unneeded) {
    let Some(target) = work
        .target
        .as_ref()
        .filter(|_| decision == Unneeded::Delete)
    else {
        return;
    };
    match delete(work, key, target).await {
        Ok(()) => tracing::info!(
            namespace = key.0,
            name = key.1,
            "Deleted a Secret whose pods may not use its store any more"
        ),
        Err(error) => tracing::warn!(
            namespace = key.0,
            name = key.1,
            error = %error,
            "Failed to delete a Secret whose pods may not use its store any more"
        ),
    }
}

/// The pods that have not heard of this failure yet get an Event.
async fn tell(work: &Work, key: &Key, failing: &mut Failing) {
    let Some(needed) = &work.needed else {
        return;
    };
    let alias = &needed.what.alias;
    let (reason, state) = match (&work.target, failing.revoked_since) {
        (None, _) => ("InjectionFailed", "no Secret for"),
        (Some(_), None) => ("InjectionStale", "the last known values are kept for"),
        (Some(_), Some(_)) => ("InjectionRevoked", "no refreshes any more for"),
    };
    let note = format!("{state} alias {alias:?}: {}", failing.message);
    let untold: Vec<(&String, &Waiting)> = needed
        .pods
        .iter()
        .filter(|(_, pod)| !failing.told.contains(&pod.uid))
        .take(PODS_TOLD)
        .collect();
    for (name, pod) in untold {
        let reference = pod.reference(&key.0, name);
        let occurrence = Occurrence::warning(reason, note.clone());
        work.context.events.publish(&reference, occurrence).await;
        failing.told.insert(pod.uid.clone());
    }
}

/// What the API server refused, with what to do where that is known.
fn refusal(error: &Error) -> String {
    let text = error.to_string();
    let remedy = if text.contains("exceeded quota") {
        "; raise the ResourceQuota of the namespace or delete Secrets"
    } else if text.contains("being terminated") {
        "; the namespace is being deleted"
    } else if error.is_forbidden() {
        "; latchkey needs get, create, update and delete on Secrets here"
    } else {
        ""
    };
    format!("failed to write the Secret: {text}{remedy}")
}

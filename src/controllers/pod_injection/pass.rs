//! One pass over one Secret: fetch and write, rest, or delete.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;

use super::demand::{Key, Needed};
use super::plan::{self, Unneeded};
use crate::cluster::authorize::{StoreAccess, Verdict};
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::Version;
use crate::controllers::Context;
use crate::controllers::caches::Caches;
use crate::controllers::external_secret::{
    Fetched, Sources, fetch, rest_after_success, window_start,
};
use crate::controllers::schedule::retry_wait;
use crate::model::external_secret::{ExternalSecret, stores_named};
use crate::model::{complaint, hash};

/// Field manager of materialised Secrets.
const MANAGER: &str = "latchkey";
/// Longest wait between two tries; the pod waits as long.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Pods that get an Event when their Secret cannot be made: enough to find it by any of a few replicas.
const PODS_TOLD: usize = 3;

/// What is remembered of a Secret between two passes.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    refreshed_at: Option<Timestamp>,
    verified: Option<(Version, String)>,
    owners: usize,
    unneeded_since: Option<Timestamp>,
    failures: u32,
    told: String,
}

/// All that a pass needs.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    pub(super) caches: Caches,
    pub(super) needed: Option<Needed>,
    pub(super) target: Option<Arc<PartialObjectMeta<Secret>>>,
    pub(super) memory: Memory,
    pub(super) retain: SignedDuration,
}

/// How a pass ended.
pub(super) struct Ended {
    /// When to look again, if not only at a change.
    pub(super) again: Option<Duration>,
    /// What to remember; nothing where the Secret is gone.
    pub(super) memory: Option<Memory>,
}

/// Why a pass failed.
enum Failure {
    /// By what a user can mend.
    Told(String),
    /// By the API server.
    Cluster(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Cluster(error)
    }
}

/// Runs a pass; a panic concerns this Secret alone.
pub(super) async fn run(work: &Work, key: &Key) -> Ended {
    let pass = AssertUnwindSafe(pass(work, key)).catch_unwind().await;
    match pass {
        Ok(Ok(ended)) => ended,
        Ok(Err(Failure::Told(message))) => tell(work, key, message).await,
        Ok(Err(Failure::Cluster(error))) if error.is_conflict() => Ended {
            again: Some(Duration::from_millis(200)),
            memory: Some(Memory {
                verified: None,
                ..work.memory.clone()
            }),
        },
        Ok(Err(Failure::Cluster(error))) => {
            tell(work, key, format!("failed to write the Secret: {error}")).await
        }
        Err(_) => {
            work.context.metrics.panicked("pod_injection");
            tell(work, key, "a panic; see latchkey's log".to_owned()).await
        }
    }
}

async fn pass(work: &Work, key: &Key) -> Result<Ended, Failure> {
    let Some(needed) = &work.needed else {
        return leave(work, key).await;
    };
    let spec = ExternalSecret::parse(&key.0, &key.1, &needed.what.spec)
        .map_err(|complaints| Failure::Told(complaint::join(&complaints)))?;
    let now = work.context.now();
    let window = window_start(&spec, now);
    let once = spec.refresh.interval <= SignedDuration::ZERO;
    let fresh = work
        .memory
        .refreshed_at
        .is_some_and(|at| once || at >= window);
    if fresh && is_intact(work, needed) {
        return Ok(Ended {
            again: rest_after_success(&spec, now),
            memory: Some(work.memory.clone()),
        });
    }
    authorise(work, key, needed).await?;
    let sources = Sources::of(&work.context, &work.caches, &key.0, &needed.what.spec);
    if let Some(trouble) = sources.trouble() {
        return Err(Failure::Told(trouble));
    }
    let not_before = if once {
        now - SignedDuration::from_secs(30)
    } else {
        window
    };
    let fetched = fetch(&work.context, &spec, sources.stores(), not_before).await;
    let fetched = fetched.map_err(|failure| Failure::Told(failure.message()))?;
    let memory = write(work, key, needed, fetched, now).await?;
    Ok(Ended {
        again: rest_after_success(&spec, now),
        memory: Some(memory),
    })
}

/// Whether the Secret is the very object that was last written or compared.
fn is_intact(work: &Work, needed: &Needed) -> bool {
    let present = work
        .target
        .as_ref()
        .map(|target| (target.uid(), target.resource_version()));
    work.memory.owners == needed.owners().len()
        && work.memory.verified.as_ref().is_some_and(|(version, _)| {
            present
                == Some((
                    Some(version.uid.clone()),
                    Some(version.resource_version.clone()),
                ))
        })
}

/// The webhook asked this too, but it admits where nobody could answer, and permissions change.
async fn authorise(work: &Work, key: &Key, needed: &Needed) -> Result<(), Failure> {
    for store in stores_named(&key.0, &needed.what.spec) {
        let access = StoreAccess {
            namespace: key.0.clone(),
            account: needed.what.account.clone(),
            kind: store.kind,
            store: store.name,
        };
        let question = format!(
            "whether service account {:?} may use {} {:?}",
            access.account,
            access.kind.as_str(),
            access.store
        );
        match work.context.authorizer.may_use(&access).await {
            Verdict::Allowed => {}
            Verdict::Denied(why) => {
                let text =
                    format!("{question}: it may not; {why} grant the verb \"use\" on the store");
                return Err(Failure::Told(text));
            }
            Verdict::Unknown(why) => {
                return Err(Failure::Told(format!(
                    "could not find out {question}: {why}"
                )));
            }
        }
    }
    Ok(())
}

async fn write(
    work: &Work,
    key: &Key,
    needed: &Needed,
    fetched: Fetched,
    now: Timestamp,
) -> Result<Memory, Failure> {
    let objects = &work.context.objects;
    let wanted = plan::desired(needed, fetched.data);
    let data_hash = hash::data(&wanted.data);
    let remembered = |version: Version| Memory {
        refreshed_at: Some(now),
        verified: Some((version, data_hash.clone())),
        owners: needed.owners().len(),
        ..Memory::default()
    };
    let known = work
        .memory
        .verified
        .as_ref()
        .filter(|(_, hash)| *hash == data_hash);
    if let Some((version, _)) = known.filter(|_| is_intact(work, needed)) {
        return Ok(remembered(version.clone()));
    }
    let stored = match work.target {
        Some(_) => objects.read(&key.0, &key.1).await?,
        None => match objects.create(&key.0, &key.1, MANAGER, &wanted).await {
            Ok(version) => return Ok(remembered(version)),
            Err(error) if error.is_conflict() => objects.read(&key.0, &key.1).await?,
            Err(error) => return Err(error.into()),
        },
    };
    let version = match stored {
        None => objects.create(&key.0, &key.1, MANAGER, &wanted).await?,
        Some(stored) => {
            let mut wanted = wanted;
            wanted.type_.clone_from(&stored.content.type_);
            if stored.content == wanted {
                Version {
                    uid: stored.uid,
                    resource_version: stored.resource_version,
                }
            } else {
                objects.replace(stored, MANAGER, &wanted).await?
            }
        }
    };
    Ok(remembered(version))
}

/// No live pod uses the Secret: it stays for a while and then goes.
async fn leave(work: &Work, key: &Key) -> Result<Ended, Failure> {
    let Some(target) = &work.target else {
        return Ok(Ended {
            again: None,
            memory: None,
        });
    };
    let now = work.context.now();
    let since = work.memory.unneeded_since.unwrap_or(now);
    match plan::unneeded(since, work.retain, now) {
        Unneeded::Keep(wait) => Ok(Ended {
            again: Some(wait),
            memory: Some(Memory {
                unneeded_since: Some(since),
                ..Memory::default()
            }),
        }),
        Unneeded::Delete => {
            let version = Version {
                uid: target.uid().unwrap_or_default(),
                resource_version: target.resource_version().unwrap_or_default(),
            };
            work.context
                .objects
                .delete(&key.0, &key.1, &version)
                .await?;
            tracing::info!(
                namespace = key.0,
                name = key.1,
                "Deleted a Secret that no pod uses"
            );
            Ok(Ended {
                again: None,
                memory: None,
            })
        }
    }
}

/// Tells a failure in an Event of a pod that waits, once a change, and tries again later. The Secret, if
/// there is one, stays as it is.
async fn tell(work: &Work, key: &Key, message: String) -> Ended {
    let failures = work.memory.failures.saturating_add(1);
    if message != work.memory.told {
        tracing::warn!(
            namespace = key.0,
            name = key.1,
            reason = message,
            "Failed to make a Secret for pods"
        );
        if let Some(needed) = &work.needed {
            let note = format!("no Secret for alias {:?}: {message}", needed.what.alias);
            let occurrence = Occurrence::warning("InjectionFailed", note);
            for pod in needed.references(&key.0).into_iter().take(PODS_TOLD) {
                work.context.events.publish(&pod, occurrence.clone()).await;
            }
        }
    }
    Ended {
        again: Some(retry_wait(failures, LONGEST_RETRY, key)),
        memory: Some(Memory {
            failures,
            told: message,
            ..work.memory.clone()
        }),
    }
}

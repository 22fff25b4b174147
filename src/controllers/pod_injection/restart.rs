//! Restarts on rotation: pods that took a value at their start are replaced when it changes.
//!
//! What is old is told from the Secret's annotations and the pods themselves, and what was done from
//! annotations of the workload, so a restart of latchkey restarts nothing.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::PartialObjectMeta;
use serde_json::Value;

use super::RestartBy;
use super::demand::{Key, Waiting};
use crate::api::well_known::{DATA_HASH_ANNOTATION, MATERIALISED_CHANGED_ANNOTATION};
use crate::cluster::events::Occurrence;
use crate::cluster::request::Error;
use crate::cluster::secret_object::Owner;
use crate::cluster::workload::{self, Climbed, Workload};
use crate::controllers::Context;
use crate::controllers::schedule::until;
use crate::model::pod_injection::{Place, Pod};

use plan::{Decision, Due, Eviction, Member, Record, Values};

/// Wait before a workload is looked at again that could not be restarted.
const RETRY: Duration = Duration::from_secs(30);
/// Pause between two evictions: time for the successor to be made.
const BETWEEN_EVICTIONS: Duration = Duration::from_secs(10);
/// Pods without a workload that are told of a change in one pass.
const PODS_TOLD: usize = 20;

/// What was done about the pods of an owner; forgotten when none of them is old any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    round: Option<(String, Timestamp)>,
    told: Option<Timestamp>,
}

/// All that a pass over the pods of one owner needs.
pub(super) struct Work {
    context: Arc<Context>,
    namespace: String,
    owner: Owner,
    pods: HashMap<String, Waiting>,
    members: Vec<Member>,
    memory: Memory,
    by: RestartBy,
}

/// How a pass ended.
pub(super) struct Ended {
    /// When to look again, if not only at a change.
    pub(super) again: Option<Duration>,
    /// What to remember.
    pub(super) memory: Option<Memory>,
}

/// When the pods of the Secret with these annotations that were made at `created` are to be looked at
/// for a restart, if they have old values.
pub(super) fn look(secret: &PartialObjectMeta<Secret>, created: Timestamp) -> Option<Timestamp> {
    let changed = changed(secret)?;
    (changed >= created).then(|| changed + plan::DEBOUNCE)
}

fn changed(secret: &PartialObjectMeta<Secret>) -> Option<Timestamp> {
    let text = secret.annotations().get(MATERIALISED_CHANGED_ANNOTATION)?;
    text.parse().ok()
}

impl Work {
    /// Takes the pods of one owner; `secret` looks Secrets up in the cache.
    pub(super) fn new(
        context: Arc<Context>,
        namespace: &str,
        pods: impl IntoIterator<Item = (String, Waiting)>,
        secret: impl Fn(&Key) -> Option<Arc<PartialObjectMeta<Secret>>>,
        memory: Memory,
        by: RestartBy,
    ) -> Option<Self> {
        let values = |name: &String| {
            let secret = secret(&(namespace.to_owned(), name.clone()))?;
            Some(Values {
                name: name.clone(),
                digest: secret.annotations().get(DATA_HASH_ANNOTATION)?.clone(),
                changed: changed(&secret),
            })
        };
        let pods: HashMap<String, Waiting> = pods.into_iter().collect();
        let mut members: Vec<Member> = pods
            .iter()
            .map(|(name, pod)| Member {
                name: name.clone(),
                uid: pod.uid.clone(),
                created: pod.created,
                ready: pod.ready,
                restarted_for: pod.restarted_for.clone(),
                secrets: pod.restarts_on.iter().filter_map(values).collect(),
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let owner = pods.values().next()?.owner.clone();
        Some(Self {
            context,
            namespace: namespace.to_owned(),
            owner,
            pods,
            members,
            memory,
            by,
        })
    }
}

/// One pass over the pods of one owner.
pub(super) async fn run(work: &Work) -> Ended {
    let now = work.context.now();
    let since = match plan::due(&work.members, now) {
        Due::Never => {
            return Ended {
                again: None,
                memory: None,
            };
        }
        Due::At(moment) => return again(work, until(now, moment)),
        Due::Now(since) => since,
    };
    let result = match work.by {
        RestartBy::Off => {
            let advice = "restarts are off (--restart=off); restart it to take the new ones";
            return tell(work, since, advice, now).await;
        }
        RestartBy::Template => by_template(work, since, now).await,
        RestartBy::Evict => by_eviction(work, since, now).await,
    };
    match result {
        Ok(ended) => ended,
        Err(error) if error.is_conflict() => again(work, Duration::from_millis(200)),
        Err(error) => {
            work.context.metrics.restarted(&work.owner.kind, "failed");
            tracing::warn!(
                namespace = work.namespace,
                kind = work.owner.kind,
                name = work.owner.name,
                error = %error,
                "Failed to restart a workload whose values changed, trying again"
            );
            let advice = format!("latchkey failed to restart its workload: {error}");
            let told = tell(work, since, &advice, now).await;
            Ended {
                again: Some(RETRY),
                ..told
            }
        }
    }
}

fn again(work: &Work, wait: Duration) -> Ended {
    Ended {
        again: Some(wait),
        memory: Some(work.memory.clone()),
    }
}

async fn by_template(work: &Work, since: Timestamp, now: Timestamp) -> Result<Ended, Error> {
    let client = &work.context.client;
    let workload = match workload::climb(client, &work.namespace, &work.owner).await? {
        Climbed::Workload(workload) => workload,
        Climbed::Gone => return Ok(again(work, RETRY)),
        Climbed::Other(kind) => {
            let advice = format!("nothing restarts a {kind}; start it anew to take the new ones");
            return Ok(tell(work, since, &advice, now).await);
        }
    };
    let record = Record {
        restarted_for: workload.restarted_for.clone(),
        restarted_at: workload.restarted_at,
    };
    match plan::decide(&work.members, &record, now) {
        Decision::Done => Ok(again(work, RETRY)),
        Decision::Wait(moment) => Ok(again(work, until(now, moment))),
        Decision::Restart(digest) => {
            workload::restart(client, &workload, &digest, now).await?;
            announce(work, &workload).await;
            Ok(again(work, RETRY))
        }
    }
}

async fn announce(work: &Work, workload: &Workload) {
    work.context.metrics.restarted(workload.kind(), "restarted");
    let secrets: Vec<&str> = plan::outdated_secrets(&work.members).into_iter().collect();
    let secrets = secrets.join(", ");
    tracing::info!(
        namespace = work.namespace,
        kind = workload.kind(),
        name = workload.reference.name,
        secrets,
        "Restarted a workload whose values changed"
    );
    let note = format!("its pods are replaced, for the values of Secret {secrets} changed");
    let occurrence = Occurrence::normal("RestartedForSecret", note);
    let events = &work.context.events;
    events.publish(&workload.reference, occurrence).await;
}

async fn by_eviction(work: &Work, since: Timestamp, now: Timestamp) -> Result<Ended, Error> {
    let kind = work.owner.kind.as_str();
    if !matches!(kind, "ReplicaSet" | "StatefulSet" | "DaemonSet") {
        let advice = format!("nothing restarts a {kind}; start it anew to take the new ones");
        return Ok(tell(work, since, &advice, now).await);
    }
    let round = work.memory.round.as_ref();
    let (pod, digest) = match plan::next_eviction(&work.members, round, now) {
        Eviction::Done => return Ok(again(work, RETRY)),
        Eviction::Wait(moment) => return Ok(again(work, until(now, moment))),
        Eviction::Evict(pod, digest) => (pod, digest),
    };
    let client = &work.context.client;
    let gone = workload::evict(client, &work.namespace, &pod.name, &pod.uid).await?;
    let outcome = if gone { "evicted" } else { "held by a budget" };
    work.context.metrics.restarted(kind, outcome);
    let began = round.filter(|(before, _)| *before == digest);
    let began = began.map_or(now, |(_, began)| *began);
    let memory = Memory {
        round: Some((digest, began)),
        ..work.memory.clone()
    };
    Ok(Ended {
        again: Some(BETWEEN_EVICTIONS),
        memory: Some(memory),
    })
}

/// Tells pods that have old values and stay as they are, once a change.
async fn tell(work: &Work, since: Timestamp, advice: &str, now: Timestamp) -> Ended {
    let memory = Memory {
        told: Some(since),
        ..work.memory.clone()
    };
    let ended = Ended {
        again: None,
        memory: Some(memory),
    };
    if work.memory.told == Some(since) {
        return ended;
    }
    work.context.metrics.restarted(&work.owner.kind, "told");
    let secrets: Vec<&str> = plan::outdated_secrets(&work.members).into_iter().collect();
    let note = format!(
        "the pod has old values of Secret {}: {advice}",
        secrets.join(", ")
    );
    let told = plan::to_tell(&work.members, now);
    for pod in told.into_iter().take(PODS_TOLD) {
        if let Some(waiting) = work.pods.get(&pod.name) {
            let reference = waiting.reference(&work.namespace, &pod.name);
            let occurrence = Occurrence::warning("SecretChanged", note.clone());
            work.context.events.publish(&reference, occurrence).await;
        }
    }
    ended
}

/// The Secrets that a pod takes values of at its start, so that it has to be restarted when they change:
/// by environment, by `subPath` and for pulling images. Other volumes follow by themselves.
pub(super) fn taken_at_start<'p>(pod: &'p Pod<'_>, raw: &Value) -> Vec<&'p str> {
    let taken = |place: &Place<'_>| match place {
        Place::Variable { .. } | Place::Variables { .. } | Place::PullSecret { .. } => true,
        Place::Volume { name, .. } => is_mounted_by_sub_path(raw, name),
    };
    let uses = pod.uses().into_iter();
    uses.filter(|used| taken(&used.place))
        .map(|used| used.secret)
        .collect()
}

fn is_mounted_by_sub_path(pod: &Value, volume: &str) -> bool {
    let spec = &pod["spec"];
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    let containers = lists.iter().filter_map(|list| spec[*list].as_array());
    let mut mounts = containers
        .flatten()
        .filter_map(|container| container["volumeMounts"].as_array())
        .flatten();
    mounts.any(|mount| {
        let is_set = |field: &str| mount[field].as_str().is_some_and(|path| !path.is_empty());
        mount["name"] == volume && (is_set("subPath") || is_set("subPathExpr"))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn environment_sub_paths_and_pull_secrets_are_taken_at_start() {
        let raw = json!({"metadata": {}, "spec": {
            "containers": [{
                "name": "app",
                "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "env", "key": "k"}}}],
                "envFrom": [{"secretRef": {"name": "env-from"}}],
                "volumeMounts": [
                    {"name": "whole", "mountPath": "/whole"},
                    {"name": "part", "mountPath": "/part", "subPath": "key"},
                ],
            }],
            "volumes": [
                {"name": "whole", "secret": {"secretName": "whole"}},
                {"name": "part", "projected": {"sources": [{"secret": {"name": "part"}}]}},
            ],
            "imagePullSecrets": [{"name": "pull"}],
        }});
        let pod = Pod::deserialize(&raw).unwrap();
        assert_eq!(
            taken_at_start(&pod, &raw),
            ["env", "env-from", "part", "pull"]
        );
    }
}

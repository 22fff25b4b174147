//! Makes, refreshes and removes the Secrets that injected pods wait for.
//!
//! A Secret exists only while pods use it, and while it exists it is refreshed. What a pod asks for is
//! read from its annotations by the parser that the webhook uses, and believed only if it reproduces
//! the name that the pod's immutable spec holds.

mod demand;
mod pass;
mod plan;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::reflector::{ObjectRef, Store as Cache};
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use crate::api::well_known::{INJECTED_LABEL, MATERIALISED_LABEL};
use crate::cluster::secret_object::Owner;
use crate::controllers::caches::Caches;
use crate::controllers::{Context, watch};
use crate::model::pod_injection::{self, KeyRing, Materialisation};

use demand::{Demand, Key, Waiting};
use pass::Memory;
use queue::Queue;

/// How Secrets for pods are kept.
#[derive(Clone)]
pub struct Options {
    /// Keys under which names are made.
    pub keys: Arc<KeyRing>,
    /// How long a Secret stays that no live pod uses.
    pub retain: SignedDuration,
}

/// What the loop works with.
struct Materialiser {
    context: Arc<Context>,
    caches: Caches,
    secrets: Cache<PartialObjectMeta<Secret>>,
    options: Options,
    demand: Demand,
    memories: HashMap<Key, Memory>,
    queue: Queue<Key>,
}

/// Keeps Secrets for pods until `drain` resolves, then finishes the passes under way.
pub(super) async fn run(
    context: Arc<Context>,
    caches: Caches,
    options: Options,
    drain: impl Future<Output = ()>,
) {
    let client = context.client.clone();
    let namespace = context.options.namespace.clone();
    let selector = format!("{MATERIALISED_LABEL}=true");
    let (secrets, secret_changes) = watch::metadata::<Secret>(
        super::scoped(&client, namespace.as_deref()),
        Some(&selector),
    );
    let mut materialiser = Materialiser {
        context,
        caches,
        secrets,
        options,
        demand: Demand::default(),
        memories: HashMap::new(),
        queue: Queue::new(),
    };
    let pods = watch::dynamic(
        pods(&client, namespace.as_deref()),
        &format!("{INJECTED_LABEL}=true"),
    );
    materialiser.work(pods, secret_changes, drain).await;
}

fn pods(client: &Client, namespace: Option<&str>) -> (Api<DynamicObject>, ApiResource) {
    let resource = ApiResource::erase::<Pod>(&());
    let api = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    (api, resource)
}

impl Materialiser {
    async fn work(
        &mut self,
        pods: impl Stream<Item = Event<DynamicObject>>,
        secrets: impl Stream<Item = Event<PartialObjectMeta<Secret>>>,
        drain: impl Future<Output = ()>,
    ) {
        tokio::pin!(pods, secrets, drain);
        let limit = usize::from(self.context.options.concurrency);
        let mut passes = FuturesUnordered::new();
        let mut draining = false;
        while !draining || !passes.is_empty() {
            while !draining && self.queue.running() < limit {
                let Some(key) = self.queue.begin(Instant::now()) else {
                    break;
                };
                passes.push(self.begin(key));
            }
            let wait = self
                .queue
                .next()
                .filter(|_| !draining && self.queue.running() < limit);
            tokio::select! {
                () = &mut drain, if !draining => draining = true,
                Some(change) = pods.next() => self.pod_changed(change),
                Some(change) = secrets.next() => self.secret_changed(&change),
                Some((key, ended)) = passes.next() => self.end(key, ended),
                () = sleep_until(wait) => {}
            }
        }
    }

    /// A pass over one Secret, with all it needs taken along.
    fn begin(&self, key: Key) -> impl Future<Output = (Key, pass::Ended)> + use<> {
        let work = pass::Work {
            context: Arc::clone(&self.context),
            caches: self.caches.clone(),
            needed: self.demand.of(&key).cloned(),
            target: self.secrets.get(&ObjectRef::new(&key.1).within(&key.0)),
            memory: self.memories.get(&key).cloned().unwrap_or_default(),
            retain: self.options.retain,
        };
        async move {
            let ended = pass::run(&work, &key).await;
            (key, ended)
        }
    }

    fn end(&mut self, key: Key, ended: pass::Ended) {
        let now = Instant::now();
        let again = ended.again.map(|wait| now + wait);
        match ended.memory {
            Some(memory) => drop(self.memories.insert(key.clone(), memory)),
            None => drop(self.memories.remove(&key)),
        }
        self.queue.end(key, again, now);
    }

    fn wake(&mut self, keys: Vec<Key>) {
        let now = Instant::now();
        for key in keys {
            self.queue.add(key, now);
        }
    }

    fn pod_changed(&mut self, change: Event<DynamicObject>) {
        let keys = match change {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let key = (pod.namespace().unwrap_or_default(), pod.name_any());
                if is_live(&pod) {
                    let wants = wants(&pod, &self.options.keys);
                    let waiting = Waiting {
                        uid: pod.uid().unwrap_or_default(),
                        owner: owner(&pod),
                    };
                    self.demand.apply(key, &waiting, wants)
                } else {
                    self.demand.remove(&key)
                }
            }
            Event::Delete(pod) => self
                .demand
                .remove(&(pod.namespace().unwrap_or_default(), pod.name_any())),
            Event::Init => {
                self.demand.begin_list();
                Vec::new()
            }
            Event::InitDone => self.demand.end_list(),
        };
        self.wake(keys);
    }

    /// A Secret of ours was changed or deleted, by us or by others, or was found at start.
    fn secret_changed(&mut self, change: &Event<PartialObjectMeta<Secret>>) {
        if let Event::Apply(secret) | Event::Delete(secret) | Event::InitApply(secret) = change {
            self.wake(vec![(
                secret.namespace().unwrap_or_default(),
                secret.name_any(),
            )]);
        }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Whether a pod runs or will run.
fn is_live(pod: &DynamicObject) -> bool {
    let ended = matches!(
        pod.data["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    !ended
}

/// What a pod waits for. The text it is read from holds the pod's plain environment and is dropped at
/// once.
fn wants(pod: &DynamicObject, keys: &KeyRing) -> Vec<Materialisation> {
    let text = zeroize::Zeroizing::new(serde_json::to_string(pod).unwrap_or_default());
    match serde_json::from_str::<pod_injection::Pod<'_>>(&text) {
        Ok(read) => pod_injection::recorded(&pod.namespace().unwrap_or_default(), &read, keys),
        Err(_) => {
            let (namespace, name) = (pod.namespace(), pod.name_any());
            tracing::warn!(namespace, name, "Failed to read an injected pod");
            Vec::new()
        }
    }
}

/// Whoever keeps the pod alive, or the pod itself: when the last owner goes, so does the Secret, even if
/// latchkey is not there any more.
fn owner(pod: &DynamicObject) -> Owner {
    let controller = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    match controller {
        Some(owner) => Owner {
            api_version: owner.api_version.clone(),
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            controller: false,
            block_owner_deletion: false,
        },
        None => Owner {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            controller: false,
            block_owner_deletion: false,
        },
    }
}

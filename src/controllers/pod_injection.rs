//! Makes, refreshes and removes the Secrets that injected pods wait for.
//!
//! A Secret exists only while pods use it, and while it exists it is refreshed. What a pod asks for is
//! read from its annotations by the parser that the webhook uses, and believed only if it reproduces
//! the name that the pod's immutable spec holds.

mod demand;
mod pass;
mod permit;
mod plan;
mod pod;
mod queue;
mod restart;
mod values;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::channel::mpsc::UnboundedSender;
use futures::stream::{BoxStream, FuturesUnordered};
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
use crate::cluster::injection_key::{self, Keys};
use crate::controllers::caches::Caches;
use crate::controllers::repair::Finding;
use crate::controllers::schedule::until;
use crate::controllers::{Context, watch};
use crate::model::pod_injection::KeyRing;

use demand::{Demand, Key};
use pass::Memory;
use queue::Queue;

pub use values::{Unmade, values};

/// How Secrets for pods are kept.
#[derive(Clone)]
pub struct Options {
    /// Keys under which names are made; exchanged when the Secret that holds them changes.
    pub keys: Arc<KeyRing>,
    /// Namespace of the Secret that holds the keys.
    pub own_namespace: String,
    /// How long a Secret stays that no live pod uses.
    pub retain: SignedDuration,
    /// What becomes of a Secret whose pods may not use its store any more.
    pub on_revoke: Revoked,
    /// How pods are replaced whose values changed.
    pub restart: RestartBy,
}

/// What becomes of a Secret whose pods may not use its store any more; it is not refreshed either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It stays as it is.
    Keep,
    /// It goes after this time.
    Delete(SignedDuration),
}

/// How pods are replaced that ask for it when their values change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartBy {
    /// Their workload's template gets an annotation, as by `kubectl rollout restart`.
    Template,
    /// They are evicted one by one.
    Evict,
    /// They are only told.
    Off,
}

/// What the loop works with.
struct Materialiser {
    context: Arc<Context>,
    caches: Caches,
    secrets: Cache<PartialObjectMeta<Secret>>,
    options: Options,
    findings: UnboundedSender<Finding>,
    troubled: HashSet<Key>,
    demand: Demand,
    memories: HashMap<Key, Memory>,
    queue: Queue<Key>,
    restarts: Queue<Key>,
    restarted: HashMap<Key, restart::Memory>,
}

/// Keeps Secrets for pods until `drain` resolves, then finishes the passes under way.
pub(super) async fn run(
    context: Arc<Context>,
    caches: Caches,
    options: Options,
    findings: UnboundedSender<Finding>,
    drain: impl Future<Output = ()>,
) {
    let client = context.client.clone();
    let namespace = context.options.namespace.clone();
    let selector = format!("{MATERIALISED_LABEL}=true");
    let (secrets, secret_changes) = watch::metadata::<Secret>(
        super::scoped(&client, namespace.as_deref()),
        Some(&selector),
    );
    let keys = injection_key::watch(client, &options.own_namespace);
    let mut materialiser = Materialiser {
        context,
        caches,
        secrets,
        options,
        findings,
        troubled: HashSet::new(),
        demand: Demand::default(),
        memories: HashMap::new(),
        queue: Queue::new(),
        restarts: Queue::new(),
        restarted: HashMap::new(),
    };
    materialiser.work(secret_changes, keys, drain).await;
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
        secrets: impl Stream<Item = Event<PartialObjectMeta<Secret>>>,
        keys: impl Stream<Item = Keys>,
        drain: impl Future<Output = ()>,
    ) {
        tokio::pin!(secrets, keys, drain);
        let mut pods = self.pods();
        let mut passes = FuturesUnordered::new();
        let mut restarts = FuturesUnordered::new();
        let mut draining = false;
        while !draining || !passes.is_empty() || !restarts.is_empty() {
            while let Some(key) = self.next_pass(draining) {
                passes.push(self.begin(key));
            }
            while let Some(key) = self.next_restart(draining) {
                restarts.extend(self.begin_restart(key));
            }
            let wait = self.wait(draining);
            tokio::select! {
                () = &mut drain, if !draining => draining = true,
                Some(change) = pods.next() => self.pod_changed(change),
                Some(change) = secrets.next() => self.secret_changed(&change),
                Some(keys) = keys.next() => {
                    if self.exchange(&keys) {
                        pods = self.pods();
                    }
                }
                Some((key, ended)) = passes.next() => self.end(key, ended),
                Some((key, ended)) = restarts.next() => self.end_restart(key, ended),
                () = sleep_until(wait) => {}
            }
        }
    }

    /// Injected pods, from a full list on.
    fn pods(&self) -> BoxStream<'static, Event<DynamicObject>> {
        let namespace = self.context.options.namespace.as_deref();
        let pods = pods(&self.context.client, namespace);
        watch::dynamic(pods, &format!("{INJECTED_LABEL}=true")).boxed()
    }

    /// Takes the keys over; answers whether they are others, so that pods must be read again.
    fn exchange(&mut self, keys: &Keys) -> bool {
        let (current, previous) = (&keys.current, keys.previous.as_ref());
        let changed = self.options.keys.replace(current, previous);
        if changed {
            tracing::info!("The keys of names were exchanged");
        }
        changed
    }

    fn limit(&self) -> usize {
        usize::from(self.context.options.concurrency)
    }

    /// A Secret whose pass is due. Before all pods are known, nobody can tell what is needed.
    fn next_pass(&mut self, draining: bool) -> Option<Key> {
        let free = self.queue.running() < self.limit();
        let begins = !draining && free && self.demand.is_complete();
        begins.then(|| self.queue.begin(Instant::now())).flatten()
    }

    fn next_restart(&mut self, draining: bool) -> Option<Key> {
        let begins = !draining && self.restarts.running() < self.limit();
        begins
            .then(|| self.restarts.begin(Instant::now()))
            .flatten()
    }

    /// The next moment at which a pass can begin.
    fn wait(&self, draining: bool) -> Option<Instant> {
        if draining {
            return None;
        }
        let passes = self.demand.is_complete() && self.queue.running() < self.limit();
        let restarts = self.restarts.running() < self.limit();
        let pass = self.queue.next().filter(|_| passes);
        let restart = self.restarts.next().filter(|_| restarts);
        pass.into_iter().chain(restart).min()
    }

    /// A pass over one Secret, with all it needs taken along.
    fn begin(&self, key: Key) -> impl Future<Output = (Key, pass::Ended)> + use<> {
        let work = pass::Work {
            context: Arc::clone(&self.context),
            caches: self.caches.clone(),
            needed: self.demand.of(&key).cloned(),
            target: self.cached(&key),
            memory: self.memories.get(&key).cloned().unwrap_or_default(),
            options: self.options.clone(),
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

    /// A pass over the pods of one owner; `key` is its namespace and uid.
    fn begin_restart(
        &mut self,
        key: Key,
    ) -> Option<impl Future<Output = (Key, restart::Ended)> + use<>> {
        let work = restart::Work::new(
            Arc::clone(&self.context),
            &key.0,
            self.demand.owned_by(&key.0, &key.1),
            |secret| self.cached(secret),
            self.restarted.get(&key).cloned().unwrap_or_default(),
            self.options.restart,
        );
        if work.is_none() {
            self.restarted.remove(&key);
            self.restarts.end(key.clone(), None, Instant::now());
        }
        let work = work?;
        Some(async move {
            let ended = restart::run(&work).await;
            (key, ended)
        })
    }

    fn end_restart(&mut self, key: Key, ended: restart::Ended) {
        let now = Instant::now();
        match ended.memory {
            Some(memory) => drop(self.restarted.insert(key.clone(), memory)),
            None => drop(self.restarted.remove(&key)),
        }
        self.restarts
            .end(key, ended.again.map(|wait| now + wait), now);
    }

    fn cached(&self, key: &Key) -> Option<Arc<PartialObjectMeta<Secret>>> {
        self.secrets.get(&ObjectRef::new(&key.1).within(&key.0))
    }

    fn wake(&mut self, keys: Vec<Key>) {
        let now = Instant::now();
        for key in keys {
            self.look_for_old_values(&key, now);
            self.queue.add(key, now);
        }
    }

    /// Makes the owners of pods due that started with other values than the Secret holds.
    fn look_for_old_values(&mut self, key: &Key, now: Instant) {
        let (Some(secret), Some(needed)) = (self.cached(key), self.demand.of(key)) else {
            return;
        };
        let present = self.context.now();
        for pod in needed
            .pods
            .values()
            .filter(|pod| pod.restarts_on.contains(&key.1))
        {
            if let Some(moment) = restart::look(&secret, pod.created) {
                let owner = (key.0.clone(), pod.owner.uid.clone());
                self.restarts.add(owner, now + until(present, moment));
            }
        }
    }

    fn pod_changed(&mut self, change: Event<DynamicObject>) {
        let keys = match change {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let key = (pod.namespace().unwrap_or_default(), pod.name_any());
                match pod::read(&pod, &self.options) {
                    Some(read) => {
                        self.report(&key, &read.waiting.uid, read.trouble);
                        self.demand.apply(key, &read.waiting, read.wants)
                    }
                    None => {
                        self.report(&key, "", None);
                        self.demand.remove(&key)
                    }
                }
            }
            Event::Delete(pod) => {
                let key = (pod.namespace().unwrap_or_default(), pod.name_any());
                self.report(&key, "", None);
                self.demand.remove(&key)
            }
            Event::Init => {
                self.demand.begin_list();
                Vec::new()
            }
            Event::InitDone => self.demand.end_list(),
        };
        self.wake(keys);
    }

    /// Passes on whether a pod gets what it asks for, where that is news.
    fn report(&mut self, pod: &Key, uid: &str, trouble: Option<String>) {
        let news = match &trouble {
            Some(_) => self.troubled.insert(pod.clone()),
            None => self.troubled.remove(pod),
        };
        if news {
            let finding = Finding {
                pod: pod.clone(),
                uid: uid.to_owned(),
                trouble,
            };
            // Nobody listens while the process ends.
            self.findings.unbounded_send(finding).ok();
        }
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

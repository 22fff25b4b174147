//! Finds pods that ask for injection and were not injected, and tells them. It never rewrites a pod:
//! names in it cannot change.
//!
//! Pods that carry our label are judged by the loop that reads them anyhow. Of all others only metadata
//! is watched and nothing kept; the few that are annotated are read once.

pub(crate) mod plan;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::watcher::Event;

use crate::api::well_known::INJECTED_LABEL;
use crate::cluster::events::Occurrence;
use crate::cluster::request::bounded;
use crate::controllers::{Context, scoped, watch};
use crate::model::pod_injection;

use plan::{Surroundings, asks, judge};

type Key = (String, String);

/// What was found out about a pod that carries our label.
#[derive(Debug)]
pub(super) struct Finding {
    /// Namespace and name.
    pub(super) pod: Key,
    /// Identity.
    pub(super) uid: String,
    /// Why it does not get what it asks for; `None` takes an earlier finding back.
    pub(super) trouble: Option<String>,
}

/// The pods that were not injected.
struct Repair {
    context: Arc<Context>,
    own_namespace: String,
    found: BTreeMap<Key, Found>,
    /// Annotated pods that use nothing of what they declare; their names cannot change.
    fine: BTreeMap<Key, String>,
    listed: Option<HashSet<Key>>,
}

struct Found {
    uid: String,
    labelled: bool,
}

/// Looks until `drain` resolves.
pub(super) async fn run(
    context: Arc<Context>,
    own_namespace: String,
    findings: UnboundedReceiver<Finding>,
    drain: impl Future<Output = ()>,
) {
    let namespace = context.options.namespace.clone();
    let client = context.client.clone();
    let others = format!("{INJECTED_LABEL}!=true");
    let pods = watch::passing::<Pod>(scoped(&client, namespace.as_deref()), &others);
    let repair = Repair {
        context,
        own_namespace,
        found: BTreeMap::new(),
        fine: BTreeMap::new(),
        listed: None,
    };
    repair.work(pods, findings, drain).await;
}

impl Repair {
    async fn work(
        mut self,
        pods: impl Stream<Item = Event<PartialObjectMeta<Pod>>>,
        mut findings: UnboundedReceiver<Finding>,
        drain: impl Future<Output = ()>,
    ) {
        tokio::pin!(pods, drain);
        loop {
            tokio::select! {
                () = &mut drain => return,
                Some(change) = pods.next() => self.changed(change).await,
                Some(finding) = findings.next() => {
                    let Finding { pod, uid, trouble } = finding;
                    self.note(pod, uid, trouble, true).await;
                }
            }
        }
    }

    async fn changed(&mut self, change: Event<PartialObjectMeta<Pod>>) {
        match change {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let key = key(&pod);
                if let Some(listed) = &mut self.listed {
                    listed.insert(key.clone());
                }
                self.look(key, &pod).await;
            }
            Event::Delete(pod) => self.forget(&key(&pod)),
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let gone = |key: &&Key| !listed.contains(*key);
                let found = self.found.iter().filter(|(_, found)| !found.labelled);
                let fine = self.fine.keys();
                let keys = found.map(|(key, _)| key).chain(fine);
                for key in keys.filter(gone).cloned().collect::<Vec<_>>() {
                    self.forget(&key);
                }
            }
        }
    }

    /// Looks at a pod without our label.
    async fn look(&mut self, key: Key, pod: &PartialObjectMeta<Pod>) {
        let uid = pod.uid().unwrap_or_default();
        let ends = pod.metadata.deletion_timestamp.is_some();
        if ends || !asks(pod.annotations().keys().map(String::as_str)) {
            return self.forget(&key);
        }
        if self.fine.get(&key) == Some(&uid) {
            return;
        }
        match self.read(&key).await {
            Ok(Some(trouble)) => self.note(key, uid, Some(trouble), false).await,
            Ok(None) => {
                self.note(key.clone(), uid.clone(), None, false).await;
                self.fine.insert(key, uid);
            }
            Err(error) => {
                let (namespace, name) = key;
                tracing::warn!(namespace, name, error = %error, "Failed to read an annotated pod");
            }
        }
    }

    /// Reads a pod and judges it; a pod that has ended needs nothing.
    async fn read(&self, key: &Key) -> Result<Option<String>, crate::cluster::request::Error> {
        let resource = ApiResource::erase::<Pod>(&());
        let client = self.context.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &key.0, &resource);
        let Some(pod) = bounded(api.get_opt(&key.1)).await? else {
            return Ok(None);
        };
        let phase = pod.data["status"]["phase"].as_str();
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return Ok(None);
        }
        let text = zeroize::Zeroizing::new(serde_json::to_string(&pod).unwrap_or_default());
        let around = Surroundings {
            namespace: &key.0,
            own_namespace: &self.own_namespace,
            keys: None,
        };
        let read = serde_json::from_str::<pod_injection::Pod<'_>>(&text);
        let read = read.ok();
        Ok(read.and_then(|read| judge(&read, &pod.data["spec"], &around)))
    }

    async fn note(&mut self, key: Key, uid: String, trouble: Option<String>, labelled: bool) {
        let Some(trouble) = trouble else {
            return self.forget(&key);
        };
        let known = self.found.get(&key).is_some_and(|found| found.uid == uid);
        let found = Found {
            uid: uid.clone(),
            labelled,
        };
        self.found.insert(key.clone(), found);
        if known {
            return;
        }
        self.count(&key.0);
        tracing::warn!(
            namespace = key.0,
            name = key.1,
            reason = trouble,
            "A pod was not injected"
        );
        let reference = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(key.1),
            namespace: Some(key.0),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        let occurrence = Occurrence::warning("NotInjected", trouble);
        self.context.events.publish(&reference, occurrence).await;
    }

    fn forget(&mut self, key: &Key) {
        self.fine.remove(key);
        if self.found.remove(key).is_some() {
            self.count(&key.0);
        }
    }

    fn count(&self, namespace: &str) {
        let here = self.found.keys().filter(|key| key.0 == namespace);
        self.context.metrics.uninjected(namespace, here.count());
    }
}

fn key(pod: &PartialObjectMeta<Pod>) -> Key {
    (pod.namespace().unwrap_or_default(), pod.name_any())
}

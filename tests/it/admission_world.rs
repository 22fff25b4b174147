//! The webhook with a cluster made of tables, and reviews as the API server sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use latchkey::admission::{Path, View, Webhook};
use latchkey::cluster::authorize::{Authorizer, StoreAccess, Verdict};
use latchkey::cluster::existence::{Existence, Named};
use latchkey::model::pod_injection::KeyRing;
use latchkey::model::secret_store::{Store, StoreId};
use latchkey::model::store_use::StoreFacts;
use latchkey::providers::{self, Registry};
use latchkey::secret::SecretBytes;
use latchkey::telemetry::metrics::Metrics;
use serde_json::{Value, json};

use crate::agent_world::Agents;

/// What the webhook knows.
#[derive(Default)]
pub(crate) struct Tables {
    /// Secret of an ExternalSecret.
    pub(crate) targets: BTreeMap<String, String>,
    /// Stores by name.
    pub(crate) stores: BTreeMap<String, StoreFacts>,
    /// Labels of Namespaces.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Names of Secrets that are there.
    pub(crate) secrets: BTreeSet<String>,
    /// Other objects that are there, as `Kind namespace/name`.
    pub(crate) objects: BTreeSet<String>,
}

struct TableView(Arc<Mutex<Tables>>);

impl View for TableView {
    fn target_name(&self, _: &str, external_secret: &str) -> Option<String> {
        let tables = self.0.lock().expect("no test panics with it");
        tables.targets.get(external_secret).cloned()
    }

    fn store(&self, id: &StoreId) -> Option<StoreFacts> {
        let tables = self.0.lock().expect("no test panics with it");
        let name = if id.namespace.is_empty() {
            format!("cluster:{}", id.name)
        } else {
            format!("{}:{}", id.namespace, id.name)
        };
        tables.stores.get(&name).cloned()
    }

    fn whole_store(&self, id: &StoreId) -> Option<Arc<Store>> {
        self.store(id)?;
        let provider = serde_json::from_value(json!({"fake": {"data": []}}));
        Some(Arc::new(Store {
            id: id.clone(),
            uid: "u".to_owned(),
            generation: 1,
            rate: None,
            provider: provider.expect("a provider is JSON"),
        }))
    }

    fn namespace_labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let tables = self.0.lock().expect("no test panics with it");
        tables.namespaces.get(namespace).cloned()
    }

    fn has_secret(&self, _: &str, name: &str) -> bool {
        let tables = self.0.lock().expect("no test panics with it");
        tables.secrets.contains(name)
    }
}

/// What is there, and how often that was asked.
pub(crate) struct Presence {
    tables: Arc<Mutex<Tables>>,
    /// Questions that were asked.
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl Existence for Presence {
    async fn exists(&self, named: &Named) -> Option<bool> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let tables = self.tables.lock().expect("no test panics with it");
        let Named {
            kind,
            namespace,
            name,
        } = named;
        let object = format!("{} {namespace}/{name}", kind.as_str());
        Some(tables.objects.contains(&object))
    }
}

/// Who may, and how often that was asked.
pub(crate) struct Permissions {
    verdict: Box<dyn Fn(&StoreAccess) -> Verdict + Send + Sync>,
    /// Questions that were asked.
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl Authorizer for Permissions {
    async fn may_use(&self, access: &StoreAccess) -> Verdict {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.verdict)(access)
    }
}

/// A webhook and what is around it.
pub(crate) struct World {
    pub(crate) webhook: Webhook,
    pub(crate) tables: Arc<Mutex<Tables>>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) agents: Agents,
    pub(crate) presence: Arc<Presence>,
}

/// A world in which everybody may use every store.
pub(crate) fn world() -> World {
    world_where(|_| Verdict::Allowed)
}

/// A world in which `verdict` decides.
pub(crate) fn world_where(
    verdict: impl Fn(&StoreAccess) -> Verdict + Send + Sync + 'static,
) -> World {
    let tables: Arc<Mutex<Tables>> = Arc::default();
    let permissions = Arc::new(Permissions {
        verdict: Box::new(verdict),
        asked: AtomicUsize::new(0),
    });
    for store in ["team:vault", "cluster:vault", "team:other"] {
        let mut tables = tables.lock().expect("nobody else has it");
        tables
            .stores
            .insert(store.to_owned(), StoreFacts::default());
    }
    let agents = Agents::default();
    let presence = Arc::new(Presence {
        tables: Arc::clone(&tables),
        asked: AtomicUsize::new(0),
    });
    let registry = Registry::new(&providers::Options::default());
    let webhook = Webhook {
        registry: Arc::new(registry.expect("the defaults are right")),
        existence: presence.clone(),
        keys: Arc::new(KeyRing::new(&SecretBytes::from("example key"), None)),
        view: Arc::new(TableView(tables.clone())),
        authorizer: permissions.clone(),
        controller_class: latchkey::model::controller_class::ControllerClass::default(),
        own_namespace: "latchkey-system".to_owned(),
        metrics: Metrics::new(),
        memory: Ok(agents.served()),
    };
    World {
        webhook,
        tables,
        permissions,
        agents,
        presence,
    }
}

/// An answered review.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// HTTP status.
    pub(crate) http: u16,
    /// The answer as JSON.
    pub(crate) body: Value,
    /// The object after the patch.
    pub(crate) object: Value,
    /// The operations of the patch.
    pub(crate) patch: Option<Value>,
}

impl Outcome {
    pub(crate) fn is_allowed(&self) -> bool {
        self.body["response"]["allowed"] == true
    }

    pub(crate) fn message(&self) -> &str {
        let message = &self.body["response"]["status"]["message"];
        message.as_str().unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> String {
        self.body["response"]["warnings"].to_string()
    }
}

/// A review of `object`, as the API server writes it.
pub(crate) fn review(operation: &str, object: &Value, old: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "0f3d8b0e",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "team",
            "operation": operation,
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": object,
            "oldObject": old,
            "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    })
}

impl World {
    /// Sends a review and applies the patch to the object in it.
    pub(crate) async fn send(&self, path: Path, review: &Value) -> Outcome {
        let reply = self
            .webhook
            .reply(path, review.to_string().as_bytes(), Duration::from_secs(4))
            .await;
        let body: Value = serde_json::from_slice(&reply.body).expect("the answer must be JSON");
        let patch = body["response"]["patch"].as_str().map(|patch| {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(patch)
                .expect("a patch must be base64");
            serde_json::from_slice::<Value>(&bytes).expect("a patch must be JSON")
        });
        assert_eq!(
            patch.is_some(),
            body["response"]["patchType"] == "JSONPatch",
            "patch and its type come together"
        );
        let mut object = review["request"]["object"].clone();
        if let Some(operations) = &patch {
            let operations: json_patch::Patch =
                serde_json::from_value(operations.clone()).expect("it must be RFC 6902");
            json_patch::patch(&mut object, &operations).expect("the patch must apply");
        }
        Outcome {
            http: reply.status,
            body,
            object,
            patch,
        }
    }

    /// Creates a pod, without looking at the second pass.
    pub(crate) async fn create(&self, pod: &Value) -> Outcome {
        self.send(Path::Mutate, &review("CREATE", pod, &Value::Null))
            .await
    }

    /// Creates a pod; it must be allowed, and a second pass must have nothing to do.
    pub(crate) async fn settle(&self, pod: &Value) -> Outcome {
        let first = self.create(pod).await;
        assert!(first.is_allowed(), "{}", first.body);
        let second = self.create(&first.object).await;
        assert!(second.is_allowed(), "{}", second.body);
        assert_eq!(second.patch, None, "a second pass changes nothing");
        first
    }

    /// Creates a pod that must be denied; the answer is the message.
    pub(crate) async fn denied(&self, pod: &Value) -> String {
        let outcome = self.create(pod).await;
        assert!(!outcome.is_allowed(), "{}", outcome.body);
        assert_eq!(outcome.http, 200);
        outcome.message().to_owned()
    }

    /// Updates a pod.
    pub(crate) async fn update(&self, old: &Value, new: &Value) -> Outcome {
        self.send(Path::Mutate, &review("UPDATE", new, old)).await
    }

    /// Changes what the webhook knows.
    pub(crate) fn know(&self, change: impl FnOnce(&mut Tables)) {
        change(&mut self.tables.lock().expect("no test panics with it"));
    }
}

/// A pod of YAML.
pub(crate) fn pod(yaml: &str) -> Value {
    let mut pod: Value = serde_saphyr::from_str(yaml).expect("the pod must be YAML");
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod
}

/// A pod with the given annotations whose first container has the variable A from key `k` of `db`.
pub(crate) fn annotated(annotations: &[(&str, &str)]) -> Value {
    let annotations: BTreeMap<String, &str> = annotations
        .iter()
        .map(|(key, value)| (format!("latchkey.dev/{key}"), *value))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "annotations": annotations},
        "spec": {"containers": [{
            "name": "app",
            "image": "i",
            "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}],
        }]},
    })
}

/// A pod with in-line references on, whose container has these variables.
pub(crate) fn inlined(variables: &[(&str, &str)]) -> Value {
    let mut pod = annotated(&[("inline", "true")]);
    let variables = variables
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }));
    pod["spec"]["containers"][0]["env"] = variables.collect();
    pod
}

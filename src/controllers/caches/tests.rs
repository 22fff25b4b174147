//! Caches and a context around them, without a cluster.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::reflector::{Lookup, Store, store};
use kube::runtime::watcher::Event;
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Caches;
use crate::cluster::authorize::Authorizer;
use crate::cluster::secrets::KubeSecretReader;
use crate::controllers::{Context, Options};
use crate::model::controller_class::ControllerClass;
use crate::providers::Registry;
use crate::telemetry::metrics::Metrics;

fn filled<K>(objects: &[Value]) -> Store<K>
where
    K: Lookup<DynamicType = ()> + DeserializeOwned + Clone + 'static,
{
    let (reader, mut writer) = store();
    for object in objects {
        let object = serde_json::from_value(object.clone()).unwrap();
        writer.apply_watcher_event(&Event::Apply(object));
    }
    reader
}

fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
    let objects = objects.iter().filter(|object| object["kind"] == kind);
    objects.cloned().collect()
}

/// Caches that hold these stores and Namespaces.
pub(crate) fn caches(objects: &[Value]) -> Caches {
    Caches {
        external_secrets: filled(&[]),
        secret_stores: filled(&of_kind(objects, "SecretStore")),
        cluster_secret_stores: filled(&of_kind(objects, "ClusterSecretStore")),
        secrets: filled(&[]),
        namespaces: filled(&of_kind(objects, "Namespace")),
    }
}

/// A store that was validated, with these fallbacks; its namespace, if it has one, is `team`.
pub(crate) fn store_named(kind: &str, name: &str, ready: &str, fallbacks: &str) -> Value {
    let mut metadata = json!({
        "name": name,
        "uid": name,
        "annotations": {"latchkey.dev/fallback-stores": fallbacks},
    });
    if fallbacks.is_empty() {
        metadata["annotations"] = json!({});
    }
    if kind == "SecretStore" {
        metadata["namespace"] = "team".into();
    }
    json!({
        "apiVersion": "external-secrets.io/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"provider": {"fake": {"data": []}}},
        "status": {"conditions": [{"type": "Ready", "status": ready, "message": "no route"}]},
    })
}

/// A context whose cluster cannot be reached.
pub(crate) fn context(authorizer: Arc<dyn Authorizer>) -> Context {
    let config = Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = Client::try_from(config).unwrap();
    Context::new(
        client.clone(),
        Arc::new(Registry::default()),
        Arc::new(KubeSecretReader::new(client)),
        Metrics::new(),
        authorizer,
        Options {
            controller_class: ControllerClass::default(),
            store_interval: std::time::Duration::ZERO,
            concurrency: 1,
            lanes: (1, 1),
            deletion_limit: 0,
            generic_targets: false,
            adopt_unowned: false,
            generator_grace: std::time::Duration::ZERO,
            namespace: None,
        },
        || Timestamp::UNIX_EPOCH,
    )
}

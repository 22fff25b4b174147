use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::cluster::authorize::WholeNamespace;
use crate::controllers::caches::tests::{caches, context, store_named};

fn spec(kind: &str) -> ExternalSecretSpec {
    let spec = json!({
        "secretStoreRef": {"kind": kind, "name": "main"},
        "dataFrom": [{"extract": {"key": "k"}}],
    });
    serde_json::from_value(spec).unwrap()
}

fn sources(kind: &str, objects: &[Value]) -> Sources {
    let context = context(Arc::new(WholeNamespace));
    Sources::of(&context, &caches(objects), "team", &spec(kind))
}

fn namespaced(name: &str, ready: &str, fallbacks: &str) -> Value {
    store_named("SecretStore", name, ready, fallbacks)
}

fn id(kind: StoreKind, name: &str) -> StoreId {
    StoreId::new(kind, "team", name)
}

#[tokio::test]
async fn a_store_that_is_not_ready_is_covered_by_one_that_is() {
    let objects = [
        namespaced("main", "False", "copy,gone"),
        namespaced("copy", "True", ""),
    ];
    let mut sources = sources("SecretStore", &objects);
    let main = id(StoreKind::SecretStore, "main");
    let copy = id(StoreKind::SecretStore, "copy");
    assert_eq!(sources.trouble(), None);
    assert_eq!(sources.fallbacks(), [(main.clone(), copy.clone())]);
    let barred = sources.stores()[&main].barred().join("; ");
    assert!(
        barred.contains("SecretStore \"gone\" is not there"),
        "{barred}"
    );

    sources.bar(&main, &copy, "copy is not yours".to_owned());
    let trouble = sources.trouble().unwrap();
    for part in [
        "SecretStore \"main\" is not ready: no route",
        "copy is not yours",
        "gone",
    ] {
        assert!(trouble.contains(part), "{part:?} in {trouble}");
    }
    assert!(sources.fallbacks().is_empty());
}

#[tokio::test]
async fn a_fallback_is_used_only_where_a_reference_to_it_would_be() {
    let closed = |conditions: Value| {
        let mut store = store_named("ClusterSecretStore", "vault", "True", "");
        store["spec"]["conditions"] = conditions;
        let named = namespaced("main", "True", "ClusterSecretStore/vault");
        let labels = json!({"kubernetes.io/metadata.name": "team"});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "team", "labels": labels}});
        sources("SecretStore", &[named, store, namespace])
    };
    let main = id(StoreKind::SecretStore, "main");
    assert_eq!(
        closed(json!([{"namespaces": ["team"]}])).fallbacks().len(),
        1
    );
    let refused = closed(json!([{"namespaces": ["other"]}]));
    assert!(refused.fallbacks().is_empty());
    let why = refused.stores()[&main].barred().join("; ");
    assert!(why.contains("not allowed from namespace \"team\""), "{why}");

    let mut foreign = namespaced("copy", "True", "");
    foreign["spec"]["controller"] = "other".into();
    for fallback in [
        foreign,
        namespaced("copy", "False", ""),
        namespaced("other", "True", ""),
    ] {
        let sources = sources(
            "SecretStore",
            &[namespaced("main", "True", "copy"), fallback],
        );
        assert!(sources.fallbacks().is_empty());
        assert_eq!(sources.trouble(), None, "the named store works");
    }
}

#[tokio::test]
async fn what_a_fallback_names_itself_is_not_followed() {
    let objects = [
        store_named("ClusterSecretStore", "main", "True", "second"),
        store_named("ClusterSecretStore", "second", "True", "third"),
        store_named("ClusterSecretStore", "third", "True", ""),
    ];
    let sources = sources("ClusterSecretStore", &objects);
    let [main, second] = ["main", "second"].map(|name| id(StoreKind::ClusterSecretStore, name));
    assert_eq!(sources.fallbacks(), [(main, second)]);
}

#[tokio::test]
async fn an_annotation_that_cannot_be_read_makes_nothing_worse() {
    let objects = [
        namespaced("main", "True", "a b"),
        namespaced("copy", "True", ""),
    ];
    let sources = sources("SecretStore", &objects);
    assert_eq!(sources.trouble(), None);
    assert!(sources.fallbacks().is_empty());
}

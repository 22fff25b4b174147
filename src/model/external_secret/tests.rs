use serde_json::json;

use super::*;

fn parse(spec: serde_json::Value) -> Result<ExternalSecret, Vec<Complaint>> {
    let spec: ExternalSecretSpec = serde_json::from_value(spec).unwrap();
    ExternalSecret::parse("team", "app", &spec)
}

fn complaints(spec: serde_json::Value) -> Vec<String> {
    parse(spec)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn article() -> serde_json::Value {
    json!({
        "dataFrom": [{"extract": {"conversionStrategy": "Default", "key": "app"}}],
        "refreshInterval": "10s",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": "secret-store"}
    })
}

#[test]
fn the_articles_object_is_read() {
    let parsed = parse(article()).unwrap();
    assert_eq!(parsed.refresh.interval, SignedDuration::from_secs(10));
    assert_eq!(parsed.refresh.policy, RefreshPolicy::Periodic);
    assert_eq!(parsed.target.name, "app");
    assert_eq!(parsed.target.creation, CreationPolicy::Owner);
    assert_eq!(
        parsed.entries[0].label(),
        "spec.dataFrom[0].extract (key: app)"
    );
    assert_eq!(
        *parsed.entries[0].store.as_ref().unwrap(),
        StoreId::new(StoreKind::ClusterSecretStore, "team", "secret-store")
    );
}

#[test]
fn maps_come_before_single_values() {
    let parsed = parse(json!({
        "secretStoreRef": {"name": "s"},
        "data": [{"secretKey": "k", "remoteRef": {"key": "one"}}],
        "dataFrom": [{"extract": {"key": "many"}}, {"find": {"name": {"regexp": "^db"}}}]
    }))
    .unwrap();
    let labels: Vec<String> = parsed.entries.iter().map(Entry::label).collect();
    assert_eq!(
        labels,
        [
            "spec.dataFrom[0].extract (key: many)",
            "spec.dataFrom[1].find",
            "spec.data[0] (key: one)"
        ]
    );
}

#[test]
fn an_entry_may_name_another_store() {
    let parsed = parse(json!({
        "secretStoreRef": {"name": "main"},
        "data": [
            {"secretKey": "a", "remoteRef": {"key": "a"}},
            {"secretKey": "b", "remoteRef": {"key": "b"},
             "sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "other"}}}
        ]
    }))
    .unwrap();
    let names: Vec<&str> = parsed
        .stores()
        .iter()
        .map(|store| store.name.as_str())
        .collect();
    assert_eq!(names, ["main", "other"]);
}

#[test]
fn each_mistake_names_its_field() {
    let found = complaints(json!({
        "refreshInterval": "10 seconds",
        "data": [
            {"secretKey": "a b", "remoteRef": {"key": ""}},
            {"secretKey": "a b", "remoteRef": {"key": "x"}}
        ],
        "dataFrom": [{}, {"extract": {"key": "x"}, "find": {}}, {"find": {"name": {"regexp": "("}}}],
        "secretStoreRef": {"name": "s"},
        "target": {"creationPolicy": "Merge", "deletionPolicy": "Delete"}
    }));
    let fields: Vec<&str> = found
        .iter()
        .filter_map(|text| text.split(": ").next())
        .collect();
    assert_eq!(
        fields,
        [
            "spec.dataFrom[0]",
            "spec.dataFrom[1]",
            "spec.dataFrom[2].find.name.regexp",
            "spec.data[0].secretKey",
            "spec.data[0].remoteRef.key",
            "spec.data[1].secretKey",
            "spec.refreshInterval",
            "spec.target.deletionPolicy"
        ]
    );
}

#[test]
fn a_duplicate_key_is_an_error_while_values_are_retained() {
    let mut spec = json!({
        "secretStoreRef": {"name": "s"},
        "data": [
            {"secretKey": "k", "remoteRef": {"key": "x"}},
            {"secretKey": "k", "remoteRef": {"key": "y"}}
        ]
    });
    assert_eq!(
        complaints(spec.clone()),
        ["spec.data[1].secretKey: duplicate secretKey found: k"]
    );
    spec["target"] = json!({"deletionPolicy": "Merge"});
    assert!(parse(spec).is_ok());
}

#[test]
fn nothing_to_fetch_and_no_store_are_errors() {
    assert_eq!(
        complaints(json!({})),
        ["spec: either data or dataFrom should be specified"]
    );
    let found = complaints(json!({"data": [{"secretKey": "k", "remoteRef": {"key": "x"}}]}));
    assert!(
        found[0].starts_with("spec.data[0]: no store is named"),
        "{found:?}"
    );
}

#[test]
fn only_a_target_that_is_no_secret_has_other_parts_to_make() {
    let mut spec = article();
    let templates = json!([{"target": "spec.items[0]", "literal": "a: b"}]);
    spec["target"] = json!({
        "manifest": {"apiVersion": "v1", "kind": "ConfigMap"},
        "template": {"templateFrom": templates}
    });
    let parsed = parse(spec.clone()).unwrap();
    assert!(parsed.target.manifest.unwrap().is_config_map());
    spec["target"]["manifest"]["kind"] = json!("Secret");
    assert!(complaints(spec)[0].starts_with("spec.target.template.templateFrom[0].target: "));
}

#[test]
fn stores_and_target_are_known_of_a_wrong_object_too() {
    let spec: ExternalSecretSpec = serde_json::from_value(json!({
        "secretStoreRef": {"name": "s"}, "refreshInterval": "x", "target": {"name": "t"}
    }))
    .unwrap();
    assert_eq!(
        stores_named("team", &spec),
        [StoreId::new(StoreKind::SecretStore, "team", "s")]
    );
    assert_eq!(target_name("app", &spec), "t");
}

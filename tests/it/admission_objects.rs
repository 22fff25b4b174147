//! ExternalSecrets, stores, PushSecrets and generators through the webhook: what is denied and what is
//! only a warning.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use latchkey::admission::Path;
use latchkey::cluster::existence::{Existence, Named};
use latchkey::model::store_use::StoreFacts;
use rstest::rstest;
use serde_json::{Value, json};

use crate::admission_world::{Outcome, World, review, world};

/// An object of YAML and the resource it is of.
fn object(yaml: &str) -> (String, Value) {
    let object: Value = serde_saphyr::from_str(yaml).expect("the object must be YAML");
    let kind = object["kind"].as_str().expect("it has a kind");
    (format!("{}s", kind.to_lowercase()), object)
}

async fn send(world: &World, operation: &str, yaml: &str, old: Option<&str>) -> Outcome {
    let (resource, new) = object(yaml);
    let old = old.map_or(Value::Null, |old| object(old).1);
    let mut review = review(operation, &new, &old);
    review["request"]["resource"]["resource"] = resource.as_str().into();
    if resource.starts_with("cluster") {
        review["request"]["namespace"] = "".into();
    }
    let outcome = world.send(Path::Validate, &review).await;
    assert_eq!(outcome.http, 200);
    assert_eq!(outcome.patch, None, "a validation changes nothing");
    outcome
}

async fn create(world: &World, yaml: &str) -> Outcome {
    send(world, "CREATE", yaml, None).await
}

const APP: &str = "
kind: ExternalSecret
metadata: {name: app}
spec: {secretStoreRef: {name: vault}, dataFrom: [{extract: {key: k}}]}
";

#[rstest]
#[case::no_provider(
    "kind: SecretStore\nspec: {provider: {}}",
    "spec.provider: one provider must be configured"
)]
#[case::two_providers(
    "kind: SecretStore\nspec: {provider: {fake: {data: []}, vault: {server: 'https://v'}}}",
    "spec.provider: exactly one provider must be configured, found fake, vault"
)]
#[case::a_provider_s_own_check(
    "kind: SecretStore\nspec: {provider: {fake: {data: [{key: '', value: v}]}}}",
    "spec.provider.fake: data[0].key must not be empty"
)]
#[case::a_login_that_lacks_a_field(
    "kind: ClusterSecretStore\nspec: {provider: {vault: {server: 'https://v', auth: {appRole: {path: p, secretRef: {name: s, key: k}}}}}}",
    "spec.provider.vault: auth.appRole: roleId or roleRef must be set"
)]
#[case::an_interval(
    "kind: SecretStore\nspec: {refreshInterval: soon, provider: {fake: {data: []}}}",
    "spec.refreshInterval: "
)]
#[case::a_condition(
    "kind: ClusterSecretStore\nspec: {provider: {fake: {data: []}}, conditions: [{namespaceRegexes: ['(']}]}",
    "spec.conditions[0].namespaceRegexes[0]: not a regular expression"
)]
#[case::a_secret_of_another_namespace(
    "kind: SecretStore\nspec: {provider: {vault: {server: 'https://v', auth: {tokenSecretRef: {name: t, key: k, namespace: other}}}}}",
    "spec.provider.vault.auth.tokenSecretRef.namespace: a SecretStore reads Secrets of its own namespace \"team\" only"
)]
#[case::a_key_scope(
    "kind: SecretStore\nmetadata: {name: s, annotations: {latchkey.dev/key-scope: 'a[b]'}}\nspec: {provider: {fake: {data: []}}}",
    "metadata.annotations[latchkey.dev/key-scope]: "
)]
#[case::a_selector_of_a_push(
    "kind: PushSecret\nspec: {secretStoreRefs: [{labelSelector: {matchExpressions: [{key: k, operator: Like}]}}], selector: {secret: {name: a}}}",
    "spec.secretStoreRefs[0].labelSelector.matchExpressions[0].operator: unknown operator \"Like\""
)]
#[case::two_pushes_to_one_place(
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {secret: {name: a}}, data: [{match: {remoteRef: {remoteKey: r}}}, {match: {secretKey: b, remoteRef: {remoteKey: r}}}]}",
    "spec.data[1].match.remoteRef: an earlier entry goes to \"r\" too"
)]
#[case::a_push_for_many_namespaces(
    "kind: ClusterPushSecret\nspec: {pushSecretSpec: {refreshInterval: soon, secretStoreRefs: [{name: vault}], selector: {secret: {name: a}}}}",
    "spec.pushSecretSpec.refreshInterval: "
)]
#[case::an_external_secret_for_many_namespaces(
    "kind: ClusterExternalSecret\nspec: {externalSecretSpec: {secretStoreRef: {name: vault}}}",
    "spec.externalSecretSpec: either data or dataFrom should be specified"
)]
#[case::its_selector(
    "kind: ClusterExternalSecret\nspec: {namespaceSelectors: [{matchExpressions: [{key: k, operator: Like}]}], externalSecretSpec: {secretStoreRef: {name: vault}, dataFrom: [{extract: {key: k}}]}}",
    "spec.namespaceSelectors[0].matchExpressions[0].operator: "
)]
#[case::a_cluster_generator_of_another_kind(
    "kind: ClusterGenerator\nspec: {kind: Password, generator: {uuidSpec: {}}}",
    "spec: spec.generator.uuidSpec: does not belong to spec.kind Password"
)]
#[case::an_external_secret(
    "kind: ExternalSecret\nspec: {secretStoreRef: {name: vault}}",
    "spec: either data or dataFrom should be specified"
)]
#[case::a_template(
    "kind: ExternalSecret\nspec: {secretStoreRef: {name: vault}, dataFrom: [{extract: {key: k}}], target: {template: {data: {a: '{{ .x'}}}}",
    "spec.target.template.data"
)]
#[tokio::test]
async fn what_can_never_work_is_denied_by_its_field(#[case] yaml: &str, #[case] expected: &str) {
    let outcome = create(&world(), yaml).await;
    assert!(!outcome.is_allowed(), "{}", outcome.body);
    let message = outcome.message();
    assert!(message.starts_with(expected), "{message}");
}

#[rstest]
#[case::a_store("kind: ClusterSecretStore\nspec: {provider: {fake: {data: [{key: k, value: v}]}}}")]
#[case::a_push(
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {secret: {name: here}}, data: [{match: {remoteRef: {remoteKey: r}}}]}"
)]
#[case::a_generator("kind: UUID")]
#[case::a_cluster_generator(
    "kind: ClusterGenerator\nspec: {kind: Password, generator: {passwordSpec: {length: 20}}}"
)]
#[case::a_state_of_a_generator("kind: GeneratorState\nspec: {nonsense: 1}")]
#[case::a_store_of_another_controller("kind: SecretStore\nspec: {controller: other, provider: {}}")]
#[case::an_external_secret(APP)]
#[tokio::test]
async fn what_works_passes_without_a_word(#[case] yaml: &str) {
    let world = world();
    world.know(|tables| {
        tables.objects.insert("Secret team/here".to_owned());
    });
    let outcome = create(&world, yaml).await;
    assert!(outcome.is_allowed(), "{}", outcome.body);
    assert_eq!(outcome.warnings(), "null");
}

#[rstest]
#[case::store(
    "kind: ExternalSecret\nspec: {secretStoreRef: {name: later}, dataFrom: [{extract: {key: k}}]}",
    r#"SecretStore "later" does not exist yet"#
)]
#[case::store_of_an_entry(
    "kind: ExternalSecret\nspec: {secretStoreRef: {name: vault}, data: [{secretKey: a, remoteRef: {key: k}, sourceRef: {storeRef: {kind: ClusterSecretStore, name: later}}}]}",
    r#"ClusterSecretStore "later" does not exist yet"#
)]
#[case::generator(
    "kind: ExternalSecret\nspec: {dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: later}}}]}",
    r#"spec.dataFrom[0].sourceRef.generatorRef: Password "later" does not exist yet"#
)]
#[case::template(
    "kind: ExternalSecret\nspec: {secretStoreRef: {name: vault}, dataFrom: [{extract: {key: k}}], target: {template: {templateFrom: [{configMap: {name: later, items: [{key: t}]}}]}}}",
    r#"ConfigMap "later" does not exist yet"#
)]
#[case::stores_of_a_push(
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: later}], selector: {secret: {name: later}}}",
    r#"SecretStore "later" does not exist yet"#
)]
#[case::source_of_a_push(
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {secret: {name: later}}}",
    r#"spec.selector.secret.name: Secret "later" does not exist yet"#
)]
#[case::generator_of_a_push(
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {generatorRef: {kind: UUID, name: later}}}",
    r#"spec.selector.generatorRef: UUID "later" does not exist yet"#
)]
#[case::credential(
    "kind: SecretStore\nspec: {provider: {vault: {server: 'https://v', auth: {tokenSecretRef: {name: later, key: k}}}}}",
    r#"auth.tokenSecretRef: Secret "later" does not exist yet"#
)]
#[case::provider_of_another_build(
    "kind: SecretStore\nspec: {provider: {chef: {serverUrl: u, username: user, auth: {secretRef: {privateKeySecretRef: {name: later}}}}}}",
    "spec.provider.chef: is not served by this build"
)]
#[case::cluster_store_for_many_namespaces(
    "kind: ClusterExternalSecret\nspec: {externalSecretSpec: {secretStoreRef: {kind: ClusterSecretStore, name: later}, dataFrom: [{extract: {key: k}}]}}",
    r#"ClusterSecretStore "later" does not exist yet"#
)]
#[tokio::test]
async fn what_may_come_later_is_a_warning(#[case] yaml: &str, #[case] expected: &str) {
    let outcome = create(&world(), yaml).await;
    assert!(outcome.is_allowed(), "{}", outcome.body);
    let warnings = outcome.body["response"]["warnings"].as_array();
    let mut warnings = warnings.into_iter().flatten().filter_map(Value::as_str);
    assert!(
        warnings.any(|warning| warning.contains(expected)),
        "{}",
        outcome.body
    );
}

#[tokio::test]
async fn what_a_store_says_is_warned_of() {
    let world = world();
    let warned = async |facts: StoreFacts| {
        world.know(|tables| drop(tables.stores.insert("team:vault".to_owned(), facts)));
        create(&world, APP).await.warnings()
    };
    let down = StoreFacts {
        failure: Some("no route".to_owned()),
        ..StoreFacts::default()
    };
    assert!(warned(down).await.contains("is not ready: no route"));
    let foreign = StoreFacts {
        controller: Some("other".to_owned()),
        ..StoreFacts::default()
    };
    assert!(warned(foreign).await.contains("controller class"));
    let elsewhere = StoreFacts {
        conditions: serde_json::from_value(json!([{"namespaces": ["x"]}])).expect("conditions"),
        ..StoreFacts::default()
    };
    assert!(warned(elsewhere).await.contains("do not admit namespace"));
}

#[tokio::test]
async fn an_external_secret_is_answered_from_caches_alone() {
    let world = world();
    create(&world, APP).await;
    create(&world, &APP.replace("vault", "later")).await;
    assert_eq!(world.presence.asked.load(Ordering::SeqCst), 0);
    assert_eq!(world.permissions.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_update_that_says_nothing_new_always_passes_and_asks_nobody() {
    let broken = "kind: SecretStore\nmetadata: {name: s}\nspec: {provider: {}}";
    let labelled = broken.replace("name: s", "name: s, labels: {a: b}");
    let world = world();
    let outcome = send(&world, "UPDATE", &labelled, Some(broken)).await;
    assert!(outcome.is_allowed());
    assert!(outcome.warnings().contains("one provider"));
    let worse = broken.replace("{}", "{fake: {data: [{key: ''}]}}");
    assert!(
        !send(&world, "UPDATE", &worse, Some(broken))
            .await
            .is_allowed()
    );
    let going = worse.replace(
        "name: s",
        "name: s, deletionTimestamp: '2026-01-01T00:00:00Z'",
    );
    assert!(
        send(&world, "UPDATE", &going, Some(broken))
            .await
            .is_allowed()
    );
    let push = "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {secret: {name: later}}}";
    assert!(send(&world, "UPDATE", push, Some(push)).await.is_allowed());
    assert_eq!(world.presence.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_scope_that_becomes_unreadable_is_denied_though_the_spec_is_the_same() {
    let store = "kind: SecretStore\nmetadata: {name: s}\nspec: {provider: {fake: {data: []}}}";
    let scoped = store.replace(
        "name: s",
        "name: s, annotations: {latchkey.dev/key-scope: 'a!'}",
    );
    let outcome = send(&world(), "UPDATE", &scoped, Some(store)).await;
    assert!(!outcome.is_allowed());
}

#[tokio::test]
async fn fallbacks_that_make_no_sense_are_denied_and_those_that_are_absent_are_warned_of() {
    let store = "kind: SecretStore\nmetadata: {name: s}\nspec: {provider: {fake: {data: []}}}";
    let with = |fallbacks: &str| {
        store.replace(
            "name: s",
            &format!("name: s, annotations: {{latchkey.dev/fallback-stores: '{fallbacks}'}}"),
        )
    };
    let denied = send(&world(), "UPDATE", &with("s"), Some(store)).await;
    for part in [
        "latchkey.dev/fallback-stores",
        "is the store itself",
        "name another one",
    ] {
        assert!(denied.message().contains(part), "{}", denied.message());
    }
    let outcome = send(&world(), "UPDATE", &with("vault, later"), Some(store)).await;
    assert!(outcome.is_allowed());
    assert!(
        outcome
            .warnings()
            .contains(r#"SecretStore \"later\" does not exist yet"#),
        "{}",
        outcome.warnings()
    );
    assert!(!outcome.warnings().contains("vault"));
}

#[tokio::test]
async fn a_budget_that_makes_no_sense_is_denied() {
    let store = "kind: SecretStore\nmetadata: {name: s}\nspec: {provider: {fake: {data: []}}}";
    let with = |rate: &str| {
        store.replace(
            "name: s",
            &format!("name: s, annotations: {{latchkey.dev/max-requests-per-second: '{rate}'}}"),
        )
    };
    let denied = send(&world(), "UPDATE", &with("fast"), Some(store)).await;
    assert!(
        denied
            .message()
            .contains("latchkey.dev/max-requests-per-second")
            && denied.message().contains("write 0 for any number"),
        "{}",
        denied.message()
    );
    for rate in ["0", "2.5"] {
        let outcome = send(&world(), "UPDATE", &with(rate), Some(store)).await;
        assert!(outcome.is_allowed(), "{}", outcome.message());
    }
}

struct Silent;

#[async_trait]
impl Existence for Silent {
    async fn exists(&self, _: &Named) -> Option<bool> {
        std::future::pending().await
    }
}

struct Panicking;

#[async_trait]
impl Existence for Panicking {
    async fn exists(&self, named: &Named) -> Option<bool> {
        panic!("planted at {}", named.name);
    }
}

const PUSH: &str =
    "kind: PushSecret\nspec: {secretStoreRefs: [{name: vault}], selector: {secret: {name: a}}}";

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_warning() {
    let mut world = world();
    world.webhook.existence = Arc::new(Silent);
    let started = tokio::time::Instant::now();
    let outcome = create(&world, PUSH).await;
    assert!(outcome.is_allowed());
    assert!(started.elapsed() <= Duration::from_secs(1));
}

#[tokio::test]
async fn a_panic_lets_the_object_pass_for_the_controller_checks_it_again() {
    let mut world = world();
    world.webhook.existence = Arc::new(Panicking);
    let outcome = create(&world, PUSH).await;
    assert!(outcome.is_allowed());
    assert!(outcome.warnings().contains("failed to check"));
    assert!(create(&world, APP).await.is_allowed());
}

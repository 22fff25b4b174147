//! Who may read what: RBAC, what the store says, and what a pod cannot say for itself.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use latchkey::admission::Path;
use latchkey::api::meta::StoreKind;
use latchkey::cluster::authorize::{StoreAccess, Verdict};
use latchkey::model::secret_store::StoreId;
use latchkey::model::store_use::StoreFacts;
use serde_json::{Value, json};

use crate::admission_world::{World, annotated, inlined, review, world, world_where};

fn team_only(access: &StoreAccess) -> Verdict {
    if access.namespace == "team" && access.account == "default" {
        Verdict::Allowed
    } else {
        Verdict::Denied("no rule".to_owned())
    }
}

const CLUSTER: (&str, &str) = ("secret.db", "secret://cluster:vault/apps/db");

#[tokio::test]
async fn case_40_44_the_pods_account_decides_in_its_own_namespace() {
    let world = world_where(team_only);
    world.settle(&annotated(&[CLUSTER])).await;

    let mut next_door = review("CREATE", &annotated(&[CLUSTER]), &Value::Null);
    next_door["request"]["namespace"] = "next-door".into();
    next_door["request"]["userInfo"] = json!({"username": "root", "groups": ["system:masters"]});
    let outcome = world.send(Path::Mutate, &next_door).await;
    assert!(!outcome.is_allowed());
    assert_eq!(outcome.body["response"]["status"]["code"], 403);
    for part in [
        "kind: RoleBinding",
        "name: latchkey-store-user",
        "namespace: next-door",
        "ClusterSecretStore vault",
        "alias db (container app, env A)",
        "no rule",
    ] {
        assert!(
            outcome.message().contains(part),
            "{part:?} in {}",
            outcome.message()
        );
    }

    let mut other_account = inlined(&[("A", "secret://vault/db#p")]);
    other_account["spec"]["serviceAccountName"] = "other".into();
    let message = world.denied(&other_account).await;
    assert!(
        message.contains("an in-line reference (container app)"),
        "{message}"
    );
}

fn store(world: &World, name: &str, facts: StoreFacts) {
    world.know(|tables| {
        tables.stores.insert(name.to_owned(), facts);
    });
}

#[tokio::test]
async fn case_41_a_namespaces_label_decides_as_soon_as_the_cache_has_it() {
    let world = world();
    let conditions = json!([{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]);
    let conditions = serde_json::from_value(conditions).expect("conditions are JSON");
    let facts = StoreFacts {
        conditions,
        ..StoreFacts::default()
    };
    store(&world, "cluster:vault", facts);
    let unknown = world.create(&annotated(&[CLUSTER])).await;
    assert!(unknown.is_allowed() && unknown.warnings().contains("not known yet"));
    let label = |env: &str| {
        let labels = BTreeMap::from([("env".to_owned(), env.to_owned())]);
        world.know(|tables| {
            tables.namespaces.insert("team".to_owned(), labels);
        });
    };
    label("dev");
    let message = world.denied(&annotated(&[CLUSTER])).await;
    assert!(
        message.contains("spec.conditions do not admit namespace team"),
        "{message}"
    );
    label("prod");
    world.settle(&annotated(&[CLUSTER])).await;
}

#[tokio::test]
async fn case_42_a_store_of_another_namespace_cannot_be_named() {
    for text in [
        "secret://team-b/vault/apps/db",
        "secret://ns:vault/db",
        "secret://../vault/db",
    ] {
        let outcome = world().create(&annotated(&[("secret.db", text)])).await;
        let named_here = outcome
            .warnings()
            .contains("SecretStore team-b is not known here");
        assert!(
            !outcome.is_allowed() || named_here,
            "{text}: {}",
            outcome.body
        );
    }
    let world = world_where(|access| {
        assert_eq!(
            access.namespace, "team",
            "stores are always asked for in the pod's namespace"
        );
        Verdict::Allowed
    });
    world
        .settle(&annotated(&[("secret.db", "secret://vault/db")]))
        .await;
}

#[tokio::test]
async fn case_43_a_key_outside_of_the_scope_is_denied() {
    let world = world();
    let facts = StoreFacts {
        key_scope: Some("apps/{namespace}/**".to_owned()),
        ..StoreFacts::default()
    };
    store(&world, "team:vault", facts);
    world
        .settle(&annotated(&[("secret.db", "secret://vault/apps/team/db")]))
        .await;
    for key in [
        "apps/other/db",
        "apps/team/../other/db",
        "apps/team/%252e%252e/other",
        "apps/team//db",
    ] {
        let reference = format!("secret://vault/{key}");
        let message = world.denied(&annotated(&[("secret.db", &reference)])).await;
        assert!(message.contains("SecretStore vault"), "{message}");
        let value = format!("{reference}#p");
        world.denied(&inlined(&[("A", &value)])).await;
    }
    let spec = "secretStoreRef: {name: vault}\ndataFrom: [{find: {name: {regexp: .}}}]";
    let message = world.denied(&annotated(&[("secret.db", spec)])).await;
    assert!(message.contains("dataFrom.find"), "{message}");
}

#[tokio::test]
async fn case_45_no_annotation_chooses_address_trust_or_role() {
    let world = world();
    let plain = world.settle(&annotated(&[CLUSTER])).await;
    let mut meddling = annotated(&[CLUSTER]);
    for key in [
        "address",
        "ca-cert",
        "role",
        "skip-verify",
        "service-account",
        "image",
    ] {
        meddling["metadata"]["annotations"][format!("latchkey.dev/{key}")] = "x".into();
    }
    let outcome = world.settle(&meddling).await;
    assert_eq!(outcome.patch, plain.patch, "they change nothing");
    assert!(outcome.warnings().contains("nothing reads this annotation"));
    let spec =
        "secretStoreRef: {name: vault, server: http://evil}\ndataFrom: [{extract: {key: a}}]";
    world.denied(&annotated(&[("secret.db", spec)])).await;
}

#[tokio::test]
async fn case_46_a_forged_review_learns_a_name_that_only_its_own_account_could_use() {
    // The webhook holds no client: what it knows is a table, and what it asks is one yes or no.
    let world = world_where(team_only);
    let mut forged = annotated(&[CLUSTER]);
    forged["spec"]["serviceAccountName"] = "privileged".into();
    forged["metadata"]["labels"] = json!({"latchkey.dev/injected": "true"});
    let before = world.permissions.asked.load(Ordering::SeqCst);
    world.denied(&forged).await;
    let asked = world.permissions.asked.load(Ordering::SeqCst) - before;
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_warm_review_asks_nothing_but_the_remembered_permission() {
    use latchkey::cluster::authorize::{AccessReviews, StoreAuthorizer};
    use latchkey::cluster::request::Error;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    struct Counting(AtomicUsize);
    #[async_trait::async_trait]
    impl AccessReviews for Counting {
        async fn review(&self, _: &StoreAccess) -> Result<(bool, String), Error> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok((true, String::new()))
        }
    }
    let reviews = Arc::new(Counting(AtomicUsize::new(0)));
    let mut world = world();
    world.webhook.authorizer = Arc::new(StoreAuthorizer::new(reviews.clone()));
    let pods: Vec<Value> = (0..50).map(|_| annotated(&[CLUSTER])).collect();
    futures::future::join_all(pods.iter().map(|pod| world.create(pod))).await;
    assert_eq!(
        reviews.0.load(Ordering::SeqCst),
        1,
        "one flight for all who wait"
    );
    for _ in 0..50 {
        world.settle(&annotated(&[CLUSTER])).await;
    }
    assert_eq!(reviews.0.load(Ordering::SeqCst), 1, "and none when warm");
}

#[tokio::test]
async fn nobody_to_ask_is_no_refusal() {
    let world = world_where(|_| Verdict::Unknown("the API server is away".to_owned()));
    let outcome = world.settle(&annotated(&[CLUSTER])).await;
    assert!(outcome.warnings().contains("the pod waits"));
}

#[tokio::test]
async fn a_store_that_is_not_there_yet_is_a_warning() {
    let outcome = world()
        .settle(&annotated(&[("secret.db", "secret://later/db")]))
        .await;
    assert!(
        outcome
            .warnings()
            .contains("SecretStore later is not known here yet")
    );
}

#[tokio::test]
async fn a_fallback_covers_a_store_that_is_down_only_for_who_may_use_it() {
    let world = world_where(|access| {
        if access.store == "secret" {
            Verdict::Denied("no rule".to_owned())
        } else {
            Verdict::Allowed
        }
    });
    let copy = |name: &str| StoreId::new(StoreKind::ClusterSecretStore, "", name);
    let strict = annotated(&[CLUSTER, ("on-error", "deny")]);
    let with = |fallback: &str, facts: StoreFacts| {
        let down = StoreFacts {
            failure: Some("vault is sealed".to_owned()),
            fallbacks: vec![copy(fallback)],
            ..StoreFacts::default()
        };
        store(&world, "cluster:vault", down);
        store(&world, &format!("cluster:{fallback}"), facts);
    };
    with("copy", StoreFacts::default());
    let outcome = world.settle(&strict).await;
    assert!(!outcome.warnings().contains("fallback"));

    let scoped = StoreFacts {
        key_scope: Some("other/**".to_owned()),
        ..StoreFacts::default()
    };
    for (fallback, facts, why) in [
        ("secret", StoreFacts::default(), "default may not use it"),
        ("scoped", scoped, "is not for this pod"),
    ] {
        with(fallback, facts);
        let outcome = world.create(&strict).await;
        assert_eq!(outcome.body["response"]["status"]["code"], 503);
        let waiting = world.settle(&annotated(&[CLUSTER])).await;
        let warnings = waiting.warnings();
        assert!(
            warnings.contains(why) && warnings.contains(fallback),
            "{warnings}"
        );
    }
}

#[tokio::test]
async fn a_store_that_is_down_denies_only_who_would_rather_not_wait() {
    let world = world();
    let facts = StoreFacts {
        failure: Some("vault is sealed".to_owned()),
        ..StoreFacts::default()
    };
    store(&world, "cluster:vault", facts);
    let waiting = world.settle(&annotated(&[CLUSTER])).await;
    let name =
        waiting.object["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"]
            .clone();

    let strict = annotated(&[CLUSTER, ("on-error", "deny")]);
    let mut optional = annotated(&[CLUSTER]);
    optional["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["optional"] =
        true.into();
    for pod in [&strict, &optional] {
        let outcome = world.create(pod).await;
        assert_eq!(outcome.body["response"]["status"]["code"], 503);
        assert!(
            outcome.message().contains("vault is sealed"),
            "{}",
            outcome.message()
        );
    }
    world.know(|tables| {
        tables.secrets.extend(name.as_str().map(str::to_owned));
    });
    for pod in [&strict, &optional] {
        world.settle(pod).await;
    }
}

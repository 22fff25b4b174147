//! What agents are answered: who asks, what was pinned, who may.

use std::time::Duration;

use serde_json::{Value, json};

use crate::admission_world::{World, annotated, world, world_where};
use crate::agent_world::{TRUST, token};
use latchkey::admission::Unfetched;
use latchkey::api::meta::StoreKind;
use latchkey::cluster::authorize::{StoreAccess, Verdict};
use latchkey::cluster::bound_token::BoundPod;
use latchkey::model::secret_store::StoreId;
use latchkey::model::store_use::StoreFacts;

const AUDIENCE: &str = "latchkey.dev";

/// A pod in a world, its token and what it was told to ask for.
struct Asker {
    token: String,
    name: String,
}

fn mounting() -> Value {
    let mut pod = annotated(&[("secret.db", "secret://vault/apps/db"), ("mode", "memory")]);
    pod["spec"] = json!({
        "containers": [{"name": "app", "volumeMounts": [{"name": "db", "mountPath": "/db"}]}],
        "volumes": [{"name": "db", "secret": {"secretName": "db"}}],
    });
    pod
}

/// Admits a pod, which then lives in the cluster of tables.
async fn admitted(world: &World, serial: u32) -> Asker {
    let mut live = world.settle(&mounting()).await.object;
    let (pod, uid) = (format!("web-{serial}"), format!("uid-{serial}"));
    live["metadata"]["name"] = pod.as_str().into();
    live["metadata"]["uid"] = uid.as_str().into();
    let told = live["spec"]["initContainers"][0]["args"][3].as_str();
    let told = told.and_then(|text| text.strip_prefix("--secret="));
    let told: Value = serde_json::from_str(told.expect("it was told")).expect("it is JSON");
    let token = token(AUDIENCE, serial);
    world.agents.with(|tables| {
        let owner = BoundPod {
            namespace: "team".to_owned(),
            account: "default".to_owned(),
            name: pod.clone(),
            uid,
        };
        tables.owners.insert(token.clone(), Some(owner));
        tables.pods.insert(pod, live);
        let value = Ok("s3cret".to_owned());
        tables.values.insert("apps/db".to_owned(), value);
    });
    let name = told["name"].as_str().expect("it has a name").to_owned();
    Asker { token, name }
}

async fn ask(world: &World, token: &str, names: &[&str]) -> (u16, Value) {
    let body = json!({ "secrets": names }).to_string();
    let authorization = format!("Bearer {token}");
    let reply = world
        .webhook
        .pod_secrets(Some(&authorization), body.as_bytes())
        .await;
    let body = serde_json::from_slice(&reply.body).expect("the answer must be JSON");
    (reply.status, body)
}

fn fetched(world: &World) -> usize {
    world.agents.with(|tables| tables.fetched.len())
}

/// The reason why the one Secret is not there.
async fn refused(world: &World, asker: &Asker) -> String {
    let (status, body) = ask(world, &asker.token, &[&asker.name]).await;
    assert_eq!(status, 200, "{body}");
    let message = &body["secrets"][&asker.name]["error"]["message"];
    message
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

#[tokio::test]
async fn a_pod_gets_what_it_was_admitted_with_and_the_cas_of_the_day() {
    let world = world();
    let asker = admitted(&world, 1).await;
    let (status, body) = ask(&world, &asker.token, &[&asker.name]).await;
    assert_eq!(status, 200);
    let data = &body["secrets"][&asker.name]["data"];
    assert_eq!(*data, json!({"password": "czNjcmV0"}));
    assert_eq!(body["trust"], TRUST);
    assert!(world.agents.with(|tables| tables.told.is_empty()));
}

#[tokio::test]
async fn only_a_token_of_a_living_pod_for_us_is_accepted() {
    let world = world();
    let asker = admitted(&world, 1).await;
    for forged in [
        "",
        "garbage",
        "a.b.c",
        &token("https://kubernetes.default.svc", 1),
    ] {
        let (status, body) = ask(&world, forged, &[&asker.name]).await;
        assert_eq!(status, 401, "{forged}: {body}");
    }
    assert_eq!(
        world.agents.with(|tables| tables.reviews),
        0,
        "what does not claim to be for us costs no question"
    );
    let (status, _) = ask(&world, &token(AUDIENCE, 99), &[&asker.name]).await;
    assert_eq!(status, 401, "one that the API server does not know");
    let reply = world.webhook.pod_secrets(None, b"{\"secrets\":[]}").await;
    assert_eq!(reply.status, 401);
    let reply = world.webhook.pod_secrets(Some("Basic eA=="), b"{}").await;
    assert_eq!(reply.status, 401);
    assert_eq!(fetched(&world), 0);
}

#[tokio::test]
async fn a_token_is_remembered_by_its_digest_for_a_moment() {
    let world = world();
    let asker = admitted(&world, 1).await;
    for _ in 0..3 {
        ask(&world, &asker.token, &[&asker.name]).await;
        ask(&world, &token(AUDIENCE, 99), &[&asker.name]).await;
    }
    assert_eq!(world.agents.with(|tables| tables.reviews), 2);
    let away = token(AUDIENCE, 7);
    world
        .agents
        .with(|tables| tables.owners.insert(away.clone(), None));
    for _ in 0..2 {
        let (status, body) = ask(&world, &away, &[&asker.name]).await;
        assert_eq!(status, 503, "{body}");
    }
    assert_eq!(
        world.agents.with(|tables| tables.reviews),
        4,
        "a failure is not remembered"
    );
}

#[tokio::test]
async fn a_pod_does_not_get_what_another_was_admitted_with() {
    let world = world();
    let asker = admitted(&world, 1).await;
    let other = {
        let mut pod = mounting();
        pod["metadata"]["annotations"]["latchkey.dev/secret.db"] =
            "secret://vault/apps/admin".into();
        let live = world.settle(&pod).await.object;
        let told = live["spec"]["initContainers"][0]["args"][3].to_string();
        let name = told.split("inj-db-").nth(1).and_then(|rest| rest.get(..20));
        format!("inj-db-{}", name.expect("it has a name"))
    };
    let (status, body) = ask(&world, &asker.token, &[&other, &asker.name]).await;
    assert_eq!(status, 200);
    let message = body["secrets"][&other]["error"]["message"].as_str();
    assert!(
        message.is_some_and(|text| text.contains("was not admitted with it")),
        "{body}"
    );
    assert!(body["secrets"][&asker.name]["data"].is_object());
    assert_eq!(
        world.agents.with(|tables| tables.fetched.clone()),
        ["apps/db"]
    );
}

#[tokio::test]
async fn an_annotation_that_was_edited_later_is_not_believed() {
    let world = world();
    let asker = admitted(&world, 1).await;
    world.agents.with(|tables| {
        let pod = tables.pods.get_mut("web-1").expect("it lives");
        pod["metadata"]["annotations"]["latchkey.dev/secret.db"] = "secret://vault/admin".into();
    });
    let message = refused(&world, &asker).await;
    assert!(message.contains("make the pod anew"), "{message}");
    assert_eq!(fetched(&world), 0);
    let told = world.agents.with(|tables| tables.told.clone());
    assert_eq!(told.len(), 1, "the pod is told: {told:?}");
    refused(&world, &asker).await;
    assert_eq!(world.agents.with(|tables| tables.told.len()), 1, "once");
}

#[tokio::test]
async fn a_pod_that_is_gone_or_was_made_anew_gets_nothing() {
    let world = world();
    let asker = admitted(&world, 1).await;
    world.agents.with(|tables| {
        tables.pods.get_mut("web-1").expect("it lives")["metadata"]["uid"] = "new".into();
    });
    let (status, body) = ask(&world, &asker.token, &[&asker.name]).await;
    assert_eq!(status, 403);
    assert!(body["error"].to_string().contains("another one"), "{body}");
    world
        .agents
        .with(|tables| tables.pods.insert("web-1".to_owned(), Value::Null));
    assert_eq!(ask(&world, &asker.token, &[&asker.name]).await.0, 503);
    world.agents.with(|tables| tables.pods.remove("web-1"));
    assert_eq!(ask(&world, &asker.token, &[&asker.name]).await.0, 403);
    assert_eq!(fetched(&world), 0);
}

#[tokio::test]
async fn case_48_a_permission_that_is_revoked_ends_it() {
    let permitted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let world = {
        let permitted = permitted.clone();
        world_where(move |access: &StoreAccess| {
            assert_eq!((&*access.namespace, &*access.account), ("team", "default"));
            if permitted.load(std::sync::atomic::Ordering::SeqCst) {
                Verdict::Allowed
            } else {
                Verdict::Denied(String::new())
            }
        })
    };
    let asker = admitted(&world, 1).await;
    let (_, body) = ask(&world, &asker.token, &[&asker.name]).await;
    assert!(body["secrets"][&asker.name]["data"].is_object());
    permitted.store(false, std::sync::atomic::Ordering::SeqCst);
    let message = refused(&world, &asker).await;
    assert!(message.contains("may not use it"), "{message}");
    assert_eq!(fetched(&world), 1);
}

#[tokio::test]
async fn a_fallback_serves_only_whom_a_reference_to_it_would_serve() {
    let world = world_where(|access: &StoreAccess| {
        if access.store == "secret" {
            Verdict::Denied(String::new())
        } else {
            Verdict::Allowed
        }
    });
    let asker = admitted(&world, 1).await;
    world.agents.with(|tables| {
        tables
            .values
            .insert("apps/db".to_owned(), Ok("v".to_owned()));
    });
    let names = ["open", "secret", "scoped", "down", "gone"];
    let of = |name: &str| StoreId::new(StoreKind::SecretStore, "team", name);
    world.know(|tables| {
        let mut facts = StoreFacts::default();
        for name in ["open", "secret"] {
            tables.stores.insert(format!("team:{name}"), facts.clone());
        }
        facts.key_scope = Some("other/**".to_owned());
        tables
            .stores
            .insert("team:scoped".to_owned(), facts.clone());
        facts.key_scope = None;
        facts.failure = Some("no route".to_owned());
        tables.stores.insert("team:down".to_owned(), facts.clone());
        facts.failure = None;
        facts.fallbacks = names.map(of).into();
        tables.stores.insert("team:vault".to_owned(), facts);
    });
    let (_, body) = ask(&world, &asker.token, &[&asker.name]).await;
    assert!(body["secrets"][&asker.name]["data"].is_object(), "{body}");
    let fallbacks = world.agents.with(|tables| tables.fallbacks.clone());
    assert_eq!(fallbacks[0], Ok("open".to_owned()));
    for (i, part) in ["may not use it", "key scope", "no route", "does not exist"]
        .into_iter()
        .enumerate()
    {
        let why = fallbacks[i + 1].as_ref().unwrap_err();
        assert!(
            why.contains(part) && why.contains(names[i + 1]),
            "{part:?} in {why}"
        );
    }
}

#[tokio::test]
async fn what_nobody_can_say_is_a_refusal_for_now() {
    let world = world();
    let asker = admitted(&world, 1).await;
    let facts = |facts: StoreFacts| {
        world.know(|tables| drop(tables.stores.insert("team:vault".to_owned(), facts)));
    };
    facts(StoreFacts {
        key_scope: Some("other/**".to_owned()),
        ..StoreFacts::default()
    });
    let message = refused(&world, &asker).await;
    assert!(message.starts_with("SecretStore vault:"), "{message}");
    facts(StoreFacts {
        controller: Some("foreign".to_owned()),
        ..StoreFacts::default()
    });
    assert!(refused(&world, &asker).await.contains("class \"foreign\""));
    world.know(|tables| drop(tables.stores.remove("team:vault")));
    assert!(refused(&world, &asker).await.contains("does not exist"));
    assert_eq!(fetched(&world), 0);

    let unsure = world_where(|_| Verdict::Unknown("away".to_owned()));
    let asker = admitted(&unsure, 1).await;
    assert!(refused(&unsure, &asker).await.contains("away"));
    assert_eq!(fetched(&unsure), 0);
}

#[tokio::test]
async fn a_store_that_fails_is_told_with_what_it_asks_for() {
    let world = world();
    let asker = admitted(&world, 1).await;
    world.agents.with(|tables| {
        let down = Unfetched {
            message: "sealed".to_owned(),
            is_missing: false,
            retry_after: Some(Duration::from_secs(9)),
        };
        tables.values.insert("apps/db".to_owned(), Err(down));
    });
    let (_, body) = ask(&world, &asker.token, &[&asker.name]).await;
    let error = json!({"message": "sealed", "isMissing": false, "retryAfterSeconds": 9});
    assert_eq!(body["secrets"][&asker.name]["error"], error);
    assert_eq!(
        world.agents.with(|tables| tables.told.clone()),
        ["web-1: alias \"db\": sealed"]
    );
    world.agents.with(|tables| tables.values.clear());
    let (_, body) = ask(&world, &asker.token, &[&asker.name]).await;
    assert_eq!(body["secrets"][&asker.name]["error"]["isMissing"], true);
}

#[tokio::test]
async fn a_body_that_is_no_question_is_answered_400_before_anything_is_asked() {
    let world = world();
    let asker = admitted(&world, 1).await;
    let authorization = format!("Bearer {}", asker.token);
    let many = json!({"secrets": vec!["x"; 257]}).to_string();
    for body in ["", "{", "[]", "null", "{\"secrets\":3}", &many] {
        let reply = world
            .webhook
            .pod_secrets(Some(&authorization), body.as_bytes())
            .await;
        assert_eq!(reply.status, 400, "{body}");
    }
    assert_eq!(world.agents.with(|tables| tables.reviews), 0);
}
